package spill

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Sorter gives byte strings back in order, however many there are: it sorts as many as it may hold, puts them aside as a
// run, and merges the runs when it is read.
type Sorter struct {
	s       *Store
	compare func(a, b []byte) int
	chunk   int // bytes that are sorted at once
	arena   arena
	entries []entry
	runs    []run
	f       *file
	n       int
}

type entry struct {
	head uint64 // the first eight bytes, where they decide the order
	at   place
	len  uint32
}

type run struct {
	f      *file
	blocks []block
}

const (
	maxRuns = 256
	runRead = 16 << 10 // of a run at once, while it is merged
)

// NewSorter returns a Sorter that sorts chunk bytes at once. compare orders byte strings; nil orders them as bytes.
func (s *Store) NewSorter(chunk int, compare func(a, b []byte) int) *Sorter {
	return &Sorter{s: s, compare: compare, chunk: chunk}
}

// Len returns how many byte strings there are.
func (s *Sorter) Len() int { return s.n }

// Add adds one byte string, which is copied.
func (s *Sorter) Add(b []byte) error {
	if s.arena.size > 0 && s.arena.size+len(b) > s.chunk {
		if err := s.flush(); err != nil {
			return err
		}
	}
	e := entry{at: s.arena.add(b), len: uint32(len(b))}
	if s.compare == nil {
		var head [8]byte
		copy(head[:], b)
		e.head = binary.BigEndian.Uint64(head[:])
	}
	s.entries = append(s.entries, e)
	s.n++
	return nil
}

func (s *Sorter) at(e entry) []byte { return s.arena.at(e.at, e.len) }

// flush puts what was added since the last time aside as a run.
func (s *Sorter) flush() error {
	if len(s.entries) == 0 {
		return nil
	}
	slices.SortFunc(s.entries, func(a, b entry) int {
		if s.compare != nil {
			return s.compare(s.at(a), s.at(b))
		}
		if a.head != b.head {
			if a.head < b.head {
				return -1
			}
			return 1
		}
		return bytes.Compare(s.at(a), s.at(b))
	})
	w := runWriter{s: s}
	for _, e := range s.entries {
		if err := w.add(s.at(e)); err != nil {
			return err
		}
	}
	r, err := w.end()
	if err != nil {
		return err
	}
	s.runs = append(s.runs, r)
	s.arena.empty()
	s.entries = s.entries[:0]
	if len(s.runs) >= maxRuns {
		return s.mergeRuns()
	}
	return nil
}

// mergeRuns makes one run of all.
func (s *Sorter) mergeRuns() error {
	old := s.runs
	m := newMerge(s.compare, old)
	w := runWriter{s: s}
	for b, ok := m.Next(); ok; b, ok = m.Next() {
		if err := w.add(b); err != nil {
			return err
		}
	}
	if m.Err() != nil {
		return m.Err()
	}
	r, err := w.end()
	if err != nil {
		return err
	}
	for _, o := range old {
		for _, b := range o.blocks {
			if b.mem != nil {
				s.s.give(b.size)
			}
		}
	}
	s.runs = []run{r}
	return nil
}

// runWriter writes byte strings that are in order.
type runWriter struct {
	s   *Sorter
	buf []byte
	out run
}

func (w *runWriter) add(b []byte) error {
	w.buf = append(binary.AppendUvarint(w.buf, uint64(len(b))), b...)
	if len(w.buf) < runRead {
		return nil
	}
	return w.flush()
}

func (w *runWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	b := block{size: len(w.buf)}
	if w.s.s.take(len(w.buf)) {
		b.mem = bytes.Clone(w.buf)
	} else {
		if w.s.f == nil {
			f, err := w.s.s.create()
			if err != nil {
				return err
			}
			w.s.f = f
		}
		at, err := w.s.f.write(w.buf)
		if err != nil {
			return err
		}
		b.at = at
	}
	w.out.blocks = append(w.out.blocks, b)
	w.buf = w.buf[:0]
	return nil
}

func (w *runWriter) end() (run, error) {
	err := w.flush()
	w.out.f = w.s.f
	return w.out, err
}

// Sorted returns all byte strings that were added, in order. It may be called again, also after more were added.
func (s *Sorter) Sorted() (*Merge, error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	s.arena, s.entries = arena{}, nil
	return newMerge(s.compare, s.runs), nil
}

// Release forgets all that is in the Sorter.
func (s *Sorter) Release() {
	for _, r := range s.runs {
		for _, b := range r.blocks {
			if b.mem != nil {
				s.s.give(b.size)
			}
		}
	}
	if s.f != nil {
		s.f.release()
	}
	s.runs, s.arena, s.entries, s.f, s.n = nil, arena{}, nil, nil, 0
}

// Absorb takes over what another Sorter of the same order holds.
func (s *Sorter) Absorb(o *Sorter) error {
	if err := o.flush(); err != nil {
		return err
	}
	s.runs = append(s.runs, o.runs...)
	s.n += o.n
	o.runs, o.arena, o.entries, o.n = nil, arena{}, nil, 0
	return nil
}

// Merge goes through the runs of a Sorter as through one.
type Merge struct {
	compare func(a, b []byte) int
	runs    []run
	heap    []cursor // the smallest first
	err     error
	started bool
}

type cursor struct {
	cur []byte
	run int // where two are equal, the earlier run goes first
	r   *Reader
}

func newMerge(compare func(a, b []byte) int, runs []run) *Merge {
	if compare == nil {
		compare = bytes.Compare
	}
	m := &Merge{compare: compare, runs: runs}
	for i, r := range runs {
		c := cursor{run: i, r: &Reader{f: r.f, blocks: r.blocks}}
		var ok bool
		if c.cur, ok = c.r.Next(); ok {
			m.heap = append(m.heap, c)
		} else if c.r.Err() != nil {
			m.err = c.r.Err()
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m
}

// Next returns the next byte string, which is valid until the next call; false at the end and on an error.
func (m *Merge) Next() ([]byte, bool) {
	if m.started && len(m.heap) > 0 {
		c := &m.heap[0]
		var ok bool
		if c.cur, ok = c.r.Next(); !ok {
			if m.err = c.r.Err(); m.err != nil {
				return nil, false
			}
			last := len(m.heap) - 1
			m.heap[0] = m.heap[last]
			m.heap = m.heap[:last]
		}
		m.down(0)
	}
	m.started = true
	if len(m.heap) == 0 || m.err != nil {
		return nil, false
	}
	return m.heap[0].cur, true
}

// Run returns which run the byte string is of that Next returned last, for Selection.
func (m *Merge) Run() int { return m.heap[0].run }

// Err returns the error that ended the reading, nil for none.
func (m *Merge) Err() error { return m.err }

func (m *Merge) less(i, j int) bool {
	a, b := &m.heap[i], &m.heap[j]
	if c := m.compare(a.cur, b.cur); c != 0 {
		return c < 0
	}
	return a.run < b.run
}

func (m *Merge) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.heap) {
			return
		}
		if child+1 < len(m.heap) && m.less(child+1, child) {
			child++
		}
		if !m.less(child, i) {
			return
		}
		m.heap[i], m.heap[child] = m.heap[child], m.heap[i]
		i = child
	}
}
