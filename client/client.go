// Package client asks a demarc server over its API, and has the shapes in which the API answers.
//
//	c, err := client.New("https://demarc.northwind.example", os.Getenv("DEMARC_TOKEN"))
//	...
//	f := demarc.Filter{Providers: []string{"aws"}, Gaps: []demarc.Gap{demarc.GapFailing}}
//	for finding, err := range c.Findings(ctx, demarc.At{}, f, demarc.FindingsOpen) {
//		...
//	}
//
// Lists are fetched page by page as they are gone through. What the server refuses is a *Problem.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/demarc/demarc"
)

// Client asks one server. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
}

// maxAnswer is the size of the largest answer that is read, in bytes. A stream has no limit.
const maxAnswer = 64 << 20

// New returns a Client of the server at an address, such as "https://demarc.northwind.example". The token may be empty for
// a server on this machine that asks for none.
func New(address, token string) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("server %q: expected an address, as https://demarc.example", address)
	}
	return &Client{base: base.JoinPath("/api/v1"), token: token, http: &http.Client{}}, nil
}

// With returns a Client that sends its requests by h, for a proxy, a certificate or a timeout of one's own.
func (c *Client) With(h *http.Client) *Client {
	d := *c
	d.http = h
	return &d
}

// Problem is what the server says of a request that it refused (RFC 9457).
type Problem struct { //nolint:errname // the RFC's own word
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`
}

func (p *Problem) Error() string {
	parts := []string{p.Detail}
	for _, e := range p.Errors {
		parts = append(parts, strings.TrimPrefix(e.Location+": "+e.Message, ": "))
	}
	return fmt.Sprintf("%d %s: %s", p.Status, p.Title, strings.Join(parts, "; "))
}

// Is reports whether p says that there is no such thing, for errors.Is(err, demarc.ErrNotFound).
func (p *Problem) Is(target error) bool {
	return target == demarc.ErrNotFound && p.Status == http.StatusNotFound
}

// Organizations returns whose history the server has.
func (c *Client) Organizations(ctx context.Context) ([]demarc.Organization, error) {
	return list[demarc.Organization](ctx, c, "organizations", nil)
}

// Scans goes through the scans of an organization, newest first.
func (c *Client) Scans(ctx context.Context, organization string) iter.Seq2[demarc.Scan, error] {
	return pages[demarc.Scan](ctx, c, "scans", at(demarc.At{Organization: organization}, demarc.Filter{}))
}

// Overview returns what an estate, or what a filter leaves of it, comes to.
func (c *Client) Overview(ctx context.Context, where demarc.At, f demarc.Filter) (demarc.Overview, error) {
	var out demarc.Overview
	return out, c.get(ctx, "overview", at(where, f), &out)
}

// Groups returns counts by a dimension, most resources first.
func (c *Client) Groups(ctx context.Context, where demarc.At, f demarc.Filter, by demarc.Dimension) ([]demarc.Group, error) {
	return list[demarc.Group](ctx, c, "groups", at(where, f, "by", string(by)))
}

// Line returns who holds each duty, and whether it is done, by columns of a dimension.
func (c *Client) Line(ctx context.Context, where demarc.At, f demarc.Filter, by demarc.Dimension, columns int) (demarc.Line, error) {
	var out demarc.Line
	return out, c.get(ctx, "line", at(where, f, "by", string(by), "columns", strconv.Itoa(columns)), &out)
}

// Trend returns what a filter came to at each scan of a period, oldest first.
func (c *Client) Trend(ctx context.Context, where demarc.At, f demarc.Filter, period demarc.Period) ([]demarc.TrendPoint, error) {
	return list[demarc.TrendPoint](ctx, c, "trend", during(at(where, f), period))
}

// Resources goes through the resources that match a filter.
func (c *Client) Resources(ctx context.Context, where demarc.At, f demarc.Filter, order demarc.Order) iter.Seq2[demarc.StoredResource, error] {
	return pages[demarc.StoredResource](ctx, c, "resources", at(where, f, "order", string(order)))
}

// Resource returns everything that is known of one resource.
func (c *Client) Resource(ctx context.Context, where demarc.At, id demarc.ResourceID) (Answer, error) {
	var out Answer
	return out, c.get(ctx, "resource", at(where, demarc.Filter{}, "id", string(id)), &out)
}

// Versions returns how a resource became what it is, newest first.
func (c *Client) Versions(ctx context.Context, organization string, id demarc.ResourceID) ([]demarc.Version, error) {
	return list[demarc.Version](ctx, c, "resource/versions", at(demarc.At{Organization: organization}, demarc.Filter{}, "id", string(id)))
}

// WhatIf returns what another value of a setting would change of a resource.
func (c *Client) WhatIf(ctx context.Context, where demarc.At, id demarc.ResourceID, setting, value string) (WhatIf, error) {
	var out WhatIf
	return out, c.get(ctx, "what-if", at(where, demarc.Filter{}, "id", string(id), "set", setting, "to", value), &out)
}

// Findings goes through the gaps of some status, worst first.
func (c *Client) Findings(ctx context.Context, where demarc.At, f demarc.Filter, status demarc.FindingStatus) iter.Seq2[demarc.Finding, error] {
	return pages[demarc.Finding](ctx, c, "findings", at(where, f, "status", string(status)))
}

// FindingGroups returns the gaps of one kind together, worst first.
func (c *Client) FindingGroups(ctx context.Context, where demarc.At, f demarc.Filter) ([]demarc.FindingGroup, error) {
	return list[demarc.FindingGroup](ctx, c, "findings/groups", at(where, f))
}

// BlindSpots returns the settings that could not be read, those that hide most first.
func (c *Client) BlindSpots(ctx context.Context, where demarc.At, f demarc.Filter) ([]demarc.BlindSpot, error) {
	return list[demarc.BlindSpot](ctx, c, "blind-spots", at(where, f))
}

// Moves goes through the duties that changed hands in a period, newest first.
func (c *Client) Moves(ctx context.Context, organization string, f demarc.Filter, period demarc.Period) iter.Seq2[demarc.Move, error] {
	return pages[demarc.Move](ctx, c, "moves", during(at(demarc.At{Organization: organization}, f), period))
}

// MoveGroups returns the moves for one reason together, those to the organization first.
func (c *Client) MoveGroups(ctx context.Context, organization string, f demarc.Filter, period demarc.Period) ([]demarc.MoveGroup, error) {
	return list[demarc.MoveGroup](ctx, c, "moves/groups", during(at(demarc.At{Organization: organization}, f), period))
}

// Services returns the services of the catalog, by words of id, title and archetype, by providers and by models of a filter.
func (c *Client) Services(ctx context.Context, f demarc.Filter) ([]ServiceEntry, error) {
	return list[ServiceEntry](ctx, c, "catalog/services", f.Values())
}

// Service returns everything that the catalog knows of a service.
func (c *Client) Service(ctx context.Context, id demarc.ServiceID) (Service, error) {
	var out Service
	return out, c.get(ctx, "catalog/service", url.Values{"id": {string(id)}}, &out)
}

// Frameworks returns the duties by the controls of frameworks.
func (c *Client) Frameworks(ctx context.Context) ([]Framework, error) {
	return list[Framework](ctx, c, "frameworks", nil)
}

// Framework returns how the duties of each control of a framework stand.
func (c *Client) Framework(ctx context.Context, where demarc.At, f demarc.Filter, id string) (FrameworkStanding, error) {
	var out FrameworkStanding
	return out, c.get(ctx, "frameworks/"+url.PathEscape(id), at(where, f), &out)
}

// Estate returns what the organization had declared in demarc.yaml when a scan was made.
func (c *Client) Estate(ctx context.Context, where demarc.At) (demarc.Declared, error) {
	var out demarc.Declared
	return out, c.get(ctx, "estate", at(where, demarc.Filter{}), &out)
}

// Audit goes through every change that somebody made, newest first.
func (c *Client) Audit(ctx context.Context, organization string) iter.Seq2[demarc.AuditEntry, error] {
	return pages[demarc.AuditEntry](ctx, c, "audit", at(demarc.At{Organization: organization}, demarc.Filter{}))
}

// Declarations returns what people have declared, newest first.
func (c *Client) Declarations(ctx context.Context, organization string) ([]Declaration, error) {
	return list[Declaration](ctx, c, "declarations", at(demarc.At{Organization: organization}, demarc.Filter{}))
}

// Declare accepts, attests or excepts.
func (c *Client) Declare(ctx context.Context, organization string, d NewDeclaration) (Declaration, error) {
	var out Declaration
	return out, c.do(ctx, http.MethodPost, "declarations", at(demarc.At{Organization: organization}, demarc.Filter{}), d, &out)
}

// Withdraw takes a declaration back.
func (c *Client) Withdraw(ctx context.Context, organization, id string) error {
	return c.do(ctx, http.MethodDelete, "declarations/"+url.PathEscape(id), at(demarc.At{Organization: organization}, demarc.Filter{}), nil, nil)
}

// Me returns who the server takes us for.
func (c *Client) Me(ctx context.Context) (Me, error) {
	var out Me
	return out, c.get(ctx, "me", nil, &out)
}

// Export writes all answers that match a filter, in the machine contract (NDJSON).
func (c *Client) Export(ctx context.Context, w io.Writer, where demarc.At, f demarc.Filter) error {
	response, err := c.send(ctx, http.MethodGet, "answers", at(where, f), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(w, response.Body); err != nil {
		return fmt.Errorf("read answers: %w", err)
	}
	return nil
}

// at is a place in a history, a filter, and pairs of keys and values, as a query.
func at(where demarc.At, f demarc.Filter, pairs ...string) url.Values {
	q := f.Values()
	if where.Organization != "" {
		q.Set("org", where.Organization)
	}
	if where.Scan != 0 {
		q.Set("scan", strconv.FormatInt(int64(where.Scan), 10))
	}
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			q.Set(pair[0], pair[1])
		}
	}
	return q
}

// during adds a period to a query.
func during(q url.Values, period demarc.Period) url.Values {
	for key, t := range map[string]time.Time{"since": period.Since, "until": period.Until} {
		if !t.IsZero() {
			q.Set(key, t.Format(time.RFC3339Nano))
		}
	}
	return q
}

// list fetches a whole list.
func list[T any](ctx context.Context, c *Client, path string, q url.Values) ([]T, error) {
	var out struct {
		Items []T `json:"items"`
	}
	err := c.get(ctx, path, q, &out)
	return out.Items, err
}

// pages goes through a list, a page at a time.
func pages[T any](ctx context.Context, c *Client, path string, q url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			var page demarc.Paged[T]
			if err := c.get(ctx, path, q, &page); err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			q.Set("after", string(page.Next))
		}
	}
}

func (c *Client) get(ctx context.Context, path string, q url.Values, out any) error {
	return c.do(ctx, http.MethodGet, path, q, nil, out)
}

func (c *Client) do(ctx context.Context, method, path string, q url.Values, in, out any) error {
	response, err := c.send(ctx, method, path, q, in)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if out == nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = fmt.Errorf("more than %d bytes", maxAnswer)
	}
	if err == nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// send returns an answer that is no refusal; its body is the caller's to close.
func (c *Client) send(ctx context.Context, method, path string, q url.Values, in any) (*http.Response, error) {
	address := *c.base
	address.RawPath = address.EscapedPath() + "/" + path
	var err error
	if address.Path, err = url.PathUnescape(address.RawPath); err != nil {
		return nil, err
	}
	address.RawQuery = q.Encode()
	var body io.Reader = http.NoBody
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, address.String(), body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	problem := &Problem{}
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil || json.Unmarshal(text, problem) != nil || problem.Status == 0 {
		problem.Title, problem.Detail = http.StatusText(response.StatusCode), "the server does not say why"
	}
	problem.Status = response.StatusCode
	return nil, fmt.Errorf("%s %s: %w", method, path, problem)
}
