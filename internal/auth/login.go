package auth

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Addresses of logging in and out.
const (
	LoginPath    = "/login"
	LogoutPath   = "/logout"
	callbackPath = "/login/callback"
)

// provider is an OpenID Connect provider that is asked about itself when somebody first logs in, so that demarc can start
// while it is away.
type provider struct {
	config Provider
	base   *url.URL

	mu    sync.Mutex
	oauth *oauth2.Config
	known *oidc.Provider
}

func newProvider(c Provider, base *url.URL) *provider { return &provider{config: c, base: base} }

// providerPatience is how long the provider may take to answer.
const providerPatience = 10 * time.Second

func (p *provider) ready(ctx context.Context) (*oauth2.Config, *oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.oauth != nil {
		return p.oauth, p.known, nil
	}
	// What discovery returns fetches keys later, with the context that it was given.
	known, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), &http.Client{Timeout: providerPatience}), p.config.Issuer)
	if err != nil {
		return nil, nil, fmt.Errorf("ask %s about itself: %w", p.config.Issuer, err)
	}
	p.oauth = &oauth2.Config{
		ClientID: p.config.ClientID, ClientSecret: p.config.secret, Endpoint: known.Endpoint(),
		RedirectURL: p.base.JoinPath(callbackPath).String(), Scopes: append([]string{oidc.ScopeOpenID, "profile", "email"}, p.config.Scopes...),
	}
	p.known = known
	return p.oauth, p.known, nil
}

// pending is a login that was begun. It waits in the session of the browser that began it.
type pending struct {
	State, Nonce, Verifier, To string
}

// login sends somebody to the provider.
func (g *Gate) login(w http.ResponseWriter, r *http.Request) {
	if g.provider == nil {
		g.tell(w, r, http.StatusNotFound, "Nobody can log in here", "No login provider is set up. Programs use tokens.")
		return
	}
	oauth, _, err := g.provider.ready(r.Context())
	if err != nil {
		g.log.ErrorContext(r.Context(), "login not begun", "error", err)
		g.tell(w, r, http.StatusBadGateway, "The login provider does not answer", "Try again in a while.")
		return
	}
	begun := pending{State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(), To: localPath(r.URL.Query().Get("to"))}
	text, err := json.Marshal(begun)
	if err != nil {
		panic("auth: " + err.Error())
	}
	g.sessions.Put(r.Context(), keyLogin, string(text))
	if g.bySession(r.Context()) == nil {
		g.sessions.SetDeadline(r.Context(), g.now().Add(beginLife))
	}
	http.Redirect(w, r, oauth.AuthCodeURL(begun.State, oidc.Nonce(begun.Nonce), oauth2.S256ChallengeOption(begun.Verifier)), http.StatusSeeOther)
}

// callback is where the provider sends somebody back to.
func (g *Gate) callback(w http.ResponseWriter, r *http.Request) {
	var begun pending
	if err := json.Unmarshal([]byte(g.sessions.PopString(r.Context(), keyLogin)), &begun); err != nil || g.provider == nil {
		g.refuseLogin(w, r, errors.New("no login was begun in this browser"))
		return
	}
	q := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(begun.State)) != 1 {
		g.refuseLogin(w, r, errors.New("the answer belongs to another login"))
		return
	}
	if q.Has("error") {
		g.refuseLogin(w, r, fmt.Errorf("the provider says %q", q.Get("error")))
		return
	}
	name, groups, err := g.provider.exchange(r.Context(), q.Get("code"), &begun)
	if err != nil {
		g.refuseLogin(w, r, err)
		return
	}
	if err := g.sessions.RenewToken(r.Context()); err != nil { // what was known before the login is worth nothing after it
		g.sessions.ErrorFunc(w, r, err)
		return
	}
	g.sessions.SetDeadline(r.Context(), g.now().Add(g.config.life))
	g.sessions.Put(r.Context(), keyName, name)
	g.sessions.Put(r.Context(), keyGroups, strings.Join(groups, "\n"))
	g.log.InfoContext(r.Context(), "login", "actor", name, "granted", len(g.config.of(groups)) > 0)
	http.Redirect(w, r, begun.To, http.StatusSeeOther)
}

