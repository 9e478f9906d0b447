package inventory

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/demarc/demarc/internal/spill"
)

// Batch is some resources as they are kept, in the order of their ids, and what was found of each. It is filled again
// and again: whoever has made Items of it is done with them before that.
type Batch struct {
	first     uint64 // the ordinal of the first
	text      []byte
	resources []kept
	arena     arena  // for the values of its Items
	called    []byte // the ids, names and tags of its Items
}

// kept is what there is of one resource, in the text of its Batch.
type kept struct {
	record   span
	attached []span
	found    []span
	inside   bool
}

// derived returns what was kept of facts that were derived for others, "" for nothing.
func (k *kept) derived(text string) string {
	if len(k.found) > 0 {
		if last := k.found[len(k.found)-1].of(text); askKind(last[8]) == answerDerived {
			return last[slotSize:]
		}
	}
	return ""
}

type span struct{ from, to int }

func (s span) of(text string) string { return text[s.from:s.to] }

const (
	batchResources = 256
	batchText      = 1 << 20
)

// Batches goes through all resources, some at a time.
type Batches struct {
	resources       *spill.SelectionReader
	attached, found ofResources
	ordinal         uint64 // of the next
}

// ofResources goes through what belongs to resources, which begins with the ordinal of its resource.
type ofResources struct {
	*spill.Merge
	next []byte
	some bool
}

func (o *ofResources) advance() { o.next, o.some = o.Next() }

// Batches returns Batches at the first resource.
func (s *Settled) Batches() (*Batches, error) {
	attached, err := s.s.attached.Sorted()
	if err != nil {
		return nil, err
	}
	found, err := s.s.found.Sorted()
	if err != nil {
		return nil, err
	}
	b := &Batches{resources: s.s.resources.Read(), attached: ofResources{Merge: attached}, found: ofResources{Merge: found}}
	b.attached.advance()
	b.found.advance()
	return b, nil
}

// Next fills a Batch with the next resources. It returns false, and an empty Batch, at the end and on an error.
func (b *Batches) Next(into *Batch) bool {
	into.first, into.text, into.resources = b.ordinal, into.text[:0], into.resources[:0]
	into.arena.reset()
	into.called = into.called[:0]
	for len(into.resources) < batchResources && len(into.text) < batchText {
		text, ok := b.resources.Next()
		if !ok {
			break
		}
		into.resources = slices.Grow(into.resources, 1)[:len(into.resources)+1]
		k := &into.resources[len(into.resources)-1]
		k.record, k.inside = into.add(text), false
		k.attached = into.take(k.attached[:0], &b.attached, b.ordinal)
		k.found = into.take(k.found[:0], &b.found, b.ordinal)
		b.ordinal++
	}
	return len(into.resources) > 0 && b.Err() == nil
}

// Err returns the error that ended it, nil for none.
func (b *Batches) Err() error {
	return cmp.Or(b.resources.Err(), b.attached.Err(), b.found.Err())
}

// take adds what belongs to the resource of an ordinal.
func (b *Batch) take(list []span, from *ofResources, ordinal uint64) []span {
	for from.some && binary.BigEndian.Uint64(from.next) == ordinal {
		list = append(list, b.add(from.next))
		from.advance()
	}
	return list
}

func (b *Batch) add(text []byte) span {
	from := len(b.text)
	b.text = append(b.text, text...)
	return span{from, len(b.text)}
}
