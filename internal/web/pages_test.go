package web_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
	"github.com/demarc/demarc/internal/web/assumptions"
	"github.com/demarc/demarc/internal/web/catalog"
	"github.com/demarc/demarc/internal/web/declarations"
	"github.com/demarc/demarc/internal/web/frameworks"
	"github.com/demarc/demarc/internal/web/gaps"
	"github.com/demarc/demarc/internal/web/line"
	"github.com/demarc/demarc/internal/web/moves"
	"github.com/demarc/demarc/internal/web/overview"
	"github.com/demarc/demarc/internal/web/parties"
	"github.com/demarc/demarc/internal/web/resources"
	"github.com/demarc/demarc/internal/web/sources"
	"github.com/demarc/demarc/internal/web/webtest"
)

var now = time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)

// nasty is what a name must not be able to do to a page.
const nasty = `"><script>alert(1)</script>`

// planted makes an estate of two databases and a bucket: one database patches itself, the other does not.
func planted() *webtest.Memory {
	finished := now.Add(-3 * time.Hour)
	m := &webtest.Memory{Of: demarc.Scan{ID: 7, Organization: "Northwind", Finished: finished, AsOf: now.Truncate(24 * time.Hour), Catalog: "c0ffee", Resources: 3, Moves: 1, Documents: 4, Sources: []demarc.SourceStatus{{Name: "aws-shop", Complete: false, Documents: 4, Resources: 3, Problems: 1, Message: "access denied"}}}}
	m.Listed = []demarc.Answer{
		database("arn:aws:rds:eu-west-1:111122223333:db:orders", "orders", demarc.HeldByProvider),
		database("arn:aws:rds:eu-west-1:111122223333:db:ledger", "ledger", demarc.HeldByCustomer),
		bucket(),
	}
	from, to := m.Listed[0].Assignments[engine], m.Listed[1].Assignments[engine]
	m.Moved = []demarc.Move{{Resource: m.Listed[1].Resource, Duty: "runtime.engine-patching", From: from, To: to, ToUs: true, Cause: demarc.CauseSetting, Because: []demarc.Change{{Fact: "auto_minor_upgrade", Old: demarc.Fact{Value: demarc.Bool(true)}, New: demarc.Fact{Value: demarc.Bool(false)}}}, FirstSeen: demarc.Moment{Scan: 7, At: finished}}}
	return m
}

var (
	facility = demarc.DutyIndex("facility.access")
	engine   = demarc.DutyIndex("runtime.engine-patching")
	sharing  = demarc.DutyIndex("data.sharing")
)

func blank(id, name, service string) demarc.Answer {
	a := demarc.Answer{
		Resource: demarc.Resource{ID: demarc.ResourceID(id), Provider: "aws", Source: "aws-shop", Account: "111122223333", Region: "eu-west-1", Type: "AWS::X", Service: demarc.ServiceID(service), Name: name, Model: "paas", Tags: demarc.TagsOf(map[string]string{"team": "shop"})},
		Standing: &demarc.Standing{},
	}
	for _, d := range demarc.Duties {
		a.Assignments = append(a.Assignments, &demarc.Assignment{Duty: d, Holder: demarc.NotApplicable, Why: "no such thing"})
		a.Verdicts = append(a.Verdicts, &demarc.Verdict{State: demarc.NoState})
	}
	a.Assignments[facility] = &demarc.Assignment{Duty: "facility.access", Holder: demarc.HeldByProvider, Parties: []demarc.Party{"aws"}, Parts: []demarc.Part{{Party: "aws", Role: demarc.Site, Text: "Guards the doors."}}, Basis: []demarc.Basis{{Kind: demarc.BasisArchetype, ID: "managed-database", Because: "It is in their building.", URL: "https://docs.aws.amazon.com/x", Section: "Doors", Read: now}}}
	a.Verdicts[facility] = &demarc.Verdict{State: demarc.Assured, Assurance: "aws-soc2"}
	return a
}

