package cli

import (
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report"
	"github.com/demarc/demarc/internal/report/csv"
	"github.com/demarc/demarc/internal/report/table"
)

func (a *app) gapsCommand() *cobra.Command {
	var in inputFlags
	var out outputFlags
	var src sourceFlags
	cmd := &cobra.Command{
		Use:   "gaps [PATH...]",
		Short: "List the duties that need somebody's attention",
		Long: `Lists every gap: duties that are misassumed, failing, unowned, lapsed, blind (the setting that decides could not be
read), unverified (nobody has looked) or, in a store where teams are declared, unaccepted (the team has not said yes).`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			r, filter, err := a.answers(cmd, &in, &src, args)
			if err != nil {
				return err
			}
			defer r.close()
			wanted := func(_ *demarc.Answer, d *demarc.DutyAnswer) bool { return d.Gap() != "" && filter.MatchDuty(d) }
			err = a.write(&out, func(w io.Writer) error { return a.gaps(w, out.format, r, wanted) })
			if err != nil {
				return err
			}
			return a.end(r, false)
		},
	}
	in.add(cmd)
	out.add(cmd, "table", "json", "csv")
	src.add(cmd)
	return cmd
}

func (a *app) gaps(w io.Writer, format string, r *run, wanted func(*demarc.Answer, *demarc.DutyAnswer) bool) error {
	// What is not wanted is shown to nobody: a duty that does not apply is passed over by every format.
	nothing := make([]*demarc.Assignment, len(demarc.Duties))
	for i, d := range demarc.Duties {
		nothing[i] = &demarc.Assignment{Duty: d, Holder: demarc.NotApplicable}
	}
	stateless := &demarc.Verdict{State: demarc.NoState}
	kept := func(yield func(*demarc.Answer) bool) {
		for x := range r.Answers() {
			some := *x.Standing
			some.Assignments, some.Verdicts, some.Beliefs = slices.Clone(some.Assignments), slices.Clone(some.Verdicts), nil
			i := 0
			for d := range x.Duties {
				if !wanted(x, d) {
					some.Assignments[i], some.Verdicts[i] = nothing[i], stateless
				} else if d.Believed != "" {
					some.Beliefs = append(some.Beliefs, demarc.Belief{Duty: i, Holder: d.Believed, Assumption: d.Assumption})
				}
				i++
			}
			if !yield(&demarc.Answer{Resource: x.Resource, Standing: &some, Facts: x.Facts, Inside: x.Inside}) {
				return
			}
		}
	}
	switch format {
	case "csv":
		return csv.Write(w, r.about(), kept)
	case "json":
		return gapsJSON(w, kept)
	}
	s := report.Summarize(kept, r.about)
	p := a.printer(w)
	if list := s.Believed(); len(list) > 0 && (len(r.filter.Gaps) == 0 || slices.Contains(r.filter.Gaps, demarc.GapMisassumed)) {
		table.BelievedTable(p, list)
		p.Printf("")
	}
	list := s.Gaps()
	if len(list) == 0 {
		p.Printf("No gaps.")
		return p.Err()
	}
	table.GapTable(p, list, r.checkTitle)
	return p.Err()
}

// gapRow is one gap as JSON.
type gapRow struct {
	Resource demarc.ResourceID `json:"resource"`
	Service  demarc.ServiceID  `json:"service"`
	Duty     demarc.DutyID     `json:"duty"`
	Gap      demarc.Gap        `json:"gap"`
	Severity demarc.Severity   `json:"severity"`
	Holder   demarc.Holder     `json:"holder"`
	State    demarc.State      `json:"state"`
	Checks   []string          `json:"checks,omitempty"`
	Missing  []string          `json:"missing,omitempty"`
	Believed demarc.Holder     `json:"believed,omitempty"`
	Because  string            `json:"because"`
	Team     string            `json:"team,omitempty"`
}

func gapsJSON(w io.Writer, answers func(func(*demarc.Answer) bool)) error {
	rows := []gapRow{}
	for a := range answers {
		id := a.Resource.ID.Clone() // rows outlive answers
		for d := range a.Duties {
			if d.Holder == demarc.NotApplicable {
				continue
			}
			row := gapRow{
				Resource: id, Service: a.Resource.Service, Duty: d.Duty, Gap: d.Gap(), Severity: d.Severity(), Holder: d.Holder, State: d.State,
				Missing: d.Verdict.Missing, Believed: d.Believed, Because: strings.TrimSpace(report.Ground(d)), Team: d.Team,
			}
			for _, c := range d.Checks {
				if c.Result == demarc.CheckFail || c.Result == demarc.CheckUnknown {
					row.Checks = append(row.Checks, c.ID)
				}
			}
			rows = append(rows, row)
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(rows)
}
