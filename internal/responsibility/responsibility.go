// Package responsibility decides which party holds each security duty of each resource, and why.
//
// The answer is a function of the resource's facts, the catalog, the estate and the as-of date, and of nothing else:
// the archetype's row, the lines in order, roles bound to parties, engagements in force.
package responsibility

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/rulebook"
)

// Case is what the answers for a resource rest on. Resources of equal cases have equal answers.
type Case struct {
	Settings *rulebook.Settings
	Declared *estate.Declared
	Provider *rulebook.Provider      // nil for one that the catalog does not know
	Observed inventory.ObservedRoles // the zero value if nothing was observed
}

// Cases tells which case a resource is, and remembers profiles. It is for one goroutine.
type Cases struct {
	r         *Resolver
	evaluator *rulebook.Evaluator
	selector  *estate.Selector
	profiles  map[profileKey]*Profile
}

// profileKey is what a Profile can depend on.
type profileKey struct {
	lines                 uint32
	provider              *rulebook.Provider
	observed              inventory.ObservedRoles
	bindings, engagements *estate.Places
}

// Of returns the case of a resource. The error holds the mistakes in the expressions of its service.
func (c *Cases) Of(item *inventory.Item) (Case, error) {
	settings, err := c.evaluator.Settings(item.Service, &item.Facts)
	if err != nil {
		return Case{}, err
	}
	out := Case{Settings: settings, Declared: c.selector.Match(&item.Resource), Provider: c.r.book.Providers[item.Resource.Provider]}
	if item.Roles != nil {
		out.Observed = *item.Roles
	}
	return out, nil
}

// Profile returns the answers for every duty of a case.
func (c *Cases) Profile(of Case) *Profile {
	key := profileKey{of.Settings.LinesNumber, of.Provider, of.Observed, of.Declared.Bindings, of.Declared.Engagements}
	p := c.profiles[key]
	if p == nil {
		p = c.r.Resolve(of)
		remember(c.profiles, key, p, c.r.memory/keySize)
	}
	return p
}

// Profile is the answers for every duty of a resource, by duty index. Resources whose answers are the same share one. It
// must not be changed.
type Profile struct {
	Assignments []*demarc.Assignment
	// Shape is the same for profiles that differ only in which parties hold the organization's part, and on what ground: the
	// states of their duties are the same.
	Shape uint32
}

// Resolver resolves the cases of one run. It is safe for concurrent use.
type Resolver struct {
	book    *rulebook.Rulebook
	est     *estate.Estate
	asOf    time.Time
	memory  int
	remarks rulebook.Remarks
	kinds   map[demarc.Party]demarc.PartyKind
	bound   []atomic.Bool // which bindings were about some resource

	mu       sync.Mutex
	took     []bool // which engagements took some duty
	met      uint32 // bases and shapes so far
	bases    map[string]*base
	shared   map[string]*demarc.Assignment // the answers in bases
	engaged  map[engagedKey]*demarc.Assignment
	profiles map[string]*Profile
	shapes   map[string]uint32

	engagedTo []int  // scratch
	key       []byte // scratch
}

// Memory is how many bytes are remembered of each kind of thing, about.
const Memory = 5 << 18

// How many bytes something that is remembered takes, about.
const (
	keySize        = 250
	profileSize    = 700
	assignmentSize = 1000
)

// remember adds something to what is remembered, which is emptied when there are limit things.
func remember[K comparable, V any](m map[K]V, key K, value V, limit int) {
	if len(m) >= max(1, limit) {
		clear(m)
	}
	m[key] = value
}

// New returns a Resolver for an estate, as of a day.
func New(book *rulebook.Rulebook, est *estate.Estate, asOf time.Time) *Resolver {
	return NewWithMemory(book, est, asOf, Memory)
}

// NewWithMemory is New with a memory of another size. What is remembered changes no answer.
func NewWithMemory(book *rulebook.Rulebook, est *estate.Estate, asOf time.Time, memory int) *Resolver {
	r := &Resolver{
		book: book, est: est, asOf: asOf, memory: memory, kinds: book.Parties(),
		bound: make([]atomic.Bool, len(est.Bindings)), took: make([]bool, len(est.Engagements)),
		bases: map[string]*base{}, shared: map[string]*demarc.Assignment{}, engaged: map[engagedKey]*demarc.Assignment{},
		profiles: map[string]*Profile{}, shapes: map[string]uint32{},
	}
	for id, p := range est.Parties {
		r.kinds[id] = p.Kind
	}
	return r
}

// Cases returns a Cases for one goroutine.
func (r *Resolver) Cases() *Cases {
	return &Cases{r, rulebook.NewEvaluator(r.asOf, &r.remarks, r.memory), estate.NewSelector(r.est, r.asOf, r.bound, r.memory), map[profileKey]*Profile{}}
}

// Kind returns what a party is to the organization.
func (r *Resolver) Kind(p demarc.Party) demarc.PartyKind {
	if k, ok := r.kinds[p]; ok {
		return k
	}
	return demarc.KindVendor
}

