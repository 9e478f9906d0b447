package inventory

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/spill"
)

// relate finds what the references of resources lead to: first through relations behind which nothing but facts of the
// resource itself is asked for, then through those that ask for what lies behind the first, and so on.
func (s *settler) relate(ctx context.Context, workers int) error {
	hops := s.findTargets()
	for i := range hops {
		if len(hops[i].wanted) == 0 && (i > 0 || !s.seen.machines) {
			continue
		}
		if err := s.follow(ctx, workers, &hops[i]); err != nil {
			return err
		}
	}
	return nil
}

// hop is what is asked for through relations that are followed together.
type hop struct {
	first   bool
	wanted  map[*servicePlan]bool  // the services whose resources are asked for
	offered map[*servicePlan][]int // the facts of a service that are drawn
	deep    map[*servicePlan]bool  // services of which a fact is drawn that lies behind a relation itself
}

// follow finds what references lead to through the relations of one hop.
func (s *settler) follow(ctx context.Context, workers int, h *hop) error {
	s.release()
	s.ledger = s.inv.ledger()
	defer s.release()
	if err := s.index(ctx, workers, h); err != nil {
		return err
	}
	var buf []byte
	return s.match(func(a *ask, meant []name) error {
		if a.kind == askCluster || a.kind == askMachine {
			for i := range meant {
				if meant[i].ordinal == a.number {
					continue
				}
				mark := ask{kind: askMachine, number: meant[i].ordinal}
				if err := s.found.Add(mark.slot(buf[:0])); err != nil {
					return err
				}
			}
		}
		if a.kind == askMachine {
			return nil
		}
		own := *a
		own.kind = askRelation
		buf = binary.AppendUvarint(own.slot(buf[:0]), uint64(len(meant)))
		for i := range meant {
			buf = appendText(buf, meant[i].facts)
		}
		return s.found.Add(buf)
	})
}

// findTargets finds which relations are to be followed in which order, where they lead and which facts are drawn through
// them.
func (s *settler) findTargets() []hop {
	s.targets, s.hops = map[askedKey][]*servicePlan{}, map[askedKey]*hop{}
	hops := make([]hop, rulebook.MaxHops)
	for i := range hops {
		hops[i] = hop{i == 0, map[*servicePlan]bool{}, map[*servicePlan][]int{}, map[*servicePlan]bool{}}
	}
	known := map[factOf]int{}
	for key := range s.seen.asked {
		var drawn []string
		at := 1
		for _, i := range key.from.drawn {
			if f := &key.from.Facts[i]; f.Via == key.relation {
				drawn = append(drawn, f.ViaFact)
				at = max(at, s.hopsTo(key.from, i, known))
			}
		}
		if len(drawn) == 0 && !(key.from.guest && key.relation == key.from.cluster) {
			continue
		}
		h := &hops[min(at, len(hops))-1]
		var to []*servicePlan
		for _, id := range key.from.Relations[key.relation].To {
			target := s.inv.services[s.inv.book.Service(id)]
			if !s.seen.services[target] {
				to = append(to, nil)
				continue
			}
			to = append(to, target)
			h.wanted[target] = true
			for _, fact := range drawn {
				if i := target.FactIndex(fact); i >= 0 && !slices.Contains(h.offered[target], i) {
					h.offered[target] = append(h.offered[target], i)
					f := &target.Facts[i]
					h.deep[target] = h.deep[target] || f.Via >= 0 || f.Derive != nil && readsRelation(target.Service, f.Derive, 0)
				}
			}
		}
		s.targets[key], s.hops[key] = to, h
	}
	for _, h := range hops {
		for _, facts := range h.offered {
			slices.Sort(facts)
		}
	}
	return hops
}

type factOf struct {
	plan *servicePlan
	fact int
}

