package report

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/demarc/demarc"
)

// Summary is what a run comes to for people. Nothing of its answers is kept but counts and a few examples.
type Summary struct {
	Run       demarc.Run
	Resources int
	Implied   int

	Models map[string]map[string]int // provider to service model to resources
	Layers map[demarc.Layer]map[demarc.Holder]int
	States map[demarc.State]int // of duties that the organization has a part in

	Yours    Score // proven: met; attested beside it
	Others   Score // of the provider and third parties: proven is assured
	Nobodys  int
	Blind    int // of yours: somebody tried to look and could not
	Assumed  int // answers that a missing fact would settle
	Teamless int

	gaps     map[gapKey]*GapGroup
	believed map[believedKey]*BelievedGroup
	blind    map[blindKey]*BlindGroup
	hidden   []string // scratch
}

// Partial tells people that a run was interrupted.
const Partial = "Interrupted: this is what was read and judged by then, and not all there is."

// Score counts duties.
type Score struct{ Total, Proven, Attested int }

// Percent returns the share that is proven, rounded down, so that 100 means all.
func (s Score) Percent() int {
	if s.Total == 0 {
		return 0
	}
	return 100 * s.Proven / s.Total
}

// GapGroup is one gap of one duty, for all resources of a service that have it for the same reason.
type GapGroup struct {
	Gap      demarc.Gap
	Severity demarc.Severity
	Duty     demarc.DutyID
	Service  demarc.ServiceID
	Check    string // of a failing or blind duty, "" otherwise
	Count    int
	Examples []demarc.ResourceID
}

// BelievedGroup is a duty that is believed to be somebody else's and is not, for all resources of a service.
type BelievedGroup struct {
	Duty     demarc.DutyID
	Service  demarc.ServiceID
	Believed demarc.Holder
	Holder   demarc.Holder
	Because  string // why it is the organization's
	Count    int
	Examples []demarc.ResourceID
}

// BlindGroup is a fact that could not be read, for all resources of a service.
type BlindGroup struct {
	Service  demarc.ServiceID
	Fact     string
	Origin   demarc.Origin
	Count    int // resources
	Duties   int // that it hides
	Examples []demarc.ResourceID
}

type (
	gapKey struct {
		gap     demarc.Gap
		duty    demarc.DutyID
		service demarc.ServiceID
		check   string
	}
	believedKey struct {
		duty    demarc.DutyID
		service demarc.ServiceID
		because string
	}
	blindKey struct {
		service demarc.ServiceID
		fact    string
		origin  demarc.Origin
	}
)

const examples = 3

// Summarize returns what answers come to. about says what they rest on, which is known when all of them were gone through.
func Summarize(answers iter.Seq[*demarc.Answer], about func() demarc.Run) *Summary {
	s := &Summary{
		Models: map[string]map[string]int{}, Layers: map[demarc.Layer]map[demarc.Holder]int{}, States: map[demarc.State]int{},
		gaps: map[gapKey]*GapGroup{}, believed: map[believedKey]*BelievedGroup{}, blind: map[blindKey]*BlindGroup{},
	}
	for a := range answers {
		s.add(a)
	}
	s.Run = about()
	return s
}

func (s *Summary) add(a *demarc.Answer) {
	s.Resources++
	if a.Resource.Implied {
		s.Implied++
	}
	provider := a.Resource.Provider
	if s.Models[provider] == nil {
		s.Models[provider] = map[string]int{}
	}
	model := a.Resource.Model
	if a.Resource.Service == "unclassified" {
		model = "unclassified"
	}
	s.Models[provider][model]++
	s.hidden = s.hidden[:0]
	for d := range a.Duties {
		if d.Holder == demarc.NotApplicable || a.Inside && d.Duty.Layer() == "guest" {
			continue
		}
		layer := d.Duty.Layer()
		if s.Layers[layer] == nil {
			s.Layers[layer] = map[demarc.Holder]int{}
		}
		s.Layers[layer][d.Holder]++
		s.count(a, d)
	}
	s.addBlind(a, s.hidden)
}

func (s *Summary) count(a *demarc.Answer, d *demarc.DutyAnswer) {
	if d.Assumed {
		s.Assumed++
	}
	others := d.State
	switch {
	case d.Holder == demarc.Unowned:
		s.Nobodys++
	case d.Tenant() || d.Engaged != "":
		if d.Tenant() {
			s.Yours.Total++
			s.States[d.State]++
			switch d.State {
			case demarc.Met:
				s.Yours.Proven++
			case demarc.Attested:
				s.Yours.Attested++
			case demarc.Blind:
				s.Blind++
			default:
			}
		}
		others = d.Counterpart
	}
	switch others {
	case demarc.Assured:
		s.Others.Total++
		s.Others.Proven++
	case demarc.Unassured:
		s.Others.Total++
	default:
	}
	if d.Teamless {
		s.Teamless++
	}
	if d.Believed != "" {
		s.addBelieved(a, d)
	}
	if d.State == demarc.Blind {
		s.hidden = append(s.hidden, d.Verdict.Missing...)
	}
	gap := d.Gap()
	if gap == demarc.GapMisassumed { // told on its own, and the state beside it
		switch d.State {
		case demarc.Failing:
			gap = demarc.GapFailing
		case demarc.Blind:
			gap = demarc.GapBlind
		default:
			return
		}
	}
	switch gap {
	case "":
		return
	case demarc.GapFailing, demarc.GapBlind:
		want := demarc.CheckFail
		if gap == demarc.GapBlind {
			want = demarc.CheckUnknown
		}
		for _, c := range d.Checks {
			if c.Result == want {
				s.addGap(gapKey{gap, d.Duty, a.Resource.Service, c.ID}, c.Severity, a.Resource.ID)
			}
		}
	default:
		s.addGap(gapKey{gap, d.Duty, a.Resource.Service, ""}, d.Severity(), a.Resource.ID)
	}
}

