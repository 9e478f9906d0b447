// Package auth finds out who makes a request and what they may do, and puts them into its context as a demarc.Actor.
//
// There are two ways to run. Local is for one person at the machine itself: everything is allowed, to requests that come
// over loopback and name a loopback host. Anything else takes a Gate: people log in at an OpenID Connect provider (code
// flow with PKCE) and have a session in a cookie, programs send a token of demarc's own. Whoever shows neither is let
// through as nobody, who may do nothing: a page sends them to log in, the API answers 401.
package auth

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/demarc/demarc"
)

// Tokens finds tokens by the hash of their secrets.
type Tokens interface {
	// TokenByHash returns demarc.ErrNotFound where there is none.
	TokenByHash(ctx context.Context, hash string) (demarc.Token, error)
	// TokenUsed notes that a token was used.
	TokenUsed(ctx context.Context, id string, at time.Time) error
}

// Gate lets people in who log in, and programs that have a token.
type Gate struct {
	config   Config
	sessions *scs.SessionManager
	tokens   Tokens
	log      *slog.Logger
	now      func() time.Time
	provider *provider // nil where nobody can log in
	slow     *throttle

	// Tell answers somebody at a browser in a sentence; http.Error where it is nil.
	Tell func(w http.ResponseWriter, r *http.Request, status int, title, detail string)
}

func (g *Gate) tell(w http.ResponseWriter, r *http.Request, status int, title, detail string) {
	if g.Tell != nil {
		g.Tell(w, r, status, title, detail)
		return
	}
	http.Error(w, title+": "+detail, status)
}

// NewGate makes a Gate. The Config must be finished.
func NewGate(c Config, tokens Tokens, log *slog.Logger) *Gate {
	// Not scs.New: it starts a store of its own with a goroutine that nobody ends.
	m := &scs.SessionManager{Store: newSessions(), HashTokenInStore: true, Codec: scs.GobCodec{}}
	m.IdleTimeout, m.Lifetime = c.idle, c.life
	m.Cookie.Name, m.Cookie.Path, m.Cookie.HttpOnly, m.Cookie.SameSite = "demarc_session", "/", true, http.SameSiteLaxMode
	if c.base.Scheme == "https" {
		m.Cookie.Name, m.Cookie.Secure = "__Host-demarc_session", true
	}
	g := &Gate{config: c, sessions: m, tokens: tokens, log: log, now: time.Now, slow: newThrottle()}
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		log.ErrorContext(r.Context(), "session failed", "error", err)
		g.tell(w, r, http.StatusInternalServerError, "Something went wrong here", "The log of the server says what.")
	}
	if c.Provider.Issuer != "" {
		g.provider = newProvider(c.Provider, c.base)
	}
	return g
}

// person is somebody who showed who they are.
type person struct {
	name   string
	grants []demarc.Grant
}

func (p *person) Name() string { return p.name }

func (p *person) May(right demarc.Right, team string) bool {
	for _, g := range p.grants {
		if g.May(right, team) {
			return true
		}
	}
	return false
}

// Handler puts the Actor into the context of each request to next, and answers the addresses of logging in and out.
func (g *Gate) Handler(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+LoginPath, g.limited(g.login))
	mux.HandleFunc("GET "+callbackPath, g.limited(g.callback))
	mux.HandleFunc("POST "+LogoutPath, g.logout)
	mux.HandleFunc("GET "+LogoutPath, g.loggedOut)
	mux.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var actor demarc.Actor
		if header := r.Header.Get("Authorization"); header != "" {
			var ok bool
			if actor, ok = g.byToken(w, r, header); !ok {
				return
			}
		} else if actor = g.bySession(r.Context()); actor == nil && wantsPage(r) && g.provider != nil {
			http.Redirect(w, r, LoginPath+"?"+toQuery(r), http.StatusSeeOther)
			return
		}
		if actor != nil {
			r = r.WithContext(demarc.WithActor(r.Context(), actor))
		}
		next.ServeHTTP(w, r)
	}))
	protected := http.NewCrossOriginProtection().Handler(mux) // a form of another site cannot use the session
	return g.sessions.LoadAndSave(protected)
}

// wantsPage reports whether somebody asks for a page, and not for what belongs to one or for the API.
func wantsPage(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") && !strings.HasPrefix(r.URL.Path, "/api/") && !strings.HasPrefix(r.URL.Path, "/assets/")
}

// byToken returns who sends a token. Where it is not good, it answers that and returns false.
func (g *Gate) byToken(w http.ResponseWriter, r *http.Request, header string) (demarc.Actor, bool) {
	refuse := func(status int, why string) (demarc.Actor, bool) {
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="demarc", error="invalid_token"`)
		}
		problem(w, status, why)
		return nil, false
	}
	from := g.from(r)
	if wait := g.slow.wait(from); wait > 0 {
		tooMany(w, wait)
		return nil, false
	}
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return refuse(http.StatusUnauthorized, `expected "Authorization: Bearer ..." with a token of demarc`)
	}
	token, err := g.tokens.TokenByHash(r.Context(), demarc.TokenHash(secret))
	switch now := g.now(); {
	case errors.Is(err, demarc.ErrNotFound):
		g.slow.failed(from)
		return refuse(http.StatusUnauthorized, "there is no such token")
	case err != nil:
		g.log.ErrorContext(r.Context(), "token not looked up", "error", err)
		return refuse(http.StatusServiceUnavailable, "tokens cannot be looked up just now")
	case !token.Good(now):
		g.slow.failed(from)
		return refuse(http.StatusUnauthorized, "this token is revoked or has expired")
	case now.Sub(token.LastUsed) > time.Hour:
		g.noteUse(r.Context(), token.ID, now)
	}
	return &person{name: "token " + token.ID + " (" + token.Name + ")", grants: []demarc.Grant{token.Grant}}, true
}

// noteUse notes that a token was used, unless the store is busy with a scan: then the next use will.
func (g *Gate) noteUse(ctx context.Context, id string, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if err := g.tokens.TokenUsed(ctx, id, now); err != nil {
		g.log.DebugContext(ctx, "use of a token not noted", "token", id, "error", err)
	}
}

// Keys of a session.
const (
	keyName   = "name"
	keyGroups = "groups"
	keyLogin  = "login"
)

// bySession returns who is logged in, nil for nobody. What they may do is worked out anew, so that a change of the grants
// counts at once.
func (g *Gate) bySession(ctx context.Context) demarc.Actor {
	name := g.sessions.GetString(ctx, keyName)
	if name == "" {
		return nil
	}
	var groups []string
	if text := g.sessions.GetString(ctx, keyGroups); text != "" {
		groups = strings.Split(text, "\n")
	}
	return &person{name: name, grants: g.config.of(groups)}
}

// from returns whom a request comes from: the address of the connection, or what trusted proxies say, from the nearest on.
func (g *Gate) from(r *http.Request) netip.Addr {
	addr := remote(r)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && g.trusts(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	return addr
}

func (g *Gate) trusts(addr netip.Addr) bool {
	for _, p := range g.config.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func remote(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// Local lets the person at this machine do everything, under a name. Requests must come over loopback and name a
// loopback host: a page of another site whose name was pointed here names its own.
func Local(name string, next http.Handler) http.Handler {
	protected := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !remote(r).IsLoopback() || !loopbackHost(strings.Trim(host, "[]")) {
			problem(w, http.StatusMisdirectedRequest, "demarc serves this machine alone here; see --access for more")
			return
		}
		protected.ServeHTTP(w, r.WithContext(demarc.WithActor(r.Context(), demarc.LocalActor(name))))
	})
}
