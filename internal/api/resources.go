package api

import (
	"context"
	"io"
	"iter"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/client"
)

// Resources is the resources of a store, and what is said of each.
type Resources interface {
	Resources(ctx context.Context, at demarc.At, f demarc.Filter, order demarc.Order, page demarc.Page) (demarc.Paged[demarc.StoredResource], error)
	Answer(ctx context.Context, at demarc.At, id demarc.ResourceID) (demarc.StoredAnswer, error)
	Answers(ctx context.Context, at demarc.At, f demarc.Filter) iter.Seq2[*demarc.Answer, error]
	Versions(ctx context.Context, organization string, id demarc.ResourceID) ([]demarc.Version, error)
}

// Encode writes answers in the machine contract, a line each behind one for the run.
type Encode func(w io.Writer, run demarc.Run, answers iter.Seq[*demarc.Answer]) error

func (a *API) registerResources() {
	const tag = "Resources"
	type list struct {
		Here
		Place
		Paging
		Order string `query:"order" enum:"id,worst,oldest,newest" default:"id" doc:"By id, worst first, or by when it was first seen."`
	}
	handle(a, http.MethodGet, "/resources", about{"list-resources", tag, "Resources that match a filter", demarc.RightRead, 0},
		func(ctx context.Context, in *list) (*paged[demarc.StoredResource], error) {
			at, err := a.at(ctx, &in.Place)
			if err != nil {
				return nil, err
			}
			p, err := a.config.Resources.Resources(ctx, at, in.filter, demarc.Order(in.Order), in.page())
			return pageOf(in.url, p, err)
		})
	// The id of a resource may hold anything, slashes among it, so it stands in the query.
	type single struct {
		Whose
		When
		ID string `query:"id" required:"true" minLength:"1" doc:"The id of the resource."`
	}
	handle(a, http.MethodGet, "/resource", about{"get-resource", tag, "Everything that is known of one resource", demarc.RightRead, 0},
		func(ctx context.Context, in *single) (*one[client.Answer], error) {
			at, err := a.at(ctx, &Place{Whose: in.Whose, When: in.When})
			if err != nil {
				return nil, err
			}
			s, err := a.config.Resources.Answer(ctx, at, demarc.ResourceID(in.ID))
			if err != nil {
				return nil, err
			}
			return &one[client.Answer]{Body: answerOf(&s)}, nil
		})
	type versions struct {
		Whose
		ID string `query:"id" required:"true" minLength:"1" doc:"The id of the resource."`
	}
	handle(a, http.MethodGet, "/resource/versions", about{"list-versions", tag, "How a resource became what it is, newest first", demarc.RightRead, 0},
		func(ctx context.Context, in *versions) (*all[demarc.Version], error) {
			organization, err := a.organization(ctx, in.Organization)
			if err != nil {
				return nil, err
			}
			return allOf(a.config.Resources.Versions(ctx, organization, demarc.ResourceID(in.ID)))
		})
	handle(a, http.MethodGet, "/answers", about{"export-answers", tag, "All answers that match a filter, as a stream of the machine contract (NDJSON)", demarc.RightRead, 0}, a.stream)
}

func answerOf(s *demarc.StoredAnswer) client.Answer {
	out := client.Answer{StoredResource: s.StoredResource, Scan: s.Scan, Inside: s.Answer.Inside, Facts: []client.NamedFact{}, Duties: []client.Duty{}, Checks: []demarc.CheckOutcome{}}
	for _, f := range s.Answer.Facts {
		out.Facts = append(out.Facts, factOf(f))
	}
	if s.Answer.Standing == nil {
		return out
	}
	out.Checks = orEmpty(s.Answer.Checks)
	for i := range s.Answer.Assignments {
		d := s.Answer.Duty(i)
		duty := client.Duty{
			Assignment: d.Assignment, Verdict: d.Verdict, Gap: d.Gap(), Believed: d.Believed, Assumption: d.Assumption,
			Team: d.Team, Teamless: d.Teamless, Unaccepted: d.Unaccepted,
		}
		if duty.Gap != "" {
			severity := d.Severity()
			duty.Severity = &severity
		}
		for _, f := range s.Answer.Because(&d) {
			duty.Because = append(duty.Because, factOf(f))
		}
		out.Duties = append(out.Duties, duty)
	}
	return out
}

func factOf(f demarc.NamedFact) client.NamedFact {
	return client.NamedFact{Name: f.Name, Value: f.Shown(), Origin: f.Fact.Origin}
}

// stream writes answers as they come. A failure on the way ends the stream without its end, which the reader sees as a
// broken transfer: a part must not pass for the whole.
func (a *API) stream(ctx context.Context, in *struct{ Place }) (*huma.StreamResponse, error) {
	at, err := a.at(ctx, &in.Place)
	if err != nil {
		return nil, err
	}
	scan, err := a.config.History.Scan(ctx, at)
	if err != nil {
		return nil, err
	}
	run := demarc.Run{Organization: scan.Organization, Catalog: scan.Catalog, Estate: scan.Estate, AsOf: scan.AsOf, Documents: scan.Documents}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		hctx.SetHeader("Content-Type", "application/x-ndjson")
		var failed error
		err := a.config.Encode(hctx.BodyWriter(), run, func(yield func(*demarc.Answer) bool) {
			for answer, err := range a.config.Resources.Answers(ctx, at, in.filter) {
				if failed = err; err != nil || !yield(answer) {
					return
				}
			}
		})
		if err == nil {
			err = failed
		}
		if err != nil {
			a.config.Log.ErrorContext(ctx, "stream broke off", "error", err)
			panic(http.ErrAbortHandler)
		}
	}}, nil
}
