// Package moves is the page that tells how the line moved: which duties changed hands, when, and what moved them.
package moves

import (
	"context"
	"embed"
	"fmt"
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
	Times  []scan
	Tide   tide
	Older  int // scans with moves that are not shown
	List   demarc.Paged[demarc.Move]
	Each   []dayOfMoves
	ToUs   int // resources and duties that came to the organization
	Away   int
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
	if d.Times, d.Older, err = p.times(r, period); err != nil {
		return nil, err
	}
	for _, s := range d.Times {
		d.ToUs += s.ToUs
		d.Away += s.Away
	}
	d.Tide = newTide(d.Times, func(id demarc.ScanID) string { return fmt.Sprintf("#scan-%d", id) })
	return web.View{Title: "Moves", Section: "moves", Template: page, Data: d}, nil
}

// maxTimes is how many scans are shown, the newest.
const maxTimes = 8

// times returns what moved at each scan of a period, the newest first, and how many more scans there are with moves.
func (p Page) times(r *web.Request, period demarc.Period) (out []scan, older int, err error) {
	scans, err := r.Scans()
	if err != nil {
		return nil, 0, err
	}
	for _, s := range scans {
		if s.Moves == 0 || s.ID > r.Scan.ID || s.Finished.Before(period.Since) {
			continue
		}
		if len(out) == maxTimes {
			older++
			continue
		}
		groups, err := p.Reader.MoveGroups(r.Context(), r.At.Organization, r.Filter, demarc.Period{Since: s.Finished, Until: s.Finished})
		if err != nil {
			return nil, 0, err
		}
		if len(groups) == 0 {
			continue
		}
		t := scan{Scan: s, Shifts: shifts(groups)}
		for _, g := range groups {
			if g.ToUs {
				t.ToUs += g.Count
			} else {
				t.Away += g.Count
			}
		}
		out = append(out, t)
	}
	return out, older, nil
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
