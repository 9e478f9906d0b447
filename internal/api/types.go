package api

import (
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/demarc/demarc"
)

// knowTypes tells how values are written whose Go type says something else.
func knowTypes(schemas huma.Registry) {
	text := reflect.TypeFor[string]()
	for _, t := range []reflect.Type{reflect.TypeFor[demarc.Severity](), reflect.TypeFor[demarc.Origin](), reflect.TypeFor[demarc.Role]()} {
		schemas.RegisterTypeAlias(t, text)
	}
	schemas.RegisterTypeAlias(reflect.TypeFor[demarc.Tags](), reflect.TypeFor[map[string]string]())
	schemas.RegisterTypeAlias(reflect.TypeFor[demarc.Value](), reflect.TypeFor[any]())
}

// Whose is the organization whose history a request is about.
type Whose struct {
	Organization string `query:"org" doc:"The organization; the one with the newest scan where none is named."`
}

// When is the scan that a request looks at.
type When struct {
	Scan int64 `query:"scan" minimum:"0" doc:"The number of the scan; 0 is the latest."`
}

// Place is where in which history a request looks, and with which filter.
type Place struct {
	Whose
	When
	filter demarc.Filter
}

// Resolve reads the filter from the query string.
func (p *Place) Resolve(ctx huma.Context) []error {
	url := ctx.URL()
	q := url.Query()
	maps.DeleteFunc(q, func(key string, _ []string) bool { return !isFilterKey(key) })
	var err error
	if p.filter, err = demarc.ParseFilter(q); err != nil {
		return []error{&huma.ErrorDetail{Location: "query", Message: err.Error()}}
	}
	return nil
}

func isFilterKey(name string) bool {
	return slices.ContainsFunc(demarc.FilterKeys, func(k demarc.FilterKey) bool { return k.Key == name })
}

// nameFilters adds the keys of a filter to the description of each operation that takes one.
func (a *API) nameFilters() {
	one := 1
	for _, item := range a.huma.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Delete} {
			if op == nil || !a.filtered[op.OperationID] {
				continue
			}
			for _, k := range demarc.FilterKeys {
				value := &huma.Schema{Type: huma.TypeString}
				for _, v := range k.Values {
					value.Enum = append(value.Enum, v)
				}
				schema := value
				if !k.Once {
					schema = &huma.Schema{Type: huma.TypeArray, Items: value, MinItems: &one}
				}
				op.Parameters = append(op.Parameters, &huma.Param{Name: k.Key, In: "query", Description: strings.ToUpper(k.About[:1]) + k.About[1:] + ".", Schema: schema})
			}
		}
	}
}

// Listed is which services of the catalog a request wants, as the page of the catalog filters them.
type Listed struct {
	Q        string   `query:"q" maxLength:"1000" doc:"Words in id, title or archetype."`
	Provider []string `query:"provider,explode" doc:"Cloud or platform."`
	Model    []string `query:"model,explode" doc:"Service model."`
	filter   demarc.Filter
}

// Resolve reads the filter from the query string.
func (l *Listed) Resolve(ctx huma.Context) []error {
	url := ctx.URL()
	var err error
	if l.filter, err = demarc.ParseFilter(url.Query()); err != nil {
		return []error{&huma.ErrorDetail{Location: "query", Message: err.Error()}}
	}
	return nil
}

// Paging is which part of a list a request wants.
type Paging struct {
	After string `query:"after" maxLength:"4096" doc:"Where the page before ended: its \"next\"."`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"How many items at most."`
}

func (p *Paging) page() demarc.Page {
	return demarc.Page{After: demarc.Cursor(p.After), Limit: p.Limit}
}

// one is an answer that is one thing.
type one[T any] struct {
	Body T
}

// all is an answer that is a whole list.
type all[T any] struct {
	Body struct {
		Items []T `json:"items"`
	}
}

func allOf[T any](items []T, err error) (*all[T], error) {
	if err != nil {
		return nil, err
	}
	out := &all[T]{}
	out.Body.Items = orEmpty(items)
	return out, nil
}

func orEmpty[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// paged is an answer that is a page of a list.
type paged[T any] struct {
	Link string `header:"Link"` // RFC 8288, rel="next"
	Body demarc.Paged[T]
}

// pageOf answers with a page of a list; at is the request's own address, from whose context it comes.
func pageOf[T any](at url.URL, p demarc.Paged[T], err error) (*paged[T], error) {
	if err != nil {
		return nil, err
	}
	p.Items = orEmpty(p.Items)
	out := &paged[T]{Body: p}
	if p.Next != "" {
		q := at.Query()
		q.Set("after", string(p.Next))
		out.Link = "<" + at.Path + "?" + q.Encode() + `>; rel="next"`
	}
	return out, nil
}

// Here is the address of a request, for the link to its next page.
type Here struct{ url url.URL }

// Resolve remembers the address.
func (h *Here) Resolve(ctx huma.Context) []error {
	h.url = ctx.URL()
	return nil
}

// writeProblem writes a problem document where no operation does.
func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = huma.DefaultJSONFormat.Marshal(w, &huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail}) // the reader has gone
}