// Notes tells the declarations of the estate that were about nothing, and the expressions that failed on some facts.
func (r *Resolver) Notes() []demarc.Note {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.remarks.Notes()
	for i := range r.est.Bindings {
		if b := &r.est.Bindings[i]; !r.bound[i].Load() {
			out = append(out, demarc.Note{Kind: demarc.NoteEstate, Pos: at(b.Pos.File, b.Pos.Line, b.Pos.Column), Message: "this binding matches no resource"})
		}
	}
	for i := range r.est.Engagements {
		if e := &r.est.Engagements[i]; !r.took[i] {
			out = append(out, demarc.Note{Kind: demarc.NoteEstate, Pos: at(e.Pos.File, e.Pos.Line, e.Pos.Column), Message: fmt.Sprintf("the engagement of %s takes nothing that the tenant holds", e.Party)})
		}
	}
	slices.SortFunc(out, func(a, b demarc.Note) int { return strings.Compare(a.Message, b.Message) })
	return out
}

// Lifecycles returns the tables that lines and checks have looked versions up in.
func (r *Resolver) Lifecycles() []string { return r.remarks.Lifecycles() }

func at(file string, line, column int) demarc.Position {
	return demarc.Position{Input: file, Offset: -1, Line: line, Column: column}
}

// Resolve returns the answers for every duty of a case. It reads no clock and does no I/O. Where a fact that a line
// asks for is unknown, the answer leaves the duty with the tenant and says which fact was missing.
func (r *Resolver) Resolve(c Case) *Profile {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.base(c)
	engaged := r.engagedTo[:0] // duties, and the engagements that change their answers
	for d, a := range b.assignments {
		if i := c.Declared.Engagements.At(d); i >= 0 && ours(a) {
			r.took[i] = true
			engaged = append(engaged, d, i)
		}
	}
	r.engagedTo = append(engaged, int(b.number))
	r.key = appendPlaces(r.key[:0], r.engagedTo)
	if known := r.profiles[string(r.key)]; known != nil {
		return known
	}
	key := string(r.key)
	p := &Profile{Assignments: slices.Clone(b.assignments)}
	for ; len(engaged) > 0; engaged = engaged[2:] {
		d := engaged[0]
		p.Assignments[d] = r.withEngagement(b.assignments[d], engaged[1])
	}
	p.Shape = r.shape(p.Assignments)
	remember(r.profiles, key, p, r.memory/profileSize)
	return p
}

// ours reports whether the organization itself has a part in a duty.
func ours(a *demarc.Assignment) bool {
	return slices.ContainsFunc(a.Parts, func(p demarc.Part) bool { return p.Party == demarc.Self })
}

// shape returns the shape of answers.
func (r *Resolver) shape(list []*demarc.Assignment) uint32 {
	key := r.key[:0]
	for _, a := range list {
		key = append(append(key, a.Holder...), 0)
		for _, p := range a.Parts {
			switch p.Party {
			case demarc.Self, a.Engaged:
				key = append(key, 1)
			default:
				key = append(append(key, p.Party...), 2)
			}
		}
		key = strconv.AppendBool(strconv.AppendBool(key, a.Engaged != ""), a.Lapsed != "")
	}
	r.key = key
	n, ok := r.shapes[string(key)]
	if !ok {
		r.met++
		n = r.met
		remember(r.shapes, string(key), n, r.memory/(2*len(key)))
	}
	return n
}

// appendPlaces appends numbers so that no two sequences of lists have the same bytes.
func appendPlaces(key []byte, places []int) []byte {
	key = binary.AppendUvarint(key, uint64(len(places)))
	for _, i := range places {
		key = binary.AppendVarint(key, int64(i))
	}
	return key
}

// bound is a role with the party that plays it, and what decided.
type bound struct {
	party   demarc.Party
	basis   *demarc.Basis // nil for the provider's default
	assumed bool
	missing []int
}

// base is the answers before anybody is engaged.
type base struct {
	assignments []*demarc.Assignment
	number      uint32
}

// base returns the answers before anybody is engaged, remembered by what they rest on.
func (r *Resolver) base(c Case) *base {
	key := append(append(append(r.key[:0], c.Settings.Service.ID...), 0), c.Settings.LinesKey...)
	if c.Provider != nil {
		key = append(key, c.Provider.ID...)
	}
	for _, p := range [...]demarc.Party{c.Observed.Host, c.Observed.Operator} {
		key = append(append(key, 0), p...)
	}
	key = strconv.AppendBool(append(key, 0), c.Observed.Assumed)
	r.key = appendPlaces(key, c.Declared.Bindings.All())
	if known := r.bases[string(r.key)]; known != nil {
		return known
	}
	key = slices.Clone(r.key)
	roles := r.roles(c)
	r.met++
	b := &base{make([]*demarc.Assignment, rulebook.NumDuties), r.met}
	for d := range b.assignments {
		b.assignments[d] = r.assignment(c.Settings, d, &roles)
	}
	remember(r.bases, string(key), b, r.memory/profileSize)
	return b
}

