package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Source is an expression and the place where it stands.
type Source struct {
	File         string
	Line, Column int // of the first character of Text, from 1
	Text         string
}

func (s Source) String() string { return s.Text }

// at returns the mistake msg at a place of the text: line from 0, column in characters from 0, or anything
// negative if the place is not known. Every line is taken to start at the column of the first, as the lines of
// a YAML block do.
func (s Source) at(line, column int, msg string) *Error {
	if line < 0 || column < 0 {
		line, column = 0, 0
	}
	e := &Error{File: s.File, Line: s.Line + line, Column: s.Column + column, Msg: msg}
	if lines := strings.Split(s.Text, "\n"); line < len(lines) {
		e.Excerpt = excerpt(lines[line], column)
	}
	return e
}

// startOf returns the column where a call of name begins, given that of its parenthesis, which is where CEL
// places a call. Any other column is returned as it is.
func (s Source) startOf(line, column int, name string) int {
	lines := strings.Split(s.Text, "\n")
	if line < 0 || line >= len(lines) {
		return column
	}
	text, start := []rune(lines[line]), column-len(name)
	if start < 0 || column >= len(text) || text[column] != '(' || string(text[start:column]) != name {
		return column
	}
	return start
}

// excerptWidth is how many characters of a long line an excerpt shows.
const excerptWidth = 100

// excerpt shows line with a caret under the character at column.
func excerpt(line string, column int) string {
	text := []rune(strings.NewReplacer("\t", " ", "\r", " ").Replace(line))
	column = min(column, len(text))
	if start := column - excerptWidth/2; start > 0 && len(text) > excerptWidth {
		text, column = text[start:], column-start
	}
	text = text[:min(len(text), excerptWidth)]
	return "    " + strings.TrimRight(string(text), " ") + "\n    " + strings.Repeat(" ", column) + "^"
}

// Error is one mistake in an expression.
type Error struct {
	File         string
	Line, Column int // from 1, in characters
	Msg          string
	Excerpt      string // the line of the expression, and a caret below the mistake
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
	if e.Excerpt != "" {
		text += "\n" + e.Excerpt
	}
	return text
}

// Errors is every mistake of an expression, sorted by position.
type Errors []*Error

func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i, x := range e {
		texts[i] = x.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap lets errors.As find each mistake.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, x := range e {
		out[i] = x
	}
	return out
}

// err sorts the mistakes and returns them, or nil if there is none. A mistake that was found twice is told once.
func (e Errors) err() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Msg, b.Msg))
	})
	return slices.CompactFunc(e, func(a, b *Error) bool {
		return a.Line == b.Line && a.Column == b.Column && a.Msg == b.Msg
	})
}
