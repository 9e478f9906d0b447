package strictyaml_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/demarc/demarc/internal/strictyaml"
)

type role string

type fact struct {
	Pos  strictyaml.Pos `yaml:",pos"`
	Type string         `yaml:"type"`
}

type service struct {
	Name   string               `yaml:"service"`
	Holder role                 `yaml:"holder"`
	Proves bool                 `yaml:"proves"`
	Limit  int                  `yaml:"limit"`
	Small  int8                 `yaml:"small"`
	Ratio  float64              `yaml:"ratio"`
	Types  []string             `yaml:"types"`
	Values map[role]string      `yaml:"values"`
	When   strictyaml.Text      `yaml:"when"`
	Facts  strictyaml.Map[fact] `yaml:"facts"`
	Fix    *fact                `yaml:"fix"`
	Raw    *yaml.Node           `yaml:"raw"`
	Source source               `yaml:"source"`
	Hidden string
}

// source is a name, or a mapping with a url.
type source struct{ Name, URL string }

func (s *source) DecodeYAML(n *yaml.Node, d *strictyaml.Decoder) {
	if n.Kind == yaml.ScalarNode {
		d.Decode(n, &s.Name)
		return
	}
	var full struct {
		URL string `yaml:"url"`
	}
	if d.Decode(n, &full) && !strings.HasPrefix(full.URL, "https://") {
		d.Errorf(n, "want an https url")
	}
	s.URL = full.URL
}

func TestDecode(t *testing.T) {
	const text = `
service: aws/rds
holder: tenant
proves: true
limit: -12
small: 7
ratio: 1.5
types: [a, "b", 2026-11-23, 1.30, 007, true]
values: {ENABLED: on, true: "false", 1: one}
when: facts.x == false
facts:
  zeta: {type: bool}
  alpha:
    type: string
fix: {type: int}
raw: {null: [~]}
source: upgrading
`
	var got service
	if err := strictyaml.Decode("rds.yaml", []byte(text), &got); err != nil {
		t.Fatal(err)
	}
	pos := func(line, column int) strictyaml.Pos {
		return strictyaml.Pos{File: "rds.yaml", Line: line, Column: column}
	}
	want := service{
		Name: "aws/rds", Holder: "tenant", Proves: true, Limit: -12, Small: 7, Ratio: 1.5,
		Types:  []string{"a", "b", "2026-11-23", "1.30", "007", "true"},
		Values: map[role]string{"ENABLED": "on", "true": "false", "1": "one"},
		When:   strictyaml.Text{Value: "facts.x == false", Pos: pos(10, 7)},
		Facts: strictyaml.Map[fact]{
			{Key: "zeta", Pos: pos(12, 3), Value: fact{Type: "bool", Pos: pos(12, 9)}},
			{Key: "alpha", Pos: pos(13, 3), Value: fact{Type: "string", Pos: pos(14, 5)}},
		},
		Fix:    &fact{Type: "int", Pos: pos(15, 6)},
		Source: source{Name: "upgrading"},
	}
	if got.Raw == nil || got.Raw.Kind != yaml.MappingNode {
		t.Errorf("raw node = %v, want a mapping", got.Raw)
	}
	got.Raw = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Decode (-want +got):\n%s", diff)
	}
	if f, ok := got.Facts.Get("alpha"); !ok || f.Type != "string" {
		t.Errorf("Get(alpha) = %v, %v", f, ok)
	}
	if _, ok := got.Facts.Get("beta"); ok {
		t.Error("Get(beta) found something")
	}
}