// hopsTo returns how many relations that lead somewhere lie between a resource and what a fact of it says.
func (s *settler) hopsTo(plan *servicePlan, fact int, known map[factOf]int) int {
	key := factOf{plan, fact}
	if n, ok := known[key]; ok {
		return n
	}
	known[key] = 0 // on a circle, which lint refuses
	f, most := &plan.Facts[fact], 0
	if f.Derive != nil {
		for _, i := range f.Derive.Reads {
			most = max(most, s.hopsTo(plan, i, known))
		}
	}
	if f.Via >= 0 && s.seen.asked[askedKey{plan, f.Via}] {
		for _, id := range plan.Relations[f.Via].To {
			if target := s.inv.services[s.inv.book.Service(id)]; s.seen.services[target] {
				if i := target.FactIndex(f.ViaFact); i >= 0 {
					most = max(most, s.hopsTo(target, i, known))
				}
			}
		}
		most++
	}
	known[key] = most
	return most
}

// index notes what resources are called and what they call others.
func (s *settler) index(ctx context.Context, workers int, h *hop) error {
	out := &Settled{s: s}
	batches, err := out.Batches()
	if err != nil {
		return err
	}
	free, full := make(chan *Batch, 2*workers), make(chan *Batch, 2*workers)
	for range cap(free) {
		free <- &Batch{}
	}
	var group errgroup.Group
	ledgers, derived := make([]*ledger, workers), make([]*spill.Sorter, workers)
	for w := range workers {
		ledgers[w], derived[w] = s.inv.ledger(), s.inv.store.NewSorter(sortedSmall, nil)
		group.Go(func() error {
			x := indexer{s: s, ledger: ledgers[w], derived: derived[w], maker: out.Maker(nil), hop: h}
			var first error
			for b := range full { // all are taken, so that nobody waits
				if first == nil {
					first = x.batch(b)
				}
				free <- b
			}
			return first
		})
	}
	for b := <-free; ctx.Err() == nil && batches.Next(b); b = <-free {
		full <- b
	}
	close(full)
	err = cmp.Or(batches.Err(), group.Wait())
	for w := range workers {
		if err == nil {
			err = s.absorb(ledgers[w])
		}
		if err == nil {
			err = s.found.Absorb(derived[w])
		}
	}
	return err
}

type indexer struct {
	s *settler
	*ledger
	derived *spill.Sorter
	maker   *Maker
	hop     *hop
	facts   []byte
}

func (x *indexer) batch(b *Batch) error {
	text := view(b.text)
	for i := range b.resources {
		r := x.maker.assemble(b, text, &b.resources[i])
		if r == nil {
			continue
		}
		ordinal := b.first + uint64(i)
		if own := &b.resources[i]; x.hop.wanted[r.plan] {
			x.maker.complete(r, text, own)
			if x.hop.deep[r.plan] {
				x.maker.related(r, text, own)
			}
			if err := x.offer(ordinal, r, own.derived(text) != ""); err != nil {
				return err
			}
		}
		if err := x.refers(ordinal, r); err != nil {
			return err
		}
	}
	return nil
}

// offer notes what a resource is called, with the facts that others draw. What was derived for that is kept.
func (x *indexer) offer(ordinal uint64, r *record, kept bool) error {
	x.facts = x.facts[:0]
	for _, i := range x.hop.offered[r.plan] {
		x.facts = r.row.appendFact(x.facts, i)
	}
	n := nameOf(ordinal, r)
	n.facts = view(x.facts)
	if err := x.nameAll(r.plan, n, r); err != nil || kept || len(r.plan.derive[0]) == 0 {
		return err
	}
	derived := ask{kind: answerDerived, number: ordinal}
	x.facts = derived.slot(x.facts[:0])
	for _, i := range r.plan.derive[0] {
		x.facts = r.row.appendFact(x.facts, i)
	}
	return x.derived.Add(x.facts)
}

// refers notes what a resource calls others.
func (x *indexer) refers(ordinal uint64, r *record) error {
	plan := r.plan
	for i := range r.refs {
		key := askedKey{plan, i}
		if x.s.hops[key] != x.hop {
			continue
		}
		to := x.s.targets[key]
		kind := askRelation
		if i == plan.cluster && plan.guest {
			kind = askCluster
		}
		for k, target := range to {
			if target == nil {
				continue
			}
			for n, reference := range r.refs[i].to {
				if err := x.refer(askOf(kind, ordinal, r).by(i, n, k), target, r, reference); err != nil {
					return err
				}
			}
		}
	}
	if !x.s.seen.machines || !x.hop.first {
		return nil
	}
	return x.machine(ordinal, plan, r)
}

