package table_test

import (
	"strings"
	"testing"

	"github.com/demarc/demarc/internal/report/table"
)

// draw returns a table of a name and some prose at a width.
func draw(width int) string {
	var b strings.Builder
	p := table.NewPrinter(&b, width, false)
	p.Table(2, []table.Column{{Head: "duty", Give: true}, {Head: "n", Right: true}, {Head: "because", Give: true, Wrap: true}},
		[][]table.Cell{{{Text: "resilience.backup-configuration"}, {Text: "12"}, {Text: "Set how long automated backups are kept, and where."}}})
	return b.String()
}

func TestTableHasRoom(t *testing.T) {
	want := `  duty                              n  because
  resilience.backup-configuration  12  Set how long automated backups are kept, and where.
`
	if got := draw(120); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestProseWrapsBeforeNamesAreCut(t *testing.T) {
	want := `  duty                              n  because
  resilience.backup-configuration  12  Set how long
                                       automated backups are
                                       kept, and where.
`
	if got := draw(60); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestControlCharactersDoNotMoveTheCursor(t *testing.T) {
	var b strings.Builder
	table.NewPrinter(&b, 60, true).Table(0, []table.Column{{}}, [][]table.Cell{{{Text: "a\x1b[2J\u202eb\n"}}})
	if got := b.String(); strings.ContainsAny(strings.TrimSuffix(got, "\n"), "\x1b\u202e\n") {
		t.Errorf("got %q", got)
	}
}
