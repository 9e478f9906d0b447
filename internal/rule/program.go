package rule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/demarc/demarc"
)

// Program is a compiled expression. It is immutable and safe for concurrent use.
type Program struct {
	src       Source
	want      demarc.Type
	constants map[string][]demarc.Value
	names     []string // of the facts that are read, sorted
	tables    []string // of lifecycles, sorted
	formula   Formula
	parts     []part // the atoms of the formula
}

// part is an atom with the places of its facts among those of the Program.
type part struct {
	*Atom
	facts []int
}

// Atom is an expression without && and so on at its top. Equal atoms of one Env are one. It is immutable and safe for
// concurrent use.
type Atom struct {
	want     demarc.Type
	programs programs

	lifecycles Lifecycles

	names    []string // of the facts that are read, sorted
	fields   []*Field // their declarations
	records  []*recordType
	unknowns []*types.Unknown // what each is while it is unknown
	vars     []variable
	native   scalar[demarc.Value] // what the atom comes to where that takes no CEL; nil where it always does
}

// variable is a name in the checked expression, and what it stands for.
type variable struct {
	name string
	fact int // index in Atom.names
	half half
}

type half uint8

const (
	whole half = iota // the fact; a list that is open is unknown
	known             // the elements of a list that are known
	open              // whether there may be more: false or unknown
)

// Result is what an expression comes to.
type Result struct {
	Value   demarc.Value // the zero Value if it is unknown
	Missing []string     // the facts that made it unknown, sorted
	Err     error        // what failed while it was evaluated, such as a policy that is no JSON; the Value is unknown then
	// Where Err is an *UnlistedError, Missing has the facts that hold the version.

	Tables []string // the lifecycles that versions were looked up in
}

// Known reports whether the expression has a value.
func (r Result) Known() bool { return !r.Value.IsZero() }

// True reports whether the expression is a condition that is known to hold.
func (r Result) True() bool { return r.Value.Type() == demarc.TypeBool && r.Value.AsBool() }

// False reports whether the expression is a condition that is known not to hold.
func (r Result) False() bool { return r.Value.Type() == demarc.TypeBool && !r.Value.AsBool() }

// Truth returns what the result of a condition is in one word.
func (r Result) Truth() Truth {
	switch {
	case r.Err != nil:
		return Failed
	case r.True():
		return True
	case r.False():
		return False
	default:
		return Unknown
	}
}

// bind finds the variables that the expression reads.
func (a *Atom) bind(e celast.Expr, facts []Field, records *recordTypes) {
	vars := make(map[string]half)    // by the name of the variable
	names := make(map[string]string) // of the facts, by the name of the variable
	walk(e, func(e celast.Expr) {
		name, ok := factOf(e)
		if !ok {
			return
		}
		h := whole
		if base, ok := strings.CutSuffix(name, knownSuffix); ok {
			name, h = base, known
		} else if base, ok := strings.CutSuffix(name, openSuffix); ok {
			name, h = base, open
		}
		vars[e.AsIdent()], names[e.AsIdent()] = h, name
	})
	a.names = slices.Compact(slices.Sorted(maps.Values(names)))
	for i, name := range a.names {
		at, _ := slices.BinarySearchFunc(facts, name, func(f Field, name string) int { return strings.Compare(f.Name, name) })
		a.fields = append(a.fields, &facts[at])
		a.records = append(a.records, records.types[recordName(name)])
		a.unknowns = append(a.unknowns, types.NewUnknown(int64(i), types.NewAttributeTrail(name)))
	}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		fact, _ := slices.BinarySearch(a.names, names[name])
		a.vars = append(a.vars, variable{name, fact, vars[name]})
	}
}

// Source returns the expression and its place.
func (p *Program) Source() Source { return p.src }

// Type returns the type of the result.
func (p *Program) Type() demarc.Type { return p.want }

// Facts returns the names of the facts that the expression reads, sorted. Eval takes them in this order.
func (p *Program) Facts() []string { return p.names }

