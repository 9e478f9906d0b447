// Package overview is the first page: what is ours and proven, what is the provider's and assured, what is nobody's and
// what nobody knows, and what to look at next.
package overview

import (
	"cmp"
	"context"
	"embed"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// Counts is what the page reads of numbers.
type Counts interface {
	Overview(ctx context.Context, at demarc.At, filter demarc.Filter) (demarc.Overview, error)
	Groups(ctx context.Context, at demarc.At, filter demarc.Filter, by demarc.Dimension) ([]demarc.Group, error)
	Trend(ctx context.Context, organization string, filter demarc.Filter, period demarc.Period) ([]demarc.TrendPoint, error)
}

// Attention is what the page reads of what to look at next.
type Attention interface {
	FindingGroups(ctx context.Context, at demarc.At, filter demarc.Filter) ([]demarc.FindingGroup, error)
	MoveGroups(ctx context.Context, organization string, filter demarc.Filter, period demarc.Period) ([]demarc.MoveGroup, error)
	BlindSpots(ctx context.Context, at demarc.At, filter demarc.Filter) ([]demarc.BlindSpot, error)
}

// Lines is what the picture of the page is drawn from.
type Lines interface {
	Line(ctx context.Context, at demarc.At, filter demarc.Filter, by demarc.Dimension, columns int) (demarc.Line, error)
}

// Page is the overview.
type Page struct {
	Counts    Counts
	Attention Attention
	Lines     Lines
}

//go:embed *.html
var files embed.FS

var page = web.Template(files, "overview.html")

// Routes is the root of the site.
func (p Page) Routes() []web.Route {
	return []web.Route{{Pattern: "GET /{$}", Needs: demarc.RightRead, Serve: p.serve}}
}

// How much of each list the page shows.
const (
	topGroups  = 8
	topGaps    = 8
	topMoves   = 6
	topBlind   = 6
	topColumns = 6
	trendDays  = 180
)

type data struct {
	demarc.Overview
	Pivot  web.Pivot
	By     []grouping
	Trend  trend
	Moves  []moved
	Moved  int // more of them
	Gaps   []demarc.FindingGroup
	GapsN  int
	Blind  []demarc.BlindSpot
	BlindN int
	Since  time.Time
}

// moved is a duty that changed hands in the same way for resources of some services.
type moved struct {
	Duty     demarc.DutyID
	From, To demarc.Holder
	ToUs     bool
	Services []demarc.ServiceID
	Count    int
}

// together puts moves of a duty between the same hands into one, those that came to us first, then by how many there are.
func together(groups []demarc.MoveGroup) []moved {
	var out []moved
	for i := range groups {
		g := &groups[i]
		at := slices.IndexFunc(out, func(m moved) bool { return m.Duty == g.Duty && m.From == g.From && m.To == g.To && m.ToUs == g.ToUs })
		if at < 0 {
			at = len(out)
			out = append(out, moved{Duty: g.Duty, From: g.From, To: g.To, ToUs: g.ToUs})
		}
		m := &out[at]
		if m.Count += g.Count; !slices.Contains(m.Services, g.Service) {
			m.Services = append(m.Services, g.Service)
		}
	}
	slices.SortStableFunc(out, func(a, b moved) int {
		switch {
		case a.ToUs == b.ToUs:
			return cmp.Compare(b.Count, a.Count)
		case a.ToUs:
			return -1
		default:
			return 1
		}
	})
	return out
}

type grouping struct {
	By     demarc.Dimension
	Groups []demarc.Group
	More   int
}

type trend struct {
	Points []demarc.TrendPoint
	Proven web.Series // percent of yours
	Gaps   web.Series
	Count  web.Series // resources
}

func (p Page) serve(r *web.Request) (web.Response, error) {
	d := data{Since: r.Scan.Finished.AddDate(0, 0, -7), By: []grouping{{By: demarc.ByProvider}, {By: demarc.ByAccount}, {By: demarc.ByModel}}}
	wait, ctx := errgroup.WithContext(r.Context())
	wait.Go(func() (err error) {
		d.Overview, err = p.Counts.Overview(ctx, r.At, r.Filter)
		return err
	})
	for i := range d.By {
		wait.Go(func() error {
			groups, err := p.Counts.Groups(ctx, r.At, r.Filter, d.By[i].By)
			d.By[i].Groups, d.By[i].More = top(groups, topGroups)
			return err
		})
	}
	wait.Go(func() error {
		points, err := p.Counts.Trend(ctx, r.At.Organization, r.Filter, demarc.Period{Since: r.Scan.Finished.AddDate(0, 0, -trendDays), Until: r.Scan.Finished})
		d.Trend = newTrend(points)
		return err
	})
	wait.Go(func() error {
		line, err := p.Lines.Line(ctx, r.At, r.Filter, demarc.ByProvider, topColumns)
		d.Pivot = web.NewPivot(line)
		d.Pivot.Draw(false)
		return err
	})
	wait.Go(func() error {
		moves, err := p.Attention.MoveGroups(ctx, r.At.Organization, r.Filter, demarc.Period{Since: d.Since, Until: r.Scan.Finished})
		d.Moves, d.Moved = top(together(moves), topMoves)
		return err
	})
	wait.Go(func() error {
		gaps, err := p.Attention.FindingGroups(ctx, r.At, r.Filter)
		d.Gaps, d.GapsN = top(gaps, topGaps)
		return err
	})
	wait.Go(func() error {
		blind, err := p.Attention.BlindSpots(ctx, r.At, r.Filter)
		d.Blind, d.BlindN = top(blind, topBlind)
		return err
	})
	if err := wait.Wait(); err != nil {
		return nil, err
	}
	return web.View{Title: "Overview", Section: "overview", Template: page, Data: d}, nil
}

// top returns the first n of a list, and how many more there are.
func top[T any](list []T, n int) ([]T, int) {
	if len(list) <= n {
		return list, 0
	}
	return list[:n], len(list) - n
}

func newTrend(points []demarc.TrendPoint) trend {
	t := trend{Points: points}
	var proven, gaps, resources []int
	var at []time.Time
	for _, p := range points {
		open := 0
		for _, n := range p.Gaps {
			open += n
		}
		proven = append(proven, p.Yours.Percent())
		gaps = append(gaps, open)
		resources = append(resources, p.Resources)
		at = append(at, p.At)
	}
	t.Proven, t.Gaps, t.Count = web.NewSeries(at, proven, 100), web.NewSeries(at, gaps, 0), web.NewSeries(at, resources, 0)
	return t
}

// Open counts the gaps of a point.
func (d data) Open(p demarc.TrendPoint) int {
	n := 0
	for _, k := range p.Gaps {
		n += k
	}
	return n
}

// Share is a part of a whole in percent, for a meter.
func (data) Share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// HolderBar is who holds the duties of a group.
func (data) HolderBar(g demarc.Group) web.Bar { return web.HolderBar(g.Holders) }

// ProvenBar is how the organization's duties of a group stand.
func (data) ProvenBar(g demarc.Group) web.Bar {
	t := web.Tallies{}
	for s, n := range g.States {
		t.Add(demarc.HeldByCustomer, web.ToneOf(s), n)
	}
	return t.Bar()
}
