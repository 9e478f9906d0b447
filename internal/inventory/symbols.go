package inventory

import (
	"cmp"
	"encoding/binary"
	"strings"
	"sync"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

// symbols numbers the texts that many records have in common: providers, accounts, regions, types. It is bounded: beyond
// some number of them a text stands in the record itself.
type symbols struct {
	mu    sync.RWMutex
	of    map[string]uint32
	texts []string
}

const (
	maxSymbols = 1 << 15
	maxSymbol  = 100 // bytes
)

// append appends a text: twice its number, or one more than twice its length and the text itself.
func (t *symbols) append(b []byte, s string) []byte {
	if n, ok := t.number(s); ok {
		return binary.AppendUvarint(b, uint64(n)<<1)
	}
	return append(binary.AppendUvarint(b, uint64(len(s))<<1|1), s...)
}

func (t *symbols) number(s string) (uint32, bool) {
	t.mu.RLock()
	n, ok := t.of[s]
	full := len(t.texts) >= maxSymbols
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
		n = uint32(len(t.texts))
		t.of[s], t.texts = n, append(t.texts, s)
	}
	return n, true
}

// read reads a text that append wrote.
func (t *symbols) read(d *decoder) string {
	n := d.uint()
	if n&1 != 0 {
		return strings.Clone(d.take(int(n >> 1)))
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.texts[n>>1]
}

// sources numbers the sources of a run. There is one for each input.
type sources struct {
	mu   sync.RWMutex
	of   map[*demarc.Source]uint32
	list []sourceInfo
}

type sourceInfo struct {
	source *demarc.Source
	key    string // inputKey
	input  string // of the positions in it
}

func (t *sources) number(s *demarc.Source) (n uint32, input string) {
	t.mu.RLock()
	n, ok := t.of[s]
	if ok {
		input = t.list[n].input
	}
	t.mu.RUnlock()
	if !ok {
		return t.add(s, "")
	}
	return n, input
}

// add adds a source, whose positions are in input, unless it is there.
func (t *sources) add(s *demarc.Source, input string) (uint32, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, ok := t.of[s]
	if !ok {
		if t.of == nil {
			t.of = map[*demarc.Source]uint32{}
		}
		n = uint32(len(t.list))
		t.of[s], t.list = n, append(t.list, sourceInfo{s, inputKey(s), input})
	}
	return n, t.list[n].input
}

func (t *sources) at(n uint32) (s *demarc.Source, input string) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.list[n].source, t.list[n].input
}

func (t *sources) compare(a, b uint32) int {
	if a == b {
		return 0
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return cmp.Compare(t.list[a].key, t.list[b].key)
}

// refs numbers the types of a run.
type refs struct {
	mu   sync.RWMutex
	of   map[*rulebook.TypeRef]uint32
	list []*rulebook.TypeRef
}

func (t *refs) number(r *rulebook.TypeRef) uint32 {
	t.mu.RLock()
	n, ok := t.of[r]
	t.mu.RUnlock()
	if ok {
		return n
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, ok = t.of[r]; !ok {
		if t.of == nil {
			t.of = map[*rulebook.TypeRef]uint32{}
		}
		n = uint32(len(t.list))
		t.of[r], t.list = n, append(t.list, r)
	}
	return n
}

func (t *refs) at(n uint32) *rulebook.TypeRef {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.list[n]
}
