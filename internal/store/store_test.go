package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/store"
	"github.com/demarc/demarc/internal/store/storetest"
)

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.Database {
		return database("sqlite", filepath.Join(t.TempDir(), "demarc.db"))
	})
}

func TestPostgres(t *testing.T) {
	storetest.Postgres(t) // or skip all of it
	storetest.Run(t, func(t testing.TB) storetest.Database { return database("pgx", storetest.Postgres(t)) })
}

func database(driver, place string) storetest.Database {
	return storetest.Database{
		Open: func(t testing.TB, o store.Options) *store.Store {
			t.Helper()
			s, err := store.Open(t.Context(), place, o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			return s
		},
		Try: func(ctx context.Context, o store.Options) (*store.Store, error) { return store.Open(ctx, place, o) },
		SQL: func(t testing.TB) *sql.DB {
			t.Helper()
			db, err := sql.Open(driver, place)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			return db
		},
	}
}

// However scans follow each other, blocks say what the table of resources says.
func TestBlocks(t *testing.T) {
	s := database("sqlite", filepath.Join(t.TempDir(), "demarc.db")).Open(t, store.Options{})
	random := rand.New(rand.NewPCG(1, 2))
	w := storetest.NewWorld("Northwind", 0)
	add := func(from, to, step int) {
		for i := from; i < to; i += step {
			w.Add(i)
		}
	}
	for n, change := range []func(){
		func() { add(2000, 4000, 1) },
		func() {},
		func() { add(0, 2000, 1) },    // before all that was there
		func() { add(4000, 9999, 1) }, // behind it
		func() { // here and there
			for _, x := range w.Things {
				if random.IntN(100) == 0 {
					x.Upgrades = !x.Upgrades
				}
				if random.IntN(50) == 0 {
					delete(w.Things, x.ID)
				}
			}
		},
		func() { // a stretch
			for i := range 3000 {
				delete(w.Things, w.ID(i))
			}
		},
		func() { add(0, 9999, 3) }, // some come back
		func() { clear(w.Things) },
		func() { add(0, 9000, 2) },
	} {
		change()
		r := w.Recording()
		r.Whole = n%3 != 2 // what is missing stays, some of the time
		scan, err := s.Record(t.Context(), r, w.Answers())
		if err != nil {
			t.Fatal(err)
		}
		w.Day = w.Day.AddDate(0, 0, 1)
		store.CheckBlocks(t, s, 1)
		for _, x := range []*store.Store{s, database("sqlite", s.Name()).Open(t, store.Options{ReadOnly: true})} {
			if o, err := x.Overview(t.Context(), demarc.At{Organization: "Northwind"}, demarc.Filter{}); err != nil || o.Resources != scan.Resources {
				t.Errorf("scan %d: %d resources, want %d: %v", scan.ID, o.Resources, scan.Resources, err)
			}
		}
	}
}

// Scan after scan with a few changes: they stand behind their blocks, until these are written again. Whatever is in a
// block and whatever behind it, what the store says is what is so.
func TestBlocksOfManyScans(t *testing.T) {
	s := database("sqlite", filepath.Join(t.TempDir(), "demarc.db")).Open(t, store.Options{})
	random := rand.New(rand.NewPCG(3, 4))
	w := storetest.NewWorld("Northwind", 3000)
	most := 0
	for n := range 40 {
		for _, id := range slices.Sorted(maps.Keys(w.Things)) {
			switch x := w.Things[id]; random.IntN(2000) {
			case 0:
				if n%5 == 4 {
					delete(w.Things, id)
				}
			case 1:
				x.Tags = demarc.TagsOf(map[string]string{"team": "shop", "Name": fmt.Sprintf("Renamed in scan %d", n)})
			default:
				if random.IntN(50) == 0 {
					x.Upgrades = !x.Upgrades
				}
			}
		}
		if n%7 == 6 {
			w.Add(3000 + n)
		}
		scan, err := s.Record(t.Context(), w.Recording(), w.Answers())
		if err != nil || scan.Resources != len(w.Things) {
			t.Fatalf("scan %d: %+v, %v", n, scan, err)
		}
		w.Day = w.Day.AddDate(0, 0, 1)
		store.CheckBlocks(t, s, 1)
		most = max(most, store.BlockChanges(t, s, 1))
		again, err := s.Record(t.Context(), w.Recording(), w.Answers())
		if err != nil || again.Changed+again.Added+again.Removed > 0 {
			t.Fatalf("scan %d again: %+v, %v", n, again, err)
		}
		w.Day = w.Day.AddDate(0, 0, 1)
	}
	if most == 0 || most > 1000 {
		t.Errorf("at most %d changes behind blocks of 3000 resources", most)
	}
}

// Who has scans read ahead sees the one before until the next is there as a whole. What is read of it is what somebody reads
// who knows nothing of the one before.
func TestWarm(t *testing.T) {
	for _, open := range []func(testing.TB) storetest.Database{
		func(t testing.TB) storetest.Database {
			return database("sqlite", filepath.Join(t.TempDir(), "demarc.db"))
		},
		func(t testing.TB) storetest.Database { return database("pgx", storetest.Postgres(t)) },
	} {
		db := open(t)
		writer, reader := db.Open(t, store.Options{}), db.Open(t, store.Options{ReadOnly: true})
		at := demarc.At{Organization: "Northwind"}
		random := rand.New(rand.NewPCG(5, 6))
		w := storetest.NewWorld("Northwind", 200)
		before := 0
		for n := range 12 {
			for _, id := range slices.Sorted(maps.Keys(w.Things)) {
				switch x := w.Things[id]; random.IntN(40) {
				case 0:
					x.Tags = demarc.TagsOf(map[string]string{"team": "shop", "Name": fmt.Sprintf("Renamed in scan %d", n)})
				case 1:
					x.Upgrades = !x.Upgrades
				case 2:
					if n%4 == 3 {
						delete(w.Things, id)
					}
				}
			}
			for i := range n % 3 {
				w.Add(random.IntN(400) + i)
			}
			if _, err := writer.Record(t.Context(), w.Recording(), w.Answers()); err != nil {
				t.Fatal(err)
			}
			w.Day = w.Day.AddDate(0, 0, 1)
			if n > 0 {
				if o, err := reader.Overview(t.Context(), at, demarc.Filter{}); err != nil || o.Scan.ID != demarc.ScanID(n) || o.Resources != before {
					t.Errorf("before scan %d is read: scan %d, %d resources, %v", n+1, o.Scan.ID, o.Resources, err)
				}
			}
			if err := reader.Warm(t.Context(), "Northwind"); err != nil {
				t.Fatal(err)
			}
			before = len(w.Things)
			fresh := db.Open(t, store.Options{ReadOnly: true})
			for _, f := range []demarc.Filter{
				{}, {Text: "renamed"}, {Text: "orders-01"}, {Text: fmt.Sprintf("scan %d", n)}, {Names: []string{"Orders-0017"}}, {Tags: []demarc.Tag{{Key: "team", Value: "shop"}}}, {IDs: []demarc.ResourceID{w.ID(3), w.ID(4)}},
			} {
				want, err := fresh.Resources(t.Context(), at, f, demarc.OrderID, demarc.Page{Limit: 1000})
				if err != nil {
					t.Fatal(err)
				}
				got, err := reader.Resources(t.Context(), at, f, demarc.OrderID, demarc.Page{Limit: 1000})
				if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("scan %d, %+v: %d resources, want %d, %v", n+1, f, got.Total, want.Total, err)
				}
				wantMoves, err := fresh.MoveGroups(t.Context(), "Northwind", f, demarc.Period{})
				if err != nil {
					t.Fatal(err)
				}
				if got, err := reader.MoveGroups(t.Context(), "Northwind", f, demarc.Period{}); err != nil || fmt.Sprint(got) != fmt.Sprint(wantMoves) {
					t.Errorf("scan %d, %+v: moves\n%+v, want\n%+v, %v", n+1, f, got, wantMoves, err)
				}
			}
		}
		// What was forgotten is not shown any more.
		if _, err := reader.Overview(t.Context(), demarc.At{Organization: "Northwind", Scan: 12}, demarc.Filter{}); err != nil {
			t.Error(err)
		}
		if _, err := writer.Record(t.Context(), w.Recording(), w.Answers()); err != nil {
			t.Fatal(err)
		}
		if n, err := writer.Prune(t.Context(), "Northwind", "test", 1, time.Time{}, w.Day); err != nil || n != 12 {
			t.Fatalf("%d scans pruned, %v", n, err)
		}
		if o, err := reader.Overview(t.Context(), at, demarc.Filter{}); err != nil || o.Scan.ID != 13 {
			t.Errorf("after a prune: scan %d, %v", o.Scan.ID, err)
		}
	}
}
