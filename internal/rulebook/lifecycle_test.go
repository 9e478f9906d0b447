package rulebook_test

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/demarc/demarc/internal/rulebook"
)

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

const kettles = `lifecycle: kettles
title: Kettles
about: A kettle has a year of warranty.
source: {url: "https://example.com/kettles", section: Warranty, read: 2026-11-01, says: Kettles are mended for a year.}
versions:
  - {version: "8", released: 2025-01-01}
  - {version: "8.0", released: 2020-01-01, standard: 2024-02-28, extended: 2027-02-28}
  - {version: "7", released: 2019-01-01, standard: 2023-06-30}
`

func TestSupport(t *testing.T) {
	files := base()
	files["lifecycle/kettles.yaml"] = &fstest.MapFile{Data: []byte(kettles)}
	b, err := rulebook.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ version, on, want string }{
		{"8.0", "2020-01-01", "standard"},
		{"8.0.35", "2024-02-28", "standard"},
		{"8.0.mysql_aurora.3.04.0", "2024-02-29", "extended"},
		{"8.0-r2", "2027-02-28", "extended"},
		{"8.0", "2027-03-01", "ended"},
		{"8.4", "2099-01-01", "standard"}, // no end is announced
		{"7.1", "2023-06-30", "standard"},
		{"7", "2023-07-01", "ended"},
	} {
		if got, err := b.Support("kettles", tt.version, day(tt.on)); got != tt.want || err != nil {
			t.Errorf("Support(%q) on %s = %q, %v, want %q", tt.version, tt.on, got, err, tt.want)
		}
	}
	for _, version := range []string{"", "9", "80", "8x", "v8"} {
		if got, err := b.Support("kettles", version, day("2026-01-01")); err == nil {
			t.Errorf("Support(%q) = %q, want an error", version, got)
		}
	}
	if _, err := b.Support("pots", "1", day("2026-01-01")); err == nil {
		t.Error("Support of a table that is not there: no error")
	}
	for on, want := range map[string]bool{"2026-11-01": false, "2027-01-30": false, "2027-01-31": true} {
		if got := b.Lifecycle("kettles").Stale(day(on)); got != want {
			t.Errorf("Stale on %s = %v, want %v", on, got, want)
		}
	}
}

// The tables of the catalog are read when an expression asks for them; here all are.
func TestLifecyclesOfTheCatalog(t *testing.T) {
	b, err := rulebook.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	if len(b.LifecycleIDs()) == 0 {
		t.Fatal("the catalog has no lifecycles")
	}
	for _, id := range b.LifecycleIDs() {
		for _, r := range b.Lifecycle(id).Releases {
			if got := b.Lifecycle(id).Find(r.Version); got == nil || got.Version != r.Version {
				t.Errorf("%s: Find(%q) = %v", id, r.Version, got)
			}
		}
	}
}
