package inventory

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

// Table numbers the facts of a run: equal facts of one service have equal numbers, so that a resource is a row of
// numbers and a condition is evaluated once for each combination. It is safe for concurrent use, and bounded: a fact
// of which there are too many different ones, such as a name or a policy, has no number and is carried by its resource.
type Table struct {
	mu   sync.RWMutex
	of   map[*rulebook.Service][]column
	size atomic.Int64 // of all that is numbered, in bytes, about
}

type column struct{ *columnState }

type columnState struct {
	table *Table
	names *demarc.Names // of the records of the fact
	full  atomic.Bool   // there is no room for more numbers
	mu    sync.RWMutex
	byKey map[string]uint32
	facts atomic.Pointer[[]demarc.Fact] // by number; only ever appended to: readers see no further than the length that they load
}

const (
	maxNumbers  = 4096    // facts of one column that have numbers
	maxNumbered = 2 << 10 // bytes of one of them
	maxTable    = 3 << 20 // bytes of a Table
	eachFact    = 100     // bytes that a fact takes in a Table beside its key and its value, about
	carried     = 1 << 31 // set in the number of a fact that has none: the rest is its place in Row.own
)

// NewTable returns an empty Table.
func NewTable() *Table { return &Table{of: map[*rulebook.Service][]column{}} }

// columns returns one column for each fact of a service.
func (t *Table) columns(s *rulebook.Service) []column {
	t.mu.RLock()
	c := t.of[s]
	t.mu.RUnlock()
	if c != nil || len(s.Facts) == 0 {
		return c
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if c = t.of[s]; c == nil {
		// Which facts are derived is known once the expressions are compiled; a mistake in them is told by whoever
		// resolves the first resource.
		_ = s.Compile()
		c = make([]column, len(s.Facts))
		for i := range c {
			c[i].columnState = &columnState{table: t, names: s.Facts[i].Names, byKey: map[string]uint32{}}
			// The unknown facts have their origin as number.
			var unknown []demarc.Fact
			for o := demarc.Read; o <= demarc.NotAttached; o++ {
				unknown = append(unknown, demarc.Fact{Origin: o})
			}
			c[i].facts.Store(&unknown)
		}
		t.of[s] = c
	}
	return c
}

// number returns the number of a fact; false if it has none. scratch is written to.
func (c column) number(f demarc.Fact, scratch *[]byte) (uint32, bool) {
	if !f.Known() {
		return uint32(f.Origin), true
	}
	key := appendValue(append((*scratch)[:0], byte(f.Origin)), f.Value)
	*scratch = key
	c.mu.RLock()
	n, ok := c.byKey[string(key)]
	c.mu.RUnlock()
	if ok || len(key) > maxNumbered || c.full.Load() {
		return n, ok
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, ok = c.byKey[string(key)]; ok {
		return n, true
	}
	facts := *c.facts.Load()
	if len(facts) >= maxNumbers || c.table.size.Add(int64(len(key)+eachFact+sizeOf(f.Value))) > maxTable {
		c.full.Store(true)
		return 0, false
	}
	n = uint32(len(facts))
	d := decoder{rest: string(key[1:]), names: c.names} // f may be a piece of a document, which will be gone
	facts = append(facts, demarc.Fact{Origin: f.Origin, Value: d.value()})
	c.facts.Store(&facts)
	c.byKey[string(key)] = n
	return n, true
}

// sizeOf returns how many bytes of memory a value takes, about.
func sizeOf(v demarc.Value) int {
	n := int(unsafe.Sizeof(v)) + len(v.AsString())
	for _, e := range v.Elements() {
		n += sizeOf(e)
	}
	for _, e := range v.Fields() {
		n += sizeOf(e)
	}
	return n
}

func (c column) fact(n uint32) demarc.Fact { return (*c.facts.Load())[n] }

// Row is the facts of one resource. It implements rulebook.Interned.
type Row struct {
	columns []column
	numbers []uint32
	own     []ownFact // those without a number
	arena   *arena    // for their elements
	scratch []byte
}

// ownFact is a fact that its resource carries. It is decoded when somebody looks at it.
type ownFact struct {
	fact demarc.Fact
	text string // encoded; "" for one that is decoded
}

// At returns the fact at i. One that is carried is good as long as the resource: whoever remembers what came of it copies.
func (r *Row) At(i int) demarc.Fact {
	if n := r.numbers[i]; n&carried == 0 {
		return r.columns[i].fact(n)
	}
	own := &r.own[r.numbers[i]&^carried]
	if own.text != "" {
		d := decoder{own.text[1:], r.columns[i].names, r.arena}
		own.fact, own.text = demarc.Fact{Origin: demarc.Origin(own.text[0]), Value: d.value()}, ""
	}
	return own.fact
}

// Number returns the number of the fact at i, rulebook.Unnumbered if it has none.
func (r *Row) Number(i int) uint32 {
	if n := r.numbers[i]; n&carried == 0 {
		return n
	}
	return rulebook.Unnumbered
}

// Len returns how many facts there are.
func (r *Row) Len() int { return len(r.numbers) }

func (r *Row) set(i int, f demarc.Fact) {
	n, ok := r.columns[i].number(f, &r.scratch)
	if !ok {
		n = carried | uint32(len(r.own))
		r.own = append(r.own, ownFact{fact: f})
	}
	r.numbers[i] = n
}

// known reports whether the fact at i has a value, without looking at it.
func (r *Row) known(i int) bool { return r.numbers[i] > uint32(demarc.NotAttached) }

// reset makes r a row of a service whose facts are all unknown.
func (r *Row) reset(columns []column) {
	r.columns, r.own = columns, r.own[:0]
	if cap(r.numbers) < len(columns) {
		r.numbers = make([]uint32, len(columns))
	}
	r.numbers = r.numbers[:len(columns)]
	for i := range r.numbers {
		r.numbers[i] = uint32(demarc.Unresolved)
	}
}

// Row returns the row of a resource of s with these facts, one for each that s declares.
func (t *Table) Row(s *rulebook.Service, facts []demarc.Fact) Row {
	r := Row{columns: t.columns(s), numbers: make([]uint32, len(s.Facts))}
	for i, f := range facts {
		r.set(i, f)
	}
	return r
}
