package inventory

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"path"
	"slices"
	"strings"

	"github.com/demarc/demarc"
)

const (
	maxOrigins = 64   // places that are remembered of one resource
	maxAliases = 1000 // names
)

// gather makes one record of all those with one id, fact by fact, in the order of ids.
func (s *settler) gather(ctx context.Context) error {
	records, err := s.inv.records.Sorted()
	if err != nil {
		return err
	}
	s.resources = s.inv.store.Select(records)
	var (
		group  []byte // the first record of an id, as it is
		run    int    // where it is
		single = true // it is the only one so far
		all    joining
	)
	begin := func() error {
		all.begin(s, group)
		return s.resources.Drop(run)
	}
	end := func() error {
		switch {
		case len(group) == 0:
			return nil
		case single && !s.looksAt(group):
			return s.resources.Keep(run)
		case single:
			if err := begin(); err != nil {
				return err
			}
		}
		return all.end()
	}
	n := 0
	for text, ok := records.Next(); ok; text, ok = records.Next() {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			s.out.Interrupted = true
			break
		}
		if sameResource(group, text) {
			if single {
				if err := begin(); err != nil {
					return err
				}
				single = false
			}
			if err := cmp.Or(all.add(text), s.resources.Drop(records.Run())); err != nil {
				return err
			}
			continue
		}
		if err := end(); err != nil {
			return err
		}
		group, run, single = append(group[:0], text...), records.Run(), true
	}
	if err := end(); err != nil {
		return err
	}
	return records.Err()
}

// sameResource reports whether two encoded records have one id and provider.
func sameResource(a, b []byte) bool {
	if len(a) == 0 {
		return false
	}
	ka, _ := split(a)
	kb, _ := split(b)
	return len(ka) == len(kb) && bytes.Equal(ka[:len(ka)-keyTail], kb[:len(kb)-keyTail])
}

// looksAt reports whether a record says something that matters for others.
func (s *settler) looksAt(text []byte) bool {
	key, rest := split(text)
	if kind(key[len(key)-keyTail]) == kindMoved {
		return true
	}
	rest = rest[fixed:]
	flags, n := binary.Uvarint(rest)
	ref, _ := binary.Uvarint(rest[n:])
	if flags&slow != 0 {
		return true
	}
	_, plan := s.inv.refs.at(uint32(ref))
	return s.named[plan] || plan.Archetype.ID == managedKubernetes || s.seen.owners && plan.Provider == "kubernetes" ||
		len(s.seen.projects) > 0 && (plan.Provider == "gcp" || plan.Provider == "")
}

// joining makes one record of several with one id. They come with what goes before first, so that the best that knows a
// fact decides it.
type joining struct {
	s     *settler
	old   record
	next  record
	some  bool // old is there
	moved bool // all of it has become part of another resource
	buf   []byte
}

func (j *joining) begin(s *settler, text []byte) {
	j.s = s
	k := s.inv.decode(string(text), &j.old)
	j.moved, j.some = k == kindMoved, k != kindMoved
	s.prepare(&j.old)
}

// prepare gives a record what only all others together tell.
func (s *settler) prepare(r *record) {
	r.account = s.project(r.provider, r.account)
	s.planReferences(r)
	s.ownReferences(r)
}

// add joins one more.
func (j *joining) add(text []byte) error {
	s, old, r := j.s, &j.old, &j.next
	if s.inv.decode(string(text), r) == kindImplied {
		return nil // it was delivered after all
	}
	s.prepare(r)
	if !j.some {
		j.old, j.next, j.some = j.next, j.old, true
		return nil
	}
	switch {
	case r.renamed:
	case old.uid != "" && r.uid != "" && old.uid != r.uid:
		// Two objects of one name that lived one after the other, or in two clusters of one name.
		r.id += "#" + r.uid
		return j.rename("%s has another uid than an object of the same name; both are kept")
	case old.local && r.local && old.inputKey() != r.inputKey():
		// Two templates or plans of one name: what they declare has nothing to do with each other.
		r.id = path.Join(strings.TrimSuffix(r.source.Name, r.source.Input), r.id)
		return j.rename("%s is declared in another input of the same name; both are kept")
	}
	s.join(old, r)
	return nil
}

// rename puts a record where its new id belongs. When records are gathered again, it is there already.
func (j *joining) rename(text string) error {
	s, r := j.s, &j.next
	s.note(demarc.NoteAmbiguous, r.pos, text, r.id)
	if s.renamed {
		return nil
	}
	s.again, r.renamed = true, true
	return s.inv.records.Add(s.encoder.append(nil, r, kindRead))
}

// end hands on what was made.
func (j *joining) end() error {
	if j.moved {
		return nil
	}
	ordinal := uint64(j.s.resources.Len())
	if err := j.s.known(ordinal, &j.old); err != nil {
		return err
	}
	j.buf = j.s.encoder.append(j.buf[:0], &j.old, kindRead)
	return j.s.resources.Add(j.buf)
}

