// Package web shows a store of answers as pages.
//
// It is the frame and the words that all pages share: routes, the person who asks, filters, layout, colours, charts.
// Each page is a package below this one, which says in an interface of one to three methods what it reads; package cli
// brings pages and store together. Pages are HTML that is complete without a script.
//
// A page has one stable address. What it shows is in the query string, in the grammar of demarc.Filter, together with
// "org" (the organization, where a store has several) and "scan" (a scan, where it is not the latest).
//
// # Who may do what
//
// Every route says which demarc.Right it needs. Who asks is a demarc.Actor in the context of the request, put there by whatever
// stands in front of the Site: package auth puts a LocalActor there when demarc serves one person on a loopback address. A
// request without one may do nothing. Changes are POST requests of forms, and those of other sites are refused.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/demarc/demarc"
)

// History is what every page needs to know: of whom there is a history, and how far it goes.
type History interface {
	Organizations(ctx context.Context) ([]demarc.Organization, error)
	Scan(ctx context.Context, at demarc.At) (demarc.Scan, error)
	Scans(ctx context.Context, organization string, page demarc.Page) (demarc.Paged[demarc.Scan], error)
}

// Words are the names by which the catalog and the estate call things. A word that they do not have is "".
type Words interface {
	Layer(id demarc.Layer) string
	Duty(id demarc.DutyID) (title, about string)
	Service(id demarc.ServiceID) string
	Provider(id string) string
	Check(id string) string // "Database is not reachable from the internet"
}

// Config is what a Site is made of.
type Config struct {
	History History
	Words   Words
	Log     *slog.Logger
	Version string
	Now     func() time.Time // nil: time.Now
	// Mark returns a text that is another after anything was recorded for an organization: as long as it is the same, pages that
	// were made are kept and shown again. nil: none is.
	Mark func(ctx context.Context, organization string) (string, error)
	// Seen is told of every request that was answered, nil for nobody.
	Seen    func(r *http.Request, status int, took time.Duration)
	Example bool   // what is shown is not the reader's own, and every page says so
	Logout  string // where a form that ends the session of who asks is sent to; "" where there are no sessions
}

// Page is a page, or several that belong together.
type Page interface {
	Routes() []Route
}

// Route is one address.
type Route struct {
	Pattern string // as of http.ServeMux: "GET /line"
	Needs   demarc.Right
	Takes   []string // keys of a filter; nil for every one
	Keys    []string // of the query string, besides those of a filter, org and scan
	Serve   Handler
	Empty   bool // it has something to say where nothing was ever scanned
	// Personal says that it depends on who asks by more than what they may do for all.
	Personal bool
}

// Handler answers a request. Its errors become error pages: demarc.ErrNotFound, MistakeError and ErrForbidden say what they
// are, anything else is ours.
type Handler func(r *Request) (Response, error)

// Response is a View, a Download or a Redirect.
type Response interface {
	respond(w http.ResponseWriter, r *Request) error
}

// Site is all pages under one roof.
type Site struct {
	config  Config
	mux     *http.ServeMux
	routes  []Route
	handler http.Handler
	shelf   shelf
}

// New makes a Site of pages.
func New(c Config, pages ...Page) *Site {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Site{config: c, mux: http.NewServeMux()}
	// Changes that other sites ask for are refused.
	s.handler = Guard{Log: c.Log, MaxBody: maxForm, Seen: c.Seen}.Handler(http.NewCrossOriginProtection().Handler(s.mux))
	for _, p := range pages {
		for _, route := range p.Routes() {
			s.routes = append(s.routes, route)
			s.mux.Handle(route.Pattern, s.handle(route))
		}
	}
	s.mux.HandleFunc("GET "+assetPrefix, serveAsset)
	s.mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, Asset("icon.svg"), http.StatusMovedPermanently)
	})
	s.mux.Handle("/", s.handle(Route{Needs: demarc.RightRead, Empty: true, Serve: func(*Request) (Response, error) { return nil, demarc.ErrNotFound }}))
	return s
}

// Routes lists every route of the pages.
func (s *Site) Routes() []Route { return s.routes }

// ServeHTTP answers a request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.handler.ServeHTTP(w, r)
}

// patience is how long a page may take to make.
const patience = 30 * time.Second

func (s *Site) handle(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r := &Request{Request: hr, site: s, Actor: demarc.ActorOf(hr.Context()), route: &route}
		if err := s.serve(w, r, route); err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *Site) serve(w http.ResponseWriter, r *Request, route Route) error {
	if !r.Actor.May(route.Needs, "") {
		return ErrForbidden
	}
	if to, ok := tidy(r.Request); ok {
		return Redirect{To: to}.respond(w, r)
	}
	if err := r.locate(); err != nil {
		return err
	}
	if r.Nothing && !route.Empty {
		return View{Title: "Nothing here yet", Template: emptyPage}.respond(w, r)
	}
	whole := r.Request
	ctx, cancel := context.WithTimeout(whole.Context(), patience)
	defer cancel()
	r.Request = whole.WithContext(ctx)
	defer func() { r.Request = whole }() // the page that says what went wrong has time of its own
	key, err := s.shelved(r, &route)
	if err != nil {
		return err
	}
	if key != "" {
		if m := s.shelf.take(key, r.minute()); m != nil {
			m.send(w, r)
			return nil
		}
	}
	answer, err := route.Serve(r)
	if err != nil {
		return err
	}
	if view, is := answer.(View); is && key != "" {
		m, err := view.make(r)
		if err != nil {
			return err
		}
		s.shelf.keep(key, m)
		m.send(w, r)
		return nil
	}
	if _, long := answer.(Download); long {
		r.Request = whole // as long as somebody takes what is written
	}
	return answer.respond(w, r)
}

