// Package responsibility decides which party holds each security duty of each resource, and why.
//
// The answer is a function of the resource's facts, the catalog, the estate and the as-of date, and of nothing else:
// the archetype's row, the lines in order, roles bound to parties, engagements in force.
package responsibility

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/rule"
	"github.com/demarc/demarc/internal/rulebook"
)

// Profile is the answers for every duty of a resource, by duty index. Resources whose lines, parties and
// engagements are the same share one. It must not be changed.
type Profile struct {
	Assignments []*demarc.Assignment
	// Number tells profiles of one Resolver apart, in the order in which they were first met.
	Number int
	taken  []int // the engagements that take something of it
}

// Resolver resolves the resources of one run. It is safe for concurrent use.
type Resolver struct {
	book  *rulebook.Rulebook
	est   *estate.Estate
	asOf  time.Time
	memo  *rulebook.Memo
	kinds map[demarc.Party]demarc.PartyKind

	bindings    *estate.Selector
	engagements *estate.Selector
	boundOf     []atomic.Int64 // resources that a binding was about
	takenBy     []atomic.Int64 // duties that an engagement took

	mu       sync.RWMutex
	profiles map[string]*Profile
	bases    map[string][]*demarc.Assignment
	engaged  map[engagedKey]*demarc.Assignment
	failed   map[string]error // expressions that failed on some facts, by text
}

// New returns a Resolver for an estate, as of a day.
func New(book *rulebook.Rulebook, est *estate.Estate, asOf time.Time) *Resolver {
	r := &Resolver{
		book: book, est: est, asOf: asOf, memo: rulebook.NewMemo(asOf), kinds: book.Parties(),
		boundOf: make([]atomic.Int64, len(est.Bindings)), takenBy: make([]atomic.Int64, len(est.Engagements)),
		profiles: map[string]*Profile{}, bases: map[string][]*demarc.Assignment{}, engaged: map[engagedKey]*demarc.Assignment{}, failed: map[string]error{},
	}
	for id, p := range est.Parties {
		r.kinds[id] = p.Kind
	}
	var bindings, engagements []*rule.Where
	for i := range est.Bindings {
		bindings = append(bindings, est.Bindings[i].Where)
	}
	for i := range est.Engagements {
		engagements = append(engagements, est.Engagements[i].Where)
	}
	r.bindings, r.engagements = estate.NewSelector(bindings), estate.NewSelector(engagements)
	return r
}

// Kind returns what a party is to the organization.
func (r *Resolver) Kind(p demarc.Party) demarc.PartyKind {
	if k, ok := r.kinds[p]; ok {
		return k
	}
	return demarc.KindVendor
}

