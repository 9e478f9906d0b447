package auth

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/demarc/demarc"
)

// memory keeps tokens.
type memory struct {
	tokens map[string]demarc.Token
	used   []string
	fail   error
}

func (m *memory) TokenByHash(_ context.Context, hash string) (demarc.Token, error) {
	t, ok := m.tokens[hash]
	if !ok {
		return t, demarc.ErrNotFound
	}
	return t, m.fail
}

func (m *memory) TokenUsed(_ context.Context, id string, _ time.Time) error {
	m.used = append(m.used, id)
	return nil
}

// whoami tells who asks.
var whoami = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	a := demarc.ActorOf(r.Context())
	fmt.Fprintf(w, "%s read=%t declare=%t payments=%t administer=%t", a.Name(), a.May(demarc.RightRead, ""), a.May(demarc.RightDeclare, ""), a.May(demarc.RightDeclare, "payments"), a.May(demarc.RightAdminister, ""))
})

// withGroups is the storage of the example provider, with users who are in groups.
type withGroups struct{ *storage.Storage }

func (s withGroups) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	err := s.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin)
	info.AppendClaims("groups", map[string][]string{"id1": {"cloud", "payments-team"}}[subject])
	return err
}

// start runs demarc behind a Gate, and a real OpenID Connect provider for it.
func start(t *testing.T, grants []GroupGrant) (site *httptest.Server, m *memory, gate *Gate) {
	t.Helper()
	var handler http.Handler
	site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(site.Close)
	var providing http.Handler
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { providing.ServeHTTP(w, r) }))
	t.Cleanup(idp.Close)
	idpURL := strings.Replace(idp.URL, "127.0.0.1", "localhost", 1)
	clients := map[string]*storage.Client{"demarc": storage.WebClient("demarc", "secret", site.URL+callbackPath)}
	providing = exampleop.SetupServer(idpURL, withGroups{storage.NewStorageWithClients(storage.NewUserStore(idpURL), clients)}, slog.New(slog.DiscardHandler), false, op.WithAllowInsecure())
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{URL: site.URL, Provider: Provider{Issuer: idpURL, ClientID: "demarc", Secret: secret}, Grants: grants}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	m = &memory{tokens: map[string]demarc.Token{}}
	gate = NewGate(c, m, slog.New(slog.DiscardHandler))
	handler = gate.Handler(whoami)
	return site, m, gate
}

// browser is a client with cookies that asks for pages.
type browser struct {
	t *testing.T
	http.Client
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, http.Client{Jar: jar}}
}

func (b *browser) do(method, address string, form url.Values, headers ...string) (response *http.Response, body string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	response, err = b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return response, string(text)
}

var requestID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// login goes to a page and logs in on the way.
func (b *browser) login(page, user string) (response *http.Response, body string) {
	b.t.Helper()
	response, body = b.do("GET", page, nil)
	id := requestID.FindStringSubmatch(body)
	if id == nil {
		b.t.Fatalf("no form to log in at %s: %s", response.Request.URL, body)
	}
	form := url.Values{"id": {id[1]}, "username": {user}, "password": {"verysecure"}}
	return b.do("POST", response.Request.URL.Scheme+"://"+response.Request.URL.Host+"/login/username", form)
}

func TestPeopleLogInAtTheirProvider(t *testing.T) {
	site, _, gate := start(t, []GroupGrant{{Group: "cloud", Role: demarc.Viewer}, {Group: "payments-team", Role: demarc.Owner, Teams: []string{"payments"}}})
	b := newBrowser(t)
	response, body := b.login(site.URL+"/gaps?provider=aws", "test-user@localhost")
	if want := "test-user@zitadel.ch read=true declare=true payments=true administer=false"; body != want || response.Request.URL.RequestURI() != "/gaps?provider=aws" {
		t.Fatalf("at %s: %s, want %s", response.Request.URL, body, want)
	}
	site2, _ := url.Parse(site.URL)
	for _, c := range b.Jar.Cookies(site2) {
		if _, plain, _ := gate.sessions.Store.Find(c.Value); plain {
			t.Error("what is kept can be used as a cookie")
		}
	}
	if response, body := b.do("POST", site.URL+LogoutPath, url.Values{}, "Sec-Fetch-Site", "cross-site"); response.StatusCode != http.StatusForbidden {
		t.Errorf("another site logs somebody out: %d %s", response.StatusCode, body)
	}
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	// Back to the provider it must not lead: a browser lets no form of ours end elsewhere.
	if response, _ := b.do("POST", site.URL+LogoutPath, url.Values{}, "Sec-Fetch-Site", "same-origin"); response.StatusCode != http.StatusSeeOther || response.Header.Get("Location") != LogoutPath {
		t.Errorf("logging out: %d to %s", response.StatusCode, response.Header.Get("Location"))
	}
	if response, body := b.do("GET", site.URL+LogoutPath, nil); response.StatusCode != http.StatusOK || !strings.Contains(body, "You are logged out") {
		t.Errorf("after logging out: %d %s", response.StatusCode, body)
	}
	if response, _ := b.do("GET", site.URL+"/", nil); response.StatusCode != http.StatusSeeOther || !strings.HasPrefix(response.Header.Get("Location"), LoginPath) {
		t.Errorf("after logging out: %d to %s", response.StatusCode, response.Header.Get("Location"))
	}
}

