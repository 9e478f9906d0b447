package jscan

import (
	"bytes"
	"errors"
	"io"
)

// Document is Value for one of many values that lie side by side: the elements of an array, or what a stream holds. If it
// is not valid and the next one seems to lie within it, because a bracket or a quotation mark is missing, the error names
// the first mistake and the Decoder stands there. Resume goes on from there.
func (d *Decoder) Document(limit int) ([]byte, error) {
	if _, err := d.Kind(); err != nil {
		return nil, err
	}
	from := d.Offset()
	d.many = d.look()
	raw, err := d.Value(limit)
	alone := d.many
	d.many = false
	switch {
	case err == nil:
		if alone && d.another(raw) {
			if mistake := Valid(raw); mistake != nil {
				return nil, d.mistaken(from, mistake)
			}
		}
	case d.start == d.end && from >= d.base && errors.Is(d.err, io.EOF) && !errors.Is(err, ErrTooLarge): // it has no end
		if mistake, within := d.broken(d.buf[from-d.base : d.end]); within {
			return nil, d.mistaken(from, mistake)
		}
	}
	return raw, err
}

// look notes how the line begins on which the next value stands, and reports whether it is a document that stands on a line
// of its own.
func (d *Decoder) look() bool {
	if d.start >= d.end || d.buf[d.start] != '{' {
		return false
	}
	i := d.start
	for i > 0 && (d.buf[i-1] == ' ' || d.buf[i-1] == '\t') {
		i--
	}
	switch {
	case len(d.open) == 0: // a stream of documents has no margin
		d.margin = append(d.margin[:0], "\n{"...)
	case i > 0 && d.buf[i-1] == '\n' && d.start-i < maxMargin:
		d.margin = append(append(d.margin[:0], d.buf[i-1:d.start]...), '{')
	default:
		d.margin = d.margin[:0]
	}
	return len(d.margin) > 0
}

const (
	firstCheck = 1 << 10 // bytes of a document that are read before it is looked at
	maxMargin  = 100     // bytes
)

// glance looks at what was read of a document that goes on, and returns its first mistake if it seems to hold the next one.
func (d *Decoder) glance(begin, end int) error {
	text := d.buf[begin:end]
	if !d.another(text) {
		return nil
	}
	if mistake, within := d.broken(text); within {
		return d.mistaken(d.base+int64(begin), mistake)
	}
	return nil
}

// another reports whether a line in a text begins as the text itself does.
func (d *Decoder) another(text []byte) bool { return bytes.Contains(text, d.margin) }

// broken returns the first mistake in a text that may go on, and whether it is one, and not the end of the text.
func (d *Decoder) broken(text []byte) (mistake error, within bool) {
	const cut = 16 // bytes at the end that may be the beginning of something valid
	mistake = Valid(text)
	syntax, ok := errors.AsType[*SyntaxError](mistake)
	return mistake, ok && syntax.Offset+cut < int64(len(text))
}

// mistaken puts the Decoder where a value that begins at an offset has its mistake.
func (d *Decoder) mistaken(from int64, mistake error) error {
	syntax, ok := errors.AsType[*SyntaxError](mistake)
	if !ok {
		return mistake
	}
	own := *syntax
	own.Offset += from
	d.start = int(own.Offset - d.base)
	return &own
}

// Depth returns how many containers have been entered and not left.
func (d *Decoder) Depth() int { return len(d.open) }

// Resume goes on behind a mistake: to the next line that begins like that of the value before, or to a value that stands
// where a comma is missing. It returns false where the layout says that there is none in the innermost array, and
// is false from then on.
func (d *Decoder) Resume() bool {
	if d.lost || len(d.open) > 0 && d.open[len(d.open)-1] != '[' {
		return false
	}
	d.fresh = true
	switch {
	case d.start < d.end && len(d.open) > 0 && d.buf[d.start] == '{':
		return true
	case d.start < d.end && d.buf[d.start] == ':': // what was read as a value is a key: the array has no end
		d.lost = true
	default:
		d.lost = len(d.margin) == 0 || !d.nextLine()
	}
	return !d.lost
}

// nextLine moves to the next line that begins with the margin. An array has ended where a line begins with the end of one,
// with a key, or further left than its elements.
func (d *Decoder) nextLine() bool {
	i := d.start
	for i > 0 && d.start-i < maxMargin && (d.buf[i-1] == ' ' || d.buf[i-1] == '\t') {
		i--
	}
	if i > 0 && d.buf[i-1] == '\n' { // the mistake is the first thing on its line
		d.start = i - 1
	}
	for {
		i := bytes.IndexByte(d.buf[d.start:d.end], '\n')
		if i < 0 {
			d.start = d.end
			if !d.more(d.start) {
				return false
			}
			continue
		}
		d.start += i
		for d.end-d.start < len(d.margin) {
			if !d.more(d.start) {
				return false
			}
		}
		line := d.buf[d.start : d.start+len(d.margin)]
		if bytes.Equal(line, d.margin) {
			d.start += len(d.margin) - 1
			return true
		}
		d.start++
		if len(d.open) > 0 && ends(line) {
			return false
		}
	}
}

// ends reports whether a line, from the line break before it to as many bytes as the margin has, says that an array has ended.
func ends(line []byte) bool {
	first := bytes.TrimLeft(line, " \t\r\n")
	if len(first) == 0 {
		return false
	}
	left := len(first) > 1
	return first[0] == ']' || first[0] == '"' || left && first[0] != '}'
}
