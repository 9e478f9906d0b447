package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	reportcsv "github.com/demarc/demarc/internal/report/csv"
	"github.com/demarc/demarc/internal/report/markdown"
	"github.com/demarc/demarc/internal/report/table"
	"github.com/demarc/demarc/internal/store"
	"github.com/demarc/demarc/internal/suggest"
)

// pageFlags are the flags of every command that shows a part of a list.
type pageFlags struct {
	limit int
	after string
}

func (f *pageFlags) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.limit, "limit", 100, "show at most `N`; at most 1000")
	cmd.Flags().StringVar(&f.after, "after", "", "go on behind `CURSOR`, which the page before has told")
}

func (f *pageFlags) page() demarc.Page {
	return demarc.Page{After: demarc.Cursor(f.after), Limit: f.limit}
}

// more tells how to see the rest of a list.
func (a *app) more(p *table.Printer, shown, total int, next demarc.Cursor) {
	if next != "" {
		p.Printf("")
		p.Printf("%s", p.Paint(table.Faint, fmt.Sprintf("%d of %d; the rest: --after %s", shown, total, next)))
	}
}

func (a *app) scansCommand() *cobra.Command {
	var f storeFlags
	var out outputFlags
	var pf pageFlags
	cmd := &cobra.Command{
		Use: "scans", Short: "List the scans that a store holds", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			s, at, err := a.openAt(cmd.Context(), &f, store.Options{ReadOnly: true}, 0)
			if err != nil {
				return err
			}
			defer s.Close()
			list, err := s.Scans(cmd.Context(), at.Organization, pf.page())
			if err != nil {
				return err
			}
			return a.write(&out, func(w io.Writer) error {
				if out.format == "json" {
					return writeJSON(w, list)
				}
				p := a.printer(w)
				var rows [][]table.Cell
				for _, c := range list.Items {
					note := ""
					if c.Incomplete {
						note = "incomplete"
					}
					if c.Stale > 0 {
						note = strings.TrimPrefix(note+fmt.Sprintf(", %d not looked at", c.Stale), ", ")
					}
					rows = append(rows, []table.Cell{
						{Text: strconv.FormatInt(int64(c.ID), 10), Style: table.Bold},
						{Text: c.Finished.Format("2006-01-02 15:04")},
						{Text: c.AsOf.Format(time.DateOnly)},
						{Text: strconv.Itoa(c.Resources)},
						{Text: fmt.Sprintf("+%d -%d ~%d", c.Added, c.Removed, c.Changed)},
						{Text: strconv.Itoa(c.Moves)},
						{Text: fmt.Sprintf("+%d -%d", c.Opened, c.Resolved)},
						{Text: note, Style: table.Faint},
					})
				}
				p.Table(0, []table.Column{{Head: "scan"}, {Head: "finished"}, {Head: "as of"}, {Head: "resources"}, {Head: "changes"}, {Head: "moves"}, {Head: "findings"}, {Give: true, Wrap: true}}, rows)
				a.more(p, len(list.Items), list.Total, list.Next)
				return p.Err()
			})
		},
	}
	f.add(cmd)
	out.add(cmd, "table", "json")
	pf.add(cmd)
	return cmd
}

func (a *app) resourcesCommand() *cobra.Command {
	var f storeFlags
	var out outputFlags
	var pf pageFlags
	var filters filterFlags
	var id int64
	order := string(demarc.OrderID)
	cmd := &cobra.Command{
		Use: "resources [WORD...]", Short: "Search and filter the resources of a store",
		Example: `  demarc resources --store demarc.db orders
  demarc resources --store demarc.db --gap failing --severity high --team payments --order worst`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			filter, err := filters.filter()
			if err != nil {
				return err
			}
			filter.Text = strings.TrimSpace(filter.Text + " " + strings.Join(args, " "))
			s, at, err := a.openAt(cmd.Context(), &f, store.Options{ReadOnly: true}, demarc.ScanID(id))
			if err != nil {
				return err
			}
			defer s.Close()
			list, err := s.Resources(cmd.Context(), at, filter, demarc.Order(order), pf.page())
			if err != nil {
				return err
			}
			return a.write(&out, func(w io.Writer) error { return a.resourceList(w, out.format, list) })
		},
	}
	f.add(cmd)
	out.add(cmd, "table", "json", "ndjson", "csv")
	pf.add(cmd)
	filters.add(cmd, everyKey)
	scanFlag(cmd, &id)
	cmd.Flags().StringVar(&order, "order", order, "`ORDER` of the list: id, worst, oldest, newest")
	return cmd
}

