package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report/table"
)

func (a *app) matrixCommand() *cobra.Command {
	var in inputFlags
	var out outputFlags
	var src sourceFlags
	by := "provider"
	cmd := &cobra.Command{
		Use:   "matrix [PATH...]",
		Short: "The shared responsibility matrix of this estate: duties by cloud, model, account or service",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			column, ok := matrixColumns[by]
			if !ok {
				return fmt.Errorf("--by %q: expected provider, model, account, service or region", by)
			}
			r, filter, err := a.answers(cmd, &in, &src, args)
			if err != nil {
				return err
			}
			defer r.close()
			m := newMatrix(r, filter, column)
			err = a.write(&out, func(w io.Writer) error {
				switch out.format {
				case "json":
					return m.json(w)
				case "csv":
					return m.csv(w)
				default:
					return m.table(a.printer(w))
				}
			})
			if err != nil {
				return err
			}
			return a.end(r, false)
		},
	}
	in.add(cmd)
	src.add(cmd)
	out.add(cmd, "table", "csv", "json")
	cmd.Flags().StringVar(&by, "by", by, "what the `COLUMNS` are: provider, model, account, service, region")
	return cmd
}

var matrixColumns = map[string]func(*demarc.Resource) string{
	"provider": func(r *demarc.Resource) string { return r.Provider },
	"model":    func(r *demarc.Resource) string { return r.Model },
	"account":  func(r *demarc.Resource) string { return r.Account },
	"service":  func(r *demarc.Resource) string { return string(r.Service) },
	"region":   func(r *demarc.Resource) string { return r.Region },
}

// matrix counts holders for each duty and column.
type matrix struct {
	columns []string
	cells   map[string]map[demarc.DutyID]map[demarc.Holder]int
}

func newMatrix(r *run, filter demarc.Filter, column func(*demarc.Resource) string) *matrix {
	m := &matrix{cells: map[string]map[demarc.DutyID]map[demarc.Holder]int{}}
	for a := range r.Answers() {
		name := column(&a.Resource)
		if name == "" {
			name = "-"
		}
		if m.cells[name] == nil {
			m.cells[name] = map[demarc.DutyID]map[demarc.Holder]int{}
			m.columns = append(m.columns, name)
		}
		for d := range a.Duties {
			if filter.OfDuties() && !filter.MatchDuty(d) {
				continue
			}
			if m.cells[name][d.Duty] == nil {
				m.cells[name][d.Duty] = map[demarc.Holder]int{}
			}
			m.cells[name][d.Duty][d.Holder]++
		}
	}
	slices.Sort(m.columns)
	return m
}

var holderLetters = map[demarc.Holder]string{
	demarc.HeldByProvider: "P", demarc.HeldShared: "S", demarc.HeldByCustomer: "C", demarc.HeldByThirdParty: "T", demarc.Unowned: "!",
}

// cell is the holders of a cell, most frequent first, with counts where they differ: "P", "C 3 P 1", "·".
func (m *matrix) cell(column string, d demarc.DutyID) (text string, style table.Style) {
	of := m.cells[column][d]
	var kinds []demarc.Holder
	for _, h := range demarc.Holders {
		if h != demarc.NotApplicable && of[h] > 0 {
			kinds = append(kinds, h)
		}
	}
	slices.SortStableFunc(kinds, func(a, b demarc.Holder) int { return of[b] - of[a] })
	styles := map[demarc.Holder]table.Style{demarc.HeldByProvider: table.Blue, demarc.HeldByCustomer: table.Yellow, demarc.HeldShared: table.Purple, demarc.HeldByThirdParty: table.Green, demarc.Unowned: table.Red}
	switch len(kinds) {
	case 0:
		return "·", table.Faint
	case 1:
		return holderLetters[kinds[0]], styles[kinds[0]]
	}
	var parts []string
	for _, h := range kinds {
		parts = append(parts, holderLetters[h]+strconv.Itoa(of[h]))
	}
	return strings.Join(parts, " "), table.Plain
}

func (m *matrix) table(p *table.Printer) error {
	// As many columns side by side as fit; the others follow below.
	rest := m.columns
	for first := true; len(rest) > 0 || first; first = false {
		n := max(1, min(len(rest), (p.Width()-30)/13))
		part := rest[:min(n, len(rest))]
		rest = rest[len(part):]
		if !first {
			p.Printf("")
		}
		columns := []table.Column{{Head: "duty"}}
		for _, c := range part {
			columns = append(columns, table.Column{Head: c, Give: true})
		}
		var rows [][]table.Cell
		layer := demarc.Layer("")
		for _, d := range demarc.Duties {
			if d.Layer() != layer {
				layer = d.Layer()
				row := make([]table.Cell, len(columns))
				row[0] = table.Cell{Text: string(layer), Style: table.Bold}
				rows = append(rows, row)
			}
			_, short, _ := strings.Cut(string(d), ".")
			row := []table.Cell{{Text: "  " + short}}
			for _, c := range part {
				text, style := m.cell(c, d)
				row = append(row, table.Cell{Text: text, Style: style})
			}
			rows = append(rows, row)
		}
		p.Table(0, columns, rows)
	}
	p.Printf("")
	p.Printf("P provider  S shared  C customer  T third party  ! nobody  · does not apply; numbers where resources differ")
	return p.Err()
}

func (m *matrix) csv(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "duty,%s\n", strings.Join(m.columns, ",")); err != nil {
		return err
	}
	for _, d := range demarc.Duties {
		row := []string{string(d)}
		for _, c := range m.columns {
			text, _ := m.cell(c, d)
			row = append(row, strings.TrimPrefix(text, "·"))
		}
		if _, err := fmt.Fprintln(w, strings.Join(row, ",")); err != nil {
			return err
		}
	}
	return nil
}

func (m *matrix) json(w io.Writer) error {
	out := map[string]map[string]map[string]int{}
	for _, d := range demarc.Duties {
		out[string(d)] = map[string]map[string]int{}
		for _, c := range m.columns {
			out[string(d)][c] = map[string]int{}
			for h, n := range m.cells[c][d] {
				out[string(d)][c][string(h)] = n
			}
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(out)
}