func TestNothingIsNoMistake(t *testing.T) {
	for _, text := range []string{"", "\n", "# only a comment\n", "---\n", "types:\nfacts:\nvalues:\nfix:\n", "\ufeffservice: a\n"} {
		var got service
		if err := strictyaml.Decode("a.yaml", []byte(text), &got); err != nil {
			t.Errorf("Decode(%q) = %v, want nil", text, err)
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "holdr: tenant", `a.yaml:1:1: unknown key "holdr", did you mean "holder"?`},
		{"unknown key unlike any", "fix: {xyzzy: 1}", `a.yaml:1:7: unknown key "xyzzy", known here: type`},
		{"comma in a text", "fix: {type: One, and the other.}", `a.yaml:1:18: unknown key "and the other.": text with a comma in it must be quoted here`},
		{"untagged field", "Hidden: x", `a.yaml:1:1: unknown key "Hidden", known here: facts, fix, holder, limit, proves, ratio, raw, service, small, source, types, values, when`},
		{"key twice", "service: a\nlimit: 1\nservice: b", `a.yaml:3:1: key "service" stands here twice, first on line 1`},
		{"key twice in raw", "raw: {a: 1, 'a': 2}", `a.yaml:1:13: key "a" stands here twice, first on line 1`},
		{"list for text", "service: [a]", `a.yaml:1:10: want text, this is a list`},
		{"text for list", "types: a", `a.yaml:1:8: want a list, this is the text "a"`},
		{"list for mapping", "facts: []", `a.yaml:1:8: want a mapping, this is a list`},
		{"text for bool", "proves: yes", `a.yaml:1:9: want true or false, this is the text "yes"`},
		{"quoted bool", "proves: 'true'", `a.yaml:1:9: want true or false, this is the text "true"`},
		{"float for int", "limit: 1.5", `a.yaml:1:8: want a whole number, this is float 1.5`},
		{"octal", "limit: 0755", `a.yaml:1:8: "0755" is not a whole decimal number of 64 bits`},
		{"too large", "small: 128", `a.yaml:1:8: "128" is not a whole decimal number of 8 bits`},
		{"infinity", "ratio: .inf", `a.yaml:1:8: ".inf" is not a decimal number`},
		{"empty text", "service:", `a.yaml:1:9: want text, this is empty`},
		{"empty when", "when: ~", `a.yaml:1:7: want text, this is empty`},
		{"null record", "facts: {a: null}", `a.yaml:1:12: want a mapping, this is empty`},
		{"anchor", "raw: &x {a: 1}", `a.yaml:1:6: anchor &x: anchors and aliases are not allowed, write the value out`},
		{"alias", "raw: &x a\nservice: *x", "a.yaml:1:6: anchor &x: anchors and aliases are not allowed, write the value out\n" +
			"a.yaml:2:10: alias *x: anchors and aliases are not allowed, write the value out"},
		{"merge key", "raw: {<<: {a: 1}}", `a.yaml:1:7: merge key <<: merge keys are not allowed, write the values out`},
		{"tag", "service: !!str a", `a.yaml:1:10: tag !!str: tags are not allowed`},
		{"key that is no text", "raw: {[a]: b}", `a.yaml:1:7: a key must be text, this is a list`},
		{"empty key", "raw:\n  ?\n  : b", `a.yaml:2:4: a key is empty`},
		{"two documents", "service: a\n---\nservice: b", `a.yaml:2:1: more than one document in the file`},
		{"second document broken", "service: a\n---\n{", `a.yaml:3: not well-formed YAML: did not find expected node content`},
		{"not YAML", "service: a\n  limit: 1\n", `a.yaml:2: not well-formed YAML: mapping values are not allowed in this context`},
		{"not YAML on the first line", "service: a: b", `a.yaml:1: not well-formed YAML: mapping values are not allowed in this context`},
		{"text at the root", "hello", `a.yaml:1:1: want a mapping, this is the text "hello"`},
		{"not UTF-8", "service: é\nholder: \xff", `a.yaml:2:9: text is not UTF-8`},
		{"own type", "source: {url: x}", `a.yaml:1:9: want an https url`},
		{"own type, wrong inside", "source: {uri: x}", `a.yaml:1:10: unknown key "uri", did you mean "url"?`},
		{"columns are characters", "values: {é: a, b: [1]}", `a.yaml:1:19: want text, this is a list`},
		{"several, by position", "limit: x\nfacts: {a: {type: []}}\nfoo: 1\nproves: 1", strings.Join([]string{
			`a.yaml:1:8: want a whole number, this is the text "x"`,
			`a.yaml:2:19: want text, this is a list`,
			`a.yaml:3:1: unknown key "foo", known here: facts, fix, holder, limit, proves, ratio, raw, service, small, source, types, values, when`,
			`a.yaml:4:9: want true or false, this is int 1`,
		}, "\n")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var into service
			err := strictyaml.Decode("a.yaml", []byte(tt.text), &into)
			if got := fmt.Sprint(err); got != tt.want {
				t.Errorf("Decode(%q):\n%s\nwant:\n%s", tt.text, got, tt.want)
			}
			var first *strictyaml.Error
			if !errors.As(err, &first) || first.File != "a.yaml" {
				t.Errorf("errors.As found %v, want an Error of a.yaml", first)
			}
		})
	}
}

