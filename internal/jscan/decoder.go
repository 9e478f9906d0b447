package jscan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// ErrTooLarge is returned for a value that is larger than its limit. The value has been passed over, and the
// Decoder stands behind it.
var ErrTooLarge = errors.New("value too large")

// Decoder frames the values of a stream of JSON. It finds where a value begins and ends; whether what lies
// between is valid is for Scan to say. Its buffer grows to the largest value that Value was asked for.
//
// A Decoder is used by one goroutine.
type Decoder struct {
	r          io.Reader
	buf        []byte
	start, end int   // the unread part of buf
	base       int64 // offset of buf[0] in the stream
	err        error // of r; shown when the buffer is used up
	open       []byte
	fresh      bool   // nothing was read in the innermost container yet
	most       int    // bytes that buf may have to hold
	margin     []byte // how the line of a document begins, from the line break to its brace; empty if it is not known
	many       bool   // the value that is read is one of many
	lost       bool   // behind a mistake from which there is no way on
}

// NewDecoder returns a Decoder that reads from r in blocks of size bytes.
func NewDecoder(r io.Reader, size int) *Decoder { return NewDecoderIn(r, make([]byte, size)) }

// NewDecoderIn is NewDecoder with a buffer to use, whose length is the size of a block.
func NewDecoderIn(r io.Reader, buf []byte) *Decoder { return &Decoder{r: r, buf: buf} }

// Buffer returns the buffer, which may have grown, for another Decoder. This one cannot be used afterwards.
func (d *Decoder) Buffer() []byte { return d.buf }

// DecodeBytes returns a Decoder of a text in memory, which it neither copies nor changes.
func DecodeBytes(text []byte) *Decoder {
	return &Decoder{buf: slices.Clip(text), end: len(text), err: io.EOF}
}

// Offset returns how many bytes of the stream were consumed.
func (d *Decoder) Offset() int64 { return d.base + int64(d.start) }

