package strictyaml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in a file. A field of type Pos that is tagged `yaml:",pos"` receives the place of the mapping
// that its struct was read from.
type Pos struct {
	File   string
	Line   int // from 1; 0 if unknown
	Column int // in characters, from 1; 0 if unknown
}

func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	default:
		return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
	}
}

// Error is one mistake in a file. Its fields are those of rule.Error, so that one converts to the other.
type Error struct {
	File         string
	Line, Column int // as in Pos
	Msg          string
	Excerpt      string // lines that show the mistake, or empty
}

func (e *Error) Error() string {
	text := Pos{e.File, e.Line, e.Column}.String() + ": " + e.Msg
	if e.Excerpt != "" {
		text += "\n" + e.Excerpt
	}
	return text
}

// Errors is every mistake found in a file or in several. Err sorts them.
type Errors []*Error

func (e Errors) Error() string {
	var b strings.Builder
	for i, x := range e {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(x.Error())
	}
	return b.String()
}

// Unwrap lets errors.As find each mistake.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, x := range e {
		out[i] = x
	}
	return out
}

// Addf adds a mistake at pos.
func (e *Errors) Addf(pos Pos, format string, args ...any) {
	*e = append(*e, &Error{File: pos.File, Line: pos.Line, Column: pos.Column, Msg: fmt.Sprintf(format, args...)})
}

// Err returns the mistakes sorted by file, line and column, or nil if there is none.
func (e Errors) Err() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Msg, b.Msg),
		)
	})
	return e
}
