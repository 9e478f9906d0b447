package inventory

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/spill"
)

// joinWeak puts what is only partly named among the records of the single resource that it can be.
func (s *settler) joinWeak() error {
	if s.joined || s.asks.Len() == 0 {
		s.joined = true
		return nil
	}
	s.joined = true
	found := s.inv.store.NewSorter(sortedSmall, nil)
	defer found.Release()
	var buf []byte
	err := s.match(func(a *ask, meant []name) error {
		if a.kind != askWeak || len(meant) == 0 {
			return nil
		}
		buf = appendText(binary.AppendUvarint(a.slot(buf[:0]), uint64(len(meant))), meant[0].id)
		return found.Add(appendText(buf, meant[0].provider))
	})
	if err != nil {
		return err
	}
	return s.alongside(found, func(text string, answers []string) error {
		d := decoder{rest: answers[0][slotSize:]} // of the name that comes first
		n, id, provider := d.uint(), d.text(), d.text()
		var r record
		s.inv.decode(text, &r)
		if n > 1 {
			for _, notes := range []*Notes{&s.inv.notes, &s.out.Notes} { // gathering again begins with the first
				notes.Addf(demarc.NoteAmbiguous, r.pos, "%s may be any of %d resources; it is kept apart", r.id, n)
			}
			return nil
		}
		s.again = true
		if err := s.inv.records.Add(s.encoder.append(nil, &r, kindMoved)); err != nil {
			return err
		}
		r.id, r.provider = id, provider
		return s.inv.records.Add(s.encoder.append(nil, &r, kindJoined))
	})
}

// alongside calls f with each resource whose ordinal is that of some answers, which come in their order. What it is called with
// lasts.
func (s *settler) alongside(answers *spill.Sorter, f func(text string, answers []string) error) error {
	if answers.Len() == 0 {
		return nil
	}
	merge, err := answers.Sorted()
	if err != nil {
		return err
	}
	a, some := merge.Next()
	in := s.resources.Read()
	number := uint64(0)
	for text, ok := in.Next(); ok && some; text, ok = in.Next() {
		var own []string
		for some && binary.BigEndian.Uint64(a) == number {
			own = append(own, string(a))
			a, some = merge.Next()
		}
		if len(own) > 0 {
			if err := f(string(text), own); err != nil {
				return err
			}
		}
		number++
	}
	return cmp.Or(in.Err(), merge.Err())
}

// looseParts is a type of parts of which one in an input could not be attached.
type looseParts struct {
	input   string
	service *rulebook.Service
	ref     *rulebook.TypeRef
}

// joinParts finds what documents belong to that are no resources, and drops what a controller makes: a Pod or ReplicaSet
// is part of its owner, where that is present.
func (s *settler) joinParts() error {
	if err := s.askForWholes(); err != nil {
		return err
	}
	found := s.inv.store.NewSorter(sortedSmall, nil) // by part: the ordinals of what it belongs to
	defer found.Release()
	var buf []byte
	err := s.match(func(a *ask, meant []name) error {
		switch a.kind {
		case askOwner:
			if len(meant) == 0 || meant[0].ordinal == a.number && len(meant) == 1 {
				return nil
			}
			s.out.Parts++
			s.dropped++
			return s.attached.Add(append(binary.BigEndian.AppendUint64(nil, a.number), attachedElsewhere))
		case askPart, askAccount:
			buf = binary.AppendUvarint(a.slot(buf[:0]), uint64(len(meant)))
			for i := range meant {
				buf = binary.AppendUvarint(buf, meant[i].ordinal)
			}
			return found.Add(buf)
		default:
			return nil
		}
	})
	if err != nil || s.inv.pieces.Len() == 0 {
		return err
	}
	merge, err := found.Sorted()
	if err != nil {
		return err
	}
	a, some := merge.Next()
	in := s.inv.pieces.Read()
	number := uint64(0)
	var r record
	for text, ok := in.Next(); ok; text, ok = in.Next() {
		var wholes []uint64
		slot, byPart := []byte(nil), false
		for some && binary.BigEndian.Uint64(a) == number {
			d := decoder{rest: view(a[slotSize:])}
			n := d.uint()
			part := askKind(a[8]) == askPart
			if !bytes.Equal(slot, a[:slotSize-1]) && (part || !byPart) { // of several attempts the first
				for range n {
					wholes = append(wholes, d.uint())
				}
				byPart = byPart || part && n > 0
				slot = append(slot[:0], a[:slotSize-1]...)
			}
			a, some = merge.Next()
		}
		s.inv.decode(string(text), &r)
		s.prepare(&r)
		if err := s.attach(&r, wholes); err != nil {
			return err
		}
		number++
	}
	return cmp.Or(in.Err(), merge.Err(), s.implyAbsent())
}

