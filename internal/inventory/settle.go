package inventory

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

// Item is one resource with its facts, ready to be judged.
type Item struct {
	Resource demarc.Resource
	Service  *rulebook.Service
	Facts    Row
	Roles    *ObservedRoles
	// Hidden lists the facts, by index, that a document itself calls sensitive: they are never shown.
	Hidden []int
	// Inside says that another resource that is present is the more specific one for this one's guest.* duties.
	Inside bool
}

// ObservedRoles is who plays the roles of a resource by what its surroundings tell, before the estate speaks.
type ObservedRoles struct {
	Host     demarc.Party
	Operator demarc.Party
	Assumed  bool
}

// Settled is what all documents of a run come to.
type Settled struct {
	Items []Item // sorted by id
	Drift Drifts
	Notes Notes
	// Parts counts the documents that became part of another resource.
	Parts int
}

// Drifts counts disagreements and keeps the first of them, by resource and fact.
type Drifts struct {
	Count int
	Kept  []demarc.Drift
}

const keptDrifts = 1000

// Settle brings the records together. The Inventory cannot be read into afterwards.
func (inv *Inventory) Settle() *Settled {
	s := &settler{memo: rulebook.NewMemo(inv.asOf), derived: map[*rulebook.Result]uint32{}, inv: inv, out: &Settled{Notes: inv.notes}, live: inv.records}
	// What follows depends on order only through this: the same input gives the same output, however it was read.
	// The sort is stable for the records of one document, which one Reader has read in their order.
	slices.SortStableFunc(s.live, func(a, b *record) int {
		return cmp.Or(cmp.Compare(a.inputKey(), b.inputKey()), cmp.Compare(a.sequence, b.sequence), strings.Compare(a.id, b.id), strings.Compare(a.typ, b.typ))
	})
	s.tenants()
	s.projects()
	s.planReferences()
	s.merge()
	s.joinWeak()
	s.parts()
	s.controlled()
	s.imply()
	s.clusterRoles()
	s.presume(func(f *rulebook.Fact) bool { return f.Via < 0 && f.Derive == nil })
	s.derive(false)
	s.relate()
	s.presume(func(f *rulebook.Fact) bool { return f.Via >= 0 })
	s.derive(true)
	s.presume(func(f *rulebook.Fact) bool { return f.Derive != nil })
	s.inside()
	s.finish()
	return s.out
}

func (r *record) inputKey() string {
	if r.source == nil {
		return ""
	}
	return r.source.Name + "\x00" + r.source.Input
}

type settler struct {
	inv       *Inventory
	out       *Settled
	drift     []demarc.Drift
	live      []*record // resources
	pieces    []*record
	index     map[*rulebook.Service]map[string][]*record // by alias in lower case
	byService map[*rulebook.Service][]*record
	memo      *rulebook.Memo
	derived   map[*rulebook.Result]uint32 // the numbers of derived facts

	ofAccount map[accountKey][]*record // while parts are joined
}

type accountKey struct {
	service *rulebook.Service
	account string
}

func (s *settler) note(kind demarc.NoteKind, p demarc.Position, format string, args ...any) {
	s.out.Notes.Add(demarc.Note{Kind: kind, Pos: p, Message: fmt.Sprintf(format, args...)})
}

// tenants gives the bodies of Microsoft Graph their tenant: the one of their source.
func (s *settler) tenants() {
	const service = "microsoft365/tenant"
	of := map[string][]string{} // source to tenant ids
	var all []string
	for _, r := range s.live {
		if r.service.ID == service && r.ref.Part == nil && r.ref.Dialect == demarc.Graph && !slices.Contains(of[r.source.Name], r.id) {
			of[r.source.Name] = append(of[r.source.Name], r.id)
			all = append(all, r.id)
		}
	}
	told := map[string]bool{}
	for _, r := range s.live {
		if r.ref.Dialect != demarc.Graph {
			continue
		}
		if r.service.ID == service && r.ref.Part == nil {
			r.account = r.id
			r.aliases = append(r.aliases, r.id)
			r.id = "microsoft365/" + r.id
			continue
		}
		if r.account == "" {
			if own := of[r.source.Name]; len(own) == 1 {
				r.account = own[0]
			} else if len(own) == 0 && len(all) == 1 && !r.source.Declared {
				r.account = all[0]
			} else {
				r.account = r.source.Name
				if !told[r.account] {
					told[r.account] = true
					s.note(demarc.NoteNoTenant, r.pos, "bodies that name no tenant belong to one that is named after their source, %s", r.account)
				}
			}
		}
		if r.ref.Part == nil {
			r.id = "microsoft365/" + r.account + "/" + r.typ + "/" + r.id
		}
	}
}

