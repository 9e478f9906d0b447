package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/client"
)

// Tokens is the keys by which programs use the API.
type Tokens interface {
	Tokens(ctx context.Context) ([]demarc.Token, error)
	// MakeToken keeps a token and returns it with its secret, which nobody can ask for again.
	MakeToken(ctx context.Context, actor string, t demarc.Token) (demarc.Token, string, error)
	RevokeToken(ctx context.Context, actor, id string, now time.Time) error
}

func (a *API) registerAccess() {
	const tag = "Access"
	handle(a, http.MethodGet, "/me", about{"get-me", tag, "Who you are here, and what you may do", demarc.RightRead, 0},
		func(ctx context.Context, _ *struct{}) (*one[client.Me], error) {
			actor := demarc.ActorOf(ctx)
			return &one[client.Me]{Body: client.Me{
				Name: actor.Name(), Read: actor.May(demarc.RightRead, ""), Declare: actor.May(demarc.RightDeclare, ""), Administer: actor.May(demarc.RightAdminister, ""),
			}}, nil
		})
	if a.config.Tokens == nil {
		return
	}
	handle(a, http.MethodGet, "/tokens", about{"list-tokens", tag, "Tokens, without their secrets", demarc.RightAdminister, 0},
		func(ctx context.Context, _ *struct{}) (*all[demarc.Token], error) {
			return allOf(a.config.Tokens.Tokens(ctx))
		})
	handle(a, http.MethodPost, "/tokens", about{"make-token", tag, "Make a token; its secret is shown this once", demarc.RightAdminister, http.StatusCreated},
		func(ctx context.Context, in *struct{ Body client.NewToken }) (*one[client.MadeToken], error) {
			now := a.config.Now().UTC()
			t := demarc.Token{
				Name: in.Body.Name, Grant: demarc.Grant{Role: in.Body.Role, Teams: in.Body.Teams}, By: demarc.ActorOf(ctx).Name(),
				Made: now, Expires: now.Add(time.Duration(in.Body.Days) * 24 * time.Hour),
			}
			if err := t.Validate(); err != nil {
				return nil, invalid{err}
			}
			if !t.Grant.Within(demarc.ActorOf(ctx)) {
				return nil, forbidden{errors.New("nobody can hand on more than they have")}
			}
			t, secret, err := a.config.Tokens.MakeToken(ctx, t.By, t)
			return &one[client.MadeToken]{Body: client.MadeToken{Token: t, Secret: secret}}, err
		})
	type revoke struct {
		ID string `path:"id"`
	}
	handle(a, http.MethodDelete, "/tokens/{id}", about{"revoke-token", tag, "Revoke a token", demarc.RightAdminister, http.StatusNoContent},
		func(ctx context.Context, in *revoke) (*struct{}, error) {
			if err := a.config.Tokens.RevokeToken(ctx, demarc.ActorOf(ctx).Name(), in.ID, a.config.Now()); err != nil {
				return nil, fmt.Errorf("token %q: %w", in.ID, err)
			}
			return nil, nil
		})
}
