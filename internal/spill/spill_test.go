package spill_test

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/demarc/demarc/internal/spill"
)

// budgets are for a store that holds all, some and nothing in memory.
var budgets = []int64{1 << 30, 300 << 10, 0}

// texts are byte strings of many lengths, some of them alike.
func texts(t *rapid.T) [][]byte {
	return rapid.SliceOfN(rapid.SliceOfN(rapid.ByteRange('a', 'c'), 0, 3000), 0, 500).Draw(t, "texts")
}

type reading interface {
	Next() ([]byte, bool)
	Err() error
}

func all(t *rapid.T, r reading) [][]byte {
	var out [][]byte
	for b, ok := r.Next(); ok; b, ok = r.Next() {
		out = append(out, bytes.Clone(b))
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return out
}

// What is put into a log comes out of it in its order, each time, whatever of it is held in memory.
func TestLog(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		want := texts(t)
		for _, budget := range budgets {
			store := spill.NewStore(dir, budget)
			log := store.NewLog()
			for _, b := range want {
				if err := log.Append(b); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if got := all(t, log.Read()); !slices.EqualFunc(got, want, bytes.Equal) {
					t.Fatalf("budget %d: %d byte strings came back of %d, or others", budget, len(got), len(want))
				}
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("files were left: %v, %v", left, err)
	}
}

// A sorter gives back what it was given, in order, each time, also after more was added and when two become one.
func TestSorter(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		first, second := texts(t), texts(t)
		chunk := rapid.SampledFrom([]int{100, 10_000, 1 << 20}).Draw(t, "chunk")
		compare := rapid.SampledFrom([]func(a, b []byte) int{nil, func(a, b []byte) int { return bytes.Compare(b, a) }}).Draw(t, "compare")
		order := compare
		if order == nil {
			order = bytes.Compare
		}
		for _, budget := range budgets {
			store := spill.NewStore(dir, budget)
			sorter, other := store.NewSorter(chunk, compare), store.NewSorter(chunk, compare)
			var want [][]byte
			for _, list := range [][][]byte{first, second} {
				for i, b := range list {
					to := sorter
					if i%3 == 0 {
						to = other
					}
					if err := to.Add(b); err != nil {
						t.Fatal(err)
					}
				}
				if err := sorter.Absorb(other); err != nil {
					t.Fatal(err)
				}
				want = append(want, list...)
				slices.SortFunc(want, order)
				for range 2 {
					m, err := sorter.Sorted()
					if err != nil {
						t.Fatal(err)
					}
					if got := all(t, m); !slices.EqualFunc(got, want, bytes.Equal) {
						t.Fatalf("budget %d: %d byte strings came back of %d, or others, or in another order", budget, len(got), len(want))
					}
				}
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("files were left: %v, %v", left, err)
	}
}

// A selection gives back what was kept and added, in that order, each time, also while its sorter takes more.
func TestSelection(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		list, more := texts(t), texts(t)
		chunk := rapid.SampledFrom([]int{100, 10_000, 1 << 20}).Draw(t, "chunk")
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{"keep", "drop", "add"}), 1, 20).Draw(t, "steps")
		for _, budget := range budgets {
			store := spill.NewStore(dir, budget)
			sorter := store.NewSorter(chunk, nil)
			add := func(list [][]byte) {
				for _, b := range list {
					if err := sorter.Add(b); err != nil {
						t.Fatal(err)
					}
				}
			}
			add(list)
			m, err := sorter.Sorted()
			if err != nil {
				t.Fatal(err)
			}
			selection := store.Select(m)
			var want [][]byte
			for n := 0; ; n++ {
				b, ok := m.Next()
				if !ok {
					break
				}
				step := steps[n%len(steps)]
				if step == "keep" {
					want = append(want, bytes.Clone(b))
					err = selection.Keep(m.Run())
				} else {
					err = selection.Drop(m.Run())
				}
				if err == nil && step == "add" {
					want = append(want, append([]byte("instead of "), b...))
					err = selection.Add(want[len(want)-1])
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if selection.Len() != len(want) {
				t.Fatalf("%d byte strings of %d", selection.Len(), len(want))
			}
			for range 2 {
				if got := all(t, selection.Read()); !slices.EqualFunc(got, want, bytes.Equal) {
					t.Fatalf("budget %d: %d byte strings came back of %d, or others", budget, len(got), len(want))
				}
				add(more)
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Where files cannot be written, it is said.
func TestNoRoom(t *testing.T) {
	store := spill.NewStore("no/such/directory", 0)
	log := store.NewLog()
	var err error
	for range 1000 {
		if err = log.Append(make([]byte, 1000)); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("a file was written to a directory that is not there")
	}
}
