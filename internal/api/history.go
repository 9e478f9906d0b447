package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/demarc/demarc"
)

// History is the scans of a store and what they come to.
type History interface {
	Organizations(ctx context.Context) ([]demarc.Organization, error)
	Scans(ctx context.Context, organization string, page demarc.Page) (demarc.Paged[demarc.Scan], error)
	Scan(ctx context.Context, at demarc.At) (demarc.Scan, error)
	Overview(ctx context.Context, at demarc.At, f demarc.Filter) (demarc.Overview, error)
	Groups(ctx context.Context, at demarc.At, f demarc.Filter, by demarc.Dimension) ([]demarc.Group, error)
	Line(ctx context.Context, at demarc.At, f demarc.Filter, by demarc.Dimension, columns int) (demarc.Line, error)
	Trend(ctx context.Context, organization string, f demarc.Filter, period demarc.Period) ([]demarc.TrendPoint, error)
}

// at returns where in which history a request looks.
func (a *API) at(ctx context.Context, p *Place) (demarc.At, error) {
	organization, err := a.organization(ctx, p.Organization)
	return demarc.At{Organization: organization, Scan: demarc.ScanID(p.Scan)}, err
}

// organization returns the name of the organization that is meant: where none is named, the one with the newest scan.
func (a *API) organization(ctx context.Context, name string) (string, error) {
	if name != "" {
		return name, nil
	}
	list, err := a.config.History.Organizations(ctx)
	if err != nil {
		return "", err
	}
	var newest demarc.Organization
	for _, o := range list {
		if o.Latest.Finished.After(newest.Latest.Finished) {
			newest = o
		}
	}
	return newest.Name, nil
}

// Span is a stretch of time in a query.
type Span struct {
	Since string `query:"since" maxLength:"40" doc:"From this moment on: a time of RFC 3339, a day, or how long ago, as 7d, 2w, 36h." example:"7d"`
	Until string `query:"until" maxLength:"40" doc:"Until this moment; that of the scan where one is named." example:"2026-11-23T09:00:00Z"`
}

// during returns where a request looks, and the stretch of time that it asks for. The history of a scan ends with it.
func (a *API) during(ctx context.Context, p *Place, s *Span) (demarc.At, demarc.Period, error) {
	var out demarc.Period
	at, err := a.at(ctx, p)
	if err != nil {
		return at, out, err
	}
	now := a.config.Now()
	if at.Scan != 0 {
		scan, err := a.config.History.Scan(ctx, at)
		if err != nil {
			return at, out, err
		}
		now, out.Until = scan.Finished, scan.Finished
	}
	for _, m := range []struct {
		name, text string
		to         *time.Time
	}{{"since", s.Since, &out.Since}, {"until", s.Until, &out.Until}} {
		if m.text == "" {
			continue
		}
		if *m.to, err = demarc.ParseMoment(m.text, now); err != nil {
			return at, out, invalid{fmt.Errorf("%s %w", m.name, err)}
		}
	}
	return at, out, nil
}

func (a *API) registerHistory() {
	const tag = "History"
	handle(a, http.MethodGet, "/organizations", about{"list-organizations", tag, "Whose history there is", demarc.RightRead, 0},
		func(ctx context.Context, _ *struct{}) (*all[demarc.Organization], error) {
			return allOf(a.config.History.Organizations(ctx))
		})
	type scans struct {
		Here
		Paging
		Whose
	}
	handle(a, http.MethodGet, "/scans", about{"list-scans", tag, "The scans, newest first", demarc.RightRead, 0},
		func(ctx context.Context, in *scans) (*paged[demarc.Scan], error) {
			organization, err := a.organization(ctx, in.Organization)
			if err != nil {
				return nil, err
			}
			p, err := a.config.History.Scans(ctx, organization, in.page())
			return pageOf(in.url, p, err)
		})
	type scan struct {
		Whose
		ID int64 `path:"id" minimum:"0" doc:"The number of the scan; 0 is the latest."`
	}
	handle(a, http.MethodGet, "/scans/{id}", about{"get-scan", tag, "One scan, with its sources", demarc.RightRead, 0},
		func(ctx context.Context, in *scan) (*one[demarc.Scan], error) {
			organization, err := a.organization(ctx, in.Organization)
			if err != nil {
				return nil, err
			}
			s, err := a.config.History.Scan(ctx, demarc.At{Organization: organization, Scan: demarc.ScanID(in.ID)})
			return &one[demarc.Scan]{Body: s}, err
		})
	handle(a, http.MethodGet, "/overview", about{"get-overview", tag, "What an estate comes to", demarc.RightRead, 0},
		func(ctx context.Context, in *struct{ Place }) (*one[demarc.Overview], error) {
			at, err := a.at(ctx, &in.Place)
			if err != nil {
				return nil, err
			}
			o, err := a.config.History.Overview(ctx, at, in.filter)
			return &one[demarc.Overview]{Body: o}, err
		})
	type groups struct {
		Place
		By string `query:"by" required:"true" enum:"provider,source,account,region,model,archetype,service,type,layer,duty,holder,state,gap,team,party" doc:"What to group by."`
	}
	handle(a, http.MethodGet, "/groups", about{"list-groups", tag, "Counts by a dimension, most resources first", demarc.RightRead, 0},
		func(ctx context.Context, in *groups) (*all[demarc.Group], error) {
			at, err := a.at(ctx, &in.Place)
			if err != nil {
				return nil, err
			}
			return allOf(a.config.History.Groups(ctx, at, in.filter, demarc.Dimension(in.By)))
		})
	type line struct {
		Place
		By      string `query:"by" default:"provider" enum:"provider,source,account,region,model,archetype,service,type" doc:"What the columns are."`
		Columns int    `query:"columns" minimum:"1" maximum:"100" default:"12" doc:"How many columns at most."`
	}
	handle(a, http.MethodGet, "/line", about{"get-line", tag, "The demarcation line: who holds each duty, and whether it is done", demarc.RightRead, 0},
		func(ctx context.Context, in *line) (*one[demarc.Line], error) {
			at, err := a.at(ctx, &in.Place)
			if err != nil {
				return nil, err
			}
			l, err := a.config.History.Line(ctx, at, in.filter, demarc.Dimension(in.By), in.Columns)
			return &one[demarc.Line]{Body: l}, err
		})
	type trend struct {
		Place
		Span
	}
	handle(a, http.MethodGet, "/trend", about{"get-trend", tag, "What a filter came to at each scan, oldest first", demarc.RightRead, 0},
		func(ctx context.Context, in *trend) (*all[demarc.TrendPoint], error) {
			at, period, err := a.during(ctx, &in.Place, &in.Span)
			if err != nil {
				return nil, err
			}
			return allOf(a.config.History.Trend(ctx, at.Organization, in.filter, period))
		})
}