func scanFlag(cmd *cobra.Command, id *int64) {
	cmd.Flags().Int64Var(id, "scan", 0, "the scan of `NUMBER`; by default the latest")
}

func (a *app) resourceList(w io.Writer, format string, list demarc.Paged[demarc.StoredResource]) error {
	gaps := func(r *demarc.StoredResource) string {
		var out []string
		for _, g := range demarc.Gaps {
			if n := r.Gaps[g]; n > 0 {
				out = append(out, fmt.Sprintf("%d %s", n, g))
			}
		}
		return strings.Join(out, ", ")
	}
	switch format {
	case "json":
		return writeJSON(w, list)
	case "ndjson":
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		for i := range list.Items {
			if err := e.Encode(&list.Items[i]); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		c := csv.NewWriter(w)
		rows := [][]string{{"resource", "provider", "account", "region", "service", "type", "name", "worst", "gaps", "first_seen", "changed", "last_seen"}}
		for i := range list.Items {
			r := &list.Items[i]
			row := []string{string(r.ID), r.Provider, r.Account, r.Region, string(r.Service), r.Type, r.Name, worst(r), gaps(r), day(r.FirstSeen), day(r.Changed), day(r.LastSeen)}
			for k := range row {
				row[k] = reportcsv.Inert(row[k])
			}
			rows = append(rows, row)
		}
		return c.WriteAll(rows)
	}
	p := a.printer(w)
	if len(list.Items) == 0 {
		p.Printf("No resources.")
		return p.Err()
	}
	var rows [][]table.Cell
	for i := range list.Items {
		r := &list.Items[i]
		name := string(r.ID)
		if r.Stale {
			name += " (last seen " + day(r.LastSeen) + ")"
		}
		rows = append(rows, []table.Cell{{Text: name, Style: table.Bold}, {Text: string(r.Service)}, {Text: worst(r)}, {Text: gaps(r)}})
	}
	p.Table(0, []table.Column{{Head: "resource", Give: true, Wrap: true}, {Head: "service"}, {Head: "worst"}, {Head: "gaps", Give: true, Wrap: true}}, rows)
	a.more(p, len(list.Items), list.Total, list.Next)
	return p.Err()
}

func worst(r *demarc.StoredResource) string {
	if len(r.Gaps) == 0 {
		return "-"
	}
	return r.Worst.String()
}

func day(m demarc.Moment) string {
	if m.At.IsZero() {
		return fmt.Sprintf("scan %d", m.Scan)
	}
	return m.At.Format(time.DateOnly)
}

func (a *app) movesCommand() *cobra.Command {
	var f storeFlags
	var out outputFlags
	var pf pageFlags
	var filters filterFlags
	var since, until, failOn string
	cmd := &cobra.Command{
		Use: "moves", Short: "What moved: the duties that changed hands, with the setting that moved them", Args: cobra.NoArgs,
		Example: `  demarc moves --store demarc.db --since 7d
  demarc moves --store demarc.db --since 7d --team payments --fail-on move`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if failOn != "" && failOn != "move" {
				return fmt.Errorf("--fail-on %q: expected move", failOn)
			}
			filter, err := filters.filter()
			if err != nil {
				return err
			}
			var period demarc.Period
			if since != "" {
				if period.Since, err = demarc.ParseMoment(since, time.Now()); err != nil {
					return fmt.Errorf("--since %w", err)
				}
			}
			if until != "" {
				if period.Until, err = demarc.ParseMoment(until, time.Now()); err != nil {
					return fmt.Errorf("--until %w", err)
				}
			}
			s, at, err := a.openAt(cmd.Context(), &f, store.Options{ReadOnly: true}, 0)
			if err != nil {
				return err
			}
			defer s.Close()
			list, err := s.Moves(cmd.Context(), at.Organization, filter, period, pf.page())
			if err != nil {
				return err
			}
			err = a.write(&out, func(w io.Writer) error {
				switch out.format {
				case "json":
					return writeJSON(w, list)
				case "markdown":
					groups, err := s.MoveGroups(cmd.Context(), at.Organization, filter, period)
					if err != nil {
						return err
					}
					return markdown.Moves(w, groups, 0, 0)
				default:
					return a.moveList(w, list)
				}
			})
			if err != nil {
				return err
			}
			if failOn != "" && list.Total > 0 {
				return outcome{exitGate}
			}
			return nil
		},
	}
	f.add(cmd)
	out.add(cmd, "table", "json", "markdown")
	pf.add(cmd)
	filters.add(cmd, everyKey)
	cmd.Flags().StringVar(&since, "since", "", "moves since this `TIME`: 7d, 2w, 36h, or a day as 2026-11-23")
	cmd.Flags().StringVar(&until, "until", "", "moves until this `TIME`")
	cmd.Flags().StringVar(&failOn, "fail-on", "", "exit with 3 if there is any: `move`")
	return cmd
}