// projects calls each Google project by its id where some document tells which id its number is.
func (s *settler) projects() {
	ids := map[string]string{} // by number
	for _, r := range s.live {
		if r.projectNumber != "" && r.account != "" && r.account != r.projectNumber {
			ids[r.projectNumber] = r.account
		}
	}
	if len(ids) == 0 {
		return
	}
	for _, r := range s.live {
		if id := ids[r.account]; id != "" && r.provider == "gcp" {
			r.account = id
		}
	}
}

// planReferences takes what a plan knows only after apply from its configuration: the addresses that an attribute
// refers to. The reference to a resource of the plan is its address behind "#".
func (s *settler) planReferences() {
	for _, r := range s.live {
		if r.address == "" {
			continue
		}
		of := s.inv.configurations[r.inputKey()][withoutIndexes(r.address)]
		if len(of) == 0 {
			continue
		}
		fill := func(have []string, path rulebook.Path) []string {
			if len(have) > 0 && !slices.Equal(have, []string{"#"}) {
				return have
			}
			for _, alt := range path {
				if len(alt.Keys) == 0 {
					continue
				}
				var out []string
				for _, address := range of[alt.Keys[0]] {
					out = append(out, "#"+address)
				}
				if len(out) > 0 {
					return out
				}
			}
			return have
		}
		for _, ref := range r.ref.Refs {
			r.refs[ref.Relation] = fill(r.refs[ref.Relation], ref.Path)
		}
		if r.ref.Part != nil {
			r.by = fill(r.by, r.ref.Part.By)
		}
	}
}

// merge makes one record of all those with one id, fact by fact.
func (s *settler) merge() {
	byID := map[string]*record{}
	var live []*record
	// What goes before comes first, so that whatever the order of documents the best that knows a fact decides it.
	ordered := slices.Clone(s.live)
	slices.SortStableFunc(ordered, func(a, b *record) int {
		return cmp.Or(cmp.Compare(b.rank, a.rank), b.captured.Compare(a.captured))
	})
	for _, r := range ordered {
		if r.ref.Part != nil {
			s.pieces = append(s.pieces, r)
			continue
		}
		key := r.provider + "\x00" + strings.ToLower(r.id)
		old := byID[key]
		if old != nil && old.uid != "" && r.uid != "" && old.uid != r.uid {
			// Two objects of one name that lived one after the other, or in two clusters of one name.
			r.id += "#" + r.uid
			key += "#" + r.uid
			s.note(demarc.NoteAmbiguous, r.pos, "%s has another uid than an object of the same name; both are kept", r.id)
			old = byID[key]
		}
		if old != nil && old.local && r.local && old.inputKey() != r.inputKey() {
			// Two templates or plans of one name: what they declare has nothing to do with each other.
			r.id = path.Join(strings.TrimSuffix(r.source.Name, r.source.Input), r.id)
			key = r.provider + "\x00" + strings.ToLower(r.id)
			s.note(demarc.NoteAmbiguous, r.pos, "%s is declared in another input of the same name; both are kept", r.id)
			old = byID[key]
		}
		if old == nil {
			byID[key] = r
			live = append(live, r)
			continue
		}
		s.join(old, r)
	}
	s.live = live
}

// join merges r into old. Known beats unknown, observed beats declared, newer beats older.
func (s *settler) join(old, r *record) {
	if old.service != r.service {
		if old.service.ID == "unclassified" && r.service.ID != "unclassified" {
			*old, *r = *r, *old
		}
		s.note(demarc.NoteDuplicate, r.pos, "%s is delivered as %s and as %s; the first counts", r.id, old.typ, r.typ)
		return
	}
	s.mergeFacts(old, r, r.ref.Dialect == old.ref.Dialect && r.rank == old.rank)
	for i := range old.refs {
		if len(old.refs[i]) == 0 && r.refs[i] != nil || newer(r, old) && len(r.refs[i]) > 0 {
			old.refs[i] = r.refs[i]
		}
	}
	old.hidden = append(old.hidden, r.hidden...)
	old.aliases = append(old.aliases, r.aliases...)
	if old.address == "" {
		old.address = r.address
	}
	better := newer(r, old)
	take := func(have *string, got string) {
		if *have == "" || better && got != "" {
			*have = got
		}
	}
	take(&old.account, r.account)
	take(&old.region, r.region)
	if old.tags == "" || better && r.tags != "" {
		old.tags = r.tags
	}
	if better {
		old.name, old.typ, old.ref = r.name, r.typ, r.ref
		old.rank, old.captured, old.pos, old.source = r.rank, r.captured, r.pos, r.source
	}
	old.implied, old.local = old.implied && r.implied, old.local && r.local
	old.origins = append(append(old.origins, r.pos), r.origins...)
	if old.roles == nil {
		old.roles = r.roles
	}
}

