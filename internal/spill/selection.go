package spill

import (
	"encoding/binary"
	"errors"
)

// Selection is a list of byte strings that is made while a Merge is gone through. Most are those of the Merge: of them only the place
// is kept, so that they are not written a second time.
//
// Each byte string that the Merge returns is either kept or dropped, in the order in which it returned them.
type Selection struct {
	runs []run
	log  *Log // what is in the list and what is passed over, as its kind and, of what the Merge has, its run
	buf  []byte
	n    int
}

// How a byte string stands in the log of a Selection.
const (
	selKept    = iota // and the number of its run
	selDropped        // likewise
	selAdded          // and the byte string
)

// Select returns an empty Selection of what m goes through. The Sorter must not be released before it.
func (s *Store) Select(m *Merge) *Selection { return &Selection{runs: m.runs, log: s.NewLog()} }

// Len returns how many byte strings there are in the list.
func (s *Selection) Len() int { return s.n }

// Keep puts a byte string of the Merge next in the list. run is what Merge.Run returned with it.
func (s *Selection) Keep(run int) error {
	s.n++
	return s.append(selKept, run)
}

// Drop leaves a byte string of the Merge out.
func (s *Selection) Drop(run int) error { return s.append(selDropped, run) }

func (s *Selection) append(kind byte, run int) error {
	s.buf = binary.AppendUvarint(append(s.buf[:0], kind), uint64(run))
	return s.log.Append(s.buf)
}

// Add puts another byte string next in the list. It is copied.
func (s *Selection) Add(b []byte) error {
	s.n++
	s.buf = append(append(s.buf[:0], selAdded), b...)
	return s.log.Append(s.buf)
}

// Release forgets the list.
func (s *Selection) Release() {
	s.log.Release()
	*s = Selection{}
}

// Read returns a SelectionReader at the start. While there are any, nothing may be added.
func (s *Selection) Read() *SelectionReader {
	r := &SelectionReader{log: s.log.Read(), runs: make([]Reader, len(s.runs))}
	for i, run := range s.runs {
		r.runs[i] = Reader{f: run.f, blocks: run.blocks}
	}
	return r
}

// SelectionReader goes through the list of a Selection. Several may be used side by side.
type SelectionReader struct {
	log  *Reader
	runs []Reader
	err  error
}

var errSelection = errors.New("read back what did not fit in memory: there is less of it than was written")

// Next returns the next byte string, which is valid until the next call; false at the end and on an error.
func (r *SelectionReader) Next() ([]byte, bool) {
	for r.err == nil {
		entry, ok := r.log.Next()
		if !ok {
			r.err = r.log.Err()
			return nil, false
		}
		if entry[0] == selAdded {
			return entry[1:], true
		}
		n, _ := binary.Uvarint(entry[1:])
		of := &r.runs[n]
		b, ok := of.Next()
		if !ok {
			if r.err = of.Err(); r.err == nil {
				r.err = errSelection
			}
			return nil, false
		}
		if entry[0] == selKept {
			return b, true
		}
	}
	return nil, false
}

// Err returns the error that ended the reading, nil for none.
func (r *SelectionReader) Err() error { return r.err }
