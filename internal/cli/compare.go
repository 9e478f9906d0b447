package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report/table"
	"github.com/demarc/demarc/internal/rulebook"
)

func (a *app) compareCommand() *cobra.Command {
	var out outputFlags
	all := false
	cmd := &cobra.Command{
		Use:   "compare SERVICE...",
		Short: "Who holds what in several services, side by side, before any setting moves the line",
		Long: `Puts services of the catalog side by side: for each duty the holder as the provider gives it, and * where a
setting moves it. Needs no inventory: demarc catalog list shows the services.`,
		Example: `  demarc compare aws/ec2 aws/rds aws/lambda
  demarc compare aws/rds azure/sql-database gcp/cloud-sql`,
		Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return a.serviceNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			book, err := a.rulebook()
			if err != nil {
				return err
			}
			var services []*rulebook.Service
			for _, name := range args {
				s := book.Service(demarc.ServiceID(name))
				if s == nil {
					return fmt.Errorf("no service %q in the catalog: demarc catalog list shows them", name)
				}
				if err := s.Compile(); err != nil {
					return err
				}
				services = append(services, s)
			}
			return a.write(&out, func(w io.Writer) error {
				if out.format == "json" {
					return compareJSON(w, book, services)
				}
				return compareTable(a.printer(w), book, services, all)
			})
		},
	}
	out.add(cmd, "table", "json")
	cmd.Flags().BoolVar(&all, "all", false, "also the duties that are alike in all of them")
	return cmd
}

// holderOf says who holds a duty of a service whose roles are played as its provider has it.
func holderOf(book *rulebook.Rulebook, s *rulebook.Service, duty int) demarc.Holder {
	var kinds []demarc.PartyKind
	known := book.Parties()
	provider := book.Providers[s.Provider]
	for role := range demarc.Role(demarc.NumRoles) {
		if !s.Base[duty].Roles.Has(role) {
			continue
		}
		kind := demarc.KindSelf
		if role != demarc.Tenant && provider != nil {
			kind = known[provider.Roles[role]]
			if kind == "" {
				kind = demarc.KindVendor
			}
		}
		kinds = append(kinds, kind)
	}
	return demarc.HolderOf(kinds)
}

func compareTable(p *table.Printer, book *rulebook.Rulebook, services []*rulebook.Service, all bool) error {
	columns := []table.Column{{Head: "duty"}}
	for _, s := range services {
		columns = append(columns, table.Column{Head: string(s.ID), Give: true})
	}
	styles := map[demarc.Holder]table.Style{demarc.HeldByProvider: table.Blue, demarc.HeldByCustomer: table.Yellow, demarc.HeldShared: table.Purple, demarc.NotApplicable: table.Faint}
	var rows [][]table.Cell
	alike := 0
	for d, duty := range demarc.Duties {
		row := []table.Cell{{Text: string(duty), Style: table.Bold}}
		same := true
		for i, s := range services {
			h := holderOf(book, s, d)
			text := string(h)
			if h == demarc.NotApplicable {
				text = "·"
			}
			if len(s.Movers(d)) > 0 {
				text += " *"
			}
			row = append(row, table.Cell{Text: text, Style: styles[h]})
			same = same && (i == 0 || row[i].Text == row[i+1].Text)
		}
		if same && len(services) > 1 && !all {
			alike++
			continue
		}
		rows = append(rows, row)
	}
	p.Table(0, columns, rows)
	p.Printf("")
	if alike > 0 {
		p.Printf("%s", p.Paint(table.Faint, fmt.Sprintf("%d duties are alike in all of them: --all shows them.", alike)))
	}
	for _, s := range services {
		if len(s.Lines) == 0 {
			continue
		}
		p.Title("* " + s.Title)
		for _, line := range s.Lines {
			p.Wrap(2, fmt.Sprintf("%s: %s → %s", line.ID, line.When.Text, strings.Join(effects(line), ", ")))
		}
	}
	return p.Err()
}

// effects says what a line moves where, in the words of roles.
func effects(line *rulebook.Line) []string {
	var out []string
	for d, duty := range demarc.Duties {
		if o := line.Moves[d]; o != nil {
			out = append(out, string(duty)+" "+rolesText(o.Roles))
		}
	}
	for role := range demarc.Role(demarc.NumRoles) {
		if to, ok := line.Binds[role]; ok {
			out = append(out, fmt.Sprintf("%s is the %s", role, to))
		}
	}
	return out
}

func rolesText(s demarc.RoleSet) string {
	var names []string
	for role := range demarc.Role(demarc.NumRoles) {
		if s.Has(role) {
			names = append(names, role.String())
		}
	}
	if len(names) == 0 {
		return "does not apply"
	}
	return strings.Join(names, "+")
}

func compareJSON(w io.Writer, book *rulebook.Rulebook, services []*rulebook.Service) error {
	type cell struct {
		Holder demarc.Holder `json:"holder"`
		Lines  []string      `json:"lines,omitempty"`
	}
	out := map[demarc.ServiceID]map[demarc.DutyID]cell{}
	for _, s := range services {
		out[s.ID] = map[demarc.DutyID]cell{}
		for d, duty := range demarc.Duties {
			c := cell{Holder: holderOf(book, s, d)}
			for _, k := range s.Movers(d) {
				c.Lines = append(c.Lines, s.Lines[k].ID)
			}
			out[s.ID][duty] = c
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(out)
}

// serviceNames returns the ids of all services, for completion.
func (a *app) serviceNames() []string {
	book, err := a.rulebook()
	if err != nil {
		return nil
	}
	var out []string
	for _, id := range book.ServiceIDs() {
		out = append(out, string(id))
	}
	return out
}