// newer reports whether what r says goes before what old says.
func newer(r, old *record) bool {
	if r.rank != old.rank {
		return r.rank > old.rank
	}
	return r.captured.After(old.captured)
}

// mergeFacts takes the facts of r into old. same says that the two are documents of one kind, of which one is
// superseded; otherwise a disagreement is drift.
func (s *settler) mergeFacts(old, r *record, same bool) {
	better := newer(r, old)
	told := false
	for i := range old.row.numbers {
		a, b := old.row.At(i), r.row.At(i)
		if !b.Known() {
			if !a.Known() && worse(b.Origin, a.Origin) {
				old.row.set(i, b)
			}
			continue
		}
		// What was read goes before a default.
		keepB := !a.Known() || a.Origin == demarc.Defaulted && b.Origin == demarc.Read || better && !(a.Origin == demarc.Read && b.Origin == demarc.Defaulted)
		if a.Known() && !a.Value.Equal(b.Value) && a.Origin == demarc.Read && b.Origin == demarc.Read {
			kept, other, from := a.Value, b.Value, r.pos
			if keepB {
				kept, other, from = b.Value, a.Value, old.pos
			}
			if same {
				if !told {
					s.note(demarc.NoteDuplicate, r.pos, "%s is there twice with different content; the newest capture counts", r.id)
					told = true
				}
			} else {
				s.drift = append(s.drift, demarc.Drift{Resource: demarc.ResourceID(old.id), Fact: old.service.Facts[i].Name, Kept: kept, Other: other, From: from})
			}
		}
		if keepB {
			old.row.set(i, b)
		}
	}
}

// worse reports whether an unknown of origin a says more about why it is unknown than b.
func worse(a, b demarc.Origin) bool {
	order := func(o demarc.Origin) int {
		switch o {
		case demarc.Denied:
			return 5
		case demarc.BadValue:
			return 4
		case demarc.AfterApply:
			return 3
		case demarc.Absent: // a whole document that does not say
			return 2
		case demarc.Projected:
			return 1
		default:
			return 0
		}
	}
	return order(a) > order(b)
}

// joinWeak joins what is only partly named to the single resource that it can be.
func (s *settler) joinWeak() {
	s.reindex()
	if !slices.ContainsFunc(s.live, func(r *record) bool { return r.weak || r.address != "" }) {
		return
	}
	var live []*record
	for _, r := range s.live {
		if !r.weak && r.address == "" {
			live = append(live, r)
			continue
		}
		var only *record
		n := 0
		for _, alias := range append([]string{r.id}, r.aliases...) { // what names it best comes first
			for _, other := range s.lookup(r.service, alias) {
				if other != r && !other.weak && other.address == "" && fits(r, other) && r.cloud == other.cloud {
					only = other
					n++
				}
			}
			if n > 0 {
				break
			}
		}
		switch {
		case n == 1 && r.weak:
			s.join(only, r)
			continue
		case n > 1 && r.weak:
			s.note(demarc.NoteAmbiguous, r.pos, "%s may be any of %d resources; it is kept apart", r.id, n)
		}
		live = append(live, r)
	}
	if len(live) < len(s.live) {
		s.live = live
		s.reindex()
	}
}

// fits reports whether two records may be in one account and region: where both say one, it must be the same, or one must
// lie in the other, as a zone does in its region.
func fits(a, b *record) bool {
	return a.provider == b.provider && agree(a.account, b.account) && (agree(a.region, b.region) || lies(a.region, b.region) || lies(b.region, a.region))
}

func agree(a, b string) bool { return a == "" || b == "" || strings.EqualFold(a, b) }

// lies reports whether a zone lies in a region: europe-west4-a in europe-west4, eu-west-1a in eu-west-1, and all in global.
func lies(zone, region string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(zone), strings.ToLower(region))
	return strings.EqualFold(region, "global") || ok && len(strings.TrimPrefix(rest, "-")) == 1
}

// isWhole reports whether a reference names a resource wherever it is: an ARN, an ARM id, a path of Google's.
func isWhole(reference string) bool {
	return strings.HasPrefix(reference, "arn:") || strings.HasPrefix(reference, "/subscriptions/") || strings.HasPrefix(reference, "//") ||
		strings.Contains(reference, "projects/")
}

