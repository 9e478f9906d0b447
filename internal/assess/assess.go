// Package assess says whether each holder's part of each duty is done: met, failing, attested, or never looked at.
//
// It is a function of the answers of package responsibility, the facts, the catalog's checks, the estate and the
// as-of date. Nothing is met without a successful read.
package assess

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/responsibility"
	"github.com/demarc/demarc/internal/rulebook"
)

// Assessor judges the cases of one run. It is safe for concurrent use.
type Assessor struct {
	resolver *responsibility.Resolver
	est      *estate.Estate
	asOf     time.Time
	memory   int

	mu       sync.Mutex
	vectors  map[string][]*demarc.Verdict // the states of all duties, with and without what checks say
	verdicts map[string]*demarc.Verdict
	scratch  demarc.Verdict
	key      []byte // scratch
}

// New returns an Assessor of what a Resolver resolves, for its estate and day.
func New(resolver *responsibility.Resolver, est *estate.Estate, asOf time.Time) *Assessor {
	return NewWithMemory(resolver, est, asOf, responsibility.Memory)
}

// NewWithMemory is New with a memory of another size than responsibility.Memory. What is remembered changes no answer.
func NewWithMemory(resolver *responsibility.Resolver, est *estate.Estate, asOf time.Time, memory int) *Assessor {
	return &Assessor{resolver: resolver, est: est, asOf: asOf, memory: memory, vectors: map[string][]*demarc.Verdict{}, verdicts: map[string]*demarc.Verdict{}}
}

// Notes tells the declarations of the estate that were about nothing, and the expressions that failed on some facts.
func (a *Assessor) Notes() []demarc.Note { return a.resolver.Notes() }

// Lifecycles returns the tables that versions have been looked up in.
func (a *Assessor) Lifecycles() []string { return a.resolver.Lifecycles() }

// Worker resolves and judges resources. It is for one goroutine.
//
// Each part of an answer is looked up by what it can depend on and by no more, so that as many resources as can be share
// it: who holds each duty, in what state it is, which of it somebody is mistaken about, and whose work it is.
type Worker struct {
	a     *Assessor
	cases *responsibility.Cases
	key   []byte
	seed  maphash.Seed

	recent     []recent                     // by the hash of the case
	vectors    map[string][]*demarc.Verdict // by the key of grounds
	beliefs    map[beliefKey][]demarc.Belief
	exceptions map[*rulebook.Service][]exception
}

// recent is a case that was met before, the last one of its hash.
type recent struct {
	of       responsibility.Case
	standing *demarc.Standing
}

// beliefKey is what beliefs can depend on.
type beliefKey struct {
	shape       uint32
	assumptions *estate.Places
}

// exception is an exception, by its place in the Estate, for a check of a service.
type exception struct{ exception, check int }

// Worker returns a Worker of a.
func (a *Assessor) Worker() *Worker {
	return &Worker{
		a: a, cases: a.resolver.Cases(), seed: maphash.MakeSeed(), recent: make([]recent, max(1, a.memory/recentSize)),
		vectors: map[string][]*demarc.Verdict{}, beliefs: map[beliefKey][]demarc.Belief{}, exceptions: map[*rulebook.Service][]exception{},
	}
}

// Assess returns the answers for all duties of a resource. They are shared, must not be changed, and stay valid. The error
// holds the mistakes in the expressions of its service.
//
// With the declarations of a large organization most resources may have a Standing of their own, whose parts are shared.
// It takes about a microsecond to find: whoever wants it again asks again, and nobody keeps one for each resource.
func (w *Worker) Assess(item *inventory.Item) (*demarc.Standing, error) {
	c, err := w.cases.Of(item)
	if err != nil {
		return nil, err
	}
	r := &w.recent[maphash.Comparable(w.seed, c)%uint64(len(w.recent))]
	if r.standing == nil || r.of != c {
		p := w.cases.Profile(c)
		*r = recent{c, &demarc.Standing{
			Assignments: p.Assignments, Verdicts: w.vector(c, p), Teams: c.Declared.Teams, Beliefs: w.believed(c.Declared.Assumptions, p), Checks: c.Settings.Checks,
		}}
	}
	return r.standing, nil
}

// How many bytes something that is remembered takes, about.
const (
	recentSize  = 1000 // the Standing, and what only it may keep from being forgotten
	keySize     = 200
	vectorSize  = 1000
	verdictSize = 500
)

// remember adds something to what is remembered, which is emptied when there are limit things.
func remember[K comparable, V any](m map[K]V, key K, value V, limit int) {
	if len(m) >= max(1, limit) {
		clear(m)
	}
	m[key] = value
}