// Tables returns the names of the lifecycles that the expression looks versions up in, sorted.
func (p *Program) Tables() []string { return p.tables }

// Constants returns the values that the expression compares each fact with, in the order of the text and each
// once. They tell apart all that the expression tells apart:
//
//   - facts.engine == 'a', facts.engine in ['a', 'b'], facts.engine.startsWith('a'), versionAtLeast(facts.engine, '1')
//     are strings of "engine"; a list's elements stand under the name of the list
//   - facts.rules.exists(r, r.port < 22) is an int of "rules.port"
//   - size(facts.rules) > 3 is an int of "size(rules)"
//   - ageDays(facts.created) > 90 is an int, of days, of "created"
func (p *Program) Constants() map[string][]demarc.Value { return p.constants }

// Formula returns the expression as a formula of Atoms; one that is no condition is an atom itself.
func (p *Program) Formula() *Formula { return &p.formula }

// Atoms returns the atoms of the formula, by their numbers in it.
func (p *Program) Atoms() []*Atom {
	out := make([]*Atom, len(p.parts))
	for i := range p.parts {
		out[i] = p.parts[i].Atom
	}
	return out
}

// Eval evaluates the expression over the facts that it reads, in the order of Facts, as of a date. Facts that are
// not known, lists with elements that are not known, and fields that a record does not have are unknowns, and the
// answer is a value only if it is the same whatever they are.
func (p *Program) Eval(facts []demarc.Fact, asOf time.Time) Result {
	if len(facts) != len(p.names) {
		panic(fmt.Sprintf("rule: Eval got %d facts, the expression reads %d", len(facts), len(p.names)))
	}
	if p.formula.op == "" { // the facts of its one atom are its own
		return p.told(p.parts[0].Eval(facts, asOf))
	}
	e := compositions.Get().(*composition)
	e.parts, e.facts, e.asOf = p.parts, facts, asOf
	e.results, e.known = slices.Grow(e.results, len(p.parts))[:len(p.parts)], slices.Grow(e.known, len(p.parts))[:len(p.parts)]
	defer e.release()
	var out Result
	switch p.formula.Eval(e.truth) {
	case True:
		out.Value = demarc.Bool(true)
	case False:
		out.Value = demarc.Bool(false)
	default:
		p.formula.Why(e.truth, func(i int) {
			r := e.atom(i)
			out.Missing = append(out.Missing, r.Missing...)
			if out.Err == nil {
				out.Err = r.Err
			}
		})
		slices.Sort(out.Missing)
		out.Missing = slices.Compact(out.Missing)
	}
	for i := range e.results {
		out.Tables = append(out.Tables, e.results[i].Tables...)
	}
	return p.told(out)
}

// composition evaluates the atoms of one formula, each once.
type composition struct {
	parts   []part
	facts   []demarc.Fact
	asOf    time.Time
	results []Result
	known   []bool            // which of the results are there
	in      []demarc.Fact     // of one atom
	truth   func(i int) Truth // of an atom
}

var compositions = sync.Pool{New: func() any {
	e := new(composition)
	e.truth = func(i int) Truth { return e.atom(i).Truth() }
	return e
}}

func (e *composition) atom(i int) *Result {
	if !e.known[i] {
		e.in = e.in[:0]
		for _, at := range e.parts[i].facts {
			e.in = append(e.in, e.facts[at])
		}
		e.results[i], e.known[i] = e.parts[i].Eval(e.in, e.asOf), true
	}
	return &e.results[i]
}

func (e *composition) release() {
	clear(e.results)
	clear(e.known)
	clear(e.in)
	*e = composition{results: e.results[:0], known: e.known[:0], in: e.in[:0], truth: e.truth}
	compositions.Put(e)
}

// told says of a failure where it came from.
func (p *Program) told(r Result) Result {
	if r.Err != nil {
		r.Err = p.Failure(r.Err)
	}
	return r
}

