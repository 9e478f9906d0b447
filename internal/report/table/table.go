// Package table writes text for people: tables that fit 80 columns and use more where there is more.
package table

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// Printer writes to a terminal or a file of some width.
type Printer struct {
	w     io.Writer
	width int
	color bool
	err   error
}

// NewPrinter returns a Printer. Width is in columns; what is less than 60 is taken as 60.
func NewPrinter(w io.Writer, width int, color bool) *Printer {
	return &Printer{w: w, width: max(width, 60), color: color}
}

// Err returns the first error of writing.
func (p *Printer) Err() error { return p.err }

// Width returns the width in columns.
func (p *Printer) Width() int { return p.width }

// Printf writes a line, with its line break.
func (p *Printer) Printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// Style is how a text stands out on a terminal.
type Style string

// The styles, as parameters of the ANSI sequence "select graphic rendition".
const (
	Plain  Style = ""
	Bold   Style = "1"
	Faint  Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Blue   Style = "34"
	Purple Style = "35"
)

// Paint returns text in a style, if there are colours.
func (p *Printer) Paint(s Style, text string) string {
	if !p.color || s == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// Title writes the title of a section.
func (p *Printer) Title(text string) {
	p.Printf("")
	p.Printf("%s", p.Paint(Bold, text))
}

// Wrap writes text in lines that fit, each behind an indent.
func (p *Printer) Wrap(indent int, text string) {
	for _, line := range wrap(text, p.width-indent) {
		p.Printf("%s%s", strings.Repeat(" ", indent), line)
	}
}

// Cell is one cell of a table.
type Cell struct {
	Text  string
	Style Style
}

// Column is one column of a table.
type Column struct {
	Head  string
	Right bool // aligned right, as numbers are
	Give  bool // gives way when there is not enough room: its text is cut in the middle or wrapped
	Wrap  bool // wraps instead of being cut, and gives way before those that are cut
}

// Table writes rows below their heads. Columns that give way share what room is left.
func (p *Printer) Table(indent int, columns []Column, rows [][]Cell) {
	const gap = 2
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = runewidth.StringWidth(c.Head)
		for _, r := range rows {
			widths[i] = max(widths[i], runewidth.StringWidth(clean(r[i].Text)))
		}
	}
	over := sum(widths) + indent + gap*(len(columns)-1) - p.width
	// Prose can be read in a narrow column, a name that was cut cannot be typed again.
	over = narrow(widths, over, func(i int) bool { return columns[i].Wrap && widths[i] > 20 })
	narrow(widths, over, func(i int) bool { return columns[i].Give && widths[i] > 8 })
	head := make([]Cell, len(columns))
	some := false
	for i, c := range columns {
		head[i] = Cell{c.Head, Faint}
		some = some || c.Head != ""
	}
	if some {
		p.row(indent, columns, widths, head)
	}
	for _, r := range rows {
		p.row(indent, columns, widths, r)
	}
}

// narrow takes columns from the widest that may give some, until over are taken, and returns how many are left to take.
func narrow(widths []int, over int, may func(i int) bool) int {
	for ; over > 0; over-- {
		widest := -1
		for i := range widths {
			if may(i) && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return over
}

func (p *Printer) row(indent int, columns []Column, widths []int, cells []Cell) {
	lines := 1
	parts := make([][]string, len(cells))
	for i, c := range cells {
		text := clean(c.Text)
		switch {
		case runewidth.StringWidth(text) <= widths[i]:
			parts[i] = []string{text}
		case columns[i].Wrap:
			parts[i] = wrap(text, widths[i])
		default:
			parts[i] = []string{shorten(text, widths[i])}
		}
		lines = max(lines, len(parts[i]))
	}
	for n := range lines {
		var b strings.Builder
		b.WriteString(strings.Repeat(" ", indent))
		for i := range cells {
			text := ""
			if n < len(parts[i]) {
				text = parts[i][n]
			}
			pad := strings.Repeat(" ", max(0, widths[i]-runewidth.StringWidth(text)))
			painted := p.Paint(cells[i].Style, text)
			if columns[i].Right {
				b.WriteString(pad + painted)
			} else {
				b.WriteString(painted + pad)
			}
			if i < len(cells)-1 {
				b.WriteString("  ")
			}
		}
		p.Printf("%s", strings.TrimRight(b.String(), " "))
	}
}

func sum(list []int) int {
	n := 0
	for _, x := range list {
		n += x
	}
	return n
}

// clean takes out what would move the cursor or turn the order of letters: names come from outside.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '�'
		}
		return r
	}, s)
}

// shorten cuts the middle out of a text: ids differ at their ends.
func shorten(s string, width int) string {
	if runewidth.StringWidth(s) <= width {
		return s
	}
	left := (width - 1) / 3
	right := width - 1 - left
	r := []rune(s)
	for right > 0 && runewidth.StringWidth(string(r[len(r)-min(right, len(r)):])) > width-1-left {
		right--
	}
	return runewidth.Truncate(s, left, "") + "…" + string(r[len(r)-min(right, len(r)):])
}

func wrap(text string, width int) []string {
	var out []string
	line := ""
	for word := range strings.FieldsSeq(clean(text)) {
		for runewidth.StringWidth(word) > width {
			head := runewidth.Truncate(word, width, "")
			if line != "" {
				out = append(out, line)
				line = ""
			}
			out = append(out, head)
			word = word[len(head):]
		}
		switch {
		case line == "":
			line = word
		case runewidth.StringWidth(line)+1+runewidth.StringWidth(word) <= width:
			line += " " + word
		default:
			out = append(out, line)
			line = word
		}
	}
	if line != "" || len(out) == 0 {
		out = append(out, line)
	}
	return out
}
