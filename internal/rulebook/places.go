package rulebook

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/demarc/demarc"
)

// Place says that documents of a type, or what lies at a place in API bodies, belong to a service, as resources or as
// parts of them. It is what is known of a type before its service is decoded.
type Place struct {
	Service  demarc.ServiceID
	Dialect  demarc.Dialect
	Type     string
	Envelope []string // as in TypeRef, like Has and Context
	Has      string
	Context  string
	Part     bool

	book *Rulebook
	ref  atomic.Pointer[TypeRef]
}

// Ref returns the type with all that its service says of it.
func (p *Place) Ref() *TypeRef {
	if ref := p.ref.Load(); ref != nil {
		return ref
	}
	if s := p.book.Service(p.Service); s != nil {
		for _, ref := range s.Types {
			if p.is(ref) {
				p.ref.Store(ref)
				return ref
			}
		}
	}
	panic(fmt.Sprintf("rulebook: the index of the catalog is not that of its files: %s has no type %s of %s; go generate ./catalog writes it anew", p.Service, p.Type, p.Dialect))
}

// Asks goes through the members of which each element must have one, with the text that it must have there, empty if any will
// do. There are none where elements need have nothing.
func (p *Place) Asks() iter.Seq2[string, string] {
	return func(yield func(member, text string) bool) {
		if p.Has == "" {
			return
		}
		for ask := range strings.SplitSeq(p.Has, "|") {
			if member, text, _ := strings.Cut(ask, "="); !yield(member, text) {
				return
			}
		}
	}
}

// asksLike reports whether two places ask for a member that is the same, or both for none.
func (p *Place) asksLike(q *Place) bool {
	if p.Has == "" || q.Has == "" {
		return p.Has == q.Has
	}
	for ask := range strings.SplitSeq(p.Has, "|") {
		if slices.Contains(strings.Split(q.Has, "|"), ask) {
			return true
		}
	}
	return false
}

func (p *Place) is(ref *TypeRef) bool {
	return p.Dialect == ref.Dialect && p.Type == ref.Type && p.Part == (ref.Part != nil) &&
		slices.Equal(p.Envelope, ref.Envelope) && p.Has == ref.Has && p.Context == ref.Context
}

// Places returns the types of a dialect. Those of dialects with envelopes come in the order in which they are tried: what
// asks for more goes first.
func (b *Rulebook) Places(d demarc.Dialect) []*Place { return b.placesOf(d).all }

// Envelopes returns the places whose envelope begins with a member, such as "Reservations[]", "" for whole bodies; in
// the Graph dialect those with a context. The order is that of Places.
func (b *Rulebook) Envelopes(d demarc.Dialect, member string) []*Place {
	if d == demarc.Graph {
		member = strings.ToLower(member)
	}
	return b.placesOf(d).byMember[member]
}

func (b *Rulebook) placesOf(d demarc.Dialect) *places {
	if of := b.places[d]; of != nil {
		return of()
	}
	return &places{}
}

// places are the types of one dialect.
type places struct {
	all      []*Place
	byType   map[string]*Place   // in lower case, where types do not lie in envelopes
	byMember map[string][]*Place // see Envelopes
}

// gather makes the table of a dialect. Later places that claim what an earlier one has are told to clash, and left out.
func gather(d demarc.Dialect, all []*Place, clash func(p, with *Place)) *places {
	out := &places{}
	if !isEnvelopeDialect(d) {
		out.byType = make(map[string]*Place, len(all))
		for _, p := range all {
			key := strings.ToLower(p.Type)
			if old := out.byType[key]; old != nil {
				clash(p, old)
				continue
			}
			out.byType[key] = p
			out.all = append(out.all, p)
		}
		return out
	}
	out.byMember = map[string][]*Place{}
	for _, p := range all {
		key := p.member()
		for _, old := range out.byMember[key] {
			// The parts of a body may be of several services; its elements are resources of one.
			if !p.Part && !old.Part && slices.Equal(p.Envelope, old.Envelope) && p.asksLike(old) && strings.EqualFold(p.Context, old.Context) {
				clash(p, old)
			}
		}
		out.byMember[key] = append(out.byMember[key], p)
		out.all = append(out.all, p)
	}
	order := func(x, y *Place) int {
		return cmp.Or(len(y.Envelope)-len(x.Envelope), strings.Compare(y.Has, x.Has))
	}
	slices.SortStableFunc(out.all, order)
	for _, list := range out.byMember {
		slices.SortStableFunc(list, order)
	}
	return out
}

func (p *Place) member() string {
	switch {
	case p.Dialect == demarc.Graph:
		return strings.ToLower(p.Context)
	case len(p.Envelope) > 0:
		return p.Envelope[0]
	default:
		return ""
	}
}

// placesIn returns the places of a decoded service.
func (b *Rulebook) placesIn(s *Service) map[demarc.Dialect][]*Place {
	out := map[demarc.Dialect][]*Place{}
	for _, ref := range s.Types {
		p := &Place{
			Service: s.ID, Dialect: ref.Dialect, Type: ref.Type, Envelope: ref.Envelope, Has: ref.Has, Context: ref.Context, Part: ref.Part != nil,
			book: b,
		}
		p.ref.Store(ref)
		out[ref.Dialect] = append(out[ref.Dialect], p)
	}
	return out
}

// The index of a catalog says of every type which service it belongs to, so that a run decodes the services that it
// meets and no others. It is a file for each dialect, index/DIALECT.txt, a line for each type:
//
//	service TAB "resource" or "part" TAB type [ TAB envelope [ TAB has [ TAB context ] ] ]
//
// Lines are sorted by service, those of one service are in the order in which it declares them. No line depends on another, so what two changes
// add is merged line by line. Lines that begin with # are comments.

const indexHeader = "# Code generated by go generate ./catalog; DO NOT EDIT.\n"

func indexName(d demarc.Dialect) string { return "index/" + string(d) + ".txt" }

// Index returns the files of the index of a catalog by their names, as `go generate ./catalog` writes them.
func Index(catalog fs.FS) (map[string][]byte, error) {
	b, err := Load(catalog)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, d := range demarc.Dialects {
		var text bytes.Buffer
		text.WriteString(indexHeader)
		for _, s := range b.Services() {
			for _, p := range b.placesIn(s)[d] {
				kind := "resource"
				if p.Part {
					kind = "part"
				}
				line := strings.Join([]string{string(p.Service), kind, p.Type, strings.Join(p.Envelope, "."), p.Has, p.Context}, "\t")
				fmt.Fprintln(&text, strings.TrimRight(line, "\t"))
			}
		}
		out[indexName(d)] = text.Bytes()
	}
	return out, nil
}

// readIndex returns the places of one dialect that an index names.
func (b *Rulebook) readIndex(d demarc.Dialect, text string) []*Place {
	list := make([]Place, 0, strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		if line[0] == '#' {
			continue
		}
		var column [6]string
		rest := strings.TrimSuffix(line, "\n")
		for i := range column {
			column[i], rest, _ = strings.Cut(rest, "\t")
		}
		list = append(list, Place{
			Service: demarc.ServiceID(column[0]), Dialect: d, Type: column[2], Envelope: envelope(column[3]), Has: column[4], Context: column[5],
			Part: column[1] == "part", book: b,
		})
	}
	out := make([]*Place, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}
