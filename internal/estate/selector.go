package estate

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
)

// Selector tells what the declarations of an estate come to for a resource. Of each variable that a where asks it sees
// no more than the wheres tell apart: an account that none of them names is like any other. Resources that are alike in
// all variables are asked once. It is for one goroutine.
type Selector struct {
	est    *Estate
	asOf   time.Time
	bound  []atomic.Bool
	memory int // bytes

	wheres  [kinds]wheres
	guards  []string   // variables
	place   []variable // that many resources share, such as the account
	own     []variable // name and id
	tags    []variable
	values  []string         // of the tags
	several []*rule.Question // that read more than one variable

	last place  // of the resource before
	at   []byte // what its variables are
	key  []byte

	guarding []string     // scratch: the values of the guards
	about    [kinds][]int // scratch: the declarations that are about a resource
	firstsOf []int        // scratch
	says     []byte       // scratch

	known map[string]*Declared // by what all variables are
	same  map[string]*Places   // by what they say
	named map[*Places][]string // teams
	met   uint32               // Places so far
}

// The kinds of declarations that are about some resources.
const (
	bindings = iota
	engagements
	assumptions
	teams
	attestations
	assurances
	exceptions
	kinds
)

// variable is something that a where may ask of a resource.
type variable struct {
	name    string            // of a tag without "tags."
	classes map[string]uint32 // of the values that some where compares it with; all others are of class 0
	asked   []*rule.Question  // that compare otherwise
	answers map[string]string // to those, by value; nil where values do not come again
}

// place is what many resources share.
type place struct {
	account, region, typ, provider, source string
	service                                demarc.ServiceID
}

// NewSelector returns a Selector that uses so many bytes, about, for each kind of thing that it remembers. What it
// remembers changes no answer. Bindings that are about some resource are marked in bound, which Selectors may share.
func NewSelector(e *Estate, asOf time.Time, bound []atomic.Bool, memory int) *Selector {
	s := &Selector{est: e, asOf: asOf, bound: bound, memory: memory, known: map[string]*Declared{}, same: map[string]*Places{}, named: map[*Places][]string{}}
	all := [kinds][]*rule.Where{
		bindings:     wheresOf(e.Bindings, func(x *Binding) *rule.Where { return x.Where }),
		engagements:  wheresOf(e.Engagements, func(x *Engagement) *rule.Where { return x.Where }),
		assumptions:  wheresOf(e.Assumptions, func(x *Assumption) *rule.Where { return x.Where }),
		teams:        wheresOf(e.Teams, func(x *Team) *rule.Where { return x.Where }),
		attestations: wheresOf(e.Attestations, func(x *Attestation) *rule.Where { return x.Where }),
		assurances:   wheresOf(e.Assurances, (*Assurance).where),
		exceptions:   wheresOf(e.Exceptions, func(x *Exception) *rule.Where { return x.Where }),
	}
	asked := map[string][]*rule.Question{}
	for _, w := range slices.Concat(all[:]...) {
		for _, q := range w.Questions() {
			if q.Variable == "" {
				s.several = append(s.several, q)
			} else {
				asked[q.Variable] = append(asked[q.Variable], q)
			}
		}
	}
	values := map[string]int{} // that are told apart, by variable
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		v := newVariable(name, asked[name])
		values[name] = len(v.classes)
		switch key, isTag := strings.CutPrefix(name, "tags."); {
		case isTag:
			v.name = key
			s.tags = append(s.tags, v)
		case name == "name" || name == "id":
			v.answers = nil
			s.own = append(s.own, v)
		default:
			s.place = append(s.place, v)
		}
	}
	s.values = make([]string, len(s.tags))
	for kind := range all {
		s.guard(kind, all[kind], values)
	}
	s.guarding = make([]string, len(s.guards))
	return s
}

// wheres are the conditions of one kind of declarations, by their places. Most demand that a variable has one of some values: those
// are found by its value, so that with many declarations few are asked.
type wheres struct {
	list []*rule.Where
	open []int              // that demand nothing
	by   []map[string][]int // what demand a value of a variable that is a guard
}

// guard notes the wheres of a kind: those that demand values by the variable, of theirs, of which the most values are told apart.
func (s *Selector) guard(kind int, list []*rule.Where, values map[string]int) {
	w := wheres{list: list}
	for place, where := range list {
		var by *rule.Question
		for _, q := range where.Demands() {
			if by == nil || values[q.Variable] > values[by.Variable] {
				by = q
			}
		}
		if by == nil {
			w.open = append(w.open, place)
			continue
		}
		g := slices.Index(s.guards, by.Variable)
		if g < 0 {
			g = len(s.guards)
			s.guards = append(s.guards, by.Variable)
		}
		for len(w.by) <= g {
			w.by = append(w.by, map[string][]int{})
		}
		for _, value := range slices.Compact(slices.Sorted(slices.Values(by.Is))) {
			w.by[g][value] = append(w.by[g][value], place)
		}
	}
	s.wheres[kind] = w
}

