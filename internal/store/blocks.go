package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Blocks hold, for some thousand neighbouring resources each, what is compared of the versions that have not ended. They
// say nothing that the table resources does not: a row of a block is read in the time of a few rows of resources, which is
// what makes an unchanged scan, and the reading of the latest one into memory, cheap.
//
// A block is entries in the order of ids. Of an id, what it has in common with the one before is left out: the number of
// common bytes, the rest as a text. Then uvarints: rid less that before (zig-zag), rid less lineage, place, twice standing
// with a bit for inside, born, first less born; then the digest.

// entry is what is compared of a version that has not ended.
type entry struct {
	id              string
	rid, lineage    int64
	place, standing int64
	born, first     int64
	inside          bool
	digest          [16]byte
}

const blockSize = 1024 // entries of a new block

var errBlock = errors.New("a stored block of resources cannot be understood")

func appendBlock(b []byte, list []entry) []byte {
	var before entry
	for i := range list {
		e := &list[i]
		same := 0
		for same < min(len(e.id), len(before.id)) && e.id[same] == before.id[same] {
			same++
		}
		b = appendText(binary.AppendUvarint(b, uint64(same)), e.id[same:])
		b = binary.AppendVarint(b, e.rid-before.rid)
		b = binary.AppendUvarint(b, uint64(e.rid-e.lineage))
		b = binary.AppendUvarint(b, uint64(e.place))
		b = binary.AppendUvarint(b, uint64(e.standing)<<1|uint64(bit(e.inside)))
		b = binary.AppendUvarint(b, uint64(e.born))
		b = binary.AppendUvarint(b, uint64(e.first-e.born))
		b = append(b, e.digest[:]...)
		before = *e
	}
	return b
}

// blockReader takes blocks apart. What it returns is valid until the next.
type blockReader struct {
	list []entry
	ends []int
	ids  []byte
}

// read returns the entries of a block. Their ids are made only if they are asked for.
func (r *blockReader) read(body []byte, withIDs bool) ([]entry, error) {
	r.list, r.ends, r.ids = r.list[:0], r.ends[:0], r.ids[:0]
	d := decoder{b: body}
	rid, start := int64(0), 0
	for len(d.b) > 0 && d.err == nil {
		same := d.uvarint()
		rest := d.take(d.count())
		if withIDs {
			if same > uint64(len(r.ids)-start) {
				return nil, errBlock
			}
			before := start
			start = len(r.ids)
			r.ids = append(append(r.ids, r.ids[before:before+int(same)]...), rest...)
			r.ends = append(r.ends, len(r.ids))
		}
		var e entry
		rid += d.varint()
		e.rid = rid
		e.lineage = rid - int64(d.uvarint())
		e.place = int64(d.uvarint())
		standing := d.uvarint()
		e.standing, e.inside = int64(standing>>1), standing&1 != 0
		e.born = int64(d.uvarint())
		e.first = e.born + int64(d.uvarint())
		copy(e.digest[:], d.take(len(e.digest)))
		r.list = append(r.list, e)
	}
	if d.err != nil {
		return nil, errBlock
	}
	if withIDs {
		ids, at := string(r.ids), 0 // one text for all of them
		for i, end := range r.ends {
			r.list[i].id, at = ids[at:end], end
		}
	}
	return r.list, nil
}

// eachBlock calls f for the entries of an organization's blocks, in the order of ids. They are valid until the next.
func eachBlock(ctx context.Context, db querier, org int64, f func([]entry) error) error {
	rows, err := db.QueryContext(ctx, `SELECT body FROM blocks WHERE organization = $1 ORDER BY first_id`, org)
	var r blockReader
	var body sql.RawBytes
	return each(rows, err, func(row *sql.Rows) error {
		if err := row.Scan(&body); err != nil {
			return err
		}
		list, err := r.read(body, false)
		if err != nil {
			return err
		}
		return f(list)
	})
}

// stored goes through the versions that have not ended, in the order of ids.
type stored struct {
	rows    *sql.Rows
	blocked bool // rows are blocks
	entry
	more bool

	key     string // of the block that entry is of; "" if there is none
	began   bool   // entry is the first of a block
	at      int
	list    []entry
	body    sql.RawBytes
	reading blockReader
}

// storedEntries begins to go through what an organization has not ended: its blocks, if they are of its latest scan.
func (w *writer) storedEntries(ctx context.Context) (*stored, error) {
	var of int64
	if err := w.t.conn.QueryRowContext(ctx, `SELECT blocks FROM organizations WHERE id = $1`, w.org).Scan(&of); err != nil {
		return nil, err
	}
	s := &stored{blocked: of == int64(w.before.ID)}
	query := `SELECT first_id, body FROM blocks WHERE organization = $1 ORDER BY first_id`
	if !s.blocked {
		if err := w.t.exec(ctx, `DELETE FROM blocks WHERE organization = $1`, w.org); err != nil {
			return nil, err
		}
		query = `SELECT id, rid, lineage, place, standing, inside, born, first, digest FROM resources WHERE organization = $1 AND ended IS NULL ORDER BY id`
	}
	var err error
	if s.rows, err = w.s.read.QueryContext(ctx, query, w.org); err != nil { //nolint:rowserrcheck // the caller goes through them, asks for their error and closes them
		return nil, err
	}
	return s, s.rows.Err()
}

