package estate

import (
	"sync"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
)

// Selector tells which of many declarations are about a resource. Declarations that ask for no name, id or tags are
// asked once for each combination of provider, source, account, region, service and type. It is safe for
// concurrent use.
type Selector struct {
	wheres []*rule.Where
	own    []int // those that must be asked for each resource
	mu     sync.RWMutex
	known  map[selectorKey][]int // of the others
}

type selectorKey struct {
	provider, source, account, region, typ string
	service                                demarc.ServiceID
}

// NewSelector returns a Selector of declarations by their place in wheres; a nil one is about every resource.
func NewSelector(wheres []*rule.Where) *Selector {
	s := &Selector{wheres: wheres, known: map[selectorKey][]int{}}
	for i, w := range wheres {
		if w != nil && w.AsksIdentity() {
			s.own = append(s.own, i)
		}
	}
	return s
}

// Match returns the places of the declarations that are about r, ascending. The result must not be changed.
func (s *Selector) Match(r *demarc.Resource) []int {
	if len(s.wheres) == 0 {
		return nil
	}
	key := selectorKey{r.Provider, r.Source, r.Account, r.Region, r.Type, r.Service}
	s.mu.RLock()
	shared, ok := s.known[key]
	s.mu.RUnlock()
	if !ok {
		for i, w := range s.wheres {
			if w == nil || !w.AsksIdentity() && w.Match(r) {
				shared = append(shared, i)
			}
		}
		s.mu.Lock()
		s.known[key] = shared
		s.mu.Unlock()
	}
	if len(s.own) == 0 {
		return shared
	}
	out := make([]int, 0, len(shared)+2)
	k := 0
	for _, i := range s.own {
		for k < len(shared) && shared[k] < i {
			out = append(out, shared[k])
			k++
		}
		if s.wheres[i].Match(r) {
			out = append(out, i)
		}
	}
	return append(out, shared[k:]...)
}
