package rulebook

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/demarc/demarc"
)

// shelf holds a service or an archetype, or says which file of an indexed catalog it is decoded from when somebody first
// asks for it.
type shelf[T any] struct {
	layer int    // which of the catalogs it is in; 0 for the indexed one
	file  string // in Rulebook.files
	draft *T     // decoded, but what it says of others was not looked up yet
	value atomic.Pointer[T]
}

func shelved[T any](v *T, layer int) *shelf[T] {
	e := &shelf[T]{layer: layer}
	e.value.Store(v)
	return e
}

// get returns what is on a shelf, and decodes it if nobody has before.
func (e *shelf[T]) get(b *Rulebook, decode func(*loader, *shelf[T]) *T) *T {
	if v := e.value.Load(); v != nil {
		return v
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &loader{book: b}
	v := decode(l, e)
	l.mustHold()
	return v
}

// mustHold panics where an indexed catalog has mistakes. The tests of this package prove that the built-in one has none,
// and what stands above it was looked up when it was loaded.
func (l *loader) mustHold() {
	if err := l.faults.Err(); err != nil {
		panic(fmt.Sprintf("rulebook: the catalog has mistakes: demarc catalog lint tells them all: %v", err))
	}
}

// list puts the files of the indexed catalog on their shelves, undecoded but for those that every run needs. An archetype
// or a service has the name of its file. The digest of all files is returned for who wants it.
func (l *loader) list() func() digest {
	b := l.book
	var names []string
	lazily := func(put func(name, id string)) func(string) {
		return func(name string) {
			names = append(names, name)
			put(name, strings.TrimSuffix(name, ".yaml"))
		}
	}
	files := walker{
		duties: lazily(func(name, _ string) {
			b.duties = sync.OnceValue(func() dutyInfos {
				l := &loader{book: b}
				defer l.mustHold()
				return l.duties(b.files, name)
			})
		}),
		providers: lazily(func(name, _ string) { l.providers(b.files, name) }),
		ignored:   lazily(func(name, _ string) { l.ignored(b.files, name) }),
		archetype: lazily(func(name, id string) {
			b.archetypes[strings.TrimPrefix(id, "archetypes/")] = &shelf[Archetype]{file: name}
		}),
		lifecycle: lazily(func(name, _ string) { b.shelve(name) }),
		service:   lazily(func(name, id string) { b.services[demarc.ServiceID(id)] = &shelf[Service]{file: name} }),
	}
	if err := files.walk(b.files); err != nil {
		l.fault(pos{File: "catalog"}, "%v", err)
	}
	return func() digest {
		sums := digest{}
		for _, name := range names {
			sums.add(name, b.read(name))
		}
		return sums
	}
}

// indexed returns the places of the indexed catalog in a dialect.
func (b *Rulebook) indexed(d demarc.Dialect) []*Place {
	if b.files == nil {
		return nil
	}
	return b.readIndex(d, string(b.read(indexName(d))))
}

// read returns a file of the indexed catalog.
func (b *Rulebook) read(name string) []byte {
	data, err := fs.ReadFile(b.files, name)
	if err != nil {
		panic(err) // it was there when the catalog was proven
	}
	return data
}

// archetype returns what is on a shelf.
func (l *loader) archetype(e *shelf[Archetype]) *Archetype {
	if a := e.value.Load(); a != nil {
		return a
	}
	a := l.readArchetype(l.book.files, e.file, e.layer)
	e.value.Store(a)
	return a
}

// drafted returns what is on a shelf, as far as it is decoded without looking at other services.
func (l *loader) drafted(e *shelf[Service]) *Service {
	if s := e.value.Load(); s != nil {
		return s
	}
	if e.draft == nil {
		var f serviceFile
		l.decode(l.book.files, e.file, &f)
		e.draft = l.service(&f)
	}
	return e.draft
}

// linked returns what is on a shelf, as others may see it.
func (l *loader) linked(e *shelf[Service]) *Service {
	if s := e.value.Load(); s != nil {
		return s
	}
	s := l.drafted(e)
	if s != nil {
		l.link(s)
	}
	e.value.Store(s)
	e.draft = nil
	return s
}

// mention returns the services of the indexed catalog whose files have one of these ids in them.
func (l *loader) mention(ids []demarc.ServiceID) []*shelf[Service] {
	var out []*shelf[Service]
	for _, e := range l.book.services {
		if e.file == "" || len(ids) == 0 {
			continue
		}
		text := l.book.read(e.file)
		if slices.ContainsFunc(ids, func(id demarc.ServiceID) bool { return bytes.Contains(text, []byte(id)) }) {
			out = append(out, e)
		}
	}
	return out
}

// decodeAll returns every service. What is not decoded yet is read side by side.
func (b *Rulebook) decodeAll() []*Service {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &loader{book: b}
	var files []string
	for _, e := range b.services {
		if e.value.Load() == nil && e.draft == nil {
			files = append(files, e.file)
		}
	}
	slices.Sort(files)
	decoded := l.readServices(b.files, files, 0)
	for i := range decoded {
		b.services[demarc.ServiceID(decoded[i].Service.Value)].draft = l.service(&decoded[i])
	}
	out := make([]*Service, 0, len(b.services))
	for _, id := range slices.Sorted(maps.Keys(b.services)) {
		if s := l.linked(b.services[id]); s != nil {
			out = append(out, s)
		}
	}
	l.mustHold()
	return out
}

// unclassified makes the service that stands for what the catalog does not know, for each provider and for none.
func (b *Rulebook) unclassified() map[string]*Service {
	e := b.archetypes[unclassified]
	if e == nil {
		return nil // that is a mistake, and was told
	}
	a := e.get(b, (*loader).archetype)
	out := map[string]*Service{}
	for _, p := range append(slices.Collect(maps.Keys(b.Providers)), "") {
		out[p] = &Service{
			ID: unclassified, Title: a.Title, About: a.About, Model: a.Model, Provider: p, Archetype: a, Base: a.Rows, Own: make([]bool, NumDuties),
			factIndex: map[string]int{}, Pos: a.Pos,
		}
	}
	return out
}