func database(id, name string, holder demarc.Holder) demarc.Answer {
	a := blank(id, name, "aws/rds")
	a.Facts = []demarc.NamedFact{{Name: "auto_minor_upgrade", Fact: demarc.Fact{Value: demarc.Bool(holder == demarc.HeldByProvider)}}, {Name: "password", Fact: demarc.Fact{Value: demarc.String("hunter2")}, Sensitive: true}}
	as, v := &demarc.Assignment{Duty: "runtime.engine-patching", Holder: holder, Parties: []demarc.Party{"aws"}, Reads: []string{"auto_minor_upgrade"}, Basis: []demarc.Basis{{Kind: demarc.BasisLine, ID: "minor-upgrades-off", Because: "Minor upgrades are off."}}}, &demarc.Verdict{State: demarc.Unassured}
	if holder == demarc.HeldByCustomer {
		as.Parties = []demarc.Party{demarc.Self}
		v = &demarc.Verdict{State: demarc.Failing, Checks: []demarc.CheckOutcome{{ID: "aws/rds/minor-upgrades", Result: demarc.CheckFail, Severity: demarc.High}}}
		a.Beliefs = []demarc.Belief{{Duty: engine, Holder: demarc.HeldByProvider, Assumption: "rds-minor"}}
	}
	a.Assignments[engine], a.Verdicts[engine] = as, v
	a.Checks = v.Checks
	return a
}

func bucket() demarc.Answer {
	a := blank("arn:aws:s3:::"+nasty, nasty, "aws/s3")
	a.Facts = []demarc.NamedFact{{Name: "policy", Fact: demarc.Fact{Origin: demarc.Denied}}}
	a.Assignments[sharing] = &demarc.Assignment{Duty: "data.sharing", Holder: demarc.HeldByCustomer, Parties: []demarc.Party{demarc.Self}, Basis: []demarc.Basis{{Kind: demarc.BasisArchetype, ID: "object-storage", Because: "You say who sees it."}}}
	a.Verdicts[sharing] = &demarc.Verdict{State: demarc.Blind, Missing: []string{"policy"}, Checks: []demarc.CheckOutcome{{ID: "aws/s3/policy-not-public", Result: demarc.CheckUnknown, Severity: demarc.Critical, Missing: []string{"policy"}}}}
	return a
}

// knowing is a catalog of two services, and a demarc.yaml.
type knowing struct{}

func (knowing) Layer(id demarc.Layer) string { return "Layer " + string(id) }
func (knowing) Duty(id demarc.DutyID) (string, string) {
	return map[demarc.DutyID]string{"runtime.engine-patching": "Engine patching", "data.sharing": "Sharing", "facility.access": "Physical access"}[id], "Somebody does it."
}

func (knowing) Service(id demarc.ServiceID) string {
	return map[demarc.ServiceID]string{"aws/rds": "Amazon RDS", "aws/s3": "Amazon S3"}[id]
}

func (knowing) Provider(id string) string { return map[string]string{"aws": "Amazon Web Services"}[id] }

func (knowing) Check(id string) string {
	return map[string]string{"aws/rds/minor-upgrades": "Minor upgrades are on", "aws/s3/policy-not-public": "Policy lets no stranger in"}[id]
}

func (knowing) Declared(context.Context, demarc.At) (demarc.Declared, error) {
	return demarc.Declared{
		Engagements: []demarc.DeclaredEngagement{{ID: "soc", Party: "nightwatch", Takes: []string{"operations.*"}, Until: now.AddDate(-1, 0, 0), Contract: "NW-1"}},
		Assumptions: []demarc.DeclaredAssumption{{ID: "rds-minor", Where: "service == 'aws/rds'", Duty: "runtime.engine-patching", Holder: demarc.HeldByProvider}},
		Assurances:  []demarc.DeclaredAssurance{{ID: "aws-soc2", Party: "aws", Report: "SOC 2 Type II", Until: now.AddDate(1, 0, 0)}},
	}, nil
}

