package report

import "github.com/demarc/demarc"

// Shared makes something of each duty of answers. What resources share, as they do assignments, verdicts and whole lists of them,
// it is made of once. It is used by one goroutine.
type Shared[T any] struct {
	of     func(*demarc.DutyAnswer) T
	duties map[dutyKey]*T
	lists  map[likeness][]*T
}

type dutyKey struct {
	assignment *demarc.Assignment
	verdict    *demarc.Verdict
	believed   demarc.Holder
	assumption string
	team       string
	teamless   bool
	unaccepted bool
}

// likeness is what the duties of an answer are made of. Parts that resources share are told by their address.
type likeness struct {
	assignments **demarc.Assignment
	verdicts    **demarc.Verdict
	teams       *string
	beliefs     *demarc.Belief
	unaccepted  demarc.DutySet
}

func first[T any](list []T) *T {
	if len(list) == 0 {
		return nil
	}
	return &list[0]
}

// What is remembered at most. When it is as much, all is forgotten.
const (
	maxDuties = 1 << 16
	maxLists  = 1 << 11
)

// NewShared returns a Shared of what a function makes of a duty: nothing but what the duty's own parts say may go into it.
func NewShared[T any](of func(*demarc.DutyAnswer) T) *Shared[T] {
	return &Shared[T]{of: of, duties: map[dutyKey]*T{}, lists: map[likeness][]*T{}}
}

// Of returns what was made of each duty of a, in the order of demarc.Duties. It must not be changed.
func (s *Shared[T]) Of(a *demarc.Answer) []*T {
	key := likeness{first(a.Assignments), first(a.Verdicts), first(a.Teams), first(a.Beliefs), a.Unaccepted}
	if list, ok := s.lists[key]; ok {
		return list
	}
	list := make([]*T, 0, len(a.Assignments))
	for d := range a.Duties {
		key := dutyKey{d.Assignment, d.Verdict, d.Believed, d.Assumption, d.Team, d.Teamless, d.Unaccepted}
		made, ok := s.duties[key]
		if !ok {
			made = new(T)
			*made = s.of(d)
			if len(s.duties) >= maxDuties {
				clear(s.duties)
			}
			s.duties[key] = made
		}
		list = append(list, made)
	}
	if len(s.lists) >= maxLists {
		clear(s.lists)
	}
	s.lists[key] = list
	return list
}