// reindex forgets the index: what is live has changed. The index of a service is built when somebody first asks for it.
func (s *settler) reindex() { s.index, s.byService = nil, nil }

// indexOf returns the resources of a service by alias.
func (s *settler) indexOf(svc *rulebook.Service) map[string][]*record {
	if of, ok := s.index[svc]; ok {
		return of
	}
	if s.byService == nil {
		s.index = map[*rulebook.Service]map[string][]*record{}
		s.byService = map[*rulebook.Service][]*record{}
		for _, r := range s.live {
			s.byService[r.service] = append(s.byService[r.service], r)
		}
	}
	of := make(map[string][]*record, 3*len(s.byService[svc]))
	s.index[svc] = of
	for _, r := range s.byService[svc] {
		r.eachAlias(func(alias string) {
			alias = lower(alias)
			if list := of[alias]; alias != "" && (len(list) == 0 || list[len(list)-1] != r) {
				of[alias] = append(list, r)
			}
		})
	}
	return of
}

// eachAlias calls f with everything that r may be called, some of it twice.
func (r *record) eachAlias(f func(string)) {
	f(r.id)
	f(r.name)
	for _, a := range r.aliases {
		f(a)
	}
	if r.address != "" {
		f(r.addressKey(r.address))
		f(r.addressKey(withoutIndexes(r.address)))
	}
}

// lower returns s in lower case; most names are that already.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' || c >= 0x80 {
			return strings.ToLower(s)
		}
	}
	return s
}

// addressKey is the alias of a template's or plan's own resource. It cannot be a name: "#" begins none.
func (r *record) addressKey(address string) string { return "#" + r.inputKey() + "\x00" + address }

func (s *settler) lookup(svc *rulebook.Service, alias string) []*record {
	return s.indexOf(svc)[lower(alias)]
}

// find returns the resources of a service that a reference of r leads to: one, or with several that fit all of them.
func (s *settler) find(r *record, svc *rulebook.Service, reference string) []*record {
	if logical, ok := strings.CutPrefix(reference, "#"); ok {
		return sameInstance(r, s.lookup(svc, r.addressKey(logical)))
	}
	candidates := s.lookup(svc, reference)
	if len(candidates) == 0 {
		// Google names things by URL or by path; Azure and others by a longer path.
		if i := strings.LastIndex(reference, "/projects/"); i > 0 {
			candidates = s.lookup(svc, reference[i+1:])
		} else if i := strings.LastIndexByte(reference, ':'); strings.HasPrefix(reference, "arn:") && i > 0 {
			tail := reference[i+1:]
			candidates = s.lookup(svc, tail)
			if _, name, ok := strings.Cut(tail, "/"); ok && len(candidates) == 0 {
				candidates = s.lookup(svc, name)
			}
			from := arnParts(reference)
			candidates = slices.DeleteFunc(slices.Clone(candidates), func(c *record) bool { return !agree(from.account, c.account) || !agree(from.region, c.region) })
		} else if svc.Provider == "azure" {
			candidates = s.ancestors(svc, reference)
		}
	}
	var out, near []*record
	whole := isWhole(reference)
	for _, c := range candidates {
		if r.provider != c.provider && !whole || !whole && !fits(r, c) {
			continue
		}
		out = append(out, c)
		if c.inputKey() == r.inputKey() {
			near = append(near, c)
		}
	}
	if len(out) > 1 && len(near) == 1 {
		return near
	}
	return out
}

// ancestors returns the resources that an ARM id or name lies below: ".../storageAccounts/a/blobServices/default" below
// ".../storageAccounts/a", and "a/default" below "a".
func (s *settler) ancestors(svc *rulebook.Service, reference string) []*record {
	steps := 1
	if strings.HasPrefix(reference, "/") {
		steps = 2
	}
	for {
		for range steps {
			i := strings.LastIndexByte(reference, '/')
			if i <= 0 {
				return nil
			}
			reference = reference[:i]
		}
		if found := s.lookup(svc, reference); len(found) > 0 {
			return found
		}
	}
}

