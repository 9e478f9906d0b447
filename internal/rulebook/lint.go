package rulebook

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/strictyaml"
)

const (
	maxMovers = 8       // lines that may move one duty
	maxStates = 1 << 19 // combinations of facts that a duty is proven over
)

// Lint proves the catalog: every expression compiles; every duty of every service has exactly one outcome under every
// combination of what its lines ask; learning a fact never moves a duty to the tenant; every line can apply.
// The proof is by enumeration: over the values that the lines tell apart, and unknown. The error holds every
// mistake, sorted by position.
func (b *Rulebook) Lint() error {
	var faults strictyaml.Errors
	for _, id := range b.LifecycleIDs() {
		b.Lifecycle(id) // decodes it
	}
	hops := hopsOf{b, map[factOf]int{}}
	for _, s := range b.Services() {
		if err := s.Compile(); err != nil {
			faults = append(faults, mistakes(err)...)
			continue
		}
		for d := range NumDuties {
			faults = append(faults, s.proveDuty(d)...)
		}
		faults = append(faults, s.proveBinds()...)
		faults = append(faults, s.lintFacts(hops)...)
	}
	return faults.Err()
}

// Presumptions returns the facts that are presumed, as "service fact".
func (b *Rulebook) Presumptions() []string {
	var out []string
	for _, s := range b.Services() {
		for i := range s.Facts {
			if s.Facts[i].Presume != nil {
				out = append(out, fmt.Sprintf("%s %s = %s: %s", s.ID, s.Facts[i].Name, s.Facts[i].Presume.Value, s.Facts[i].Presume.Reason))
			}
		}
	}
	return out
}

func faultAt(p pos, format string, args ...any) *strictyaml.Error {
	return &strictyaml.Error{File: p.File, Line: p.Line, Column: p.Column, Msg: fmt.Sprintf(format, args...)}
}

func (s *Service) lintFacts(hops hopsOf) strictyaml.Errors {
	var out strictyaml.Errors
	for i := range s.Facts {
		f := &s.Facts[i]
		if f.Derive != nil && s.derivesItself(i, map[int]bool{}) {
			out = append(out, faultAt(f.Pos, "fact %s is derived from itself", f.Name))
		}
		if f.Derive == nil && f.Via < 0 && !s.places(i) {
			out = append(out, faultAt(f.Pos, "fact %s has no path in any dialect", f.Name))
		}
		if f.Via < 0 {
			continue
		}
		switch n := hops.to(s, i); {
		case n > maxCircle:
			out = append(out, faultAt(f.Pos, "fact %s is drawn from itself", f.Name))
		case n > MaxHops:
			out = append(out, faultAt(f.Pos, "fact %s lies behind %d relations: at most %d are followed", f.Name, n, MaxHops))
		}
	}
	return out
}

func (s *Service) places(fact int) bool {
	for _, ref := range s.Types {
		for _, f := range ref.Facts {
			if f.Fact == fact {
				return true
			}
		}
	}
	return false
}

func (s *Service) derivesItself(fact int, on map[int]bool) bool {
	if on[fact] {
		return true
	}
	on[fact] = true
	defer delete(on, fact)
	if c := s.Facts[fact].Derive; c != nil {
		for _, i := range c.Reads {
			if s.derivesItself(i, on) {
				return true
			}
		}
	}
	return false
}

// MaxHops is how many relations may lie between a resource and what a fact of it says.
const MaxHops = 8

// maxCircle is more relations than lie behind each other in any catalog: a fact that rests on itself is behind more.
const maxCircle = 1 << 20

// hopsOf finds how many relations lie between a resource and what a fact of it says, and remembers it.
type hopsOf struct {
	book  *Rulebook
	known map[factOf]int
}

type factOf struct {
	service *Service
	fact    int
}

func (h hopsOf) to(s *Service, fact int) int {
	key := factOf{s, fact}
	if n, ok := h.known[key]; ok {
		return n
	}
	h.known[key] = maxCircle // until it is known
	f, most := &s.Facts[fact], 0
	if f.Derive != nil {
		for _, i := range f.Derive.Reads {
			most = max(most, h.to(s, i))
		}
	}
	if f.Via >= 0 {
		for _, to := range s.Relations[f.Via].To {
			if target := h.book.Service(to); target != nil && target.Compile() == nil {
				if i := target.FactIndex(f.ViaFact); i >= 0 {
					most = max(most, h.to(target, i))
				}
			}
		}
		most++
	}
	h.known[key] = most
	return most
}

