package file_test

import (
	"fmt"
	"strings"
	"testing"
)

// One document of many is broken. It alone is lost, and the place that is told lies in it or at the beginning of the next.
func TestABrokenDocumentSpoilsNoOther(t *testing.T) {
	const many, broken = 2000, 1200
	compact := func(i int) string {
		return fmt.Sprintf(`{"name":"//x/%04d","assetType":"x/Y","resource":{"data":{"a":"b{}[]","list":[{"c":1}]},"more":%q}}`, i, strings.Repeat("x", 100))
	}
	indented := func(i int) string {
		return fmt.Sprintf("{\n      \"name\": \"//x/%04d\",\n      \"assetType\": \"x/Y\",\n      \"resource\": {\n        \"list\": [\n          {\n            \"c\": 1\n          }\n        ]\n      }\n    }", i)
	}
	for _, layout := range []struct {
		name, before, between, after string
		document                     func(i int) string
	}{
		{"lines", "", "\n", "\n", compact},
		{"lines of Windows", "", "\r\n", "\r\n", compact},
		{"lines of an array", "{\"assets\":[\n", ",\n", "\n]}\n", compact},
		{"a top-level array", "[\n  ", ",\n  ", "\n]\n", compact},
		{"an indented array", "{\n  \"assets\": [\n    ", ",\n    ", "\n  ]\n}\n", indented},
	} {
		for _, mistake := range []struct {
			name  string
			of    func(string) string
			fewer int
		}{
			{"cut off in a string", func(s string) string { return s[:15] }, 1},
			{"cut off behind a string", func(s string) string { before, _, _ := strings.Cut(s, `,`); return before }, 1},
			{"cut off deep inside", func(s string) string { before, _, _ := strings.Cut(s, `"c"`); return before }, 1},
			{"without its last brace", func(s string) string { return s[:len(s)-1] }, 1},
			{"a quotation mark too few", func(s string) string { return strings.Replace(s, `"x/Y"`, `x/Y"`, 1) }, 1},
			{"a brace too many", func(s string) string { return s + "}" }, 0},
			{"a bare word", func(s string) string { return strings.Replace(s, `"x/Y"`, `oops`, 1) }, 1},
			{"nothing but noise", func(string) string { return `noise` }, 1},
		} {
			t.Run(layout.name+", "+mistake.name, func(t *testing.T) {
				t.Parallel()
				var text strings.Builder
				text.WriteString(layout.before)
				from, to := 0, 0
				for i := range many {
					if i > 0 {
						text.WriteString(layout.between)
					}
					switch i {
					case broken:
						from = text.Len()
						text.WriteString(mistake.of(layout.document(i)))
					case broken + 1:
						to = text.Len()
						fallthrough
					default:
						text.WriteString(layout.document(i))
					}
				}
				text.WriteString(layout.after)
				got := collect(t, strings.NewReader(text.String()))
				good := map[string]bool{}
				for _, d := range got.docs {
					good[string(d.Body)] = true
				}
				for i := range many {
					if i != broken && !good[layout.document(i)] {
						t.Fatalf("document %d is lost", i)
					}
				}
				for _, line := range got.lines {
					var at int
					if n, _ := fmt.Sscanf(line, "refused byte %d:", &at); n == 1 && (at < from || at > to) {
						t.Errorf("%s; it lies between %d and %d", line, from, to)
					}
				}
				if len(got.docs) > many {
					t.Errorf("%d documents of %d", len(got.docs), many)
				}
			})
		}
	}
}

// An element of a list in YAML that is broken is lost alone too, whether the list is long enough to be cut or not.
func TestABrokenElementOfYAMLSpoilsNoOther(t *testing.T) {
	for _, many := range []int{3, 5_000} {
		for _, layout := range []struct{ name, before, indent, after string }{
			{"items", "apiVersion: v1\nitems:\n", "", "kind: List\n"},
			{"indented items", "apiVersion: v1\nkind: List\nitems:\n", "    ", ""},
			{"a list as such", "# of a cluster\n", "", ""},
		} {
			for _, mistake := range []struct{ name, line string }{
				{"a quotation mark too few", `name: "x`}, {"a bracket too few", "names: [x"}, {"a tab", "\tname: x"}, {"a value too many", "name: x: y"}, {"an alias of nothing", "name: *x"},
			} {
				t.Run(fmt.Sprintf("%d %s, %s", many, layout.name, mistake.name), func(t *testing.T) {
					t.Parallel()
					var text strings.Builder
					text.WriteString(layout.before)
					broken := many / 2
					line := 0
					for i := range many {
						last := "name: y"
						if i == broken {
							line, last = strings.Count(text.String(), "\n")+1, mistake.line
						}
						fmt.Fprintf(&text, "%[1]s- apiVersion: v1\n%[1]s  kind: Pod\n%[1]s  metadata:\n%[1]s    uid: u%[2]d\n%[1]s    %[3]s\n", layout.indent, i, last)
					}
					text.WriteString(layout.after)
					got := collect(t, strings.NewReader(text.String()))
					if len(got.docs) != many-1 {
						t.Errorf("%d documents, want %d", len(got.docs), many-1)
					}
					good := map[string]bool{}
					for _, d := range got.docs {
						if good[string(d.Body)] {
							t.Errorf("%s comes twice", d.Body)
						}
						good[string(d.Body)] = true
					}
					for i := range many {
						if i != broken && !good[fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"uid":"u%d","name":"y"}}`, i)] {
							t.Fatalf("element %d is lost", i)
						}
					}
					var told []int
					for _, l := range got.lines {
						at := 0
						if n, _ := fmt.Sscanf(l, "refused line %d:", &at); n == 1 {
							told = append(told, at)
						}
					}
					if len(told) != 1 || told[0] < line || told[0] > line+5 {
						t.Errorf("mistakes are told on lines %d, want one between %d and %d", told, line, line+5)
					}
				})
			}
		}
	}
}

// What comes behind an end is broken: what came before it is not taken a second time.
func TestABrokenEndOfYAMLRepeatsNothing(t *testing.T) {
	got := collect(t, strings.NewReader("- apiVersion: v1\n  kind: Pod\n- apiVersion: v1\n  kind: Node\n...\n- a: {\n"))
	if len(got.docs) != 2 {
		t.Errorf("%d documents, want 2: %q", len(got.docs), got.lines)
	}
}

// Where a list has no end, what follows it is not taken for more of it: its documents may be of another kind.
func TestAListWithoutAnEndTakesNothingElse(t *testing.T) {
	for name, text := range map[string]string{
		"indented": "{\n  \"servers\": [\n    {\n      \"id\": \"1\"\n    },\n  \"virtualMachines\": [\n    {\n      \"id\": \"2\"\n    }\n  ]\n}\n",
		"in lines": "{\"servers\":[\n{\"id\":\"1\"},\n\"virtualMachines\":[\n{\"id\":\"2\"}\n]}\n",
		"compact":  "{\"servers\":[{\"id\":\"1\"},\"virtualMachines\":[{\"id\":\"2\"}]}",
	} {
		got := collect(t, strings.NewReader(text))
		refused := false
		for _, line := range got.lines {
			refused = refused || strings.HasPrefix(line, "refused")
			if strings.HasPrefix(line, "openstack") && strings.Contains(line, `"2"`) {
				t.Errorf("%s: %s", name, line)
			}
		}
		if !refused {
			t.Errorf("%s: nothing is told: %q", name, got.lines)
		}
	}
}