// grounds are what the states of duties rest on, beside who holds them.
type grounds struct {
	settings     *rulebook.Settings
	excepted     []exception    // the first for each check that failed
	attestations *estate.Places // by duty
	assurances   *estate.Places // in date
}

// vector returns the states of all duties.
func (w *Worker) vector(c responsibility.Case, p *responsibility.Profile) []*demarc.Verdict {
	g := grounds{settings: c.Settings, attestations: c.Declared.Attestations, assurances: c.Declared.Assurances}
	if c.Declared.Exceptions != nil {
		g.excepted = w.excepted(c.Settings, c.Declared.Exceptions, c.Declared.Teams)
	}
	key := binary.LittleEndian.AppendUint32(w.key[:0], p.Shape)
	key = binary.LittleEndian.AppendUint32(key, c.Settings.ChecksNumber)
	for _, places := range []*estate.Places{g.attestations, g.assurances} {
		number := uint32(0)
		if places != nil {
			number = places.Number
		}
		key = binary.LittleEndian.AppendUint32(key, number)
	}
	for _, e := range g.excepted {
		key = binary.LittleEndian.AppendUint32(key, uint32(e.exception))
	}
	w.key = key
	v := w.vectors[string(key)]
	if v == nil {
		v = w.a.vector(p, &g)
		remember(w.vectors, string(key), v, w.a.memory/keySize)
	}
	return v
}

// excepted returns, for each check that failed, the first of some exceptions that names it and is for the team of its duty. The
// teams are by duty; nil where there are none.
func (w *Worker) excepted(s *rulebook.Settings, matching *estate.Places, teams []string) []exception {
	named, ok := w.exceptions[s.Service]
	if !ok {
		for i := range w.a.est.Exceptions {
			for k, c := range s.Service.Checks {
				// An exception calls a check by its name, or by its id without the service.
				if e := &w.a.est.Exceptions[i]; e.Check == c.Name || e.Check == c.ID {
					named = append(named, exception{i, k})
				}
			}
		}
		w.exceptions[s.Service] = named
	}
	var out []exception
	for _, e := range named {
		failed := s.Checks[e.check].Result == demarc.CheckFail
		team := ""
		if teams != nil {
			team = teams[s.Service.Checks[e.check].Duty]
		}
		if !estate.Among(w.a.est.Exceptions[e.exception].Teams, team) {
			continue
		}
		if _, is := slices.BinarySearch(matching.List, e.exception); failed && is && !slices.ContainsFunc(out, func(x exception) bool { return x.check == e.check }) {
			out = append(out, e)
		}
	}
	return out
}

// believed returns the duties that the organization believes to be somebody else's and that are its own.
func (w *Worker) believed(assumptions *estate.Places, p *responsibility.Profile) []demarc.Belief {
	if assumptions == nil {
		return nil
	}
	key := beliefKey{p.Shape, assumptions}
	out, ok := w.beliefs[key]
	if !ok {
		for d, as := range p.Assignments {
			if i := assumptions.At(d); i >= 0 && (as.Tenant() || as.Holder == demarc.Unowned) {
				a := &w.a.est.Assumptions[i]
				out = append(out, demarc.Belief{Duty: d, Holder: a.Holder, Assumption: a.ID})
			}
		}
		remember(w.beliefs, key, out, w.a.memory/keySize)
	}
	return out
}

// noChecks are the settings of a service that checks nothing.
var noChecks = &rulebook.Settings{Service: &rulebook.Service{}}