// Unused tells the declarations of the estate that were about nothing.
func (r *Resolver) Unused() []demarc.Note {
	var out []demarc.Note
	for i := range r.est.Bindings {
		if b := &r.est.Bindings[i]; r.boundOf[i].Load() == 0 {
			out = append(out, demarc.Note{Kind: demarc.NoteEstate, Pos: at(b.Pos.File, b.Pos.Line, b.Pos.Column), Message: "this binding matches no resource"})
		}
	}
	for i := range r.est.Engagements {
		e := &r.est.Engagements[i]
		if r.takenBy[i].Load() == 0 {
			out = append(out, demarc.Note{Kind: demarc.NoteEstate, Pos: at(e.Pos.File, e.Pos.Line, e.Pos.Column), Message: fmt.Sprintf("the engagement of %s takes nothing that the tenant holds", e.Party)})
		}
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for text, err := range r.failed {
		out = append(out, demarc.Note{Kind: demarc.NoteCatalog, Pos: demarc.Position{Offset: -1}, Message: fmt.Sprintf("%s: %v", text, err)})
	}
	slices.SortFunc(out, func(a, b demarc.Note) int { return strings.Compare(a.Message, b.Message) })
	return out
}

func at(file string, line, column int) demarc.Position {
	return demarc.Position{Input: file, Offset: -1, Line: line, Column: column}
}

// Resolve returns the answers for every duty of a resource. It reads no clock and does no I/O. Where a fact that a
// line asks for is unknown, the answer leaves the duty with the tenant and says which fact was missing; Resolve
// itself never fails on data.
func (r *Resolver) Resolve(item *inventory.Item) (*Profile, error) {
	svc := item.Service
	if err := svc.Compile(); err != nil {
		return nil, err
	}
	results := make([]*rulebook.Result, len(svc.Lines))
	key := make([]byte, 0, 192)
	key = append(append(append(append(key, svc.ID...), 0), item.Resource.Provider...), 0)
	for i, line := range svc.Lines {
		res := r.memo.Eval(line.When, svc, &item.Facts)
		results[i] = res
		key = append(key, '0'+byte(res.Truth), byte(len(res.Missing)), byte(len(res.Presumed)))
		if res.Err != nil {
			r.fail(line.When.Text, res.Err)
		}
		for _, m := range res.Missing {
			key = append(key, byte(m), byte(m>>8), ',')
		}
		for _, m := range res.Presumed {
			key = append(key, byte(m), byte(m>>8), '?')
		}
	}
	bindings := r.bindings.Match(&item.Resource)
	engagements := r.engagements.Match(&item.Resource)
	for _, i := range bindings {
		r.boundOf[i].Add(1)
		key = append(key, 'b', byte(i), byte(i>>8))
	}
	if o := item.Roles; o != nil {
		key = fmt.Appendf(key, "\x00%s\x00%s\x00%t", o.Host, o.Operator, o.Assumed)
	}
	ground := len(key)
	for _, i := range engagements {
		key = append(key, 'e', byte(i), byte(i>>8))
	}
	r.mu.RLock()
	p := r.profiles[string(key)]
	r.mu.RUnlock()
	if p == nil {
		p = r.resolve(r.base(string(key[:ground]), item, results, bindings), engagements)
		r.mu.Lock()
		if known := r.profiles[string(key)]; known != nil {
			p = known
		} else {
			p.Number = len(r.profiles)
			p.taken = r.takes(p, engagements)
			r.profiles[string(key)] = p
		}
		r.mu.Unlock()
	}
	for _, i := range p.taken {
		r.takenBy[i].Add(1)
	}
	return p, nil
}

func (r *Resolver) fail(text string, err error) {
	r.mu.Lock()
	if len(r.failed) < 100 {
		r.failed[text] = err
	}
	r.mu.Unlock()
}

// takes returns the engagements that take or took something of a profile.
func (r *Resolver) takes(p *Profile, engagements []int) []int {
	var out []int
	for _, i := range engagements {
		party := r.est.Engagements[i].Party
		if slices.ContainsFunc(p.Assignments, func(a *demarc.Assignment) bool { return a.Engaged == party || a.Lapsed == party }) {
			out = append(out, i)
		}
	}
	return out
}

// bound is a role with the party that plays it, and what decided.
type bound struct {
	party   demarc.Party
	basis   *demarc.Basis // nil for the provider's default
	assumed bool
	missing []int
}

// base returns the answers before anybody is engaged, remembered by what they rest on.
func (r *Resolver) base(key string, item *inventory.Item, results []*rulebook.Result, bindings []int) []*demarc.Assignment {
	r.mu.RLock()
	known := r.bases[key]
	r.mu.RUnlock()
	if known != nil {
		return known
	}
	roles := r.roles(item, results, bindings)
	out := make([]*demarc.Assignment, rulebook.NumDuties)
	for d := range out {
		out[d] = r.assignment(item.Service, d, results, &roles)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.bases[key]; known != nil {
		return known
	}
	r.bases[key] = out
	return out
}

// resolve adds the engagements to the answers before them. What nobody was engaged for stays shared.
func (r *Resolver) resolve(base []*demarc.Assignment, engagements []int) *Profile {
	p := &Profile{Assignments: slices.Clone(base)}
	for d, a := range base {
		i := r.engagement(a, engagements)
		if i < 0 {
			continue
		}
		key := engagedKey{a, i}
		r.mu.Lock()
		with := r.engaged[key]
		if with == nil {
			with = r.engage(a, &r.est.Engagements[i])
			r.engaged[key] = with
		}
		r.mu.Unlock()
		p.Assignments[d] = with
	}
	return p
}

// engagedKey is an answer and the engagement that changes it.
type engagedKey struct {
	assignment *demarc.Assignment
	engagement int
}

// roles binds every role to a party: by the estate, first match per role; else by a line; else by what the nodes of a
// cluster tell; else by the provider's defaults.
func (r *Resolver) roles(item *inventory.Item, results []*rulebook.Result, bindings []int) [demarc.NumRoles]bound {
	var out [demarc.NumRoles]bound
	for role := range out {
		out[role].party = demarc.Self
	}
	if p := r.book.Providers[item.Resource.Provider]; p != nil {
		for role := range demarc.Tenant {
			out[role].party = p.Roles[role]
		}
	}
	if o := item.Roles; o != nil {
		basis := &demarc.Basis{Kind: demarc.BasisNodes, ID: "cluster", Because: "The nodes of the cluster say whose machines they are."}
		for role, party := range map[demarc.Role]demarc.Party{demarc.Site: o.Host, demarc.Host: o.Host, demarc.Operator: o.Operator} {
			if party != "" {
				out[role] = bound{party: party, assumed: o.Assumed && role != demarc.Operator}
				if party != demarc.Self {
					out[role].basis = basis
				}
			}
		}
	}
	var byEstate [demarc.NumRoles]bool
	for role := range demarc.Role(demarc.NumRoles) {
		for _, i := range bindings {
			b := &r.est.Bindings[i]
			if party, ok := b.Roles[role]; ok {
				out[role] = bound{party: party, basis: &demarc.Basis{Kind: demarc.BasisBinding, ID: b.ID, Because: fmt.Sprintf("The estate binds %s to %s.", role, party)}}
				byEstate[role] = true
				break
			}
		}
	}
	if byEstate[demarc.Host] && !byEstate[demarc.Site] {
		out[demarc.Site] = out[demarc.Host] // the site is the host's, unless a line says otherwise
	}
	for role := range demarc.Tenant {
		if !byEstate[role] {
			out[role] = boundByLines(item.Service, role, results, &out)
		}
	}
	return out
}

// boundByLines binds a role by the first line that does, as duties are: where a line is unknown, both ways are followed,
// and of the parties that may come the organization itself goes before others.
func boundByLines(svc *rulebook.Service, role demarc.Role, results []*rulebook.Result, roles *[demarc.NumRoles]bound) bound {
	chosen, some, assumed := bound{}, false, false
	var missing []int
	candidate := func(b bound) {
		assumed = assumed || some && b.party != chosen.party
		if !some || b.party == demarc.Self || chosen.party != demarc.Self {
			chosen = b
		}
		some = true
	}
	decided := false
	for i, line := range svc.Lines {
		to, ok := line.Binds[role]
		if !ok {
			continue
		}
		missing = append(append(missing, results[i].Missing...), results[i].Presumed...)
		assumed = assumed || len(results[i].Presumed) > 0
		if results[i].Truth == rulebook.False {
			continue
		}
		basis := lineBasis(line)
		b := bound{party: demarc.Self, basis: &basis}
		if to != demarc.Tenant {
			b.party = roles[to].party
		}
		candidate(b)
		if decided = results[i].Truth == rulebook.True; decided {
			break
		}
	}
	if !decided {
		candidate(roles[role])
	}
	if assumed {
		chosen.assumed, chosen.missing = true, append(missing, chosen.missing...)
	}
	return chosen
}

// share returns how much of a duty held by these roles is the organization's own: 2 all, 1 a part, 0 nothing.
func share(roles *[demarc.NumRoles]bound) func(demarc.RoleSet) int {
	return func(set demarc.RoleSet) int {
		own, others := false, false
		for role := range demarc.Role(demarc.NumRoles) {
			if set.Has(role) {
				own = own || roles[role].party == demarc.Self
				others = others || roles[role].party != demarc.Self && roles[role].party != demarc.Nobody
			}
		}
		switch {
		case own && !others:
			return 2
		case own:
			return 1
		default:
			return 0
		}
	}
}

func lineBasis(l *rulebook.Line) demarc.Basis {
	b := demarc.Basis{Kind: demarc.BasisLine, ID: l.ID, Because: l.Because}
	if l.Source != nil {
		b.URL, b.Section, b.Read = l.Source.URL, l.Source.Section, l.Source.Read
	}
	return b
}

func (r *Resolver) assignment(svc *rulebook.Service, d int, results []*rulebook.Result, roles *[demarc.NumRoles]bound) *demarc.Assignment {
	choice := svc.ChooseBy(d, func(line int) rulebook.Tri { return results[line].Truth }, share(roles))
	o := choice.Outcome
	a := &demarc.Assignment{Duty: demarc.Duties[d], Roles: o.Roles, Why: o.Why, Assumed: choice.Differs}
	missing := map[int]bool{}
	for _, line := range choice.Open {
		for _, i := range results[line].Missing {
			missing[i] = true
		}
	}
	reads := map[int]bool{}
	for _, line := range choice.Asked {
		if choice.Line >= 0 && line != choice.Line {
			continue
		}
		for _, i := range svc.Lines[line].When.Reads {
			reads[i] = true
		}
	}
	for _, line := range choice.Asked {
		for _, i := range results[line].Presumed {
			a.Assumed = true
			missing[i] = true
		}
	}
	a.Basis = append(a.Basis, rowBasis(svc, d))
	if choice.Line >= 0 {
		a.Basis = append(a.Basis, lineBasis(svc.Lines[choice.Line]))
	}
	for role := range demarc.Role(demarc.NumRoles) {
		if !o.Roles.Has(role) {
			continue
		}
		b := &roles[role]
		if b.basis != nil && !slices.ContainsFunc(a.Basis, func(x demarc.Basis) bool { return x.Kind == b.basis.Kind && x.ID == b.basis.ID }) {
			a.Basis = append(a.Basis, *b.basis)
		}
		if b.assumed {
			a.Assumed = true
			for _, i := range b.missing {
				missing[i] = true
			}
		}
		a.Parts = append(a.Parts, demarc.Part{Party: b.party, Role: role, Text: o.Parts[role]})
	}
	r.hold(a)
	for i := range svc.Facts {
		if reads[i] {
			a.Reads = append(a.Reads, svc.Facts[i].Name)
		}
		if missing[i] {
			a.Missing = append(a.Missing, svc.Facts[i].Name)
		}
	}
	return a
}

func rowBasis(svc *rulebook.Service, d int) demarc.Basis {
	b := demarc.Basis{Kind: demarc.BasisArchetype, ID: svc.Archetype.ID, Because: fmt.Sprintf("This is how %s is shared unless a setting says otherwise.", strings.ToLower(svc.Archetype.Title))}
	if svc.Own[d] {
		b.Kind, b.ID = demarc.BasisService, string(svc.ID)
		b.Because = fmt.Sprintf("This is how %s is shared unless a setting says otherwise.", svc.Title)
	}
	if s := svc.Base[d].Source; s != nil {
		b.URL, b.Section, b.Read = s.URL, s.Section, s.Read
	}
	return b
}

// hold says in one word who holds a duty, by its parts.
func (r *Resolver) hold(a *demarc.Assignment) {
	a.Parties = nil
	var kinds []demarc.PartyKind
	for _, p := range a.Parts {
		kinds = append(kinds, r.Kind(p.Party))
		if !slices.Contains(a.Parties, p.Party) {
			a.Parties = append(a.Parties, p.Party)
		}
	}
	a.Holder = demarc.HolderOf(kinds)
}

// engagement returns which of some engagements is about the organization's own part of a duty: the first in force, else
// the first that has ended; -1 for none.
func (r *Resolver) engagement(a *demarc.Assignment, engagements []int) int {
	if !slices.ContainsFunc(a.Parts, func(p demarc.Part) bool { return p.Party == demarc.Self }) {
		return -1
	}
	ended := -1
	for _, i := range engagements {
		e := &r.est.Engagements[i]
		switch {
		case !e.Covers(a.Duty):
		case e.InForce(r.asOf):
			return i
		case e.Ended(r.asOf) && ended < 0:
			ended = i
		}
	}
	return ended
}

// engage returns the answer with the organization's own part given to a party, or with that party's engagement ended.
func (r *Resolver) engage(before *demarc.Assignment, e *estate.Engagement) *demarc.Assignment {
	a := *before
	basis := demarc.Basis{Kind: demarc.BasisEngagement, ID: e.ID}
	if e.InForce(r.asOf) {
		a.Parts = slices.Clone(a.Parts)
		for k := range a.Parts {
			if a.Parts[k].Party == demarc.Self {
				a.Parts[k].Party = e.Party
			}
		}
		a.Engaged = e.Party
		basis.Because = fmt.Sprintf("%s has taken this duty by contract.", e.Party)
		r.hold(&a)
	} else {
		a.Lapsed = e.Party
		basis.Because = fmt.Sprintf("The engagement of %s ended on %s.", e.Party, e.Until.Format(time.DateOnly))
	}
	a.Basis = append(slices.Clip(a.Basis), basis)
	return &a
}
