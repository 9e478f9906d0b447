package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/policy"
	"github.com/demarc/demarc/internal/report"
	"github.com/demarc/demarc/internal/report/ndjson"
	"github.com/demarc/demarc/internal/report/table"
	"github.com/demarc/demarc/internal/rulebook"
)

func (a *app) explainCommand() *cobra.Command {
	var in inputFlags
	var out outputFlags
	var src sourceFlags
	cmd := &cobra.Command{
		Use:   "explain RESOURCE [DUTY] -i PATH",
		Short: "Say why a resource's duties are held as they are",
		Long: `Explains one resource, named by its id, the end of its id, or its name: every duty that applies, its holder,
its state, and the ground. With a DUTY (an id or a glob such as runtime.*) it prints every step to the answer:
the setting, its value, the rule, and the provider's page.`,
		Example: `  demarc explain orders-pg runtime.engine-patching -i examples/northwind
  demarc explain i-0b2c3d4e5f6071801 -i inventory.json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			duty := ""
			if len(args) > 1 {
				duty = args[1]
				if !matchesSomeDuty(duty) {
					return fmt.Errorf("no duty %q: demarc catalog list --duties shows them", duty)
				}
			}
			r, _, err := a.answers(cmd, &in, &src, nil)
			if err != nil {
				return err
			}
			defer r.close()
			answer, err := r.find(args[0])
			if err != nil {
				a.tell(r.Result) // it may lie in what could not be read
				if r.Interrupted {
					a.complain("%v", err)
					return outcome{exitIncomplete}
				}
				return err
			}
			err = a.write(&out, func(w io.Writer) error {
				if out.format == "json" {
					return ndjson.Write(w, r.about(), func(yield func(*demarc.Answer) bool) { yield(answer) })
				}
				p := a.printer(w)
				explainResource(p, r, answer)
				if duty == "" {
					explainStack(p, answer)
				} else {
					for d := range answer.Duties {
						if demarc.MatchDuty(duty, d.Duty) {
							explainDuty(p, r, answer, d)
						}
					}
				}
				return p.Err()
			})
			if err != nil {
				return err
			}
			return a.end(r, false)
		},
	}
	in.add(cmd)
	src.addStore(cmd)
	out.add(cmd, "table", "json")
	return cmd
}

func matchesSomeDuty(glob string) bool {
	for _, d := range demarc.Duties {
		if demarc.MatchDuty(glob, d) {
			return true
		}
	}
	return false
}

// find returns the one resource that a name means: by id, by the end of an id, or by name.
func (r *run) find(name string) (*demarc.Answer, error) {
	low := strings.ToLower(name)
	for _, fits := range []func(*demarc.Resource) bool{
		func(x *demarc.Resource) bool { return strings.ToLower(string(x.ID)) == low },
		func(x *demarc.Resource) bool { return strings.EqualFold(x.Name, name) },
		func(x *demarc.Resource) bool {
			rest, ok := strings.CutSuffix(strings.ToLower(string(x.ID)), low)
			return ok && rest != "" && strings.ContainsAny(rest[len(rest)-1:], "/:.#|")
		},
		func(x *demarc.Resource) bool { return strings.Contains(strings.ToLower(string(x.ID)), low) },
	} {
		const shown = 10
		var only *demarc.Answer
		var hits []demarc.ResourceID
		n := 0
		for a := range r.Answers() {
			if !fits(&a.Resource) {
				continue
			}
			if n++; n == 1 {
				only = a.Clone()
			}
			if n <= shown {
				hits = append(hits, a.Resource.ID.Clone())
			}
		}
		if n == 1 {
			return only, nil
		}
		if n > 1 {
			var b strings.Builder
			fmt.Fprintf(&b, "%q means %d resources; name one of them:", name, n)
			for _, id := range hits {
				fmt.Fprintf(&b, "\n  %s", id)
			}
			return nil, fmt.Errorf("%s", b.String())
		}
	}
	return nil, fmt.Errorf("no resource %q among %d", name, r.Resources)
}

func explainResource(p *table.Printer, r *run, a *demarc.Answer) {
	x := &a.Resource
	p.Printf("%s", p.Paint(table.Bold, x.Name))
	p.Wrap(2, string(x.ID))
	svc := r.book.Service(x.Service)
	title := string(x.Service)
	if svc != nil {
		title = fmt.Sprintf("%s (%s, %s)", svc.Title, x.Service, svc.Model)
	}
	var facts []string
	for _, f := range [][2]string{{"type", x.Type}, {"account", x.Account}, {"region", x.Region}, {"source", x.Source}} {
		if f[1] != "" {
			facts = append(facts, f[0]+" "+f[1])
		}
	}
	p.Wrap(2, title+" · "+strings.Join(facts, " · "))
	if x.Implied {
		p.Wrap(2, "Implied: others name it, but no document of it was delivered.")
	}
}

// explainStack writes the stack of a resource from facility to governance: who holds what, and why.
func explainStack(p *table.Printer, a *demarc.Answer) {
	styles := map[demarc.Holder]table.Style{demarc.HeldByProvider: table.Blue, demarc.HeldByCustomer: table.Yellow, demarc.HeldShared: table.Purple, demarc.HeldByThirdParty: table.Green, demarc.Unowned: table.Red}
	layer := demarc.Layer("")
	var rows [][]table.Cell
	flush := func() {
		if len(rows) > 0 {
			p.Title(string(layer))
			p.Table(2, []table.Column{{}, {}, {}, {Give: true, Wrap: true}}, rows)
		}
		rows = nil
	}
	for d := range a.Duties {
		if d.Holder == demarc.NotApplicable {
			continue
		}
		if l := d.Duty.Layer(); l != layer {
			flush()
			layer = l
		}
		ground := report.Ground(d)
		if text := report.Readings(a, d.Reads); text != "" {
			ground += " [" + text + "]"
		}
		_, short, _ := strings.Cut(string(d.Duty), ".")
		holder := string(d.Holder)
		if d.Assumed {
			holder += "?"
		}
		rows = append(rows, []table.Cell{{Text: short, Style: table.Bold}, {Text: holder, Style: styles[d.Holder]}, {Text: string(d.State)}, {Text: ground}})
	}
	flush()
	p.Printf("")
	p.Printf("%s", p.Paint(table.Faint, "?: assumed, as a setting is not known. demarc explain RESOURCE DUTY prints every step."))
}

// explainDuty writes every step to one answer.
func explainDuty(p *table.Printer, r *run, a *demarc.Answer, d *demarc.DutyAnswer) {
	parties := make([]string, len(d.Parties))
	for i, party := range d.Parties {
		parties[i] = string(party)
	}
	head := fmt.Sprintf("%s: %s", d.Duty, d.Holder)
	if len(parties) > 0 {
		head += " (" + strings.Join(parties, ", ") + ")"
	}
	if d.State != demarc.NoState {
		head += ", " + string(d.State)
		if d.Counterpart != "" {
			head += "; the other part " + string(d.Counterpart)
		}
	}
	p.Title(head)
	if about := r.book.Duties()[demarc.DutyIndex(d.Duty)].About; about != "" {
		p.Wrap(2, about)
	}
	if d.Why != "" {
		p.Wrap(2, d.Why)
	}
	for _, part := range d.Parts {
		who := string(part.Party)
		if part.Party == demarc.Self {
			who = "you"
		}
		p.Wrap(2, fmt.Sprintf("%s (%s): %s", who, part.Role, part.Text))
	}
	for _, f := range a.Because(d) {
		value := "unknown"
		if f.Fact.Known() {
			value = f.Shown().String()
			if value == "" {
				value = `""`
			}
		}
		text := fmt.Sprintf("%s = %s", f.Name, value)
		if f.Fact.Origin != demarc.Read {
			text += " (" + f.Fact.Origin.String() + ")"
		}
		if about := r.factAbout(a, f.Name); about != "" {
			text += ". " + about
		}
		p.Wrap(2, "setting  "+text)
	}
	for _, b := range d.Basis {
		p.Wrap(2, fmt.Sprintf("%s %s: %s", b.Kind, b.ID, b.Because))
		if says := r.says(a, b); says != "" {
			p.Wrap(11, "the page says: "+says)
		}
		if b.URL != "" {
			p.Printf("           %s", p.Paint(table.Faint, b.URL))
			p.Printf("           %s", p.Paint(table.Faint, fmt.Sprintf("%s, read %s", b.Section, b.Read.Format(time.DateOnly))))
		}
	}
	if d.Assumed {
		p.Wrap(2, "assumed: other values of "+strings.Join(d.Assignment.Missing, ", ")+" would answer otherwise; the reading that leaves most with you is taken.")
		for _, name := range d.Assignment.Missing {
			if f, ok := a.Fact(name); ok && !f.Fact.Known() {
				p.Wrap(4, fmt.Sprintf("%s: %s", name, f.Fact.Origin))
				for _, place := range r.places(a, name) {
					p.Wrap(6, "it can be read from "+place)
				}
			}
		}
	}
	told := map[string]bool{}
	for _, c := range d.Checks {
		text := fmt.Sprintf("check %s: %s (%s)", c.ID, c.Result, r.checkTitle(c.ID))
		if len(c.Missing) > 0 {
			text += "; it needs " + strings.Join(c.Missing, ", ")
		}
		p.Wrap(2, text)
		explainReads(p, r, a, c.ID, told)
		if c.Result == demarc.CheckFail {
			if fix := r.fix(c.ID); fix != "" {
				p.Wrap(4, fix)
			}
		}
	}
	if d.Believed != "" {
		p.Wrap(2, fmt.Sprintf("misassumed: you believe it is the %s's (assumption %s).", d.Believed, d.Assumption))
	}
	if d.Team != "" {
		p.Wrap(2, "team: "+d.Team)
	}
}

// explainReads writes the settings that a check asks for, those that others are derived from among them, but for those
// that were told.
func explainReads(p *table.Printer, r *run, a *demarc.Answer, id string, told map[string]bool) {
	svc, check := r.check(id)
	if check == nil {
		return
	}
	var read func(c *rulebook.Condition)
	read = func(c *rulebook.Condition) {
		if c == nil {
			return
		}
		for _, i := range c.Reads {
			fact := &svc.Facts[i]
			if told[fact.Name] {
				continue
			}
			told[fact.Name] = true
			if f, ok := a.Fact(fact.Name); ok {
				explainSetting(p, fact, f)
			}
			read(fact.Derive)
		}
	}
	read(check.Applies)
	read(check.Pass)
}

// explainSetting writes a setting and its value, a policy by what it grants.
func explainSetting(p *table.Printer, fact *rulebook.Fact, f demarc.NamedFact) {
	value := "unknown"
	if f.Fact.Known() {
		if value = f.Shown().String(); value == "" {
			value = `""`
		}
	}
	origin := ""
	if f.Fact.Origin != demarc.Read {
		origin = " (" + f.Fact.Origin.String() + ")"
	}
	if fact.Type == demarc.TypeDocument && f.Fact.Known() && !f.Sensitive {
		if doc, err := policy.Parse(f.Fact.Value.AsString()); err == nil {
			p.Wrap(4, "setting  "+f.Name+origin+". "+fact.About)
			grants := doc.Sentences()
			if len(grants) == 0 {
				p.Wrap(6, "It grants nothing.")
			}
			for _, g := range grants {
				p.Wrap(6, strings.ToUpper(g[:1])+g[1:]+".")
			}
			return
		}
	}
	p.Wrap(4, "setting  "+f.Name+" = "+value+origin+". "+fact.About)
}

func (r *run) factAbout(a *demarc.Answer, name string) string {
	if svc := r.book.Service(a.Resource.Service); svc != nil {
		if i := svc.FactIndex(name); i >= 0 {
			return svc.Facts[i].About
		}
	}
	return ""
}

// places says where a fact could be read: the first place of each dialect, with the type or body that holds it; of a derived fact where
// those could be read that made it unknown.
func (r *run) places(a *demarc.Answer, name string) []string {
	svc := r.book.Service(a.Resource.Service)
	if svc == nil {
		return nil
	}
	i := svc.FactIndex(name)
	if i < 0 {
		return nil
	}
	var places []string
	if derive := svc.Facts[i].Derive; derive != nil {
		for _, read := range derive.Reads {
			if f, ok := a.Fact(svc.Facts[read].Name); ok && !f.Fact.Known() {
				places = append(places, r.places(a, f.Name)...)
			}
		}
		return places
	}
	var seen []demarc.Dialect
	for _, t := range svc.Types {
		if slices.Contains(seen, t.Dialect) {
			continue
		}
		for _, f := range t.Facts {
			if f.Fact != i || len(f.Path) == 0 { // without a path the type tells
				continue
			}
			seen = append(seen, t.Dialect)
			in := t.Type
			if len(t.Envelope) > 0 {
				in = strings.Join(t.Envelope, ".")
			}
			if in != "" {
				in = " of " + in
			}
			places = append(places, fmt.Sprintf("%s (%s%s)", t.Dialect, f.Path, in))
		}
	}
	if via := svc.Facts[i].Via; via >= 0 {
		places = append(places, fmt.Sprintf("the %s that it names, once that is delivered too", svc.Relations[via].Name))
	}
	return places
}

// says returns what the page that a step rests on says, in the words of the catalog; "" where it rests on none.
func (r *run) says(a *demarc.Answer, b demarc.Basis) string {
	svc := r.book.Service(a.Resource.Service)
	if svc == nil || b.URL == "" {
		return ""
	}
	fits := func(s *rulebook.Source) bool { return s != nil && s.URL == b.URL && s.Section == b.Section }
	for _, line := range svc.Lines {
		if fits(line.Source) {
			return line.Source.Says
		}
		for _, o := range line.Moves {
			if fits(o.Source) {
				return o.Source.Says
			}
		}
	}
	for _, o := range svc.Base {
		if fits(o.Source) {
			return o.Source.Says
		}
	}
	for _, o := range svc.Archetype.Rows {
		if fits(o.Source) {
			return o.Source.Says
		}
	}
	return ""
}

func (r *run) fix(id string) string {
	_, c := r.check(id)
	if c == nil {
		return ""
	}
	text := c.Fix.Text
	if c.Fix.CLI != "" {
		text += " " + c.Fix.CLI
	}
	return "fix: " + strings.TrimSpace(text)
}

// check returns a check by its name in the catalog, with its service; nil for none.
func (r *run) check(name string) (*rulebook.Service, *rulebook.Check) {
	i := strings.LastIndexByte(name, '/')
	svc := r.book.Service(demarc.ServiceID(name[:max(i, 0)]))
	if svc == nil {
		return nil, nil
	}
	for _, c := range svc.Checks {
		if c.ID == name[i+1:] {
			return svc, c
		}
	}
	return nil, nil
}