func TestWhoIsInNoGroupMayDoNothing(t *testing.T) {
	site, _, _ := start(t, []GroupGrant{{Group: "cloud", Role: demarc.Admin}})
	_, body := newBrowser(t).login(site.URL+"/", "test-user2")
	if !strings.HasSuffix(body, "read=false declare=false payments=false administer=false") || strings.HasPrefix(body, " ") {
		t.Errorf("got %q", body)
	}
}

func TestAChangeOfTheGrantsCountsAtOnce(t *testing.T) {
	site, _, gate := start(t, []GroupGrant{{Group: "cloud", Role: demarc.Admin}})
	b := newBrowser(t)
	if _, body := b.login(site.URL+"/", "test-user@localhost"); !strings.Contains(body, "administer=true") {
		t.Fatal(body)
	}
	gate.config.Grants = []GroupGrant{{Group: "*", Role: demarc.Viewer}}
	if _, body := b.do("GET", site.URL+"/", nil); !strings.Contains(body, "read=true") || !strings.Contains(body, "administer=false") {
		t.Error(body)
	}
}

func TestAnAnswerToAnotherLoginIsRefused(t *testing.T) {
	site, _, _ := start(t, []GroupGrant{{Group: "*", Role: demarc.Viewer}})
	b := newBrowser(t)
	b.do("GET", site.URL+"/", nil) // begins a login
	for _, query := range []string{"?code=x&state=wrong", "?code=x", ""} {
		if response, _ := b.do("GET", site.URL+callbackPath+query, nil); response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", query, response.StatusCode)
		}
	}
}

func TestTheProviderMayBeAway(t *testing.T) {
	c := Config{URL: "http://localhost:1", Provider: Provider{Issuer: "http://localhost:1", ClientID: "demarc"}, Grants: []GroupGrant{{Group: "*", Role: demarc.Viewer}}}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	NewGate(c, &memory{}, slog.New(slog.DiscardHandler)).Handler(whoami).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", LoginPath, http.NoBody))
	if w.Code != http.StatusBadGateway {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestProgramsSendAToken(t *testing.T) {
	site, m, gate := start(t, []GroupGrant{{Group: "*", Role: demarc.Viewer}})
	now := time.Now()
	m.tokens[demarc.TokenHash("good")] = demarc.Token{ID: "t1", Name: "export", Grant: demarc.Grant{Role: demarc.Viewer}, Expires: now.Add(time.Hour)}
	m.tokens[demarc.TokenHash("late")] = demarc.Token{ID: "t2", Grant: demarc.Grant{Role: demarc.Admin}, Expires: now.Add(-time.Second)}
	m.tokens[demarc.TokenHash("revoked")] = demarc.Token{ID: "t3", Grant: demarc.Grant{Role: demarc.Admin}, Expires: now.Add(time.Hour), Revoked: now}
	b := newBrowser(t)
	for header, status := range map[string]int{"Bearer good": 200, "bearer good": 200, "Bearer late": 401, "Bearer revoked": 401, "Bearer wrong": 401, "Bearer ": 401, "Basic Z29vZDo=": 401} {
		response, body := b.do("GET", site.URL+"/api/v1/overview", nil, "Authorization", header)
		if response.StatusCode != status || status == 200 && body != "token t1 (export) read=true declare=false payments=false administer=false" {
			t.Errorf("%s: %d %s, want %d", header, response.StatusCode, body, status)
		}
		if status == 401 && response.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: does not say how", header)
		}
	}
	if len(m.used) == 0 || m.used[0] != "t1" {
		t.Errorf("used: %v", m.used)
	}
	// Whoever guesses has to wait; whoever knows is not slowed down by their own successes.
	for range failuresAtOnce {
		b.do("GET", site.URL+"/api/v1/overview", nil, "Authorization", "Bearer guess")
	}
	response, _ := b.do("GET", site.URL+"/api/v1/overview", nil, "Authorization", "Bearer guess")
	if response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") == "" {
		t.Errorf("after %d guesses: %d", failuresAtOnce, response.StatusCode)
	}
	gate.slow.now = func() time.Time { return time.Now().Add(failureEvery + time.Second) }
	if response, _ := b.do("GET", site.URL+"/api/v1/overview", nil, "Authorization", "Bearer good"); response.StatusCode != http.StatusOK {
		t.Errorf("after waiting: %d", response.StatusCode)
	}
}