func (a *app) moveList(w io.Writer, list demarc.Paged[demarc.Move]) error {
	p := a.printer(w)
	if len(list.Items) == 0 {
		p.Printf("The line has not moved.")
		return p.Err()
	}
	for i := range list.Items {
		m := &list.Items[i]
		style := table.Green
		if m.ToUs {
			style = table.Red
		}
		p.Printf("%s  %s  %s", p.Paint(table.Bold, string(m.Duty)), p.Paint(style, fmt.Sprintf("%s → %s", held(m.From), held(m.To))), p.Paint(table.Faint, day(m.FirstSeen)))
		p.Wrap(2, string(m.Resource.ID))
		if setting := m.Setting(); setting != "" {
			p.Wrap(2, setting)
		}
		text := m.To.Ground()
		if rule := m.RuleText(); rule != "" {
			text += " (" + rule + ")"
		}
		p.Wrap(2, text)
		switch {
		case m.Cause != demarc.CauseSetting:
			p.Wrap(2, causes[m.Cause])
		case m.CatalogChanged:
			p.Wrap(2, "The catalog changed at the same time.")
		}
		if rule, _ := m.Rule(); rule.URL != "" {
			p.Printf("  %s", p.Paint(table.Faint, rule.URL))
		}
		if m.Team != "" {
			p.Wrap(2, "team "+m.Team)
		}
	}
	a.more(p, len(list.Items), list.Total, list.Next)
	return p.Err()
}

var causes = map[demarc.Cause]string{
	demarc.CauseSetting:     "A setting changed.",
	demarc.CauseDeclaration: "What the estate declares changed; no setting did.",
	demarc.CauseCatalog:     "The catalog changed; nothing of yours did.",
	demarc.CauseTime:        "A date has passed; nothing changed.",
}

func held(a *demarc.Assignment) string {
	if len(a.Parties) == 0 {
		return string(a.Holder)
	}
	parties := make([]string, len(a.Parties))
	for i, p := range a.Parties {
		parties[i] = string(p)
	}
	return fmt.Sprintf("%s (%s)", a.Holder, strings.Join(parties, ", "))
}

