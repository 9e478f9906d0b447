package inventory

import (
	"slices"
	"unsafe"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

// Maker makes Items of what is kept of resources. What an Item is follows from its record, from the records of its parts
// and from what was found through its references, so that it is made whenever somebody wants it, and held by nobody.
// A Maker is used by one goroutine.
type Maker struct {
	s       *settler
	notes   *Notes // nil: what there is to tell was told before
	record  record
	part    record
	derived map[*rulebook.Result]uint32 // the numbers of derived facts
	result  rulebook.Result             // scratch
	roles   map[observedRoles]*ObservedRoles
	answers []answer
	lists   map[int][]demarc.Value
	list    []demarc.Value // scratch: what is drawn through a relation
	taken   taken          // scratch: of what is drawn
	own     []string       // scratch: what a resource is called
	ends    []called
}

// called says where a resource's id, name and tags end among those of its batch.
type called struct{ id, name, tags int }

// Maker returns a Maker that tells what it finds to notes; nil for nobody.
func (s *Settled) Maker(notes *Notes) *Maker {
	return &Maker{s: s.s, notes: notes, derived: map[*rulebook.Result]uint32{}, roles: map[observedRoles]*ObservedRoles{}, lists: map[int][]demarc.Value{}}
}

// Items makes the resources of a batch, in place of others that nobody needs any more.
func (m *Maker) Items(b *Batch, items []Item) []Item {
	items = slices.Grow(items[:0], len(b.resources))
	m.ends = m.ends[:0]
	text := view(b.text)
	for i := range b.resources {
		own := b.resources[i]
		r := m.assemble(b, text, &own)
		if r == nil {
			continue
		}
		r.roles = m.s.clusters.of(r)
		m.complete(r, text, &own)
		m.related(r, text, &own)
		items = items[:len(items)+1]
		m.item(b, r, own.inside, &items[len(items)-1])
	}
	texts, from := view(b.called), 0
	for i, end := range m.ends {
		r := &items[i].Resource
		r.ID, r.Name, r.Tags = demarc.ResourceID(texts[from:end.id]), texts[end.id:end.name], demarc.Tags(texts[end.name:end.tags])
		from = end.tags
	}
	return items
}

// Spoil overwrites what the Item is called, as a later Item will: tests find who keeps it without a copy.
func (i *Item) Spoil() {
	r := &i.Resource
	for _, text := range []string{string(r.ID), r.Name, string(r.Tags)} {
		clear(unsafe.Slice(unsafe.StringData(text), len(text))) //nolint:gosec // it is a piece of the Batch's memory
	}
}

// item makes an Item but for what it is called.
func (m *Maker) item(b *Batch, r *record, inside bool, out *Item) {
	source := ""
	if r.source != nil {
		source = r.source.Name
	}
	var end called
	b.called = append(b.called, r.id...)
	end.id = len(b.called)
	b.called = append(b.called, r.name...)
	end.name = len(b.called)
	b.called = append(b.called, r.tags...)
	end.tags = len(b.called)
	m.ends = append(m.ends, end)
	out.Resource = demarc.Resource{
		Provider: r.provider, Source: source, Account: r.account, Region: r.region, Type: r.typ,
		Service: r.service.ID, Implied: r.implied, Model: r.service.Model, Captured: r.captured,
		Origins: append(append(out.Resource.Origins[:0], r.pos), r.origins...),
	}
	out.Service, out.Inside = r.service, inside
	out.Facts, r.row = r.row, out.Facts
	out.Facts.scratch, r.row.scratch = nil, out.Facts.scratch
	out.Hidden = append(out.Hidden[:0], r.hidden...)
	out.Roles = nil
	if r.roles != nil {
		roles := m.roles[*r.roles]
		if roles == nil {
			roles = &ObservedRoles{Host: clone(r.roles.host), Operator: clone(r.roles.operator), Assumed: r.roles.assumed}
			m.roles[observedRoles{roles.Host, roles.Operator, roles.Assumed}] = roles
		}
		out.Roles = roles
	}
}

func (m *Maker) note(kind demarc.NoteKind, p demarc.Position, format string, args ...any) {
	if m.notes != nil {
		m.notes.Addf(kind, p, format, args...)
	}
}

// assemble makes the record of a resource of a batch with its parts; nil if it has become part of another.
func (m *Maker) assemble(b *Batch, text string, own *kept) *record {
	r := &m.record
	r.row.arena = &b.arena
	m.s.inv.decode(own.record.of(text), r)
	if len(own.attached) > 0 {
		if own.attached[0].of(text)[8] == attachedElsewhere {
			return nil
		}
		m.attach(r, text, own.attached)
	}
	return r
}

// complete gives a record the facts that do not lie behind its references.
func (m *Maker) complete(r *record, text string, own *kept) {
	plan := r.plan
	m.s.blind(r)
	m.absent(r, plan, text, own.attached)
	m.presume(r, plan.own)
	if derived := own.derived(text); derived != "" {
		d := decoder{rest: derived}
		for _, i := range plan.derive[0] {
			d.set(&r.row, i)
		}
		return
	}
	m.derive(r, plan.derive[0])
}

// related gives a record what lies behind its references.
func (m *Maker) related(r *record, text string, own *kept) {
	plan := r.plan
	m.readAnswers(text, own)
	for _, i := range plan.drawn {
		r.row.set(i, m.drawn(r, plan, &r.service.Facts[i]))
	}
	m.presume(r, plan.via)
	m.derive(r, plan.derive[1])
	m.presume(r, plan.derived)
}

// presume gives rare, unknown facts the value that the catalog presumes.
func (m *Maker) presume(r *record, facts presumed) {
	for _, i := range facts {
		if !r.row.known(i) {
			r.row.set(i, demarc.Fact{Value: r.service.Facts[i].Presume.Value, Origin: demarc.Presumed})
		}
	}
}

// derive computes derived facts, in an order in which each finds those that it reads. One that is unknown is so for the reason of the
// first that made it unknown.
func (m *Maker) derive(r *record, facts []int) {
	for _, i := range facts {
		if r.row.known(i) {
			continue
		}
		f := &r.service.Facts[i]
		res := m.s.memo.Eval(f.Derive, r.service, &r.row, &m.result)
		if res.Err != nil {
			n := rulebook.Note(res.Err)
			m.note(n.Kind, r.pos, "%s: fact %s of %s: %s", r.service.ID, f.Name, r.id, n.Message)
		}
		switch {
		case !res.Value.IsZero():
			m.setDerived(r, i, res)
		case len(res.Missing) > 0:
			if missing := r.row.At(res.Missing[0]); !missing.Known() {
				r.row.set(i, demarc.Fact{Origin: missing.Origin})
			}
		}
	}
}

const maxDerived = 1 << 12 // results whose numbers are remembered

// setDerived takes what a derived fact came to. It is presumed if it rests on what is presumed.
func (m *Maker) setDerived(r *record, i int, res *rulebook.Result) {
	if n, ok := m.derived[res]; ok { // scratch is not among them
		r.row.numbers[i] = n
		return
	}
	origin := demarc.Read
	if len(res.Presumed) > 0 {
		origin = demarc.Presumed
	}
	r.row.set(i, demarc.Fact{Value: res.Value, Origin: origin})
	if n := r.row.numbers[i]; n&carried == 0 && len(m.derived) < maxDerived && res != &m.result {
		m.derived[res] = n
	}
}

// attach takes the facts of all parts of a resource into it. What several documents say of one list is joined; of one
// scalar the first that says it counts, and what goes before comes first.
func (m *Maker) attach(parent *record, text string, parts []span) {
	clear(m.lists)
	taken := map[int]bool{}
	ended := map[*rulebook.TypeRef]bool{}
	var order []*rulebook.TypeRef
	p := &m.part
	for _, at := range parts {
		m.s.inv.decode(at.of(text)[attachedHead:], p)
		if _, ok := ended[p.ref]; !ok {
			order = append(order, p.ref)
		}
		ended[p.ref] = ended[p.ref] || !p.more
		for _, f := range p.ref.Facts {
			i := f.Fact
			a, b := parent.row.At(i), p.row.At(i)
			if isListType(parent.service.Facts[i].Type) && (b.Known() && b.Origin == demarc.Read || open(b.Origin)) {
				elements, some := m.lists[i]
				if !some && a.Known() && a.Origin == demarc.Read && !computed(parent, a.Value) {
					elements = slices.Clone(a.Value.Elements())
				}
				if b.Known() {
					m.lists[i] = append(elements, b.Value.Elements()...)
				} else {
					m.lists[i] = append(elements, demarc.Value{}) // there is more, and nobody knows what
				}
				continue
			}
			if b.Known() && (!a.Known() || a.Origin != demarc.Read || !taken[i] && newer(p, parent)) || !a.Known() && worse(b.Origin, a.Origin) {
				parent.row.set(i, b)
				taken[i] = taken[i] || b.Known() && b.Origin == demarc.Read
			}
		}
		for _, ref := range p.ref.Refs {
			if from := &p.refs[ref.Relation]; from.known {
				to := &parent.refs[ref.Relation]
				if parent.rank == rankPlan && len(to.to) == 1 && to.to[0] == "#" {
					to.to = to.to[:0] // as of facts: it will hold what its parts say
				}
				to.known, to.to = true, append(to.to, from.to...)
			}
		}
		if len(parent.origins) < maxOrigins {
			parent.origins = append(parent.origins, p.pos)
		}
	}
	for _, ref := range order { // pages that all say that another follows
		for _, f := range ref.Facts {
			if elements, ok := m.lists[f.Fact]; ok && !ended[ref] {
				m.lists[f.Fact] = append(elements, demarc.Value{})
			}
		}
	}
	for i, elements := range m.lists {
		parent.row.set(i, demarc.Fact{Value: demarc.List(parent.service.Facts[i].Type, elements...)})
	}
}

// computed reports whether a list of a resource of a plan is nothing that its configuration says: where parts carry it, it will
// hold what they say, and a provider has no list of which some lies in the resource and some in parts.
func computed(r *record, list demarc.Value) bool {
	elements := list.Elements()
	return r.rank == rankPlan && len(elements) == 1 && elements[0].IsZero()
}

// open reports whether a part that has nothing to say of a list, for this reason, leaves it open.
func open(o demarc.Origin) bool {
	switch o {
	case demarc.AfterApply, demarc.BadValue, demarc.Denied, demarc.Projected:
		return true
	default:
		return false
	}
}

func isListType(t demarc.Type) bool {
	return t == demarc.TypeStrings || t == demarc.TypeInts || t == demarc.TypeRecords
}

// absent says what it means that a resource has no part of some type.
func (m *Maker) absent(r *record, plan *servicePlan, text string, parts []span) {
	for _, ref := range plan.parts {
		if ref.Dialect != r.ref.Dialect || m.hasPart(ref, text, parts) {
			continue
		}
		if len(m.s.loose) > 0 && m.s.loose[looseParts{r.inputKey(), r.service, ref}] {
			for _, f := range ref.Facts {
				if !r.row.At(f.Fact).Known() {
					r.row.set(f.Fact, demarc.Fact{Origin: demarc.NotAttached})
				}
			}
			continue
		}
		if r.rank == rankObserved {
			continue // another call may deliver it
		}
		for fact, v := range ref.Part.WhenAbsent {
			if own := r.row.At(fact); !own.Known() && !open(own.Origin) { // what the resource says itself, or will, goes before
				r.row.set(fact, demarc.Fact{Value: v, Origin: demarc.Defaulted})
			}
		}
	}
}

// hasPart reports whether a part of some type is among those of a resource.
func (m *Maker) hasPart(ref *rulebook.TypeRef, text string, parts []span) bool {
	for _, at := range parts {
		if m.s.inv.refOf(at.of(text)[attachedHead:]) == ref {
			return true
		}
	}
	return false
}