func (knowing) Checks(demarc.ServiceID) []resources.Check {
	return []resources.Check{{ID: "aws/rds/minor-upgrades", Title: "Minor upgrades are on", Fix: "Turn them on."}}
}

func (knowing) Settings(demarc.ServiceID) []resources.Setting {
	return []resources.Setting{{Name: "auto_minor_upgrade", About: "Whether they are on.", Options: []string{"true", "false"}}}
}

func (knowing) WhatIf(_ context.Context, _ demarc.At, a *demarc.StoredAnswer, _, _ string) (is, would demarc.Answer, err error) {
	return a.Answer, database(string(a.ID), a.Name, demarc.HeldByProvider), nil
}

func (knowing) Frameworks() []frameworks.Framework {
	return []frameworks.Framework{{ID: "nist-800-53", Title: "NIST SP 800-53 r5", Controls: map[string][]demarc.DutyID{"SI-2": {"runtime.engine-patching"}, "PE-3": {"facility.access"}}}}
}

// shelf is knowing as the pages of the catalog want it.
type shelf struct{}

func (shelf) Services() []catalog.Entry {
	return []catalog.Entry{{ID: "aws/rds", Title: "Amazon RDS", Provider: "aws", Model: "paas", Archetype: "Managed database"}, {ID: "aws/s3", Title: "Amazon S3", Provider: "aws", Model: "paas"}}
}

func (s shelf) Service(id demarc.ServiceID) (catalog.Service, error) {
	for _, e := range s.Services() {
		if e.ID == id {
			out := catalog.Service{Entry: e, Lines: []catalog.Line{{ID: "minor-upgrades-off", When: "facts.auto_minor_upgrade == false", Because: "They are off."}}}
			for _, d := range demarc.Duties {
				duty := catalog.Duty{ID: d, Holder: demarc.HeldByProvider}
				if id == "aws/rds" && d == "runtime.engine-patching" {
					duty.Movers = []string{"minor-upgrades-off"}
				}
				out.Duties = append(out.Duties, duty)
			}
			return out, nil
		}
	}
	return catalog.Service{}, demarc.ErrNotFound
}

func site(m *webtest.Memory) *web.Site {
	k := knowing{}
	return web.New(web.Config{History: m, Words: k, Now: func() time.Time { return now }, Version: "test"},
		overview.Page{Counts: m, Attention: m, Lines: m}, line.Page{Reader: m}, moves.Page{Reader: m}, gaps.Page{Reader: m},
		assumptions.Page{Findings: m, Beliefs: k}, declarations.Page{Book: m, Log: m, Scope: m}, resources.Page{Lister: m, Reader: m, Explainer: k},
		parties.Page{Counts: m, Estate: k}, sources.Page{Counts: m, Estate: k}, frameworks.Page{Mapping: k, Counts: m}, catalog.Page{Knowledge: shelf{}, Used: m})
}

// role is somebody who may do some things, for some teams.
type role struct {
	rights []demarc.Right
	teams  []string // nil for all
}

func (role) Name() string { return "amara@northwind.example" }
func (a role) May(right demarc.Right, team string) bool {
	return slices.Contains(a.rights, right) && (right != demarc.RightDeclare || team == "" || a.teams == nil || slices.Contains(a.teams, team))
}

var (
	viewer = role{rights: []demarc.Right{demarc.RightRead}}
	owner  = role{rights: []demarc.Right{demarc.RightRead, demarc.RightDeclare}, teams: []string{"shop"}}
	admin  = role{rights: []demarc.Right{demarc.RightRead, demarc.RightDeclare, demarc.RightAdminister}}
)

