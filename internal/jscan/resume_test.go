package jscan_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc/internal/jscan"
)

// documents reads a stream as far as it goes, and returns what it holds and the mistakes in it.
func documents(d *jscan.Decoder) (out, mistakes []string) {
	for {
		raw, err := d.Document(1 << 20)
		switch {
		case err == nil:
			out = append(out, string(raw))
		case errors.Is(err, io.EOF):
			return out, mistakes
		default:
			if mistakes = append(mistakes, err.Error()); !d.Resume() {
				return out, mistakes
			}
		}
	}
}

func TestDocumentsGoOnBehindAMistake(t *testing.T) {
	text := "{\"a\":1}\n{\"b\":\"2}\n{\"c\":3\n{\"d\":\n{\"e\":5}}}\n \n{\"f\":6}x\n{\"g\":7"
	for _, size := range []int{1, 2, 3, 7, 64} {
		got, mistakes := documents(jscan.NewDecoder(strings.NewReader(text), size))
		if diff := cmp.Diff([]string{`{"a":1}`, "{\"d\":\n{\"e\":5}}", `{"f":6}`, "x"}, got); diff != "" {
			t.Errorf("in blocks of %d (-want +got):\n%s", size, diff)
		}
		want := []string{
			`at byte 16: expected no control character in a string, found '\n'`,
			`at byte 24: expected ',' or '}', found '{'`,
			`at byte 38: expected a value, found '}'`,
			`at byte 57: expected the end of a value, found the end of the text`,
		}
		if diff := cmp.Diff(want, mistakes); diff != "" {
			t.Errorf("in blocks of %d, mistakes (-want +got):\n%s", size, diff)
		}
	}
}

// A valid document is one, however its lines begin.
func TestAValidDocumentIsNotTakenApart(t *testing.T) {
	text := "{\"a\":[\n{\"b\":1},\n{\"c\":2}\n]}\n{\"d\":" + strings.Repeat("[\n{\"e\":\n", 200) + "{}" + strings.Repeat("}]", 200) + "}\n"
	got, mistakes := documents(jscan.NewDecoder(strings.NewReader(text), 16))
	if len(got) != 2 || len(mistakes) > 0 {
		t.Errorf("%d documents, %q", len(got), mistakes)
	}
}

// A buffer grows to the largest value that it may have to hold, and not to twice that.
func TestABufferIsNoLargerThanWhatItMayHold(t *testing.T) {
	const limit = 1 << 20
	d := jscan.NewDecoder(strings.NewReader(`"`+strings.Repeat("x", limit-2)+`"`+strings.Repeat(" ", 100)), 64<<10)
	raw, err := d.Value(limit)
	if err != nil || len(raw) != limit {
		t.Fatalf("%d bytes, %v", len(raw), err)
	}
	if got := len(d.Buffer()); got > limit+limit/2 {
		t.Errorf("the buffer has %d bytes", got)
	}
}
