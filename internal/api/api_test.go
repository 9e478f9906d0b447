package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/client"
	"github.com/demarc/demarc/internal/api"
)

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// memory is a store that says what it was asked, and answers in short.
type memory struct {
	asked    string
	fail     error
	declared []demarc.Declaration
	tokens   []demarc.Token
}

func (m *memory) note(format string, args ...any) error {
	m.asked = fmt.Sprintf(format, args...)
	return m.fail
}

func (m *memory) Organizations(context.Context) ([]demarc.Organization, error) {
	return []demarc.Organization{
		{Name: "Southwind", Latest: demarc.Scan{ID: 9, Finished: now.Add(-time.Hour)}},
		{Name: "Northwind", Latest: demarc.Scan{ID: 3, Finished: now}},
	}, m.fail
}

func (m *memory) Scans(_ context.Context, organization string, page demarc.Page) (demarc.Paged[demarc.Scan], error) {
	return demarc.Paged[demarc.Scan]{Items: []demarc.Scan{{ID: 3}}, Next: "c&3", Total: 3}, m.note("scans %s %+v", organization, page)
}

func (m *memory) Scan(_ context.Context, at demarc.At) (demarc.Scan, error) {
	if at.Scan > 3 {
		return demarc.Scan{}, fmt.Errorf("scan %d: %w", at.Scan, demarc.ErrNotFound)
	}
	return demarc.Scan{ID: 3, Organization: at.Organization, AsOf: now}, m.note("scan %+v", at)
}

func (m *memory) Overview(_ context.Context, at demarc.At, f demarc.Filter) (demarc.Overview, error) {
	return demarc.Overview{Resources: 7}, m.note("overview %+v %s", at, f)
}

func (m *memory) Groups(_ context.Context, at demarc.At, f demarc.Filter, by demarc.Dimension) ([]demarc.Group, error) {
	return nil, m.note("groups %+v %s %s", at, f, by)
}

func (m *memory) Line(_ context.Context, at demarc.At, f demarc.Filter, by demarc.Dimension, columns int) (demarc.Line, error) {
	return demarc.Line{By: by}, m.note("line %+v %s %s %d", at, f, by, columns)
}

func (m *memory) Trend(_ context.Context, organization string, f demarc.Filter, p demarc.Period) ([]demarc.TrendPoint, error) {
	return nil, m.note("trend %s %s %s", organization, f, p.Since.Format(time.RFC3339))
}

func (m *memory) Resources(_ context.Context, at demarc.At, f demarc.Filter, order demarc.Order, page demarc.Page) (demarc.Paged[demarc.StoredResource], error) {
	return demarc.Paged[demarc.StoredResource]{}, m.note("resources %+v %s %s %+v", at, f, order, page)
}

func (m *memory) answer() demarc.StoredAnswer {
	a := demarc.Answer{
		Resource: demarc.Resource{ID: "arn:aws:rds:eu-west-1:111122223333:db:orders/a", Service: "aws/rds"},
		Standing: &demarc.Standing{},
		Facts:    []demarc.NamedFact{{Name: "password", Fact: demarc.Fact{Value: demarc.String("hunter2")}, Sensitive: true}, {Name: "minor", Fact: demarc.Fact{Value: demarc.Bool(false)}}},
	}
	for _, d := range demarc.Duties {
		a.Assignments = append(a.Assignments, &demarc.Assignment{Duty: d, Holder: demarc.HeldByCustomer, Reads: []string{"minor"}})
		a.Verdicts = append(a.Verdicts, &demarc.Verdict{State: demarc.Unverified})
	}
	return demarc.StoredAnswer{StoredResource: demarc.StoredResource{Resource: a.Resource}, Answer: a, Scan: demarc.Scan{ID: 3}}
}

func (m *memory) Answer(_ context.Context, at demarc.At, id demarc.ResourceID) (demarc.StoredAnswer, error) {
	a := m.answer()
	if id != a.ID {
		return demarc.StoredAnswer{}, fmt.Errorf("resource %q: %w", id, demarc.ErrNotFound)
	}
	return a, m.note("answer %+v %s", at, id)
}

func (m *memory) Answers(context.Context, demarc.At, demarc.Filter) iter.Seq2[*demarc.Answer, error] {
	return func(yield func(*demarc.Answer, error) bool) {
		a := m.answer()
		if yield(&a.Answer, nil) && m.fail != nil {
			yield(nil, m.fail)
		}
	}
}

func (m *memory) Versions(_ context.Context, organization string, id demarc.ResourceID) ([]demarc.Version, error) {
	return nil, m.note("versions %s %s", organization, id)
}

