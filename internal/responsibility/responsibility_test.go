package responsibility_test

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/responsibility"
	"github.com/demarc/demarc/internal/rulebook"
)

var asOf = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var builtIn = sync.OnceValues(func() (*rulebook.Rulebook, error) { return rulebook.Load(catalog.Files) })

const head = `service: aws/thing
title: A thing
model: paas
archetype: plain
types: {awsconfig: [AWS::Thing]}
facts:
  a: {type: bool, about: A., awsconfig: configuration.a}
  b: {type: bool, about: B., awsconfig: configuration.b}
  n: {type: int, about: N., awsconfig: configuration.n}
  s: {type: string, about: S., awsconfig: configuration.s}
  rare: {type: bool, about: Rare., awsconfig: configuration.r, presume: {value: false, reason: It is rare., source: page}}
`

const tail = "sources:\n  page: {url: \"https://example.com/page\", section: All, read: 2026-11-23, says: All is said.}\n"

// small loads a catalog of one service, whose archetype gives guest.* to the tenant, facility.* to the site, host.* to
// the host, and shares data.* between operator and tenant; all else is the operator's.
func small(t rapid.TB, service string) *rulebook.Rulebook {
	t.Helper()
	system := fstest.MapFS{
		"providers.yaml": {Data: []byte("providers:\n  aws: {title: AWS, kind: provider, roles: {site: aws, host: aws, operator: aws, supplier: aws}}\n  dc: {title: DC, kind: private, roles: {}}\n")},
		"aws/thing.yaml": {Data: []byte(head + service + tail)},
	}
	for _, id := range []string{"plain", "unclassified"} {
		var b strings.Builder
		fmt.Fprintf(&b, "archetype: %s\ntitle: A thing\nabout: A thing.\nmodel: paas\nduties:\n", id)
		for _, d := range demarc.Duties {
			row := "{holder: operator, part: Does it., source: page}"
			switch d.Layer() {
			case "guest":
				row = "{holder: tenant, part: Do it., source: page}"
			case "facility":
				row = "{holder: site, part: Does it., source: page}"
			case "host":
				row = "{holder: host, part: Does it., source: page}"
			case "data":
				row = "{holder: [operator, tenant], parts: {operator: Does it., tenant: Do it.}, source: page}"
			case "endpoint":
				row = "{holder: not-applicable, part: There is none., source: page}"
			default:
			}
			fmt.Fprintf(&b, "  %s: %s\n", d, row)
		}
		b.WriteString(tail)
		system["archetypes/"+id+".yaml"] = &fstest.MapFile{Data: []byte(b.String())}
	}
	book, err := rulebook.Load(fs.FS(system))
	if err != nil {
		t.Fatal(err)
	}
	return book
}