// askForWholes asks for what each part belongs to.
func (s *settler) askForWholes() error {
	in := s.inv.pieces.Read()
	number := uint64(0)
	var r record
	for text, ok := in.Next(); ok; text, ok = in.Next() {
		s.inv.decode(string(text), &r)
		s.prepare(&r)
		plan := s.inv.service(r.service)
		for i, by := range r.by.to {
			if by == "#" {
				continue
			}
			if err := s.refer(askOf(askPart, number, &r).by(0, i, 0), plan, &r, by); err != nil {
				return err
			}
		}
		if len(r.ref.Part.By) == 0 || plan.root && r.account != "" {
			if err := s.ask(askOf(askAccount, number, &r), accountKey(plan, r.account)); err != nil {
				return err
			}
		}
		number++
	}
	return in.Err()
}

// attach hands a part to what it belongs to.
func (s *settler) attach(p *record, wholes []uint64) error {
	plan := s.inv.service(p.service)
	if len(wholes) == 0 && plan.root && p.account != "" {
		at := place{plan, p.provider, p.account}
		if !s.seen.have[at] {
			s.again = true
			return s.implied(at, first{source: p.source})
		}
	}
	if len(wholes) == 0 && s.namesAbsent(p) {
		return nil
	}
	if len(wholes) == 0 {
		s.note(demarc.NoteNotAttached, p.pos, "%s: the %s that it is part of was not found", cmp.Or(p.address, p.typ), p.service.ID)
		s.loose[looseParts{p.inputKey(), p.service, p.ref}] = true
		return nil
	}
	s.out.Parts++
	for _, ordinal := range wholes {
		if err := s.attached.Add(s.encoder.append(append(binary.BigEndian.AppendUint64(nil, ordinal), attachedPart), p, kindRead)); err != nil {
			return err
		}
	}
	return nil
}

// absentWhole is a resource that a body names by its ARN, which tells of one setting of it alone.
type absentWhole struct {
	service *rulebook.Service
	by      first // of the parts that name it
	named   string
	done    bool
}

const maxAbsent = 1 << 16 // resources; parts of further ones are told as not attached

// namesAbsent reports whether a part says by an ARN what it is of: that is there then, whatever else is not known of it.
func (s *settler) namesAbsent(p *record) bool {
	if p.ref.Dialect != demarc.AWSAPI {
		return false
	}
	for _, by := range p.by.to {
		arn := strings.TrimSuffix(by, ":$LATEST")
		if !strings.HasPrefix(arn, "arn:") || strings.Count(arn, ":") > 6 || arnParts(arn).account == "" {
			continue // no ARN, or one of a version
		}
		at := first{source: p.source, rank: p.rank, captured: p.captured, sequence: p.sequence}
		have, ok := s.absent[arn]
		switch {
		case have.done, !ok && len(s.absent) == maxAbsent:
			continue
		case !ok:
			arn = strings.Clone(arn)
		case !at.before(&have.by):
			return true
		}
		if s.absent == nil {
			s.absent = map[string]absentWhole{}
		}
		s.absent[arn] = absentWhole{service: p.service, by: at, named: strings.Clone(by)}
		return true
	}
	return false
}

// implyAbsent adds the records of what parts name and was not delivered.
func (s *settler) implyAbsent() error {
	for _, arn := range slices.Sorted(maps.Keys(s.absent)) {
		w := s.absent[arn]
		if w.done {
			continue
		}
		w.done, s.again = true, true
		s.absent[arn] = w
		at := arnParts(arn)
		r := record{
			ref: s.inv.impliedRef(w.service), service: w.service, typ: string(w.service.ID), id: arn, aliases: []string{w.named},
			name: arn[strings.LastIndexAny(arn, ":/")+1:], provider: w.service.Provider, account: at.account, region: at.region,
			source: w.by.source, implied: true, rank: rankTemplate, pos: demarc.Position{Offset: -1},
		}
		for _, ref := range w.service.Types {
			if ref.Dialect == demarc.AWSAPI && ref.Part == nil {
				r.typ = ref.Type
				break
			}
		}
		s.inv.sources.add(r.source, "")
		r.row.reset(s.inv.service(w.service).columns)
		r.makeRefs(len(w.service.Relations))
		if err := s.inv.records.Add(s.encoder.append(nil, &r, kindImplied)); err != nil {
			return err
		}
	}
	return nil
}

// What is attached to a resource is its ordinal in eight bytes, one of these, and the record of the part.
const (
	attachedElsewhere byte = iota // the resource itself is part of another
	attachedPart
)

const attachedHead = 8 + 1

// compareAttached orders what is attached by resource, and what goes before others first.
func (inv *Inventory) compareAttached(a, b []byte) int {
	if c := bytes.Compare(a[:attachedHead], b[:attachedHead]); c != 0 || len(a) == attachedHead || len(b) == attachedHead {
		return c
	}
	ka, ra := split(a[attachedHead:])
	kb, rb := split(b[attachedHead:])
	if c := bytes.Compare(ka[len(ka)-keyTail:], kb[len(kb)-keyTail:]); c != 0 {
		return c
	}
	return cmp.Or(inv.comparePlaces(ra, rb), bytes.Compare(ra, rb))
}