// declareCommand records an acceptance, an attestation or an exception.
func (a *app) declareCommand(kind demarc.DeclarationKind, cmd *cobra.Command) *cobra.Command {
	var f storeFlags
	var filters filterFlags
	d := demarc.Declaration{Kind: kind}
	var on, until string
	flags := cmd.Flags()
	flags.StringVar(&d.By, "by", "", "`WHO` says so; by default who runs the command")
	flags.StringVar(&on, "on", "", "the `DAY` on which it was said; by default today")
	flags.StringVar(&until, "until", "", "the last `DAY` on which it counts")
	switch kind {
	case demarc.Acceptance:
		flags.StringVar(&d.Team, "team", "", "the `TEAM` that accepts")
		flags.StringVar(&d.Text, "note", "", "a `NOTE`")
	case demarc.TeamWork:
		flags.StringVar(&d.Team, "team", "", "the `TEAM` that is to do them")
		flags.StringVar(&d.Text, "note", "", "a `NOTE`")
	case demarc.Attestation:
		flags.StringVar(&d.Text, "evidence", "", "where the `EVIDENCE` is")
	case demarc.Exception:
		flags.StringVar(&d.Team, "owner", "", "the `OWNER` of the exception")
		flags.StringVar(&d.Text, "reason", "", "the `REASON`")
	}
	f.add(cmd)
	filters.add(cmd, scopeKeys)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var err error
		if d.Scope, err = filters.filter(); err != nil {
			return err
		}
		if kind == demarc.Exception {
			d.Check = args[0]
		} else {
			d.Duties = args
		}
		d.On = time.Now().UTC().Truncate(24 * time.Hour)
		if on != "" {
			if d.On, err = time.Parse(time.DateOnly, on); err != nil {
				return fmt.Errorf("--on %q: expected a day, as 2026-11-23", on)
			}
		}
		if until != "" {
			if d.Until, err = time.Parse(time.DateOnly, until); err != nil {
				return fmt.Errorf("--until %q: expected a day, as 2026-11-23", until)
			}
		}
		if d.By == "" {
			d.By = a.actor()
		}
		s, at, err := a.openAt(cmd.Context(), &f, store.Options{MustBe: true}, 0)
		if err != nil {
			return err
		}
		defer s.Close()
		if kind == demarc.Exception {
			if err := a.knowsCheck(cmd.Context(), s, at, d.Check); err != nil {
				return err
			}
		}
		made, err := s.Declare(cmd.Context(), at.Organization, a.actor(), d, time.Now())
		if err != nil {
			return err
		}
		if !a.quiet {
			text := fmt.Sprintf("%s %s", made.Kind, made.ID)
			if kind != demarc.Acceptance {
				text += ", which counts from the next scan on"
			}
			fmt.Fprintln(a.Out, text)
		}
		return nil
	}
	return cmd
}

// knowsCheck returns an error for a check that the catalog of the latest scan does not have.
func (a *app) knowsCheck(ctx context.Context, s *store.Store, at demarc.At, check string) error {
	scan, err := s.Scan(ctx, at)
	if err != nil {
		return err
	}
	book, err := a.bookOf(ctx, s, scan)
	if err != nil || check == "" || book.Check(check) != nil {
		return err
	}
	service := demarc.ServiceID(check[:max(strings.LastIndexByte(check, '/'), 0)])
	known := func(yield func(string) bool) {
		if svc := book.Service(service); svc != nil {
			for _, c := range svc.Checks {
				if !yield(c.Name) {
					return
				}
			}
		}
	}
	return fmt.Errorf("there is no check %q%s; demarc catalog show SERVICE lists them", check, suggest.DidYouMean(check, known))
}

func (a *app) acceptCommand() *cobra.Command {
	return a.declareCommand(demarc.Acceptance, &cobra.Command{
		Use: "accept [DUTY...]", Short: "Record that a team has taken duties",
		Long: `Records in a store that a team has taken duties (ids or globs; without any, all that it does) for the resources that the
flags select. Where teams are declared, a duty that its team has not accepted is a gap. When the line of the duty moves,
or the acceptance ends, the team is asked again.`,
		Example: `  demarc accept --store demarc.db --team payments --tag team=payments 'runtime.*' 'data.*' --until 2027-06-30`,
	})
}