// machine finds the resources whose guest.* duties are those of a more specific one that is present, so that a machine's
// count once: an instance that is a Kubernetes Node. A cluster whose nodes or pools of nodes are there is found by
// their relation to it.
func (x *indexer) machine(ordinal uint64, plan *servicePlan, r *record) error {
	if r.machine != "" {
		scheme, rest, _ := strings.Cut(r.machine, "://")
		at := scheme // openstack, vsphere: the machines are the organization's own
		if party := x.inv.book.Nodes().Schemes[scheme]; x.inv.book.Providers[string(party)] != nil {
			at = string(party)
		}
		if err := x.ask(&ask{kind: askMachine, number: ordinal}, machineKey(at, rest[strings.LastIndexByte(rest, '/')+1:])); err != nil {
			return err
		}
	}
	if !plan.guest || r.ref.Dialect == demarc.Kubernetes {
		return nil
	}
	called := append([]string{r.name, r.id[strings.LastIndexByte(r.id, '/')+1:]}, r.aliases...)
	for _, c := range called {
		if c == "" {
			continue
		}
		if err := x.name(&name{ordinal: ordinal}, machineKey(r.provider, c)); err != nil {
			return err
		}
	}
	return nil
}

// answer is what a reference of a resource leads to.
type answer struct {
	relation, index, to int
	facts               []string // of each resource: those that it offers
}

// readAnswers reads what the references of a resource lead to, and whether it is inside of others.
func (m *Maker) readAnswers(text string, own *kept) {
	m.answers = m.answers[:0]
	for _, at := range own.found {
		b := at.of(text)
		switch askKind(b[8]) {
		case askMachine:
			own.inside = true
			continue
		case answerDerived:
			continue
		default:
		}
		head := []byte(b[9:slotSize])
		relation, index, to := int(binary.BigEndian.Uint16(head)), int(binary.BigEndian.Uint32(head[2:])), int(head[6])
		if n := len(m.answers); n > 0 && m.answers[n-1].relation == relation && m.answers[n-1].index == index && m.answers[n-1].to == to {
			continue // of several attempts the first counts
		}
		if cap(m.answers) > len(m.answers) {
			m.answers = m.answers[:len(m.answers)+1]
		} else {
			m.answers = append(m.answers, answer{})
		}
		a := &m.answers[len(m.answers)-1]
		a.relation, a.index, a.to = relation, index, to
		d := decoder{rest: b[slotSize:]}
		n := d.uint()
		a.facts = a.facts[:0]
		for range n {
			a.facts = append(a.facts, d.text())
		}
	}
}

// answered returns what a reference leads to.
func (m *Maker) answered(relation, index, to int) []string {
	at, ok := slices.BinarySearchFunc(m.answers, answer{relation: relation, index: index, to: to}, func(a, b answer) int {
		return cmp.Or(cmp.Compare(a.relation, b.relation), cmp.Compare(a.index, b.index), cmp.Compare(a.to, b.to))
	})
	if !ok {
		return nil
	}
	return m.answers[at].facts
}

// taken holds what was taken once.
type taken struct {
	few  []string
	many map[string]bool
}

func (t *taken) reset() { t.few, t.many = t.few[:0], nil }

// add reports whether something was not taken before.
func (t *taken) add(s string) bool {
	const few = 32
	if t.many == nil {
		if slices.Contains(t.few, s) {
			return false
		}
		if t.few = append(t.few, s); len(t.few) > few {
			t.many = map[string]bool{}
			for _, s := range t.few {
				t.many[s] = true
			}
		}
		return true
	}
	before := t.many[s]
	t.many[s] = true
	return !before
}

