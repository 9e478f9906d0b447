package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report/table"
	"github.com/demarc/demarc/internal/rulebook"
)

func (a *app) catalogShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show SERVICE",
		Short: "Everything that is known about a service: who holds what, what each setting changes, what proves it",
		Args:  cobra.ExactArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return a.serviceNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			book, err := a.rulebook()
			if err != nil {
				return err
			}
			s := book.Service(demarc.ServiceID(args[0]))
			if s == nil {
				return fmt.Errorf("no service %q in the catalog: demarc catalog list shows them", args[0])
			}
			if err := s.Compile(); err != nil {
				return err
			}
			return showService(a.printer(a.Out), book, s)
		},
	}
}

// showService writes a service as a page: the stack with who holds what, what each setting changes, what proves it,
// and where everything is read.
func showService(p *table.Printer, book *rulebook.Rulebook, s *rulebook.Service) error {
	p.Printf("%s", p.Paint(table.Bold, fmt.Sprintf("%s (%s)", s.Title, s.ID)))
	p.Wrap(0, s.About)
	p.Printf("")
	p.Wrap(0, fmt.Sprintf("%s: %s (%s)", s.Archetype.ID, s.Archetype.About, s.Model))
	showTypes(p, s)
	v := view{p: p, book: book, s: s}
	v.stack()
	v.lines()
	v.checks()
	v.facts()
	return p.Err()
}

func showTypes(p *table.Printer, s *rulebook.Service) {
	var rows [][]table.Cell
	for _, r := range serviceRows([]*rulebook.Service{s}) {
		for _, d := range demarc.Dialects {
			if len(r.Types[d]) > 0 {
				rows = append(rows, []table.Cell{{Text: string(d), Style: table.Bold}, {Text: strings.Join(r.Types[d], ", ")}})
			}
		}
	}
	if len(rows) > 0 {
		p.Title("Read from")
		p.Table(2, []table.Column{{}, {Give: true, Wrap: true}}, rows)
	}
}

type view struct {
	p    *table.Printer
	book *rulebook.Rulebook
	s    *rulebook.Service
}

// name says who plays a role, as a customer of the provider sees it.
func (v view) name(role demarc.Role) string {
	provider := v.book.Providers[v.s.Provider]
	switch {
	case role == demarc.Tenant:
		return "you"
	case provider == nil:
		return role.String()
	case provider.Roles[role] == demarc.Self:
		return "you as " + role.String()
	default:
		return string(provider.Roles[role])
	}
}

// who names the holders of an outcome: "you", "aws", "aws + you".
func (v view) who(o *rulebook.Outcome) string {
	var names []string
	for role := range demarc.Role(demarc.NumRoles) {
		if name := v.name(role); o.Roles.Has(role) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, " + ")
}

