// Package declarations is where people change something: they accept duties, attest that they are done, except what fails
// for a time, and assign duties to teams. It is the only page that changes anything, and what it changes is a declaration in the store.
package declarations

import (
	"context"
	"embed"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// Book is where declarations are recorded.
type Book interface {
	Declarations(ctx context.Context, organization string) ([]demarc.Declaration, error)
	Declare(ctx context.Context, organization, actor string, d demarc.Declaration, now time.Time) (demarc.Declaration, error)
	Withdraw(ctx context.Context, organization, actor, id string, now time.Time) error
}

// Log is where every change is told.
type Log interface {
	Audit(ctx context.Context, organization string, page demarc.Page) (demarc.Paged[demarc.AuditEntry], error)
}

// Scope is what says how much a declaration is about.
type Scope interface {
	Resources(ctx context.Context, at demarc.At, filter demarc.Filter, order demarc.Order, page demarc.Page) (demarc.Paged[demarc.StoredResource], error)
	Groups(ctx context.Context, at demarc.At, filter demarc.Filter, by demarc.Dimension) ([]demarc.Group, error)
}

// Page is the declarations.
type Page struct {
	Book  Book
	Log   Log
	Scope Scope
}

//go:embed *.html
var files embed.FS

var (
	listPage  = web.Template(files, "list.html")
	formPage  = web.Template(files, "form.html")
	auditPage = web.Template(files, "audit.html")
)

// Routes are /declarations, its form, what records and withdraws, and the audit log.
func (p Page) Routes() []web.Route {
	return []web.Route{
		{Pattern: "GET /declarations", Needs: demarc.RightRead, Personal: true, Takes: []string{}, Keys: []string{"done", "show"}, Serve: p.list},
		{Pattern: "GET /declarations/new", Needs: demarc.RightDeclare, Keys: []string{"kind"}, Serve: p.form},
		{Pattern: "POST /declarations", Needs: demarc.RightDeclare, Takes: []string{}, Serve: p.declare},
		{Pattern: "POST /declarations/withdraw", Needs: demarc.RightDeclare, Takes: []string{}, Serve: p.withdraw},
		{Pattern: "GET /audit", Needs: demarc.RightAdminister, Takes: []string{}, Keys: []string{"after"}, Serve: p.audit},
		{Pattern: "GET /audit.json", Needs: demarc.RightAdminister, Takes: []string{}, Serve: p.auditJSON},
	}
}

type listData struct {
	List  []demarc.Declaration
	Tabs  []web.Tab
	Done  string
	Now   time.Time
	May   bool
	Audit bool
}

// InForce reports whether a declaration counts today.
func (d listData) InForce(x demarc.Declaration) bool { return x.InForce(d.Now) }

// Soon reports whether a declaration ends within two weeks.
func (d listData) Soon(x demarc.Declaration) bool {
	return x.InForce(d.Now) && !x.Until.IsZero() && x.Until.Before(d.Now.AddDate(0, 0, 14))
}

// Scope is which resources a declaration is about.
func (listData) Scope(x demarc.Declaration) string { return scopeText(x.Scope) }

func scopeText(f demarc.Filter) string {
	if f.IsZero() {
		return "everything"
	}
	var out []string
	for i := range demarc.FilterKeys {
		k := demarc.FilterKeys[i].Key
		if v := f.Values()[k]; len(v) > 0 {
			out = append(out, k+" "+strings.Join(v, " or "))
		}
	}
	return strings.Join(out, ", ")
}

func (p Page) list(r *web.Request) (web.Response, error) {
	show, err := r.Choice("show", "standing", "all")
	if err != nil {
		return nil, err
	}
	all, err := p.Book.Declarations(r.Context(), r.At.Organization)
	if err != nil {
		return nil, err
	}
	d := listData{Done: r.Value("done"), Now: r.Now(), May: r.Actor.May(demarc.RightDeclare, ""), Audit: r.Actor.May(demarc.RightAdminister, "")}
	for _, x := range all {
		if show == "all" || x.InForce(d.Now) || x.On.After(d.Now) && x.Withdrawn.IsZero() {
			d.List = append(d.List, x)
		}
	}
	d.Tabs = []web.Tab{
		{Title: "Standing", Link: r.With("show", "", "done", ""), Current: show == "standing"},
		{Title: "All", Link: r.With("show", "all", "done", ""), Count: len(all), Current: show == "all"},
	}
	return web.View{Title: "Declarations", Section: "declarations", Template: listPage, Data: d}, nil
}

// entry is what the form holds: as it was asked for, or as somebody filled it in.
type entry struct {
	Kind      string
	Scope     string // query string
	ScopeText string
	Resources int
	Duties    string
	Check     string
	Team      string
	By        string
	On, Until string
	Text      string
	Mistakes  []string
	Title     string
	Teams     []string // that do something, for somebody to choose from
	Bound     bool     // to what its team does
}

var titles = map[string]string{
	string(demarc.Acceptance):  "Accept duties",
	string(demarc.Attestation): "Attest that a duty is done",
	string(demarc.Exception):   "Except what fails, for a time",
	string(demarc.TeamWork):    "Assign duties to a team",
}

func (p Page) form(r *web.Request) (web.Response, error) {
	kind, err := r.Choice("kind", string(demarc.Attestation), string(demarc.Exception), string(demarc.Acceptance), string(demarc.TeamWork))
	if err != nil {
		return nil, err
	}
	f := r.Filter
	e := entry{Kind: kind, Duties: strings.Join(f.Duties, " "), By: r.Actor.Name(), On: r.Now().Format(time.DateOnly)}
	if len(f.Checks) > 0 {
		e.Check = f.Checks[0]
	}
	if len(f.Teams) == 1 {
		e.Team = f.Teams[0]
	}
	if kind == string(demarc.Exception) {
		e.Until = r.Now().AddDate(0, 3, 0).Format(time.DateOnly)
	}
	return p.show(r, e, resourceOnly(f))
}

// resourceOnly is what a filter asks of resources, without what it asks of duties.
func resourceOnly(f demarc.Filter) demarc.Filter {
	q := f.Values()
	for i := range demarc.FilterKeys {
		if demarc.FilterKeys[i].Duty {
			q.Del(demarc.FilterKeys[i].Key)
		}
	}
	out, err := demarc.ParseFilter(q)
	if err != nil {
		panic("declarations: " + err.Error()) // it was a filter before
	}
	return out
}

func (p Page) show(r *web.Request, e entry, scope demarc.Filter) (web.Response, error) {
	var err error
	e.Title = titles[e.Kind]
	e.Scope, e.ScopeText = scope.String(), scopeText(scope)
	if _, err = scope.Where(); err != nil {
		return nil, web.MistakeError{Err: err}
	}
	some, err := p.Scope.Resources(r.Context(), r.At, scope, demarc.OrderID, demarc.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	e.Resources = some.Total
	teams, err := p.Scope.Groups(r.Context(), r.At, demarc.Filter{}, demarc.ByTeam)
	if err != nil {
		return nil, err
	}
	for i := range teams {
		if teams[i].Value != "" && r.Actor.May(demarc.RightDeclare, teams[i].Value) {
			e.Teams = append(e.Teams, teams[i].Value)
		}
	}
	slices.Sort(e.Teams)
	e.Bound = !r.Actor.May(demarc.RightAdminister, "") && e.Kind != string(demarc.Acceptance)
	return web.View{Title: e.Title, Section: "declarations", Template: formPage, Data: e}, nil
}

// day reads a day of a form; "" is none.
func day(what, text string, mistakes *[]string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		*mistakes = append(*mistakes, what+" "+text+": expected a day, as 2026-11-23")
	}
	return t
}

func (p Page) declare(r *web.Request) (web.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, web.MistakeError{Err: err}
	}
	get := func(key string) string { return strings.TrimSpace(r.PostForm.Get(key)) }
	e := entry{Kind: get("kind"), Duties: get("duties"), Check: get("check"), Team: get("team"), By: get("by"), On: get("on"), Until: get("until"), Text: get("text")}
	if !slices.Contains(demarc.DeclarationKinds, demarc.DeclarationKind(e.Kind)) {
		return nil, web.Mistake("kind %q: there is none", e.Kind)
	}
	q, err := url.ParseQuery(get("scope"))
	if err != nil {
		return nil, web.MistakeError{Err: err}
	}
	scope, err := demarc.ParseFilter(q)
	if err != nil {
		return nil, web.MistakeError{Err: err}
	}
	if !mayFor(r, e.Team) {
		return nil, web.ErrForbidden
	}
	d := demarc.Declaration{
		Kind: demarc.DeclarationKind(e.Kind), Scope: scope, Duties: strings.FieldsFunc(e.Duties, func(c rune) bool { return c == ' ' || c == ',' || c == '\n' || c == '\r' || c == '\t' }),
		Check: e.Check, Team: e.Team, By: e.By, Text: e.Text, On: day("on", e.On, &e.Mistakes), Until: day("until", e.Until, &e.Mistakes),
	}
	if err := d.Validate(); err != nil {
		e.Mistakes = append(e.Mistakes, strings.Split(err.Error(), "\n")...)
	}
	if d.Check != "" && r.Check(d.Check) == d.Check { // it has no title
		e.Mistakes = append(e.Mistakes, "There is no check "+d.Check+" in the catalog.")
	}
	if len(e.Mistakes) == 0 && !r.Actor.May(demarc.RightAdminister, "") {
		groups, err := p.Scope.Groups(r.Context(), demarc.At{Organization: r.At.Organization}, d.Reach(), demarc.ByTeam)
		if err != nil {
			return nil, err
		}
		if beyond := d.Beyond(r.Actor, groups); len(beyond) > 0 {
			e.Mistakes = append(e.Mistakes, "It is also about duties of "+strings.Join(beyond, ", ")+", for which you may not declare: choose narrower.")
		}
	}
	if len(e.Mistakes) > 0 {
		return p.show(r, e, scope)
	}
	d.Bind(r.Actor)
	done, err := p.Book.Declare(r.Context(), r.At.Organization, r.Actor.Name(), d, r.Now())
	if err != nil {
		return nil, err
	}
	return web.Redirect{To: r.Link("/declarations", "done", done.ID)}, nil
}

