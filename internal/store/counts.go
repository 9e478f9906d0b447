package store

import (
	"slices"

	"github.com/demarc/demarc"
)

// counts are the numbers of a tally, a byte each: what one duty, or all 56 of a resource, add to it. Eight are added at
// a time; none can pass 56.
type counts [countWords]uint64

const (
	countDuties = iota
	countYours
	countProven
	countAttested
	countOthers
	countAssured
	countNobodys
	countUnknown
	countDelegated
	countAssumed
	countTeamless
	countHolders
	countStates = countHolders + 6
	countGaps   = countStates + 12
	numCounts   = countGaps + 7
	countWords  = (numCounts + 7) / 8
)

func (c *counts) set(at int) { c[at/8] |= 1 << (8 * (at % 8)) }

func (c *counts) add(d *counts) {
	for i := range c {
		c[i] += d[i]
	}
}

// sums are the numbers of a tally over many resources.
type sums [numCounts]int64

func (s *sums) add(c *counts, times int64) {
	for i := range numCounts {
		s[i] += int64(c[i/8]>>(8*(i%8))&0xff) * times
	}
}

// countsOf returns what a duty adds to a tally.
func countsOf(d *demarc.DutyAnswer) (c counts) {
	if d.Holder == demarc.NotApplicable {
		return c
	}
	c.set(countDuties)
	c.set(countHolders + slices.Index(demarc.Holders, d.Holder))
	if d.Assumed {
		c.set(countAssumed)
	}
	if d.Teamless {
		c.set(countTeamless)
	}
	others := d.State
	switch {
	case d.Holder == demarc.Unowned:
		c.set(countNobodys)
	case d.Tenant():
		c.set(countYours)
		c.set(countStates + slices.Index(demarc.States, d.State))
		switch d.State {
		case demarc.Met:
			c.set(countProven)
		case demarc.Attested:
			c.set(countAttested)
		case demarc.Blind:
			c.set(countUnknown)
		default:
		}
		others = d.Counterpart
	case d.Engaged != "":
		c.set(countDelegated)
		others = d.Counterpart
	}
	switch others {
	case demarc.Assured:
		c.set(countOthers)
		c.set(countAssured)
	case demarc.Unassured:
		c.set(countOthers)
	default:
	}
	if g := d.Gap(); g != "" {
		c.set(countGaps + slices.Index(demarc.Gaps, g))
	}
	return c
}

// tally returns the sums in the words of the domain.
func (s *sums) tally() demarc.Tally {
	t := demarc.Tally{
		Duties:  int(s[countDuties]),
		Yours:   demarc.Score{Total: int(s[countYours]), Proven: int(s[countProven]), Attested: int(s[countAttested])},
		Others:  demarc.Score{Total: int(s[countOthers]), Proven: int(s[countAssured])},
		Nobodys: int(s[countNobodys]), Unknown: int(s[countUnknown]), Delegated: int(s[countDelegated]), Assumed: int(s[countAssumed]), Teamless: int(s[countTeamless]),
		Holders: map[demarc.Holder]int{}, States: map[demarc.State]int{}, Gaps: map[demarc.Gap]int{},
	}
	fill(t.Holders, demarc.Holders, s[countHolders:])
	fill(t.States, demarc.States, s[countStates:])
	fill(t.Gaps, demarc.Gaps, s[countGaps:])
	t.Unaccepted = 0
	return t
}

func fill[K comparable](m map[K]int, keys []K, from []int64) {
	for i, k := range keys {
		if from[i] != 0 {
			m[k] = int(from[i])
		}
	}
}