// part says what the holders do, each with the name of who does it where there are several.
func (v view) part(o *rulebook.Outcome) string {
	if o.Roles == 0 {
		return o.Why
	}
	var parts []string
	for role := range demarc.Role(demarc.NumRoles) {
		if !o.Roles.Has(role) || o.Parts[role] == "" {
			continue
		}
		text := o.Parts[role]
		if alone := demarc.RoleSet(0).With(role); o.Roles != alone {
			text = v.name(role) + ": " + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

func (v view) stack() {
	v.p.Title("Who holds what, before any setting moves the line (* some setting does)")
	titles := map[demarc.Layer]string{}
	for _, l := range v.book.Layers() {
		titles[l.ID] = l.Title
	}
	layer := demarc.Layer("")
	var rows [][]table.Cell
	for d, duty := range demarc.Duties {
		o := v.s.Base[d]
		moved := v.moved(d)
		if o.Roles == 0 && !moved {
			continue
		}
		if l := duty.Layer(); l != layer {
			layer = l
			rows = append(rows, []table.Cell{{Text: titles[l], Style: table.Faint}, {}, {}})
		}
		who := v.who(o)
		if moved {
			who += " *"
		}
		style := table.Plain
		if o.Roles.Has(demarc.Tenant) {
			style = table.Yellow
		}
		rows = append(rows, []table.Cell{{Text: "  " + string(duty), Style: table.Bold}, {Text: who, Style: style}, {Text: v.part(o)}})
	}
	v.p.Table(2, []table.Column{{}, {}, {Give: true, Wrap: true}}, rows)
}

// moved reports whether some line moves the duty, or gives a role that holds it to somebody else.
func (v view) moved(duty int) bool {
	return len(v.s.Movers(duty)) > 0 || slices.ContainsFunc(v.s.Lines, func(line *rulebook.Line) bool {
		for role := range line.Binds {
			if v.s.Base[duty].Roles.Has(role) {
				return true
			}
		}
		return false
	})
}

func (v view) lines() {
	if len(v.s.Lines) == 0 {
		return
	}
	v.p.Title("* What each setting changes")
	for i, line := range v.s.Lines {
		if i > 0 {
			v.p.Printf("")
		}
		v.p.Printf("  %s", v.p.Paint(table.Bold, line.ID))
		v.p.Wrap(4, line.Because)
		v.p.Wrap(4, "when "+line.When.Text)
		for role := range demarc.Role(demarc.NumRoles) {
			if to, ok := line.Binds[role]; ok {
				v.p.Wrap(4, fmt.Sprintf("→ the %s is the %s", role, to))
			}
		}
		for d, duty := range demarc.Duties {
			if o := line.Moves[d]; o != nil {
				v.p.Wrap(4, fmt.Sprintf("→ %s: %s. %s", duty, v.who(o), v.part(o)))
			}
		}
		v.source(line.Source)
	}
}

func (v view) checks() {
	if len(v.s.Checks) == 0 {
		return
	}
	v.p.Title("What proves your part")
	for i, c := range v.s.Checks {
		if i > 0 {
			v.p.Printf("")
		}
		proves := "a failure disproves"
		if c.Proves {
			proves = "proves"
		}
		v.p.Printf("  %s  %s", v.p.Paint(table.Bold, c.ID), c.Severity)
		v.p.Wrap(4, fmt.Sprintf("%s (%s %s)", c.Title, proves, demarc.Duties[c.Duty]))
		if c.Applies != nil {
			v.p.Wrap(4, "applies where "+c.Applies.Text)
		}
		v.p.Wrap(4, "passes when "+c.Pass.Text)
		if c.Fix.Text != "" {
			v.p.Wrap(4, "fix: "+c.Fix.Text)
		}
		for _, f := range [][2]string{{"command", c.Fix.CLI}, {"terraform", c.Fix.Terraform}} {
			if f[1] != "" {
				v.p.Printf("    %s: %s", f[0], f[1]) // in one piece, to be pasted
			}
		}
		if also := alsoText(c.Also); also != "" {
			v.p.Wrap(4, "others call it "+also)
		}
		v.source(c.Source)
	}
}

func (v view) facts() {
	if len(v.s.Facts) == 0 {
		return
	}
	v.p.Title("What is read, and where")
	var rows [][]table.Cell
	for i := range v.s.Facts {
		f := &v.s.Facts[i]
		about := f.About
		if f.Presume != nil {
			value := f.Presume.Value.String()
			if value == "" {
				value = "empty"
			}
			about += fmt.Sprintf(" Presumed to be %s: %s", value, f.Presume.Reason)
		}
		var where string
		switch {
		case f.Derive != nil:
			where = "other facts"
		case f.Typed:
			where = "its type"
		case f.Via >= 0:
			where = "its " + v.s.Relations[f.Via].Name
		default:
			where = strings.Join(dialectsOf(v.s, i), ", ")
		}
		rows = append(rows, []table.Cell{{Text: f.Name, Style: table.Bold}, {Text: about}, {Text: where}})
	}
	v.p.Table(2, []table.Column{{}, {Give: true, Wrap: true}, {Give: true, Wrap: true}}, rows)
}

// dialectsOf lists the dialects that have a place for a fact.
func dialectsOf(s *rulebook.Service, fact int) []string {
	var out []string
	for _, d := range demarc.Dialects {
		if slices.ContainsFunc(s.Types, func(t *rulebook.TypeRef) bool {
			return t.Dialect == d && slices.ContainsFunc(t.Facts, func(f rulebook.FactPath) bool { return f.Fact == fact })
		}) {
			out = append(out, string(d))
		}
	}
	return out
}

func (v view) source(s *rulebook.Source) {
	if s == nil {
		return
	}
	if s.Says != "" {
		v.p.Wrap(4, "the page says: "+s.Says)
	}
	v.p.Printf("    %s", v.p.Paint(table.Faint, s.URL))
	v.p.Wrap(4, fmt.Sprintf("%s, read %s", s.Section, s.Read.Format(time.DateOnly)))
}

func alsoText(also map[string][]string) string {
	var out []string
	for tool, ids := range also {
		out = append(out, tool+" "+strings.Join(ids, ", "))
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}
