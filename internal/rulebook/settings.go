package rulebook

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
)

// Settings is what the lines and checks of a service come to for a resource. Resources whose facts differ in nothing
// that a condition asks share one. It must not be changed.
type Settings struct {
	Service *Service
	Lines   []*Result             // of Service.Lines
	Checks  []demarc.CheckOutcome // of Service.Checks

	// LinesKey and ChecksKey are the same for equal Lines and Checks of a service, whoever evaluated them.
	LinesKey, ChecksKey string
	// LinesNumber and ChecksNumber tell them from all others, of any service, of the Evaluator.
	LinesNumber, ChecksNumber uint32
}

// Interned is Facts whose values are numbered: equal facts of one service have equal numbers, from 0 on.
type Interned interface {
	Facts
	Number(i int) uint32 // or Unnumbered
}

// Unnumbered stands for the number of a fact that has too many values for them to be numbered.
const Unnumbered = math.MaxUint32

// Evaluator evaluates the lines and checks of services. It takes conditions apart into atoms, most of which read one
// fact. Of that fact it sees no more than its class: what the atoms that read it come to, which is remembered by the
// number of the fact. What all conditions come to is remembered by the classes of all facts. It is for one goroutine.
type Evaluator struct {
	asOf    time.Time
	remarks *Remarks
	memory  int    // bytes for what is found by more than a number
	size    int    // bytes that this takes now, about
	met     uint32 // lines and checks so far
	of      map[*Service]*remembered
	key     []byte

	facts   []demarc.Fact // that are evaluated
	truths  []rule.Truth  // of the atoms of one
	missing []int         // of a joint atom
}

// remembered is what an Evaluator remembers of one service.
type remembered struct {
	facts []values             // of plan.facts
	joint []values             // of plan.joint
	known map[string]*Settings // by the classes of all of these
	same  map[string]*Settings // by what they say
	full  bool                 // there are more classes than anybody needs

	lines  map[string]uint32  // by what they say
	checks map[string]checked // by what they say
}

// checked is what the checks of a service come to.
type checked struct {
	outcomes []demarc.CheckOutcome
	number   uint32
}

// values are the classes of the values of a fact, or of the combinations of facts that a joint atom reads.
type values struct {
	byNumber  []uint16          // of a fact; 0 is not known yet
	byNumbers map[string]uint16 // of facts
	classes   []class           // by number less one
	same      map[string]uint16
}

// class is what values have in common that are the same to every atom.
type class struct {
	truths   []rule.Truth // by atom; of a joint atom what it comes to, and what it comes to whatever is presumed
	presumed bool
	missing  []int    // the facts that made a joint atom unknown
	tables   []string // the lifecycles that versions were looked up in
}

const (
	maxNumber  = 1 << 16 // facts with greater numbers are evaluated each time
	maxClasses = 1 << 15 // of one fact
)

// NewEvaluator returns an Evaluator for one as-of date that remembers some bytes of Settings. What it remembers for the
// numbers of facts, two bytes each, comes on top, and is little beside the facts themselves.
func NewEvaluator(asOf time.Time, remarks *Remarks, memory int) *Evaluator {
	return &Evaluator{asOf: asOf, remarks: remarks, memory: memory, of: map[*Service]*remembered{}}
}

// Settings evaluates the lines and checks of a service. The error holds the mistakes in its expressions.
func (e *Evaluator) Settings(s *Service, facts Interned) (*Settings, error) {
	if err := s.Compile(); err != nil {
		return nil, err
	}
	r := e.of[s]
	if r == nil || r.full {
		r = newRemembered(s.plan)
		e.of[s] = r
	}
	key := e.key[:0]
	for k := range r.facts {
		key = binary.LittleEndian.AppendUint16(key, e.class(s, r, k, facts))
	}
	for k := range r.joint {
		key = binary.LittleEndian.AppendUint16(key, e.jointClass(s, r, k, facts))
	}
	e.key = key
	if known := r.known[string(key)]; known != nil {
		return known, nil
	}
	return e.evaluate(s, r, key), nil
}

func newRemembered(p *plan) *remembered {
	r := &remembered{facts: make([]values, len(p.facts)), joint: make([]values, len(p.joint)), known: map[string]*Settings{}, same: map[string]*Settings{}, lines: map[string]uint32{}, checks: map[string]checked{}}
	for k := range r.facts {
		r.facts[k].same = map[string]uint16{}
	}
	for k := range r.joint {
		r.joint[k].same, r.joint[k].byNumbers = map[string]uint16{}, map[string]uint16{}
	}
	return r
}

