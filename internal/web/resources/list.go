// Package resources is the pages of what there is: a list to search, and a page for each resource with its stack, the
// ground of each answer, and what would be otherwise if a setting were.
package resources

import (
	"context"
	"embed"
	"io"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// Lister is what the list reads.
type Lister interface {
	Resources(ctx context.Context, at demarc.At, filter demarc.Filter, order demarc.Order, page demarc.Page) (demarc.Paged[demarc.StoredResource], error)
	Groups(ctx context.Context, at demarc.At, filter demarc.Filter, by demarc.Dimension) ([]demarc.Group, error)
}

// Page is the pages of resources.
type Page struct {
	Lister    Lister
	Reader    Reader
	Explainer Explainer
}

//go:embed *.html
var files embed.FS

var (
	listPage     = web.Template(files, "list.html")
	resourcePage = web.Template(files, "resource.html")
)

// Routes are /resources, its exports, and /resource?id=ID.
func (p Page) Routes() []web.Route {
	return []web.Route{
		{Pattern: "GET /resources", Needs: demarc.RightRead, Keys: []string{"after", "order", "by"}, Serve: p.list},
		{Pattern: "GET /resources.csv", Needs: demarc.RightRead, Keys: []string{"order"}, Serve: p.csv},
		{Pattern: "GET /resources.json", Needs: demarc.RightRead, Keys: []string{"order"}, Serve: p.json},
		{Pattern: "GET /resource", Needs: demarc.RightRead, Takes: []string{"id"}, Keys: []string{"set", "to"}, Serve: p.resource},
	}
}

// pageSize is how many resources a page of the list has, maxGroups how many groups.
const (
	pageSize  = 50
	maxGroups = 200
)

type listData struct {
	demarc.Paged[demarc.StoredResource]
	Sorts  []web.Tab
	Group  demarc.Dimension
	Groups []demarc.Group
	More   int
	By     []web.Tab
}

var orders = []string{string(demarc.OrderWorst), string(demarc.OrderID), string(demarc.OrderNewest), string(demarc.OrderOldest)}

var orderTitles = map[string]string{"worst": "Worst first", "id": "By id", "newest": "Newest", "oldest": "Oldest"}

func (p Page) list(r *web.Request) (web.Response, error) {
	order, err := r.Choice("order", orders...)
	if err != nil {
		return nil, err
	}
	dimensions := []string{""}
	for _, d := range append(append([]demarc.Dimension{}, demarc.Dimensions...), demarc.DutyDimensions...) {
		dimensions = append(dimensions, string(d))
	}
	group, err := r.Choice("by", dimensions...)
	if err != nil {
		return nil, err
	}
	var d listData
	d.Group = demarc.Dimension(group)
	d.By = append(d.By, web.Tab{Title: "Nothing", Link: r.With("by", ""), Current: group == ""})
	for _, by := range []demarc.Dimension{demarc.ByProvider, demarc.ByAccount, demarc.ByRegion, demarc.ByService, demarc.ByType, demarc.ByArchetype, demarc.ByModel, demarc.BySource, demarc.ByTeam, demarc.ByParty, demarc.ByHolder, demarc.ByState, demarc.ByGap, demarc.ByDuty, demarc.ByLayer} {
		d.By = append(d.By, web.Tab{Title: web.DimensionName(by), Link: r.With("by", by), Current: string(by) == group})
	}
	if group != "" {
		d.Groups, err = p.Lister.Groups(r.Context(), r.At, r.Filter, d.Group)
		if n := len(d.Groups); n > maxGroups {
			d.Groups, d.More = d.Groups[:maxGroups], n-maxGroups
		}
	} else {
		d.Paged, err = p.Lister.Resources(r.Context(), r.At, r.Filter, demarc.Order(order), r.Page(pageSize))
		for _, o := range orders {
			d.Sorts = append(d.Sorts, web.Tab{Title: orderTitles[o], Link: r.With("order", o), Current: o == order})
		}
	}
	if err != nil {
		return nil, err
	}
	return web.View{Title: "Resources", Section: "resources", Template: listPage, Data: d}, nil
}

// HolderBar is who holds the duties.
func (listData) HolderBar(counts map[demarc.Holder]int) web.Bar { return web.HolderBar(counts) }

// Open counts the gaps.
func (listData) Open(gaps map[demarc.Gap]int) int {
	n := 0
	for _, k := range gaps {
		n += k
	}
	return n
}

// told is how many duties have a gap.
type told struct {
	Gap demarc.Gap
	N   int
}

// Told lists the gaps, the worst first, without those that are there because nobody has looked or said anything yet.
func (listData) Told(gaps map[demarc.Gap]int) []told {
	var out []told
	for _, g := range demarc.Gaps {
		if n := gaps[g]; n > 0 && g != demarc.GapUnverified && g != demarc.GapUnaccepted {
			out = append(out, told{g, n})
		}
	}
	return out
}

// all calls f for every resource of the list.
func (p Page) all(ctx context.Context, r *web.Request, f func(*demarc.StoredResource) error) error {
	order, err := r.Choice("order", orders...)
	if err != nil {
		return err
	}
	return web.Whole(func(page demarc.Page) (demarc.Paged[demarc.StoredResource], error) {
		return p.Lister.Resources(ctx, r.At, r.Filter, demarc.Order(order), page)
	}, f)
}

func (p Page) csv(r *web.Request) (web.Response, error) {
	return web.Download{Name: "resources.csv", Type: "text/csv; charset=utf-8", Write: func(ctx context.Context, w io.Writer) error {
		t, err := web.NewTable(w, "id", "name", "provider", "account", "region", "service", "type", "source", "tags", "worst", "exposure", "gaps", "first_seen", "last_seen")
		if err != nil {
			return err
		}
		err = p.all(ctx, r, func(x *demarc.StoredResource) error {
			return t.Row(string(x.ID), x.Name, x.Provider, x.Account, x.Region, string(x.Service), x.Type, x.Source, x.Tags.String(), x.Worst.String(), string(x.Exposure), web.GapsText(x.Gaps), web.Stamp(x.FirstSeen.At), web.Stamp(x.LastSeen.At))
		})
		if err != nil {
			return err
		}
		return t.Close()
	}}, nil
}

func (p Page) json(r *web.Request) (web.Response, error) {
	return web.Download{Name: "resources.json", Type: "application/json", Write: func(ctx context.Context, w io.Writer) error {
		return web.Array(w, func(each func(any) error) error {
			return p.all(ctx, r, func(x *demarc.StoredResource) error { return each(x) })
		})
	}}, nil
}
