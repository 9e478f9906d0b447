package report

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/demarc/demarc"
)

// MoveGroup is one move of the line: a duty that changed hands for the same reason, for all resources of a service.
type MoveGroup struct {
	Duty     demarc.DutyID
	Service  demarc.ServiceID
	From, To demarc.Holder
	Setting  string // "auto_minor_upgrade: true → false", "" where no setting changed
	Because  string
	URL      string
	Count    int
	Examples []demarc.ResourceID
	// ToUs says that the organization has more of the duty than before.
	ToUs bool
}

// Moves compares two sequences of answers, each sorted by id. It returns the moves, those to the organization first, and
// how many resources are only in one of them.
func Moves(before, after iter.Seq[*demarc.Answer]) (groups []MoveGroup, added, removed int) {
	type key struct {
		duty     demarc.DutyID
		service  demarc.ServiceID
		from, to demarc.Holder
		setting  string
		because  string
	}
	found := map[key]*MoveGroup{}
	for a, b := range pairs(before, after) {
		switch {
		case b == nil:
			removed++
			continue
		case a == nil:
			added++
			continue
		}
		for d := range a.Assignments {
			x, y := a.Assignments[d], b.Assignments[d]
			if x.Holder == y.Holder && slices.Equal(x.Parties, y.Parties) {
				continue
			}
			now := b.Duty(d)
			id := key{x.Duty, b.Resource.Service, x.Holder, y.Holder, changed(a, b, x, y), Ground(b, &now)}
			g := found[id]
			if g == nil {
				g = &MoveGroup{Duty: id.duty, Service: id.service, From: id.from, To: id.to, Setting: id.setting, Because: id.because, ToUs: share(y.Holder) > share(x.Holder)}
				if n := len(y.Basis); n > 0 {
					g.URL = y.Basis[n-1].URL
				}
				found[id] = g
			}
			g.Count++
			if len(g.Examples) < examples {
				g.Examples = append(g.Examples, b.Resource.ID)
			}
		}
	}
	for _, g := range found {
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b MoveGroup) int {
		if a.ToUs != b.ToUs {
			if a.ToUs {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(demarc.DutyIndex(a.Duty), demarc.DutyIndex(b.Duty)), strings.Compare(string(a.Service), string(b.Service)), strings.Compare(a.Setting, b.Setting), strings.Compare(a.Because, b.Because))
	})
	return groups, added, removed
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

func share(h demarc.Holder) int {
	switch h {
	case demarc.HeldByCustomer:
		return 2
	case demarc.HeldShared:
		return 1
	default:
		return 0
	}
}

// changed says which of the facts that decided a duty are not what they were.
func changed(a, b *demarc.Answer, x, y *demarc.Assignment) string {
	names := slices.Clone(x.Reads)
	for _, n := range y.Reads {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	var out []string
	for _, n := range names {
		f, _ := a.Fact(n)
		g, _ := b.Fact(n)
		if f.Fact.Origin != g.Fact.Origin || !f.Fact.Value.Equal(g.Fact.Value) {
			out = append(out, fmt.Sprintf("%s: %s → %s", n, quoted(f.Shown()), quoted(g.Shown())))
		}
	}
	return strings.Join(out, ", ")
}