// proveDuty enumerates every combination of what the lines of a duty ask.
func (s *Service) proveDuty(duty int) strictyaml.Errors {
	movers := s.movers[duty]
	if len(movers) == 0 || s.Base[duty] == nil {
		return nil // the row is all there is; a missing one was told when it was read
	}
	if len(movers) > maxMovers {
		return strictyaml.Errors{faultAt(s.Lines[movers[maxMovers]].Pos, "more than %d lines move %s", maxMovers, demarc.Duties[duty])}
	}
	axes, err := s.axes(movers)
	if err != nil {
		return strictyaml.Errors{faultAt(s.Lines[movers[0]].Pos, "%s: %v", demarc.Duties[duty], err)}
	}
	states := 1
	for _, a := range axes {
		if states *= a.size(); states > maxStates {
			return strictyaml.Errors{faultAt(s.Lines[movers[0]].Pos, "%s: its lines ask for more than %d combinations of facts: ask simpler ones", demarc.Duties[duty], maxStates)}
		}
	}
	shares := make([]int8, states)
	applied := map[int]bool{}
	facts := make(FactList, len(s.Facts))
	memo := map[string]Tri{}
	digits := make([]int, len(axes))
	for n := range states {
		rest, whole := n, true
		for i, a := range axes {
			digits[i] = rest % a.size()
			rest /= a.size()
			whole = whole && !a.unknownAt(digits[i])
			if a.line < 0 {
				facts[a.fact] = a.values[digits[i]]
			}
		}
		choice := s.Choose(duty, func(line int) Tri { return s.truthAt(line, axes, digits, facts, memo) })
		if choice.Outcome == nil {
			return strictyaml.Errors{faultAt(s.Pos, "%s has no outcome", demarc.Duties[duty])}
		}
		if whole && choice.Line >= 0 {
			applied[choice.Line] = true
		}
		shares[n] = int8(choice.Outcome.Roles.TenantShare())
	}
	var out strictyaml.Errors
	for _, line := range movers {
		if !applied[line] {
			out = append(out, faultAt(s.Lines[line].Pos, "line %s can never move %s: no combination of facts reaches it", s.Lines[line].ID, demarc.Duties[duty]))
		}
	}
	// One fact learned at a time; by steps that covers any number of them.
	for n := range states {
		stride := 1
		for _, a := range axes {
			if digit := n / stride % a.size(); a.unknownAt(digit) {
				for k := range a.size() {
					if m := n + (k-digit)*stride; shares[m] > shares[n] {
						return append(out, faultAt(s.Lines[movers[0]].Pos, "learning %s moves %s to the tenant", a.name, demarc.Duties[duty]))
					}
				}
			}
			stride *= a.size()
		}
	}
	return out
}

// proveBinds asks that each line that moves nothing, and only binds roles, can apply.
func (s *Service) proveBinds() strictyaml.Errors {
	var out strictyaml.Errors
	for k, line := range s.Lines {
		if len(line.Moves) > 0 {
			continue
		}
		axes, err := s.axes([]int{k})
		if err != nil {
			out = append(out, faultAt(line.Pos, "%v", err))
			continue
		}
		states, applies := 1, false
		for _, a := range axes {
			if states *= a.size(); states > maxStates {
				return append(out, faultAt(line.Pos, "line %s asks for more than %d combinations of facts: ask simpler ones", line.ID, maxStates))
			}
		}
		facts := make(FactList, len(s.Facts))
		digits := make([]int, len(axes))
		memo := map[string]Tri{}
		for n := 0; n < states && !applies; n++ {
			rest := n
			for i, a := range axes {
				digits[i] = rest % a.size()
				rest /= a.size()
				if a.line < 0 {
					facts[a.fact] = a.values[digits[i]]
				}
			}
			applies = s.truthAt(k, axes, digits, facts, memo) == True
		}
		if !applies {
			out = append(out, faultAt(line.Pos, "line %s can never bind a role: no combination of facts reaches it", line.ID))
		}
	}
	return out
}

