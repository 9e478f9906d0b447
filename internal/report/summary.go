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
	tallies  map[demarc.ServiceID]map[tallyKey]*tally
	made     int      // tallies
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

// tally is a duty as many resources of a service have it. What it comes to is worked out for the first of them, and at the end.
type tally struct {
	duty      demarc.DutyAnswer
	resources int
	gaps      []*GapGroup
	believed  *BelievedGroup // nil where nobody is mistaken
	examples  bool           // one of its groups has room for more
}

type tallyKey struct {
	assignment *demarc.Assignment
	verdict    *demarc.Verdict
	believed   demarc.Holder
	teamless   bool
	unaccepted bool
}

const maxTallies = 1 << 14 // when there are as many, they are counted and made anew

// Summarize returns what answers come to. about says what they rest on, which is known when all of them were gone through.
func Summarize(answers iter.Seq[*demarc.Answer], about func() demarc.Run) *Summary {
	s := &Summary{
		Models: map[string]map[string]int{}, Layers: map[demarc.Layer]map[demarc.Holder]int{}, States: map[demarc.State]int{},
		gaps: map[gapKey]*GapGroup{}, believed: map[believedKey]*BelievedGroup{}, blind: map[blindKey]*BlindGroup{}, tallies: map[demarc.ServiceID]map[tallyKey]*tally{},
	}
	for a := range answers {
		s.add(a)
	}
	s.settle()
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
	if s.made >= maxTallies {
		s.settle()
	}
	service := a.Resource.Service
	tallies := s.tallies[service]
	if tallies == nil {
		tallies = map[tallyKey]*tally{}
		s.tallies[service] = tallies
	}
	hidden := s.hidden[:0]
	for d := range a.Duties {
		if d.Holder == demarc.NotApplicable || a.Inside && d.Duty.Layer() == "guest" {
			continue
		}
		key := tallyKey{d.Assignment, d.Verdict, d.Believed, d.Teamless, d.Unaccepted}
		t := tallies[key]
		if t == nil {
			t = &tally{duty: *d, examples: true}
			s.group(t, service)
			tallies[key] = t
			s.made++
		}
		t.resources++
		if t.examples {
			t.examples = t.exemplify(a.Resource.ID)
		}
		if d.State == demarc.Blind {
			hidden = append(hidden, d.Verdict.Missing...)
		}
	}
	if s.hidden = hidden; len(hidden) > 0 {
		s.addBlind(a, hidden)
	}
}

// exemplify gives the groups of a tally an example, and reports whether there is room for another.
func (t *tally) exemplify(id demarc.ResourceID) bool {
	room := false
	for _, g := range t.gaps {
		room = addExample(&g.Examples, id) || room
	}
	if t.believed != nil {
		room = addExample(&t.believed.Examples, id) || room
	}
	return room
}

func addExample(list *[]demarc.ResourceID, id demarc.ResourceID) (room bool) {
	if len(*list) < examples {
		*list = append(*list, id)
	}
	return len(*list) < examples
}

// settle counts what all tallies come to, and forgets them.
func (s *Summary) settle() {
	for _, tallies := range s.tallies {
		for _, t := range tallies {
			s.count(&t.duty, t.resources)
			for _, g := range t.gaps {
				g.Count += t.resources
			}
			if t.believed != nil {
				t.believed.Count += t.resources
			}
		}
	}
	clear(s.tallies)
	s.made = 0
}

// count counts a duty n times.
func (s *Summary) count(d *demarc.DutyAnswer, n int) {
	layer := d.Duty.Layer()
	if s.Layers[layer] == nil {
		s.Layers[layer] = map[demarc.Holder]int{}
	}
	s.Layers[layer][d.Holder] += n
	if d.Assumed {
		s.Assumed += n
	}
	others := d.State
	switch {
	case d.Holder == demarc.Unowned:
		s.Nobodys += n
	case d.Tenant() || d.Engaged != "":
		if d.Tenant() {
			s.Yours.Total += n
			s.States[d.State] += n
			switch d.State {
			case demarc.Met:
				s.Yours.Proven += n
			case demarc.Attested:
				s.Yours.Attested += n
			case demarc.Blind:
				s.Blind += n
			default:
			}
		}
		others = d.Counterpart
	}
	switch others {
	case demarc.Assured:
		s.Others.Total += n
		s.Others.Proven += n
	case demarc.Unassured:
		s.Others.Total += n
	default:
	}
	if d.Teamless {
		s.Teamless += n
	}
}

// group finds the groups that a duty is in.
func (s *Summary) group(t *tally, service demarc.ServiceID) {
	d := &t.duty
	if d.Believed != "" {
		t.believed = s.believedGroup(service, d)
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
				t.gaps = append(t.gaps, s.gapGroup(gapKey{gap, d.Duty, service, c.ID}, c.Severity))
			}
		}
	default:
		t.gaps = append(t.gaps, s.gapGroup(gapKey{gap, d.Duty, service, ""}, d.Severity()))
	}
}

func (s *Summary) gapGroup(k gapKey, severity demarc.Severity) *GapGroup {
	g := s.gaps[k]
	if g == nil {
		g = &GapGroup{Gap: k.gap, Severity: severity, Duty: k.duty, Service: k.service, Check: k.check}
		s.gaps[k] = g
	}
	g.Severity = max(g.Severity, severity)
	return g
}

func (s *Summary) believedGroup(service demarc.ServiceID, d *demarc.DutyAnswer) *BelievedGroup {
	because := Ground(d)
	k := believedKey{d.Duty, service, because}
	g := s.believed[k]
	if g == nil {
		g = &BelievedGroup{Duty: d.Duty, Service: service, Believed: d.Believed, Holder: d.Holder, Because: because}
		s.believed[k] = g
	}
	return g
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
			addExample(&g.Examples, a.Resource.ID)
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
