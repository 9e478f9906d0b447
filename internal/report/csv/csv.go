// Package csv writes one row for each duty of each resource that applies to it.
package csv

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"io"
	"iter"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report"
)

var header = []string{
	"resource", "provider", "account", "region", "type", "service", "name", "duty", "holder", "parties", "state", "counterpart",
	"gap", "severity", "assumed", "missing", "because", "basis", "believed", "team", "part", "source",
}

// row is a duty in the cells that stand before and behind what its resource says of it.
type row struct {
	skip       bool // it does not apply
	head, tail []byte
	reads      []string
}

// Write writes the answers of a run. A cell that a spreadsheet would take for a formula begins with an apostrophe.
func Write(w io.Writer, _ demarc.Run, answers iter.Seq[*demarc.Answer]) error {
	out := bufio.NewWriterSize(w, 256<<10)
	var c cells
	if _, err := out.Write(append(c.of(header...), '\n')); err != nil {
		return err
	}
	rows := report.NewShared(rowOf)
	var line []byte
	for a := range answers {
		r := &a.Resource
		line = append(line[:0], c.of(string(r.ID), r.Provider, r.Account, r.Region, r.Type, string(r.Service), r.Name)...)
		own := len(line)
		for _, d := range rows.Of(a) {
			if d.skip {
				continue
			}
			line = append(append(append(line[:own], ','), d.head...), ',')
			if len(d.reads) > 0 {
				line = append(line, c.of(report.Readings(a, d.reads))...)
			}
			line = append(append(append(line, ','), d.tail...), '\n')
			if _, err := out.Write(line); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// rowOf makes the cells of a duty.
func rowOf(d *demarc.DutyAnswer) row {
	if d.Holder == demarc.NotApplicable {
		return row{skip: true}
	}
	var parties, basis, parts []string
	for _, p := range d.Parties {
		parties = append(parties, string(p))
	}
	url := ""
	for _, b := range d.Basis {
		basis = append(basis, b.String())
		if b.URL != "" {
			url = b.URL
		}
	}
	for _, p := range d.Parts {
		parts = append(parts, string(p.Party)+": "+p.Text)
	}
	severity, assumed := "", "no"
	if d.Gap() != "" {
		severity = d.Severity().String()
	}
	if d.Assumed {
		assumed = "yes"
	}
	var c cells
	return row{
		head: bytes.Clone(c.of(string(d.Duty), string(d.Holder), strings.Join(parties, " "), string(d.State), string(d.Counterpart), string(d.Gap()),
			severity, assumed, strings.Join(d.Assignment.Missing, " "))),
		tail:  bytes.Clone(c.of(strings.Join(basis, " "), string(d.Believed), d.Team, strings.Join(parts, " "), url)),
		reads: d.Reads,
	}
}

// cells writes some cells of a row.
type cells struct {
	buf bytes.Buffer
	w   *csv.Writer
	row []string // scratch
}

// of returns the cells, without the end of the line. They are valid until the next call.
func (c *cells) of(list ...string) []byte {
	if c.w == nil {
		c.w = csv.NewWriter(&c.buf)
	}
	c.buf.Reset()
	c.row = c.row[:0]
	for _, cell := range list {
		c.row = append(c.row, Inert(cell))
	}
	_ = c.w.Write(c.row) // to memory
	c.w.Flush()
	return bytes.TrimSuffix(c.buf.Bytes(), []byte("\n"))
}

// Inert keeps a spreadsheet from evaluating a cell.
func Inert(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