// parts joins documents that are no resources to the resource that they belong to.
func (s *settler) parts() {
	s.reindex()
	attached := map[*record]map[*rulebook.TypeRef]bool{}
	pieces := map[*record][]*record{}
	var parentsInOrder []*record
	s.ofAccount = map[accountKey][]*record{}
	for _, r := range s.live {
		key := accountKey{r.service, r.account}
		s.ofAccount[key] = append(s.ofAccount[key], r)
	}
	loose := map[string]map[*rulebook.TypeRef]bool{} // input and service to the part types that found no parent
	for _, p := range s.pieces {
		parents := s.parentsOf(p)
		if len(parents) == 0 {
			s.note(demarc.NoteNotAttached, p.pos, "%s: the %s that it is part of was not found", cmp.Or(p.address, p.typ), p.service.ID)
			key := p.inputKey() + "\x00" + string(p.service.ID)
			if loose[key] == nil {
				loose[key] = map[*rulebook.TypeRef]bool{}
			}
			loose[key][p.ref] = true
			continue
		}
		for _, parent := range parents {
			if attached[parent] == nil {
				attached[parent] = map[*rulebook.TypeRef]bool{}
				parentsInOrder = append(parentsInOrder, parent)
			}
			pieces[parent] = append(pieces[parent], p)
			attached[parent][p.ref] = true
		}
		s.out.Parts++
	}
	for _, parent := range parentsInOrder {
		s.attach(parent, pieces[parent])
	}
	s.denials()
	for _, r := range s.live {
		for _, ref := range r.service.Types {
			if ref.Part == nil || ref.Dialect != r.ref.Dialect || attached[r][ref] {
				continue
			}
			if loose[r.inputKey()+"\x00"+string(r.service.ID)][ref] {
				for _, f := range ref.Facts {
					if !r.row.At(f.Fact).Known() {
						r.row.set(f.Fact, demarc.Fact{Origin: demarc.NotAttached})
					}
				}
				continue
			}
			if r.rank == rankObserved {
				continue // another call may deliver it
			}
			for fact, v := range ref.Part.WhenAbsent {
				if !r.row.At(fact).Known() {
					r.row.set(fact, demarc.Fact{Value: v, Origin: demarc.Defaulted})
				}
			}
		}
	}
}

// parentsOf finds what a part belongs to.
func (s *settler) parentsOf(p *record) []*record {
	svc := p.service
	if len(p.ref.Part.By) == 0 {
		out := s.ofAccount[accountKey{svc, p.account}]
		if len(out) == 0 && p.account != "" {
			parent := s.impliedRecord(svc, p.provider, p.account, p.source)
			out = append(out, parent)
		}
		return out
	}
	var out []*record
	for _, by := range p.by {
		if by != "#" {
			out = append(out, s.find(p, svc, by)...)
		}
	}
	if len(out) == 0 && p.account != "" && isRootOf(s.inv.book, svc) {
		if out = s.find(p, svc, p.account); len(out) == 0 {
			out = append(out, s.impliedRecord(svc, p.provider, p.account, p.source))
		}
	}
	return out
}

// isRootOf reports whether a service stands for the account of its provider.
func isRootOf(book *rulebook.Rulebook, svc *rulebook.Service) bool {
	p := book.Providers[svc.Provider]
	return p != nil && p.Implied != nil && p.Implied.Service == svc.ID
}

// sameInstance keeps, of the instances that one block of a plan makes, those that r means: of aws_s3_bucket.b[each.key] the
// one with r's own key, in a module with several instances those of r's own.
func sameInstance(r *record, found []*record) []*record {
	if len(found) < 2 {
		return found
	}
	keep := func(wanted func(*record) bool) {
		var out []*record
		for _, f := range found {
			if wanted(f) {
				out = append(out, f)
			}
		}
		if len(out) > 0 {
			found = out
		}
	}
	if module := r.address[:strings.LastIndexByte(strings.TrimSuffix(r.address, indexOf(r.address)), ']')+1]; module != "" {
		keep(func(f *record) bool { return strings.HasPrefix(f.address, module) })
	}
	if index := indexOf(r.address); index != "" {
		keep(func(f *record) bool { return indexOf(f.address) == index })
	}
	return found
}

