package moves

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// scan is what moved between one scan and the one before it.
type scan struct {
	demarc.Scan
	Shifts []shift
	ToUs   int // duties of resources that came to the organization
	Away   int
}

// shift is what moved from one holder to another for one reason.
type shift struct {
	demarc.MoveGroup // of the first duty of it; its Count is of all
	What             []what
}

// what is a duty that moved, for all resources of the services that it moved for.
type what struct {
	Duty     demarc.DutyID
	Services []demarc.ServiceID
	Count    int
}

// shifts gathers groups that have but one reason. Those to the organization come first, then the largest.
func shifts(groups []demarc.MoveGroup) []shift {
	type key struct {
		from, to         demarc.Holder
		toUs             bool
		setting, because string
		cause            demarc.Cause
	}
	at := map[key]int{}
	var out []shift
	for _, g := range groups {
		k := key{g.From, g.To, g.ToUs, g.Setting, g.Because, g.Cause}
		if k.cause == demarc.CauseDeclaration || k.cause == demarc.CauseTime {
			k.setting = "" // the duties have each their text, and one reason
		}
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, shift{MoveGroup: g})
			out[i].Count = 0
		}
		out[i].add(&g)
	}
	slices.SortStableFunc(out, func(a, b shift) int {
		if a.ToUs != b.ToUs {
			if a.ToUs {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Count, a.Count)
	})
	return out
}

func (s *shift) add(g *demarc.MoveGroup) {
	s.Count += g.Count
	for i := range s.What {
		if w := &s.What[i]; w.Duty == g.Duty {
			w.Count += g.Count
			w.Services = append(w.Services, g.Service)
			return
		}
	}
	s.What = append(s.What, what{Duty: g.Duty, Services: []demarc.ServiceID{g.Service}, Count: g.Count})
}

// tide is the moves of scans as a picture: what came to the organization above the middle, what went elsewhere below it. It is
// drawn in a box of 1000 by 140.
type tide struct {
	Bars []tideBar
	Rest []struct{} // columns without a bar
	Text string
}

type tideBar struct {
	Scan          demarc.ScanID
	X, Width      float64
	Up, UpY, Down float64 // heights, and where the upper begins
	ToUs, Away    int
	Title, Link   string
}

const tideMiddle = 70

// newTide draws scans, the newest first, from the left to the right.
func newTide(scans []scan, link func(demarc.ScanID) string) tide {
	var t tide
	most := 1
	for _, s := range scans {
		most = max(most, s.ToUs, s.Away)
	}
	columns := max(len(scans), 3) // few bars are no broader than that
	step := 1000 / float64(columns)
	t.Rest = make([]struct{}, columns-len(scans))
	var words []string
	for i, s := range slices.Backward(scans) {
		b := tideBar{Scan: s.ID, Width: step * .7, X: step * (float64(len(scans)-1-i) + .15), ToUs: s.ToUs, Away: s.Away, Link: link(s.ID)}
		height := func(n int) float64 {
			if n == 0 {
				return 0
			}
			return max(1.5, 54*float64(n)/float64(most))
		}
		b.Up, b.Down = height(s.ToUs), height(s.Away)
		b.UpY = tideMiddle - b.Up
		b.Title = fmt.Sprintf("scan %d of %s: %s to you, %s elsewhere", s.ID, web.Day(s.Finished), web.Number(s.ToUs), web.Number(s.Away))
		words = append(words, b.Title)
		t.Bars = append(t.Bars, b)
	}
	t.Text = strings.Join(words, "; ")
	return t
}

// Centre is the middle of the bar.
func (b tideBar) Centre() float64 { return b.X + b.Width/2 }

// Services names the services that a shift is about.
func (data) Services(r *web.Request, s shift) string {
	var out []string
	for _, w := range s.What {
		for _, id := range w.Services {
			if title := r.Service(id); !slices.Contains(out, title) {
				out = append(out, title)
			}
		}
	}
	return strings.Join(out, ", ")
}