func (g *Gate) refuseLogin(w http.ResponseWriter, r *http.Request, err error) {
	g.slow.failed(g.from(r))
	g.log.WarnContext(r.Context(), "login refused", "error", err)
	g.tell(w, r, http.StatusForbidden, "The login did not work", "Try again from the start.")
}

// exchange trades the code of a login for who somebody is, and the groups that they are in.
func (p *provider) exchange(ctx context.Context, code string, begun *pending) (name string, groups []string, err error) {
	oauth, known, err := p.ready(ctx)
	if err != nil {
		return "", nil, err
	}
	ctx = oidc.ClientContext(ctx, &http.Client{Timeout: providerPatience})
	token, err := oauth.Exchange(ctx, code, oauth2.VerifierOption(begun.Verifier))
	if err != nil {
		return "", nil, fmt.Errorf("exchange the code: %w", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", nil, errors.New("the provider sent no id_token")
	}
	id, err := known.Verifier(&oidc.Config{ClientID: p.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return "", nil, fmt.Errorf("verify the id_token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(begun.Nonce)) != 1 {
		return "", nil, errors.New("the id_token belongs to another login")
	}
	var claims map[string]json.RawMessage
	if err := id.Claims(&claims); err != nil {
		return "", nil, fmt.Errorf("read the id_token: %w", err)
	}
	if claims["email"] == nil || claims[p.config.Groups] == nil {
		// Some providers say these only when asked (OpenID Connect Core 1.0, 5.4).
		if err := addUserInfo(ctx, known, oauth.TokenSource(ctx, token), id.Subject, claims); err != nil {
			return "", nil, err
		}
	}
	return nameIn(claims, id.Subject), groupsIn(claims[p.config.Groups]), nil
}

// addUserInfo adds the claims of the user info endpoint that the id_token does not have.
func addUserInfo(ctx context.Context, known *oidc.Provider, tokens oauth2.TokenSource, subject string, claims map[string]json.RawMessage) error {
	if known.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := known.UserInfo(ctx, tokens)
	if err != nil {
		return fmt.Errorf("ask about the user: %w", err)
	}
	if info.Subject != subject {
		return errors.New("the provider tells of another user than the id_token")
	}
	var more map[string]json.RawMessage
	if err := info.Claims(&more); err != nil {
		return fmt.Errorf("read what is said of the user: %w", err)
	}
	for key, value := range more {
		if claims[key] == nil {
			claims[key] = value
		}
	}
	return nil
}

// nameIn returns how the audit log calls somebody: by an address that the provider has verified, else by the subject.
func nameIn(claims map[string]json.RawMessage, subject string) string {
	var email string
	var verified bool
	if json.Unmarshal(claims["email"], &email) == nil && json.Unmarshal(claims["email_verified"], &verified) == nil && verified && email != "" {
		return email
	}
	return subject
}

// groupsIn reads a claim that is a list of groups, or the only one.
func groupsIn(raw json.RawMessage) []string {
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	var only string
	if json.Unmarshal(raw, &only) == nil && only != "" {
		return []string{only}
	}
	return nil
}

// logout ends a session here. The provider's own goes on.
func (g *Gate) logout(w http.ResponseWriter, r *http.Request) {
	if err := g.sessions.Destroy(r.Context()); err != nil {
		g.sessions.ErrorFunc(w, r, err)
		return
	}
	w.Header().Set("Clear-Site-Data", `"cache"`)
	// Not to a page that sends to the provider: a browser refuses a form that ends elsewhere (form-action 'self').
	http.Redirect(w, r, LogoutPath, http.StatusSeeOther)
}

// loggedOut is where logging out leads.
func (g *Gate) loggedOut(w http.ResponseWriter, r *http.Request) {
	if g.bySession(r.Context()) != nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	g.tell(w, r, http.StatusOK, "You are logged out", "Your session at the login provider goes on: who opens this browser may come back in.")
}

// toQuery says where somebody wanted to go.
func toQuery(r *http.Request) string { return url.Values{"to": {r.URL.RequestURI()}}.Encode() }

// localPath returns an address if it is one of ours, "/" for any other: a login leads nowhere else.
func localPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") || strings.HasPrefix(u.Path, LoginPath) {
		return "/"
	}
	return to
}