func (m *memory) Findings(_ context.Context, at demarc.At, f demarc.Filter, s demarc.FindingStatus, o demarc.Order, page demarc.Page) (demarc.Paged[demarc.Finding], error) {
	return demarc.Paged[demarc.Finding]{}, m.note("findings %+v %s %s %s %+v", at, f, s, o, page)
}

func (m *memory) FindingGroups(_ context.Context, at demarc.At, f demarc.Filter) ([]demarc.FindingGroup, error) {
	return nil, m.note("finding groups %+v %s", at, f)
}

func (m *memory) BlindSpots(_ context.Context, at demarc.At, f demarc.Filter) ([]demarc.BlindSpot, error) {
	return nil, m.note("blind spots %+v %s", at, f)
}

func (m *memory) Moves(_ context.Context, organization string, f demarc.Filter, p demarc.Period, page demarc.Page) (demarc.Paged[demarc.Move], error) {
	return demarc.Paged[demarc.Move]{}, m.note("moves %s %s %s %+v", organization, f, p.Until.Format(time.RFC3339), page)
}

func (m *memory) MoveGroups(_ context.Context, organization string, f demarc.Filter, _ demarc.Period) ([]demarc.MoveGroup, error) {
	return nil, m.note("move groups %s %s", organization, f)
}

func (m *memory) Declarations(context.Context, string) ([]demarc.Declaration, error) {
	return m.declared, m.fail
}

func (m *memory) Declare(_ context.Context, organization, actor string, d demarc.Declaration, _ time.Time) (demarc.Declaration, error) {
	d.ID, d.Recorded = "d1", now
	m.declared = append(m.declared, d)
	return d, m.note("declare %s %s %s", organization, actor, d.Scope)
}

func (m *memory) Withdraw(_ context.Context, organization, actor, id string, _ time.Time) error {
	return m.note("withdraw %s %s %s", organization, actor, id)
}

func (m *memory) Audit(_ context.Context, organization string, page demarc.Page) (demarc.Paged[demarc.AuditEntry], error) {
	return demarc.Paged[demarc.AuditEntry]{}, m.note("audit %s %+v", organization, page)
}

func (m *memory) Tokens(context.Context) ([]demarc.Token, error) { return m.tokens, m.fail }

func (m *memory) MakeToken(_ context.Context, actor string, t demarc.Token) (demarc.Token, string, error) {
	t.ID = "t1"
	m.tokens = append(m.tokens, t)
	return t, "s3cret", m.note("make token %s %s", actor, t.Grant)
}

func (m *memory) RevokeToken(_ context.Context, actor, id string, _ time.Time) error {
	return m.note("revoke %s %s", actor, id)
}

func (m *memory) Entries(demarc.Filter) []client.ServiceEntry {
	return []client.ServiceEntry{{ID: "aws/rds", Title: "Amazon RDS"}}
}

func (m *memory) Described(id demarc.ServiceID) (client.Service, error) {
	if id != "aws/rds" {
		return client.Service{}, fmt.Errorf("service %q: %w", id, demarc.ErrNotFound)
	}
	return client.Service{ServiceEntry: m.Entries(demarc.Filter{})[0], Checks: []client.ServiceCheck{{ID: "aws/rds/public-access"}}}, m.note("service %s", id)
}

func (m *memory) Mapped() []client.Framework {
	return []client.Framework{{ID: "ccm-v4", Controls: map[string][]demarc.DutyID{"IAM-01": {"identity.accounts"}}}}
}

func (m *memory) Declared(_ context.Context, at demarc.At) (demarc.Declared, error) {
	return demarc.Declared{}, m.note("declared %+v", at)
}

func (m *memory) WhatIf(_ context.Context, at demarc.At, a *demarc.StoredAnswer, setting, value string) (is, would demarc.Answer, err error) {
	if setting != "minor" {
		return is, would, fmt.Errorf("no setting %q", setting)
	}
	is, would = a.Answer, m.answer().Answer
	would.Assignments = slices.Clone(would.Assignments)
	would.Assignments[3] = &demarc.Assignment{Duty: demarc.Duties[3], Holder: demarc.HeldByProvider}
	return is, would, m.note("what if %+v %s %s", at, setting, value)
}

type person struct {
	demarc.Grant
	name string
}

func (p person) Name() string { return p.name }

var (
	viewer = person{demarc.Grant{Role: demarc.Viewer}, "vera"}
	owner  = person{demarc.Grant{Role: demarc.Owner, Teams: []string{"payments"}}, "olga"}
	admin  = person{demarc.Grant{Role: demarc.Admin}, "ada"}
)

