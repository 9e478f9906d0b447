package demarc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Share says how much of a duty a holder leaves with the organization: 2 all of it, 1 a part, 0 nothing.
func (h Holder) Share() int {
	switch h {
	case HeldByCustomer:
		return 2
	case HeldShared:
		return 1
	default:
		return 0
	}
}

// String is the change as a person reads it: "minor_upgrades: true → false".
func (c Change) String() string {
	return fmt.Sprintf("%s: %s → %s", c.Fact, c.Old.text(), c.New.text())
}

// text is the value as a person reads it.
func (f Fact) text() string {
	if f.Value.Type() == TypeString && f.Value.AsString() == "" {
		return `""`
	}
	return f.Value.String()
}

// Setting is the deciding facts that changed, joined by commas; "" where none did.
func (m *Move) Setting() string {
	out := make([]string, len(m.Because))
	for i, c := range m.Because {
		out[i] = c.String()
	}
	return strings.Join(out, ", ")
}

// Rule returns the step that made the difference: the last that the answer rests on now and did not before; else, with
// ceased, the last that it rested on and does no more; else the last that it rests on.
func (m *Move) Rule() (rule Basis, ceased bool) {
	in := func(list []Basis, b Basis) bool {
		return slices.ContainsFunc(list, func(x Basis) bool { return x.Kind == b.Kind && x.ID == b.ID })
	}
	for _, b := range slices.Backward(m.To.Basis) {
		if !in(m.From.Basis, b) {
			return b, false
		}
	}
	for _, b := range slices.Backward(m.From.Basis) {
		if !in(m.To.Basis, b) {
			return b, true
		}
	}
	if n := len(m.To.Basis); n > 0 {
		return m.To.Basis[n-1], false
	}
	return Basis{}, false
}

// RuleText is the rule as a person reads it: "line:minor-upgrades-off", or "no longer line:minor-upgrades-on".
func (m *Move) RuleText() string {
	switch rule, ceased := m.Rule(); {
	case rule.ID == "":
		return ""
	case ceased:
		return "no longer " + rule.String()
	default:
		return rule.String()
	}
}

// Ground says in a sentence why a duty is held as it is: the deciding line, engagement or binding, else the part.
func (a *Assignment) Ground() string {
	for _, b := range slices.Backward(a.Basis) {
		if b.Kind != BasisArchetype && b.Kind != BasisService {
			return b.Because
		}
	}
	if a.Why != "" {
		return a.Why
	}
	for _, p := range a.Parts {
		if p.Party == Self {
			return p.Text
		}
	}
	for _, p := range a.Parts {
		return p.Text
	}
	return ""
}

// MoveGroups gathers moves of one duty for the same reason, for all resources of a service. The zero MoveGroups are none.
type MoveGroups struct {
	found map[moveKey]*MoveGroup
}

type moveKey struct {
	duty             DutyID
	service          ServiceID
	from, to         Holder
	setting, because string
	cause            Cause
}

// MaxExamples is how many resources a group names.
const MaxExamples = 3

// Add adds a move.
func (g *MoveGroups) Add(m *Move) {
	k := moveKey{m.Duty, m.Resource.Service, m.From.Holder, m.To.Holder, m.Setting(), m.To.Ground(), m.Cause}
	x := g.found[k]
	if x == nil {
		if g.found == nil {
			g.found = map[moveKey]*MoveGroup{}
		}
		x = &MoveGroup{Duty: k.duty, Service: k.service, From: k.from, To: k.to, ToUs: m.ToUs, Setting: k.setting, Because: k.because, Cause: k.cause, FirstSeen: m.FirstSeen}
		rule, _ := m.Rule()
		x.Rule, x.URL = m.RuleText(), rule.URL
		g.found[k] = x
	}
	x.Count++
	if m.FirstSeen.Scan < x.FirstSeen.Scan {
		x.FirstSeen = m.FirstSeen
	}
	if len(x.Examples) < MaxExamples && !slices.Contains(x.Examples, m.Resource.ID) {
		x.Examples = append(x.Examples, m.Resource.ID)
	}
}

// List returns the groups: those to the organization first, then the most frequent.
func (g *MoveGroups) List() []MoveGroup {
	out := []MoveGroup{}
	for _, x := range g.found {
		slices.Sort(x.Examples)
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b MoveGroup) int {
		if a.ToUs != b.ToUs {
			if a.ToUs {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(DutyIndex(a.Duty), DutyIndex(b.Duty)), strings.Compare(string(a.Service), string(b.Service)),
			strings.Compare(a.Setting, b.Setting), strings.Compare(a.Because, b.Because), strings.Compare(string(a.From), string(b.From)), strings.Compare(string(a.To), string(b.To)), strings.Compare(string(a.Cause), string(b.Cause)))
	})
	return out
}