// attach takes the facts of all parts of a resource into it. What several documents say of one list is joined; of one
// scalar the first that says it counts, and parts come newest first.
func (s *settler) attach(parent *record, pieces []*record) {
	lists := map[int][]demarc.Value{}
	taken := map[int]bool{}
	for _, p := range pieces {
		for _, f := range p.ref.Facts {
			i := f.Fact
			a, b := parent.row.At(i), p.row.At(i)
			if isListType(parent.service.Facts[i].Type) && (b.Known() && b.Origin == demarc.Read || open(b.Origin)) {
				elements, some := lists[i]
				if !some && a.Known() && a.Origin == demarc.Read {
					elements = slices.Clone(a.Value.Elements())
				}
				if b.Known() {
					lists[i] = append(elements, b.Value.Elements()...)
				} else {
					lists[i] = append(elements, demarc.Value{}) // there is more, and nobody knows what
				}
				continue
			}
			if b.Known() && (!a.Known() || a.Origin != demarc.Read || !taken[i] && newer(p, parent)) || !a.Known() && worse(b.Origin, a.Origin) {
				parent.row.set(i, b)
				taken[i] = taken[i] || b.Known() && b.Origin == demarc.Read
			}
		}
		for _, ref := range p.ref.Refs {
			if p.refs[ref.Relation] != nil {
				parent.refs[ref.Relation] = append(slices.Clip(orEmpty(parent.refs[ref.Relation])), p.refs[ref.Relation]...)
			}
		}
		parent.origins = append(parent.origins, p.pos)
	}
	for _, ref := range unfinished(pieces) {
		for _, f := range ref.Facts {
			if elements, ok := lists[f.Fact]; ok {
				lists[f.Fact] = append(elements, demarc.Value{})
			}
		}
	}
	for i, elements := range lists {
		parent.row.set(i, demarc.Fact{Value: demarc.List(parent.service.Facts[i].Type, elements...)})
	}
}

// unfinished returns the types of parts whose last page is not there: every page says that another follows.
func unfinished(pieces []*record) []*rulebook.TypeRef {
	var out []*rulebook.TypeRef
	ended := map[*rulebook.TypeRef]bool{}
	for _, p := range pieces {
		ended[p.ref] = ended[p.ref] || !p.more
	}
	for _, p := range pieces {
		if !ended[p.ref] {
			ended[p.ref] = true
			out = append(out, p.ref)
		}
	}
	return out
}