func newAPI(m *memory) *api.API {
	return api.New(api.Config{
		History: m, Resources: m, Findings: m, Declared: m, Audit: m, Tokens: m, Catalog: m, Version: "1.2.3", Now: func() time.Time { return now },
		Encode: func(w io.Writer, run demarc.Run, answers iter.Seq[*demarc.Answer]) error {
			fmt.Fprintf(w, "%s\n", run.Organization)
			for a := range answers {
				fmt.Fprintln(w, a.Resource.ID)
			}
			return nil
		},
	})
}

// ask sends a request of an actor, nil for nobody, and returns the answer.
func ask(a http.Handler, actor demarc.Actor, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, "/api/v1"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	if actor != nil {
		r = r.WithContext(demarc.WithActor(r.Context(), actor))
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func TestAQueryIsAFilterEverywhere(t *testing.T) {
	for _, tt := range []struct{ path, want string }{
		{"/overview", "overview {Organization:Northwind Scan:0} "},
		{"/overview?org=Southwind&scan=2&provider=aws&provider=gcp&gap=failing,blind", "overview {Organization:Southwind Scan:2} gap=failing&gap=blind&provider=aws&provider=gcp"},
		{"/groups?by=account&team=-", "groups {Organization:Northwind Scan:0} team=- account"},
		{"/line?by=model&columns=3&layer=guest", "line {Organization:Northwind Scan:0} layer=guest model 3"},
		{"/trend?since=2026-11-01T00:00:00Z", "trend Northwind  2026-11-01T00:00:00Z"},
		{"/resources?tag=team%3Dpayments&order=worst&limit=7&after=x", "resources {Organization:Northwind Scan:0} tag=team%3Dpayments worst {After:x Limit:7}"},
		{"/resource?id=arn:aws:rds:eu-west-1:111122223333:db:orders/a&scan=2", "answer {Organization:Northwind Scan:2} arn:aws:rds:eu-west-1:111122223333:db:orders/a"},
		{"/resource/versions?id=a/b", "versions Northwind a/b"},
		{"/findings?severity=high&status=all&order=oldest", "findings {Organization:Northwind Scan:0} severity=high all oldest {After: Limit:50}"},
		{"/findings/groups?duty=network.*", "finding groups {Organization:Northwind Scan:0} duty=network.%2A"},
		{"/blind-spots", "blind spots {Organization:Northwind Scan:0} "},
		{"/moves?until=2026-11-20T00:00:00Z&holder=customer", "moves Northwind holder=customer 2026-11-20T00:00:00Z {After: Limit:50}"},
		{"/moves/groups", "move groups Northwind "},
		{"/trend?since=7d", "trend Northwind  " + now.AddDate(0, 0, -7).Format(time.RFC3339)},
		{"/moves?until=2026-11-20", "moves Northwind  2026-11-20T00:00:00Z {After: Limit:50}"},
		{"/frameworks/ccm-v4?provider=aws", "groups {Organization:Northwind Scan:0} provider=aws duty"},
		{"/catalog/services?q=rds&provider=aws&provider=gcp&model=paas", ""},
		{"/scans?org=Southwind&limit=2", "scans Southwind {After: Limit:2}"},
		{"/scans/2", "scan {Organization:Northwind Scan:2}"},
		{"/catalog/service?id=aws/rds", "service aws/rds"},
		{"/estate?scan=2", "declared {Organization:Northwind Scan:2}"},
		{"/what-if?id=arn:aws:rds:eu-west-1:111122223333:db:orders/a&set=minor&to=true", "what if {Organization:Northwind Scan:0} minor true"},
		{"/audit", "audit Northwind {After: Limit:50}"},
	} {
		m := &memory{}
		w := ask(newAPI(m), admin, "GET", tt.path, "")
		if w.Code != http.StatusOK || m.asked != tt.want || !json.Valid(w.Body.Bytes()) {
			t.Errorf("GET %s: %d, asked %q, want %q\n%s", tt.path, w.Code, m.asked, tt.want, w.Body)
		}
	}
}

func TestMistakesAreProblemDocuments(t *testing.T) {
	for _, tt := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/overview?provder=aws", "", 422, `unknown query parameter "provder"`},
		{"GET", "/overview?gap=big", "", 422, "expected one of"},
		{"GET", "/resources?limit=0", "", 422, "limit"},
		{"GET", "/resources?limit=many", "", 422, "limit"},
		{"GET", "/groups", "", 422, "by"},
		{"GET", "/groups?by=colour", "", 422, "by"},
		{"GET", "/resource?id=nothing", "", 404, `resource "nothing"`},
		{"GET", "/scans/17", "", 404, "scan 17"},
		{"GET", "/audit?gap=failing", "", 422, `unknown query parameter "gap"`},
		{"GET", "/catalog/service?id=aws/nothing", "", 404, "aws/nothing"},
		{"GET", "/what-if?id=arn:aws:rds:eu-west-1:111122223333:db:orders/a&set=colour&to=red", "", 422, `no setting "colour"`},
		{"GET", "/me?x=1", "", 422, `unknown query parameter "x"`},
		{"GET", "/nowhere", "", 404, "/api/v1/nowhere"},
		{"POST", "/declarations", `{"kind":"wish","scope":""}`, 422, "kind"},
		{"POST", "/declarations", `{"kind":"exception","scope":"service=aws/rds","check":"aws/rds/x","team":"payments","text":"demo"}`, 422, "needs a last day"},
		{"POST", "/declarations", `{"kind":"attestation","scope":"gap=failing","duties":["*"],"team":"payments"}`, 422, "a scope cannot ask for gap"},
		{"POST", "/declarations", `{"kind":`, 400, ""},
		{"POST", "/tokens", `{"name":"x","role":"owner","days":3}`, 422, "an owner must have a team"},
		{"POST", "/tokens", `{"name":"x","role":"viewer","days":3000}`, 422, "days"},
	} {
		w := ask(newAPI(&memory{}), admin, tt.method, tt.path, tt.body)
		var problem struct {
			Status int
			Title  string
		}
		err := json.Unmarshal(w.Body.Bytes(), &problem)
		if w.Code != tt.status || err != nil || problem.Status != tt.status || problem.Title == "" || !strings.Contains(w.Body.String(), strings.ReplaceAll(tt.says, `"`, `\"`)) || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d %s %s, want %d that says %q", tt.method, tt.path, w.Code, w.Header().Get("Content-Type"), w.Body, tt.status, tt.says)
		}
	}
}

