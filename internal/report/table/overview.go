package table

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report"
)

var models = []string{"iaas", "caas", "paas", "faas", "saas", "managed", "private", "unclassified"}

var holderStyles = map[demarc.Holder]Style{
	demarc.HeldByProvider: Blue, demarc.HeldByCustomer: Yellow, demarc.HeldShared: Purple, demarc.HeldByThirdParty: Green, demarc.Unowned: Red,
}

var severityStyles = map[demarc.Severity]Style{demarc.Critical: Red, demarc.High: Red, demarc.Medium: Yellow, demarc.Low: Plain, demarc.Informational: Faint}

// topGaps is how many gaps the overview shows.
const topGaps = 10

// Overview writes what a run comes to: the estate, who holds what, what nobody has proven.
func Overview(p *Printer, s *report.Summary, checkTitle func(string) string) {
	name := s.Run.Organization
	if name == "" {
		name = "Estate"
	}
	p.Printf("%s", p.Paint(Bold, fmt.Sprintf("%s: %s as of %s", name, count(s.Resources, "resource"), s.Run.AsOf.Format(time.DateOnly))))
	if s.Run.Interrupted {
		p.Wrap(0, report.Partial)
	}
	scores(p, s)
	estate(p, s)
	layers(p, s)
	believed(p, s)
	gaps(p, s, checkTitle)
	blind(p, s)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}

func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func scores(p *Printer, s *report.Summary) {
	p.Printf("")
	row := func(what, n, tail string, style Style) []Cell {
		return []Cell{{what, Plain}, {n, style}, {tail, Plain}}
	}
	tail := fmt.Sprintf("of %s duties (%d%%)", thousands(s.Yours.Total), s.Yours.Percent())
	if s.Yours.Attested > 0 {
		tail += fmt.Sprintf("; %s attested", thousands(s.Yours.Attested))
	}
	rows := [][]Cell{row("Yours proven", thousands(s.Yours.Proven), tail, Bold)}
	rows = append(rows, row("Others assured", thousands(s.Others.Proven), fmt.Sprintf("of %s duties (%d%%)", thousands(s.Others.Total), s.Others.Percent()), Plain))
	if s.Nobodys > 0 {
		rows = append(rows, row("Nobody's", thousands(s.Nobodys), "duties are bound to nobody", Red))
	}
	if n := s.States[demarc.Failing]; n > 0 {
		rows = append(rows, row("Failing", thousands(n), "of yours: a check disproves them", Red))
	}
	if n := s.States[demarc.Lapsed]; n > 0 {
		rows = append(rows, row("Lapsed", thousands(n), "of yours: the contract of whoever had them has ended", Red))
	}
	rows = append(rows, row("Blind", thousands(s.Blind), "of yours: the setting that decides could not be read", Plain))
	rows = append(rows, row("Assumed", thousands(s.Assumed), "answers rest on a setting that nobody knows", Plain))
	if s.Teamless > 0 {
		rows = append(rows, row("Without a team", thousands(s.Teamless), "of yours: no team has taken them", Plain))
	}
	p.Table(2, []Column{{}, {Right: true}, {Give: true, Wrap: true}}, rows)
}

func estate(p *Printer, s *report.Summary) {
	p.Title("Estate")
	var used []string
	for _, m := range models {
		for _, of := range s.Models {
			if of[m] > 0 {
				used = append(used, m)
				break
			}
		}
	}
	columns := []Column{{Head: "provider", Give: true}}
	for _, m := range used {
		columns = append(columns, Column{Head: m, Right: true})
	}
	columns = append(columns, Column{Head: "all", Right: true})
	var rows [][]Cell
	for _, provider := range s.Providers() {
		shown := provider
		if shown == "" {
			shown = "(not known)"
		}
		row := []Cell{{Text: shown}}
		all := 0
		for _, m := range used {
			n := s.Models[provider][m]
			all += n
			row = append(row, number(n))
		}
		rows = append(rows, append(row, Cell{thousands(all), Bold}))
	}
	p.Table(2, columns, rows)
	if s.Implied > 0 {
		p.Printf("  %s", p.Paint(Faint, impliedText(s.Implied)))
	}
}

func impliedText(n int) string {
	if n == 1 {
		return "1 of these is named by others and was not delivered itself."
	}
	return thousands(n) + " of these are named by others and were not delivered themselves."
}

func number(n int) Cell {
	if n == 0 {
		return Cell{"·", Faint}
	}
	return Cell{thousands(n), Plain}
}

