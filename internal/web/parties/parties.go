// Package parties is the page that tells who does what for the organization: providers, those under contract, until when,
// and by which report.
package parties

import (
	"cmp"
	"context"
	"embed"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// Counts is what the page reads of numbers.
type Counts interface {
	Groups(ctx context.Context, at demarc.At, filter demarc.Filter, by demarc.Dimension) ([]demarc.Group, error)
}

// Estate is what the organization has declared.
type Estate interface {
	Declared(ctx context.Context, at demarc.At) (demarc.Declared, error)
}

// Page is the parties.
type Page struct {
	Counts Counts
	Estate Estate
}

//go:embed *.html
var files embed.FS

var page = web.Template(files, "parties.html")

// Routes is /parties.
func (p Page) Routes() []web.Route {
	return []web.Route{{Pattern: "GET /parties", Needs: demarc.RightRead, Serve: p.serve}}
}

type data struct {
	demarc.Declared
	Held  []held
	Teams []demarc.Group
	on    time.Time
}

// held is what one party holds, and what stands behind it.
type held struct {
	demarc.Group
	Kind        demarc.PartyKind
	Engagements []demarc.DeclaredEngagement
	Reports     []demarc.DeclaredAssurance
}

func (p Page) serve(r *web.Request) (web.Response, error) {
	declared, err := p.Estate.Declared(r.Context(), r.At)
	if err != nil {
		return nil, err
	}
	d := data{Declared: declared, on: r.Scan.AsOf}
	groups, err := p.Counts.Groups(r.Context(), r.At, r.Filter, demarc.ByParty)
	if err != nil {
		return nil, err
	}
	kinds := map[demarc.Party]demarc.PartyKind{}
	for _, x := range declared.Parties {
		kinds[x.ID] = x.Kind
	}
	seen := map[string]bool{}
	add := func(g demarc.Group) {
		h := held{Group: g, Kind: kinds[demarc.Party(g.Value)]}
		for _, e := range declared.Engagements {
			if string(e.Party) == g.Value {
				h.Engagements = append(h.Engagements, e)
			}
		}
		for _, a := range declared.Assurances {
			if string(a.Party) == g.Value {
				h.Reports = append(h.Reports, a)
			}
		}
		seen[g.Value] = true
		d.Held = append(d.Held, h)
	}
	for _, g := range groups {
		if g.Value != "" {
			add(g)
		}
	}
	if r.Filter.IsZero() {
		for _, x := range declared.Parties {
			if !seen[string(x.ID)] {
				add(demarc.Group{Value: string(x.ID)})
			}
		}
	}
	slices.SortStableFunc(d.Held, func(a, b held) int { return strings.Compare(order(a.Value), order(b.Value)) })
	if d.Teams, err = p.Counts.Groups(r.Context(), r.At, r.Filter, demarc.ByTeam); err != nil {
		return nil, err
	}
	d.Teams = slices.DeleteFunc(d.Teams, func(g demarc.Group) bool { return g.Yours.Total == 0 })
	slices.SortStableFunc(d.Teams, func(a, b demarc.Group) int {
		switch {
		case a.Value == "": // what no team does stands last
			return 1
		case b.Value == "":
			return -1
		default:
			return cmp.Compare(b.Yours.Total, a.Yours.Total)
		}
	})
	return web.View{Title: "Parties", Section: "parties", Template: page, Data: d}, nil
}

// order puts the organization first and nobody second.
func order(party string) string {
	switch demarc.Party(party) {
	case demarc.Self:
		return "0"
	case demarc.Nobody:
		return "1"
	default:
		return "2" + party
	}
}

// Standing says how something with an end stands.
func (d data) Standing(from, until time.Time) string { return web.Standing(from, until, d.on) }

// Report says how a report stands.
func (d data) Report(until time.Time) string { return web.Standing(time.Time{}, until, d.on) }

// HolderBar is who holds the duties.
func (data) HolderBar(g demarc.Group) web.Bar { return web.HolderBar(g.Holders) }