func parsed(t rapid.TB, b *rulebook.Rulebook, text string) *estate.Estate {
	t.Helper()
	e, err := estate.Parse("demarc.yaml", []byte(text), b.Parties())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func item(svc *rulebook.Service, table *inventory.Table, facts []demarc.Fact) *inventory.Item {
	return &inventory.Item{
		Resource: demarc.Resource{ID: "x", Provider: svc.Provider, Service: svc.ID, Type: "T", Account: "1", Region: "r", Tags: demarc.TagsOf(map[string]string{"team": "web"})},
		Service:  svc, Facts: table.Row(svc, facts),
	}
}

func resolve(t rapid.TB, cases *responsibility.Cases, i *inventory.Item) []*demarc.Assignment {
	t.Helper()
	c, err := cases.Of(i)
	if err != nil {
		t.Fatal(err)
	}
	return cases.Profile(c).Assignments
}

// unknown are the facts of a service of which nothing is known but what is presumed.
func unknown(svc *rulebook.Service) []demarc.Fact {
	out := make([]demarc.Fact, len(svc.Facts))
	for i := range out {
		out[i] = demarc.Fact{Origin: demarc.Absent}
		if p := svc.Facts[i].Presume; p != nil {
			out[i] = demarc.Fact{Value: p.Value, Origin: demarc.Presumed}
		}
	}
	return out
}

// share is how much of a duty is left with the organization itself: all, a part, nothing.
func share(a *demarc.Assignment) int {
	own, others := 0, 0
	for _, p := range a.Parts {
		switch p.Party {
		case demarc.Self:
			own++
		case demarc.Nobody:
		default:
			others++
		}
	}
	switch {
	case own > 0 && others == 0:
		return 2
	case own > 0:
		return 1
	default:
		return 0
	}
}

// one checks what is so of every answer: one holder, with the parts that make it.
func one(t rapid.TB, a *demarc.Assignment, i int) {
	t.Helper()
	if a == nil || a.Duty != demarc.Duties[i] || !slices.Contains(demarc.Holders, a.Holder) {
		t.Fatalf("%s has no answer: %+v", demarc.Duties[i], a)
	}
	roles := demarc.RoleSet(0)
	for _, p := range a.Parts {
		roles = roles.With(p.Role)
		if !slices.Contains(a.Parties, p.Party) || p.Text == "" {
			t.Fatalf("%s: part %+v, parties %v", a.Duty, p, a.Parties)
		}
	}
	if roles != a.Roles || (a.Holder == demarc.NotApplicable) != (a.Roles == 0) || len(a.Basis) == 0 {
		t.Fatalf("%s: %+v", a.Duty, a)
	}
	if a.Holder == demarc.HeldByCustomer && share(a) != 2 || a.Holder == demarc.HeldShared && share(a) != 1 {
		t.Fatalf("%s is %s with parts %+v", a.Duty, a.Holder, a.Parts)
	}
}

// valueFor draws a value of a fact, likely one that its lines tell apart.
func valueFor(t *rapid.T, svc *rulebook.Service, i int) demarc.Value {
	f := &svc.Facts[i]
	var named []demarc.Value
	for _, line := range svc.Lines {
		named = append(named, line.When.Program().Constants()[f.Name]...)
	}
	text := func(label string) demarc.Value {
		choices := append([]string{"", "x", "~"}, f.Values...)
		for _, v := range named {
			if v.Type() == demarc.TypeString {
				choices = append(choices, v.AsString(), v.AsString()+"x")
			}
		}
		return demarc.String(rapid.SampledFrom(choices).Draw(t, label))
	}
	number := func(label string) int64 {
		choices := []int64{-1, 0, 1, 5, 90, 1000}
		for _, v := range named {
			if v.Type() == demarc.TypeInt {
				choices = append(choices, v.AsInt()-1, v.AsInt(), v.AsInt()+1)
			}
		}
		return rapid.SampledFrom(choices).Draw(t, label)
	}
	list := func(typ demarc.Type, element func() demarc.Value) demarc.Value {
		var out []demarc.Value
		for range rapid.IntRange(0, 3).Draw(t, "size") {
			out = append(out, element())
		}
		return demarc.List(typ, out...)
	}
	switch f.Type {
	case demarc.TypeBool:
		return demarc.Bool(rapid.Bool().Draw(t, f.Name))
	case demarc.TypeInt:
		return demarc.Int(number(f.Name))
	case demarc.TypeNumber:
		return demarc.Number(float64(number(f.Name)) / 2)
	case demarc.TypeTime:
		return demarc.Time(asOf.AddDate(0, 0, -int(number(f.Name))))
	case demarc.TypeStrings:
		return list(f.Type, func() demarc.Value { return text(f.Name) })
	case demarc.TypeInts:
		return list(f.Type, func() demarc.Value { return demarc.Int(number(f.Name)) })
	case demarc.TypeDocument:
		return demarc.JSON(rapid.SampledFrom([]string{`{"Statement":[]}`, `{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`, `{}`}).Draw(t, f.Name))
	case demarc.TypeRecords:
		return list(f.Type, func() demarc.Value {
			fields := map[string]demarc.Value{}
			for _, x := range f.Fields {
				switch x.Type {
				case demarc.TypeBool:
					fields[x.Name] = demarc.Bool(rapid.Bool().Draw(t, x.Name))
				case demarc.TypeString:
					fields[x.Name] = text(x.Name)
				case demarc.TypeInt:
					fields[x.Name] = demarc.Int(number(x.Name))
				default:
					fields[x.Name] = demarc.Value{}
				}
			}
			return demarc.Record(fields)
		})
	default:
		return text(f.Name)
	}
}

// learning draws facts of a service, forgets some of them, and holds what learning them again may do: it never moves a
// duty to the organization that the unknown reading had left with somebody else, and changes no answer that was not
// assumed. What is presumed counts as known, and stays.
func learning(t *rapid.T, svc *rulebook.Service, cases *responsibility.Cases, table *inventory.Table) {
	full := make([]demarc.Fact, len(svc.Facts))
	part := unknown(svc)
	for i := range full {
		if part[i].Origin == demarc.Presumed && rapid.Bool().Draw(t, "presumed") {
			full[i] = part[i]
			continue
		}
		full[i] = demarc.Fact{Value: valueFor(t, svc, i)}
		if part[i].Origin == demarc.Presumed || rapid.IntRange(0, 2).Draw(t, "known") > 0 {
			part[i] = full[i]
		}
	}
	before, after := resolve(t, cases, item(svc, table, part)), resolve(t, cases, item(svc, table, full))
	for i := range before {
		one(t, before[i], i)
		one(t, after[i], i)
		if share(after[i]) > share(before[i]) {
			t.Fatalf("%s of %s: learning %v moves it from %v to %v", before[i].Duty, svc.ID, full, before[i].Parties, after[i].Parties)
		}
		if !before[i].Assumed && (before[i].Roles != after[i].Roles || !slices.Equal(before[i].Parties, after[i].Parties)) {
			t.Fatalf("%s of %s was not assumed, and learning %v moves it from %v to %v", before[i].Duty, svc.ID, full, before[i].Parties, after[i].Parties)
		}
		if before[i].Assumed && len(before[i].Missing) == 0 {
			t.Fatalf("%s of %s is assumed, and nothing would settle it", before[i].Duty, svc.ID)
		}
	}
}

var conditions = []string{
	"facts.a", "!facts.a", "facts.b == false", "facts.a && facts.b", "facts.a || facts.b", "facts.n > 3", "facts.n == 5 || facts.a", "facts.s == 'x'",
	"facts.s in ['x', 'y'] && facts.n < 2", "facts.rare", "!facts.rare && facts.a", "facts.a ? facts.b : facts.n > 3",
}

func TestLearningIsCautious(t *testing.T) {
	holders := []string{
		"{holder: tenant, part: Do it.}", "{holder: operator, part: Does it.}", "{holder: [host, tenant], parts: {host: Does it., tenant: Do it.}}",
		"{holder: supplier, part: Does it.}", "{holder: not-applicable, part: There is none.}",
	}
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		b.WriteString("lines:\n")
		for i := range rapid.IntRange(1, 5).Draw(t, "lines") {
			fmt.Fprintf(&b, "  - id: l%d\n    when: %q\n", i, rapid.SampledFrom(conditions).Draw(t, "when"))
			if rapid.Bool().Draw(t, "binds") {
				fmt.Fprintf(&b, "    binds: {%s: %s}\n", rapid.SampledFrom([]string{"site", "host", "supplier"}).Draw(t, "role"), rapid.SampledFrom([]string{"tenant", "operator"}).Draw(t, "to"))
			} else {
				fmt.Fprintf(&b, "    moves: {%s: %s}\n", rapid.SampledFrom([]string{"guest.patching", "platform.patching", "data.sharing"}).Draw(t, "duty"), rapid.SampledFrom(holders).Draw(t, "holder"))
			}
			b.WriteString("    because: The setting says so.\n    source: page\n")
		}
		book := small(t, b.String())
		svc := book.Service("aws/thing")
		if err := svc.Compile(); err != nil {
			t.Fatal(err)
		}
		bindings := rapid.SampledFrom([]string{"", "bindings: [{host: self}]", "bindings: [{operator: self}]", "bindings: [{where: tags.team == 'web', supplier: self}, {host: nobody}]"}).Draw(t, "estate")
		cases := responsibility.New(book, parsed(t, book, bindings), asOf).Cases()
		table := inventory.NewTable()
		for range 8 {
			learning(t, svc, cases, table)
		}
	})
}

