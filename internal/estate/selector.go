package estate

import (
	"slices"
	"strings"
	"sync"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
)

// Selector tells which of many declarations are about a resource. Declarations that ask for no name, id or tags are
// asked once for each combination of provider, source, account, region, service and type. The others are asked only
// of resources that have a value which they need, where they need one. It is safe for concurrent use.
type Selector struct {
	wheres  []*rule.Where
	indexes []index // of those that ask for identity and need a value
	own     []int   // those that must be asked for each resource
	mu      sync.RWMutex
	known   map[selectorKey][]int // of those that ask for no identity
}

// index finds declarations by the value that a resource has for one variable.
type index struct {
	variable string
	places   map[string][]int
}

type selectorKey struct {
	provider, source, account, region, typ string
	service                                demarc.ServiceID
}

// NewSelector returns a Selector of declarations by their place in wheres; a nil one is about every resource.
func NewSelector(wheres []*rule.Where) *Selector {
	s := &Selector{wheres: wheres, known: map[selectorKey][]int{}}
	for i, w := range wheres {
		if !w.AsksIdentity() {
			continue
		}
		variable, values := mostTelling(w.Needs())
		if variable == "" {
			s.own = append(s.own, i)
			continue
		}
		at := slices.IndexFunc(s.indexes, func(x index) bool { return x.variable == variable })
		if at < 0 {
			at = len(s.indexes)
			s.indexes = append(s.indexes, index{variable, make(map[string][]int)})
		}
		for _, v := range values {
			if places := s.indexes[at].places; !slices.Contains(places[v], i) {
				places[v] = append(places[v], i)
			}
		}
	}
	return s
}

// mostTelling returns the needed variable that the fewest resources have a given value of.
func mostTelling(needs map[string][]string) (string, []string) {
	for _, variable := range []string{"id", "name"} {
		if values, ok := needs[variable]; ok {
			return variable, values
		}
	}
	tag := ""
	for variable := range needs {
		if strings.HasPrefix(variable, "tags.") && (tag == "" || variable < tag) {
			tag = variable
		}
	}
	if tag != "" {
		return tag, needs[tag]
	}
	for _, variable := range []string{"account", "service", "type", "region", "source", "provider"} {
		if values, ok := needs[variable]; ok {
			return variable, values
		}
	}
	return "", nil
}

// Match returns the places of the declarations that are about r, ascending. The result must not be changed.
func (s *Selector) Match(r *demarc.Resource) []int {
	shared := s.shared(r)
	var mine []int
	ask := func(places []int) {
		for _, i := range places {
			if s.wheres[i].Match(r) {
				mine = append(mine, i)
			}
		}
	}
	ask(s.own)
	for i := range s.indexes {
		ask(s.indexes[i].places[valueOf(r, s.indexes[i].variable)])
	}
	if len(mine) == 0 {
		return shared
	}
	mine = append(mine, shared...)
	slices.Sort(mine)
	return mine
}

// shared returns the places of the declarations that are about every resource like r.
func (s *Selector) shared(r *demarc.Resource) []int {
	key := selectorKey{r.Provider, r.Source, r.Account, r.Region, r.Type, r.Service}
	s.mu.RLock()
	shared, ok := s.known[key]
	s.mu.RUnlock()
	if ok || len(s.wheres) == 0 {
		return shared
	}
	for i, w := range s.wheres {
		if !w.AsksIdentity() && w.Match(r) {
			shared = append(shared, i)
		}
	}
	s.mu.Lock()
	s.known[key] = shared
	s.mu.Unlock()
	return shared
}

// valueOf returns the value of a variable of Where.Needs.
func valueOf(r *demarc.Resource, variable string) string {
	switch variable {
	case "provider":
		return r.Provider
	case "source":
		return r.Source
	case "account":
		return r.Account
	case "region":
		return r.Region
	case "service":
		return string(r.Service)
	case "type":
		return r.Type
	case "name":
		return r.Name
	case "id":
		return string(r.ID)
	default:
		return r.Tags.Get(strings.TrimPrefix(variable, "tags."))
	}
}