// known remembers what a resource says that matters for others.
func (s *settler) known(ordinal uint64, r *record) error {
	s.clusters.add(r)
	plan := r.plan
	if r.owner != "" {
		if err := s.ask(&ask{kind: askOwner, number: ordinal}, ownerKey(r.owner)); err != nil {
			return err
		}
	}
	if s.seen.owners && r.provider == "kubernetes" {
		if err := s.name(&name{ordinal: ordinal}, ownerKey(r.id)); err != nil {
			return err
		}
	}
	if !s.joined && r.weak {
		for i, alias := range slices.Insert(slices.Clone(r.aliases), 0, r.id) { // what names it best comes first
			if err := s.ask(askOf(askWeak, ordinal, r).by(0, i, 0), nameKey(plan, alias)); err != nil {
				return err
			}
		}
	}
	if !s.named[plan] {
		return nil
	}
	if err := s.name(&name{ordinal: ordinal}, accountKey(plan, r.account)); err != nil {
		return err
	}
	return s.nameAll(plan, nameOf(ordinal, r), r)
}

// join merges r into old. Known beats unknown, observed beats declared, newer beats older.
func (s *settler) join(old, r *record) {
	if old.service != r.service {
		if old.service.ID == "unclassified" && r.service.ID != "unclassified" {
			*old, *r = *r, *old
		}
		s.note(demarc.NoteDuplicate, r.pos, "%s is delivered as %s and as %s; the first counts", r.id, old.typ, r.typ)
		return
	}
	s.mergeFacts(old, r, r.ref.Dialect == old.ref.Dialect && r.rank == old.rank)
	for i := range old.refs {
		if len(old.refs[i].to) == 0 && r.refs[i].known || newer(r, old) && len(r.refs[i].to) > 0 {
			old.refs[i], r.refs[i] = r.refs[i], old.refs[i]
		}
	}
	old.hidden = append(old.hidden, r.hidden...)
	for _, a := range r.aliases {
		if len(old.aliases) < maxAliases && !slices.Contains(old.aliases, a) {
			old.aliases = append(old.aliases, a)
		}
	}
	if old.address == "" {
		old.address = r.address
	}
	better := newer(r, old)
	take := func(have *string, got string) {
		if *have == "" || better && got != "" {
			*have = got
		}
	}
	take(&old.account, r.account)
	take(&old.region, r.region)
	if old.tags == "" || better && r.tags != "" {
		old.tags = r.tags
	}
	if better {
		old.name, old.typ, old.ref = r.name, r.typ, r.ref
		old.rank, old.captured, old.pos, old.source = r.rank, r.captured, r.pos, r.source
	}
	old.implied, old.local = old.implied && r.implied, old.local && r.local
	if len(old.origins) < maxOrigins {
		old.origins = append(append(old.origins, r.pos), r.origins...)
	}
	if old.roles == nil {
		old.roles = r.roles
	}
}

// mergeFacts takes the facts of r into old. same says that the two are documents of one kind, of which one is
// superseded; otherwise a disagreement is drift.
func (s *settler) mergeFacts(old, r *record, same bool) {
	better := newer(r, old)
	told := false
	var drift []demarc.Drift
	for i := range old.row.numbers {
		a, b := old.row.At(i), r.row.At(i)
		if !b.Known() {
			if !a.Known() && worse(b.Origin, a.Origin) {
				old.row.set(i, b)
			}
			continue
		}
		// What was read goes before a default.
		keepB := !a.Known() || a.Origin == demarc.Defaulted && b.Origin == demarc.Read || better && !(a.Origin == demarc.Read && b.Origin == demarc.Defaulted)
		if a.Known() && !a.Value.Equal(b.Value) && a.Origin == demarc.Read && b.Origin == demarc.Read && !old.service.Facts[i].Typed {
			kept, other, from := a.Value, b.Value, r.pos
			if keepB {
				kept, other, from = b.Value, a.Value, old.pos
			}
			if same {
				if !told {
					s.note(demarc.NoteDuplicate, r.pos, "%s is there twice with different content; the newest capture counts", r.id)
					told = true
				}
			} else {
				drift = append(drift, demarc.Drift{Resource: demarc.ResourceID(old.id), Fact: old.service.Facts[i].Name, Kept: kept, Other: other, From: from})
			}
		}
		if keepB {
			old.row.set(i, b)
		}
	}
	s.out.Drift.add(drift)
}

// add adds the disagreements about one resource with one of its documents. They come by resource.
func (d *Drifts) add(list []demarc.Drift) {
	d.Count += len(list)
	for _, x := range list {
		at := len(d.Kept)
		for at > 0 && d.Kept[at-1].Resource == x.Resource && cmp.Compare(d.Kept[at-1].Fact, x.Fact) > 0 {
			at--
		}
		if at < keptDrifts {
			d.Kept = slices.Insert(d.Kept, at, x)
			d.Kept = d.Kept[:min(len(d.Kept), keptDrifts)]
		}
	}
}

// worse reports whether an unknown of origin a says more about why it is unknown than b.
func worse(a, b demarc.Origin) bool {
	order := func(o demarc.Origin) int {
		switch o {
		case demarc.Denied:
			return 5
		case demarc.BadValue:
			return 4
		case demarc.AfterApply:
			return 3
		case demarc.Absent: // a whole document that does not say
			return 2
		case demarc.Projected:
			return 1
		default:
			return 0
		}
	}
	return order(a) > order(b)
}