// The same over every service of the catalog that is built in.
func TestBuiltInCatalogIsCautious(t *testing.T) {
	book, err := builtIn()
	if err != nil {
		t.Fatal(err)
	}
	cases := responsibility.New(book, &estate.Estate{}, asOf).Cases()
	table := inventory.NewTable()
	for _, svc := range book.Services() {
		if err := svc.Compile(); err != nil {
			t.Fatal(err)
		}
		t.Run(string(svc.ID), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { learning(t, svc, cases, table) })
		})
	}
}

func at(duties []*demarc.Assignment, id demarc.DutyID) *demarc.Assignment {
	return duties[demarc.DutyIndex(id)]
}

// Engagements move the organization's own part of the duties that they take, within their days, both ends inclusive,
// and nothing else; after the last day the duty is lapsed.
func TestEngagements(t *testing.T) {
	book := small(t, "")
	svc := book.Service("aws/thing")
	it := item(svc, inventory.NewTable(), unknown(svc))
	const text = "parties: {nightwatch: {title: Nightwatch, kind: msp}, other: {title: Other, kind: msp}}\nengagements:\n" +
		"  - {id: e1, party: nightwatch, takes: [guest.*, platform.*, data.sharing], excludes: [guest.hardening], from: 2026-01-10, until: 2026-01-20}\n" +
		"  - {id: e2, party: other, takes: [guest.patching], from: 2026-01-15, until: 2026-01-25}\n"
	est := parsed(t, book, text)
	plain := resolve(t, responsibility.New(book, &estate.Estate{}, asOf).Cases(), it)
	for _, c := range []struct{ day, patching, hardening, sharing, lapsed string }{
		{"2026-01-09T23:59:59Z", "self", "self", "aws self", ""},
		{"2026-01-10T00:00:00Z", "nightwatch", "self", "aws nightwatch", ""},
		{"2026-01-20T23:59:59Z", "nightwatch", "self", "aws nightwatch", ""},
		{"2026-01-21T00:00:00Z", "other", "self", "aws self", "nightwatch of sharing"},
		{"2026-01-26T00:00:00Z", "self", "self", "aws self", "nightwatch"},
	} {
		day, err := time.Parse(time.RFC3339, c.day)
		if err != nil {
			t.Fatal(err)
		}
		got := resolve(t, responsibility.New(book, est, day).Cases(), it)
		for id, want := range map[demarc.DutyID]string{"guest.patching": c.patching, "guest.hardening": c.hardening, "data.sharing": c.sharing, "platform.patching": "aws"} {
			if parties := strings.Trim(fmt.Sprint(at(got, id).Parties), "[]"); parties != want {
				t.Errorf("%s: %s is held by %s, want %s", c.day, id, parties, want)
			}
		}
		if (at(got, "data.sharing").Lapsed != "") != (c.lapsed != "") {
			t.Errorf("%s: data.sharing lapsed is %q", c.day, at(got, "data.sharing").Lapsed)
		}
		for i, a := range got {
			one(t, a, i)
			takes := a.Duty.Layer() == "guest" && a.Duty != "guest.hardening" || a.Duty == "data.sharing"
			if !takes && !cmp.Equal(a, plain[i]) {
				t.Errorf("%s: %s changed: %s", c.day, a.Duty, cmp.Diff(plain[i], a))
			}
		}
	}
	if n := responsibility.New(book, est, asOf).Notes(); len(n) != 2 {
		t.Errorf("engagements that take nothing are told: %v", n)
	}
}

