package web

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/demarc/demarc"
)

// A bar is whole: its pieces touch, cover all of it and count everything that was added.
func TestBarIsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tallies := Tallies{}
		total := 0
		for range rapid.IntRange(0, 12).Draw(t, "pieces") {
			h := rapid.SampledFrom(demarc.Holders).Draw(t, "holder")
			n := rapid.IntRange(0, 1_000_000).Draw(t, "count")
			tallies.Add(h, rapid.SampledFrom(Tones).Draw(t, "tone"), n)
			if h != demarc.NotApplicable {
				total += n
			}
		}
		bar := tallies.Bar()
		if bar.Total != total {
			t.Fatalf("total %d, want %d", bar.Total, total)
		}
		x, sum := 0.0, 0
		for _, s := range bar.Segments {
			if math.Abs(s.X-x) > 1e-6 || s.Width <= 0 {
				t.Fatalf("segment %+v begins elsewhere than at %f", s, x)
			}
			x += s.Width
			sum += s.Count
		}
		if sum != total || total > 0 && math.Abs(x-100) > 1e-6 {
			t.Fatalf("the pieces count %d of %d and end at %f", sum, total, x)
		}
		if bar.Text == "" {
			t.Fatal("no words for it")
		}
		for _, s := range bar.Segments {
			if yours := s.Holder == demarc.HeldShared || s.Holder == demarc.HeldByCustomer; yours != (s.X+s.Width/2 > bar.Edge.X) {
				t.Fatalf("%+v is on the wrong side of the line at %f", s, bar.Edge.X)
			}
		}
	})
}

// A curve has its points at their times, and its top is a round number that they keep off.
func TestSeries(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	s := NewSeries([]time.Time{day(1), day(2), day(11)}, []int{100, 150, 180}, 0)
	if s.Max != 200 || s.Points[1].X != 100 || s.Points[2].X != 1000 || s.Points[2].Y != 200-190*.9 {
		t.Errorf("%+v", s)
	}
	if s := NewSeries([]time.Time{day(1)}, []int{99}, 100); s.Max != 100 || s.Area != "" {
		t.Errorf("%+v", s)
	}
	if s := NewSeries(nil, nil, 100); s.Path != "" {
		t.Errorf("%+v", s)
	}
}

// The line goes down a column from bar to bar, and over what does not apply.
func TestTheLineGoesDownAColumn(t *testing.T) {
	cell := func(duty demarc.DutyID, h demarc.Holder, n int) demarc.LineCell {
		return demarc.LineCell{Duty: duty, Holder: h, State: demarc.Unverified, Count: n}
	}
	p := NewPivot(demarc.Line{Columns: []demarc.LineColumn{{Value: "aws", Resources: 4}, {Value: "gcp"}}, Cells: []demarc.LineCell{
		cell("application.code", demarc.HeldByCustomer, 4), cell("guest.patching", demarc.HeldByProvider, 1), cell("guest.patching", demarc.HeldShared, 3), cell("facility.access", demarc.HeldByProvider, 4),
	}})
	p.Draw(false)
	var got []Edge
	for _, l := range p.Layers {
		if l.Bars[1].Edge.Drawn {
			t.Errorf("a line where nothing is: %+v", l.Bars[1])
		}
		got = append(got, l.Bars[0].Edge)
	}
	if want := []Edge{{0, 0, true}, {25, 0, true}, {100, 25, true}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestNumbersAsPeopleReadThem(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := Number(n); got != want {
			t.Errorf("Number(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{7: "7", 999: "999", 1000: "1.0k", 9949: "9.9k", 9950: "10k", 120_499: "120k", 999_499: "999k", 999_500: "1.0M", 12_000_000: "12M"} {
		if got := short(n); got != want {
			t.Errorf("short(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{time.Second: "a moment", time.Minute: "1 minute", 47 * time.Hour: "47 hours", 49 * time.Hour: "2 days", 100 * 24 * time.Hour: "3 months", 800 * 24 * time.Hour: "2 years"} {
		if got := Span(d); got != want {
			t.Errorf("Span(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestStanding(t *testing.T) {
	on := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		from, until time.Time
		want        string
	}{
		{time.Time{}, time.Time{}, "in force"},
		{time.Time{}, on, "ends soon"}, // the last day counts
		{time.Time{}, on.AddDate(0, 0, -1), "ended"},
		{on.AddDate(0, 0, 1), time.Time{}, "not yet"},
		{on, on.AddDate(1, 0, 0), "in force"},
	} {
		if got := Standing(c.from, c.until, on); got != c.want {
			t.Errorf("Standing(%v, %v) = %q, want %q", c.from, c.until, got, c.want)
		}
	}
}
