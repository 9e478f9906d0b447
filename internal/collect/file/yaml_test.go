package file

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/demarc/demarc/internal/jscan"
)

// FuzzYAML holds what the stream is cut into against what the parser makes of the whole text, and what is written as JSON
// against the nodes that it was written from.
func FuzzYAML(f *testing.F) {
	for _, s := range []string{
		"a: b\n---\nc: d\n", "---\n---\n", "# c\n---\na: |\n  ---\n  x\n", "%YAML 1.1\n---\na: 1\n...\nb: 2\n", "a: '\n\n ---'\n", "--- |\nx\n---\ty\n",
		"a: &x {b: [1, 0x1f, 017, 1.5, .inf, ~, yes, 2026-11-23, !!str 1]}\nc: *x\n<<: *x\n", "!Ref a\n---\n!If [a, !Sub b, {c: !GetAtt d}]\n", "? a\n: b\n? [c]\n: d\n",
		"\ufeffa: b\r\n---\r\nc: d\r\n", "{a: b, 'c': \"d\\u0041\", e}\n", "a:\n- b\n-\n  c: - d\n", "&a [*a]\n",
		"- a: 1\n- b: 2\n  - c\n", "kind: List\nitems:\n  - a: |\n      - x\n  - b: '\n- y'\n---\n- z\n", "items:\n- a: &x 1\n- b: *x\nkind: List\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.HasPrefix(text, []byte("\xfe\xff")) || bytes.HasPrefix(text, []byte("\xff\xfe")) {
			return // UTF-16, which is UTF-8 by the time it comes here
		}
		var want []*yaml.Node
		for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
			var n yaml.Node
			err := decodeYAML(d, &n)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				want = nil // what comes behind a mistake is read all the same
				break
			}
			if len(n.Content) > 0 && n.Content[0].Tag != "!!null" {
				want = append(want, n.Content[0])
			}
		}
		var got []*yaml.Node
		for s := (yamlStream{r: bufio.NewReaderSize(bytes.NewReader(text), 16), line: 1}); ; {
			part, line, err := s.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			nodes := 0
			for d := yaml.NewDecoder(bytes.NewReader(part)); ; {
				var n yaml.Node
				if err := decodeYAML(d, &n); err != nil {
					break
				}
				nodes += count(&n)
				if len(n.Content) > 0 && n.Content[0].Tag != "!!null" {
					n.Content[0].Line += line - 1
					got = append(got, n.Content[0])
				}
			}
			if most := mayHold(part); nodes > most+16 {
				t.Errorf("%q holds %d nodes, and was taken to hold at most %d", part, nodes, most)
			}
		}
		for i, n := range want {
			if i >= len(got) || !alike(n, got[i]) {
				t.Fatalf("document %d of %q is not what the parser makes of the whole", i, text)
			}
		}
		if want != nil {
			samePieces(t, text)
		}
		for _, n := range got {
			c := yamlConverter{}
			if c.value(n, 0); c.err == nil && utf8.Valid(text) {
				if err := jscan.Valid(c.out); err != nil {
					t.Errorf("%q is written as %q: %v", text, c.out, err)
				}
			}
		}
	})
}

// samePieces compares what a text says with what the pieces say that its lists are cut into, where all of them can be read: a
// list may be cut within a text in quotes that goes on at the beginning of a line, but then no piece closes it.
func samePieces(t *testing.T, text []byte) {
	t.Helper()
	whole, ok := inPieces(t, text, 0)
	pieces, all := inPieces(t, text, 1)
	if !ok || !all {
		return
	}
	if diff := cmp.Diff(whole, pieces); diff != "" {
		t.Errorf("%q in pieces (-whole +pieces):\n%s", text, diff)
	}
}

// inPieces returns what the documents of a text say, each put together from its pieces; false if some cannot be read.
func inPieces(t *testing.T, text []byte, piece int) (out []any, ok bool) {
	t.Helper()
	s := yamlStream{r: bufio.NewReaderSize(bytes.NewReader(text), 16), line: 1, piece: piece}
	for goesOn := false; ; goesOn = s.list.cut {
		part, _, err := s.next()
		if errors.Is(err, io.EOF) {
			return out, true
		}
		if err != nil {
			t.Fatal(err)
		}
		for d := yaml.NewDecoder(bytes.NewReader(part)); ; {
			var n yaml.Node
			err := decodeYAML(d, &n)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || len(n.Content) == 0 {
				return nil, false
			}
			c, v := yamlConverter{}, any(nil)
			if c.value(n.Content[0], 0); c.err != nil || json.Unmarshal(c.out, &v) != nil {
				return nil, false
			}
			if goesOn && len(out) > 0 {
				out[len(out)-1] = join(out[len(out)-1], v)
			} else {
				out = append(out, v)
			}
		}
	}
}

// join puts a piece of a document behind others.
func join(a, b any) any {
	switch a := a.(type) {
	case []any:
		more, _ := b.([]any)
		return append(a, more...)
	case map[string]any:
		more, _ := b.(map[string]any)
		for key, v := range more {
			if key == "items" {
				v = join(a[key], v)
			}
			a[key] = v
		}
	}
	return a
}

// A list is cut between its elements, whatever is in them, and each piece says where it is.
func TestYAMLInPieces(t *testing.T) {
	for _, c := range []struct {
		name, text string
		pieces     int
	}{
		{"items of a key", "kind: List\nitems:\n- a: 1\n- a: 2\n- a: 3\n", 3},
		{"with what comes behind", "apiVersion: v1\nitems:\n- a: 1\n- a: 2\nkind: List\nmetadata:\n  x: []\n", 2},
		{"indented", "items:\n  - a:\n    - 1\n    - 2\n  # note\n\n  - a: |\n      - x\n\n      - y\n  -\n    a: 3\n", 3},
		{"a list as such", "# head\n---\n- a:\n  - 1\n- b:\n    - 2\n", 2},
		{"with line ends of Windows", "items:\r\n- a: 1\r\n-\r\n  a: 2\r\n", 2},
		{"several documents", "- a: 1\n- a: 2\n---\na: 3\n---\nitems:\n- a: 4\n- a: 5\n", 5},
		{"a text that looks like it", "items:\n- a: 1\nother: |\n  items:\n  - x\n  - y\n", 1},
		{"lists of one object", "kind: ClusterRole\nrules:\n- a: 1\n- a: 2\n", 1},
		{"items further within", "a:\n  items:\n  - 1\n  - 2\n", 1},
		{"in brackets", "items: [1,\n  2]\n", 1},
		{"behind an end", "a: 1\n...\n- b: 1\n- b: 2\n", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			samePieces(t, []byte(c.text))
			lines := strings.SplitAfter(c.text, "\n")
			n := 0
			for s := (yamlStream{r: bufio.NewReader(strings.NewReader(c.text)), line: 1, piece: 1}); ; n++ {
				goesOn := s.list.cut
				part, line, err := s.next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				again := 0
				if goesOn {
					again = s.own - line
				}
				if own := strings.SplitAfter(string(part), "\n")[again]; own != lines[s.own-1] {
					t.Errorf("a piece begins with %q, and line %d is %q", own, s.own, lines[s.own-1])
				}
			}
			if n != c.pieces {
				t.Errorf("%d pieces, want %d", n, c.pieces)
			}
		})
	}
}

func count(n *yaml.Node) int {
	sum := 1
	for _, e := range n.Content {
		sum += count(e)
	}
	return sum
}

// alike compares what two nodes say, and the line on which the outermost says it.
func alike(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Tag != b.Tag || a.Value != b.Value || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !alike(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}