// Bindings give each role to the first that matches; the site follows the host unless it is bound itself, and a binding
// goes before what a line binds.
func TestBindings(t *testing.T) {
	const lines = "lines:\n  - id: outpost\n    when: facts.a\n    binds: {site: tenant}\n    because: It stands with the tenant.\n    source: page\n"
	book := small(t, lines)
	svc := book.Service("aws/thing")
	table := inventory.NewTable()
	facts := func(a demarc.Fact) []demarc.Fact {
		out := unknown(svc)
		out[svc.FactIndex("a")] = a
		return out
	}
	no, yes, open := demarc.Fact{Value: demarc.Bool(false)}, demarc.Fact{Value: demarc.Bool(true)}, demarc.Fact{Origin: demarc.Absent}
	for _, c := range []struct {
		name, bindings             string
		a                          demarc.Fact
		site, host, operator, data string
		assumed                    bool // of facility.access
	}{
		{"the provider's defaults", "", no, "aws", "aws", "aws", "shared", false},
		{"what a line binds", "", yes, "self", "aws", "aws", "shared", false},
		{"a line that may bind to the tenant", "", open, "self", "aws", "aws", "shared", true},
		{"the site follows the host", "bindings: [{host: self}]", no, "self", "self", "aws", "shared", false},
		{"a site that a line binds does not follow", "parties: {colo: {title: C, kind: vendor}}\nbindings: [{host: colo}]", yes, "self", "colo", "aws", "shared", false},
		{"the first that matches, for each role", "parties: {colo: {title: C, kind: vendor}}\nbindings: [{where: region == 'q', host: colo}, {where: region == 'r', host: self}, {host: colo, operator: self}]", no, "self", "self", "self", "customer", false},
		{"a site of its own", "parties: {colo: {title: C, kind: vendor}}\nbindings: [{host: self, site: colo}]", no, "colo", "self", "aws", "shared", false},
		{"a binding goes before a line", "parties: {colo: {title: C, kind: vendor}}\nbindings: [{site: colo}]", yes, "colo", "aws", "aws", "shared", false},
		{"nobody", "bindings: [{operator: nobody}]", no, "aws", "aws", "nobody", "customer", false},
	} {
		got := resolve(t, responsibility.New(book, parsed(t, book, c.bindings), asOf).Cases(), item(svc, table, facts(c.a)))
		for id, want := range map[demarc.DutyID]string{"facility.access": c.site, "host.patching": c.host, "platform.patching": c.operator} {
			if parties := at(got, id).Parties; len(parties) != 1 || string(parties[0]) != want {
				t.Errorf("%s: %s is held by %v, want %s", c.name, id, parties, want)
			}
		}
		if h := at(got, "data.sharing").Holder; string(h) != c.data {
			t.Errorf("%s: data.sharing is %s, want %s", c.name, h, c.data)
		}
		if a := at(got, "facility.access"); a.Assumed != c.assumed {
			t.Errorf("%s: assumed is %v", c.name, a.Assumed)
		}
	}
}

