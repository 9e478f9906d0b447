package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/client"
	"github.com/demarc/demarc/internal/api"
	"github.com/demarc/demarc/internal/auth"
	"github.com/demarc/demarc/internal/report/ndjson"
	"github.com/demarc/demarc/internal/store"
	"github.com/demarc/demarc/internal/strictyaml"
	"github.com/demarc/demarc/internal/web"
	"github.com/demarc/demarc/internal/web/resources"
)

// accessFlags say to whom, and how, a store is served.
type accessFlags struct {
	address   string
	access    string
	cert, key string
}

// gate returns what stands between requests and the pages: the person at this machine, or whoever the file of --access
// lets in. Past loopback that file is needed, and so is TLS: our own, or of a proxy that it names.
func (a *app) gate(f *accessFlags, st *store.Store, next *server) (http.Handler, error) {
	host, _, err := net.SplitHostPort(f.address)
	if err != nil {
		return nil, fmt.Errorf("--listen %q: expected an address and a port, as 127.0.0.1:8377", f.address)
	}
	if (f.cert == "") != (f.key == "") {
		return nil, errors.New("--tls-cert and --tls-key go together")
	}
	local := isLoopback(host)
	if f.access == "" {
		if !local {
			return nil, fmt.Errorf("--listen %q: past this machine people have to show who they are; see --access", f.address)
		}
		return auth.Local(a.actor(), next), nil
	}
	c, err := readAccess(f.access)
	if err != nil {
		return nil, err
	}
	if !local && f.cert == "" && len(c.Proxies) == 0 {
		return nil, fmt.Errorf("--listen %q: what is said in plain text can be read on the way; name --tls-cert and --tls-key, or under proxies in %s what does TLS in front", f.address, f.access)
	}
	return next.behind(auth.NewGate(*c, st, a.log)), nil
}

// server is pages, API and what operators ask together.
type server struct {
	http.Handler
	site *web.Site
}

// behind puts a Gate in front of a server, which tells people in pages what it has to say.
func (s *server) behind(g *auth.Gate) http.Handler {
	g.Tell = s.site.Tell
	return g.Handler(s)
}

// readAccess reads the file of --access.
func readAccess(name string) (*auth.Config, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	c := &auth.Config{}
	if err := strictyaml.Decode(name, text, c); err != nil {
		return nil, err
	}
	if err := c.Finish(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// newServer makes a server; ready returns why operators should wait, and logout is where sessions are ended, "" where there are none.
func (a *app) newServer(st *store.Store, k *knowledge, example bool, logout string, ready func(context.Context) error) *server {
	operation := api.NewOperation(st, ready, a.log)
	programs := newPrograms(st, k, a.log)
	guard := web.Guard{Log: a.log, Seen: operation.Seen}
	mux := http.NewServeMux()
	operation.Routes(mux)
	mux.Handle(api.Root+"/", guard.Handler(programs))
	site := newSite(st, k, web.Config{Log: a.log, Seen: operation.Seen, Example: example, Logout: logout, Mark: mark(st)})
	mux.Handle("/", site)
	return &server{compressed(mux), site}
}

// mark returns by what to tell whether anything was recorded: every change is in the audit log, each entry with the hash of the
// one before it.
func mark(st *store.Store) func(ctx context.Context, organization string) (string, error) {
	return func(ctx context.Context, organization string) (string, error) {
		last, err := st.Audit(ctx, organization, demarc.Page{Limit: 1})
		if err != nil || len(last.Items) == 0 {
			return "", err
		}
		return last.Items[0].Hash, nil
	}
}

// newPrograms brings the API and what it reads together.
func newPrograms(st *store.Store, k *knowledge, log *slog.Logger) *api.API {
	return api.New(api.Config{
		History: st, Resources: st, Findings: st, Declared: st, Audit: st, Tokens: st, Catalog: offered{k}, Version: version(), Log: log,
		Encode: ndjson.Write,
	})
}

// offered is what the API says of the catalog.
type offered struct{ *knowledge }

// Entries lists the services that a filter asks for, by id.
func (o offered) Entries(f demarc.Filter) []client.ServiceEntry {
	var out []client.ServiceEntry
	for _, e := range o.Services() {
		if !e.Fits(f) {
			continue
		}
		out = append(out, client.ServiceEntry{ID: e.ID, Title: e.Title, Provider: e.Provider, Model: e.Model, Archetype: e.Archetype, LineCount: e.Lines, CheckCount: e.Checks})
	}
	return out
}

// Described describes a service, or returns demarc.ErrNotFound.
func (o offered) Described(id demarc.ServiceID) (client.Service, error) {
	s, err := o.Service(id)
	if err != nil {
		return client.Service{}, err
	}
	out := client.Service{
		ServiceEntry: client.ServiceEntry{ID: s.ID, Title: s.Title, Provider: s.Provider, Model: s.Model, Archetype: s.Archetype, LineCount: len(s.Lines), CheckCount: len(s.Checks)},
		About:        s.About, Types: []client.ServiceType{}, Duties: []client.ServiceDuty{}, Lines: []client.ServiceLine{}, Checks: []client.ServiceCheck{}, Facts: []client.ServiceFact{},
	}
	for _, t := range s.Types {
		out.Types = append(out.Types, client.ServiceType{Dialect: t.Dialect, Name: t.Name})
	}
	for _, d := range s.Duties {
		out.Duties = append(out.Duties, client.ServiceDuty{ID: d.ID, Holder: d.Holder, Parts: d.Parts, Why: d.Why, Movers: d.Movers, URL: d.URL, Section: d.Section})
	}
	for _, l := range s.Lines {
		out.Lines = append(out.Lines, client.ServiceLine{ID: l.ID, When: l.When, Because: l.Because, Moves: l.Moves, URL: l.URL, Section: l.Section})
	}
	more := o.Checks(id) // in the same order
	for i, c := range s.Checks {
		m := &more[i]
		out.Checks = append(out.Checks, client.ServiceCheck{
			ID: c.ID, Title: c.Title, Duty: c.Duty, Severity: c.Severity, Pass: c.Pass, Proves: c.Proves, Fix: c.Fix, CLI: m.CLI, Terraform: m.Terraform, URL: m.URL, Section: m.Section,
		})
	}
	settings := o.Settings(id)
	for _, f := range s.Facts {
		x := client.ServiceFact{Name: f.Name, Type: f.Type, About: f.About}
		if i := slices.IndexFunc(settings, func(s resources.Setting) bool { return s.Name == f.Name }); i >= 0 {
			x.Settable, x.Options, x.Lines = true, settings[i].Options, settings[i].Lines
		}
		out.Facts = append(out.Facts, x)
	}
	return out, nil
}

// Mapped lists the frameworks, with the duties of each control.
func (o offered) Mapped() []client.Framework {
	var out []client.Framework
	for _, f := range o.Frameworks() {
		out = append(out, client.Framework{ID: f.ID, Title: f.Title, Controls: f.Controls})
	}
	return out
}
