package report

import (
	"iter"
	"slices"

	"github.com/demarc/demarc"
)

// Moves compares two sequences of answers, each sorted by id. It returns the moves, those to the organization first, and
// how many resources are only in one of them. cause says what made a duty change hands, by the deciding facts that are
// not what they were.
func Moves(before, after iter.Seq[*demarc.Answer], cause func(changes []demarc.Change) demarc.Cause) (groups []demarc.MoveGroup, added, removed int) {
	var found demarc.MoveGroups
	for a, b := range pairs(before, after) {
		switch {
		case b == nil:
			removed++
			continue
		case a == nil:
			added++
			continue
		}
		kept := false
		for d := range a.Assignments {
			x, y := a.Assignments[d], b.Assignments[d]
			if x.Holder == y.Holder && slices.Equal(x.Parties, y.Parties) {
				continue
			}
			if !kept {
				a, b, kept = a.Clone(), b.Clone(), true // moves outlive answers
			}
			changes := changed(a, b, x, y)
			found.Add(&demarc.Move{Resource: b.Resource, Duty: x.Duty, From: x, To: y, ToUs: y.Holder.Share() > x.Holder.Share(), Because: changes, Cause: cause(changes)})
		}
	}
	return found.List(), added, removed
}

// pairs goes through two sequences that are sorted by id side by side. What is only in one of them has nil beside it.
func pairs(before, after iter.Seq[*demarc.Answer]) iter.Seq2[*demarc.Answer, *demarc.Answer] {
	return func(yield func(a, b *demarc.Answer) bool) {
		nextA, stopA := iter.Pull(before)
		defer stopA()
		nextB, stopB := iter.Pull(after)
		defer stopB()
		a, _ := nextA()
		b, _ := nextB()
		for a != nil || b != nil {
			switch {
			case b == nil || a != nil && a.Resource.ID < b.Resource.ID:
				if !yield(a, nil) {
					return
				}
				a, _ = nextA()
			case a == nil || b.Resource.ID < a.Resource.ID:
				if !yield(nil, b) {
					return
				}
				b, _ = nextB()
			default:
				if !yield(a, b) {
					return
				}
				a, _ = nextA()
				b, _ = nextB()
			}
		}
	}
}

// changed returns which of the facts that decided a duty are not what they were, as they may be shown.
func changed(a, b *demarc.Answer, x, y *demarc.Assignment) []demarc.Change {
	names := slices.Concat(x.Reads, y.Reads)
	slices.Sort(names)
	var out []demarc.Change
	for _, n := range slices.Compact(names) {
		f, _ := a.Fact(n)
		g, _ := b.Fact(n)
		if f.Fact.Origin != g.Fact.Origin || !f.Fact.Value.Equal(g.Fact.Value) {
			out = append(out, demarc.Change{Fact: n, Old: demarc.Fact{Value: f.Shown(), Origin: f.Fact.Origin}, New: demarc.Fact{Value: g.Shown(), Origin: g.Fact.Origin}})
		}
	}
	return out
}