func do(s http.Handler, actor demarc.Actor, r *http.Request) *httptest.ResponseRecorder {
	if actor != nil {
		r = r.WithContext(demarc.WithActor(r.Context(), actor))
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func get(t *testing.T, s http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	return do(s, admin, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
}

func post(t *testing.T, s http.Handler, actor demarc.Actor, path string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return do(s, actor, r)
}

// texts returns the texts of all elements that a selector finds.
func texts(t *testing.T, body, selector string) []string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, n := range cascadia.QueryAll(doc, cascadia.MustCompile(selector)) {
		var b strings.Builder
		var walk func(*html.Node)
		walk = func(n *html.Node) {
			if n.Type == html.TextNode {
				b.WriteString(n.Data + " ")
			}
			for _, a := range n.Attr {
				if a.Key == "aria-label" {
					b.WriteString(" " + a.Val + " ")
				}
			}
			for c := n.FirstChild; c != nil; c = c.NextSibling {
				walk(c)
			}
		}
		walk(n)
		out = append(out, strings.Join(strings.Fields(b.String()), " "))
	}
	return out
}

const ledger = "arn%3Aaws%3Ards%3Aeu-west-1%3A111122223333%3Adb%3Aledger"

// pages are the pages that there are, and what must be seen there.
var pages = []struct{ path, selector, want string }{
	{"/", ".number:nth-child(1) .big", "0 of 2 duties"},   // yours, proven
	{"/", ".number:nth-child(2) .big", "3 of 4 duties"},   // others', assured
	{"/", ".number:nth-child(3) .big", "0 of 6 in all"},   // nobody's
	{"/", ".number:nth-child(4) .big", "1 of 2 of yours"}, // unknown
	{"/", ".line tbody tr", "Layer runtime provider 1 without a report; yours 1 failing 1 1"},
	{"/", "section", "Moved this week"},
	{"/line", "tr.duty", "Engine patching provider 1 without a report; yours 1 failing 1 1"},
	{"/line?by=service", "thead th", "Amazon RDS 2 resources"},
	{"/line?rows=layers", "tr.layer", "Layer facility provider 3 assured 3"},
	{"/line?layer=data", "tr.duty", "Sharing yours 1 could not be read 1"},
	{"/resources", "tbody tr", "ledger"},
	{"/resources?holder=customer&layer=runtime", ".pager", "1 of 1 shown"},
	{"/resources?by=service", "tbody tr", "Amazon RDS 2"},
	{"/resource?id=" + ledger, ".stack tr", "Engine patching Yours You Yours: failing Minor upgrades are off. auto_minor_upgrade = false"},
	{"/resource?id=" + ledger, ".stack", "Guards the doors."},
	{"/resource?id=" + ledger, ".glance tr", "Layer facility provider 1 assured 1 aws"},
	{"/resource?id=" + ledger, "section", "password set"},
	{"/resource?id=" + ledger + "&set=auto_minor_upgrade&to=true", "[role=status] tbody tr", "Engine patching Y Yours failing P Provider unassured"},
	{"/gaps", "tbody tr", "High Engine patching"},
	{"/gaps?view=each", "tbody tr", "Policy lets no stranger in"},
	{"/gaps?view=each", "tbody tr", "3 hours"},
	{"/gaps?gap=blind", ".tabs [aria-current]", "Blind 1"},
	{"/moves", "tbody tr", "P Provider → Y Yours more of it is yours now a setting changed Engine patching 1 Amazon RDS 1"},
	{"/moves", ".ticks li", "Scan 7 ↑ 1"},
	{"/moves?view=each", "tbody tr", "auto_minor_upgrade: true → false"},
	{"/assumptions", "tbody tr", "Engine patching runtime.engine-patching Amazon RDS P Provider Y Yours Minor upgrades are off."},
	{"/parties", "tbody tr", "soc NW-1"},
	{"/parties", "tbody tr .bad", "ended"},
	{"/sources", "tbody tr", "aws-shop incomplete"},
	{"/sources", "tbody tr", "policy Amazon S3"},
	{"/frameworks", "tbody tr", "SI-2 Engine patching"},
	{"/catalog", "tbody tr", "Amazon RDS aws/rds"},
	{"/catalog?q=s3", "h1", "Catalog"},
	{"/catalog/service?service=aws/rds", "tr", "facts.auto_minor_upgrade == false"},
	{"/catalog/compare?service=aws/rds&service=nonsense", "[role=alert]", "has no service nonsense"},
	{"/catalog/compare?service=aws/rds&service=aws/s3", "tbody tr", "moved by minor-upgrades-off"},
	{"/declarations", ".nothing", "Nobody has declared anything here."},
	{"/declarations/new?kind=exception&check=aws/rds/minor-upgrades&service=aws/rds", ".card", "2 resources in this scan"},
	{"/declarations/new?kind=assignment&duty=runtime.*&service=aws/rds", "form", "Team that is to do them"},
	{"/audit", ".nothing", "Nobody has changed anything yet."},
}

func TestPagesShowWhatThereIs(t *testing.T) {
	s := site(planted())
	for _, p := range pages {
		w := get(t, s, p.path)
		if w.Code != http.StatusOK {
			t.Errorf("%s: status %d: %s", p.path, w.Code, texts(t, w.Body.String(), "main"))
			continue
		}
		found := texts(t, w.Body.String(), p.selector)
		if !slices.ContainsFunc(found, func(text string) bool { return strings.Contains(text, p.want) }) {
			t.Errorf("%s: nothing that %s selects has %q: %q", p.path, p.selector, p.want, found)
		}
	}
}

// An address is stable: what a page shows is in its query string, and each link that narrows a page keeps the rest.
func TestFiltersAreInTheAddress(t *testing.T) {
	s := site(planted())
	w := get(t, s, "/gaps?gap=blind&provider=aws&view=each&q=")
	if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || to != "/gaps?gap=blind&provider=aws&view=each" {
		t.Errorf("an empty key is kept: %d %s", w.Code, to)
	}
	w = get(t, s, "/gaps?gap=blind&provider=aws&view=each")
	if got := texts(t, w.Body.String(), ".chips li"); !slices.Equal(got, []string{"cloud: Amazon Web Services × , remove", "gap: Blind × , remove", "Clear all"}) {
		t.Errorf("chips %q", got)
	}
	if !strings.Contains(w.Body.String(), `href="/gaps?gap=blind&amp;view=each"`) || !strings.Contains(w.Body.String(), `name="view" value="each"`) {
		t.Error("taking one condition out does not keep the others, or the form forgets the view")
	}
	for _, bad := range []string{"/line?by=colour", "/resources?holder=me", "/gaps?nonsense=1", "/line?columns=9999", "/?scan=x", "/?scan=3", "/?org=Elsewhere", "/resource"} {
		w := get(t, s, bad)
		if w.Code != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", bad, w.Code)
		}
		if said := texts(t, w.Body.String(), "main h1"); !slices.Equal(said, []string{"That address does not work"}) {
			t.Errorf("%s: the page says %q", bad, said)
		}
	}
	for _, gone := range []string{"/nothing", "/resource?id=x", "/assets/demarc-000000000000.css"} {
		if w := get(t, s, gone); w.Code != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", gone, w.Code)
		}
	}
}

