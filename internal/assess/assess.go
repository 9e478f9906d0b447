// Package assess says whether each holder's part of each duty is done: met, failing, attested, or never looked at.
//
// It is a function of the answers of package responsibility, the facts, the catalog's checks, the estate and the
// as-of date. Nothing is met without a successful read.
package assess

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/responsibility"
	"github.com/demarc/demarc/internal/rule"
	"github.com/demarc/demarc/internal/rulebook"
)

// Judgement is the states of every duty of a resource, by duty index. Resources that share profile, check results
// and declarations share one. It must not be changed.
type Judgement struct {
	Verdicts []*demarc.Verdict
	Checks   []demarc.CheckOutcome // of every check of the service, in its order
	Beliefs  []demarc.Belief
}

// Assessor judges the resources of one run. It is safe for concurrent use.
type Assessor struct {
	resolver *responsibility.Resolver
	est      *estate.Estate
	asOf     time.Time
	memo     *rulebook.Memo

	exceptions, attestations, teams, assumptions *estate.Selector

	mu       sync.RWMutex
	known    map[string]*Judgement
	plain    map[plainVerdict]*demarc.Verdict
	byTeams  map[string][]string
	covering map[covered][]int
	failed   map[string]error
}

// plainVerdict is a Verdict that rests on no check.
type plainVerdict struct {
	state, counterpart     demarc.State
	attestation, assurance string
}

// New returns an Assessor of what a Resolver resolves, for its estate and day.
func New(resolver *responsibility.Resolver, est *estate.Estate, asOf time.Time) *Assessor {
	a := &Assessor{resolver: resolver, est: est, asOf: asOf, memo: rulebook.NewMemo(asOf), known: map[string]*Judgement{}, plain: map[plainVerdict]*demarc.Verdict{}, byTeams: map[string][]string{}, covering: map[covered][]int{}, failed: map[string]error{}}
	a.exceptions = selector(est.Exceptions, func(e *estate.Exception) *rule.Where { return e.Where })
	a.attestations = selector(est.Attestations, func(e *estate.Attestation) *rule.Where { return e.Where })
	a.teams = selector(est.Teams, func(e *estate.Team) *rule.Where { return e.Where })
	a.assumptions = selector(est.Assumptions, func(e *estate.Assumption) *rule.Where { return e.Where })
	return a
}

func selector[T any](list []T, where func(*T) *rule.Where) *estate.Selector {
	var wheres []*rule.Where
	for i := range list {
		wheres = append(wheres, where(&list[i]))
	}
	return estate.NewSelector(wheres)
}

// Worker resolves and judges resources for one goroutine.
type Worker struct{ a *Assessor }

// Worker returns a Worker of a.
func (a *Assessor) Worker() *Worker { return &Worker{a} }

// Assess returns the answers for all duties of a resource. They are shared, and must not be changed.
func (w *Worker) Assess(item *inventory.Item) (*demarc.Standing, error) {
	p, err := w.a.resolver.Resolve(item)
	if err != nil {
		return nil, err
	}
	j := w.a.Assess(item, p)
	return &demarc.Standing{Assignments: p.Assignments, Verdicts: j.Verdicts, Teams: w.a.Teams(&item.Resource), Beliefs: j.Beliefs, Checks: j.Checks}, nil
}

// Notes tells the declarations of the estate that were about nothing, and the expressions that failed on some facts.
func (a *Assessor) Notes() []demarc.Note {
	a.mu.RLock()
	defer a.mu.RUnlock()
	out := a.resolver.Unused()
	for text, err := range a.failed {
		out = append(out, demarc.Note{Kind: demarc.NoteCatalog, Pos: demarc.Position{Offset: -1}, Message: fmt.Sprintf("%s: %v", text, err)})
	}
	slices.SortFunc(out, func(x, y demarc.Note) int { return strings.Compare(x.Message, y.Message) })
	return out
}