// drawn returns a fact that is drawn through a relation.
func (m *Maker) drawn(r *record, plan *servicePlan, f *rulebook.Fact) demarc.Fact {
	references := &r.refs[f.Via]
	key := askedKey{plan, f.Via}
	targets := m.s.targets[key]
	isList := isListType(f.Type)
	some, unresolved, nowhere := 0, 0, 0
	only := demarc.Fact{}
	list := m.list[:0]
	defer func() { m.list = list }()
	m.taken.reset() // of what answers for several references
	own := []string(nil)
	if slices.Contains(r.ref.Self, f.Via) {
		m.own = r.ownNames(m.own[:0])
		own = m.own
	}
	for index, reference := range references.to {
		if named := slices.Contains(own, reference); named || own != nil && reference == "#"+anybody {
			answered := false
			for k := range targets {
				answered = answered || len(m.answered(f.Via, index, k)) > 0
			}
			if !answered {
				continue // nobody answers for it by this name
			}
			if !named || reference != own[0] && strings.HasPrefix(reference, "#") {
				unresolved++ // which of several is answered for is not known
				continue
			}
		}
		n := 0
		for k, target := range targets {
			found := m.answered(f.Via, index, k)
			if len(found) > 1 && !isList {
				m.note(demarc.NoteAmbiguous, r.pos, "%s of %s fits %d resources", r.service.Relations[f.Via].Name, r.id, len(found))
				found = nil
			}
			n += len(found)
			for _, facts := range found {
				if target.answers && !m.taken.add(facts) {
					continue
				}
				got := m.s.hops[key].fact(target, f.ViaFact, facts, r.row.arena)
				switch {
				case !isList:
					only = got
				case !got.Known():
					list = append(list, demarc.Value{})
				case isListType(got.Value.Type()):
					list = append(list, got.Value.Elements()...)
				default:
					list = append(list, got.Value)
				}
			}
			if len(found) >= maxMeant {
				list = append(list, demarc.Value{}) // there may be more
			}
		}
		switch some += n; {
		case n > 0:
		case m.notPlanned(r, f.Via, reference):
			nowhere++
		default:
			unresolved++
		}
	}
	if some == 0 {
		unresolved += nowhere
	}
	switch {
	case some == 0 && unresolved == 0:
		// No reference: certainly none if this document could have said so.
		if references.known && !f.None.IsZero() && saysRelation(r, f.Via) {
			return demarc.Fact{Value: f.None}
		}
		return demarc.Fact{Origin: demarc.Unresolved}
	case !isList && (some != 1 || unresolved > 0):
		return demarc.Fact{Origin: demarc.Unresolved}
	case !isList:
		return only
	}
	for range unresolved {
		list = append(list, demarc.Value{})
	}
	return demarc.Fact{Value: demarc.List(f.Type, r.row.arena.copied(list)...)}
}

// notPlanned reports whether a reference that leads to nothing is one to a block of which a plan makes no instance: a plan
// names all that there will be.
func (m *Maker) notPlanned(r *record, relation int, reference string) bool {
	address, planned := strings.CutPrefix(reference, "#")
	if !planned || r.rank != rankPlan || r.ref.Dialect != demarc.Terraform {
		return false
	}
	ref := m.s.inv.book.Find(demarc.Terraform, terraformType(address))
	return ref != nil && ref.Part == nil && slices.Contains(r.service.Relations[relation].To, ref.Service.ID)
}

// saysRelation reports whether documents of r's type have a place for a relation.
func saysRelation(r *record, relation int) bool {
	for _, ref := range r.ref.Refs {
		if ref.Relation == relation {
			return true
		}
	}
	return false
}

// fact reads one of the facts that a resource offers, its elements to an arena.
func (h *hop) fact(target *servicePlan, fact, offered string, into *arena) demarc.Fact {
	want := target.FactIndex(fact)
	d := decoder{rest: offered, arena: into}
	for _, i := range h.offered[target] {
		if i == want {
			return d.fact(target.columns[i])
		}
		d.skipFact()
	}
	return demarc.Fact{Origin: demarc.Unresolved}
}