// class returns the class of the fact at k of the plan.
func (e *Evaluator) class(s *Service, r *remembered, k int, facts Interned) uint16 {
	v, f := &r.facts[k], &s.plan.facts[k]
	n := int(facts.Number(f.fact))
	if n < len(v.byNumber) && v.byNumber[n] != 0 {
		return v.byNumber[n]
	}
	e.facts = append(e.facts[:0], facts.At(f.fact))
	c := class{presumed: e.facts[0].Origin == demarc.Presumed, truths: e.truths[:0]}
	for _, a := range f.atoms {
		result := a.Eval(e.facts, e.asOf)
		c.truths = append(c.truths, result.Truth())
		c.tables = append(c.tables, result.Tables...)
		e.remarks.add(a, result.Err)
	}
	e.truths = c.truths
	number := r.number(v, c)
	if n < maxNumber {
		if n >= len(v.byNumber) {
			v.byNumber = append(v.byNumber, make([]uint16, n+1-len(v.byNumber))...)
		}
		v.byNumber[n] = number
	}
	return number
}

// jointClass returns the class of the facts that the joint atom at k of the plan reads.
func (e *Evaluator) jointClass(s *Service, r *remembered, k int, facts Interned) uint16 {
	v, j := &r.joint[k], &s.plan.joint[k]
	var buf [64]byte
	numbers, numbered := buf[:0], true
	for _, i := range j.reads {
		n := facts.Number(i)
		numbered = numbered && n != Unnumbered
		numbers = binary.LittleEndian.AppendUint32(numbers, n)
	}
	if number, ok := v.byNumbers[string(numbers)]; ok && numbered {
		return number
	}
	e.facts = e.facts[:0]
	for _, at := range j.reads {
		e.facts = append(e.facts, facts.At(at))
	}
	result := j.atom.Eval(e.facts, e.asOf)
	e.remarks.add(j.atom, result.Err)
	truth, sure := result.Truth(), result.Truth()
	if slices.ContainsFunc(e.facts, func(f demarc.Fact) bool { return f.Origin == demarc.Presumed }) {
		without := j.atom.Eval(unpresumed(e.facts), e.asOf)
		sure = without.Truth()
	}
	c := class{truths: append(e.truths[:0], truth, sure), missing: e.missing[:0], tables: result.Tables}
	for _, name := range result.Missing {
		c.missing = append(c.missing, s.FactIndex(name))
	}
	e.truths, e.missing = c.truths, c.missing
	number := r.number(v, c)
	if numbered {
		if len(v.byNumbers) >= maxMemo {
			clear(v.byNumbers)
		}
		v.byNumbers[string(numbers)] = number
	}
	return number
}

// number returns the number of a class.
func (r *remembered) number(v *values, c class) uint16 {
	var buf [64]byte
	key := append(buf[:0], 0)
	if c.presumed {
		key[0] = 1
	}
	for _, t := range c.truths {
		key = append(key, byte(t))
	}
	for _, i := range c.missing {
		key = binary.LittleEndian.AppendUint16(key, uint16(i))
	}
	for _, table := range c.tables {
		key = append(append(key, 0), table...)
	}
	n, ok := v.same[string(key)]
	if !ok {
		c.truths, c.missing = slices.Clone(c.truths), slices.Clone(c.missing)
		v.classes = append(v.classes, c)
		n = uint16(len(v.classes))
		v.same[string(key)] = n
		r.full = r.full || n >= maxClasses
	}
	return n
}

// evaluate makes Settings of the classes in key, and remembers them.
func (e *Evaluator) evaluate(s *Service, r *remembered, key []byte) *Settings {
	at := func(k int) *class {
		n := binary.LittleEndian.Uint16(key[2*k:])
		if k < len(r.facts) {
			return &r.facts[k].classes[n-1]
		}
		return &r.joint[k-len(r.facts)].classes[n-1]
	}
	if e.size >= e.memory {
		for _, r := range e.of {
			clear(r.known)
			clear(r.same)
			clear(r.lines)
			clear(r.checks)
		}
		e.size = 0
	}
	lines, results := make([]*Result, len(s.Lines)), make([]plannedResult, len(s.Checks))
	var says []byte
	for i := range lines {
		lines[i] = e.condition(s.plan.lines[i], s.plan, at)
		says = lines[i].append(says)
	}
	linesEnd := len(says)
	for i, c := range s.plan.checks {
		if c.applies != nil {
			results[i].applies = e.condition(c.applies, s.plan, at)
			says = results[i].applies.append(says)
		}
		if results[i].applies == nil || results[i].applies.Truth == True {
			results[i].pass = e.condition(c.pass, s.plan, at)
			says = results[i].pass.append(says)
		}
	}
	out := r.same[string(says)]
	if out == nil {
		out = &Settings{Service: s, Lines: lines, LinesKey: string(says[:linesEnd]), ChecksKey: string(says[linesEnd:])}
		if out.LinesNumber = r.lines[out.LinesKey]; out.LinesNumber == 0 {
			e.met++
			out.LinesNumber = e.met
			r.lines[out.LinesKey] = e.met
			e.size += 100
		}
		c, ok := r.checks[out.ChecksKey]
		if !ok {
			e.met++
			c = checked{s.outcomes(results), e.met}
			r.checks[out.ChecksKey] = c
			e.size += 100 + 100*len(results)
		}
		out.Checks, out.ChecksNumber = c.outcomes, c.number
		r.same[string(says)] = out
		e.size += 300 + 2*len(says) + 8*len(lines)
	}
	r.known[string(key)] = out
	e.size += 100 + len(key)
	return out
}