// Assess judges one resource whose answers are p.
func (a *Assessor) Assess(item *inventory.Item, p *responsibility.Profile) *Judgement {
	svc := item.Service
	key := binary.LittleEndian.AppendUint32(make([]byte, 0, 192), uint32(p.Number))
	for _, c := range svc.Checks {
		for _, cond := range []*rulebook.Condition{c.Applies, c.Pass} {
			if cond == nil {
				continue
			}
			res := a.memo.Eval(cond, svc, &item.Facts)
			key = appendList(append(key, byte(res.Truth)), res.Missing)
		}
	}
	exceptions := a.about(svc, a.exceptions.Match(&item.Resource))
	attestations := a.attestations.Match(&item.Resource)
	assumptions := a.assumptions.Match(&item.Resource)
	assurances := a.assurances(&item.Resource)
	for _, list := range [][]int{exceptions, attestations, assumptions, assurances} {
		key = appendList(key, list)
	}
	a.mu.RLock()
	j := a.known[string(key)]
	a.mu.RUnlock()
	if j == nil {
		j = a.judge(item, p, exceptions, attestations, assumptions, assurances)
		a.mu.Lock()
		a.known[string(key)] = j
		a.mu.Unlock()
	}
	return j
}

// appendList appends numbers so that no two lists of lists have the same bytes.
func appendList(key []byte, list []int) []byte {
	key = binary.LittleEndian.AppendUint16(key, uint16(len(list)))
	for _, n := range list {
		key = binary.LittleEndian.AppendUint16(key, uint16(n))
	}
	return key
}

// about keeps, of the exceptions that match a resource, those for a check of its service.
func (a *Assessor) about(svc *rulebook.Service, matching []int) []int {
	var out []int
	for _, i := range matching {
		e := &a.est.Exceptions[i]
		if slices.ContainsFunc(svc.Checks, func(c *rulebook.Check) bool { return names(e.Check, c) }) {
			out = append(out, i)
		}
	}
	return out
}

// names reports whether what an exception calls a check is this one: its name, or its id without the service.
func names(called string, c *rulebook.Check) bool { return called == c.Name || called == c.ID }

func (a *Assessor) judge(item *inventory.Item, p *responsibility.Profile, exceptions, attestations, assumptions, assurances []int) *Judgement {
	j := &Judgement{Verdicts: make([]*demarc.Verdict, rulebook.NumDuties)}
	for _, c := range item.Service.Checks {
		j.Checks = append(j.Checks, a.check(item, c))
	}
	for d, as := range p.Assignments {
		v := &demarc.Verdict{}
		for i, c := range item.Service.Checks {
			if c.Duty == d && j.Checks[i].Result != demarc.CheckNotApplicable {
				v.Checks = append(v.Checks, j.Checks[i])
			}
		}
		a.state(v, as, item.Service, exceptions, attestations, assurances)
		j.Verdicts[d] = a.shared(v)
	}
	for d, as := range p.Assignments {
		if !as.Tenant() && as.Holder != demarc.Unowned {
			continue
		}
		for _, i := range assumptions {
			s := &a.est.Assumptions[i]
			if s.Covers(as.Duty) && (s.Holder == demarc.HeldByProvider || s.Holder == demarc.HeldByThirdParty || s.Holder == demarc.NotApplicable) {
				j.Beliefs = append(j.Beliefs, demarc.Belief{Duty: d, Holder: s.Holder, Assumption: s.ID})
				break
			}
		}
	}
	return j
}

// shared returns the one Verdict for all that are alike and rest on no check: most duties have none.
func (a *Assessor) shared(v *demarc.Verdict) *demarc.Verdict {
	if len(v.Checks) > 0 {
		return v
	}
	key := plainVerdict{v.State, v.Counterpart, v.Attestation, v.Assurance}
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.plain[key]; known != nil {
		return known
	}
	a.plain[key] = v
	return v
}

// Teams returns who does each duty of a resource, by duty index, "" for no team; nil where the estate declares no teams.
// The result is shared, and must not be changed.
func (a *Assessor) Teams(r *demarc.Resource) []string {
	if len(a.est.Teams) == 0 {
		return nil
	}
	matching := a.teams.Match(r)
	key := string(appendList(nil, matching))
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.byTeams[key]
	if out == nil {
		out = make([]string, rulebook.NumDuties)
		for d := range out {
			for _, i := range matching {
				if t := &a.est.Teams[i]; t.Covers(demarc.Duties[d]) {
					out[d] = t.Team
					break
				}
			}
		}
		a.byTeams[key] = out
	}
	return out
}

