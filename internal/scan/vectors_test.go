package scan_test

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/estate"
)

// TestVectors replays the vendors' published statements, where their folder is beside the project or named by
// DEMARC_VECTORS.
func TestVectors(t *testing.T) {
	dir := os.Getenv("DEMARC_VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	f, err := os.Open(filepath.Join(dir, "cases.tsv"))
	if err != nil {
		t.Skipf("the vendors' statements are not replayed: %v", err)
	}
	defer f.Close()
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	type group struct{ input, estate string }
	answers := map[group][]*demarc.Answer{}
	total, good := 0, 0
	s := bufio.NewScanner(f)
	s.Scan() // the header
	for s.Scan() {
		c := strings.Split(s.Text(), "\t")
		if len(c) < 9 {
			t.Fatalf("a line of %d columns", len(c))
		}
		id, g, resource, duty, holder, note := c[0], group{c[1], c[2]}, c[3], c[4], c[5], c[8]
		if _, ok := answers[g]; !ok {
			var est *estate.Estate
			if g.estate != "" {
				if est, err = estate.Load(filepath.Join(dir, g.estate), b.Parties()); err != nil {
					t.Fatal(err)
				}
			}
			answers[g], _ = assess(t, est, filepath.Join(dir, g.input))
		}
		total++
		t.Run(id, func(t *testing.T) {
			var got []string
			for _, a := range answers[g] {
				if named(a, resource) {
					got = append(got, string(a.Assignments[demarc.DutyIndex(demarc.DutyID(duty))].Holder))
				}
			}
			slices.Sort(got)
			got = slices.Compact(got)
			if len(got) != 1 || !slices.Contains(strings.Split(holder, "|"), got[0]) {
				t.Errorf("%s of %s is %v, want %s: %s", duty, resource, got, holder, note)
				return
			}
			good++
		})
	}
	t.Logf("%d of %d statements reproduced", good, total)
}

// named reports whether a resource is the one that a statement is about: by its id, the end of it, or its name.
func named(a *demarc.Answer, want string) bool {
	id, low := strings.ToLower(string(a.Resource.ID)), strings.ToLower(want)
	if id == low || strings.EqualFold(a.Resource.Name, want) {
		return true
	}
	rest, ok := strings.CutSuffix(id, low)
	return ok && rest != "" && strings.ContainsAny(rest[len(rest)-1:], "/:.#")
}
