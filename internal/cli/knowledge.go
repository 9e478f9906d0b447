package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/assess"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/responsibility"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/store"
	"github.com/demarc/demarc/internal/web/catalog"
	"github.com/demarc/demarc/internal/web/frameworks"
	"github.com/demarc/demarc/internal/web/resources"
)

// knowledge is what pages ask of the catalog, and of the estate that a scan used. It is safe for concurrent use.
type knowledge struct {
	book  *rulebook.Rulebook
	scans contents

	list    func() []catalog.Entry
	mu      sync.Mutex
	estates map[string]*estate.Estate // by digest
}

// contents has demarc.yaml as it was when a scan was made.
type contents interface {
	Scan(ctx context.Context, at demarc.At) (demarc.Scan, error)
	Content(ctx context.Context, organization, digest string) (store.Content, error)
}

// maxEstates is how many versions of demarc.yaml are kept parsed.
const maxEstates = 16

func newKnowledge(book *rulebook.Rulebook, scans contents) *knowledge {
	k := &knowledge{book: book, scans: scans, estates: map[string]*estate.Estate{}}
	k.list = sync.OnceValue(k.entries)
	return k
}

// estate returns what the organization had declared at a scan.
func (k *knowledge) estate(ctx context.Context, at demarc.At) (*estate.Estate, error) {
	scan, err := k.scans.Scan(ctx, at)
	if err != nil {
		return nil, err
	}
	digest := scan.Estate
	if digest == "" {
		return &estate.Estate{}, nil
	}
	k.mu.Lock()
	est := k.estates[digest]
	k.mu.Unlock()
	if est != nil {
		return est, nil
	}
	content, err := k.scans.Content(ctx, at.Organization, digest)
	if err != nil {
		return nil, err
	}
	if est, err = k.parse(content.Data); err != nil {
		return nil, fmt.Errorf("read the estate %s: %w", digest, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.estates) == maxEstates {
		clear(k.estates)
	}
	k.estates[digest] = est
	return est, nil
}

// parse reads the files of an estate as a recorder kept them: demarc.yaml, the beliefs of matrices, and what was recorded
// in the store.
func (k *knowledge) parse(kept []byte) (*estate.Estate, error) {
	var files map[string][]byte
	if err := json.Unmarshal(kept, &files); err != nil {
		return nil, err
	}
	out := &estate.Estate{}
	if text, ok := files["demarc.yaml"]; ok {
		var err error
		if out, err = estate.Parse("demarc.yaml", text, k.book.Parties()); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch {
		case strings.HasSuffix(name, ".csv"):
			more, err := estate.ParseAssumptionsCSV(name, bytes.NewReader(files[name]))
			if err != nil {
				return nil, err
			}
			out.Assumptions = append(out.Assumptions, more...)
		case name == "recorded.yaml":
			more, err := estate.Parse(name, files[name], k.book.Parties())
			if err != nil {
				return nil, err
			}
			out.Attestations = append(out.Attestations, more.Attestations...)
			out.Exceptions = append(out.Exceptions, more.Exceptions...)
			out.Teams = append(more.Teams, out.Teams...)
		}
	}
	return out, nil
}

// Layer, Duty, Service, Provider and Check are the names by which the catalog calls things.

func (k *knowledge) Layer(id demarc.Layer) string {
	for _, l := range k.book.Layers() {
		if l.ID == id {
			return l.Title
		}
	}
	return ""
}

func (k *knowledge) Duty(id demarc.DutyID) (title, about string) {
	i := demarc.DutyIndex(id)
	if i < 0 {
		return "", ""
	}
	d := &k.book.Duties()[i]
	return d.Title, d.About
}

func (k *knowledge) Provider(id string) string {
	if p := k.book.Providers[id]; p != nil {
		return p.Title
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, est := range k.estates {
		if p, ok := est.Parties[demarc.Party(id)]; ok && p.Title != "" {
			return p.Title
		}
	}
	return ""
}

// Title is the title of a service.
func (k *knowledge) title(id demarc.ServiceID) string {
	if s := k.book.Service(id); s != nil {
		return s.Title
	}
	return ""
}

func (k *knowledge) Check(name string) string {
	i := strings.LastIndexByte(name, '/')
	svc := k.book.Service(demarc.ServiceID(name[:max(i, 0)]))
	if svc == nil {
		return ""
	}
	for _, c := range svc.Checks {
		if c.Name == name {
			return c.Title
		}
	}
	return ""
}

// words is knowledge as web.Words: the page of the catalog asks for more of a service than its title.
type words struct{ *knowledge }

func (w words) Service(id demarc.ServiceID) string { return w.title(id) }

// Services lists the services for the pages of the catalog.
func (k *knowledge) Services() []catalog.Entry { return k.list() }

func (k *knowledge) entries() []catalog.Entry {
	var out []catalog.Entry
	for _, s := range k.book.Services() {
		out = append(out, entryOf(s))
	}
	return out
}

func entryOf(s *rulebook.Service) catalog.Entry {
	return catalog.Entry{ID: s.ID, Title: s.Title, Provider: s.Provider, Model: s.Model, Archetype: s.Archetype.Title, Lines: len(s.Lines), Checks: len(s.Checks)}
}

// Service describes a service for the pages of the catalog.
func (k *knowledge) Service(id demarc.ServiceID) (catalog.Service, error) {
	s := k.book.Service(id)
	if s == nil {
		return catalog.Service{}, fmt.Errorf("%w: service %q", demarc.ErrNotFound, id)
	}
	if err := s.Compile(); err != nil {
		return catalog.Service{}, err
	}
	out := catalog.Service{Entry: entryOf(s), About: s.About}
	for _, t := range s.Types {
		out.Types = append(out.Types, catalog.Type{Dialect: t.Dialect, Name: t.Type})
	}
	for i, duty := range demarc.Duties {
		base := s.Base[i]
		d := catalog.Duty{ID: duty, Holder: holderOf(k.book, s, i), Why: base.Why, Own: s.Own[i]}
		for role := range demarc.Role(demarc.NumRoles) {
			if base.Roles.Has(role) {
				d.Parts = append(d.Parts, demarc.Part{Role: role, Text: base.Parts[role]})
			}
		}
		for _, m := range s.Movers(i) {
			d.Movers = append(d.Movers, s.Lines[m].ID)
		}
		if base.Source != nil {
			d.URL, d.Section = base.Source.URL, base.Source.Section
		}
		out.Duties = append(out.Duties, d)
	}
	for _, l := range s.Lines {
		line := catalog.Line{ID: l.ID, When: l.When.Text, Because: l.Because, Moves: effects(l)}
		if l.Source != nil {
			line.URL, line.Section = l.Source.URL, l.Source.Section
		}
		out.Lines = append(out.Lines, line)
	}
	for _, c := range s.Checks {
		out.Checks = append(out.Checks, catalog.Check{ID: c.Name, Title: c.Title, Duty: demarc.Duties[c.Duty], Severity: c.Severity, Pass: c.Pass.Text, Proves: c.Proves, Fix: c.Fix.Text})
	}
	for i := range s.Facts {
		out.Facts = append(out.Facts, catalog.Fact{Name: s.Facts[i].Name, Type: s.Facts[i].Type.String(), About: s.Facts[i].About})
	}
	return out, nil
}

// frameworkTitles are what frameworks are called.
var frameworkTitles = map[string]string{
	"nist-800-53": "NIST SP 800-53 r5", "ccm-v4": "CSA CCM v4", "iso-27017": "ISO/IEC 27017", "cis-v8": "CIS Controls v8", "pci-dss-4.0": "PCI DSS 4.0", "mcsb": "MCSB",
	"aws": "AWS control types", "azure-row": "Azure’s matrix", "google-row": "Google’s matrix",
}

// frameworkOrder is the order in which they are offered; others follow by name.
var frameworkOrder = []string{"nist-800-53", "ccm-v4", "iso-27017", "cis-v8", "pci-dss-4.0", "mcsb"}

// Frameworks lists the frameworks that duties have a place in.
func (k *knowledge) Frameworks() []frameworks.Framework {
	of := map[string]map[string][]demarc.DutyID{}
	for _, d := range k.book.Duties() {
		for f, controls := range d.Frameworks {
			if of[f] == nil {
				of[f] = map[string][]demarc.DutyID{}
			}
			for _, c := range controls {
				of[f][c] = append(of[f][c], d.ID)
			}
		}
	}
	ids := slices.Clone(frameworkOrder)
	for _, f := range slices.Sorted(maps.Keys(of)) {
		if !slices.Contains(ids, f) {
			ids = append(ids, f)
		}
	}
	var out []frameworks.Framework
	for _, f := range ids {
		if of[f] == nil {
			continue
		}
		title := frameworkTitles[f]
		if title == "" {
			title = f
		}
		out = append(out, frameworks.Framework{ID: f, Title: title, Controls: of[f]})
	}
	return out
}

// Declared is demarc.yaml for people to read.
func (k *knowledge) Declared(ctx context.Context, at demarc.At) (demarc.Declared, error) {
	est, err := k.estate(ctx, at)
	if err != nil {
		return demarc.Declared{}, err
	}
	var d demarc.Declared
	for _, id := range slices.Sorted(maps.Keys(est.Parties)) {
		d.Parties = append(d.Parties, demarc.DeclaredParty{ID: id, Title: est.Parties[id].Title, Kind: est.Parties[id].Kind})
	}
	for _, b := range est.Bindings {
		x := demarc.DeclaredBinding{ID: b.ID, Where: b.Where.String()}
		for _, role := range slices.Sorted(maps.Keys(b.Roles)) {
			x.Roles = append(x.Roles, demarc.Part{Role: role, Party: b.Roles[role]})
		}
		d.Bindings = append(d.Bindings, x)
	}
	for _, e := range est.Engagements {
		d.Engagements = append(d.Engagements, demarc.DeclaredEngagement{ID: e.ID, Where: e.Where.String(), Party: e.Party, Takes: e.Takes, Excludes: e.Excludes, From: e.From, Until: e.Until, Contract: e.Contract})
	}
	for _, a := range est.Assumptions {
		d.Assumptions = append(d.Assumptions, demarc.DeclaredAssumption{ID: a.ID, Where: a.Where.String(), Duty: a.Duty, Holder: a.Holder})
	}
	for _, t := range est.Teams {
		d.Teams = append(d.Teams, demarc.DeclaredTeam{ID: t.ID, Team: t.Team, Where: t.Where.String(), Duties: t.Duties})
	}
	for _, a := range est.Attestations {
		d.Attestations = append(d.Attestations, demarc.DeclaredAttestation{ID: a.ID, Duty: a.Duty, Where: a.Where.String(), By: a.By, Evidence: a.Evidence, On: a.On, Until: a.Until})
	}
	for _, a := range est.Assurances {
		d.Assurances = append(d.Assurances, demarc.DeclaredAssurance{ID: a.ID, Party: a.Party, Report: a.Report, Services: a.Services, Regions: a.Regions, Until: a.Until})
	}
	for _, x := range est.Exceptions {
		d.Exceptions = append(d.Exceptions, demarc.DeclaredException{ID: x.ID, Check: x.Check, Where: x.Where.String(), Reason: x.Reason, Owner: x.Owner, Until: x.Until})
	}
	return d, nil
}

// Checks describes the checks of a service for the page of a resource.
func (k *knowledge) Checks(id demarc.ServiceID) []resources.Check {
	s := k.book.Service(id)
	if s == nil {
		return nil
	}
	var out []resources.Check
	for _, c := range s.Checks {
		x := resources.Check{ID: c.Name, Title: c.Title, Duty: demarc.Duties[c.Duty], Fix: c.Fix.Text, CLI: c.Fix.CLI, Terraform: c.Fix.Terraform}
		if c.Source != nil {
			x.URL, x.Section = c.Source.URL, c.Source.Section
		}
		out = append(out, x)
	}
	return out
}

// Settings lists the facts of a service that a line or a check reads and that somebody can set: booleans, closed sets,
// and what can be written.
func (k *knowledge) Settings(id demarc.ServiceID) []resources.Setting {
	s := k.book.Service(id)
	if s == nil || s.Compile() != nil {
		return nil
	}
	lines := map[int][]string{}
	for _, l := range s.Lines {
		for _, f := range k.reads(s, l.When, 0) {
			lines[f] = append(lines[f], l.ID)
		}
	}
	read := map[int]bool{}
	for _, c := range s.Checks {
		for _, f := range k.reads(s, c.Pass, 0) {
			read[f] = true
		}
	}
	var out []resources.Setting
	for i := range s.Facts {
		f := &s.Facts[i]
		if len(lines[i]) == 0 && !read[i] || f.Sensitive || f.Derive != nil || f.Typed {
			continue
		}
		x := resources.Setting{Name: f.Name, About: f.About, Type: f.Type, Lines: lines[i]}
		switch f.Type {
		case demarc.TypeBool:
			x.Options = []string{"true", "false"}
		case demarc.TypeString:
			x.Options = f.Values
		case demarc.TypeInt, demarc.TypeNumber, demarc.TypeTime, demarc.TypeStrings:
		default:
			continue
		}
		out = append(out, x)
	}
	slices.SortStableFunc(out, func(a, b resources.Setting) int { return min(len(b.Lines), 1) - min(len(a.Lines), 1) })
	return out
}

// reads lists the facts that a condition reads, those behind derived ones included.
func (k *knowledge) reads(s *rulebook.Service, c *rulebook.Condition, depth int) []int {
	if c == nil || depth > 8 {
		return nil
	}
	var out []int
	for _, i := range c.Reads {
		out = append(out, i)
		out = append(out, k.reads(s, s.Facts[i].Derive, depth+1)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// WhatIf answers for a resource as it is and with one other setting. Both are worked out from the stored facts: what
// surroundings told of its roles is not stored, so that it is missing in both.
func (k *knowledge) WhatIf(ctx context.Context, at demarc.At, a *demarc.StoredAnswer, setting, value string) (is, would demarc.Answer, err error) {
	s := k.book.Service(a.Service)
	if s == nil {
		return is, would, errors.New("the catalog does not know its service any more")
	}
	if err := s.Compile(); err != nil {
		return is, would, err
	}
	i := s.FactIndex(setting)
	if i < 0 {
		return is, would, fmt.Errorf("%s has no setting %q", s.Title, setting)
	}
	v, err := parseValue(&s.Facts[i], value)
	if err != nil {
		return is, would, err
	}
	est, err := k.estate(ctx, at)
	if err != nil {
		return is, would, err
	}
	facts := make([]demarc.Fact, len(s.Facts))
	for j := range s.Facts {
		f, ok := a.Answer.Fact(s.Facts[j].Name)
		if !ok || f.Sensitive || f.Fact.Value.Type() != s.Facts[j].Type {
			facts[j] = demarc.Fact{Origin: demarc.Absent}
			if ok && !f.Fact.Known() {
				facts[j] = f.Fact
			}
			continue
		}
		facts[j] = f.Fact
	}
	judge := assess.New(responsibility.New(k.book, est, a.Scan.AsOf), est, a.Scan.AsOf).Worker()
	table := inventory.NewTable() // one: what is remembered goes by its numbers
	answer := func(facts []demarc.Fact) (demarc.Answer, error) {
		standing, err := judge.Assess(&inventory.Item{Resource: a.Resource, Service: s, Facts: table.Row(s, facts), Inside: a.Answer.Inside})
		return demarc.Answer{Resource: a.Resource, Standing: standing, Inside: a.Answer.Inside}, err
	}
	if is, err = answer(facts); err != nil {
		return is, would, err
	}
	changed := slices.Clone(facts)
	changed[i] = demarc.Fact{Value: v}
	rederive(s, facts, changed, i, a.Scan.AsOf)
	would, err = answer(changed)
	return is, would, err
}

// rederive works out again the derived facts that rest on a changed one.
func rederive(s *rulebook.Service, before, changed []demarc.Fact, fact int, asOf time.Time) {
	stale := map[int]bool{fact: true}
	for range s.Facts { // a derived fact may read another
		again := false
		for j := range s.Facts {
			d := s.Facts[j].Derive
			if d == nil || stale[j] || !slices.ContainsFunc(d.Reads, func(r int) bool { return stale[r] }) {
				continue
			}
			stale[j], again = true, true
			res := d.Eval(s, rulebook.FactList(changed), asOf)
			changed[j] = demarc.Fact{Value: res.Value}
			if res.Value.IsZero() {
				changed[j] = demarc.Fact{Origin: before[j].Origin}
				if before[j].Origin.Known() {
					changed[j].Origin = demarc.Absent
				}
			}
		}
		if !again {
			return
		}
	}
}

// parseValue reads a value of a fact as a person writes it.
func parseValue(f *rulebook.Fact, text string) (demarc.Value, error) {
	text = strings.TrimSpace(text)
	bad := func(want string) (demarc.Value, error) {
		return demarc.Value{}, fmt.Errorf("%s %q: expected %s", f.Name, text, want)
	}
	switch f.Type {
	case demarc.TypeBool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return bad("true or false")
		}
		return demarc.Bool(b), nil
	case demarc.TypeInt:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return bad("a whole number")
		}
		return demarc.Int(n), nil
	case demarc.TypeNumber:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return bad("a number")
		}
		return demarc.Number(x), nil
	case demarc.TypeTime:
		for _, layout := range []string{time.RFC3339, time.DateOnly} {
			if t, err := time.Parse(layout, text); err == nil {
				return demarc.Time(t), nil
			}
		}
		return bad("a day, as 2026-11-23")
	case demarc.TypeString:
		if f.Values != nil && !slices.Contains(f.Values, text) {
			return bad("one of " + strings.Join(f.Values, ", "))
		}
		return demarc.String(text), nil
	case demarc.TypeStrings:
		var list []demarc.Value
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' }) {
			list = append(list, demarc.String(part))
		}
		return demarc.List(demarc.TypeStrings, list...), nil
	default:
		return bad("a setting that can be written in one line")
	}
}