// open reports whether a part that has nothing to say of a list, for this reason, leaves it open.
func open(o demarc.Origin) bool {
	switch o {
	case demarc.AfterApply, demarc.BadValue, demarc.Denied, demarc.Projected:
		return true
	default:
		return false
	}
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func isListType(t demarc.Type) bool {
	return t == demarc.TypeStrings || t == demarc.TypeInts || t == demarc.TypeRecords
}

// controlled drops what a controller makes: a Pod or ReplicaSet is part of its owner, where that is present.
func (s *settler) controlled() {
	ids := map[string]bool{}
	for _, r := range s.live {
		if r.ref.Dialect == demarc.Kubernetes {
			ids[r.id] = true
		}
	}
	s.live = slices.DeleteFunc(s.live, func(r *record) bool {
		if r.owner == "" || !ids[r.owner] {
			return false
		}
		s.out.Parts++
		return true
	})
}

// imply makes the parents that are named but were not delivered: the account of a resource, or the private cloud it is in.
func (s *settler) imply() {
	type key struct{ provider, scope string }
	scope := func(r *record) key {
		if r.cloud != "" {
			return key{r.provider, r.cloud}
		}
		return key{r.provider, r.account}
	}
	have := map[key]bool{}
	for _, r := range s.live {
		if isRootOf(s.inv.book, r.service) {
			have[scope(r)] = true
		}
	}
	for _, r := range s.live {
		p := s.inv.book.Providers[r.provider]
		k := scope(r)
		if p == nil || p.Implied == nil || k.scope == "" || have[k] {
			continue
		}
		have[k] = true
		parent := s.impliedRecord(s.inv.book.Service(p.Implied.Service), r.provider, k.scope, r.source)
		if r.cloud != "" {
			parent.id, parent.account, parent.cloud, parent.name = r.cloud, "", r.cloud, r.cloud[strings.LastIndexByte(r.cloud, '/')+1:]
		}
	}
}

func (s *settler) impliedRecord(svc *rulebook.Service, provider, account string, source *demarc.Source) *record {
	p := s.inv.book.Providers[provider]
	r := &record{
		ref: &rulebook.TypeRef{Service: svc}, service: svc, provider: provider, account: account, name: account, source: source,
		implied: true, rank: rankTemplate, refs: make([][]string, len(svc.Relations)), pos: demarc.Position{Offset: -1},
	}
	id := "" // of the account
	if p != nil && p.Implied != nil {
		r.typ = p.Implied.Type
		for _, part := range p.Implied.ID {
			if part.Surrounding == "account" {
				id += account
			}
			id += part.Literal
		}
	}
	if id == "" {
		id = provider + "/" + account
	}
	if r.typ == "" {
		r.typ = string(svc.ID)
	}
	r.id = id
	cols := s.inv.table.columns(svc)
	r.row = Row{cols, make([]uint32, len(cols))}
	for i := range cols {
		r.row.numbers[i] = uint32(demarc.Unresolved)
	}
	s.live = append(s.live, r)
	key := lower(account)
	if of, ok := s.index[svc]; ok {
		of[key] = append(of[key], r)
	}
	if s.ofAccount != nil {
		s.ofAccount[accountKey{svc, account}] = append(s.ofAccount[accountKey{svc, account}], r)
	}
	return r
}

// clusterRoles finds for each cluster of Kubernetes who its nodes say its host and operator are.
func (s *settler) clusterRoles() {
	type vote struct {
		host, operator demarc.Party
		assumed        bool
	}
	clusters := map[string]*vote{}
	for _, r := range s.live {
		if r.roles == nil {
			continue
		}
		v := clusters[r.account]
		if v == nil {
			v = &vote{host: r.roles.host, operator: r.roles.operator, assumed: r.roles.assumed}
			clusters[r.account] = v
			continue
		}
		if v.host != r.roles.host {
			v.host, v.assumed = demarc.Self, true // nodes in several places: nobody can be named
		}
		if v.operator == "" {
			v.operator = r.roles.operator
		}
	}
	own := s.ownClusters()
	for _, r := range s.live {
		if r.provider != "kubernetes" {
			continue
		}
		if p := own[lower(r.account)]; p != nil {
			r.roles = &observedRoles{host: p.Roles[demarc.Host], operator: p.Roles[demarc.Operator]}
			continue
		}
		if r.roles == nil {
			if v := clusters[r.account]; v != nil {
				r.roles = &observedRoles{v.host, v.operator, v.assumed}
			}
		} else if v := clusters[r.account]; r.roles.operator == "" {
			r.roles.operator = v.operator
		}
	}
}

// ownClusters returns whose a cluster is by its own resource in its cloud, by the cluster's name: an EKS cluster "shop" in
// the inventory says more of the cluster "shop" than labels do. A name that two have says nothing.
func (s *settler) ownClusters() map[string]*rulebook.Provider {
	own := map[string]*rulebook.Provider{}
	for _, r := range s.live {
		if r.service.Archetype.ID != "managed-kubernetes" || r.provider == "kubernetes" {
			continue
		}
		name := lower(r.name)
		if _, twice := own[name]; twice {
			own[name] = nil
			continue
		}
		own[name] = s.inv.book.Providers[r.provider]
	}
	return own
}

// presume gives rare, unknown facts of some kind the value that the catalog presumes.
func (s *settler) presume(of func(*rulebook.Fact) bool) {
	facts := which(func(f *rulebook.Fact) bool { return f.Presume != nil && of(f) })
	for _, r := range s.live {
		for _, i := range facts(r.service) {
			if !r.row.At(i).Known() {
				r.row.set(i, demarc.Fact{Value: r.service.Facts[i].Presume.Value, Origin: demarc.Presumed})
			}
		}
	}
}

// which returns a function that gives the facts of some kind of a service, by index.
func which(of func(*rulebook.Fact) bool) func(*rulebook.Service) []int {
	known := map[*rulebook.Service][]int{}
	return func(svc *rulebook.Service) []int {
		list, ok := known[svc]
		if !ok {
			for i := range svc.Facts {
				if of(&svc.Facts[i]) {
					list = append(list, i)
				}
			}
			known[svc] = list
		}
		return list
	}
}

// derive computes derived facts: before relations are followed those that need none, after it the others.
func (s *settler) derive(after bool) {
	facts := which(func(f *rulebook.Fact) bool { return f.Derive != nil })
	for _, r := range s.live {
		svc := r.service
		for range svc.Facts { // a derived fact may read another
			changed := false
			for _, i := range facts(svc) {
				f := &svc.Facts[i]
				if r.row.At(i).Known() || !after && readsRelation(svc, f.Derive, 0) {
					continue
				}
				res := s.memo.Eval(f.Derive, svc, &r.row)
				if res.Err != nil {
					s.note(demarc.NoteCatalog, r.pos, "%s: fact %s of %s: %v", svc.ID, f.Name, r.id, res.Err)
				}
				if !res.Value.IsZero() {
					r.row.numbers[i] = s.derivedNumber(r.row.columns[i], res)
					changed = true
				}
			}
			if !changed {
				break
			}
		}
	}
}

const maxDerived = 1 << 16 // results whose numbers are remembered

// derivedNumber returns the number of what a derived fact came to. It is presumed if it rests on what is presumed.
func (s *settler) derivedNumber(c column, res *rulebook.Result) uint32 {
	n, ok := s.derived[res]
	if !ok {
		origin := demarc.Read
		if len(res.Presumed) > 0 {
			origin = demarc.Presumed
		}
		n = c.number(demarc.Fact{Value: res.Value, Origin: origin})
		if len(s.derived) < maxDerived {
			s.derived[res] = n
		}
	}
	return n
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

// relate draws facts through relations, one hop.
func (s *settler) relate() {
	s.reindex()
	facts := which(func(f *rulebook.Fact) bool { return f.Via >= 0 })
	for _, r := range s.live {
		for _, i := range facts(r.service) {
			r.row.set(i, s.drawn(r, &r.service.Facts[i]))
		}
	}
}

func (s *settler) drawn(r *record, f *rulebook.Fact) demarc.Fact {
	references := r.refs[f.Via]
	var targets []*record
	unresolvedRefs := 0
	relation := &r.service.Relations[f.Via]
	for _, reference := range references {
		n := 0
		for _, to := range relation.To {
			found := s.find(r, s.inv.book.Service(to), reference)
			if len(found) > 1 && !isListType(f.Type) {
				s.note(demarc.NoteAmbiguous, r.pos, "%s of %s fits %d resources", relation.Name, r.id, len(found))
				found = nil
			}
			targets = append(targets, found...)
			n += len(found)
		}
		if n == 0 {
			unresolvedRefs++
		}
	}
	if len(targets) == 0 && unresolvedRefs == 0 {
		// No reference: certainly none if this document could have said so.
		if references != nil && !f.None.IsZero() && s.saysRelation(r, f.Via) {
			return demarc.Fact{Value: f.None}
		}
		return demarc.Fact{Origin: demarc.Unresolved}
	}
	if !isListType(f.Type) {
		if len(targets) != 1 || unresolvedRefs > 0 {
			return demarc.Fact{Origin: demarc.Unresolved}
		}
		return s.fromTarget(targets[0], f)
	}
	var list []demarc.Value
	for _, t := range targets {
		got := s.fromTarget(t, f)
		switch {
		case !got.Known():
			list = append(list, demarc.Value{})
		case isListType(got.Value.Type()):
			list = append(list, got.Value.Elements()...)
		default:
			list = append(list, got.Value)
		}
	}
	for range unresolvedRefs {
		list = append(list, demarc.Value{})
	}
	return demarc.Fact{Value: demarc.List(f.Type, list...)}
}

// saysRelation reports whether documents of r's type have a place for a relation.
func (s *settler) saysRelation(r *record, relation int) bool {
	for _, ref := range r.ref.Refs {
		if ref.Relation == relation {
			return true
		}
	}
	return false
}

func (s *settler) fromTarget(t *record, f *rulebook.Fact) demarc.Fact {
	i := t.service.FactIndex(f.ViaFact)
	if i < 0 {
		return demarc.Fact{Origin: demarc.Unresolved}
	}
	return t.row.At(i)
}

// finish turns records into items, sorted by id.
func (s *settler) finish() {
	s.out.Items = make([]Item, 0, len(s.live))
	for _, r := range s.live {
		source := ""
		if r.source != nil {
			source = r.source.Name
		}
		item := Item{
			Resource: demarc.Resource{
				ID: demarc.ResourceID(r.id), Provider: r.provider, Source: source, Account: r.account, Region: r.region, Type: r.typ,
				Service: r.service.ID, Name: r.name, Tags: r.tags, Implied: r.implied, Model: r.service.Model, Captured: r.captured,
				Origins: append([]demarc.Position{r.pos}, r.origins...),
			},
			Service: r.service, Facts: r.row, Hidden: r.hidden, Inside: r.inside,
		}
		if r.roles != nil {
			item.Roles = &ObservedRoles{Host: r.roles.host, Operator: r.roles.operator, Assumed: r.roles.assumed}
		}
		s.out.Items = append(s.out.Items, item)
	}
	sort.SliceStable(s.out.Items, func(i, j int) bool {
		a, b := &s.out.Items[i].Resource, &s.out.Items[j].Resource
		return cmp.Or(strings.Compare(string(a.ID), string(b.ID)), strings.Compare(a.Provider, b.Provider)) < 0
	})
	sort.SliceStable(s.drift, func(i, j int) bool {
		a, b := &s.drift[i], &s.drift[j]
		return cmp.Or(strings.Compare(string(a.Resource), string(b.Resource)), strings.Compare(a.Fact, b.Fact)) < 0
	})
	s.out.Drift = Drifts{Count: len(s.drift), Kept: s.drift[:min(len(s.drift), keptDrifts)]}
}
