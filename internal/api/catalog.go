package api

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/client"
)

// Catalog is what demarc knows of services, and what the estate of a scan declares.
type Catalog interface {
	// Entries lists the services whose words, provider and model a filter asks for.
	Entries(f demarc.Filter) []client.ServiceEntry
	// Described describes a service, or returns demarc.ErrNotFound.
	Described(id demarc.ServiceID) (client.Service, error)
	Mapped() []client.Framework
	Declared(ctx context.Context, at demarc.At) (demarc.Declared, error)
	// WhatIf answers for a resource as it is, and as it would be with one other setting.
	WhatIf(ctx context.Context, at demarc.At, a *demarc.StoredAnswer, setting, value string) (is, would demarc.Answer, err error)
}

func (a *API) registerCatalog() {
	const tag = "Catalog"
	type services struct{ Listed }
	handle(a, http.MethodGet, "/catalog/services", about{"list-services", tag, "The services that the catalog knows", demarc.RightRead, 0},
		func(_ context.Context, in *services) (*all[client.ServiceEntry], error) {
			return allOf(a.config.Catalog.Entries(in.filter), nil)
		})
	type service struct {
		ID string `query:"id" required:"true" minLength:"1" doc:"The id of the service, as aws/rds."`
	}
	handle(a, http.MethodGet, "/catalog/service", about{"get-service", tag, "Everything that the catalog knows of a service", demarc.RightRead, 0},
		func(_ context.Context, in *service) (*one[client.Service], error) {
			s, err := a.config.Catalog.Described(demarc.ServiceID(in.ID))
			return &one[client.Service]{Body: s}, err
		})
	handle(a, http.MethodGet, "/frameworks", about{"list-frameworks", tag, "The duties by the controls of frameworks", demarc.RightRead, 0},
		func(context.Context, *struct{}) (*all[client.Framework], error) {
			return allOf(a.config.Catalog.Mapped(), nil)
		})
	type standing struct {
		Place
		ID string `path:"id" doc:"The id of the framework, as nist-800-53."`
	}
	handle(a, http.MethodGet, "/frameworks/{id}", about{"get-framework", tag, "How the duties of each control of a framework stand", demarc.RightRead, 0},
		func(ctx context.Context, in *standing) (*one[client.FrameworkStanding], error) {
			list := a.config.Catalog.Mapped()
			i := slices.IndexFunc(list, func(f client.Framework) bool { return f.ID == in.ID })
			if i < 0 {
				return nil, fmt.Errorf("framework %q: %w", in.ID, demarc.ErrNotFound)
			}
			at, err := a.at(ctx, &in.Place)
			if err != nil {
				return nil, err
			}
			groups, err := a.config.History.Groups(ctx, at, in.filter, demarc.ByDuty)
			return &one[client.FrameworkStanding]{Body: standingOf(&list[i], groups)}, err
		})
	type place struct {
		Whose
		When
	}
	handle(a, http.MethodGet, "/estate", about{"get-estate", "Declarations", "What the organization had declared in demarc.yaml when a scan was made", demarc.RightRead, 0},
		func(ctx context.Context, in *place) (*one[demarc.Declared], error) {
			at, err := a.at(ctx, &Place{Whose: in.Whose, When: in.When})
			if err != nil {
				return nil, err
			}
			d, err := a.config.Catalog.Declared(ctx, at)
			return &one[demarc.Declared]{Body: d}, err
		})
	type whatIf struct {
		Whose
		When
		ID  string `query:"id" required:"true" minLength:"1" doc:"The id of the resource."`
		Set string `query:"set" required:"true" minLength:"1" doc:"The setting."`
		To  string `query:"to" required:"true" doc:"Its other value."`
	}
	handle(a, http.MethodGet, "/what-if", about{"what-if", "Resources", "What another setting would change of a resource", demarc.RightRead, 0},
		func(ctx context.Context, in *whatIf) (*one[client.WhatIf], error) {
			at, err := a.at(ctx, &Place{Whose: in.Whose, When: in.When})
			if err != nil {
				return nil, err
			}
			stored, err := a.config.Resources.Answer(ctx, at, demarc.ResourceID(in.ID))
			if err != nil {
				return nil, err
			}
			is, would, err := a.config.Catalog.WhatIf(ctx, at, &stored, in.Set, in.To)
			if err != nil {
				return nil, invalid{err}
			}
			return &one[client.WhatIf]{Body: client.WhatIf{Setting: in.Set, Value: in.To, Changes: changesOf(&is, &would), Checks: checksOf(&is, &would)}}, nil
		})
}

// standingOf puts what each duty comes to at the controls of a framework, by name. What applies to nothing is left out.
func standingOf(f *client.Framework, groups []demarc.Group) client.FrameworkStanding {
	out := client.FrameworkStanding{ID: f.ID, Title: f.Title, Controls: []client.ControlStanding{}}
	for _, id := range slices.Sorted(maps.Keys(f.Controls)) {
		c := client.ControlStanding{ID: id}
		for _, duty := range f.Controls[id] {
			if i := slices.IndexFunc(groups, func(g demarc.Group) bool { return g.Value == string(duty) }); i >= 0 {
				c.Duties = append(c.Duties, groups[i])
			}
		}
		if c.Duties != nil {
			out.Controls = append(out.Controls, c)
		}
	}
	return out
}

// checksOf lists the checks that come to something else in the second of two answers.
func checksOf(is, would *demarc.Answer) []client.WhatIfCheck {
	out := []client.WhatIfCheck{}
	if is.Standing == nil || would.Standing == nil {
		return out
	}
	for _, now := range is.Checks {
		i := slices.IndexFunc(would.Checks, func(c demarc.CheckOutcome) bool { return c.ID == now.ID })
		if i >= 0 && would.Checks[i].Result != now.Result {
			out = append(out, client.WhatIfCheck{ID: now.ID, Is: now.Result, Would: would.Checks[i].Result})
		}
	}
	return out
}

// changesOf lists the duties that are not the same in two answers.
func changesOf(is, would *demarc.Answer) []client.WhatIfChange {
	out := []client.WhatIfChange{}
	for i := range demarc.Duties {
		x, y := is.Duty(i), would.Duty(i)
		if x.Holder != y.Holder || x.State != y.State || !slices.Equal(x.Parties, y.Parties) {
			out = append(out, client.WhatIfChange{Duty: x.Duty, Is: x.Assignment, IsState: x.State, Would: y.Assignment, State: y.State})
		}
	}
	return out
}
