package inventory

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

// seen is what is remembered of all records besides themselves: which services there are, which of them are asked for,
// and which accounts are named. It is small, whatever the number of records.
type seen struct {
	services  map[*servicePlan]bool
	asked     map[askedKey]bool     // relations that lead somewhere
	weak      map[*servicePlan]bool // services with resources that are only partly named
	parts     map[*servicePlan]bool // services that have parts
	owners    bool                  // objects of Kubernetes that a controller has made
	machines  bool                  // nodes of Kubernetes that say which machines they are
	tenants   map[string][]string   // of Microsoft 365, by source
	projects  map[string]string     // ids of Google projects, by number
	have      map[place]bool
	want      map[place]*first
	last      *first // of want, that was asked for last
	roots     map[rootKey]*servicePlan
	made      map[string]made // by source and input
	instances int             // in made
}

type askedKey struct {
	from     *servicePlan
	relation int
}

// place is a resource that stands for an account, or the account as such.
type place struct {
	service         *servicePlan
	provider, scope string
}

// rootKey finds what stands for an account of a provider. Providers are texts that the catalog or many records share.
type rootKey struct {
	of       *servicePlan
	provider string
}

// first is the record, of those that name an account, that goes before the others.
type first struct {
	of       place
	source   *demarc.Source
	cloud    bool
	rank     rank
	captured time.Time
	sequence int64
}

func (a *first) before(b *first) bool {
	if a.rank != b.rank {
		return a.rank > b.rank
	}
	if c := a.captured.Compare(b.captured); c != 0 || a.source == b.source && a.sequence == b.sequence {
		return c < 0
	}
	if a.source == b.source {
		return a.sequence < b.sequence
	}
	return cmp.Or(strings.Compare(inputKey(a.source), inputKey(b.source)), cmp.Compare(a.sequence, b.sequence)) < 0
}

func newSeen() seen {
	return seen{
		services: map[*servicePlan]bool{}, asked: map[askedKey]bool{}, weak: map[*servicePlan]bool{}, parts: map[*servicePlan]bool{},
		tenants: map[string][]string{}, projects: map[string]string{}, have: map[place]bool{}, want: map[place]*first{}, roots: map[rootKey]*servicePlan{}, made: map[string]made{},
	}
}

// record remembers what matters of a record.
func (s *seen) record(plan *servicePlan, r *record) {
	if !s.services[plan] {
		s.services[plan] = true
	}
	for i := range r.refs {
		if len(r.refs[i].to) > 0 && !s.asked[askedKey{plan, i}] {
			s.asked[askedKey{plan, i}] = true
		}
	}
	at := first{source: r.source, cloud: r.cloud != "", rank: r.rank, captured: r.captured, sequence: r.sequence}
	if r.ref.Part != nil {
		s.parts[plan] = true
		if r.account != "" && len(r.ref.Part.By) == 0 || plan.root && len(r.by.to) == 0 {
			s.wanted(place{plan, r.provider, r.account}, at)
		}
		return
	}
	if r.weak {
		s.weak[plan] = true
	}
	s.owners = s.owners || r.owner != ""
	s.machines = s.machines || r.machine != ""
	if r.projectNumber != "" && r.account != "" && r.account != r.projectNumber {
		s.project(r.projectNumber, r.account)
	}
	scope := r.account
	if r.cloud != "" {
		scope = r.cloud
	}
	if plan.place {
		key := place{plan, r.provider, scope}
		if !s.have[key] {
			s.have[key.clone()] = true
		}
	}
	key := rootKey{plan, r.provider}
	root, ok := s.roots[key]
	if !ok {
		key.provider = strings.Clone(key.provider)
		root = plan.rootOf(r.provider)
		s.roots[key] = root
	}
	if root != nil {
		s.wanted(place{root, r.provider, scope}, at)
	}
}

func (p place) clone() place {
	p.provider, p.scope = strings.Clone(p.provider), strings.Clone(p.scope)
	return p
}

func (s *seen) wanted(p place, by first) {
	if p.scope == "" {
		return
	}
	if s.last == nil || s.last.of != p {
		s.last = s.want[p]
	}
	if s.last == nil {
		s.last = new(first)
		*s.last = by
		s.last.of = p.clone() // p may be a piece of the document
		s.want[s.last.of] = s.last
	} else if by.before(s.last) {
		by.of = s.last.of
		*s.last = by
	}
}

// project remembers which id the number of a project stands for; of several the first in their order.
func (s *seen) project(number, id string) {
	if have, ok := s.projects[number]; !ok || id < have {
		s.projects[strings.Clone(number)] = strings.Clone(id)
	}
}

const maxInstances = 1_000_000 // of blocks of plans that are remembered

// instance remembers an instance of a block of a plan. Of too many none is: which came first is an accident.
func (s *seen) instance(input, address string) {
	if s.instances++; s.instances > maxInstances {
		s.made = nil
		return
	}
	if s.made[input] == nil {
		s.made[input] = made{}
	}
	address = strings.Clone(address)
	block := withoutIndexes(address)
	s.made[input][block] = append(s.made[input][block], address)
}

// sortInstances brings the instances of each block into an order.
func (s *seen) sortInstances() {
	for _, blocks := range s.made {
		for block, addresses := range blocks {
			slices.SortFunc(addresses, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) })
			blocks[block] = slices.Compact(addresses)
		}
	}
}

// tenant remembers the tenants of a source.
func (s *seen) tenant(r *record) {
	if isTenant(r) && !slices.Contains(s.tenants[r.source.Name], r.id) {
		s.tenants[r.source.Name] = append(s.tenants[r.source.Name], strings.Clone(r.id))
	}
}

