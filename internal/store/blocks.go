package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
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
//
// A scan that finds a few resources of a block otherwise does not write the block again: their entries, without ids, are
// its changes, a row for each scan, until they are an eighth of the block.

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

// readChanges returns, by lineage, what scans found otherwise than blocks say.
func readChanges(ctx context.Context, db querier, org int64) (map[int64]entry, error) {
	out := map[int64]entry{}
	rows, err := db.QueryContext(ctx, `SELECT body FROM block_changes WHERE organization = $1`, org)
	var r blockReader
	var body sql.RawBytes
	return out, each(rows, err, func(row *sql.Rows) error {
		if err := row.Scan(&body); err != nil {
			return err
		}
		list, err := r.read(body, false)
		for _, e := range list {
			if e.rid > out[e.lineage].rid {
				out[e.lineage] = e
			}
		}
		return err
	})
}

// change makes an entry of a block what the changes say, and reports whether they say anything.
func (e *entry) change(changes map[int64]entry) bool {
	now, ok := changes[e.lineage]
	if !ok || now.rid <= e.rid {
		return false
	}
	now.id = e.id
	*e = now
	return true
}

// eachBlock calls f for the entries of an organization's blocks, in the order of ids. They are valid until the next.
func eachBlock(ctx context.Context, db querier, org int64, f func([]entry) error) error {
	changes, err := readChanges(ctx, db, org)
	if err != nil {
		return err
	}
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
		for i := range list {
			list[i].change(changes)
		}
		runtime.Gosched() // what is read ahead gives way
		return f(list)
	})
}

// kept is where the entry of a version is.
type kept uint8

const (
	inBlock   kept = iota // in its block
	inChanges             // in the changes of its block
	replaced              // nowhere yet; the block has an earlier one of the resource
	added                 // nowhere yet; the block has none of the resource
)

// stored goes through the versions that have not ended, in the order of ids.
type stored struct {
	w       *writer
	rows    *sql.Rows
	blocked bool // rows are blocks
	changes map[int64]entry
	entry
	kept kept
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
	s := &stored{w: w, blocked: of == int64(w.before.ID)}
	query := `SELECT first_id, body FROM blocks WHERE organization = $1 ORDER BY first_id`
	var err error
	if s.blocked {
		if s.changes, err = readChanges(ctx, w.s.read, w.org); err != nil {
			return nil, err
		}
	} else {
		for _, table := range []string{"blocks", "block_changes"} {
			if err := w.t.exec(ctx, `DELETE FROM `+table+` WHERE organization = $1`, w.org); err != nil {
				return nil, err
			}
		}
		query = `SELECT ` + entryColumns + ` FROM resources WHERE organization = $1 AND ended IS NULL ORDER BY id`
	}
	if s.rows, err = w.s.read.QueryContext(ctx, query, w.org); err != nil { //nolint:rowserrcheck // the caller goes through them, asks for their error and closes them
		return nil, err
	}
	return s, s.rows.Err()
}

// entryColumns are what readEntry makes an entry of.
const entryColumns = `id, rid, lineage, place, standing, inside, born, first, fact_names, name, ` + tagsOf + `, ` + factsOf

func (w *writer) readEntry(row interface{ Scan(to ...any) error }) (entry, error) {
	var e entry
	var inside int64
	var x interned
	var tags []byte
	err := row.Scan(&e.id, &e.rid, &e.lineage, &e.place, &e.standing, &inside, &e.born, &e.first, &x.names, &x.name, &tags, &x.facts)
	e.inside = inside != 0
	x.place, x.standing, x.inside, x.tags = e.place, e.standing, e.inside, string(tags)
	e.digest = w.vocab.digest(&x)
	return e, err
}

// next takes the next entry; began says that those before it were all of their block.
func (s *stored) next() (err error) {
	s.began = false
	if s.blocked && s.at+1 < len(s.list) {
		s.at++
		s.take()
		return nil
	}
	if s.more = s.rows.Next(); !s.more {
		return s.rows.Err()
	}
	if !s.blocked {
		s.entry, err = s.w.readEntry(s.rows)
		s.kept = added
		return err
	}
	if err := s.rows.Scan(&s.key, &s.body); err != nil {
		return err
	}
	if s.list, err = s.reading.read(s.body, true); err != nil {
		return err
	}
	if len(s.list) == 0 {
		return errBlock
	}
	s.began, s.at = true, 0
	s.take()
	return nil
}

func (s *stored) take() {
	s.entry, s.kept = s.list[s.at], inBlock
	if s.change(s.changes) {
		s.kept = inChanges
	}
}

// blockWriter gathers the entries of one block after the other, and writes those blocks that changed.
type blockWriter struct {
	w       *writer
	key     string // under which the block is stored; "" for a new one
	list    []entry
	differs []differing // those of list that are not as the block has them
	changed bool        // the block is to be written
	body    []byte

	old, fresh []entry // changes that the store has, and those that it does not have
}

type differing struct {
	at   int
	kept kept
}

// begin ends the block and begins the one of a key.
func (b *blockWriter) begin(ctx context.Context, key string) error {
	if err := b.end(ctx); err != nil {
		return err
	}
	b.key = key
	return nil
}

// add adds an entry that is behind all others.
func (b *blockWriter) add(ctx context.Context, e *entry, is kept) error {
	if is != inBlock {
		b.differs = append(b.differs, differing{len(b.list), is})
	}
	b.list = append(b.list, *e)
	b.changed = b.changed || is == added
	if len(b.list) < 4*blockSize || !b.changed {
		return nil
	}
	err := b.begin(ctx, "")
	b.changed = true // what is left of a stored block belongs to a new one
	return err
}

// end writes the block, in parts if it has become large, or only what changed.
func (b *blockWriter) end(ctx context.Context) error {
	defer func() { b.key, b.list, b.differs, b.changed = "", b.list[:0], b.differs[:0], false }()
	if !b.changed && 8*len(b.differs) <= len(b.list) {
		for _, d := range b.differs {
			if d.kept == inChanges {
				b.old = append(b.old, b.list[d.at])
			} else {
				b.fresh = append(b.fresh, b.list[d.at])
			}
		}
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

// writeChanges writes the changes that are in no block. Of the many that the store has, blocks may have most by now: then
// those that are left are written again, in one row.
func (b *blockWriter) writeChanges(ctx context.Context, many int) error {
	list := b.fresh
	if 2*len(b.old) < many {
		if err := b.w.t.exec(ctx, `DELETE FROM block_changes WHERE organization = $1`, b.w.org); err != nil {
			return err
		}
		list = append(list, b.old...)
	}
	if len(list) == 0 {
		return nil
	}
	for i := range list {
		list[i].id = ""
	}
	return b.w.t.exec(ctx, `INSERT INTO block_changes (organization, scan, body) VALUES ($1, $2, $3)`, b.w.org, int64(b.w.scan.ID), appendBlock(nil, list))
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
