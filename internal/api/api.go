// Package api gives a store of answers to programs, as JSON over HTTP under /api/v1.
//
// It speaks the words of package demarc: what a request filters by is a demarc.Filter in the query string, the same keys
// that the command line and the pages take, with "org" for an organization and "scan" for a scan that is not the
// latest. Lists come in pages: "next" of one is "after" of the following, and so is the Link header. Mistakes are problem
// documents (RFC 9457). Every answer to a GET has an ETag, and If-None-Match spares what is known. OpenAPI 3.1 is made from
// the same types and lies at /api/v1/openapi.json.
//
// Who asks is the demarc.Actor in the context of the request; each operation says which right it needs.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/demarc/demarc"
)

// Root is the path that every operation lies below.
const Root = "/api/v1"

// maxBody is the size of the largest body that is read, in bytes.
const maxBody = 256 << 10

// Config is what the API stands on.
type Config struct {
	History   History
	Resources Resources
	Findings  Findings
	Declared  Declarations
	Audit     Audit
	Tokens    Tokens  // nil where no tokens are kept
	Catalog   Catalog // what demarc knows of services
	Encode    Encode  // writes answers in the machine contract
	Version   string
	Log       *slog.Logger
	Now       func() time.Time // nil: time.Now
}

// API is the operations under Root.
type API struct {
	config  Config
	huma    huma.API
	handler http.Handler
	needs   map[string]demarc.Right // by method and path
	// filtered has the operations that take a filter.
	filtered map[string]bool
}

// New makes the API.
func New(c Config) *API {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	config := huma.DefaultConfig("demarc", c.Version)
	config.Info.Description = "Who holds each security duty of each resource, on what ground, and whether it is done."
	config.OpenAPIPath = Root + "/openapi"
	config.DocsPath, config.SchemasPath = "", "" // a page of documentation would load scripts of others
	config.CreateHooks = nil
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "A token that an administrator made."},
		"session": {Type: "apiKey", In: "cookie", Name: "demarc_session", Description: "The session of somebody who is logged in to the pages."},
	}
	config.Security = []map[string][]string{{"token": {}}, {"session": {}}}
	knowTypes(config.Components.Schemas)
	a := &API{config: c, huma: humago.New(mux, config), needs: map[string]demarc.Right{}, filtered: map[string]bool{}}
	a.registerHistory()
	a.registerResources()
	a.registerFindings()
	a.registerDeclarations()
	a.registerCatalog()
	a.registerAccess()
	a.nameFilters()
	mux.HandleFunc(Root+"/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path)
	})
	a.handler = tagged(mux)
	return a
}

// ServeHTTP answers a request to a path below Root.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// OpenAPI returns the description of the API.
func (a *API) OpenAPI() *huma.OpenAPI { return a.huma.OpenAPI() }

// Needs returns the right that each operation asks for, by method and path: "GET /api/v1/overview".
func (a *API) Needs() map[string]demarc.Right { return a.needs }

// about is what is said of an operation.
type about struct {
	id      string // "list-resources"
	tag     string
	summary string
	needs   demarc.Right
	status  int // 0: 200
}

// handle adds an operation. What it is not allowed to do is refused before its input is looked at.
func handle[I, O any](a *API, method, path string, about about, serve func(context.Context, *I) (*O, error)) {
	path = Root + path
	a.needs[method+" "+path] = about.needs
	if in, ok := reflect.TypeFor[I]().FieldByName("Place"); ok && in.Anonymous {
		a.filtered[about.id] = true
	}
	op := huma.Operation{
		OperationID: about.id, Method: method, Path: path, Summary: about.summary, Tags: []string{about.tag}, DefaultStatus: about.status, MaxBodyBytes: maxBody,
		Errors: []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity},
		Middlewares: huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
			actor := demarc.ActorOf(ctx.Context())
			switch {
			case actor.May(about.needs, ""):
				if key := unknownKey(ctx); key != "" {
					_ = huma.WriteErr(a.huma, ctx, http.StatusUnprocessableEntity, fmt.Sprintf("unknown query parameter %q", key)) // the reader has gone
					return
				}
				next(ctx)
			case actor.Name() == "":
				ctx.SetHeader("WWW-Authenticate", `Bearer realm="demarc"`)
				_ = huma.WriteErr(a.huma, ctx, http.StatusUnauthorized, "say who you are: a token as \"Authorization: Bearer ...\"") // the reader has gone
			default:
				_ = huma.WriteErr(a.huma, ctx, http.StatusForbidden, actor.Name()+" may not "+string(about.needs)) // the reader has gone
			}
		}},
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := serve(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, about.id, err)
		}
		return out, nil
	})
}

// unknownKey returns a key of the query string that the operation does not take, "" for none: what has no effect must not
// look as if it had one.
func unknownKey(ctx huma.Context) string {
	url := ctx.URL()
	for _, key := range slices.Sorted(maps.Keys(url.Query())) {
		if !slices.ContainsFunc(ctx.Operation().Parameters, func(p *huma.Param) bool { return p.In == "query" && p.Name == key }) {
			return key
		}
	}
	return ""
}

// invalid is a mistake in what was asked for.
type invalid struct{ error }

// forbidden is something that this actor may not do.
type forbidden struct{ error }

// problem is the table from kinds of errors to statuses. What is not in it is our own: the detail goes to the log.
func (a *API) problem(ctx context.Context, operation string, err error) error {
	var status huma.StatusError
	var mistake invalid
	var refused forbidden
	switch {
	case errors.As(err, &status):
		return status
	case errors.As(err, &mistake):
		return huma.Error422UnprocessableEntity(mistake.Error())
	case errors.As(err, &refused):
		return huma.Error403Forbidden(refused.Error())
	case errors.Is(err, demarc.ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case ctx.Err() != nil:
		return huma.NewError(http.StatusServiceUnavailable, "the request was given up")
	default:
		a.config.Log.ErrorContext(ctx, "request failed", "operation", operation, "error", err)
		return huma.Error500InternalServerError("something went wrong here; the log of the server says what")
	}
}