// What the nodes of a cluster tell goes before the provider's defaults, and the estate before that.
func TestNodes(t *testing.T) {
	book := small(t, "")
	svc := book.Service("aws/thing")
	it := item(svc, inventory.NewTable(), unknown(svc))
	it.Resource.Provider = "dc"
	it.Roles = &inventory.ObservedRoles{Host: "aws", Operator: "aws"}
	got := resolve(t, responsibility.New(book, &estate.Estate{}, asOf).Cases(), it)
	if h, o := at(got, "host.patching"), at(got, "platform.patching"); h.Holder != demarc.HeldByProvider || o.Holder != demarc.HeldByProvider || h.Basis[len(h.Basis)-1].Kind != demarc.BasisNodes {
		t.Errorf("host %v, operator %v", h.Parties, o.Parties)
	}
	got = resolve(t, responsibility.New(book, parsed(t, book, "bindings: [{host: self}]"), asOf).Cases(), it)
	if h, f := at(got, "host.patching"), at(got, "facility.access"); h.Holder != demarc.HeldByCustomer || f.Holder != demarc.HeldByCustomer {
		t.Errorf("bound: host %v, site %v", h.Parties, f.Parties)
	}
	it.Roles = &inventory.ObservedRoles{Host: demarc.Self, Assumed: true}
	got = resolve(t, responsibility.New(book, &estate.Estate{}, asOf).Cases(), it)
	if h := at(got, "host.patching"); h.Holder != demarc.HeldByCustomer || !h.Assumed {
		t.Errorf("nodes that name nobody: %+v", h)
	}
}

// Adding a line changes only what it matches: other duties keep their answer whatever it asks, and where it certainly does
// not hold, or a line before it decides, its own duty does too.
func TestLineChangesOnlyWhatItMatches(t *testing.T) {
	const line = "  - id: %s\n    when: %q\n    moves: {%s: {holder: %s, part: Does it.}}\n    because: The setting says so.\n    source: page\n"
	rapid.Check(t, func(t *rapid.T) {
		duties := []string{"guest.patching", "platform.patching", "host.patching"}
		one := fmt.Sprintf(line, "one", rapid.SampledFrom(conditions).Draw(t, "one"), duties[0], "operator")
		moved := rapid.SampledFrom(duties).Draw(t, "duty")
		two := fmt.Sprintf(line, "two", rapid.SampledFrom(conditions).Draw(t, "two"), moved, rapid.SampledFrom([]string{"tenant", "operator", "host"}).Draw(t, "holder"))
		before, after := small(t, "lines:\n"+one), small(t, "lines:\n"+one+two)
		with := after.Service("aws/thing")
		if err := with.Compile(); err != nil {
			t.Fatal(err)
		}
		facts := unknown(with)
		for i := range facts {
			if rapid.Bool().Draw(t, "known") {
				facts[i] = demarc.Fact{Value: valueFor(t, with, i)}
			}
		}
		first := with.Lines[0].When.Eval(with, rulebook.FactList(facts), asOf)
		second := with.Lines[1].When.Eval(with, rulebook.FactList(facts), asOf)
		decided := moved == duties[0] && first.Truth == rulebook.True
		old := resolve(t, responsibility.New(before, &estate.Estate{}, asOf).Cases(), item(before.Service("aws/thing"), inventory.NewTable(), facts))
		got := resolve(t, responsibility.New(after, &estate.Estate{}, asOf).Cases(), item(with, inventory.NewTable(), facts))
		for i := range old {
			if string(old[i].Duty) == moved && !decided && (second.Truth != rulebook.False || len(second.Presumed) > 0) {
				continue
			}
			if old[i].Holder != got[i].Holder || old[i].Assumed != got[i].Assumed || !cmp.Equal(old[i].Parts, got[i].Parts) || !cmp.Equal(old[i].Missing, got[i].Missing) {
				t.Fatalf("%s changes:\n%s", old[i].Duty, cmp.Diff(old[i], got[i]))
			}
		}
	})
}