func isTenant(r *record) bool { return r.service.ID == tenantService && r.ref.Part == nil }

const tenantService = "microsoft365/tenant"

func (s *seen) merge(o *seen) {
	for k := range o.services {
		s.services[k] = true
	}
	for k := range o.asked {
		s.asked[k] = true
	}
	for k := range o.weak {
		s.weak[k] = true
	}
	for k := range o.parts {
		s.parts[k] = true
	}
	s.owners, s.machines = s.owners || o.owners, s.machines || o.machines
	for source, ids := range o.tenants {
		for _, id := range ids {
			if !slices.Contains(s.tenants[source], id) {
				s.tenants[source] = append(s.tenants[source], id)
			}
		}
	}
	for number, id := range o.projects {
		s.project(number, id)
	}
	if s.instances += o.instances; s.instances > maxInstances {
		s.made, o.made = nil, nil
	}
	for input, blocks := range o.made {
		if s.made[input] == nil {
			s.made[input] = made{}
		}
		for block, addresses := range blocks {
			s.made[input][block] = append(s.made[input][block], addresses...)
		}
	}
	for k := range o.have {
		s.have[k] = true
	}
	for k, by := range o.want {
		s.wanted(k, *by)
	}
}

// servicePlan is what settling asks of a service.
type servicePlan struct {
	*rulebook.Service
	columns []column // of its facts
	drawn   []int    // facts that are drawn through relations
	own     presumed // facts that are presumed, by when
	via     presumed
	derived presumed
	derive  [2][]int // derived facts, each behind those that it reads: those that need no relation, and all
	cluster int      // the relation of that name, -1 for none
	guest   bool     // it has guest.* duties
	root    bool     // it stands for an account of its provider
	place   bool     // it stands for an account, or has parts that belong to one
	answers bool     // it answers for what its relations lead to
	parts   []*rulebook.TypeRef
	implied *rulebook.TypeRef // the type of what is only named; nil until there is one

	inv *Inventory
}

type presumed []int

// service returns the plan of a service.
func (inv *Inventory) service(svc *rulebook.Service) *servicePlan {
	_ = svc.Compile() // a mistake is told by whoever resolves the first resource; others need not wait for it
	inv.mu.Lock()
	defer inv.mu.Unlock()
	return inv.servicePlan(svc)
}

func (inv *Inventory) servicePlan(svc *rulebook.Service) *servicePlan {
	if p := inv.services[svc]; p != nil {
		return p
	}
	columns := inv.table.columns(svc) // compiles it
	p := &servicePlan{Service: svc, inv: inv, columns: columns, cluster: -1, guest: hasGuest(svc), root: isRootOf(inv.book, svc)}
	inv.services[svc] = p
	p.place = p.root
	for _, ref := range svc.Types {
		if ref.Part != nil {
			p.parts = append(p.parts, ref)
			p.place = p.place || len(ref.Part.By) == 0
		}
	}
	for i := range svc.Relations {
		if svc.Relations[i].Name == "cluster" {
			p.cluster = i
		}
		p.answers = p.answers || svc.Relations[i].Answers
	}
	for i := range svc.Facts {
		f := &svc.Facts[i]
		if f.Via >= 0 {
			p.drawn = append(p.drawn, i)
		}
		if f.Presume != nil {
			switch {
			case f.Derive != nil:
				p.derived = append(p.derived, i)
			case f.Via >= 0:
				p.via = append(p.via, i)
			default:
				p.own = append(p.own, i)
			}
		}
	}
	p.derive[1] = derivedInOrder(svc)
	for _, i := range p.derive[1] {
		if !readsRelation(svc, svc.Facts[i].Derive, 0) {
			p.derive[0] = append(p.derive[0], i)
		}
	}
	return p
}

// derivedInOrder returns the derived facts of a service, each behind those that it reads.
func derivedInOrder(svc *rulebook.Service) []int {
	var out []int
	seen := make([]bool, len(svc.Facts))
	var visit func(i int)
	visit = func(i int) {
		c := svc.Facts[i].Derive
		if seen[i] || c == nil {
			return
		}
		seen[i] = true
		for _, read := range c.Reads {
			visit(read)
		}
		out = append(out, i)
	}
	for i := range svc.Facts {
		visit(i)
	}
	return out
}

// rootOf returns what stands for an account of a provider, nil for nothing.
func (p *servicePlan) rootOf(provider string) *servicePlan {
	p.inv.mu.Lock()
	defer p.inv.mu.Unlock()
	if b := p.inv.book.Providers[provider]; b != nil && b.Implied != nil {
		return p.inv.servicePlan(p.inv.book.Service(b.Implied.Service))
	}
	return nil
}

// isRootOf reports whether a service stands for the account of its provider.
func isRootOf(book *rulebook.Rulebook, svc *rulebook.Service) bool {
	p := book.Providers[svc.Provider]
	return p != nil && p.Implied != nil && p.Implied.Service == svc.ID
}

func readsRelation(svc *rulebook.Service, c *rulebook.Condition, depth int) bool {
	for _, i := range c.Reads {
		f := &svc.Facts[i]
		if f.Via >= 0 || depth < 8 && f.Derive != nil && readsRelation(svc, f.Derive, depth+1) {
			return true
		}
	}
	return false
}

var guestPatching = demarc.DutyIndex("guest.patching")

// hasGuest reports whether a service has a guest at all.
func hasGuest(s *rulebook.Service) bool {
	return s.Base[guestPatching] != nil && s.Base[guestPatching].Roles != 0
}