// Failure returns what an atom of the expression failed with as a failure of the expression.
func (p *Program) Failure(err error) error {
	return fmt.Errorf("%s:%d:%d: evaluate %q: %w", p.src.File, p.src.Line, p.src.Column, p.src.Text, err)
}

// Facts returns the names of the facts that the atom reads, sorted. Eval takes them in this order.
func (a *Atom) Facts() []string { return a.names }

// Eval evaluates the atom, as Program.Eval does.
func (a *Atom) Eval(facts []demarc.Fact, asOf time.Time) (r Result) {
	if a.native != nil {
		if r, t := a.evalNative(facts, asOf); t != Failed {
			return r
		}
	}
	e := evaluations.Get().(*evaluation)
	e.atom, e.facts, e.asOf = a, facts, asOf
	e.values = slices.Grow(e.values[:0], len(a.vars))[:len(a.vars)]
	defer func() {
		r.Tables = e.tables
		e.release()
	}()

	// CEL knows unknowns itself: a variable may resolve to a types.Unknown, wherever it is used. The other way,
	// cel.PartialVars with a pattern per unknown fact, makes every variable's lookup match the patterns, and cannot
	// say that a field of one record is unknown and the same field of the next is not.
	out, err := a.programs.eval(sizeOf(facts), e)
	if errors.Is(err, errNothing) {
		return Result{Missing: a.lists()}
	}
	if err != nil {
		r := Result{Err: err}
		if unlisted := new(UnlistedError); errors.As(err, &unlisted) {
			for i, f := range facts {
				if f.Known() && f.Value.Type() == demarc.TypeString && f.Value.AsString() == unlisted.Version {
					r.Missing = append(r.Missing, a.names[i])
				}
			}
		}
		return r
	}
	if u, ok := out.(*types.Unknown); ok {
		return Result{Missing: a.missing(u)}
	}
	v, err := demarcValue(out, a.want)
	if err != nil {
		return Result{Err: err}
	}
	return Result{Value: v}
}

// lists returns the facts that are lists.
func (a *Atom) lists() []string {
	var names []string
	for i, f := range a.fields {
		if isList(f.Type) {
			names = append(names, a.names[i])
		}
	}
	return names
}

func (a *Atom) missing(u *types.Unknown) []string {
	var names []string
	for _, id := range u.IDs() {
		if id == all {
			return a.names
		}
		names = append(names, a.names[id])
	}
	return names
}

// evaluation gives CEL the variables of one Eval. It implements interpreter.FunctionActivation.
type evaluation struct {
	atom   *Atom
	facts  []demarc.Fact
	asOf   time.Time
	values []ref.Val // of the variables, each made when it is first read
	tables []string  // that were looked up in
}

var evaluations = sync.Pool{New: func() any { return new(evaluation) }}

func (e *evaluation) release() {
	clear(e.values)
	*e = evaluation{values: e.values}
	evaluations.Put(e)
}

// Parent implements interpreter.Activation.
func (e *evaluation) Parent() interpreter.Activation { return nil }

// ResolveName implements interpreter.Activation.
func (e *evaluation) ResolveName(name string) (any, bool) {
	for i := range e.atom.vars {
		if e.atom.vars[i].name != name {
			continue
		}
		if e.values[i] == nil {
			e.values[i] = e.value(e.atom.vars[i])
		}
		return e.values[i], true
	}
	return nil, false
}

// ResolveFunction implements interpreter.FunctionActivation.
func (e *evaluation) ResolveFunction(name string) (functions.LateBoundOp, bool) {
	switch name {
	case "ageDays":
		return ageDays(e.asOf), true
	case supportOf:
		return e.support, true
	default:
		return nil, false
	}
}

func (e *evaluation) value(v variable) ref.Val {
	f, unknown := e.facts[v.fact], e.atom.unknowns[v.fact]
	switch {
	case !f.Known():
		return unknown
	case v.half != known && f.Value.Partial():
		return unknown
	case v.half == open:
		return types.False
	default:
		return celValue(f.Value, e.atom.fields[v.fact], e.atom.records[v.fact], unknown)
	}
}