// Before the first scan every page says what to do.
func TestEmptyStoreSaysWhatToDo(t *testing.T) {
	s := site(&webtest.Memory{})
	for _, p := range pages {
		w := get(t, s, p.path)
		if w.Code != http.StatusOK {
			t.Errorf("%s: status %d", p.path, w.Code)
		}
		if !strings.HasPrefix(p.path, "/catalog") && !strings.Contains(w.Body.String(), "demarc assess PATH --store") {
			t.Errorf("%s does not say what to do", p.path)
		}
	}
}

// Everything on a page comes from where the page comes from, and nothing in it runs.
func TestPagesHoldNothingForeign(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|<script(?:>| [^>]*>[^<])|\son[a-z]+=|javascript:`)
	loads := regexp.MustCompile(`(?:src|srcset)="([^"]*)"|<link[^>]* href="([^"]*)"|<form[^>]* action="([^"]*)"`)
	s := site(planted())
	for _, p := range pages {
		w := get(t, s, p.path)
		body := w.Body.String()
		if found := inline.FindString(body); found != "" {
			t.Errorf("%s has %q", p.path, found)
		}
		if strings.Contains(body, nasty) || strings.Contains(body, "hunter2") {
			t.Errorf("%s shows what it must not", p.path)
		}
		for _, m := range loads.FindAllStringSubmatch(body, -1) {
			if at := m[1] + m[2] + m[3]; !strings.HasPrefix(at, "/") || strings.HasPrefix(at, "//") {
				t.Errorf("%s loads %q", p.path, at)
			}
		}
		h := w.Header()
		if !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || strings.Contains(h.Get("Content-Security-Policy"), "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Request-Id") == "" {
			t.Errorf("%s: headers %v", p.path, h)
		}
	}
}

