package rulebook

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
)

// Tri is a truth of three values.
type Tri uint8

// The truths.
const (
	Unknown Tri = iota
	False
	True
)

func (t Tri) String() string { return [...]string{"unknown", "false", "true"}[t] }

// Condition is a compiled expression over the facts of one service.
type Condition struct {
	Text  string
	Reads []int // the facts that it reads, by index, ascending by name
	prog  *rule.Program
}

// Program returns the compiled expression.
func (c *Condition) Program() *rule.Program { return c.prog }

// Result is what a condition comes to for some facts.
type Result struct {
	Truth    Tri
	Value    demarc.Value // of a derived fact; zero if unknown
	Missing  []int        // the facts that made it unknown, by index
	Presumed []int        // the presumed facts that it read, where it is not so whatever they are
	Err      error        // an error at run time; counts as unknown
	Tables   []string     // the lifecycles that versions were looked up in
}

// Facts gives the facts of one resource by their index in Service.Facts.
type Facts interface {
	At(i int) demarc.Fact
}

// FactList is Facts as a slice.
type FactList []demarc.Fact

// At returns the fact at i.
func (l FactList) At(i int) demarc.Fact { return l[i] }

// Number returns Unnumbered.
func (FactList) Number(int) uint32 { return Unnumbered }

// inputs are lists of facts that conditions were evaluated over.
var inputs = sync.Pool{New: func() any { return new([]demarc.Fact) }}

// Eval evaluates the condition. Presumed values count as known and are told.
func (c *Condition) Eval(s *Service, facts Facts, asOf time.Time) Result {
	input := inputs.Get().(*[]demarc.Fact)
	defer inputs.Put(input)
	in := (*input)[:0]
	var out Result
	for _, i := range c.Reads {
		f := facts.At(i)
		in = append(in, f)
		if f.Origin == demarc.Presumed {
			out.Presumed = append(out.Presumed, i)
		}
	}
	*input = in
	defer clear(in) // nothing is kept of them
	r := c.prog.Eval(in, asOf)
	out.Value, out.Err, out.Tables = r.Value, r.Err, r.Tables
	if len(out.Presumed) > 0 && r.Known() {
		if without := c.prog.Eval(unpresumed(in), asOf); without.Known() && without.Value.Equal(r.Value) {
			out.Presumed = nil
		}
	}
	switch {
	case r.Err != nil && len(r.Missing) == 0:
		out.Missing = c.Reads
	case r.Value.IsZero():
		for _, name := range r.Missing {
			out.Missing = append(out.Missing, s.FactIndex(name))
		}
	case r.Value.Type() == demarc.TypeBool && r.Value.AsBool():
		out.Truth = True
	case r.Value.Type() == demarc.TypeBool:
		out.Truth = False
	}
	return out
}

// unpresumed makes presumed facts of a list unknown, and returns it.
func unpresumed(facts []demarc.Fact) []demarc.Fact {
	for i := range facts {
		if facts[i].Origin == demarc.Presumed {
			facts[i] = demarc.Fact{Origin: demarc.Absent}
		}
	}
	return facts
}

// Memo remembers what conditions came to, by the numbers of the facts that they read. It is safe for concurrent use
// and bounded: when a condition has seen too many combinations, its further ones are evaluated each time.
type Memo struct {
	asOf   time.Time
	mu     sync.RWMutex
	of     map[*Condition]*memoTable
	tables map[string]bool
}

type memoTable struct {
	mu     sync.RWMutex
	single []*Result          // by number, for a condition that reads one fact
	tuple  map[string]*Result // by the numbers of all
}

const maxMemo = 1 << 14 // combinations remembered for one condition

// NewMemo returns an empty Memo for one as-of date.
func NewMemo(asOf time.Time) *Memo {
	return &Memo{asOf: asOf, of: map[*Condition]*memoTable{}, tables: map[string]bool{}}
}

// AsOf returns the date that conditions are evaluated against.
func (m *Memo) AsOf() time.Time { return m.asOf }

// Eval is Condition.Eval, remembered. The result must not be changed; one that is not remembered is put into scratch.
func (m *Memo) Eval(c *Condition, s *Service, facts Interned, scratch *Result) *Result {
	t := m.table(c)
	if len(c.Reads) == 1 {
		return t.evalSingle(m, c, s, facts, scratch)
	}
	var buf [128]byte
	key, numbered := buf[:0], true
	for _, i := range c.Reads {
		n := facts.Number(i)
		numbered = numbered && n != Unnumbered
		key = append(key, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	}
	t.mu.RLock()
	r := t.tuple[string(key)]
	size := len(t.tuple)
	t.mu.RUnlock()
	if r != nil && numbered {
		return r
	}
	*scratch = m.evaluate(c, s, facts)
	if size >= maxMemo || !numbered {
		return scratch
	}
	r = new(Result)
	*r = *scratch
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tuple == nil {
		t.tuple = map[string]*Result{}
	}
	t.tuple[string(key)] = r
	return r
}

func (t *memoTable) evalSingle(m *Memo, c *Condition, s *Service, facts Interned, scratch *Result) *Result {
	n := int(facts.Number(c.Reads[0]))
	t.mu.RLock()
	if n < len(t.single) && t.single[n] != nil {
		r := t.single[n]
		t.mu.RUnlock()
		return r
	}
	t.mu.RUnlock()
	*scratch = m.evaluate(c, s, facts)
	if n >= maxMemo {
		return scratch
	}
	r := new(Result)
	*r = *scratch
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.single) <= n {
		t.single = append(t.single, nil)
	}
	t.single[n] = r
	return r
}

func (m *Memo) evaluate(c *Condition, s *Service, facts Facts) Result {
	r := c.Eval(s, facts, m.asOf)
	if len(r.Tables) > 0 {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, table := range r.Tables {
			m.tables[table] = true
		}
	}
	return r
}

// Lifecycles returns the tables that versions have been looked up in.
func (m *Memo) Lifecycles() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Collect(maps.Keys(m.tables))
}

func (m *Memo) table(c *Condition) *memoTable {
	m.mu.RLock()
	t := m.of[c]
	m.mu.RUnlock()
	if t != nil {
		return t
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if t = m.of[c]; t == nil {
		t = &memoTable{}
		m.of[c] = t
	}
	return t
}
