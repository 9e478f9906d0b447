package demarc

import (
	"slices"
	"strings"
	"time"
)

// Answer is everything that demarc says of one resource.
type Answer struct {
	Resource Resource
	*Standing
	Facts  []NamedFact // that the catalog declares for the service, in its order
	Inside bool        // the guest.* duties count at a more specific resource
}

// Standing is the answers for all duties of a resource. Its parts are shared by all resources that have them in common,
// thousands of them, so they must not be changed; what is worked out from a part can be remembered by its address.
type Standing struct {
	Assignments []*Assignment  // who holds each of Duties, in its order
	Verdicts    []*Verdict     // whether it is done, in the same order
	Teams       []string       // who does the organization's part, in the same order, "" for nobody; nil where no teams are declared
	Beliefs     []Belief       // the duties that the organization is mistaken about, in the same order
	Checks      []CheckOutcome // of every check of the service, in its order
	Unaccepted  DutySet        // the duties that their team has not accepted, or has to again; only a store knows
}

// Belief is a duty that the organization believes to be somebody else's, and that is its own.
type Belief struct {
	Duty       int // index in Duties
	Holder     Holder
	Assumption string // id
}

// Duties goes through the answers for each of Duties, in its order. A DutyAnswer is valid until the next one.
func (s *Standing) Duties(yield func(*DutyAnswer) bool) {
	var d DutyAnswer
	for i := range s.Assignments {
		d = s.Duty(i)
		if !yield(&d) {
			return
		}
	}
}

// Duty returns the answer for the duty at i of Duties.
func (s *Standing) Duty(i int) DutyAnswer {
	d := DutyAnswer{Assignment: s.Assignments[i], Verdict: s.Verdicts[i]}
	if s.Teams != nil && d.Tenant() {
		d.Team, d.Teamless = s.Teams[i], s.Teams[i] == ""
	}
	d.Unaccepted = s.Unaccepted.Has(i)
	for _, b := range s.Beliefs {
		if b.Duty == i {
			d.Believed, d.Assumption = b.Holder, b.Assumption
		}
	}
	return d
}

// Clone returns a copy of a that stays valid when the next Answer is made.
func (a *Answer) Clone() *Answer {
	b := *a
	r := &b.Resource
	r.ID, r.Name, r.Tags = r.ID.Clone(), strings.Clone(r.Name), Tags(strings.Clone(string(r.Tags)))
	b.Facts, r.Origins = slices.Clone(a.Facts), slices.Clone(r.Origins)
	for i := range b.Facts {
		b.Facts[i].Fact.Value = b.Facts[i].Fact.Value.clone()
	}
	return &b
}

// DutyAnswer is the answer for one duty of one resource: who holds it, on what ground, in what state.
type DutyAnswer struct {
	*Assignment
	*Verdict
	Believed   Holder // whom the organization believes to hold what is its own; "" where it is not mistaken
	Assumption string // the id of that belief
	Team       string // who does the organization's part; "" for nobody
	Teamless   bool   // teams are declared, and none of them does the organization's part
	Unaccepted bool   // its team has not accepted it, or has to again; only a store knows
}

// NamedFact is a fact with its name.
type NamedFact struct {
	Name      string
	Fact      Fact
	Sensitive bool // show only whether it is set
}

// Shown returns the value as it may be shown: what is sensitive, and the text of documents, only as set.
func (f NamedFact) Shown() Value {
	if f.Fact.Known() && (f.Sensitive || f.Fact.Value.Type() == TypeDocument) {
		return String("set")
	}
	return f.Fact.Value
}

// Fact returns the fact of that name, or false.
func (a *Answer) Fact(name string) (NamedFact, bool) {
	for i := range a.Facts {
		if a.Facts[i].Name == name {
			return a.Facts[i], true
		}
	}
	return NamedFact{}, false
}

// Because returns the facts that decided a duty, in the order of their names.
func (a *Answer) Because(d *DutyAnswer) []NamedFact {
	var out []NamedFact
	for _, name := range d.Reads {
		if f, ok := a.Fact(name); ok {
			out = append(out, f)
		}
	}
	return out
}

// Run says what a set of answers rests on.
type Run struct {
	Organization string
	Catalog      string // digest of the catalog
	Estate       string // digest of the estate; "" for none
	AsOf         time.Time
	Documents    int64
	Parts        int // documents that became part of another resource
	Interrupted  bool
}

// Gap is why a duty needs somebody's attention; "" for none.
type Gap string

// The gaps. A duty may be several; Gap returns the first in this order.
const (
	GapMisassumed Gap = "misassumed"
	GapFailing    Gap = "failing"
	GapUnowned    Gap = "unowned"
	GapLapsed     Gap = "lapsed"
	GapBlind      Gap = "blind"
	GapUnverified Gap = "unverified"
	GapUnaccepted Gap = "unaccepted"
)

// Gaps lists every gap, worst first.
var Gaps = []Gap{GapMisassumed, GapFailing, GapUnowned, GapLapsed, GapBlind, GapUnverified, GapUnaccepted}

// Gap returns the worst gap of the duty, "" for none.
func (d *DutyAnswer) Gap() Gap {
	switch state := d.State.Gap(); {
	case d.Believed != "":
		return GapMisassumed
	case state == "" && d.Unaccepted:
		return GapUnaccepted
	default:
		return state
	}
}

// HasGap reports whether the duty has that gap, be it the worst or not.
func (d *DutyAnswer) HasGap(g Gap) bool {
	return g == GapMisassumed && d.Believed != "" || g == GapUnaccepted && d.Unaccepted || g != "" && g == d.State.Gap()
}

// Gap returns the gap that a state is, "" for none.
func (s State) Gap() Gap {
	switch s {
	case Failing:
		return GapFailing
	case NobodysDuty:
		return GapUnowned
	case Lapsed:
		return GapLapsed
	case Blind:
		return GapBlind
	case Unverified:
		return GapUnverified
	default:
		return ""
	}
}

// Severity returns how bad the gap of the duty is: that of its worst failing or unknown check, high for what nobody
// owns or somebody is mistaken about, and low for what nobody has looked at.
func (d *DutyAnswer) Severity() Severity {
	worst := Low
	switch d.Gap() {
	case GapMisassumed, GapUnowned, GapLapsed:
		worst = High
	default:
	}
	for _, c := range d.Checks {
		if c.Result == CheckFail && d.State == Failing || c.Result == CheckUnknown && d.State == Blind {
			worst = max(worst, c.Severity)
		}
	}
	return worst
}