func layers(p *Printer, s *report.Summary) {
	p.Title("Who holds the duties of each layer")
	holders := demarc.Holders[:4]
	if s.Nobodys > 0 {
		holders = demarc.Holders[:5]
	}
	columns := []Column{{Head: "layer"}, {Head: ""}}
	for _, h := range holders {
		columns = append(columns, Column{Head: string(h), Right: true})
	}
	const bar = 14
	var rows [][]Cell
	for _, layer := range demarc.Layers {
		of := s.Layers[layer]
		all := 0
		for _, n := range of {
			all += n
		}
		if all == 0 {
			continue
		}
		row := []Cell{{Text: string(layer)}, {Text: Bar(of, all, bar)}}
		for _, h := range holders {
			c := number(of[h])
			if of[h] > 0 {
				c.Style = holderStyles[h]
			}
			row = append(row, c)
		}
		rows = append(rows, row)
	}
	p.Table(2, columns, rows)
	p.Printf("  %s", p.Paint(Faint, "█ provider  ▒ shared  ░ customer  ▓ third party  ! nobody"))
}

// Bar draws shares as a bar of so many cells, in the order of demarc.Holders. What is there at all has a cell.
func Bar(of map[demarc.Holder]int, all, cells int) string {
	signs := map[demarc.Holder]string{demarc.HeldByProvider: "█", demarc.HeldShared: "▒", demarc.HeldByCustomer: "░", demarc.HeldByThirdParty: "▓", demarc.Unowned: "!"}
	widths := map[demarc.Holder]int{}
	used := 0
	for _, h := range demarc.Holders {
		if of[h] > 0 {
			widths[h] = max(1, of[h]*cells/all)
			used += widths[h]
		}
	}
	for used != cells {
		widest := demarc.HeldByProvider
		for _, h := range demarc.Holders {
			if widths[h] > widths[widest] {
				widest = h
			}
		}
		if used < cells {
			widths[widest]++
			used++
		} else {
			widths[widest]--
			used--
		}
	}
	var b strings.Builder
	for _, h := range demarc.Holders {
		b.WriteString(strings.Repeat(signs[h], widths[h]))
	}
	return b.String()
}

func believed(p *Printer, s *report.Summary) {
	list := s.Believed()
	if len(list) == 0 {
		return
	}
	p.Title("Misassumed: you believe that somebody else holds these")
	BelievedTable(p, list)
}

// BelievedTable writes what is misassumed as a table.
func BelievedTable(p *Printer, list []*report.BelievedGroup) {
	var rows [][]Cell
	for _, g := range list {
		rows = append(rows, []Cell{{string(g.Service), Plain}, {string(g.Duty), Bold}, {string(g.Believed) + " → " + string(g.Holder), Red}, {thousands(g.Count), Plain}, {g.Because, Faint}})
	}
	p.Table(2, []Column{{Head: "service", Give: true}, {Head: "duty", Give: true}, {Head: "believed → is"}, {Head: "n", Right: true}, {Head: "because", Give: true, Wrap: true}}, rows)
}

func gaps(p *Printer, s *report.Summary, checkTitle func(string) string) {
	list := s.Gaps()
	shown := list
	if len(shown) > topGaps {
		shown = shown[:topGaps]
	}
	if len(list) == 0 {
		return
	}
	p.Title("Top gaps")
	GapTable(p, shown, checkTitle)
	if more := len(list) - len(shown); more > 0 {
		p.Printf("  %s", p.Paint(Faint, fmt.Sprintf("and %s more: demarc gaps", thousands(more))))
	}
}

// GapTable writes gaps as a table.
func GapTable(p *Printer, list []*report.GapGroup, checkTitle func(string) string) {
	var rows [][]Cell
	for _, g := range list {
		what := string(g.Duty)
		if g.Check != "" {
			what = checkTitle(g.Check)
		}
		rows = append(rows, []Cell{{g.Severity.String(), severityStyles[g.Severity]}, {string(g.Gap), Plain}, {string(g.Service), Plain}, {what, Plain}, {thousands(g.Count), Bold}})
	}
	p.Table(2, []Column{{Head: "severity"}, {Head: "gap"}, {Head: "service", Give: true}, {Head: "duty or check", Give: true, Wrap: true}, {Head: "n", Right: true}}, rows)
}

func blind(p *Printer, s *report.Summary) {
	list := s.BlindSpots()
	if len(list) == 0 {
		return
	}
	p.Title("Blind spots: what could not be read")
	most := list
	if len(most) > topGaps {
		most = most[:topGaps]
	}
	var rows [][]Cell
	for _, g := range most {
		rows = append(rows, []Cell{{string(g.Service), Plain}, {g.Fact, Bold}, {g.Origin.String(), Plain}, {thousands(g.Count), Plain}, {thousands(g.Duties), Plain}})
	}
	p.Table(2, []Column{{Head: "service", Give: true}, {Head: "setting", Give: true}, {Head: "why", Give: true, Wrap: true}, {Head: "resources", Right: true}, {Head: "duties", Right: true}}, rows)
	if more := len(list) - len(most); more > 0 {
		p.Printf("  %s", p.Paint(Faint, fmt.Sprintf("and %s more", thousands(more))))
	}
}
