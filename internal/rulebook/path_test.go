package rulebook_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/demarc/demarc/internal/rulebook"
)

func key(k string) rulebook.Step     { return rulebook.Step{Kind: rulebook.StepKey, Key: k} }
func pick(k, v string) rulebook.Step { return rulebook.Step{Kind: rulebook.StepPick, Key: k, Value: v} }

var (
	each   = rulebook.Step{Kind: rulebook.StepEach}
	opened = rulebook.Step{Kind: rulebook.StepJSON}
)

func TestParsePath(t *testing.T) {
	type alt = rulebook.Alternative
	for _, c := range []struct {
		text string
		want rulebook.Path
	}{
		{"a", rulebook.Path{{Keys: []string{"a"}}}},
		{"a.b.c", rulebook.Path{{Keys: []string{"a", "b", "c"}}}},
		{"a.b|c", rulebook.Path{alt{Keys: []string{"a", "b"}}, alt{Keys: []string{"c"}}}},
		{"a[]", rulebook.Path{{Keys: []string{"a"}, Rest: []rulebook.Step{each}}}},
		{"a[].b[].c", rulebook.Path{{Keys: []string{"a"}, Rest: []rulebook.Step{each, key("b"), each, key("c")}}}},
		{"a[K=V].b", rulebook.Path{{Keys: []string{"a"}, Rest: []rulebook.Step{pick("K", "V"), key("b")}}}},
		{`a["K x"="V] ="].b`, rulebook.Path{{Keys: []string{"a"}, Rest: []rulebook.Step{pick("K x", "V] ="), key("b")}}}},
		{"a[K=]", rulebook.Path{{Keys: []string{"a"}, Rest: []rulebook.Step{pick("K", "")}}}},
		{"json(a).b", rulebook.Path{{Keys: []string{"a"}, Rest: []rulebook.Step{opened, key("b")}}}},
		{"json(a|b[].c).d", rulebook.Path{{Keys: []string{"a"}, Rest: []rulebook.Step{opened, key("d")}}, {Keys: []string{"b"}, Rest: []rulebook.Step{each, key("c"), opened, key("d")}}}},
		{"set(a.b)", rulebook.Path{{Keys: []string{"a", "b"}, Asked: rulebook.WhetherSet}}},
		{"size(a)|b", rulebook.Path{{Keys: []string{"a"}, Asked: rulebook.HowMany}, {Keys: []string{"b"}}}},
		{"set(json(a).b)", rulebook.Path{{Keys: []string{"a"}, Rest: []rulebook.Step{opened, key("b")}, Asked: rulebook.WhetherSet}}},
		{`"OS-EXT-AZ:availability_zone"`, rulebook.Path{{Keys: []string{"OS-EXT-AZ:availability_zone"}}}},
		{`metadata.labels."a.b/c"`, rulebook.Path{{Keys: []string{"metadata", "labels", "a.b/c"}}}},
		{"$type.@odata/x", rulebook.Path{{Keys: []string{"$type", "@odata/x"}}}},
		{"json.set", rulebook.Path{{Keys: []string{"json", "set"}}}},
	} {
		got, err := rulebook.ParsePath(c.text)
		if err != nil {
			t.Errorf("ParsePath(%q): %v", c.text, err)
			continue
		}
		if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("ParsePath(%q) (-want +got):\n%s", c.text, diff)
		}
		if back, err := rulebook.ParsePath(got.String()); err != nil {
			t.Errorf("ParsePath(%q), written %q: %v", c.text, got, err)
		} else if diff := cmp.Diff(c.want, back, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("ParsePath(%q), written %q (-want +got):\n%s", c.text, got, diff)
		}
		gathers := strings.Contains(c.text, "[]")
		if got.Gathers() != gathers {
			t.Errorf("ParsePath(%q).Gathers() = %v, want %v", c.text, !gathers, gathers)
		}
	}
}

func TestParsePathNamesTheByte(t *testing.T) {
	for text, want := range map[string]string{
		"":           `path "", byte 1: expected a key`,
		".a":         `path ".a", byte 1: expected a key`,
		"a.":         `path "a.", byte 3: expected a key`,
		"a b":        `path "a b", byte 2: expected '.', '[', '|' or the end`,
		"a[":         `path "a[", byte 3: expected a key`,
		"a[b":        `path "a[b", byte 4: expected '='`,
		"a[b=c":      `path "a[b=c", byte 5: expected ']'`,
		`a[b="c`:     `path "a[b=\"c", byte 6: expected '"'`,
		`a[b="c"d]`:  `path "a[b=\"c\"d]", byte 8: expected ']'`,
		"a|":         `path "a|", byte 3: expected a key`,
		"json(a":     `path "json(a", byte 7: expected ')'`,
		"set(a).b":   `path "set(a).b", byte 7: expected '.', '[', '|' or the end`,
		`"a`:         `path "\"a", byte 2: expected '"'`,
		"json(a)[]b": `path "json(a)[]b", byte 8: expected '.', '[', '|' or the end`,
	} {
		_, err := rulebook.ParsePath(text)
		if err == nil || err.Error() != want {
			t.Errorf("ParsePath(%q): %v, want %s", text, err, want)
		}
	}
}

func TestParseTemplate(t *testing.T) {
	got, err := rulebook.ParseTemplate("arn:{partition}:ec2:{region}:{account}:instance/{InstanceId}")
	if err != nil {
		t.Fatal(err)
	}
	want := rulebook.Template{
		{Literal: "arn:"},
		{Surrounding: "partition"},
		{Literal: ":ec2:"},
		{Surrounding: "region"},
		{Literal: ":"},
		{Surrounding: "account"},
		{Literal: ":instance/"},
		{Path: rulebook.Path{{Keys: []string{"InstanceId"}}}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "{", "a{b", "a{}", "a{b..c}d"} {
		if got, err := rulebook.ParseTemplate(bad); err == nil {
			t.Errorf("ParseTemplate(%q) = %v, want an error", bad, got)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a.b", "a[].b", "a[K=V].b", "a|b", "json(a).b", "set(a.b)", "size(a)", `"x:y".z`, `a["b"="c]"]`, "json(set(a)|b[])[", "{a}{account}b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := rulebook.ParsePath(text)
		switch {
		case err != nil && !strings.Contains(err.Error(), "byte "):
			t.Errorf("%v names no byte", err)
		case err == nil && len(p) == 0:
			t.Errorf("ParsePath(%q) has no alternative", text)
		}
		for _, a := range p {
			if len(a.Keys)+len(a.Rest) == 0 && !strings.Contains(text, "$") { // $ alone is the document itself
				t.Errorf("ParsePath(%q) has an empty alternative", text)
			}
		}
		_, _ = rulebook.ParseTemplate(text)
	})
}
