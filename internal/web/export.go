package web

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/demarc/demarc"
)

// Table writes rows as CSV. Cells that a spreadsheet would take for a formula are made plain text.
type Table struct{ w *csv.Writer }

// NewTable returns a Table that writes its head.
func NewTable(w io.Writer, head ...string) (Table, error) {
	t := Table{csv.NewWriter(w)}
	return t, t.w.Write(head)
}

// Row writes one row.
func (t Table) Row(cells ...string) error {
	for i, c := range cells {
		cells[i] = plainCell(c)
	}
	return t.w.Write(cells)
}

// Close writes what is left.
func (t Table) Close() error {
	t.w.Flush()
	return t.w.Error()
}

func plainCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// Array writes a JSON array whose elements fill hands over one at a time.
func Array(w io.Writer, fill func(each func(any) error) error) error {
	between := "[\n"
	err := fill(func(v any) error {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s%s", between, text)
		between = ",\n"
		return err
	})
	if err != nil {
		return err
	}
	if between == "[\n" {
		_, err = io.WriteString(w, "[]\n")
	} else {
		_, err = io.WriteString(w, "\n]\n")
	}
	return err
}

// Whole calls each for every item of a list, page by page.
func Whole[T any](list func(demarc.Page) (demarc.Paged[T], error), each func(*T) error) error {
	for page := (demarc.Page{Limit: demarc.MaxLimit}); ; {
		part, err := list(page)
		if err != nil {
			return err
		}
		for i := range part.Items {
			if err := each(&part.Items[i]); err != nil {
				return err
			}
		}
		if part.Next == "" {
			return nil
		}
		page.After = part.Next
	}
}

// GapsText is counts of gaps as an export writes them: "failing 2, unverified 11".
func GapsText(gaps map[demarc.Gap]int) string {
	var out []string
	for _, g := range demarc.Gaps {
		if n := gaps[g]; n > 0 {
			out = append(out, fmt.Sprintf("%s %d", g, n))
		}
	}
	return strings.Join(out, ", ")
}

// Stamp is a moment as an export writes it; "" for none.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
