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

// sums are the numbers of a tally over many resources. Counts are gathered in lanes of 16 bits, four at a time, and added
// to the totals before a lane can overflow.
type sums struct {
	lanes   [2 * countWords]uint64
	pending int64
	totals  [numCounts]int64
}

const (
	everySecondByte = 0x00ff00ff00ff00ff
	maxPending      = 0xffff / numDuties
)

func (s *sums) add(c *counts, times int64) {
	if times > maxPending {
		for i := range numCounts {
			s.totals[i] += int64(c[i/8]>>(8*(i%8))&0xff) * times
		}
		return
	}
	if s.pending += times; s.pending > maxPending {
		s.flush()
		s.pending = times
	}
	for i, word := range c {
		s.lanes[2*i] += word & everySecondByte * uint64(times)
		s.lanes[2*i+1] += word >> 8 & everySecondByte * uint64(times)
	}
}

func (s *sums) flush() {
	for i := range numCounts {
		s.totals[i] += int64(s.lanes[2*(i/8)+i%2] >> (16 * (i % 8 / 2)) & 0xffff)
	}
	s.lanes, s.pending = [2 * countWords]uint64{}, 0
}

// numbers returns the totals.
func (s *sums) numbers() *[numCounts]int64 {
	s.flush()
	return &s.totals
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
	n := s.numbers()
	t := demarc.Tally{
		Duties:  int(n[countDuties]),
		Yours:   demarc.Score{Total: int(n[countYours]), Proven: int(n[countProven]), Attested: int(n[countAttested])},
		Others:  demarc.Score{Total: int(n[countOthers]), Proven: int(n[countAssured])},
		Nobodys: int(n[countNobodys]), Unknown: int(n[countUnknown]), Delegated: int(n[countDelegated]), Assumed: int(n[countAssumed]), Teamless: int(n[countTeamless]),
		Holders: map[demarc.Holder]int{}, States: map[demarc.State]int{}, Gaps: map[demarc.Gap]int{},
	}
	fill(t.Holders, demarc.Holders, n[countHolders:])
	fill(t.States, demarc.States, n[countStates:])
	fill(t.Gaps, demarc.Gaps, n[countGaps:])
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
