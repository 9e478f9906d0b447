// Package inventory turns provider-native documents into resources with typed facts.
//
// It works in two passes. In the first, Readers take the declared facts, identity and references of each document
// in one forward scan; the raw configuration goes no further. In the second, Settle brings together what belongs
// together: documents of one resource, parts and their parents, relations, and parents that are only named.
package inventory

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/jscan"
	"github.com/demarc/demarc/internal/rulebook"
)

// Inventory collects the records of one run.
type Inventory struct {
	book  *rulebook.Rulebook
	asOf  time.Time
	table *Table

	mu             sync.Mutex
	records        []*record
	denials        []denial
	notes          Notes
	configurations map[string]moduleRefs // by source and input
	unknownTypes   map[looseKey]*rulebook.TypeRef
	kindNames      map[string]string
}

type looseKey struct {
	dialect       demarc.Dialect
	provider, typ string
}

// New returns an empty Inventory of what book describes.
func New(book *rulebook.Rulebook, asOf time.Time) *Inventory {
	return &Inventory{
		book: book, asOf: asOf, table: NewTable(),
		configurations: map[string]moduleRefs{},
		unknownTypes:   map[looseKey]*rulebook.TypeRef{},
	}
}

// Reader returns a Reader for one goroutine.
func (inv *Inventory) Reader() *Reader {
	return &Reader{
		inv: inv, plans: map[demarc.Dialect]*dialectPlan{}, captures: map[demarc.Dialect]*jscan.Captures{}, cache: map[cacheKey]map[string]uint32{},
		tagSets: map[string]demarc.Tags{}, names: map[string]string{},
	}
}

// Flush hands what a Reader has read to the Inventory. A Reader must be flushed before Settle.
func (r *Reader) Flush() {
	r.inv.mu.Lock()
	defer r.inv.mu.Unlock()
	r.inv.records = append(r.inv.records, r.out...)
	r.inv.denials = append(r.inv.denials, r.denials...)
	r.inv.notes.Merge(&r.notes)
	r.out, r.denials, r.notes = r.out[:0], r.denials[:0], Notes{}
}

// loose returns the type that stands for one that the catalog does not know.
func (inv *Inventory) loose(d demarc.Dialect, provider, typ string) *rulebook.TypeRef {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	key := looseKey{d, provider, typ}
	ref := inv.unknownTypes[key]
	if ref == nil {
		ref = &rulebook.TypeRef{Service: inv.book.Unclassified(provider), Dialect: d, Type: typ}
		inv.unknownTypes[key] = ref
	}
	return ref
}

// kinds returns the type of a kind whose group is not said, as in the items of a List.
func (inv *Inventory) kinds(kind string) string {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.kindNames == nil {
		inv.kindNames = map[string]string{}
		for _, p := range inv.book.Places(demarc.Kubernetes) {
			inv.kindNames[p.Type[strings.LastIndexByte(p.Type, '/')+1:]] = p.Type
		}
	}
	if t, ok := inv.kindNames[kind]; ok {
		return t
	}
	return kind
}

// nodeRoles says whose a Kubernetes node is: its host by the scheme of its provider id, its operator by a label.
func (inv *Inventory) nodeRoles(providerID string, labels []byte) *observedRoles {
	nodes := inv.book.Nodes()
	scheme, _, _ := strings.Cut(providerID, "://")
	host, known := nodes.Schemes[scheme]
	out := &observedRoles{host: host, assumed: !known}
	if !known {
		out.host = demarc.Self
	}
	jscan.Members(labels, func(label string, _ []byte) bool {
		for _, pattern := range slices.Sorted(maps.Keys(nodes.Labels)) {
			party := nodes.Labels[pattern]
			if out.operator != "" {
				break
			}
			if pattern == label || (strings.HasSuffix(pattern, "/") || strings.HasSuffix(pattern, "-")) && strings.HasPrefix(label, pattern) {
				out.operator = party
			}
		}
		return true
	})
	return out
}