func TestLoginsThatAreOnlyBegunMakeRoomForSessions(t *testing.T) {
	s := newSessions()
	now := time.Now()
	s.now = func() time.Time { return now }
	put := func(key string, end time.Duration) {
		if err := s.Commit(key, []byte(key), now.Add(end)); err != nil {
			t.Fatal(err)
		}
	}
	put("ada", 24*time.Hour)
	for i := range maxSessions + 10 {
		put(fmt.Sprint(i), beginLife)
	}
	if _, ok, _ := s.Find("ada"); !ok || len(s.of) > maxSessions {
		t.Errorf("found %t, %d kept", ok, len(s.of))
	}
	now = now.Add(beginLife)
	put("late", time.Hour)
	if len(s.of) != 2 {
		t.Errorf("%d kept after the begun have ended", len(s.of))
	}
	if _, ok, _ := s.Find("late"); !ok {
		t.Error("a new session is not kept")
	}
	if err := s.Delete("ada"); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := s.Find("ada"); ok {
		t.Error("a deleted session is found")
	}
}

func TestNobodyIsLetThroughAsNobody(t *testing.T) {
	site, _, _ := start(t, []GroupGrant{{Group: "*", Role: demarc.Viewer}})
	if response, body := newBrowser(t).do("GET", site.URL+"/api/v1/overview", nil); response.StatusCode != http.StatusOK || !strings.HasPrefix(body, " read=false") {
		t.Errorf("%d %q", response.StatusCode, body)
	}
}

func TestLocalServesThisMachineAlone(t *testing.T) {
	h := Local("ada", whoami)
	for _, tt := range []struct {
		remote, host, site string
		method             string
		status             int
	}{
		{"127.0.0.1:4711", "localhost:8080", "", "GET", 200},
		{"[::1]:4711", "[::1]:8080", "", "GET", 200},
		{"127.0.0.1:4711", "127.0.0.1:8080", "same-origin", "POST", 200},
		{"127.0.0.1:4711", "evil.example:8080", "", "GET", 421}, // a name of another site that points here
		{"192.0.2.7:4711", "localhost:8080", "", "GET", 421},
		{"127.0.0.1:4711", "localhost:8080", "cross-site", "POST", 403},
	} {
		r := httptest.NewRequestWithContext(t.Context(), tt.method, "/", http.NoBody)
		r.RemoteAddr, r.Host = tt.remote, tt.host
		if tt.site != "" {
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status || w.Code == 200 && !strings.HasPrefix(w.Body.String(), "ada read=true") {
			t.Errorf("%+v: %d %s", tt, w.Code, w.Body)
		}
	}
}

func TestALoginLeadsNowhereElse(t *testing.T) {
	for to, want := range map[string]string{
		"/gaps?provider=aws": "/gaps?provider=aws", "": "/", "//evil.example": "/", "https://evil.example": "/", `/\evil.example`: "/", "gaps": "/", "/login": "/", "/\r\nx": "/",
	} {
		if got := localPath(to); got != want {
			t.Errorf("localPath(%q) = %q, want %q", to, got, want)
		}
	}
}

func TestTrustedProxiesSayForWhomTheyAsk(t *testing.T) {
	c := Config{URL: "https://demarc.example", Proxies: []string{"10.0.0.0/8", "192.0.2.1"}}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	g := &Gate{config: c}
	for _, tt := range []struct{ remote, forwarded, want string }{
		{"10.1.2.3:1", "203.0.113.9", "203.0.113.9"},
		{"10.1.2.3:1", "198.51.100.1, 203.0.113.9", "203.0.113.9"}, // what stands before the last that is trusted may be made up
		{"10.1.2.3:1", "203.0.113.9, 192.0.2.1", "203.0.113.9"},
		{"203.0.113.9:1", "198.51.100.1", "203.0.113.9"}, // nobody that we trust
		{"10.1.2.3:1", "", "10.1.2.3"},
		{"10.1.2.3:1", "nonsense", "10.1.2.3"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", http.NoBody)
		r.RemoteAddr = tt.remote
		r.Header.Set("X-Forwarded-For", tt.forwarded)
		if got := g.from(r); got != netip.MustParseAddr(tt.want) {
			t.Errorf("%s for %q: %s, want %s", tt.remote, tt.forwarded, got, tt.want)
		}
	}
}

func TestAllMistakesOfTheConfigurationAreTold(t *testing.T) {
	c := Config{
		URL: "http://demarc.example", Idle: "1s", Proxies: []string{"ten"},
		Provider: Provider{Issuer: "http://idp.example", Secret: "/nowhere/secret"},
		Grants:   []GroupGrant{{Group: "a", Role: "king"}, {Role: demarc.Viewer}},
	}
	err := c.Finish()
	for _, want := range []string{"plain text", "session_idle", "proxies", "oidc.issuer", "oidc.client_id", "client_secret_file", `role "king"`, "expected a group"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
}
