// Package spill keeps byte strings without number in bounded memory: what does not fit goes to temporary files that
// only their owner can read.
package spill

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// Store is what the logs and sorters of one run share: a budget of memory, and where files go when it is used up.
// It is safe for concurrent use; a Log or a Sorter is not.
type Store struct {
	dir     string
	budget  int64
	held    atomic.Int64
	spilled atomic.Int64

	mu   sync.Mutex
	open map[*file]bool
}

// NewStore returns a Store that holds so many bytes in memory, and writes files to dir; "" is the system's directory
// for temporary files, TMPDIR if that is set. Nothing is written before the budget is used up.
func NewStore(dir string, budget int64) *Store {
	return &Store{dir: dir, budget: budget, open: map[*file]bool{}}
}

// Spilled returns how many bytes were written to files so far.
func (s *Store) Spilled() int64 { return s.spilled.Load() }

// Close gives every file back. Logs and sorters cannot be read afterwards.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first error
	for f := range s.open {
		if err := f.close(); first == nil {
			first = err
		}
	}
	clear(s.open)
	return first
}

// take reports whether n more bytes may be held in memory, and counts them if so.
func (s *Store) take(n int) bool {
	if s.held.Add(int64(n)) <= s.budget {
		return true
	}
	s.held.Add(-int64(n))
	return false
}

func (s *Store) give(n int) { s.held.Add(-int64(n)) }

// file is a temporary file, which has no name where the system allows that: it is gone when the process is.
type file struct {
	s    *Store
	f    *os.File
	name string // that is still to be removed, "" for none
	end  atomic.Int64
}

func (s *Store) create() (*file, error) {
	f, err := os.CreateTemp(s.dir, "demarc-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("create a temporary file for what does not fit in memory: %w", err)
	}
	out := &file{s: s, f: f}
	if os.Remove(f.Name()) != nil {
		out.name = f.Name()
	}
	s.mu.Lock()
	s.open[out] = true
	s.mu.Unlock()
	return out, nil
}

// write puts b at the end, and returns where.
func (f *file) write(b []byte) (at int64, err error) {
	at = f.end.Add(int64(len(b))) - int64(len(b))
	if _, err := f.f.WriteAt(b, at); err != nil {
		return 0, fmt.Errorf("write what does not fit in memory to a temporary file: %w", err)
	}
	f.s.spilled.Add(int64(len(b)))
	return at, nil
}

func (f *file) close() error {
	err := f.f.Close()
	if f.name != "" {
		if rerr := os.Remove(f.name); err == nil {
			err = rerr
		}
	}
	return err
}

// release closes a file before the Store is closed.
func (f *file) release() {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if f.s.open[f] {
		delete(f.s.open, f)
		_ = f.close() // it was only read
	}
}