// about appends the places of those that are about r, in order. guards are the values of the guards.
func (w *wheres) about(r *demarc.Resource, guards []string, out []int) []int {
	out = w.among(w.open, r, out)
	for g, by := range w.by {
		out = w.among(by[guards[g]], r, out)
	}
	slices.Sort(out)
	return out
}

func (w *wheres) among(places []int, r *demarc.Resource, out []int) []int {
	for _, place := range places {
		if w.list[place].Match(r) {
			out = append(out, place)
		}
	}
	return out
}

func wheresOf[T any](list []T, where func(*T) *rule.Where) []*rule.Where {
	out := make([]*rule.Where, len(list))
	for i := range list {
		out[i] = where(&list[i])
	}
	return out
}

func newVariable(name string, questions []*rule.Question) variable {
	v := variable{name: name, classes: map[string]uint32{}, answers: map[string]string{}}
	naming := map[string][]byte{} // the questions that name a value
	for i, q := range questions {
		if q.Is == nil {
			v.asked = append(v.asked, q)
			continue
		}
		for _, value := range q.Is {
			naming[value] = binary.LittleEndian.AppendUint32(naming[value], uint32(i))
		}
	}
	classes := map[string]uint32{} // values that the same questions name are of one
	for value, by := range naming {
		c, ok := classes[string(by)]
		if !ok {
			c = uint32(len(classes) + 1)
			classes[string(by)] = c
		}
		v.classes[value] = c
	}
	return v
}

// Match returns what the declarations come to for r. Resources that no where tells apart have the same Declared, as long
// as it is remembered.
func (s *Selector) Match(r *demarc.Resource) *Declared {
	if p := (place{r.Account, r.Region, r.Type, r.Provider, r.Source, r.Service}); p != s.last || s.at == nil {
		s.last, s.at = p, s.at[:0]
		for i := range s.place {
			s.at = s.append(s.at, &s.place[i], r, rule.ValueOf(r, s.place[i].name))
		}
	}
	key := append(s.key[:0], s.at...)
	for i := range s.own {
		key = s.append(key, &s.own[i], r, rule.ValueOf(r, s.own[i].name))
	}
	if len(s.tags) > 0 {
		s.readTags(r)
	}
	for i := range s.tags {
		key = s.append(key, &s.tags[i], r, s.values[i])
	}
	for _, q := range s.several {
		key = append(key, byte(q.Ask(r)))
	}
	s.key = key
	d := s.known[string(key)]
	if d == nil {
		d = s.ask(r)
		remember(s.known, string(key), d, s.memory/knownSize)
	}
	return d
}

// append appends what a variable is to the wheres that ask it.
func (s *Selector) append(key []byte, v *variable, r *demarc.Resource, value string) []byte {
	key = binary.LittleEndian.AppendUint32(key, v.classes[value])
	if len(v.asked) == 0 {
		return key
	}
	if answers, ok := v.answers[value]; ok {
		return append(key, answers...)
	}
	start := len(key)
	for _, q := range v.asked {
		key = append(key, byte(q.Ask(r)))
	}
	if v.answers != nil {
		// A clone: the value may be a piece of a longer text.
		remember(v.answers, strings.Clone(value), string(key[start:]), s.memory/knownSize/(len(s.place)+len(s.tags)))
	}
	return key
}

// readTags takes the values of the tags that are asked, all in one go. Of two with one key the last counts.
func (s *Selector) readTags(r *demarc.Resource) {
	clear(s.values)
	for key, value := range r.Tags.All() {
		for i := range s.tags {
			if s.tags[i].name == key {
				s.values[i] = value
			}
		}
	}
}

// How many bytes something that is remembered takes, about.
const (
	knownSize  = 250
	placesSize = 700
)

// remember adds something to what is remembered, which is emptied when there are limit things.
func remember[K comparable, V any](m map[K]V, key K, value V, limit int) {
	if len(m) >= max(1, limit) {
		clear(m)
	}
	m[key] = value
}

// where is Covers as a condition.
func (a *Assurance) where() *rule.Where {
	var services, regions *rule.Where
	if len(a.Services) > 0 {
		services = rule.Among("service", a.Services)
	}
	if len(a.Regions) > 0 {
		regions = rule.OneOf("region", append(slices.Clone(a.Regions), ""))
	}
	return rule.Both(services, regions)
}