// Every route says which right it needs, and has it asked for.
func TestNobodyMayAnything(t *testing.T) {
	s := site(planted())
	for _, route := range s.Routes() {
		method, path, _ := strings.Cut(route.Pattern, " ")
		path = strings.TrimSuffix(path, "{$}")
		for _, who := range []struct {
			name   string
			actor  demarc.Actor
			rights []demarc.Right
		}{{"nobody", nil, nil}, {"viewer", viewer, viewer.rights}, {"owner", owner, owner.rights}, {"admin", admin, admin.rights}} {
			r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			w := do(s, who.actor, r)
			if forbidden := w.Code == http.StatusForbidden; forbidden == slices.Contains(who.rights, route.Needs) {
				t.Errorf("%s by %s, which needs %s: status %d", route.Pattern, who.name, route.Needs, w.Code)
			}
		}
	}
}

func TestWhatOneMayNotDoIsNotOffered(t *testing.T) {
	s := site(planted())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/gaps", nil)
	if body := do(s, viewer, r).Body.String(); strings.Contains(body, "/declarations/new") {
		t.Error("a viewer is offered to declare")
	}
	if body := do(s, owner, r).Body.String(); !strings.Contains(body, "/declarations/new") {
		t.Error("an owner is not offered to declare")
	}
}

