package inventory

import (
	"sync"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

// Table numbers the facts of a run: equal facts of one service have equal numbers, so that a resource is a row of
// numbers and a condition is evaluated once for each combination. It is safe for concurrent use.
type Table struct {
	mu sync.RWMutex
	of map[*rulebook.Service][]column
}

type column struct{ *columnState }

type columnState struct {
	mu    sync.RWMutex
	byKey map[string]uint32
	facts []demarc.Fact
}

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
			c[i].columnState = &columnState{byKey: map[string]uint32{}}
			// The unknown facts have their origin as number.
			for o := demarc.Read; o <= demarc.NotAttached; o++ {
				c[i].facts = append(c[i].facts, demarc.Fact{Origin: o})
			}
		}
		t.of[s] = c
	}
	return c
}

// number returns the number of a fact.
func (c column) number(f demarc.Fact) uint32 {
	if !f.Known() {
		return uint32(f.Origin)
	}
	key := string([]byte{byte(f.Origin), byte(f.Value.Type())}) + f.Value.String()
	if f.Value.Type() == demarc.TypeStrings { // [a, b] may be one string or two
		if text, err := f.Value.MarshalJSON(); err == nil {
			key = string([]byte{byte(f.Origin), byte(f.Value.Type())}) + string(text)
		}
	}
	c.mu.RLock()
	n, ok := c.byKey[key]
	c.mu.RUnlock()
	if ok {
		return n
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, ok = c.byKey[key]; !ok {
		n = uint32(len(c.facts))
		c.facts = append(c.facts, f)
		c.byKey[key] = n
	}
	return n
}

func (c column) fact(n uint32) demarc.Fact {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.facts[n]
}

// Row is the facts of one resource. It implements rulebook.Interned.
type Row struct {
	columns []column
	numbers []uint32
}

// At returns the fact at i.
func (r Row) At(i int) demarc.Fact { return r.columns[i].fact(r.numbers[i]) }

// Number returns the number of the fact at i.
func (r Row) Number(i int) uint32 { return r.numbers[i] }

// Len returns how many facts there are.
func (r Row) Len() int { return len(r.numbers) }

func (r Row) set(i int, f demarc.Fact) { r.numbers[i] = r.columns[i].number(f) }

// Row returns the row of a resource of s with these facts, one for each that s declares.
func (t *Table) Row(s *rulebook.Service, facts []demarc.Fact) Row {
	r := Row{t.columns(s), make([]uint32, len(s.Facts))}
	for i, f := range facts {
		r.set(i, f)
	}
	return r
}
