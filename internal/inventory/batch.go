package inventory

import (
	"cmp"
	"encoding/binary"
)

// Batch is some resources as they are kept, in the order of their ids, and what was found of each.
type Batch struct {
	first     uint64 // the ordinal of the first
	text      []byte
	resources []kept
}

// kept is what there is of one resource, in the text of its Batch.
type kept struct {
	record   span
	attached []span
	found    []span
	inside   bool
}

type span struct{ from, to int }

func (s span) of(text string) string { return text[s.from:s.to] }

const (
	batchResources = 256
	batchText      = 1 << 20
)

// Batches calls f with all resources, some at a time, until it returns false.
func (s *Settled) Batches(f func(*Batch) bool) error { return s.batches(f) }

func (s *Settled) batches(f func(*Batch) bool) error {
	attached, err := s.s.attached.Sorted()
	if err != nil {
		return err
	}
	found, err := s.s.found.Sorted()
	if err != nil {
		return err
	}
	in := s.s.resources.Read()
	a, someAttached := attached.Next()
	b, someFound := found.Next()
	batch := &Batch{}
	ordinal := uint64(0)
	size := 0
	for text, ok := in.Next(); ok; text, ok = in.Next() {
		if batch.resources == nil {
			batch.resources, batch.text = make([]kept, 0, batchResources), make([]byte, 0, size+size/8)
			batch.first = ordinal
		}
		k := kept{record: batch.add(text)}
		for someAttached && binary.BigEndian.Uint64(a) == ordinal {
			k.attached = append(k.attached, batch.add(a))
			a, someAttached = attached.Next()
		}
		for someFound && binary.BigEndian.Uint64(b) == ordinal {
			k.found = append(k.found, batch.add(b))
			b, someFound = found.Next()
		}
		batch.resources = append(batch.resources, k)
		ordinal++
		if len(batch.resources) == batchResources || len(batch.text) >= batchText {
			size = len(batch.text)
			if !f(batch) {
				return nil
			}
			batch = &Batch{}
		}
	}
	if err := cmp.Or(in.Err(), attached.Err(), found.Err()); err != nil {
		return err
	}
	if len(batch.resources) > 0 {
		f(batch)
	}
	return nil
}

func (b *Batch) add(text []byte) span {
	from := len(b.text)
	b.text = append(b.text, text...)
	return span{from, len(b.text)}
}