func TestDeclaring(t *testing.T) {
	m := planted()
	s := site(m)
	form := url.Values{"kind": {"exception"}, "scope": {"service=aws%2Frds"}, "check": {"aws/rds/minor-upgrades"}, "team": {"shop"}, "by": {"Amara Okafor"}, "on": {"2026-11-29"}, "until": {"2027-01-31"}, "text": {"Until the freeze ends."}}

	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/declarations", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", "https://evil.example")
	if w := do(s, admin, r); w.Code != http.StatusForbidden || len(m.Declared) != 0 {
		t.Errorf("another site may declare: status %d", w.Code)
	}

	// The duty is done by no team yet, so it is not the owner's to except.
	w := post(t, s, owner, "/declarations", form)
	if got := texts(t, w.Body.String(), "[role=alert] li"); len(m.Declared) != 0 || len(got) != 1 || !strings.Contains(got[0], "duties of no team") {
		t.Fatalf("status %d, %d declared: %q", w.Code, len(m.Declared), got)
	}
	teamed(m, "aws/rds", "shop")
	w = post(t, s, owner, "/declarations", form)
	if w.Code != http.StatusSeeOther || len(m.Declared) != 1 {
		t.Fatalf("status %d, %d declared: %s", w.Code, len(m.Declared), texts(t, w.Body.String(), "[role=alert]"))
	}
	d := m.Declared[0]
	if d.Kind != demarc.Exception || d.Scope.String() != "service=aws%2Frds&team=shop" || d.Team != "shop" || d.Until.Format(time.DateOnly) != "2027-01-31" || m.Recorded[0].Actor != "amara@northwind.example" {
		t.Errorf("recorded %+v by %+v", d, m.Recorded)
	}
	if got := texts(t, get(t, s, w.Header().Get("Location")).Body.String(), "tbody tr"); len(got) != 1 || !strings.Contains(got[0], "Until the freeze ends.") {
		t.Errorf("the list has %q", got)
	}

	form.Set("team", "payments")
	if w := post(t, s, owner, "/declarations", form); w.Code != http.StatusForbidden {
		t.Errorf("an owner of shop declares for payments: status %d", w.Code)
	}
	// What is for no team is for everybody's.
	if w := post(t, s, owner, "/declarations", url.Values{"kind": {"attestation"}, "duties": {"runtime.*"}, "by": {"Amara"}, "on": {"2026-11-29"}}); w.Code != http.StatusForbidden {
		t.Errorf("an owner attests for everybody: status %d", w.Code)
	}
	form.Del("until")
	form.Set("on", "soon")
	w = post(t, s, admin, "/declarations", form)
	if got := texts(t, w.Body.String(), "[role=alert] li"); len(got) < 2 || !strings.Contains(strings.Join(got, "\n"), "an exception needs a last day") || !strings.Contains(strings.Join(got, "\n"), "on soon") {
		t.Errorf("mistakes %q", got)
	}
	if got := texts(t, w.Body.String(), "textarea"); len(got) != 1 || got[0] != "Until the freeze ends." {
		t.Errorf("what was written is lost: %q", got)
	}

	if w := post(t, s, role{rights: owner.rights, teams: []string{"payments"}}, "/declarations/withdraw", url.Values{"declaration": {"d1"}}); w.Code != http.StatusForbidden {
		t.Errorf("another team withdraws: status %d", w.Code)
	}
	if w := post(t, s, owner, "/declarations/withdraw", url.Values{"declaration": {"d1"}}); w.Code != http.StatusSeeOther || m.Declared[0].Withdrawn.IsZero() {
		t.Errorf("withdraw: status %d", w.Code)
	}
	if w := post(t, s, admin, "/declarations", url.Values{"text": {strings.Repeat("x", 100<<10)}}); w.Code != http.StatusBadRequest {
		t.Errorf("a form of 100 KiB: status %d", w.Code)
	}
}

// teamed gives the organization's duties of a service to a team.
func teamed(m *webtest.Memory, service demarc.ServiceID, team string) {
	for i := range m.Listed {
		if a := &m.Listed[i]; a.Resource.Service == service {
			own := *a.Standing
			own.Teams = make([]string, len(demarc.Duties))
			for d := range own.Teams {
				own.Teams[d] = team
			}
			a.Standing = &own
		}
	}
}

// An export is exactly what the page lists, and no cell of it can become a formula.
func TestExports(t *testing.T) {
	m := planted()
	m.Listed[0].Resource.Name = "=cmd|' /C calc'!A0"
	s := site(m)
	w := get(t, s, "/resources.csv?service=aws/rds&order=id")
	rows, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(rows) != 3 || rows[0][0] != "id" || rows[1][1] != "'=cmd|' /C calc'!A0" {
		t.Errorf("rows %q, %v", rows, err)
	}
	if !strings.Contains(w.Header().Get("Content-Disposition"), "resources.csv") {
		t.Errorf("headers %v", w.Header())
	}
	var findings []demarc.Finding
	if err := json.Unmarshal(get(t, s, "/gaps.json?gap=blind").Body.Bytes(), &findings); err != nil || len(findings) != 1 || findings[0].Check != "aws/s3/policy-not-public" {
		t.Errorf("findings %+v, %v", findings, err)
	}
	if body := get(t, s, "/gaps.json?gap=lapsed").Body.String(); body != "[]\n" {
		t.Errorf("no findings are %q", body)
	}
	rows, err = csv.NewReader(get(t, s, "/frameworks.csv?framework=nist-800-53").Body).ReadAll()
	if err != nil || len(rows) != 3 || rows[1][1] != "PE-3" {
		t.Errorf("rows %q, %v", rows, err)
	}
}