func TestOurOwnFailureTellsNobodyWhy(t *testing.T) {
	w := ask(newAPI(&memory{fail: errors.New("dial tcp 10.0.0.7: password authentication failed")}), admin, "GET", "/overview", "")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// TestWhoMayDoWhat asks for every operation as each role and as nobody.
func TestWhoMayDoWhat(t *testing.T) {
	a := newAPI(&memory{})
	if len(a.Needs()) < 20 {
		t.Fatalf("%d operations", len(a.Needs()))
	}
	for operation, needs := range a.Needs() {
		method, path, _ := strings.Cut(operation, " ")
		path = strings.NewReplacer("/api/v1", "", "{id}", "1").Replace(path)
		for name, actor := range map[string]demarc.Actor{"nobody": nil, "viewer": viewer, "owner": owner, "admin": admin} {
			w := ask(a, actor, method, path, "")
			refused := w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden
			if want := actor == nil || !actor.May(needs, ""); refused != want {
				t.Errorf("%s as %s: %d, want refused %t", operation, name, w.Code, want)
			}
			if actor == nil && w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s as nobody does not say how to say who one is", operation)
			}
		}
	}
}

func TestAnOwnerDeclaresForTheirTeamAlone(t *testing.T) {
	body := func(team string) string {
		return `{"kind":"acceptance","scope":"service=aws/rds","team":"` + team + `"}`
	}
	m := &memory{}
	a := newAPI(m)
	for _, tt := range []struct {
		actor  demarc.Actor
		team   string
		status int
	}{{owner, "payments", 201}, {owner, "web", 403}, {owner, "", 403}, {viewer, "payments", 403}, {admin, "web", 201}} {
		if w := ask(a, tt.actor, "POST", "/declarations", body(tt.team)); w.Code != tt.status {
			t.Errorf("%s for %q: %d %s, want %d", tt.actor.Name(), tt.team, w.Code, w.Body, tt.status)
		}
	}
	if d := m.declared[0]; d.By != "olga" || d.Scope.String() != "service=aws%2Frds" || !d.On.Equal(now.Truncate(24*time.Hour)) {
		t.Errorf("declared %+v", d)
	}
	m.declared[0].ID, m.declared[1].ID = "of-payments", "of-web"
	for _, tt := range []struct {
		id     string
		status int
	}{{"of-payments", 204}, {"of-web", 403}, {"of-nobody", 404}} {
		if w := ask(a, owner, "DELETE", "/declarations/"+tt.id, ""); w.Code != tt.status {
			t.Errorf("withdraw %s: %d, want %d", tt.id, w.Code, tt.status)
		}
	}
}