// next takes the next entry; began says that those before it were all of their block.
func (s *stored) next() error {
	s.began = false
	if s.blocked && s.at+1 < len(s.list) {
		s.at++
		s.entry = s.list[s.at]
		return nil
	}
	if s.more = s.rows.Next(); !s.more {
		return s.rows.Err()
	}
	if !s.blocked {
		var inside int64
		var digest sql.RawBytes
		e := &s.entry
		err := s.rows.Scan(&e.id, &e.rid, &e.lineage, &e.place, &e.standing, &inside, &e.born, &e.first, &digest)
		e.inside = inside != 0
		copy(e.digest[:], digest)
		return err
	}
	if err := s.rows.Scan(&s.key, &s.body); err != nil {
		return err
	}
	var err error
	if s.list, err = s.reading.read(s.body, true); err != nil {
		return err
	}
	if len(s.list) == 0 {
		return errBlock
	}
	s.began, s.at, s.entry = true, 0, s.list[0]
	return nil
}

// blockWriter gathers the entries of one block after the other, and writes those blocks that changed.
type blockWriter struct {
	w       *writer
	key     string // under which the block is stored; "" for a new one
	list    []entry
	changed bool
	body    []byte
}

// begin ends the block and begins the one of a key.
func (b *blockWriter) begin(ctx context.Context, key string) error {
	if err := b.end(ctx); err != nil {
		return err
	}
	b.key = key
	return nil
}

// add adds an entry that is behind all others; changed says that the store does not have it as it is.
func (b *blockWriter) add(ctx context.Context, e *entry, changed bool) error {
	b.list = append(b.list, *e)
	b.changed = b.changed || changed
	if len(b.list) < 4*blockSize || !b.changed {
		return nil
	}
	err := b.begin(ctx, "")
	b.changed = true // what is left of a stored block belongs to a new one
	return err
}

// end writes the block, in parts if it has become large.
func (b *blockWriter) end(ctx context.Context) error {
	defer func() { b.key, b.list, b.changed = "", b.list[:0], false }()
	if !b.changed {
		return nil
	}
	if b.key != "" && (len(b.list) == 0 || b.list[0].id != b.key) {
		if err := b.w.t.exec(ctx, `DELETE FROM blocks WHERE organization = $1 AND first_id = $2`, b.w.org, b.key); err != nil {
			return err
		}
	}
	parts := (len(b.list) + blockSize/2) / blockSize
	for list := b.list; len(list) > 0; parts-- {
		n := len(list)
		if parts > 1 {
			n = len(list) / parts
		}
		b.body = appendBlock(b.body[:0], list[:n])
		err := b.w.t.exec(ctx, `INSERT INTO blocks (organization, first_id, body) VALUES ($1, $2, $3) ON CONFLICT (organization, first_id) DO UPDATE SET body = excluded.body`, b.w.org, list[0].id, b.body)
		if err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// patch brings entries into blocks that were gone through before: nil takes one out.
func (b *blockWriter) patch(ctx context.Context, patches map[string]*entry) error {
	if len(patches) == 0 {
		return nil
	}
	ids := make([]string, 0, len(patches))
	for id := range patches {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var keys []string
	rows, err := b.w.t.conn.QueryContext(ctx, `SELECT first_id FROM blocks WHERE organization = $1 ORDER BY first_id`, b.w.org)
	if err := each(rows, err, func(r *sql.Rows) error {
		var key string
		err := r.Scan(&key)
		keys = append(keys, key)
		return err
	}); err != nil {
		return err
	}
	var r blockReader
	for len(ids) > 0 {
		at, has := slices.BinarySearch(keys, ids[0])
		if !has {
			at = max(0, at-1)
		}
		n := len(ids)
		if at+1 < len(keys) {
			n, _ = slices.BinarySearch(ids, keys[at+1])
		}
		var list []entry
		if len(keys) > 0 {
			var body []byte
			if err := b.w.t.conn.QueryRowContext(ctx, `SELECT body FROM blocks WHERE organization = $1 AND first_id = $2`, b.w.org, keys[at]).Scan(&body); err != nil {
				return fmt.Errorf("block %q: %w", keys[at], err)
			}
			if list, err = r.read(body, true); err != nil {
				return err
			}
			b.key = keys[at]
		}
		for _, id := range ids[:n] {
			i, has := slices.BinarySearchFunc(list, id, func(e entry, id string) int { return strings.Compare(e.id, id) })
			switch e := patches[id]; {
			case e == nil && has:
				list = slices.Delete(list, i, i+1)
			case e != nil && has:
				list[i] = *e
			case e != nil:
				list = slices.Insert(list, i, *e)
			}
		}
		b.list, b.changed = append(b.list, list...), true
		if err := b.end(ctx); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}
