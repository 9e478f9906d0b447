// Package inventory turns provider-native documents into resources with typed facts.
//
// It works in two passes. In the first, Readers take the declared facts, identity and references of each document
// in one forward scan, and keep them as a compact record; the raw configuration goes no further. In the second, Settle
// brings together what belongs together: documents of one resource, parts and their parents, relations, and parents
// that are only named. Records are held in a budget of memory and in temporary files above it, and joined by sorting,
// so that neither pass needs more memory for more documents.
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
	"github.com/demarc/demarc/internal/spill"
)

// Inventory collects the records of one run.
type Inventory struct {
	book    *rulebook.Rulebook
	asOf    time.Time
	table   *Table
	store   *spill.Store
	symbols symbols
	sources sources
	refs    refs

	mu             sync.Mutex
	records        *spill.Sorter // of resources, by id
	pieces         *spill.Log    // records of parts
	late           *spill.Log    // records whose id depends on others
	seen           seen
	denials        map[denial]bool
	notes          Notes
	configurations map[string]moduleRefs // by source and input
	unknownTypes   map[looseKey]*rulebook.TypeRef
	kindNames      map[string]string
	nodeLabels     []string // patterns that tell whose a node is, sorted
	services       map[*rulebook.Service]*servicePlan
	err            error
}

type looseKey struct {
	dialect       demarc.Dialect
	provider, typ string
}

const maxUnknownTypes = 4096 // that are told apart

// sortedAtOnce is how many bytes of records each Reader sorts in memory before it puts them aside.
const sortedAtOnce = 3 << 20

// New returns an empty Inventory of what book describes, which keeps what it reads in store.
func New(book *rulebook.Rulebook, asOf time.Time, store *spill.Store) *Inventory {
	inv := &Inventory{
		book: book, asOf: asOf, table: NewTable(), store: store,
		pieces:         store.NewLog(),
		late:           store.NewLog(),
		seen:           newSeen(),
		denials:        map[denial]bool{},
		configurations: map[string]moduleRefs{},
		unknownTypes:   map[looseKey]*rulebook.TypeRef{},
		services:       map[*rulebook.Service]*servicePlan{},
	}
	inv.records = store.NewSorter(sortedAtOnce, inv.compare)
	inv.nodeLabels = slices.Sorted(maps.Keys(book.Nodes().Labels))
	return inv
}

// Reader returns a Reader for one goroutine.
func (inv *Inventory) Reader() *Reader {
	return &Reader{
		inv: inv, plans: map[demarc.Dialect]*dialectPlan{}, captures: map[demarc.Dialect]*jscan.Captures{}, types: map[typeName]*rulebook.TypeRef{}, names: map[string]string{},
		encoder: inv.encoder(), records: inv.store.NewSorter(sortedAtOnce, inv.compare), seen: newSeen(), denials: map[denial]bool{},
	}
}

// Flush hands what a Reader has read to the Inventory. A Reader must be flushed before Settle.
func (r *Reader) Flush() {
	r.inv.mu.Lock()
	defer r.inv.mu.Unlock()
	if err := r.inv.records.Absorb(r.records); r.err == nil {
		r.err = err
	}
	if r.inv.err == nil {
		r.inv.err = r.err
	}
	r.inv.seen.merge(&r.seen)
	maps.Copy(r.inv.denials, r.denials)
	r.inv.notes.Merge(&r.notes)
	r.seen, r.denials, r.notes = newSeen(), map[denial]bool{}, Notes{}
}

// Err returns why nothing more can be read, nil while it can: there is no room for it.
func (r *Reader) Err() error { return r.err }

// add keeps a record.
func (r *Reader) add(rec *record) {
	if r.err != nil {
		return
	}
	if arm := "/subscriptions/"; len(rec.id) > len(arm) && strings.EqualFold(rec.id[:len(arm)], arm) {
		rec.id = lower(rec.id) // wherever it was read: other ids that differ in case are two
	}
	rec.sub = r.sub
	r.sub++
	if rec.source != r.lastSource || r.sub == 1 {
		r.inv.sources.add(rec.source, rec.pos.Input)
		r.lastSource = rec.source
	}
	if rec.ref.Dialect == demarc.Graph {
		r.seen.tenant(rec)
		r.err = r.append(r.inv.late, rec)
		return
	}
	r.seen.record(rec.plan, rec)
	if rec.ref.Part != nil {
		r.err = r.append(r.inv.pieces, rec)
		return
	}
	r.buf = r.encoder.append(r.buf[:0], rec, kindRead)
	r.err = r.records.Add(r.buf)
}

func (r *Reader) append(log *spill.Log, rec *record) error {
	r.buf = r.encoder.append(r.buf[:0], rec, kindRead)
	r.inv.mu.Lock()
	defer r.inv.mu.Unlock()
	return log.Append(r.buf)
}

// loose returns the type that stands for one that the catalog does not know.
func (inv *Inventory) loose(d demarc.Dialect, provider, typ string) *rulebook.TypeRef {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	key := looseKey{d, provider, strings.Clone(typ)}
	ref := inv.unknownTypes[key]
	if ref == nil && len(inv.unknownTypes) >= maxUnknownTypes {
		key.typ = ""
		ref = inv.unknownTypes[key]
	}
	if ref == nil {
		ref = &rulebook.TypeRef{Service: inv.book.Unclassified(provider), Dialect: d, Type: key.typ}
		inv.unknownTypes[key] = ref
	}
	return ref
}

// kinds returns the type of a kind whose group is not said, as in the items of a List.
func (inv *Inventory) kinds(kind string) string {
	if t, ok := inv.kindNamed(kind); ok {
		return t
	}
	return kind
}

// kindInID returns how an id names a type: by its kind alone, such as Service, unless Kubernetes itself or a type of the
// catalog that goes before it has that kind too. Knative's is Service.serving.knative.dev: it makes a Service of its name.
func (inv *Inventory) kindInID(typ string) string {
	slash := strings.LastIndexByte(typ, '/')
	if slash < 0 || ofKubernetes(typ[:slash]) {
		return typ[slash+1:] // one object may be read in several groups of Kubernetes
	}
	group, kind := typ[:slash], typ[slash+1:]
	if t, ok := inv.kindNamed(kind); ok && t != typ {
		return kind + "." + group
	}
	return kind
}

// kindNamed returns the type of the catalog that a kind without its group means: one of Kubernetes itself if there is any.
func (inv *Inventory) kindNamed(kind string) (typ string, ok bool) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.kindNames == nil {
		inv.kindNames = map[string]string{}
		for _, p := range inv.book.Places(demarc.Kubernetes) {
			kind := p.Type[strings.LastIndexByte(p.Type, '/')+1:]
			if known, ok := inv.kindNames[kind]; !ok || ofKubernetes(groupOf(p.Type)) || !ofKubernetes(groupOf(known)) {
				inv.kindNames[kind] = p.Type
			}
		}
	}
	typ, ok = inv.kindNames[kind]
	return typ, ok
}

// groupOf returns the API group of a type; that of Kubernetes' core is empty.
func groupOf(typ string) string {
	group, _, ok := strings.Cut(typ, "/")
	if !ok {
		return ""
	}
	return group
}

// ofKubernetes reports whether an API group is one of Kubernetes' own, such as apps or networking.k8s.io.
func ofKubernetes(group string) bool {
	return !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io")
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
		for _, pattern := range inv.nodeLabels {
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
