package spill

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const blockSize = 128 << 10

// Log keeps byte strings in the order in which they come, and gives them back in it, any number of times.
type Log struct {
	s      *Store
	blocks []block
	cur    []byte // the block that is being filled
	f      *file
	n      int
}

// block is a piece of a Log or of a sorted run: in memory, or in its file.
type block struct {
	mem  []byte
	at   int64
	size int
}

// NewLog returns an empty Log.
func (s *Store) NewLog() *Log { return &Log{s: s} }

// Len returns how many byte strings there are.
func (l *Log) Len() int { return l.n }

// Append adds one byte string, which is copied.
func (l *Log) Append(b []byte) error {
	l.cur = append(binary.AppendUvarint(l.cur, uint64(len(b))), b...)
	l.n++
	if len(l.cur) < blockSize {
		return nil
	}
	return l.flush()
}

func (l *Log) flush() error {
	if len(l.cur) == 0 {
		return nil
	}
	b := block{size: len(l.cur)}
	if l.s.take(len(l.cur)) {
		b.mem, l.cur = l.cur, make([]byte, 0, blockSize+blockSize/8)
	} else {
		if l.f == nil {
			f, err := l.s.create()
			if err != nil {
				return err
			}
			l.f = f
		}
		at, err := l.f.write(l.cur)
		if err != nil {
			return err
		}
		b.at, l.cur = at, l.cur[:0]
	}
	l.blocks = append(l.blocks, b)
	return nil
}

// Read returns a Reader at the start. While there are Readers, nothing may be appended.
func (l *Log) Read() *Reader { return &Reader{f: l.f, blocks: l.blocks, last: l.cur} }

// Release forgets all that is in the Log.
func (l *Log) Release() {
	for _, b := range l.blocks {
		if b.mem != nil {
			l.s.give(b.size)
		}
	}
	if l.f != nil {
		l.f.release()
	}
	l.blocks, l.cur, l.f, l.n = nil, nil, nil, 0
}

// Reader goes through byte strings from the first to the last. Several Readers of one Log may be used side by side.
type Reader struct {
	f      *file
	blocks []block
	last   []byte // behind the blocks
	rest   []byte
	buf    []byte
	err    error
}

// Next returns the next byte string, which is valid until the next call; false at the end and on an error.
func (r *Reader) Next() ([]byte, bool) {
	for len(r.rest) == 0 {
		if !r.more() {
			return nil, false
		}
	}
	n, k := binary.Uvarint(r.rest)
	b := r.rest[k : k+int(n) : k+int(n)]
	r.rest = r.rest[k+int(n):]
	return b, true
}

// Err returns the error that ended the reading, nil for none.
func (r *Reader) Err() error { return r.err }

func (r *Reader) more() bool {
	if r.err != nil || len(r.blocks) == 0 {
		r.rest, r.last = r.last, nil
		return len(r.rest) > 0 && r.err == nil
	}
	b := &r.blocks[0]
	r.blocks = r.blocks[1:]
	if b.mem != nil {
		r.rest = b.mem
		return true
	}
	if cap(r.buf) < b.size {
		r.buf = make([]byte, b.size)
	}
	r.rest = r.buf[:b.size]
	if _, err := r.f.f.ReadAt(r.rest, b.at); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		r.rest, r.last, r.err = nil, nil, fmt.Errorf("read back what did not fit in memory: %w", err)
		return false
	}
	return true
}