// mayFor reports whether somebody may declare for a team. What is for no team is for everybody's.
func mayFor(r *web.Request, team string) bool {
	return r.Actor.May(demarc.RightDeclare, team) && (team != "" || r.Actor.May(demarc.RightAdminister, ""))
}

// MayFor reports whether somebody may take back what was declared for a team.
func (listData) MayFor(r *web.Request, team string) bool { return mayFor(r, team) }

func (p Page) withdraw(r *web.Request) (web.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, web.MistakeError{Err: err}
	}
	id := r.PostForm.Get("declaration")
	all, err := p.Book.Declarations(r.Context(), r.At.Organization)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(d demarc.Declaration) bool { return d.ID == id })
	if i < 0 {
		return nil, demarc.ErrNotFound
	}
	if !mayFor(r, all[i].Team) {
		return nil, web.ErrForbidden
	}
	if err := p.Book.Withdraw(r.Context(), r.At.Organization, r.Actor.Name(), id, r.Now()); err != nil {
		return nil, err
	}
	return web.Redirect{To: r.Link("/declarations", "done", id)}, nil
}

func (p Page) audit(r *web.Request) (web.Response, error) {
	list, err := p.Log.Audit(r.Context(), r.At.Organization, r.Page(100))
	if err != nil {
		return nil, err
	}
	return web.View{Title: "Audit log", Section: "declarations", Template: auditPage, Data: list}, nil
}

func (p Page) auditJSON(r *web.Request) (web.Response, error) {
	return web.Download{Name: "audit.json", Type: "application/json", Write: func(ctx context.Context, w io.Writer) error {
		return web.Array(w, func(each func(any) error) error {
			return web.Whole(func(page demarc.Page) (demarc.Paged[demarc.AuditEntry], error) {
				return p.Log.Audit(ctx, r.At.Organization, page)
			}, func(e *demarc.AuditEntry) error { return each(e) })
		})
	}}, nil
}
