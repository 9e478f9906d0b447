package inventory

import (
	"cmp"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

// symbols numbers the texts that many records have in common: providers, accounts, regions, types. It is bounded: beyond
// some number of them a text stands in the record itself.
type symbols struct {
	mu    sync.RWMutex
	of    map[string]uint32
	texts list[string]
}

// list is a list that grows while others read it, without a lock: they see what was there when they looked.
type list[T any] struct{ p atomic.Pointer[[]T] }

func (l *list[T]) all() []T {
	if p := l.p.Load(); p != nil {
		return *p
	}
	return nil
}

// add appends an element and returns its place. Only one may do so at a time.
func (l *list[T]) add(e T) uint32 {
	all := append(l.all(), e)
	l.p.Store(&all)
	return uint32(len(all) - 1)
}

const (
	maxSymbols = 1 << 15
	maxSymbol  = 100 // bytes
)

// number returns the number of a text; false if it has none.
func (t *symbols) number(s string) (uint32, bool) {
	t.mu.RLock()
	n, ok := t.of[s]
	full := len(t.texts.all()) >= maxSymbols
	t.mu.RUnlock()
	if ok || full || len(s) > maxSymbol {
		return n, ok
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, ok = t.of[s]; !ok {
		if t.of == nil {
			t.of = map[string]uint32{}
		}
		s = strings.Clone(s)
		n = t.texts.add(s)
		t.of[s] = n
	}
	return n, true
}

// read reads a text that encoder.symbol wrote.
func (t *symbols) read(d *decoder) string {
	n := d.uint()
	if n&1 != 0 {
		return strings.Clone(d.take(int(n >> 1)))
	}
	return t.texts.all()[n>>1]
}

// sources numbers the sources of a run. There is one for each input.
type sources struct {
	mu   sync.RWMutex
	of   map[*demarc.Source]uint32
	list list[sourceInfo]
}

type sourceInfo struct {
	source *demarc.Source
	key    string // inputKey
	input  string // of the positions in it
}

// number returns the number of a source that was added.
func (t *sources) number(s *demarc.Source) uint32 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.of[s]
}

// add adds a source, whose positions are in input, unless it is there.
func (t *sources) add(s *demarc.Source, input string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.of[s]; ok {
		return
	}
	if t.of == nil {
		t.of = map[*demarc.Source]uint32{}
	}
	t.of[s] = t.list.add(sourceInfo{s, inputKey(s), input})
}

func (t *sources) at(n uint32) *sourceInfo { return &t.list.all()[n] }

func (t *sources) compare(a, b uint32) int {
	if a == b {
		return 0
	}
	all := t.list.all()
	return cmp.Compare(all[a].key, all[b].key)
}

// refs numbers the types of a run.
type refs struct {
	mu   sync.RWMutex
	of   map[*rulebook.TypeRef]uint32
	list list[refInfo]
}

type refInfo struct {
	ref  *rulebook.TypeRef
	plan *servicePlan
}

// refNumber returns the number of a type.
func (inv *Inventory) refNumber(r *rulebook.TypeRef) uint32 {
	t := &inv.refs
	t.mu.RLock()
	n, ok := t.of[r]
	t.mu.RUnlock()
	if ok {
		return n
	}
	plan := inv.service(r.Service)
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, ok = t.of[r]; !ok {
		if t.of == nil {
			t.of = map[*rulebook.TypeRef]uint32{}
		}
		n = t.list.add(refInfo{r, plan})
		t.of[r] = n
	}
	return n
}

func (t *refs) at(n uint32) (*rulebook.TypeRef, *servicePlan) {
	info := &t.list.all()[n]
	return info.ref, info.plan
}
