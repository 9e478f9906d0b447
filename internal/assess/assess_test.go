package assess_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/assess"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/responsibility"
	"github.com/demarc/demarc/internal/rulebook"
)

var asOf = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// The service of these tests: guest.* is the tenant's, data.* is shared, all else is the operator's. Of guest.patching one check
// proves the duty, one only disproves it and may not apply; data.sharing has a check that disproves.
const service = `service: aws/thing
title: A thing
model: paas
archetype: plain
types: {awsconfig: [AWS::Thing]}
facts:
  proof: {type: bool, about: P., awsconfig: configuration.p}
  safe: {type: bool, about: S., awsconfig: configuration.s}
  used: {type: bool, about: U., awsconfig: configuration.u}
  open: {type: bool, about: O., awsconfig: configuration.o}
checks:
  - {id: proof, title: Proof, duty: guest.patching, severity: high, pass: facts.proof, proves: true}
  - {id: safe, title: Safe, duty: guest.patching, severity: critical, applies: facts.used, pass: facts.safe}
  - {id: closed, title: Closed, duty: data.sharing, severity: medium, pass: facts.open == false}
  - {id: theirs, title: Theirs, duty: platform.patching, severity: low, pass: facts.proof}
`

func book(t testing.TB) *rulebook.Rulebook {
	t.Helper()
	system := fstest.MapFS{
		"providers.yaml": {Data: []byte("providers:\n  aws: {title: AWS, kind: provider, roles: {site: aws, host: aws, operator: aws, supplier: aws}}\n")},
		"aws/thing.yaml": {Data: []byte(service)},
	}
	for _, id := range []string{"plain", "unclassified"} {
		var b strings.Builder
		fmt.Fprintf(&b, "archetype: %s\ntitle: A thing\nabout: A thing.\nmodel: paas\nduties:\n", id)
		for _, d := range demarc.Duties {
			row := "{holder: operator, part: Does it., source: page}"
			switch d.Layer() {
			case "guest":
				row = "{holder: tenant, part: Do it., source: page}"
			case "data":
				row = "{holder: [operator, tenant], parts: {operator: Does it., tenant: Do it.}, source: page}"
			case "endpoint":
				row = "{holder: not-applicable, part: There is none., source: page}"
			default:
			}
			fmt.Fprintf(&b, "  %s: %s\n", d, row)
		}
		b.WriteString("sources:\n  page: {url: \"https://example.com/page\", section: All, read: 2026-11-23, says: All is said.}\n")
		system["archetypes/"+id+".yaml"] = &fstest.MapFile{Data: []byte(b.String())}
	}
	out, err := rulebook.Load(system)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// judged assesses a thing whose facts are named "proof" (true), "!proof" (false), "?proof" (denied); others are absent.
func judged(t testing.TB, b *rulebook.Rulebook, est *estate.Estate, day time.Time, facts string) *demarc.Standing {
	t.Helper()
	svc := b.Service("aws/thing")
	list := make([]demarc.Fact, len(svc.Facts))
	for i := range list {
		list[i] = demarc.Fact{Origin: demarc.Absent}
	}
	for f := range strings.FieldsSeq(facts) {
		name := strings.TrimLeft(f, "!?")
		fact := demarc.Fact{Value: demarc.Bool(f[0] != '!')}
		if f[0] == '?' {
			fact = demarc.Fact{Origin: demarc.Denied}
		}
		list[svc.FactIndex(name)] = fact
	}
	item := &inventory.Item{
		Resource: demarc.Resource{ID: "x", Provider: "aws", Service: svc.ID, Type: "T", Account: "1", Region: "eu-west-1", Name: "web"},
		Service:  svc, Facts: inventory.NewTable().Row(svc, list),
	}
	r := responsibility.New(b, est, day)
	s, err := assess.New(r, est, day).Worker().Assess(item)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parsed(t rapid.TB, b *rulebook.Rulebook, text string) *estate.Estate {
	t.Helper()
	e, err := estate.Parse("demarc.yaml", []byte(text), b.Parties())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return e
}

const (
	msp       = "parties: {msp: {title: M, kind: msp}}\n"
	engaged   = msp + "engagements: [{party: msp, takes: [guest.*, data.*], until: 2026-12-31}]\n"
	lapsed    = msp + "engagements: [{party: msp, takes: [guest.*, data.*], until: 2026-11-22}]\n"
	attested  = "attestations: [{duty: guest.*, by: Ada, on: 2026-11-01, until: 2026-11-23}]\n"
	excepted  = "exceptions: [{check: aws/thing/safe, reason: R, owner: O, until: 2026-11-23}]\n"
	expired   = "exceptions: [{check: aws/thing/safe, reason: R, owner: O, until: 2026-11-22}]\n"
	elsewhere = "exceptions: [{check: aws/thing/safe, where: name == 'db', reason: R, owner: O, until: 2026-12-31}]\n"
	assured   = "assurances: [{party: aws, report: SOC 2, until: 2026-11-23}]\n"
	stale     = "assurances: [{party: aws, report: SOC 2, until: 2026-11-22}]\n"
	away      = "assurances: [{party: aws, report: SOC 2, regions: [us-east-1], until: 2026-12-31}]\n"
	nobody    = "bindings: [{operator: nobody}]\n"
)

// TestStates goes through the states in the order in which the first that applies counts: failing, excepted, lapsed, blind,
// delegated, met, attested, unverified; assured and unassured for others; unowned; and where there is nothing to do.
func TestStates(t *testing.T) {
	b := book(t)
	for _, c := range []struct {
		name, estate, facts string
		duty                demarc.DutyID
		want                string // state, and the counterpart's behind a slash
	}{
		{"a check says so", "", "proof used !safe", "guest.patching", "failing"},
		{"a check that proves says so", "", "!proof !used", "guest.patching", "failing"},
		{"failing goes before all else", engaged + attested, "proof used !safe", "guest.patching", "failing"},
		{"failing goes before lapsed", lapsed, "proof used !safe", "guest.patching", "failing"},
		{"failing goes before blind", "", "?proof used !safe", "guest.patching", "failing"},
		{"an exception on its last day", excepted, "proof used !safe", "guest.patching", "excepted"},
		{"an exception that has ended", expired, "proof used !safe", "guest.patching", "failing"},
		{"an exception for others", elsewhere, "proof used !safe", "guest.patching", "failing"},
		{"an exception for one of two failures", excepted, "!proof used !safe", "guest.patching", "failing"},
		{"an exception without a failure", excepted, "proof used safe", "guest.patching", "met"},
		{"excepted goes before lapsed", lapsed + excepted, "proof used !safe", "guest.patching", "excepted"},
		{"a contract that has ended", lapsed, "proof used safe", "guest.patching", "lapsed"},
		{"lapsed goes before blind", lapsed, "?proof", "guest.patching", "lapsed"},
		{"a fact that was denied", "", "?proof used safe", "guest.patching", "blind"},
		{"a fact that the document does not say", "", "used safe", "guest.patching", "blind"},
		{"whether a check applies is unknown", "", "proof safe", "guest.patching", "blind"},
		{"blind goes before delegated", engaged, "?proof", "guest.patching", "blind"},
		{"blind goes before attested", attested, "?proof", "guest.patching", "blind"},
		{"a contract in force", engaged, "proof used safe", "guest.patching", "delegated"},
		{"a contract in force, where there is no check", engaged, "", "guest.hardening", "delegated"},
		{"proven", "", "proof used safe", "guest.patching", "met"},
		{"proven, and the other check does not apply", "", "proof !used", "guest.patching", "met"},
		{"met goes before attested", attested, "proof !used", "guest.patching", "met"},
		{"a pass that proves nothing", "", "!open", "data.sharing", "unverified/unassured"},
		{"a person said so, on the last day", attested, "", "guest.hardening", "attested"},
		{"nobody has looked", "", "", "guest.hardening", "unverified"},
		{"the other's part of a shared duty", assured, "open", "data.sharing", "failing/assured"},
		{"a shared duty that is engaged", engaged + assured, "!open", "data.sharing", "delegated/assured"},
		{"a report on its last day", assured, "", "platform.patching", "assured"},
		{"a report that has ended", stale, "", "platform.patching", "unassured"},
		{"a report for another region", away, "", "platform.patching", "unassured"},
		{"a failing check of what is not ours", assured, "!proof", "platform.patching", "assured"},
		{"a role bound to nobody", nobody, "proof", "platform.patching", "unowned"},
		{"a shared duty whose other is nobody", nobody, "!open", "data.sharing", "unverified"},
		{"nothing to do", "", "", "endpoint.devices", "not-applicable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := judged(t, b, parsed(t, b, c.estate), asOf, c.facts)
			v := j.Verdicts[demarc.DutyIndex(c.duty)]
			got := string(v.State)
			if v.Counterpart != "" {
				got += "/" + string(v.Counterpart)
			}
			if got != c.want {
				t.Errorf("%s is %s, want %s (%+v)", c.duty, got, c.want, v)
			}
			if v.State == demarc.Blind && len(v.Missing) == 0 {
				t.Errorf("%s is blind, and nothing is said to be missing", c.duty)
			}
		})
	}
}

// A belief that a duty is somebody else's, while it is ours, is the mistake to prevent; others are none.
func TestMisassumptions(t *testing.T) {
	b := book(t)
	est := parsed(t, b, msp+`assumptions:
  - {id: wrong, duty: guest.patching, holder: provider}
  - {id: third, duty: guest.hardening, holder: third-party}
  - {id: right, duty: platform.*, holder: provider}
  - {id: own, duty: guest.replacement, holder: customer}
  - {id: half, duty: data.sharing, holder: provider}
  - {id: others, where: name == 'db', duty: guest.agent-patching, holder: provider}
`)
	j := judged(t, b, est, asOf, "")
	var got []string
	for _, m := range j.Beliefs {
		got = append(got, fmt.Sprintf("%s %s %s", demarc.Duties[m.Duty], m.Holder, m.Assumption))
	}
	want := []string{"guest.patching provider wrong", "guest.hardening third-party third", "data.sharing provider half"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The first team that matches does the organization's part.
func TestTeams(t *testing.T) {
	b := book(t)
	est := parsed(t, b, "teams:\n  - {team: web, where: name == 'web', duties: [guest.*]}\n  - {team: all, duties: [guest.patching, data.*]}\n")
	teams := judged(t, b, est, asOf, "").Teams
	for duty, want := range map[demarc.DutyID]string{"guest.patching": "web", "data.sharing": "all", "network.firewall": ""} {
		if got := teams[demarc.DutyIndex(duty)]; got != want {
			t.Errorf("%s is of team %q, want %q", duty, got, want)
		}
	}
	if none := judged(t, b, &estate.Estate{}, asOf, "").Teams; none != nil {
		t.Error("no teams are declared, and there are some")
	}
}

// What is declared for a team counts where that team does the duty, whoever did it when it was declared; and a team takes over
// from those alone that it may.
func TestDeclaredForATeam(t *testing.T) {
	b := book(t)
	const of = "exceptions: [{check: aws/thing/safe, teams: [web], reason: R, owner: web, until: 2026-12-31}]\nattestations: [{duty: data.*, teams: [web], by: Ada, on: 2026-11-01}]\n"
	for name, c := range map[string]struct {
		teams               string
		patching, data      demarc.State
		patches, classifies string // the teams
	}{
		"its own":           {"teams: [{team: web}]\n", demarc.Excepted, demarc.Attested, "web", "web"},
		"another's":         {"teams: [{team: shop}]\n", demarc.Failing, demarc.Unverified, "shop", "shop"},
		"nobody's":          {"", demarc.Failing, demarc.Unverified, "", ""},
		"one of two":        {"teams: [{team: web, duties: [guest.*]}, {team: shop}]\n", demarc.Excepted, demarc.Unverified, "web", "shop"},
		"taken from nobody": {"teams: [{team: web, teams: [web, \"\"]}, {team: shop, duties: [data.*]}]\n", demarc.Excepted, demarc.Unverified, "web", "shop"},
		"taken from shop":   {"teams: [{team: web, teams: [shop]}, {team: shop, duties: [data.*]}]\n", demarc.Failing, demarc.Attested, "", "web"},
	} {
		j := judged(t, b, parsed(t, b, of+c.teams), asOf, "used !safe")
		at := func(duty demarc.DutyID) (demarc.State, string) {
			d, team := demarc.DutyIndex(duty), ""
			if j.Teams != nil {
				team = j.Teams[d]
			}
			return j.Verdicts[d].State, team
		}
		if state, team := at("guest.patching"); state != c.patching || team != c.patches {
			t.Errorf("%s: guest.patching is %s, of %q; want %s, of %q", name, state, team, c.patching, c.patches)
		}
		if state, team := at("data.classification"); state != c.data || team != c.classifies {
			t.Errorf("%s: data.classification is %s, of %q; want %s, of %q", name, state, team, c.data, c.classifies)
		}
	}
}

// Nothing is met without a successful read of what proves it; every duty has a state; and judging twice is the same.
func TestNothingIsMetUnread(t *testing.T) {
	b := book(t)
	rapid.Check(t, func(rt *rapid.T) {
		var facts []string
		for _, name := range []string{"proof", "safe", "used", "open"} {
			if sign := rapid.SampledFrom([]string{"-", "", "!", "?"}).Draw(rt, name); sign != "-" {
				facts = append(facts, sign+name)
			}
		}
		var text string
		for _, part := range []string{rapid.SampledFrom([]string{"", engaged, lapsed}).Draw(rt, "contract"), attested, excepted, assured, nobody} {
			if rapid.Bool().Draw(rt, "part") {
				text += part
			}
		}
		est := parsed(t, b, text)
		j := judged(t, b, est, asOf, strings.Join(facts, " "))
		again := judged(t, b, est, asOf, strings.Join(facts, " "))
		if diff := cmp.Diff(j, again); diff != "" {
			rt.Fatalf("judged twice:\n%s", diff)
		}
		for d, v := range j.Verdicts {
			a := j.Assignments[d]
			ours := a.Tenant() || a.Engaged != ""
			switch v.State {
			case demarc.Met:
				proven := false
				for _, c := range v.Checks {
					proven = proven || c.Result == demarc.CheckPass && c.ID == "aws/thing/proof"
					if c.Result == demarc.CheckFail || c.Result == demarc.CheckUnknown {
						rt.Fatalf("%s is met, and %s is %s", a.Duty, c.ID, c.Result)
					}
				}
				if !proven {
					rt.Fatalf("%s is met, and nothing proves it", a.Duty)
				}
			case demarc.Assured, demarc.Unassured, demarc.NobodysDuty, demarc.NoState:
				if ours {
					rt.Fatalf("%s is ours, and %s", a.Duty, v.State)
				}
			case "":
				rt.Fatalf("%s has no state", a.Duty)
			default:
				if !ours {
					rt.Fatalf("%s is not ours, and %s", a.Duty, v.State)
				}
			}
		}
	})
}

// What is remembered changes no answer, and neither does the order of resources or who else is judged: a worker that
// forgets everything at once, one that forgets nothing, and one that has seen nothing else agree.
func TestMemoryChangesNothing(t *testing.T) {
	b := book(t)
	svc := b.Service("aws/thing")
	wheres := []string{"true", "account == '1'", "tags.team == 'web'", "region in ['r', 's'] && name != 'a'", "name.startsWith('a')", "id.matches('[13]')"}
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		list := func(kind, entry string) {
			fmt.Fprintf(&text, "%s:\n", kind)
			for i := range rapid.IntRange(1, 4).Draw(t, kind) {
				where := rapid.SampledFrom(wheres).Draw(t, "where")
				day := rapid.SampledFrom([]string{"2026-01-01", "2027-01-01"}).Draw(t, "day")
				duty := rapid.SampledFrom([]string{"guest.patching", "guest.*", "data.*", "\"*\""}).Draw(t, "duty")
				check := rapid.SampledFrom([]string{"aws/thing/safe", "aws/thing/proof", "aws/thing/closed"}).Draw(t, "check")
				party := rapid.SampledFrom([]string{"m", "n"}).Draw(t, "party")
				text.WriteString("  - " + strings.NewReplacer("ID", fmt.Sprint(kind, i), "WHERE", "where: \""+where+"\",", "DAY", day, "DUTY", duty, "CHECK", check, "PARTY", party).Replace(entry) + "\n")
			}
		}
		text.WriteString("parties: {m: {title: M, kind: msp}, n: {title: N, kind: provider}}\n")
		list("bindings", "{id: ID, WHERE operator: PARTY}")
		list("engagements", "{id: ID, WHERE party: PARTY, takes: [DUTY], until: DAY}")
		list("assumptions", "{id: ID, WHERE duty: DUTY, holder: provider}")
		list("teams", "{id: ID, WHERE team: PARTY, duties: [DUTY]}")
		list("attestations", "{id: ID, WHERE duty: DUTY, by: A, on: 2025-01-01, until: DAY}")
		list("assurances", "{id: ID, party: PARTY, report: R, regions: [r], until: DAY}")
		list("exceptions", "{id: ID, WHERE check: CHECK, reason: R, owner: O, until: DAY}")
		est := parsed(t, b, text.String())
		worker := func(memory int) *assess.Worker {
			return assess.NewWithMemory(responsibility.NewWithMemory(b, est, asOf, memory), est, asOf, memory).Worker()
		}
		table := inventory.NewTable()
		var items []*inventory.Item
		for i := range 8 {
			facts := make([]demarc.Fact, len(svc.Facts))
			for k := range facts {
				facts[k] = rapid.SampledFrom([]demarc.Fact{{Value: demarc.Bool(true)}, {Value: demarc.Bool(false)}, {Origin: demarc.Denied}, {Value: demarc.Bool(true), Origin: demarc.Presumed}}).Draw(t, "fact")
			}
			items = append(items, &inventory.Item{
				Resource: demarc.Resource{
					ID: demarc.ResourceID(fmt.Sprint(i)), Provider: "aws", Service: svc.ID, Type: "T", Account: fmt.Sprint(i % 3),
					Region: rapid.SampledFrom([]string{"r", "s", "t", ""}).Draw(t, "region"), Name: rapid.SampledFrom([]string{"a", "ab", "b"}).Draw(t, "name"),
					Tags: demarc.TagsOf(map[string]string{"team": rapid.SampledFrom([]string{"web", "x"}).Draw(t, "team")}),
				},
				Service: svc, Facts: table.Row(svc, facts),
			})
		}
		alone := map[*inventory.Item]*demarc.Standing{}
		for _, item := range items {
			alone[item] = assessed(t, worker(0), item)
		}
		forgets, remembers := worker(0), worker(1<<20)
		for range 2 {
			for _, item := range rapid.Permutation(items).Draw(t, "order") {
				if diff := cmp.Diff(alone[item], assessed(t, forgets, item)); diff != "" {
					t.Fatalf("who forgets everything says otherwise (-alone +others):\n%s", diff)
				}
				if diff := cmp.Diff(alone[item], assessed(t, remembers, item)); diff != "" {
					t.Fatalf("who remembers everything says otherwise (-alone +others):\n%s", diff)
				}
			}
		}
	})
}

func assessed(t rapid.TB, w *assess.Worker, item *inventory.Item) *demarc.Standing {
	t.Helper()
	s, err := w.Assess(item)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