func TestAnUnchangedPageIsNotSentAgain(t *testing.T) {
	s := site(planted())
	w := get(t, s, "/line")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/line", nil)
	r.Header.Set("If-None-Match", w.Header().Get("Etag"))
	if w := do(s, admin, r); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("status %d, %d bytes", w.Code, w.Body.Len())
	}
	at := web.Asset("demarc.css")
	if w := get(t, s, at); w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("%s: %d %v", at, w.Code, w.Header())
	}
}

// counted is a history that counts how often it is asked for an overview.
type counted struct {
	*webtest.Memory
	asked int
}

func (c *counted) Overview(ctx context.Context, at demarc.At, f demarc.Filter) (demarc.Overview, error) {
	c.asked++
	return c.Memory.Overview(ctx, at, f)
}

// A page is made again when something was recorded, for other rights, another address or another scan; and one that tells how long
// ago something was, with every minute.
func TestAPageIsMadeOnce(t *testing.T) {
	m := planted()
	c := &counted{Memory: m}
	clock, mark := now, "first"
	s := web.New(web.Config{History: m, Words: knowing{}, Now: func() time.Time { return clock }, Mark: func(context.Context, string) (string, error) { return mark, nil }},
		overview.Page{Counts: c, Attention: m, Lines: m}, sources.Page{Counts: m, Estate: knowing{}})
	read := func(who demarc.Actor, path string) string {
		w := do(s, who, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%s: status %d", path, w.Code)
		}
		return w.Body.String()
	}
	want := 0
	for i, step := range []struct {
		change func()
		who    demarc.Actor
		path   string
		made   bool
	}{
		{func() {}, viewer, "/", true},
		{func() {}, viewer, "/", false},
		{func() {}, admin, "/", true},
		{func() {}, viewer, "/?provider=aws", true},
		{func() {}, viewer, "/?scan=7", true},
		{func() { clock = clock.Add(2 * time.Hour) }, viewer, "/", false},
		{func() { mark = "second" }, viewer, "/", true},
		{func() {}, viewer, "/", false},
	} {
		step.change()
		read(step.who, step.path)
		if step.made {
			want++
		}
		if c.asked != want {
			t.Errorf("step %d, %s: asked %d times, want %d", i, step.path, c.asked, want)
			want = c.asked
		}
	}
	before := read(viewer, "/sources")
	if clock = clock.Add(24 * time.Hour); read(viewer, "/sources") == before {
		t.Error("a day later, it is as long ago")
	}
	// What nobody asks for is forgotten, and never more is kept than there is room for.
	for i := range 2000 {
		read(viewer, fmt.Sprintf("/?q=%d", i))
	}
	asked := c.asked
	if read(viewer, "/"); c.asked == asked {
		t.Error("two thousand pages are kept")
	}
}

// broken is a history whose overview fails, or panics.
type broken struct {
	*webtest.Memory
	with func()
}

func (b broken) Overview(context.Context, demarc.At, demarc.Filter) (demarc.Overview, error) {
	b.with()
	return demarc.Overview{}, io.ErrUnexpectedEOF
}

func TestAFailureSaysLittleOutsideAndAllInTheLog(t *testing.T) {
	var log bytes.Buffer
	m := planted()
	s := web.New(web.Config{History: m, Words: knowing{}, Log: slog.New(slog.NewJSONHandler(&log, nil))}, overview.Page{Counts: broken{m, func() {}}, Attention: m, Lines: m})
	w := get(t, s, "/")
	id := w.Header().Get("X-Request-Id")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "unexpected EOF") || !strings.Contains(w.Body.String(), id) {
		t.Errorf("status %d: %s", w.Code, texts(t, w.Body.String(), "main"))
	}
	if !strings.Contains(log.String(), "unexpected EOF") || !strings.Contains(log.String(), id) {
		t.Errorf("log: %s", log.String())
	}
}