// more reads on, keeping buf[keep:end]. It returns false at the end of the stream or on an error.
func (d *Decoder) more(keep int) bool {
	if keep > 0 {
		if d.err != nil {
			d.buf = d.buf[keep:] // nothing more will be put into it
		} else {
			copy(d.buf, d.buf[keep:d.end])
		}
		d.base += int64(keep)
		d.start -= keep
		d.end -= keep
	}
	if d.err != nil {
		return false
	}
	if d.end == len(d.buf) {
		d.grow()
	}
	for range 100 {
		n, err := d.r.Read(d.buf[d.end:])
		d.end += n
		if err != nil {
			d.err = err
		}
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	d.err = io.ErrNoProgress
	return false
}

// grow makes the buffer twice as large, or as large as it may have to be if that is not much more.
func (d *Decoder) grow() {
	size := 2 * len(d.buf)
	if size < d.most && d.most-size < size/2 {
		size = d.most
	}
	larger := make([]byte, size)
	copy(larger, d.buf[:d.end])
	d.buf = larger
}

// fail returns the reader's error if it was one, else a SyntaxError here.
func (d *Decoder) fail(expected string) error {
	if d.start >= d.end {
		if d.err != nil && !errors.Is(d.err, io.EOF) {
			return d.err
		}
		return &SyntaxError{Offset: d.Offset(), Expected: expected, Found: EndOfText}
	}
	for !utf8.FullRune(d.buf[d.start:d.end]) && d.more(d.start) {
	}
	return &SyntaxError{Offset: d.Offset(), Expected: expected, Found: describe(d.buf[d.start:d.end])}
}

// space skips white space; false at the end of the stream. How the line begins stays in the buffer, for look.
func (d *Decoder) space() bool {
	for {
		for d.start < d.end {
			switch d.buf[d.start] {
			case ' ', '\n', '\t', '\r':
				d.start++
			default:
				return true
			}
		}
		if !d.more(max(d.start-maxMargin, 0)) {
			return false
		}
	}
}

// Kind returns the first byte of the next value without consuming it. At a clean end of the stream the error is io.EOF.
func (d *Decoder) Kind() (byte, error) {
	if !d.space() {
		if d.err != nil && !errors.Is(d.err, io.EOF) {
			return 0, d.err
		}
		if len(d.open) > 0 {
			return 0, d.fail("a value")
		}
		return 0, io.EOF
	}
	return d.buf[d.start], nil
}

// Enter consumes the opening bracket of the next value, which must be an object or an array.
func (d *Decoder) Enter() error {
	c, err := d.Kind()
	if err != nil {
		return err
	}
	if c != '{' && c != '[' {
		return d.fail("an object or an array")
	}
	if len(d.open) >= MaxDepth {
		return d.fail(fmt.Sprintf("at most %d levels of nesting", MaxDepth))
	}
	d.start++
	d.open = append(d.open, c)
	d.fresh = true
	return nil
}

// Next reports whether the innermost container has a further element or member, and consumes the comma before it.
// When it has none, the closing bracket is consumed.
func (d *Decoder) Next() (bool, error) {
	closing := byte(']')
	if d.open[len(d.open)-1] == '{' {
		closing = '}'
	}
	if !d.space() {
		return false, d.fail("'" + string(closing) + "'")
	}
	if d.buf[d.start] == closing {
		d.start++
		d.open = d.open[:len(d.open)-1]
		d.fresh = false
		return false, nil
	}
	if d.fresh {
		d.fresh = false
		return true, nil
	}
	if d.buf[d.start] != ',' {
		return false, d.fail("',' or '" + string(closing) + "'")
	}
	d.start++
	return true, nil
}

const maxDecodedKey = 64 << 10 // bytes

// Key consumes a key and its colon.
func (d *Decoder) Key() (string, error) {
	if c, err := d.Kind(); err != nil {
		return "", err
	} else if c != '"' {
		return "", d.fail("a key")
	}
	at := d.Offset()
	raw, err := d.Value(maxDecodedKey)
	if errors.Is(err, ErrTooLarge) {
		return "", &SyntaxError{Offset: at, Expected: fmt.Sprintf("a key of at most %d bytes", maxDecodedKey), Found: "a longer one"}
	}
	if err != nil {
		return "", err
	}
	key, _ := IsString(raw)
	if !d.space() || d.buf[d.start] != ':' {
		return "", d.fail("':'")
	}
	d.start++
	return key, nil
}

// Value consumes the next value and returns its raw text, which is overwritten by the next call.
// A value of more than limit bytes is passed over and gives ErrTooLarge.
func (d *Decoder) Value(limit int) ([]byte, error) {
	if _, err := d.Kind(); err != nil {
		return nil, err
	}
	d.fresh = false
	begin, err := d.frame(limit)
	if err != nil {
		return nil, err
	}
	return d.buf[begin:d.start], nil
}

// Skip consumes the next value, however large.
func (d *Decoder) Skip() error {
	_, err := d.Value(-1)
	if errors.Is(err, ErrTooLarge) {
		return nil
	}
	return err
}

// frame moves start behind the next value and returns where it begins in buf.
func (d *Decoder) frame(limit int) (begin int, err error) {
	var (
		from     = d.base + int64(d.start)
		i        = d.start
		tooLarge = limit < 0
		depth    = 0
		inString = false
		scalar   = true
	)
	begin = d.start
	d.most = limit + 1
	// What is read is looked at again and again as it grows, if the next value may lie within it.
	check, stop := firstCheck, d.end
	if d.many && !tooLarge {
		stop = min(stop, begin+check)
	}
	// refill makes room behind i; false at the end of the stream.
	refill := func() bool {
		defer func() {
			if stop = d.end; d.many && !tooLarge {
				stop = min(stop, begin+check)
			}
		}()
		keep := begin
		if tooLarge || d.base+int64(i)-from > int64(max(limit, 0)) {
			tooLarge = true
			keep = i
		}
		i -= keep
		begin = 0
		d.start = keep
		return d.more(keep)
	}
	for {
		if inString {
			for i+8 <= d.end {
				x := binary.LittleEndian.Uint64(d.buf[i:])
				quote, slash := x^('"'*ones), x^('\\'*ones)
				if hits := ((quote-ones)&^quote | (slash-ones)&^slash) & highs; hits != 0 {
					i += bits.TrailingZeros64(hits) / 8
					break
				}
				i += 8
			}
		}
		if i >= stop {
			if i < d.end {
				if err := d.glance(begin, i); err != nil {
					return 0, err
				}
				check *= 2
				stop = min(d.end, begin+check)
				continue
			}
			if !refill() {
				d.start = d.end
				if depth == 0 && scalar && !inString && (d.err == nil || errors.Is(d.err, io.EOF)) {
					d.start = i
					break
				}
				return 0, d.fail("the end of a value")
			}
			continue
		}
		c := d.buf[i]
		if inString {
			switch c {
			case '"':
				inString = false
				i++
				if depth == 0 {
					goto done
				}
			case '\\':
				// the byte behind a backslash never ends a string
				if i+1 >= d.end {
					if !refill() {
						d.start = d.end
						return 0, d.fail("the end of a string")
					}
				}
				i += 2
			default:
				i++
			}
			continue
		}
		switch class[c] {
		case plain:
			i++
		case quoteMark:
			if depth == 0 && d.base+int64(i) > from {
				goto done // a string straight behind a scalar: the caller sees it
			}
			inString, scalar = true, false
			i++
		case opening:
			if depth == 0 && !scalar {
				goto done
			}
			depth++
			scalar = false
			i++
		case closing:
			if depth == 0 {
				goto done
			}
			depth--
			i++
			if depth == 0 {
				goto done
			}
		case delimiter:
			if depth == 0 {
				goto done
			}
			i++
		}
	}
done:
	d.start = i
	if d.base+int64(i) == from {
		return 0, d.fail("a value")
	}
	if tooLarge || int64(limit) < d.base+int64(i)-from {
		return 0, ErrTooLarge
	}
	return begin, nil
}

const (
	plain = iota
	quoteMark
	opening
	closing
	delimiter
)

var class = func() (t [256]byte) {
	t['"'] = quoteMark
	t['{'], t['['] = opening, opening
	t['}'], t[']'] = closing, closing
	for _, c := range ", \n\t\r:" {
		t[c] = delimiter
	}
	return t
}()