// axis is one thing that the lines of a duty ask, and the values that they tell apart. A line whose question cannot
// be enumerated by values (it asks a list, a document, a time) is an axis of its own: unknown, false or true.
type axis struct {
	name   string
	fact   int           // index, for values
	values []demarc.Fact // the first is unknown, unless the fact is presumed
	line   int           // -1 for an axis of values
}

func (a *axis) size() int {
	if a.line >= 0 {
		return 3
	}
	return len(a.values)
}

func (a *axis) unknownAt(digit int) bool {
	if a.line >= 0 {
		return Tri(digit) == Unknown
	}
	return !a.values[digit].Known()
}

func (s *Service) axes(movers []int) ([]axis, error) {
	constants := map[int][]demarc.Value{}
	var free []int
	reads := map[int]bool{}
	for _, k := range movers {
		c := s.Lines[k].When
		if len(c.Reads) == 0 {
			return nil, fmt.Errorf("line %s asks no fact: what always applies is a row of duties", s.Lines[k].ID)
		}
		countable := true
		for _, i := range c.Reads {
			countable = countable && s.countable(i)
		}
		if !countable {
			free = append(free, k)
			continue
		}
		all := c.prog.Constants()
		for _, i := range c.Reads {
			reads[i] = true
			constants[i] = append(constants[i], all[s.Facts[i].Name]...)
		}
	}
	var out []axis
	for _, i := range slices.Sorted(maps.Keys(reads)) {
		f := &s.Facts[i]
		a := axis{name: f.Name, fact: i, line: -1}
		if f.Presume == nil {
			a.values = append(a.values, demarc.Fact{Origin: demarc.Absent})
		}
		for _, v := range apart(f, constants[i]) {
			a.values = append(a.values, demarc.Fact{Value: v})
		}
		out = append(out, a)
	}
	for _, k := range free {
		out = append(out, axis{name: "what line " + s.Lines[k].ID + " asks", line: k})
	}
	return out, nil
}

// countable reports whether a handful of values stands for all that expressions tell apart of a fact.
func (s *Service) countable(fact int) bool {
	switch s.Facts[fact].Type {
	case demarc.TypeBool, demarc.TypeInt, demarc.TypeString:
		return true
	default:
		return false
	}
}

// apart returns the values of a fact that lines can tell apart: those that they name, those beside them, and another.
func apart(f *Fact, named []demarc.Value) []demarc.Value {
	switch f.Type {
	case demarc.TypeBool:
		return []demarc.Value{demarc.Bool(false), demarc.Bool(true)}
	case demarc.TypeInt:
		seen := map[int64]bool{}
		var out []demarc.Value
		for _, v := range append(named, demarc.Int(0)) {
			for d := int64(-1); d <= 1; d++ {
				if n := v.AsInt() + d; !seen[n] {
					seen[n] = true
					out = append(out, demarc.Int(n))
				}
			}
		}
		return out
	default:
		seen := map[string]bool{}
		var out []demarc.Value
		add := func(text string) {
			if !seen[text] {
				seen[text] = true
				out = append(out, demarc.String(text))
			}
		}
		if f.Values != nil {
			for _, v := range f.Values {
				add(v)
			}
			return out
		}
		for _, v := range named {
			add(v.AsString())
			add(v.AsString() + "~")
			if m := versionLike.FindStringSubmatch(v.AsString()); m != nil { // one before it and one after it
				add(m[1] + "0")
				add(m[1] + "999999")
			}
		}
		add("")
		add("~another~")
		return out
	}
}

// versionLike is a text that versionAtLeast may compare with: a name, and numbers.
var versionLike = regexp.MustCompile(`^([A-Za-z][A-Za-z _-]*)?[0-9]+(?:\.[0-9]+)*$`)

func (s *Service) truthAt(line int, axes []axis, digits []int, facts FactList, memo map[string]Tri) Tri {
	for i, a := range axes {
		if a.line == line {
			return Tri(digits[i])
		}
	}
	c := s.Lines[line].When
	var key strings.Builder
	fmt.Fprint(&key, line)
	for i, a := range axes {
		if a.line < 0 && slices.Contains(c.Reads, a.fact) {
			fmt.Fprint(&key, " ", digits[i])
		}
	}
	if t, ok := memo[key.String()]; ok {
		return t
	}
	t := c.Eval(s, facts, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).Truth
	memo[key.String()] = t
	return t
}
