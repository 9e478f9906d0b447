package estate

import (
	"encoding/binary"
	"slices"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
)

// Declared is what the declarations of an estate come to for a resource, as of a day. What many resources have in common
// is shared, and must not be changed.
type Declared struct {
	Bindings     *Places  // by role: the first binding that gives it to a party
	Engagements  *Places  // by duty: the first engagement that takes it and is in force, else the first that has ended
	Assumptions  *Places  // by duty: the first assumption that it is somebody else's
	Teams        []string // by duty: the first team whose it is, "" for none; nil where no teams are declared
	Attestations *Places  // by duty: the first attestation of it that is in force
	Assurances   *Places  // the reports that cover service and region and are in force
	Exceptions   *Places  // those that are in force
}

// Places are declarations by their places in a list of the Estate. Equal Places of one Selector are one, as long as they
// are remembered. A nil one names none.
type Places struct {
	Number uint32 // tells them from all others of the Selector, from 1
	List   []int  // by role or by duty, with -1 for none; or ascending
}

// At returns the declaration for the role or the duty at i, -1 for none.
func (p *Places) At(i int) int {
	if p == nil {
		return -1
	}
	return p.List[i]
}

// All returns the list.
func (p *Places) All() []int {
	if p == nil {
		return nil
	}
	return p.List
}

// ask asks every declaration that may be about r.
func (s *Selector) ask(r *demarc.Resource) *Declared {
	for i, variable := range s.guards {
		s.guarding[i] = rule.ValueOf(r, variable)
	}
	about := &s.about
	for kind := range about {
		about[kind] = s.wheres[kind].about(r, s.guarding, about[kind][:0])
	}
	e, duties := s.est, len(demarc.Duties)
	for _, i := range about[bindings] {
		s.bound[i].Store(true)
	}
	named := s.teams(s.places(s.assigned(about[teams])))
	team := func(d int) string {
		if named == nil {
			return ""
		}
		return named[d]
	}
	return &Declared{
		Bindings: s.places(s.firsts(demarc.NumRoles, about[bindings], func(role, i int) bool {
			_, ok := e.Bindings[i].Roles[demarc.Role(role)]
			return ok
		})),
		Engagements: s.places(s.firsts(duties, about[engagements], func(d, i int) bool {
			return e.Engagements[i].Covers(demarc.Duties[d]) && e.Engagements[i].InForce(s.asOf)
		}, func(d, i int) bool {
			return e.Engagements[i].Covers(demarc.Duties[d]) && e.Engagements[i].Ended(s.asOf)
		})),
		Assumptions: s.places(s.firsts(duties, about[assumptions], func(d, i int) bool {
			a := &e.Assumptions[i]
			return a.Covers(demarc.Duties[d]) && (a.Holder == demarc.HeldByProvider || a.Holder == demarc.HeldByThirdParty || a.Holder == demarc.NotApplicable)
		})),
		Teams: named,
		Attestations: s.places(s.firsts(duties, about[attestations], func(d, i int) bool {
			a := &e.Attestations[i]
			return a.Covers(demarc.Duties[d]) && a.InForce(s.asOf) && Among(a.Teams, team(d))
		})),
		Assurances: s.places(slices.DeleteFunc(about[assurances], func(i int) bool { return !e.Assurances[i].InForce(s.asOf) })),
		Exceptions: s.places(slices.DeleteFunc(about[exceptions], func(i int) bool { return !e.Exceptions[i].InForce(s.asOf) })),
	}
}

// assigned returns for each duty the first of some teams that covers it, whatever comes after, -1 for none; nil if there is none at
// all. A team that takes over from some teams alone is passed over where another would do the duty.
func (s *Selector) assigned(of []int) []int {
	list := s.est.Teams
	if !slices.ContainsFunc(of, func(i int) bool { return list[i].Teams != nil }) {
		return s.firsts(len(demarc.Duties), of, func(d, i int) bool { return list[i].Covers(demarc.Duties[d]) })
	}
	var out []int
	for d, duty := range demarc.Duties {
		place, team := -1, ""
		for _, i := range slices.Backward(of) {
			if t := &list[i]; t.Covers(duty) && Among(t.Teams, team) {
				place, team = i, t.Team
			}
		}
		if out == nil && place >= 0 {
			out = s.nowhere(len(demarc.Duties))
		}
		if out != nil {
			out[d] = place
		}
	}
	return out
}

// firsts returns for each of n roles or duties the first of some declarations of which the first question is true, else
// the first of which the next is, else -1; nil if there is none at all. The list is overwritten by the next call.
func (s *Selector) firsts(n int, of []int, questions ...func(at, place int) bool) []int {
	if len(of) == 0 {
		return nil
	}
	var out []int
	for at := range n {
		for _, is := range questions {
			k := slices.IndexFunc(of, func(place int) bool { return is(at, place) })
			if k < 0 {
				continue
			}
			if out == nil {
				out = s.nowhere(n)
			}
			out[at] = of[k]
			break
		}
	}
	return out
}

// nowhere returns n times -1, in memory that is used again.
func (s *Selector) nowhere(n int) []int {
	s.firstsOf = s.firstsOf[:0]
	for range n {
		s.firstsOf = append(s.firstsOf, -1)
	}
	return s.firstsOf
}

// places returns the Places of a list, which is copied.
func (s *Selector) places(list []int) *Places {
	if len(list) == 0 {
		return nil
	}
	says := s.says[:0]
	for _, i := range list {
		says = binary.AppendVarint(says, int64(i))
	}
	s.says = says
	p := s.same[string(says)]
	if p == nil {
		s.met++
		p = &Places{s.met, slices.Clone(list)}
		remember(s.same, string(says), p, s.memory/placesSize)
	}
	return p
}

// teams returns the names of the teams at some places.
func (s *Selector) teams(places *Places) []string {
	if len(s.est.Teams) == 0 {
		return nil
	}
	names := s.named[places]
	if names == nil {
		names = make([]string, len(demarc.Duties))
		for d := range names {
			if i := places.At(d); i >= 0 {
				names[d] = s.est.Teams[i].Team
			}
		}
		remember(s.named, places, names, s.memory/placesSize)
	}
	return names
}