// plannedResult is what the conditions of a check come to: whether it applies, nil for always, and then whether it passes.
type plannedResult struct{ applies, pass *Result }

// outcomes says what checks come to. Whether a check applies comes first: where nobody knows that, nobody knows the result.
func (s *Service) outcomes(results []plannedResult) []demarc.CheckOutcome {
	out := make([]demarc.CheckOutcome, len(results))
	for i, c := range s.Checks {
		out[i] = demarc.CheckOutcome{ID: c.Name, Severity: c.Severity, Result: demarc.CheckUnknown}
		applies, decides := results[i].applies, results[i].pass
		if applies != nil && applies.Truth == False {
			out[i].Result = demarc.CheckNotApplicable
			continue
		}
		if decides == nil {
			decides = applies
		}
		switch decides.Truth {
		case True:
			out[i].Result = demarc.CheckPass
		case False:
			out[i].Result = demarc.CheckFail
		case Unknown:
			for _, k := range decides.Missing {
				out[i].Missing = append(out[i].Missing, s.Facts[k].Name)
			}
		}
	}
	return out
}

// sure returns what an atom comes to whatever the presumed facts are that it reads.
func sure(a plannedAtom, p *plan, at func(int) *class) rule.Truth {
	c := at(a.at)
	switch {
	case a.at >= len(p.facts): // of several facts
		return c.truths[1]
	case c.presumed:
		return rule.Unknown
	default:
		return c.truths[a.atom]
	}
}

var certain = [...]*Result{False: {Truth: False}, True: {Truth: True}}

// condition returns what a condition comes to, by the classes of the facts that it reads.
func (e *Evaluator) condition(c *plannedCondition, p *plan, at func(int) *class) *Result {
	truth := func(i int) rule.Truth { return at(c.atoms[i].at).truths[c.atoms[i].atom] }
	var presumed []int
	for k, i := range c.Reads {
		if at(c.reads[k]).presumed {
			presumed = append(presumed, i)
		}
	}
	for _, table := range c.prog.Tables() {
		if slices.ContainsFunc(c.atoms, func(a plannedAtom) bool { return slices.Contains(at(a.at).tables, table) }) {
			e.remarks.looked(table)
		}
	}
	t := c.formula.Eval(truth)
	if t == rule.True || t == rule.False {
		if presumed == nil || c.formula.Eval(func(i int) rule.Truth { return sure(c.atoms[i], p, at) }) == t {
			return certain[Tri(t)]
		}
		return &Result{Truth: Tri(t), Presumed: presumed}
	}
	out := Result{Presumed: presumed}
	var missing []int
	c.formula.Why(truth, func(i int) {
		if k := c.atoms[i].at; k < len(p.facts) {
			missing = append(missing, p.facts[k].fact)
		} else {
			missing = append(missing, at(k).missing...)
		}
		if t == rule.Failed {
			e.remarks.blame(c.Condition, i)
		}
	})
	if len(missing) == 0 {
		missing = c.Reads
	}
	for _, i := range c.Reads {
		if slices.Contains(missing, i) {
			out.Missing = append(out.Missing, i)
		}
	}
	return &out
}

// append appends what a Result says, so that no two say the same by the same bytes.
func (r *Result) append(b []byte) []byte {
	b = append(b, byte(r.Truth), byte(len(r.Missing)), byte(len(r.Presumed)))
	for _, i := range r.Missing {
		b = binary.LittleEndian.AppendUint16(b, uint16(i))
	}
	for _, i := range r.Presumed {
		b = binary.LittleEndian.AppendUint16(b, uint16(i))
	}
	return b
}

// plan says how the conditions of a service are evaluated.
type plan struct {
	facts  []plannedFact // that some condition reads
	joint  []jointAtom
	lines  []*plannedCondition
	checks []plannedCheck
}

// plannedFact is a fact and the atoms that read it alone.
type plannedFact struct {
	fact  int
	atoms []*rule.Atom
}

// jointAtom is an atom that reads several facts, or none.
type jointAtom struct {
	atom  *rule.Atom
	reads []int // facts
}

type plannedCheck struct{ applies, pass *plannedCondition }

// plannedCondition is a Condition whose facts and atoms are found in a plan.
type plannedCondition struct {
	*Condition
	formula *rule.Formula
	reads   []int // as Reads, in plan.facts
	atoms   []plannedAtom
}

