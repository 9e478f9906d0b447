package file

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
	"unicode/utf8"

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
