package api

import (
	"context"
	"net/http"

	"github.com/demarc/demarc"
)

// Findings is what needs somebody's attention, and what moved.
type Findings interface {
	Findings(ctx context.Context, at demarc.At, f demarc.Filter, status demarc.FindingStatus, order demarc.Order, page demarc.Page) (demarc.Paged[demarc.Finding], error)
	FindingGroups(ctx context.Context, at demarc.At, f demarc.Filter) ([]demarc.FindingGroup, error)
	BlindSpots(ctx context.Context, at demarc.At, f demarc.Filter) ([]demarc.BlindSpot, error)
	Moves(ctx context.Context, organization string, f demarc.Filter, period demarc.Period, page demarc.Page) (demarc.Paged[demarc.Move], error)
	MoveGroups(ctx context.Context, organization string, f demarc.Filter, period demarc.Period) ([]demarc.MoveGroup, error)
}

func (a *API) registerFindings() {
	const tag = "Findings"
	type list struct {
		Here
		Place
		Paging
		Status string `query:"status" enum:"open,resolved,all" default:"open" doc:"Which findings."`
		Order  string `query:"order" enum:"id,worst,oldest,newest" default:"worst" doc:"By id, worst first, or by when it was first seen."`
	}
	handle(a, http.MethodGet, "/findings", about{"list-findings", tag, "Gaps, each with when it was first and last seen", demarc.RightRead, 0},
		func(ctx context.Context, in *list) (*paged[demarc.Finding], error) {
			at, err := a.at(ctx, &in.Place)
			if err != nil {
				return nil, err
			}
			p, err := a.config.Findings.Findings(ctx, at, in.filter, demarc.FindingStatus(in.Status), demarc.Order(in.Order), in.page())
			return pageOf(in.url, p, err)
		})
	handle(a, http.MethodGet, "/findings/groups", about{"list-finding-groups", tag, "Gaps of one kind together, worst first", demarc.RightRead, 0},
		func(ctx context.Context, in *struct{ Place }) (*all[demarc.FindingGroup], error) {
			at, err := a.at(ctx, &in.Place)
			if err != nil {
				return nil, err
			}
			return allOf(a.config.Findings.FindingGroups(ctx, at, in.filter))
		})
	handle(a, http.MethodGet, "/blind-spots", about{"list-blind-spots", tag, "Settings that could not be read, those that hide most first", demarc.RightRead, 0},
		func(ctx context.Context, in *struct{ Place }) (*all[demarc.BlindSpot], error) {
			at, err := a.at(ctx, &in.Place)
			if err != nil {
				return nil, err
			}
			return allOf(a.config.Findings.BlindSpots(ctx, at, in.filter))
		})
	type moves struct {
		Here
		Place
		Paging
		Span
	}
	handle(a, http.MethodGet, "/moves", about{"list-moves", tag, "Duties that changed hands, newest first", demarc.RightRead, 0},
		func(ctx context.Context, in *moves) (*paged[demarc.Move], error) {
			at, period, err := a.during(ctx, &in.Place, &in.Span)
			if err != nil {
				return nil, err
			}
			p, err := a.config.Findings.Moves(ctx, at.Organization, in.filter, period, in.page())
			return pageOf(in.url, p, err)
		})
	type grouped struct {
		Place
		Span
	}
	handle(a, http.MethodGet, "/moves/groups", about{"list-move-groups", tag, "Moves for one reason together, those to the organization first", demarc.RightRead, 0},
		func(ctx context.Context, in *grouped) (*all[demarc.MoveGroup], error) {
			at, period, err := a.during(ctx, &in.Place, &in.Span)
			if err != nil {
				return nil, err
			}
			return allOf(a.config.Findings.MoveGroups(ctx, at.Organization, in.filter, period))
		})
}
