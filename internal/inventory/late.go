package inventory

import (
	"slices"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

// tenants gives the bodies of Microsoft Graph their tenant: the one of their source. Until all were read nobody knows it,
// so they were put aside.
func (s *settler) tenants() error {
	of := s.seen.tenants
	var all []string
	for _, ids := range of {
		all = append(all, ids...)
	}
	told := map[string]demarc.Position{}
	late := s.inv.late.Read()
	var r record
	var buf []byte
	for text, ok := late.Next(); ok; text, ok = late.Next() {
		s.inv.decode(string(text), &r)
		if isTenant(&r) {
			r.account = r.id
			r.aliases = append(r.aliases, r.id)
			r.id = "microsoft365/" + r.id
		} else {
			if r.account == "" {
				own := of[r.source.Name]
				switch {
				case len(own) == 1:
					r.account = own[0]
				case len(own) == 0 && len(all) == 1 && !r.source.Declared:
					r.account = all[0]
				default:
					r.account = r.source.Name
					if have, ok := told[r.account]; !ok || comparePlaces(demarc.Note{Pos: r.pos}, demarc.Note{Pos: have}) < 0 {
						told[r.account] = r.pos
					}
				}
			}
			if r.ref.Part == nil {
				r.id = "microsoft365/" + r.account + "/" + r.typ + "/" + r.id
			}
		}
		s.seen.record(s.inv.service(r.service), &r)
		buf = s.encoder.append(buf[:0], &r, kindRead)
		to := s.inv.records.Add
		if r.ref.Part != nil {
			to = s.inv.pieces.Append
		}
		if err := to(buf); err != nil {
			return err
		}
	}
	for account, pos := range told {
		s.inv.notes.Addf(demarc.NoteNoTenant, pos, "bodies that name no tenant belong to one that is named after their source, %s", account)
	}
	s.inv.late.Release()
	return late.Err()
}

// projects calls each Google project by its id where some document tells which id its number is.
func (s *settler) projects() {
	if len(s.seen.projects) == 0 {
		return
	}
	have, want := s.seen.have, s.seen.want
	s.seen.have, s.seen.want, s.seen.last = map[place]bool{}, map[place]*first{}, nil
	for p := range have {
		p.scope = s.project(p.provider, p.scope)
		s.seen.have[p] = true
	}
	for p, by := range want {
		p.scope = s.project(p.provider, p.scope)
		s.seen.wanted(p, *by)
	}
}

// project returns what a project is called that may be named by its number.
func (s *settler) project(provider, account string) string {
	if id := s.seen.projects[account]; id != "" && provider == "gcp" {
		return id
	}
	return account
}

// planReferences takes what a plan knows only after apply from its configuration: the addresses that an attribute
// refers to. The reference to a resource of the plan is its address behind "#".
func (s *settler) planReferences(r *record) {
	if r.address == "" {
		return
	}
	of := s.inv.configurations[r.inputKey()][withoutIndexes(r.address)]
	if len(of) == 0 {
		return
	}
	all := s.seen.made[r.inputKey()]
	fill := func(have *references, path rulebook.Path, to []demarc.ServiceID, each bool) {
		open, known := 0, have.to[:0:0]
		for _, t := range have.to {
			if t == "#" {
				open++
			} else {
				known = append(known, t)
			}
		}
		if len(have.to) > 0 && open == 0 {
			return
		}
		for _, alt := range path {
			found, where := of.at(alt)
			exact := where == strings.Join(alt.Names(), ".")
			if own := s.inv.leading(found, to); !exact && (len(own) > 0 || to != nil && have.known && len(have.to) == 0) {
				found = own // what else a block refers to is for its other attributes
			}
			if len(found) == 0 {
				continue
			}
			have.known, have.to = true, known
			for _, address := range found {
				if instances, ok := of.instances(all, r.address, where, address); ok && each {
					for _, a := range instances {
						have.to = append(have.to, "#"+a)
					}
					continue
				}
				have.to = append(have.to, "#"+address)
			}
			if len(have.to)-len(known) < open {
				have.to = append(have.to, "#") // there are more
			}
			return
		}
	}
	plan := s.inv.service(r.service)
	for _, ref := range r.ref.Refs {
		fill(&r.refs[ref.Relation], ref.Path, plan.Relations[ref.Relation].To, true)
		if len(r.refs[ref.Relation].to) > 0 {
			s.seen.asked[askedKey{plan, ref.Relation}] = true
		}
	}
	if r.ref.Part != nil {
		by := r.ref.Part.By
		if r.ref.Dialect == demarc.ARM {
			by = parentOf
		}
		fill(&r.by, by, nil, false)
	}
	for _, n := range r.ref.Named {
		// What is referred to besides, such as a parameter that names a key, may be what counts.
		found, where := of.at(n.Path)
		if own := s.inv.leading(found, plan.Relations[n.Relation].To); where == strings.Join(n.Path.Names(), ".") && len(own) == len(found) {
			r.call(n, of.called(all, r, n, where, own))
		}
	}
}

// anybody is the address of whatever else of an input may be meant, where it is not known what.
const anybody = "?"

// ownReferences adds what a template, a plan or a state calls a resource to the relations that lead to it by its own names.
func (s *settler) ownReferences(r *record) {
	if r.address == "" {
		return
	}
	plan := s.inv.service(r.service)
	for _, relation := range r.ref.Self {
		refs := &r.refs[relation]
		refs.known = true
		refs.to = slices.DeleteFunc(refs.to, func(to string) bool { return to == "#" }) // what comes of it is called that
		names := r.ownNames(nil)
		if !plan.Relations[relation].Answers {
			names = append(names, "#"+anybody)
		}
		for _, name := range names {
			if !slices.Contains(refs.to, name) {
				refs.to = append(refs.to, name)
			}
		}
		s.seen.asked[askedKey{plan, relation}] = true
	}
}

// ownNames appends what others of the same input may call a resource: its address first, and that without indexes.
func (r *record) ownNames(names []string) []string {
	names = append(names, "#"+r.address)
	if block := withoutIndexes(r.address); block != r.address {
		names = append(names, "#"+block)
	}
	if r.ref.Part != nil {
		return names
	}
	if !r.local && r.id != "" {
		names = append(names, r.id)
	}
	return append(names, r.aliases...)
}

// leading returns those of some addresses of a plan whose type is one of these services.
func (inv *Inventory) leading(addresses []string, to []demarc.ServiceID) []string {
	var out []string
	for _, address := range addresses {
		if inv.isOf(demarc.Terraform, terraformType(address), to) {
			out = append(out, address)
		}
	}
	return out
}

// isOf reports whether a type is one of these services.
func (inv *Inventory) isOf(d demarc.Dialect, typ string, services []demarc.ServiceID) bool {
	if len(services) == 0 {
		return false
	}
	ref := inv.book.Find(d, typ)
	return ref != nil && slices.Contains(services, ref.Service.ID)
}

// called returns what a fact is called after: of a block with several instances those that are meant. A fact of one value has
// the name of the block where it is not known which of them is meant; a list has no name then.
func (of attributeRefs) called(all made, r *record, n rulebook.Naming, where string, addresses []string) []string {
	list := n.Field == "" && isListType(r.service.Facts[n.Fact].Type)
	var out []string
	for _, a := range addresses {
		switch instances, ok := of.instances(all, r.address, where, a); {
		case ok && (list || len(instances) == 1):
			out = append(out, instances...)
		case list:
			return nil
		default:
			out = append(out, a)
		}
	}
	return out
}

// call gives a fact that says what a relation leads to the address of that where it is known only after apply: it has no
// other name yet. Of several that it may be, or that are the elements of a list, it takes all.
func (r *record) call(n rulebook.Naming, addresses []string) {
	have, list := r.row.At(n.Fact), isListType(r.service.Facts[n.Fact].Type)
	switch {
	case len(addresses) == 0 || have.Known() && !list || !have.Known() && have.Origin != demarc.AfterApply:
	case !list:
		r.row.set(n.Fact, demarc.Fact{Value: demarc.String(strings.Join(addresses, " or "))})
	case have.Known():
		if elements := fill(have.Value.Elements(), r.service.Facts[n.Fact].Field(n.Field), addresses); elements != nil {
			r.row.set(n.Fact, demarc.Fact{Value: demarc.List(r.service.Facts[n.Fact].Type, elements...), Origin: have.Origin})
		}
	case n.Field == "": // the list as a whole: what else is in it nobody knows
		elements := []demarc.Value{{}}
		for _, a := range addresses {
			elements = append(elements, demarc.String(a))
		}
		r.row.set(n.Fact, demarc.Fact{Value: demarc.List(r.service.Facts[n.Fact].Type, elements...)})
	}
}

// fill returns a list in which the elements that are not known, or a field of the records in it, are the addresses, if there
// are as many; otherwise nil. A list of one such element may be one of which a plan does not know how long it will be. Blocks of
// a plan may come in another order than in its configuration, so it is not known which of several addresses a record has.
func fill(elements []demarc.Value, field *rulebook.Field, addresses []string) []demarc.Value {
	if field != nil && slices.ContainsFunc(addresses, func(a string) bool { return a != addresses[0] }) {
		return nil
	}
	out := slices.Clone(elements)
	if len(out) == 1 && field == nil && out[0].IsZero() {
		out = make([]demarc.Value, len(addresses))
	}
	for i := range out {
		at := -1
		if names := out[i].Names(); field != nil && names != nil {
			at = slices.Index(names.All(), field.Name)
		}
		switch {
		case field == nil && !out[i].IsZero():
			continue
		case field != nil && (at < 0 || !isUnknown(out[i].Fields()[at])):
			continue
		case len(addresses) == 0:
			return nil
		case field == nil:
			out[i] = demarc.String(addresses[0])
		default:
			fields := slices.Clone(out[i].Fields())
			if fields[at] = demarc.String(addresses[0]); isListType(field.Type) {
				fields[at] = demarc.List(field.Type, fields[at])
			}
			out[i] = out[i].Names().Record(fields)
		}
		addresses = addresses[1:]
	}
	if len(addresses) > 0 {
		return nil
	}
	return out
}

// isUnknown reports whether nothing is known of a value, or of the one element of a list.
func isUnknown(v demarc.Value) bool {
	elements := v.Elements()
	return v.IsZero() || len(elements) == 1 && elements[0].IsZero()
}

// imply makes the parents that are named but were not delivered: the account of a resource, or the private cloud it is in.
func (s *settler) imply() error {
	s.implyDenied()
	for p, by := range s.seen.want {
		if s.seen.have[p] {
			continue
		}
		if err := s.implied(p, *by); err != nil {
			return err
		}
	}
	return nil
}

// implied adds the record of what stands for an account.
func (s *settler) implied(p place, by first) error {
	s.seen.have[p], s.seen.services[p.service] = true, true
	r := record{
		ref: s.inv.impliedRef(p.service.Service), service: p.service.Service, provider: p.provider, account: p.scope, name: p.scope, source: by.source,
		implied: true, rank: rankTemplate, pos: demarc.Position{Offset: -1},
	}
	id := "" // of the account
	if b := s.inv.book.Providers[p.provider]; b != nil && b.Implied != nil {
		r.typ = b.Implied.Type
		for _, part := range b.Implied.ID {
			if part.Surrounding == "account" {
				id += p.scope
			}
			id += part.Literal
		}
	}
	if id == "" {
		id = p.provider + "/" + p.scope
	}
	if r.typ == "" {
		r.typ = string(p.service.ID)
	}
	r.id = id
	if by.cloud {
		r.id, r.account, r.cloud, r.name = p.scope, "", p.scope, p.scope[strings.LastIndexByte(p.scope, '/')+1:]
	}
	s.inv.sources.add(r.source, "")
	r.row.reset(p.service.columns)
	r.makeRefs(len(r.service.Relations))
	return s.inv.records.Add(s.encoder.append(nil, &r, kindImplied))
}

// impliedRef returns the type of what stands for an account, which no document has.
func (inv *Inventory) impliedRef(svc *rulebook.Service) *rulebook.TypeRef {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	p := inv.servicePlan(svc)
	if p.implied == nil {
		p.implied = &rulebook.TypeRef{Service: svc}
	}
	return p.implied
}
