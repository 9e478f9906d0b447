package store

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/demarc/demarc"
)

// Whatever stands where facts should be is told, or is facts that are stored as they were read.
func FuzzFacts(f *testing.F) {
	record := demarc.Record(map[string]demarc.Value{"port": demarc.Int(22), "cidr": demarc.String("0.0.0.0/0"), "": demarc.Bool(true)})
	f.Add(appendFacts(nil, []demarc.NamedFact{
		{Fact: demarc.Fact{Value: demarc.Bool(true)}},
		{Fact: demarc.Fact{Value: demarc.String("hunter2")}, Sensitive: true},
		{Fact: demarc.Fact{Origin: demarc.Denied}},
		{Fact: demarc.Fact{Value: demarc.Number(math.NaN()), Origin: demarc.Defaulted}},
		{Fact: demarc.Fact{Value: demarc.Time(time.Unix(1, 2))}},
		{Fact: demarc.Fact{}},
		{Fact: demarc.Fact{Value: demarc.JSON(`{"a":1}`)}},
		{Fact: demarc.Fact{Value: demarc.List(demarc.TypeRecords, record, record)}},
		{Fact: demarc.Fact{Value: record}},
		{Fact: demarc.Fact{Value: demarc.List(demarc.TypeStrings, demarc.String("a"), demarc.Value{})}},
		{Fact: demarc.Fact{Value: demarc.List(demarc.TypeInts)}},
	}), 11)
	f.Add([]byte{0, byte(demarc.TypeRecords), 1, 0xff, 0xff, 0xff, 0xff, 0x0f}, 1)
	f.Add([]byte{0xff}, 1)
	f.Add(bytes.Repeat([]byte{byte(demarc.TypeRecords), 0, 1}, 100), 1)
	f.Fuzz(func(t *testing.T, body []byte, count int) {
		names := strings.Split(strings.Repeat("fact ", max(0, min(count, 64))), " ")
		names = names[:len(names)-1]
		d := decoder{b: body}
		facts := d.facts(names)
		if len(facts) != len(names) {
			t.Fatalf("%d facts of %d names", len(facts), len(names))
		}
		if d.err != nil {
			return
		}
		once := appendFacts(nil, facts)
		again := decoder{b: once}
		if twice := appendFacts(nil, again.facts(names)); again.err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("% x is stored as % x and then as % x: %v", body, once, twice, again.err)
		}
	})
}

// The facts that changed with a move are stored behind each other.
func FuzzChanges(f *testing.F) {
	f.Add(appendChanges(nil, []demarc.Change{{Fact: "public", Old: demarc.Fact{Value: demarc.Bool(false)}, New: demarc.Fact{Origin: demarc.Denied}}, {Fact: "", New: demarc.Fact{Value: demarc.Int(-1)}}}))
	f.Add([]byte{5, 'a'})
	f.Fuzz(func(t *testing.T, body []byte) {
		d := decoder{b: body}
		changes := d.changes()
		if d.err != nil {
			return
		}
		once := appendChanges(nil, changes)
		again := decoder{b: once}
		if twice := appendChanges(nil, again.changes()); again.err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("% x is stored as % x and then as % x: %v", body, once, twice, again.err)
		}
	})
}

// A cursor comes back from whoever was given it, or from somebody who made one up: it is refused, or it means one place.
func FuzzCursor(f *testing.F) {
	f.Add(string(writeCursor(3, "arn:aws:s3:::a b")))
	f.Add(string(findingCursor{rank: 2, number: 7, id: "arn:aws:s3:::a b"}.String()))
	f.Add("12-34")
	f.Add("99999999999999999999")
	f.Add("r12-34")
	f.Fuzz(func(t *testing.T, text string) {
		c := demarc.Cursor(text)
		if rank, id, err := readCursor(c); err == nil {
			if r, i, err := readCursor(writeCursor(rank, id)); err != nil || r != rank || i != id || rank < 0 || clean(id) != id {
				t.Errorf("%q means %d %q, and then %d %q, %v", text, rank, id, r, i, err)
			}
		}
		if at, err := readFindingCursor(c); err == nil {
			if again, err := readFindingCursor(at.String()); err != nil || again != at || at.rank < 0 || at.number < 0 || clean(at.id) != at.id {
				t.Errorf("%q means %+v, and then %+v, %v", text, at, again, err)
			}
		}
		if at, err := readResolvedCursor(c); err == nil && (at[0] < 0 || at[1] < 0) {
			t.Errorf("%q means %v", text, at)
		}
		if at, err := cursorNumber(c); err == nil && at < 0 {
			t.Errorf("%q means %d", text, at)
		}
	})
}