func (s *Summary) addGap(k gapKey, severity demarc.Severity, id demarc.ResourceID) {
	g := s.gaps[k]
	if g == nil {
		g = &GapGroup{Gap: k.gap, Severity: severity, Duty: k.duty, Service: k.service, Check: k.check}
		s.gaps[k] = g
	}
	g.Count++
	g.Severity = max(g.Severity, severity)
	if len(g.Examples) < examples {
		g.Examples = append(g.Examples, id.Clone())
	}
}

func (s *Summary) addBelieved(a *demarc.Answer, d *demarc.DutyAnswer) {
	because := Ground(d)
	k := believedKey{d.Duty, a.Resource.Service, because}
	g := s.believed[k]
	if g == nil {
		g = &BelievedGroup{Duty: d.Duty, Service: a.Resource.Service, Believed: d.Believed, Holder: d.Holder, Because: because}
		s.believed[k] = g
	}
	g.Count++
	if len(g.Examples) < examples {
		g.Examples = append(g.Examples, a.Resource.ID.Clone())
	}
}

// addBlind counts the facts of a resource that could not be read, each as often as it hides a duty.
func (s *Summary) addBlind(a *demarc.Answer, facts []string) {
	for i, name := range facts {
		f, _ := a.Fact(name)
		k := blindKey{a.Resource.Service, name, f.Fact.Origin}
		g := s.blind[k]
		if g == nil {
			g = &BlindGroup{Service: k.service, Fact: name, Origin: k.origin}
			s.blind[k] = g
		}
		g.Duties++
		if !slices.Contains(facts[:i], name) {
			g.Count++
			if len(g.Examples) < examples {
				g.Examples = append(g.Examples, a.Resource.ID.Clone())
			}
		}
	}
}

// Ground says in a sentence why a duty is held as it is: the deciding line, engagement or binding, else the part.
func Ground(d *demarc.DutyAnswer) string {
	for _, b := range slices.Backward(d.Basis) {
		if b.Kind != demarc.BasisArchetype && b.Kind != demarc.BasisService {
			return b.Because
		}
	}
	if d.Why != "" {
		return d.Why
	}
	for _, p := range d.Parts {
		if p.Party == demarc.Self {
			return p.Text
		}
	}
	for _, p := range d.Parts {
		return p.Text
	}
	return ""
}

// Readings says what a resource has to say of the facts that a duty reads, as "fact = value" joined by commas.
func Readings(a *demarc.Answer, reads []string) string {
	var b strings.Builder
	for _, name := range reads {
		f, ok := a.Fact(name)
		if !ok {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name)
		if f.Fact.Known() {
			b.WriteString(" = ")
			b.WriteString(quoted(f.Shown()))
		} else {
			b.WriteString(" unknown")
		}
		if !f.Fact.Known() || f.Fact.Origin != demarc.Read {
			b.WriteString(" (")
			b.WriteString(f.Fact.Origin.String())
			b.WriteString(")")
		}
	}
	return b.String()
}

func quoted(v demarc.Value) string {
	if v.Type() == demarc.TypeString && v.AsString() == "" {
		return `""`
	}
	return v.String()
}

// Gaps returns the gaps, worst and most frequent first.
func (s *Summary) Gaps() []*GapGroup {
	var out []*GapGroup
	for _, g := range s.gaps {
		out = append(out, g)
	}
	rank := func(g demarc.Gap) int { return slices.Index(demarc.Gaps, g) }
	slices.SortFunc(out, func(a, b *GapGroup) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(rank(a.Gap), rank(b.Gap)), cmp.Compare(b.Count, a.Count),
			strings.Compare(string(a.Service), string(b.Service)), strings.Compare(string(a.Duty), string(b.Duty)), strings.Compare(a.Check, b.Check))
	})
	return out
}

// Believed returns what is misassumed, most frequent first.
func (s *Summary) Believed() []*BelievedGroup {
	var out []*BelievedGroup
	for _, g := range s.believed {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *BelievedGroup) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(string(a.Service), string(b.Service)), strings.Compare(string(a.Duty), string(b.Duty)), strings.Compare(a.Because, b.Because))
	})
	return out
}

// BlindSpots returns the facts that could not be read, those that hide most duties first.
func (s *Summary) BlindSpots() []*BlindGroup {
	var out []*BlindGroup
	for _, g := range s.blind {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *BlindGroup) int {
		return cmp.Or(cmp.Compare(b.Duties, a.Duties), strings.Compare(string(a.Service), string(b.Service)), strings.Compare(a.Fact, b.Fact))
	})
	return out
}

// Providers returns the providers, sorted.
func (s *Summary) Providers() []string {
	var out []string
	for p := range s.Models {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}
