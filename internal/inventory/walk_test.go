package inventory

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/jscan"
	"github.com/demarc/demarc/internal/rulebook"
)

// TestAlternatives asks which alternative of a path counts.
func TestAlternatives(t *testing.T) {
	const unknown = `{"$demarc":"unresolved"}`
	for _, c := range []struct {
		path, document string
		want           []string
		absent         bool
	}{
		{path: `a|b`, document: `{"a":1,"b":2}`, want: []string{"1"}},
		{path: `a|b`, document: `{"a":null,"b":2}`, want: []string{"2"}},
		{path: `a|b`, document: `{"a":"","b":2}`, want: []string{`""`}},
		{path: `a|b`, document: `{}`, absent: true},
		{path: `set(a|b)`, document: `{"a":"","b":"x"}`, want: []string{`"x"`}},
		{path: `set(a|b)`, document: `{"a":[],"b":{"c":1}}`, want: []string{`{"c":1}`}},
		{path: `set(a|b)`, document: `{"a":"","b":[]}`},
		{path: `set(a|b)`, document: `{"a":` + unknown + `,"b":"x"}`, want: []string{unknown}},
		{path: `set(a[].b|c)`, document: `{"a":[{"b":""}],"c":"x"}`, want: []string{`"x"`}},
		{path: `a[].b|c[].d`, document: `{"a":[{"b":1}],"c":[{"d":2}]}`, want: []string{"1"}},
		{path: `a[].b|c[].d`, document: `{"a":[],"c":[{"d":2}]}`, want: []string{"2"}},
		{path: `a[].b|c[].d`, document: `{"a":[{"x":1}],"c":[{"d":2}]}`, want: []string{"2"}},
		{path: `a[].b|c[].d`, document: `{"a":[{"x":1}],"c":[]}`},
		{path: `a[].b|c[].d`, document: `{"a":[{"x":1}]}`},
		{path: `a[].b|c`, document: `{"c":3}`, want: []string{"3"}},
	} {
		t.Run(c.path+" in "+c.document, func(t *testing.T) {
			path, err := rulebook.ParsePath(c.path)
			if err != nil {
				t.Fatal(err)
			}
			plan := dialectPlan{base: jscan.NewNode(false, false)}
			p := plan.path(path)
			captures := jscan.NewCaptures(plan.slots)
			if err := jscan.Scan([]byte(c.document), plan.base, captures); err != nil {
				t.Fatal(err)
			}
			var scratch [][]byte
			what, _ := p.look(captures, false, false, &scratch)
			var got []string
			for _, v := range what.values {
				got = append(got, string(v))
			}
			if diff := cmp.Diff(c.want, got); diff != "" || what.present == c.absent {
				t.Errorf("present: %v (-want +got):\n%s", what.present, diff)
			}
		})
	}
}

// TestFill gives the open fields of records what a plan refers to.
func TestFill(t *testing.T) {
	names := demarc.NewNames("to", "what")
	open, known := names.Record([]demarc.Value{{}, demarc.String("x")}), names.Record([]demarc.Value{demarc.String("a"), demarc.String("y")})
	filled := func(to string) demarc.Value {
		return names.Record([]demarc.Value{demarc.String(to), demarc.String("x")})
	}
	to := &rulebook.Field{Name: "to", Type: demarc.TypeString}
	for name, c := range map[string]struct {
		elements  []demarc.Value
		field     *rulebook.Field
		addresses []string
		want      []demarc.Value
	}{
		"elements":                       {[]demarc.Value{{}, demarc.String("x"), {}}, nil, []string{"a", "b"}, []demarc.Value{demarc.String("a"), demarc.String("x"), demarc.String("b")}},
		"a field":                        {[]demarc.Value{known, open}, to, []string{"b"}, []demarc.Value{known, filled("b")}},
		"fields that refer to one":       {[]demarc.Value{open, known, open}, to, []string{"b", "b"}, []demarc.Value{filled("b"), known, filled("b")}},
		"fields that refer to different": {[]demarc.Value{open, open}, to, []string{"b", "c"}, nil},
		"more fields than addresses":     {[]demarc.Value{open, open}, to, []string{"b"}, nil},
		"more addresses than elements":   {[]demarc.Value{{}, demarc.String("x")}, nil, []string{"a", "b"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := fill(c.elements, c.field, c.addresses)
			if len(got) != len(c.want) {
				t.Fatalf("got %v, want %v", got, c.want)
			}
			for i := range got {
				if !got[i].Equal(c.want[i]) {
					t.Errorf("element %d is %v, want %v", i, got[i], c.want[i])
				}
			}
		})
	}
}
