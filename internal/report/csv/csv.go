// Package csv writes one row for each duty of each resource that applies to it.
package csv

import (
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

// Write writes the answers of a run. A cell that a spreadsheet would take for a formula begins with an apostrophe.
func Write(w io.Writer, _ demarc.Run, answers iter.Seq[*demarc.Answer]) error {
	out := csv.NewWriter(w)
	if err := out.Write(header); err != nil {
		return err
	}
	for a := range answers {
		r := &a.Resource
		for d := range a.Duties {
			if d.Holder == demarc.NotApplicable {
				continue
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
			row := []string{
				string(r.ID), r.Provider, r.Account, r.Region, r.Type, string(r.Service), r.Name, string(d.Duty), string(d.Holder),
				strings.Join(parties, " "), string(d.State), string(d.Counterpart), string(d.Gap()), severity, assumed,
				strings.Join(d.Assignment.Missing, " "), report.Readings(a, d), strings.Join(basis, " "), string(d.Believed), d.Team,
				strings.Join(parts, " "), url,
			}
			for k := range row {
				row[k] = Inert(row[k])
			}
			if err := out.Write(row); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

// Inert keeps a spreadsheet from evaluating a cell.
func Inert(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
