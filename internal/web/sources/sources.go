// Package sources is the page that tells what the answers rest on: when each source was read, what failed, what could not
// be read, and the evidence that people have given.
package sources

import (
	"context"
	"embed"
	"slices"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// Counts is what the page reads of the store.
type Counts interface {
	Groups(ctx context.Context, at demarc.At, filter demarc.Filter, by demarc.Dimension) ([]demarc.Group, error)
	BlindSpots(ctx context.Context, at demarc.At, filter demarc.Filter) ([]demarc.BlindSpot, error)
	Scans(ctx context.Context, organization string, page demarc.Page) (demarc.Paged[demarc.Scan], error)
}

// Estate is what the organization has declared.
type Estate interface {
	Declared(ctx context.Context, at demarc.At) (demarc.Declared, error)
}

// Page is the sources and the evidence.
type Page struct {
	Counts Counts
	Estate Estate
}

//go:embed *.html
var files embed.FS

var page = web.Template(files, "sources.html")

// Routes is /sources.
func (p Page) Routes() []web.Route {
	return []web.Route{{Pattern: "GET /sources", Needs: demarc.RightRead, Keys: []string{"after", "blind"}, Serve: p.serve}}
}

// maxBlind is how many blind spots are shown, unless somebody asks for all.
const maxBlind = 25

type data struct {
	demarc.Declared
	Sources []source
	Blind   []demarc.BlindSpot
	More    int
	Scans   demarc.Paged[demarc.Scan]
	on      time.Time
}

// source is a source and what there is of it. One that this scan did not read has no status.
type source struct {
	demarc.SourceStatus
	Read  bool
	Group demarc.Group
	Whole demarc.Scan // the newest that read it completely; the zero Scan where none of the last ones did
}

// wholly notes for each source which of some scans, the newest first, read it completely, and was there at the one shown.
func wholly(list []source, scans []demarc.Scan, shown demarc.ScanID) {
	for i := range list {
		for k := range scans {
			if scans[k].ID <= shown && slices.ContainsFunc(scans[k].Sources, func(s demarc.SourceStatus) bool { return s.Name == list[i].Name && s.Complete }) {
				list[i].Whole = scans[k]
				break
			}
		}
	}
}

func (p Page) serve(r *web.Request) (web.Response, error) {
	declared, err := p.Estate.Declared(r.Context(), r.At)
	if err != nil {
		return nil, err
	}
	d := data{Declared: declared, on: r.Scan.AsOf}
	groups, err := p.Counts.Groups(r.Context(), r.At, r.Filter, demarc.BySource)
	if err != nil {
		return nil, err
	}
	place := map[string]int{}
	for _, s := range r.Scan.Sources {
		place[s.Name] = len(d.Sources)
		d.Sources = append(d.Sources, source{SourceStatus: s, Read: true})
	}
	for _, g := range groups {
		i, ok := place[g.Value]
		if !ok {
			i = len(d.Sources)
			d.Sources = append(d.Sources, source{SourceStatus: demarc.SourceStatus{Name: g.Value}})
		}
		d.Sources[i].Group = g
	}
	last, err := r.Scans()
	if err != nil {
		return nil, err
	}
	wholly(d.Sources, last, r.Scan.ID)
	if d.Blind, err = p.Counts.BlindSpots(r.Context(), r.At, r.Filter); err != nil {
		return nil, err
	}
	all, err := r.Choice("blind", "top", "all")
	if err != nil {
		return nil, err
	}
	if n := len(d.Blind); n > maxBlind && all != "all" {
		d.Blind, d.More = d.Blind[:maxBlind], n-maxBlind
	}
	if d.Scans, err = p.Counts.Scans(r.Context(), r.At.Organization, r.Page(20)); err != nil {
		return nil, err
	}
	return web.View{Title: "Sources", Section: "sources", Template: page, Data: d}, nil
}

// Standing says how evidence stands.
func (d data) Standing(from, until time.Time) string { return web.Standing(from, until, d.on) }

// Ends says how something that has only an end stands.
func (d data) Ends(until time.Time) string { return web.Standing(time.Time{}, until, d.on) }
