// Package gaps is the queue of what needs somebody: the duties that are failing, nobody's, in the dark, or believed to be
// somebody else's.
package gaps

import (
	"context"
	"embed"
	"io"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// Reader is what the page reads.
type Reader interface {
	Findings(ctx context.Context, at demarc.At, filter demarc.Filter, status demarc.FindingStatus, order demarc.Order, page demarc.Page) (demarc.Paged[demarc.Finding], error)
	FindingGroups(ctx context.Context, at demarc.At, filter demarc.Filter) ([]demarc.FindingGroup, error)
	Groups(ctx context.Context, at demarc.At, filter demarc.Filter, by demarc.Dimension) ([]demarc.Group, error)
}

// Page is the queue.
type Page struct{ Reader Reader }

//go:embed *.html
var files embed.FS

var page = web.Template(files, "gaps.html")

// Routes are /gaps and its exports.
func (p Page) Routes() []web.Route {
	return []web.Route{
		{Pattern: "GET /gaps", Needs: demarc.RightRead, Keys: []string{"view", "status", "order", "after"}, Serve: p.serve},
		{Pattern: "GET /gaps.csv", Needs: demarc.RightRead, Keys: []string{"status", "order"}, Serve: p.csv},
		{Pattern: "GET /gaps.json", Needs: demarc.RightRead, Keys: []string{"status", "order"}, Serve: p.json},
	}
}

const (
	pageSize = 50
	maxKinds = 100
)

type data struct {
	View     string
	Views    []web.Tab
	Kinds    []demarc.FindingGroup
	More     int
	List     demarc.Paged[demarc.Finding]
	Statuses []web.Tab
	Sorts    []web.Tab
	Reach    []web.Tab // by exposure
	Tabs     []web.Tab // by gap
	May      bool
}

func (p Page) serve(r *web.Request) (web.Response, error) {
	views := []string{"kinds", "each"}
	if len(r.Filter.Checks) > 0 || len(r.Filter.IDs) > 0 || len(r.Filter.Duties) > 0 && len(r.Filter.Services) > 0 {
		views = []string{"each", "kinds"} // somebody has come from a kind
	}
	view, err := r.Choice("view", views...)
	if err != nil {
		return nil, err
	}
	status, order, err := choices(r)
	if err != nil {
		return nil, err
	}
	if status != demarc.FindingsOpen {
		view = "each"
	}
	d := data{View: view, May: r.Actor.May(demarc.RightDeclare, "")}
	switch view {
	case "kinds":
		d.Kinds, err = p.Reader.FindingGroups(r.Context(), r.At, r.Filter)
		if n := len(d.Kinds); n > maxKinds {
			d.Kinds, d.More = d.Kinds[:maxKinds], n-maxKinds
		}
	default:
		d.List, err = p.Reader.Findings(r.Context(), r.At, r.Filter, status, order, r.Page(pageSize))
	}
	if err != nil {
		return nil, err
	}
	if err := p.tabs(r, &d); err != nil {
		return nil, err
	}
	for _, o := range []struct{ id, title string }{{"kinds", "By kind"}, {"each", "One by one"}} {
		d.Views = append(d.Views, web.Tab{Title: o.title, Link: r.With("view", o.id, "status", ""), Current: o.id == view})
	}
	for _, o := range []struct {
		id    demarc.FindingStatus
		title string
	}{{demarc.FindingsOpen, "Open"}, {demarc.FindingsResolved, "Resolved"}, {demarc.FindingsAll, "All"}} {
		d.Statuses = append(d.Statuses, web.Tab{Title: o.title, Link: r.With("view", "each", "status", o.id), Current: o.id == status})
	}
	for _, o := range []struct {
		id    demarc.Order
		title string
	}{{demarc.OrderWorst, "Worst first"}, {demarc.OrderOldest, "Oldest first"}, {demarc.OrderNewest, "Newest first"}, {demarc.OrderID, "By resource"}} {
		d.Sorts = append(d.Sorts, web.Tab{Title: o.title, Link: r.With("order", o.id), Current: o.id == order})
	}
	d.Reach = append(d.Reach, web.Tab{Title: "All", Link: r.With("exposure", ""), Current: len(r.Filter.Exposures) == 0})
	for _, e := range []demarc.Exposure{demarc.Exposed, demarc.ExposureUnknown, demarc.Closed} {
		d.Reach = append(d.Reach, web.Tab{Title: web.ExposureName(e), Link: r.With("exposure", e), Current: len(r.Filter.Exposures) == 1 && r.Filter.Exposures[0] == e})
	}
	return web.View{Title: "Gaps", Section: "gaps", Template: page, Data: d}, nil
}

// tabs counts the duties of each gap, whatever the filter says of gaps.
func (p Page) tabs(r *web.Request, d *data) error {
	all := r.Filter
	all.Gaps = nil
	groups, err := p.Reader.Groups(r.Context(), r.At, all, demarc.ByGap)
	if err != nil {
		return err
	}
	counts := map[demarc.Gap]int{}
	for _, g := range groups {
		counts[demarc.Gap(g.Value)] = g.Duties
	}
	// No sum: a duty may have several gaps.
	d.Tabs = append(d.Tabs, web.Tab{Title: "All", Link: r.With("gap", ""), Current: len(r.Filter.Gaps) == 0})
	for _, g := range demarc.Gaps {
		if counts[g] > 0 {
			d.Tabs = append(d.Tabs, web.Tab{Title: web.GapName(g), Link: r.With("gap", g), Count: counts[g], Current: len(r.Filter.Gaps) == 1 && r.Filter.Gaps[0] == g})
		}
	}
	return nil
}

func choices(r *web.Request) (demarc.FindingStatus, demarc.Order, error) {
	status, err := r.Choice("status", string(demarc.FindingsOpen), string(demarc.FindingsResolved), string(demarc.FindingsAll))
	if err != nil {
		return "", "", err
	}
	order, err := r.Choice("order", string(demarc.OrderWorst), string(demarc.OrderOldest), string(demarc.OrderNewest), string(demarc.OrderID))
	return demarc.FindingStatus(status), demarc.Order(order), err
}

// Age is how long a finding is or was open.
func (data) Age(now time.Time, f demarc.Finding) string { return web.Span(f.Age(now)) }

// all calls f for every finding of the list.
func (p Page) all(ctx context.Context, r *web.Request, f func(*demarc.Finding) error) error {
	status, order, err := choices(r)
	if err != nil {
		return err
	}
	return web.Whole(func(page demarc.Page) (demarc.Paged[demarc.Finding], error) {
		return p.Reader.Findings(ctx, r.At, r.Filter, status, order, page)
	}, f)
}

func (p Page) csv(r *web.Request) (web.Response, error) {
	return web.Download{Name: "gaps.csv", Type: "text/csv; charset=utf-8", Write: func(ctx context.Context, w io.Writer) error {
		t, err := web.NewTable(w, "severity", "exposure", "gap", "duty", "check", "resource", "name", "service", "provider", "account", "region", "holder", "state", "believed", "team", "because", "first_seen", "last_seen", "resolved")
		if err != nil {
			return err
		}
		err = p.all(ctx, r, func(f *demarc.Finding) error {
			x := &f.Resource
			return t.Row(f.Severity.String(), string(f.Exposure), string(f.Gap), string(f.Duty), f.Check, string(x.ID), x.Name, string(x.Service), x.Provider, x.Account, x.Region, string(f.Holder), string(f.State), string(f.Believed), f.Team, f.Because, web.Stamp(f.FirstSeen.At), web.Stamp(f.LastSeen.At), web.Stamp(f.Resolved.At))
		})
		if err != nil {
			return err
		}
		return t.Close()
	}}, nil
}

func (p Page) json(r *web.Request) (web.Response, error) {
	return web.Download{Name: "gaps.json", Type: "application/json", Write: func(ctx context.Context, w io.Writer) error {
		return web.Array(w, func(each func(any) error) error {
			return p.all(ctx, r, func(f *demarc.Finding) error { return each(f) })
		})
	}}, nil
}