// plannedAtom is where the truth of an atom stands: in the class at a place of plan.facts, or of plan.joint behind it.
type plannedAtom struct{ at, atom int }

func newPlan(s *Service) *plan {
	p := &plan{}
	place := map[int]int{} // of facts
	add := func(i int) {
		if _, ok := place[i]; !ok {
			place[i] = len(p.facts)
			p.facts = append(p.facts, plannedFact{fact: i})
		}
	}
	conditions := s.conditions()
	for _, c := range conditions {
		for _, i := range c.Reads {
			add(i)
		}
	}
	atoms := map[*rule.Atom]plannedAtom{}
	planned := map[*Condition]*plannedCondition{}
	for _, c := range conditions {
		out := &plannedCondition{Condition: c, formula: c.prog.Formula()}
		for _, i := range c.Reads {
			out.reads = append(out.reads, place[i])
		}
		for _, a := range c.prog.Atoms() {
			at, ok := atoms[a]
			if !ok {
				at = p.add(s, a, place)
				atoms[a] = at
			}
			out.atoms = append(out.atoms, at)
		}
		planned[c] = out
	}
	for _, l := range s.Lines {
		p.lines = append(p.lines, planned[l.When])
	}
	for _, c := range s.Checks {
		p.checks = append(p.checks, plannedCheck{planned[c.Applies], planned[c.Pass]})
	}
	return p
}

// add adds an atom to the plan.
func (p *plan) add(s *Service, a *rule.Atom, place map[int]int) plannedAtom {
	var reads []int
	for _, name := range a.Facts() {
		reads = append(reads, s.FactIndex(name))
	}
	if len(reads) != 1 {
		p.joint = append(p.joint, jointAtom{a, reads})
		return plannedAtom{at: len(p.facts) + len(p.joint) - 1}
	}
	f := &p.facts[place[reads[0]]]
	f.atoms = append(f.atoms, a)
	return plannedAtom{place[reads[0]], len(f.atoms) - 1}
}

// conditions returns the conditions of all lines and checks.
func (s *Service) conditions() []*Condition {
	var out []*Condition
	for _, l := range s.Lines {
		out = append(out, l.When)
	}
	for _, c := range s.Checks {
		if c.Applies != nil {
			out = append(out, c.Applies)
		}
		out = append(out, c.Pass)
	}
	return out
}

// Remarks gathers what there is to tell of evaluations: which conditions failed on some facts, and why, and which lifecycles
// versions were looked up in. The zero Remarks are none. It is safe for concurrent use.
type Remarks struct {
	mu     sync.Mutex
	why    map[*rule.Atom]error // of several the one that goes first, so that the order of resources does not matter
	by     map[*Condition]int   // the first atom of each condition because of which it failed
	tables map[string]bool
}

func (r *Remarks) add(a *rule.Atom, err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.why == nil {
		r.why = map[*rule.Atom]error{}
	}
	if old := r.why[a]; old == nil || err.Error() < old.Error() {
		r.why[a] = err
	}
}

func (r *Remarks) looked(table string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tables == nil {
		r.tables = map[string]bool{}
	}
	r.tables[table] = true
}

func (r *Remarks) blame(c *Condition, atom int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = map[*Condition]int{}
	}
	if old, ok := r.by[c]; !ok || atom < old {
		r.by[c] = atom
	}
}

// Note tells why a condition could not be evaluated. A version that no lifecycle has, or a policy that leaves open what it
// grants, is a value that could not be understood, and nothing that is wrong in the catalog.
func Note(err error) demarc.Note {
	n := demarc.Note{Kind: demarc.NoteCatalog, Pos: demarc.Position{Offset: -1}, Message: err.Error()}
	if unlisted := new(rule.UnlistedError); errors.As(err, &unlisted) {
		n.Kind, n.Message = demarc.NoteBadValue, unlisted.Error()
	}
	if policy := new(rule.PolicyError); errors.As(err, &policy) {
		n.Kind, n.Message = demarc.NoteBadValue, policy.Error()
	}
	return n
}

// Lifecycles returns the tables that versions were looked up in.
func (r *Remarks) Lifecycles() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.tables))
}

// Notes tells each condition that failed, once.
func (r *Remarks) Notes() []demarc.Note {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []demarc.Note
	for c, atom := range r.by {
		source := c.prog.Source()
		n := Note(c.prog.Failure(r.why[c.prog.Atoms()[atom]]))
		if n.Kind == demarc.NoteBadValue {
			n.Message = strings.TrimSuffix(source.File, ".yaml") + ": " + n.Message
		}
		out = append(out, n)
	}
	slices.SortFunc(out, func(x, y demarc.Note) int { return strings.Compare(x.Message, y.Message) })
	return slices.Compact(out) // two checks may ask for one version
}
