package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/client"
)

// Declarations is what people have declared beside the estate.
type Declarations interface {
	Declarations(ctx context.Context, organization string) ([]demarc.Declaration, error)
	Declare(ctx context.Context, organization, actor string, d demarc.Declaration, now time.Time) (demarc.Declaration, error)
	Withdraw(ctx context.Context, organization, actor, id string, now time.Time) error
}

// Audit is the log of every change.
type Audit interface {
	Audit(ctx context.Context, organization string, page demarc.Page) (demarc.Paged[demarc.AuditEntry], error)
}

func (a *API) registerDeclarations() {
	const tag = "Declarations"
	handle(a, http.MethodGet, "/declarations", about{"list-declarations", tag, "Acceptances, attestations, exceptions and assignments, newest first", demarc.RightRead, 0},
		func(ctx context.Context, in *struct{ Whose }) (*all[client.Declaration], error) {
			organization, err := a.organization(ctx, in.Organization)
			if err != nil {
				return nil, err
			}
			list, err := a.config.Declared.Declarations(ctx, organization)
			out := make([]client.Declaration, 0, len(list))
			for _, d := range list {
				out = append(out, client.Declaration{Declaration: d, Scope: d.Scope.String()})
			}
			return allOf(out, err)
		})
	type create struct {
		Whose
		Body client.NewDeclaration
	}
	handle(a, http.MethodPost, "/declarations", about{"declare", tag, "Accept, attest, except or assign", demarc.RightDeclare, http.StatusCreated},
		func(ctx context.Context, in *create) (*one[client.Declaration], error) {
			d, err := a.declaration(&in.Body, demarc.ActorOf(ctx))
			if err != nil {
				return nil, err
			}
			organization, err := a.organization(ctx, in.Organization)
			if err != nil {
				return nil, err
			}
			if err := a.within(ctx, &d, organization); err != nil {
				return nil, err
			}
			d, err = a.config.Declared.Declare(ctx, organization, d.By, d, a.config.Now())
			return &one[client.Declaration]{Body: client.Declaration{Declaration: d, Scope: d.Scope.String()}}, err
		})
	type withdraw struct {
		Whose
		ID string `path:"id"`
	}
	handle(a, http.MethodDelete, "/declarations/{id}", about{"withdraw", tag, "Take a declaration back", demarc.RightDeclare, http.StatusNoContent},
		func(ctx context.Context, in *withdraw) (*struct{}, error) {
			organization, err := a.organization(ctx, in.Organization)
			if err != nil {
				return nil, err
			}
			list, err := a.config.Declared.Declarations(ctx, organization)
			if err != nil {
				return nil, err
			}
			actor := demarc.ActorOf(ctx)
			for _, d := range list {
				if d.ID != in.ID {
					continue
				}
				if !mayFor(actor, d.Team) {
					return nil, forbidden{fmt.Errorf("%s may not declare for team %q", actor.Name(), d.Team)}
				}
				return nil, a.config.Declared.Withdraw(ctx, organization, actor.Name(), in.ID, a.config.Now())
			}
			return nil, fmt.Errorf("declaration %q: %w", in.ID, demarc.ErrNotFound)
		})
	type log struct {
		Here
		Whose
		Paging
	}
	handle(a, http.MethodGet, "/audit", about{"list-audit", tag, "Every change that somebody made, newest first", demarc.RightAdminister, 0},
		func(ctx context.Context, in *log) (*paged[demarc.AuditEntry], error) {
			organization, err := a.organization(ctx, in.Organization)
			if err != nil {
				return nil, err
			}
			p, err := a.config.Audit.Audit(ctx, organization, in.page())
			return pageOf(in.url, p, err)
		})
}

// mayFor reports whether somebody may declare for a team. What is for no team is for everybody's.
func mayFor(actor demarc.Actor, team string) bool {
	return actor.May(demarc.RightDeclare, team) && (team != "" || actor.May(demarc.RightAdminister, ""))
}

// within sees that a declaration settles nothing of teams that its actor may not declare for, now or later.
func (a *API) within(ctx context.Context, d *demarc.Declaration, organization string) error {
	actor := demarc.ActorOf(ctx)
	if actor.May(demarc.RightAdminister, "") {
		return nil
	}
	groups, err := a.config.History.Groups(ctx, demarc.At{Organization: organization}, d.Reach(), demarc.ByTeam)
	if err != nil {
		return err
	}
	if beyond := d.Beyond(actor, groups); len(beyond) > 0 {
		return forbidden{fmt.Errorf("%s may not declare for %s: choose narrower", actor.Name(), strings.Join(beyond, ", "))}
	}
	d.Bind(actor)
	return nil
}

// declaration reads what somebody wants to declare, and sees that they may.
func (a *API) declaration(in *client.NewDeclaration, actor demarc.Actor) (demarc.Declaration, error) {
	d := demarc.Declaration{Kind: in.Kind, Duties: in.Duties, Check: in.Check, Team: in.Team, By: actor.Name(), Text: in.Text}
	if !mayFor(actor, in.Team) {
		return d, forbidden{fmt.Errorf("%s may not declare for team %q", actor.Name(), in.Team)}
	}
	query, err := url.ParseQuery(in.Scope)
	if err == nil {
		d.Scope, err = demarc.ParseFilter(query)
	}
	if err != nil {
		return d, invalid{fmt.Errorf("scope: %w", err)}
	}
	d.On = a.config.Now().UTC().Truncate(24 * time.Hour)
	for _, day := range []struct {
		name, text string
		to         *time.Time
	}{{"on", in.On, &d.On}, {"until", in.Until, &d.Until}} {
		if day.text == "" {
			continue
		}
		if *day.to, err = time.Parse(time.DateOnly, day.text); err != nil {
			return d, invalid{fmt.Errorf("%s %q: expected a day, as 2026-11-23", day.name, day.text)}
		}
	}
	if err := d.Validate(); err != nil {
		return d, invalid{err}
	}
	return d, a.knowsCheck(d.Check)
}

// knowsCheck returns an error for a check that the catalog does not have.
func (a *API) knowsCheck(check string) error {
	if check == "" {
		return nil
	}
	service, err := a.config.Catalog.Described(demarc.ServiceID(check[:max(strings.LastIndexByte(check, '/'), 0)]))
	if err != nil && !errors.Is(err, demarc.ErrNotFound) {
		return err
	}
	if !slices.ContainsFunc(service.Checks, func(c client.ServiceCheck) bool { return c.ID == check }) {
		return invalid{fmt.Errorf("check: the catalog has no %q", check)}
	}
	return nil
}