func TestAnExceptionIsOfACheckThatThereIs(t *testing.T) {
	a := newAPI(&memory{})
	for check, status := range map[string]int{"aws/rds/public-access": 201, "aws/rds/nowhere": 422, "aws/nothing/public-access": 422, "public-access": 422} {
		w := ask(a, admin, "POST", "/declarations", `{"kind":"exception","scope":"service=aws/rds","team":"payments","check":"`+check+`","until":"2027-01-31","text":"moved in spring"}`)
		if w.Code != status || status != 201 && !strings.Contains(w.Body.String(), check) {
			t.Errorf("%s: %d %s, want %d", check, w.Code, w.Body, status)
		}
	}
}

func TestTheSecretOfATokenIsShownOnce(t *testing.T) {
	a := newAPI(&memory{})
	w := ask(a, admin, "POST", "/tokens", `{"name":"export","role":"viewer","days":30}`)
	if w.Code != http.StatusCreated || !strings.Contains(w.Body.String(), "s3cret") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := ask(a, admin, "GET", "/tokens", ""); strings.Contains(w.Body.String(), "s3cret") || !strings.Contains(w.Body.String(), "export") {
		t.Errorf("list: %s", w.Body)
	}
}

func TestSensitiveValuesAreOnlySet(t *testing.T) {
	w := ask(newAPI(&memory{}), viewer, "GET", "/resource?id=arn:aws:rds:eu-west-1:111122223333:db:orders/a", "")
	if s := w.Body.String(); strings.Contains(s, "hunter2") || !strings.Contains(s, `{"name":"password","value":"set","origin":"read"}`) || !strings.Contains(s, `"because":[{"name":"minor","value":false`) {
		t.Errorf("got %s", s)
	}
}

func TestAnETagSparesWhatIsKnown(t *testing.T) {
	a := newAPI(&memory{})
	first := ask(a, viewer, "GET", "/overview", "")
	tag := first.Header().Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	for header, status := range map[string]int{tag: 304, "W/" + tag: 304, `"other", ` + tag: 304, `"other"`: 200, "*": 304} {
		w := ask(a, viewer, "GET", "/overview", "", "If-None-Match", header)
		if w.Code != status || (status == 304) != (w.Body.Len() == 0) {
			t.Errorf("If-None-Match %s: %d with %d bytes, want %d", header, w.Code, w.Body.Len(), status)
		}
	}
	if w := ask(a, viewer, "GET", "/overview?gap=wrong", ""); w.Header().Get("ETag") != "" {
		t.Error("a mistake has an ETag")
	}
}

func TestTheNextPageIsALink(t *testing.T) {
	w := ask(newAPI(&memory{}), viewer, "GET", "/scans?limit=1", "")
	if got := w.Header().Get("Link"); got != `</api/v1/scans?after=c%263&limit=1>; rel="next"` {
		t.Errorf("Link: %s", got)
	}
}

func TestAStreamThatBreaksOffDoesNotPassForWhole(t *testing.T) {
	m := &memory{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		newAPI(m).ServeHTTP(w, r.WithContext(demarc.WithActor(r.Context(), viewer)))
	}))
	defer server.Close()
	get := func() (string, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/answers", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := server.Client().Do(r)
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		return string(text), err
	}
	if text, err := get(); err != nil || !strings.HasPrefix(text, "Northwind\narn:aws:rds") {
		t.Errorf("got %q, %v", text, err)
	}
	m.fail = errors.New("the database went away")
	if text, err := get(); err == nil && !strings.Contains(text, "500") {
		t.Errorf("got %q without an error", text)
	}
}

func TestTheDescriptionNamesEveryFilter(t *testing.T) {
	w := ask(newAPI(&memory{}), nil, "GET", "/openapi.json", "")
	var spec struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Parameters []struct{ Name, In string }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &spec); err != nil || !strings.HasPrefix(spec.OpenAPI, "3.1") {
		t.Fatalf("%v, version %q", err, spec.OpenAPI)
	}
	for _, k := range demarc.FilterKeys {
		if !slices.ContainsFunc(spec.Paths["/api/v1/resources"]["get"].Parameters, func(p struct{ Name, In string }) bool { return p.Name == k.Key && p.In == "query" }) {
			t.Errorf("no parameter %s", k.Key)
		}
	}
	if n := len(spec.Paths["/api/v1/audit"]["get"].Parameters); n != 3 {
		t.Errorf("the audit log takes %d parameters, want org, after and limit", n)
	}
}
