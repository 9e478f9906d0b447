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