// check runs one check. Whether it applies comes first: where nobody knows that, nobody knows the result.
func (a *Assessor) check(item *inventory.Item, c *rulebook.Check) demarc.CheckOutcome {
	out := demarc.CheckOutcome{ID: c.Name, Severity: c.Severity, Result: demarc.CheckUnknown}
	missing := func(res *rulebook.Result) {
		for _, i := range res.Missing {
			out.Missing = append(out.Missing, item.Service.Facts[i].Name)
		}
		if res.Err != nil {
			a.mu.Lock()
			if len(a.failed) < 100 {
				a.failed["check "+out.ID] = res.Err
			}
			a.mu.Unlock()
		}
	}
	if c.Applies != nil {
		switch res := a.memo.Eval(c.Applies, item.Service, &item.Facts); res.Truth {
		case rulebook.False:
			out.Result = demarc.CheckNotApplicable
			return out
		case rulebook.Unknown:
			missing(res)
			return out
		case rulebook.True:
		}
	}
	switch res := a.memo.Eval(c.Pass, item.Service, &item.Facts); res.Truth {
	case rulebook.True:
		out.Result = demarc.CheckPass
	case rulebook.False:
		out.Result = demarc.CheckFail
	case rulebook.Unknown:
		missing(res)
	}
	return out
}

// state gives a duty its state: the first that applies of failing, excepted, lapsed, blind, delegated, met, attested,
// unverified for whoever does the tenant's part; assured or unassured for others.
func (a *Assessor) state(v *demarc.Verdict, as *demarc.Assignment, svc *rulebook.Service, exceptions, attestations, assurances []int) {
	switch as.Holder {
	case demarc.NotApplicable:
		v.State = demarc.NoState
		return
	case demarc.Unowned:
		v.State = demarc.NobodysDuty
		return
	default:
	}
	others, ours := false, false
	assured := true
	for _, p := range as.Parts {
		switch {
		case p.Party == demarc.Self || p.Party == as.Engaged:
			ours = true
		case p.Party != demarc.Nobody:
			others = true
			id := a.assurance(p.Party, assurances)
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
	for _, c := range v.Checks {
		switch c.Result {
		case demarc.CheckFail:
			if id := a.exception(c.ID, exceptions); id != "" {
				v.Excepted = append(v.Excepted, id)
			} else {
				failed = true
			}
		case demarc.CheckUnknown:
			unknown = true
			for _, m := range c.Missing {
				if !slices.Contains(v.Missing, m) {
					v.Missing = append(v.Missing, m)
				}
			}
		case demarc.CheckPass:
			proven = proven || proves(svc, c.ID)
		case demarc.CheckNotApplicable:
		}
	}
	for _, i := range attestations {
		if t := &a.est.Attestations[i]; t.InForce(a.asOf) && t.Covers(as.Duty) {
			v.Attestation = t.ID
			break
		}
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

func proves(svc *rulebook.Service, check string) bool {
	for _, c := range svc.Checks {
		if c.Name == check {
			return c.Proves
		}
	}
	return false
}

func (a *Assessor) exception(check string, matching []int) string {
	for _, i := range matching {
		e := &a.est.Exceptions[i]
		if e.InForce(a.asOf) && (e.Check == check || e.Check == check[strings.LastIndexByte(check, '/')+1:]) {
			return e.ID
		}
	}
	return ""
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

// assurances returns the reports in date that cover the service and the region of a resource.
func (a *Assessor) assurances(r *demarc.Resource) []int {
	if len(a.est.Assurances) == 0 {
		return nil
	}
	key := covered{r.Service, r.Region}
	a.mu.RLock()
	out, ok := a.covering[key]
	a.mu.RUnlock()
	if ok {
		return out
	}
	for i := range a.est.Assurances {
		if s := &a.est.Assurances[i]; s.InForce(a.asOf) && s.Covers(r.Service, r.Region) {
			out = append(out, i)
		}
	}
	a.mu.Lock()
	a.covering[key] = out
	a.mu.Unlock()
	return out
}

// covered is what a report may cover.
type covered struct {
	service demarc.ServiceID
	region  string
}
