// Package moves is the page that tells how the line moved: which duties changed hands, when, and what moved them.
package moves

import (
	"context"
	"embed"
	"slices"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// Reader is what the page reads.
type Reader interface {
	Moves(ctx context.Context, organization string, filter demarc.Filter, period demarc.Period, page demarc.Page) (demarc.Paged[demarc.Move], error)
	MoveGroups(ctx context.Context, organization string, filter demarc.Filter, period demarc.Period) ([]demarc.MoveGroup, error)
}

// Page is the timeline.
type Page struct{ Reader Reader }

//go:embed *.html
var files embed.FS

var page = web.Template(files, "moves.html")

// Routes is /moves.
func (p Page) Routes() []web.Route {
	return []web.Route{{Pattern: "GET /moves", Needs: demarc.RightRead, Keys: []string{"since", "view", "after"}, Serve: p.serve}}
}

const pageSize = 100

type data struct {
	View   string
	Views  []web.Tab
	Sinces []web.Tab
	Days   []day
	List   demarc.Paged[demarc.Move]
	Each   []dayOfMoves
	ToUs   int // resources and duties that came to the organization
	Away   int
}

type day struct {
	At     time.Time
	Scan   demarc.ScanID
	Groups []demarc.MoveGroup
}

type dayOfMoves struct {
	At    time.Time
	Scan  demarc.ScanID
	Moves []demarc.Move
}

var sinces = []struct {
	id, title string
	days      int
}{{"30d", "30 days", 30}, {"7d", "7 days", 7}, {"90d", "90 days", 90}, {"all", "Always", 0}}

func (p Page) serve(r *web.Request) (web.Response, error) {
	view, err := r.Choice("view", "kinds", "each")
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, s := range sinces {
		ids = append(ids, s.id)
	}
	since, err := r.Choice("since", ids...)
	if err != nil {
		return nil, err
	}
	d := data{View: view}
	period := demarc.Period{Until: r.Scan.Finished}
	for _, s := range sinces {
		if s.id == since && s.days > 0 {
			period.Since = r.Scan.Finished.AddDate(0, 0, -s.days)
		}
		d.Sinces = append(d.Sinces, web.Tab{Title: s.title, Link: r.With("since", s.id), Current: s.id == since})
	}
	for _, o := range []struct{ id, title string }{{"kinds", "By kind"}, {"each", "One by one"}} {
		d.Views = append(d.Views, web.Tab{Title: o.title, Link: r.With("view", o.id), Current: o.id == view})
	}
	if view == "each" {
		if d.List, err = p.Reader.Moves(r.Context(), r.At.Organization, r.Filter, period, r.Page(pageSize)); err != nil {
			return nil, err
		}
		for _, m := range d.List.Items {
			if n := len(d.Each); n == 0 || d.Each[n-1].Scan != m.FirstSeen.Scan {
				d.Each = append(d.Each, dayOfMoves{At: m.FirstSeen.At, Scan: m.FirstSeen.Scan})
			}
			last := &d.Each[len(d.Each)-1]
			last.Moves = append(last.Moves, m)
		}
		return web.View{Title: "Moves", Section: "moves", Template: page, Data: d}, nil
	}
	groups, err := p.Reader.MoveGroups(r.Context(), r.At.Organization, r.Filter, period)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(groups, func(a, b demarc.MoveGroup) int { return b.FirstSeen.At.Compare(a.FirstSeen.At) })
	for _, g := range groups {
		if n := len(d.Days); n == 0 || d.Days[n-1].Scan != g.FirstSeen.Scan {
			d.Days = append(d.Days, day{At: g.FirstSeen.At, Scan: g.FirstSeen.Scan})
		}
		last := &d.Days[len(d.Days)-1]
		last.Groups = append(last.Groups, g)
		if g.ToUs {
			d.ToUs += g.Count
		} else {
			d.Away += g.Count
		}
	}
	return web.View{Title: "Moves", Section: "moves", Template: page, Data: d}, nil
}

// Cause says what moved a duty, in words.
func (data) Cause(c demarc.Cause) string {
	switch c {
	case demarc.CauseSetting:
		return "a setting changed"
	case demarc.CauseDeclaration:
		return "demarc.yaml says something else"
	case demarc.CauseCatalog:
		return "the catalog changed; nothing at yours did"
	case demarc.CauseTime:
		return "a date has passed"
	default:
		return string(c)
	}
}