func TestTextPosition(t *testing.T) {
	for _, tt := range []struct {
		name, yaml, value string
		line, column      int
	}{
		{"plain", "when: facts.x", "facts.x", 1, 7},
		{"plain on the next line", "when:\n  facts.x", "facts.x", 2, 3},
		{"bool", "when: true", "true", 1, 7},
		{"number", "when: 1.30", "1.30", 1, 7},
		{"single quotes", "when: 'facts.x'", "facts.x", 1, 8},
		{"double quotes", `when: "facts.x"`, "facts.x", 1, 8},
		{"literal block", "when: |\n    a &&\n    b\n", "a &&\nb\n", 2, 5},
		{"literal block with a blank line first", "when: |\n\n  a\n", "\na\n", 2, 3},
		{"literal block with its own indent", "when: |2\n    a\n  b\n", "  a\nb\n", 2, 3},
		{"folded block after a comment", "when: >- # why\n  a\n  && b\n", "a && b", 2, 3},
		{"block in CRLF", "when: |-\r\n  a\r\n", "a", 2, 3},
		{"empty block", "when: |\nservice: a", "", 1, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got service
			if err := strictyaml.Decode("a.yaml", []byte(tt.yaml), &got); err != nil {
				t.Fatal(err)
			}
			want := strictyaml.Text{Value: tt.value, Pos: strictyaml.Pos{File: "a.yaml", Line: tt.line, Column: tt.column}}
			if diff := cmp.Diff(want, got.When); diff != "" {
				t.Errorf("text of %q (-want +got):\n%s", tt.yaml, diff)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	deep := func(n int) string { return "raw: " + strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, tt := range []struct{ name, text, want string }{
		{"deep enough", deep(strictyaml.MaxDepth), "<nil>"},
		{"too deep", deep(strictyaml.MaxDepth + 1), "a.yaml:1:70: nested more than 64 levels deep"},
		{"much too deep", deep(20000), "a.yaml:1: not well-formed YAML: exceeded max depth of 10000"},
		{"too large", "#" + strings.Repeat("x", strictyaml.MaxBytes), "a.yaml: file is larger than 4194304 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var into service
			if got := fmt.Sprint(strictyaml.Decode("a.yaml", []byte(tt.text), &into)); got != tt.want {
				t.Errorf("Decode = %s, want %s", got, tt.want)
			}
		})
	}

	var into service
	err := strictyaml.Decode("a.yaml", []byte("types: ["+strings.Repeat("[], ", 1000)+"]"), &into)
	var errs strictyaml.Errors
	if !errors.As(err, &errs) || len(errs) != strictyaml.MaxErrors+1 {
		t.Fatalf("Decode found %d mistakes, want %d and a last line", len(errs), strictyaml.MaxErrors)
	}
	if got, want := errs[len(errs)-1].Error(), "a.yaml: more mistakes follow; they are not listed"; got != want {
		t.Errorf("last line %q, want %q", got, want)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("service: a\nfacts: {x: {type: bool}}\nwhen: |\n  a\n"))
	f.Add([]byte("types: [a, *b]\nraw: &b {<<: c}\n---\n"))
	f.Add([]byte("# c\n\n- # d\n ? [a]\n : >2-\n\n    x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var a, b service
		errA, errB := strictyaml.Decode("a.yaml", data, &a), strictyaml.Decode("a.yaml", data, &b)
		if fmt.Sprint(errA) != fmt.Sprint(errB) {
			t.Errorf("decoded twice: %v, then %v", errA, errB)
		}
		if a.When.Value != "" && (a.When.Pos.Line < 1 || a.When.Pos.Column < 1) {
			t.Errorf("text at %v", a.When.Pos)
		}
	})
}
