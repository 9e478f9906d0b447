package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc"
)

// Tone says how a part of a duty stands, in the four ways that a chart shows.
type Tone string

// The tones.
const (
	Done  Tone = "done"  // proven, attested, excepted, assured, delegated
	Open  Tone = "open"  // nobody has looked, nothing is on file
	Blind Tone = "blind" // somebody looked and could not tell
	Bad   Tone = "bad"   // failing, lapsed, nobody's
)

// Tones lists every tone, in the order of a chart.
var Tones = []Tone{Done, Open, Blind, Bad}

// ToneOf returns the tone of a state.
func ToneOf(s demarc.State) Tone {
	switch s {
	case demarc.Met, demarc.Attested, demarc.Excepted, demarc.Delegated, demarc.Assured:
		return Done
	case demarc.Failing, demarc.Lapsed, demarc.NobodysDuty:
		return Bad
	case demarc.Blind:
		return Blind
	default:
		return Open
	}
}

// side is the order of holders in a bar, from the provider's side to the organization's.
var side = []demarc.Holder{demarc.HeldByProvider, demarc.HeldByThirdParty, demarc.Unowned, demarc.HeldShared, demarc.HeldByCustomer}

// Bar is counts as a bar, the provider's side on the left and the organization's on the right.
type Bar struct {
	Total    int
	Segments []Segment
	Text     string // what it shows, in words
	Edge     Edge   // the zero Edge in a bar that stands alone
}

// Edge is the piece of the demarcation line that runs through a bar: what others hold alone is left of X, what is yours, with
// what is shared, right of it. Above is the X of the bar above, which it comes from. Both are percent of the bar.
type Edge struct {
	X, Above float64
	Drawn    bool
}

// Segment is a piece of a Bar. X and Width are percent of the bar.
type Segment struct {
	Holder   demarc.Holder
	Tone     Tone
	Count    int
	X, Width float64
}

// Middle is where the number of the segment stands, in percent of the bar.
func (s Segment) Middle() float64 { return s.X + s.Width/2 }

// Fits reports whether the number of the segment has room in a bar of some 80 pixels.
func (s Segment) Fits() bool { return s.Width >= 8.5*float64(len(short(s.Count)))+5 }

// Tallies are counts by holder and tone. The zero Tallies are empty.
type Tallies map[demarc.Holder]map[Tone]int

// Add counts n duties or resources.
func (t Tallies) Add(h demarc.Holder, tone Tone, n int) {
	if n == 0 || h == demarc.NotApplicable {
		return
	}
	if t[h] == nil {
		t[h] = map[Tone]int{}
	}
	t[h][tone] += n
}

// Bar draws the counts.
func (t Tallies) Bar() Bar {
	var b Bar
	for _, h := range side {
		for _, tone := range Tones {
			b.Total += t[h][tone]
		}
	}
	if b.Total == 0 {
		b.Text = "does not apply"
		return b
	}
	var words []string
	x := 0.0
	for _, h := range side {
		if h == demarc.HeldShared {
			b.Edge.X = x
		}
		var tones []string
		sum := 0
		for _, tone := range Tones {
			n := t[h][tone]
			if n == 0 {
				continue
			}
			width := 100 * float64(n) / float64(b.Total)
			b.Segments = append(b.Segments, Segment{Holder: h, Tone: tone, Count: n, X: x, Width: width})
			x += width
			sum += n
			tones = append(tones, Number(n)+" "+toneWords(h, tone))
		}
		if sum > 0 {
			words = append(words, fmt.Sprintf("%s %s", strings.ToLower(HolderName(h)), strings.Join(tones, ", ")))
		}
	}
	b.Text = strings.Join(words, "; ")
	return b
}

func toneWords(h demarc.Holder, tone Tone) string {
	others := h == demarc.HeldByProvider || h == demarc.HeldByThirdParty
	switch {
	case tone == Done && others:
		return "assured"
	case tone == Open && others:
		return "without a report"
	case tone == Done:
		return "done"
	case tone == Open:
		return "not looked at"
	case tone == Blind:
		return "could not be read"
	default:
		return "failing"
	}
}

// HolderBar draws counts by holder, whatever their state.
func HolderBar(counts map[demarc.Holder]int) Bar {
	t := Tallies{}
	for h, n := range counts {
		t.Add(h, Done, n)
	}
	b := t.Bar()
	var words []string
	for _, h := range side {
		if counts[h] > 0 {
			words = append(words, strings.ToLower(HolderName(h))+" "+Number(counts[h]))
		}
	}
	b.Text = strings.Join(words, ", ")
	return b
}

// Series is a curve over time.
type Series struct {
	Points []SeriesPoint
	Max    int    // at the top
	Path   string // of the curve, in a box of 1000 by 200
	Area   string // below it
	Dots   string // at each point
	Text   string
}

// SeriesPoint is one point of a Series.
type SeriesPoint struct {
	X, Y  float64
	Value int
}

// NewSeries draws values, each at its time, the earliest first. What lies below 0 of the scale is not to be had; its top is
// the next round number, and no more than most unless that is 0.
func NewSeries(at []time.Time, values []int, most int) Series {
	s := Series{Max: 1}
	if len(values) == 0 {
		return s
	}
	if top := slices.Max(values); top > 0 {
		s.Max = roundUp(top + top/10 + 1) // so that the curve keeps off the top
	}
	if most > 0 {
		s.Max = min(s.Max, most)
	}
	span := at[len(at)-1].Sub(at[0])
	var path, dots strings.Builder
	for i, v := range values {
		x := 500.0
		if span > 0 {
			x = 1000 * float64(at[i].Sub(at[0])) / float64(span)
		}
		y := 200 - 190*float64(v)/float64(s.Max)
		s.Points = append(s.Points, SeriesPoint{X: x, Y: y, Value: v})
		op := "L"
		if i == 0 {
			op = "M"
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", op, x, y)
		fmt.Fprintf(&dots, "M%.1f %.1fh0", x, y)
	}
	s.Path = path.String()
	if len(s.Points) <= maxDots {
		s.Dots = dots.String()
	}
	if n := len(s.Points); n > 1 {
		s.Area = fmt.Sprintf("%sL%.1f 200L%.1f 200Z", s.Path, s.Points[n-1].X, s.Points[0].X)
	}
	s.Text = fmt.Sprintf("from %s to %s over %s; highest %s", Number(values[0]), Number(values[len(values)-1]), Count(len(values), "scan", "scans"), Number(slices.Max(values)))
	return s
}

// maxDots is how many points are told apart; more are a curve.
const maxDots = 40

// roundUp returns the first of 1, 2, 5, 10, 20, 50, ... that is not less than n.
func roundUp(n int) int {
	for unit := 1; ; unit *= 10 {
		for _, step := range []int{1, 2, 5} {
			if step*unit >= n {
				return step * unit
			}
		}
	}
}
