package store

import (
	"bytes"
	"database/sql"
	"fmt"
	"slices"
	"testing"
)

// What blocks say of the versions that have not ended is what resources says of them, in order and without a hole; none
// has become large.
func checkBlocks(t *testing.T, s *Store, org int64) {
	t.Helper()
	type pair struct{ blocks, table []entry }
	var got pair
	changes, err := readChanges(t.Context(), s.read, org)
	if err != nil {
		t.Fatal(err)
	}
	var r blockReader
	rows, err := s.read.QueryContext(t.Context(), `SELECT first_id, body FROM blocks WHERE organization = $1 ORDER BY first_id`, org)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var key string
		var body []byte
		if err := rows.Scan(&key, &body); err != nil {
			t.Fatal(err)
		}
		list, err := r.read(body, true)
		if err != nil || len(list) == 0 || len(list) > 3*blockSize || list[0].id != key {
			t.Fatalf("block %q of %d entries: %v", key, len(list), err)
		}
		for i := range list {
			list[i].change(changes)
		}
		got.blocks = append(got.blocks, list...)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	var key []byte
	if err := s.read.QueryRowContext(t.Context(), `SELECT digest_key FROM organizations WHERE id = $1`, org).Scan(&key); err != nil {
		t.Fatal(err)
	}
	digests, err := digestsUnder(key)
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{vocab: &interner{digests: digests}}
	table, err := s.read.QueryContext(t.Context(), `SELECT `+entryColumns+` FROM resources WHERE organization = $1 AND ended IS NULL ORDER BY id`, org)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = table.Close() }()
	for table.Next() {
		e, err := w.readEntry(table)
		if err != nil {
			t.Fatal(err)
		}
		got.table = append(got.table, e)
	}
	if err := table.Err(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.blocks, got.table) {
		t.Fatalf("%d entries in blocks, %d in resources, or not the same", len(got.blocks), len(got.table))
	}
}

// blockChanges counts the entries that the store has as changes of blocks, those that no longer count among them.
func blockChanges(t *testing.T, s *Store, org int64) (many int) {
	t.Helper()
	rows, err := s.read.QueryContext(t.Context(), `SELECT body FROM block_changes WHERE organization = $1`, org)
	if err := each(rows, err, func(r *sql.Rows) error {
		var body []byte
		if err := r.Scan(&body); err != nil {
			return err
		}
		list, err := new(blockReader).read(body, false)
		many += len(list)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return many
}

func FuzzBlock(f *testing.F) {
	list := []entry{{id: "arn:aws:s3:::a", rid: 7, lineage: 3, place: 1, standing: 200, born: 1, first: 4, inside: true, digest: [16]byte{1, 2}}, {id: "arn:aws:s3:::ab", rid: 2, lineage: 2, born: 2, first: 2}, {id: "x", rid: 1 << 40, lineage: 1}}
	f.Add(appendBlock(nil, list))
	f.Add([]byte{0, 200, 1, 2})
	f.Add([]byte{9, 1, 'a', 2, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		var r blockReader
		list, err := r.read(body, true)
		if err != nil {
			return
		}
		list = slices.Clone(list)
		again, err := new(blockReader).read(appendBlock(nil, list), true)
		if err != nil || !slices.Equal(list, again) {
			t.Fatalf("%+v came back as %+v, %v", list, again, err)
		}
		without, err := r.read(body, false)
		if err != nil || len(without) != len(list) {
			t.Fatalf("%d entries without ids, want %d: %v", len(without), len(list), err)
		}
		for i := range without {
			without[i].id = list[i].id
		}
		if !slices.Equal(list, without) {
			t.Fatal("without ids they are not the same")
		}
	})
}

func TestBlockIsSmall(t *testing.T) {
	var list []entry
	for i := range 1000 {
		list = append(list, entry{id: fmt.Sprintf("arn:aws:ec2:eu-west-1:111122223333:volume/vol-%017x", i*i), rid: int64(i + 1), lineage: int64(i + 1), place: int64(i % 7), standing: int64(i % 300), born: 1, first: 1})
	}
	body := appendBlock(nil, list)
	if len(body) > 40*len(list) || !bytes.Contains(body, []byte("volume")) {
		t.Errorf("%d bytes for %d entries", len(body), len(list))
	}
}