// vector returns the states of all duties. Those that are alike are one.
func (a *Assessor) vector(p *responsibility.Profile, g *grounds) []*demarc.Verdict {
	key := binary.AppendUvarint(nil, uint64(p.Shape))
	for _, i := range g.attestations.All() {
		key = binary.AppendVarint(append(key, 'a'), int64(i))
	}
	for _, i := range g.assurances.All() {
		key = binary.AppendUvarint(append(key, 'r'), uint64(i))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.vectors[string(key)]
	if out == nil {
		out = make([]*demarc.Verdict, rulebook.NumDuties)
		unchecked := grounds{settings: noChecks, attestations: g.attestations, assurances: g.assurances}
		for d, as := range p.Assignments {
			out[d] = a.verdict(d, as, &unchecked)
		}
		remember(a.vectors, string(key), out, a.memory/vectorSize)
	}
	checks := g.settings.Service.Checks
	if len(checks) == 0 {
		return out
	}
	key = append(append(append(key, 's'), g.settings.Service.ID...), 0)
	key = append(key, g.settings.ChecksKey...)
	for _, e := range g.excepted {
		key = append(binary.AppendUvarint(key, uint64(e.exception)), 'e')
	}
	if known := a.vectors[string(key)]; known != nil {
		return known
	}
	out = slices.Clone(out)
	for i, c := range checks {
		if !slices.ContainsFunc(checks[:i], func(x *rulebook.Check) bool { return x.Duty == c.Duty }) {
			out[c.Duty] = a.verdict(c.Duty, p.Assignments[c.Duty], g)
		}
	}
	remember(a.vectors, string(key), out, a.memory/vectorSize)
	return out
}

// verdict returns the state of one duty. All that are alike are one.
func (a *Assessor) verdict(d int, as *demarc.Assignment, g *grounds) *demarc.Verdict {
	v := &a.scratch // most are known
	*v = demarc.Verdict{Checks: v.Checks[:0], Missing: v.Missing[:0], Excepted: v.Excepted[:0]}
	for k, c := range g.settings.Service.Checks {
		if out := g.settings.Checks[k]; c.Duty == d && out.Result != demarc.CheckNotApplicable {
			v.Checks = append(v.Checks, out)
		}
	}
	a.state(v, d, as, g)
	key := append(append(a.key[:0], v.State...), 0)
	key = append(append(key, v.Counterpart...), 0)
	key = append(append(append(append(key, v.Attestation...), 0), v.Assurance...), 0)
	for _, id := range v.Excepted {
		key = append(append(key, id...), 1)
	}
	for _, c := range v.Checks {
		key = append(append(append(append(key, 2), c.ID...), 3), c.Result...)
		for _, m := range c.Missing {
			key = append(append(key, 4), m...)
		}
	}
	a.key = key
	if known := a.verdicts[string(key)]; known != nil {
		return known
	}
	out := *v
	out.Checks, out.Missing, out.Excepted = append([]demarc.CheckOutcome(nil), v.Checks...), append([]string(nil), v.Missing...), append([]string(nil), v.Excepted...)
	remember(a.verdicts, string(key), &out, a.memory/verdictSize)
	return &out
}

// state gives a duty its state: the first that applies of failing, excepted, lapsed, blind, delegated, met, attested,
// unverified for whoever does the tenant's part; assured or unassured for others.
func (a *Assessor) state(v *demarc.Verdict, d int, as *demarc.Assignment, g *grounds) {
	switch as.Holder {
	case demarc.NotApplicable:
		v.State = demarc.NoState
		return
	case demarc.Unowned:
		v.State = demarc.NobodysDuty
		return
	default:
	}
	ours, others, assured := false, false, true
	for _, p := range as.Parts {
		switch {
		case p.Party == demarc.Self || p.Party == as.Engaged:
			ours = true
		case p.Party != demarc.Nobody:
			others = true
			id := a.assurance(p.Party, g.assurances.All())
			assured = assured && id != ""
			v.Assurance = id
		}
	}
	theirs := demarc.Unassured
	if assured {
		theirs = demarc.Assured
	}
	if !ours {
		v.State = theirs
		return
	}
	if others {
		v.Counterpart = theirs
	}
	failed, unknown, proven := false, false, false
	for k, c := range g.settings.Service.Checks {
		if c.Duty != d {
			continue
		}
		switch g.settings.Checks[k].Result {
		case demarc.CheckFail:
			if i := slices.IndexFunc(g.excepted, func(e exception) bool { return e.check == k }); i >= 0 {
				v.Excepted = append(v.Excepted, a.est.Exceptions[g.excepted[i].exception].ID)
			} else {
				failed = true
			}
		case demarc.CheckUnknown:
			unknown = true
			for _, m := range g.settings.Checks[k].Missing {
				if !slices.Contains(v.Missing, m) {
					v.Missing = append(v.Missing, m)
				}
			}
		case demarc.CheckPass:
			proven = proven || c.Proves
		case demarc.CheckNotApplicable:
		}
	}
	if i := g.attestations.At(d); i >= 0 {
		v.Attestation = a.est.Attestations[i].ID
	}
	switch {
	case failed:
		v.State = demarc.Failing
	case len(v.Excepted) > 0:
		v.State = demarc.Excepted
	case as.Lapsed != "":
		v.State = demarc.Lapsed
	case unknown:
		v.State = demarc.Blind
	case as.Engaged != "":
		v.State = demarc.Delegated
	case proven:
		v.State = demarc.Met
	case v.Attestation != "":
		v.State = demarc.Attested
	default:
		v.State = demarc.Unverified
	}
}

// assurance returns the id of the first of some reports that is a party's, "" for none.
func (a *Assessor) assurance(party demarc.Party, covering []int) string {
	for _, i := range covering {
		if a.est.Assurances[i].Party == party {
			return a.est.Assurances[i].ID
		}
	}
	return ""
}