// ErrForbidden says that the actor may not do what was asked for.
var ErrForbidden = errors.New("not allowed")

// MistakeError is a mistake of the person who asks. Its text is shown to them.
type MistakeError struct{ Err error }

func (e MistakeError) Error() string { return e.Err.Error() }
func (e MistakeError) Unwrap() error { return e.Err }

// Mistake makes a MistakeError.
func Mistake(format string, args ...any) error { return MistakeError{fmt.Errorf(format, args...)} }

// failure is what an error looks like from outside.
type failure struct {
	Status        int
	Title, Detail string
	ID            string
	Again         string // where to begin anew; "" for the overview
}

// fail answers with the page of an error. What went wrong inside goes to the log, and a calm sentence to the reader.
func (s *Site) fail(w http.ResponseWriter, r *Request, err error) {
	var f failure
	var mistake MistakeError
	switch {
	case errors.As(err, &mistake):
		f = failure{Status: http.StatusBadRequest, Title: "That address does not work", Detail: mistake.Error()}
		if r.Method == http.MethodPost {
			f.Title = "That cannot be recorded"
		} else if r.URL.RawQuery != "" {
			f.Again = r.URL.Path
		}
	case errors.Is(err, demarc.ErrNotFound):
		f = failure{Status: http.StatusNotFound, Title: "Not found", Detail: "There is nothing at this address. It may belong to an older scan, or the resource may be gone."}
	case errors.Is(err, ErrForbidden):
		f = failure{Status: http.StatusForbidden, Title: "Not allowed", Detail: "You may not see or do this here."}
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		return // nobody is waiting
	case errors.Is(err, context.DeadlineExceeded):
		f = failure{Status: http.StatusServiceUnavailable, Title: "That took too long", Detail: "The answer was not ready in time. A narrower filter may help."}
	default:
		f = failure{Status: http.StatusInternalServerError, Title: "Something went wrong here", Detail: "The cause is in the server's log, under the number below."}
	}
	f.ID = requestID(r.Context())
	if f.Status >= http.StatusInternalServerError {
		r.Scan = demarc.Scan{} // its page asks the store nothing more
		s.config.Log.ErrorContext(r.Context(), "page failed", "request_id", f.ID, "path", r.URL.Path, "error", err)
	}
	s.show(w, r, f)
}

func (s *Site) show(w http.ResponseWriter, r *Request, f failure) {
	view := View{Title: f.Title, Template: errorPage, Data: f, status: f.Status}
	if err := view.respond(w, r); err != nil {
		s.config.Log.ErrorContext(r.Context(), "error page failed", "request_id", f.ID, "error", err)
		http.Error(w, f.Title+": "+f.Detail, f.Status)
	}
}

// Tell answers with a page that says something, for whoever stands in front of the Site.
func (s *Site) Tell(w http.ResponseWriter, r *http.Request, status int, title, detail string) {
	protect(w.Header())
	s.show(w, &Request{Request: r, site: s, Actor: demarc.ActorOf(r.Context())}, failure{Status: status, Title: title, Detail: detail, ID: requestID(r.Context())})
}

// Download is a file.
type Download struct {
	Name  string // "gaps.csv"
	Type  string // "text/csv; charset=utf-8"
	Write func(ctx context.Context, w io.Writer) error
}

func (d Download) respond(w http.ResponseWriter, r *Request) error {
	h := w.Header()
	h.Set("Content-Type", d.Type)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", d.Name))
	h.Set("Cache-Control", "no-store")
	out := &patientWriter{w: w, control: http.NewResponseController(w)}
	if err := d.Write(r.Context(), out); err != nil {
		if out.written == 0 {
			h.Del("Content-Disposition")
			return err
		}
		r.site.config.Log.ErrorContext(r.Context(), "download failed", "request_id", requestID(r.Context()), "path", r.URL.Path, "error", err)
		panic(http.ErrAbortHandler) // the reader must see that it is cut short
	}
	return nil
}

// patientWriter gives each piece of a long answer the time that a whole page has.
type patientWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	written int
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := p.w.Write(b)
	p.written += n
	return n, err
}

// Redirect sends the reader elsewhere on this site.
type Redirect struct{ To string }

func (d Redirect) respond(w http.ResponseWriter, r *Request) error {
	http.Redirect(w, r.Request, d.To, http.StatusSeeOther)
	return nil
}