func (a *app) assignCommand() *cobra.Command {
	return a.declareCommand(demarc.TeamWork, &cobra.Command{
		Use: "assign [DUTY...]", Short: "Record which team does duties",
		Long: `Records in a store that a team does duties (ids or globs; without any, all) for the resources that the flags select. It goes
before the teams of demarc.yaml, and the newest before those that were recorded earlier.`,
		Example: `  demarc assign --store demarc.db --team payments --name ledger 'runtime.*' 'data.*'`,
	})
}

func (a *app) attestCommand() *cobra.Command {
	return a.declareCommand(demarc.Attestation, &cobra.Command{
		Use: "attest DUTY...", Short: "Record that duties are done, by a person's word", Args: cobra.MinimumNArgs(1),
		Example: `  demarc attest --store demarc.db resilience.restore-testing --service aws/rds --by 'Ada Lovelace' --until 2027-04-01 --evidence RT-12`,
	})
}

func (a *app) exceptCommand() *cobra.Command {
	return a.declareCommand(demarc.Exception, &cobra.Command{
		Use: "except CHECK", Short: "Record that the failure of a check is accepted for a time", Args: cobra.ExactArgs(1),
		Example: `  demarc except --store demarc.db aws/rds/public-access --name orders --owner payments --reason 'moves in March' --until 2027-03-31`,
	})
}

func (a *app) withdrawCommand() *cobra.Command {
	var f storeFlags
	cmd := &cobra.Command{
		Use: "withdraw ID", Short: "Take back what was accepted, attested, excepted or assigned", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, at, err := a.openAt(cmd.Context(), &f, store.Options{MustBe: true}, 0)
			if err != nil {
				return err
			}
			defer s.Close()
			return s.Withdraw(cmd.Context(), at.Organization, a.actor(), args[0], time.Now())
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) declarationsCommand() *cobra.Command {
	var f storeFlags
	var out outputFlags
	cmd := &cobra.Command{
		Use: "declarations", Short: "List what persons have recorded: acceptances, attestations, exceptions, assignments", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			s, at, err := a.openAt(cmd.Context(), &f, store.Options{ReadOnly: true}, 0)
			if err != nil {
				return err
			}
			defer s.Close()
			list, err := s.Declarations(cmd.Context(), at.Organization)
			if err != nil {
				return err
			}
			return a.write(&out, func(w io.Writer) error {
				if out.format == "json" {
					type shown struct {
						Scope string `json:"scope"`
						demarc.Declaration
					}
					all := []shown{}
					for _, d := range list {
						all = append(all, shown{d.Scope.String(), d})
					}
					return writeJSON(w, all)
				}
				p := a.printer(w)
				var rows [][]table.Cell
				for _, d := range list {
					what := strings.Join(slices.Concat(d.Duties, []string{d.Check}), " ")
					until := "open"
					if !d.Until.IsZero() {
						until = d.Until.Format(time.DateOnly)
					}
					if !d.Withdrawn.IsZero() {
						until = "withdrawn by " + d.WithdrawnBy
					}
					rows = append(rows, []table.Cell{{Text: d.ID, Style: table.Bold}, {Text: string(d.Kind)}, {Text: strings.TrimSpace(what)}, {Text: d.Scope.String()}, {Text: d.Team}, {Text: d.By}, {Text: until}})
				}
				p.Table(0, []table.Column{{Head: "id"}, {Head: "kind"}, {Head: "what", Give: true, Wrap: true}, {Head: "scope", Give: true, Wrap: true}, {Head: "team"}, {Head: "by", Give: true}, {Head: "until"}}, rows)
				return p.Err()
			})
		},
	}
	f.add(cmd)
	out.add(cmd, "table", "json")
	return cmd
}