// withEngagement returns the answer that an engagement makes of another.
func (r *Resolver) withEngagement(a *demarc.Assignment, engagement int) *demarc.Assignment {
	key := engagedKey{a, engagement}
	known := r.engaged[key]
	if known == nil {
		known = r.engage(a, &r.est.Engagements[engagement])
		remember(r.engaged, key, known, r.memory/assignmentSize)
	}
	return known
}

// engagedKey is an answer and the engagement that changes it.
type engagedKey struct {
	assignment *demarc.Assignment
	engagement int
}

// roles binds every role to a party: by the estate, first match per role; else by a line; else by what the nodes of a
// cluster tell; else by the provider's defaults.
func (r *Resolver) roles(c Case) [demarc.NumRoles]bound {
	var out [demarc.NumRoles]bound
	for role := range out {
		out[role].party = demarc.Self
	}
	if p := c.Provider; p != nil {
		for role := range demarc.Tenant {
			out[role].party = p.Roles[role]
		}
	}
	basis := &demarc.Basis{Kind: demarc.BasisNodes, ID: "cluster", Because: "The nodes of the cluster say whose machines they are."}
	for role, party := range map[demarc.Role]demarc.Party{demarc.Site: c.Observed.Host, demarc.Host: c.Observed.Host, demarc.Operator: c.Observed.Operator} {
		if party != "" {
			out[role] = bound{party: party, assumed: c.Observed.Assumed && role != demarc.Operator}
			if party != demarc.Self {
				out[role].basis = basis
			}
		}
	}
	var byEstate [demarc.NumRoles]bool
	for role := range demarc.Role(demarc.NumRoles) {
		if i := c.Declared.Bindings.At(int(role)); i >= 0 {
			b := &r.est.Bindings[i]
			party := b.Roles[role]
			out[role] = bound{party: party, basis: &demarc.Basis{Kind: demarc.BasisBinding, ID: b.ID, Because: fmt.Sprintf("The estate binds %s to %s.", role, party)}}
			byEstate[role] = true
		}
	}
	if byEstate[demarc.Host] && !byEstate[demarc.Site] {
		out[demarc.Site] = out[demarc.Host] // the site is the host's, unless a line says otherwise
	}
	for role := range demarc.Tenant {
		if !byEstate[role] {
			out[role] = boundByLines(c.Settings, role, &out)
		}
	}
	return out
}

// boundByLines binds a role by the first line that does, as duties are: where a line is unknown, both ways are followed,
// and of the parties that may come the organization itself goes before others.
func boundByLines(settings *rulebook.Settings, role demarc.Role, roles *[demarc.NumRoles]bound) bound {
	svc, results := settings.Service, settings.Lines
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

// assignment returns the answer for one duty. All that are alike are one.
func (r *Resolver) assignment(settings *rulebook.Settings, d int, roles *[demarc.NumRoles]bound) *demarc.Assignment {
	svc, results := settings.Service, settings.Lines
	choice := svc.ChooseBy(d, func(line int) rulebook.Tri { return results[line].Truth }, share(roles))
	assumed := choice.Differs
	var missing []int
	for _, line := range choice.Open {
		missing = append(missing, results[line].Missing...)
	}
	for _, line := range choice.Asked {
		assumed = assumed || len(results[line].Presumed) > 0
		missing = append(missing, results[line].Presumed...)
	}
	key := appendPlaces(append(append(r.key[:0], svc.ID...), 0), []int{d, choice.Line + 1, len(choice.Asked)})
	for role := range demarc.Role(demarc.NumRoles) {
		b := &roles[role]
		if !choice.Outcome.Roles.Has(role) {
			continue
		}
		key = append(append(key, b.party...), 0)
		if b.basis != nil {
			key = append(append(append(key, b.basis.Kind...), b.basis.ID...), 0)
		}
		if b.assumed {
			assumed = true
			missing = append(missing, b.missing...)
		}
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	key = strconv.AppendBool(appendPlaces(key, missing), assumed)
	r.key = key
	if known := r.shared[string(key)]; known != nil {
		return known
	}
	a := r.newAssignment(svc, d, &choice, roles)
	a.Assumed = assumed
	for _, i := range missing {
		a.Missing = append(a.Missing, svc.Facts[i].Name)
	}
	remember(r.shared, string(key), a, r.memory/assignmentSize)
	return a
}

// newAssignment makes the answer for one duty, but for what is assumed.
func (r *Resolver) newAssignment(svc *rulebook.Service, d int, choice *rulebook.Choice, roles *[demarc.NumRoles]bound) *demarc.Assignment {
	o := choice.Outcome
	a := &demarc.Assignment{Duty: demarc.Duties[d], Roles: o.Roles, Why: o.Why, Basis: []demarc.Basis{rowBasis(svc, d)}}
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
		a.Parts = append(a.Parts, demarc.Part{Party: b.party, Role: role, Text: o.Parts[role]})
	}
	r.hold(a)
	var reads []int
	for _, line := range choice.Asked {
		if choice.Line < 0 || line == choice.Line {
			reads = append(reads, svc.Lines[line].When.Reads...)
		}
	}
	slices.Sort(reads)
	for _, i := range slices.Compact(reads) {
		a.Reads = append(a.Reads, svc.Facts[i].Name)
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
