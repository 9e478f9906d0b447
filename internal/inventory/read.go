package inventory

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/jscan"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/spill"
)

// Reader turns documents into records. It is used by one goroutine; Inventory makes one for each.
type Reader struct {
	inv       *Inventory
	plans     map[demarc.Dialect]*dialectPlan
	captures  map[demarc.Dialect]*jscan.Captures
	types     map[typeName]*rulebook.TypeRef // of the catalog
	names     map[string]string              // by raw text
	scratch   []byte
	values    [][]byte  // scratch
	rec       record    // scratch
	converter converter // of the facts of rec
	tags      []byte    // scratch: those of rec
	sub       uint32    // records of the document so far

	encoder    *encoder
	records    *spill.Sorter
	buf        []byte
	lastSource *demarc.Source
	seen       seen
	denials    map[denial]bool
	notes      Notes
	err        error
}

type typeName struct {
	dialect demarc.Dialect
	name    string
}

const (
	maxCached    = 4096 // raw values remembered for one fact
	maxCachedRaw = 256  // bytes of a raw value that is remembered
)

// Read reads one document. What it holds is kept by the Inventory; what a person must know is noted there.
func (r *Reader) Read(doc demarc.Document) {
	r.sub = 0
	if doc.Form == demarc.FormError {
		r.denied(&doc)
		return
	}
	plan := r.planOf(doc.Dialect)
	c := r.captures[doc.Dialect]
	switch doc.Dialect {
	case demarc.AWSConfig:
		r.awsConfig(plan, c, &doc)
	case demarc.AWSAPI, demarc.OpenStack, demarc.VSphere, demarc.Graph:
		r.envelope(plan, c, &doc)
	case demarc.CloudFormation:
		r.cloudFormation(plan, c, &doc)
	case demarc.ARM:
		r.arm(plan, c, &doc)
	case demarc.CAI:
		r.cai(plan, c, &doc)
	case demarc.Kubernetes:
		r.kubernetes(plan, c, &doc)
	case demarc.Terraform:
		r.terraform(plan, c, &doc)
	default:
		panic("inventory: document of dialect " + string(doc.Dialect))
	}
}

func (r *Reader) note(kind demarc.NoteKind, p demarc.Position, format string, args ...any) {
	r.notes.Add(demarc.Note{Kind: kind, Pos: p, Message: fmt.Sprintf(format, args...)})
}

// scan captures the declared paths of a text; false and a note if it is not valid JSON.
func (r *Reader) scan(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document, body []byte) bool {
	c.Reset()
	if err := jscan.Scan(body, plan.root, c); err != nil {
		r.refuse(doc, err)
		return false
	}
	return true
}

func (r *Reader) refuse(doc *demarc.Document, err error) {
	pos := doc.Pos
	if syntax, ok := err.(*jscan.SyntaxError); ok { //nolint:errorlint // jscan returns nothing else
		if pos.Offset >= 0 {
			pos.Offset += syntax.Offset
		}
		r.note(demarc.NoteRefused, pos, "expected %s, found %s", syntax.Expected, syntax.Found)
		return
	}
	r.note(demarc.NoteRefused, pos, "%v", err)
}

// text returns the string in a known slot, "" if there is none. Numbers are text too.
func (plan *dialectPlan) text(c *jscan.Captures, name string) string {
	slot, ok := plan.known[name]
	if !ok {
		panic("inventory: no slot " + name)
	}
	return scalarText(c.Get(slot))
}

func (plan *dialectPlan) raw(c *jscan.Captures, name string) []byte { return c.Get(plan.known[name]) }

// scalarText returns the text of a scalar. It is a piece of the document: what outlives that has to be cloned.
func scalarText(raw []byte) string {
	if jscan.IsNull(raw) {
		return ""
	}
	if s, ok := textOf(raw); ok {
		return s
	}
	if raw[0] == '{' || raw[0] == '[' {
		return ""
	}
	return view(raw)
}

// textOf is jscan.IsString, without a copy where nothing is escaped.
func textOf(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	return view(jscan.Unquote(raw[1 : len(raw)-1])), true
}

// surroundings is what a document says, or its source says for it.
type surroundings struct{ account, region, partition string }

// element makes the record of one resource or part whose paths are captured in c.
func (r *Reader) element(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document, ref *rulebook.TypeRef, at surroundings) *record {
	t := plan.types[ref]
	if t == nil { // what the catalog does not know has no facts
		t = &typePlan{ref: ref}
	}
	if t.service == nil {
		t.service = r.inv.service(ref.Service)
	}
	s := ref.Service
	rec := &r.rec
	*rec = record{
		ref: ref, service: s, plan: t.service, provider: s.Provider, typ: ref.Type, pos: doc.Pos, source: doc.Source, sequence: doc.Sequence,
		account: at.account, region: at.region, rank: rankObserved, more: doc.More,
		aliases: rec.aliases[:0], row: rec.row, refs: rec.refs, by: references{to: rec.by.to[:0]}, hidden: rec.hidden[:0],
	}
	if doc.Source != nil {
		if rec.account == "" {
			rec.account = doc.Source.Account
		}
		if rec.region == "" {
			rec.region = doc.Source.Region
		}
	}
	for _, slot := range plan.tags {
		var whole bool
		if r.tags, whole = tags(r.tags[:0], c.Get(slot)); !whole {
			r.note(demarc.NoteRefused, doc.Pos, "tags of more than %d KiB: the rest of them is not looked at", maxTags>>10)
		}
		if len(r.tags) > 0 {
			rec.tags = demarc.Tags(view(r.tags))
			break
		}
	}
	r.facts(plan, c, doc, t, rec)
	rec.makeRefs(len(s.Relations))
	for _, ref := range t.refs {
		r.references(plan, c, doc, ref.path, &rec.refs[ref.relation])
	}
	if ref.Part != nil && t.by != nil {
		r.references(plan, c, doc, t.by, &rec.by)
	}
	if v, ok := r.fill(plan, c, t.account, at); ok && v != "" {
		rec.account = v
	}
	if v, ok := r.fill(plan, c, t.region, at); ok && v != "" {
		rec.region = v
	}
	rec.name, _ = r.fill(plan, c, t.name, at)
	for _, a := range t.aliases {
		if len(a) == 1 && a[0].path != nil { // each of those that a path gathers
			what, _ := a[0].path.look(c, plan.fold, plan.single, &r.values)
			for _, raw := range what.values {
				if v := scalarText(raw); v != "" {
					rec.aliases = append(rec.aliases, v)
				}
			}
			continue
		}
		if v, ok := r.fill(plan, c, a, at); ok && v != "" {
			rec.aliases = append(rec.aliases, v)
		}
	}
	at.account, at.region = rec.account, rec.region
	id, whole := r.fill(plan, c, t.id, at)
	rec.id, rec.weak = id, !whole && len(t.id) > 0
	return rec
}

// fill makes the text of a template. whole is false if a value was missing.
func (r *Reader) fill(plan *dialectPlan, c *jscan.Captures, t templatePlan, at surroundings) (text string, whole bool) {
	if len(t) == 0 {
		return "", false
	}
	if len(t) == 1 && t[0].path != nil {
		what, _ := t[0].path.look(c, plan.fold, plan.single, &r.values)
		for _, raw := range what.values {
			if text = scalarText(raw); text != "" {
				break
			}
		}
		return text, text != ""
	}
	whole = true
	var b strings.Builder
	for _, part := range t {
		v := part.literal
		switch part.surrounding {
		case "account":
			v = at.account
		case "region":
			v = at.region
		case "partition":
			if v = at.partition; v == "" {
				v = partitionOf(at.region)
			}
		}
		if part.path != nil {
			what, _ := part.path.look(c, plan.fold, plan.single, &r.values)
			for _, raw := range what.values {
				if v = scalarText(raw); v != "" {
					break
				}
			}
			if v == "" && len(t) > 1 {
				return "", false
			}
		}
		whole = whole && v != ""
		b.WriteString(v)
	}
	return b.String(), whole
}

// partitionOf returns the AWS partition that a region lies in. Source: the regions' names.
func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	default:
		return "aws"
	}
}

// facts numbers every fact of a resource.
func (r *Reader) facts(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document, t *typePlan, rec *record) {
	s := t.ref.Service
	rec.row.reset(t.service.columns)
	r.converter.reset(plan.fold, plan.single)
	for i := range s.Facts {
		switch {
		case s.Facts[i].Via >= 0:
		case s.Facts[i].Derive != nil:
			rec.row.numbers[i] = uint32(demarc.Absent)
		default:
			rec.row.numbers[i] = uint32(demarc.NotCarried)
		}
	}
	unknownAfterApply := []byte(nil)
	if doc.Form == demarc.FormPlanChange {
		unknownAfterApply = plan.raw(c, "change.after_unknown")
	}
	secret := sensitiveMask(plan, c, doc)
	for k := range t.facts {
		f := &t.facts[k]
		if !f.always.IsZero() {
			rec.row.set(f.fact, demarc.Fact{Value: f.always})
			continue
		}
		what, asked := f.path.look(c, plan.fold, plan.single, &r.values)
		fact := &s.Facts[f.fact]
		sensitive := fact.Sensitive
		if secret != nil && slices.ContainsFunc(f.path, func(a altPlan) bool { return unknownAt(secret, a.keys) }) {
			rec.hidden = append(rec.hidden, f.fact)
			sensitive = true
		}
		if asked != rulebook.WhetherSet && tooLarge(what.values) {
			r.note(demarc.NoteRefused, doc.Pos, "%s: fact %s: a value of more than %d MiB", s.ID, fact.Name, maxValue>>20)
			f.set(&rec.row, demarc.Fact{Origin: demarc.BadValue})
			continue
		}
		if !what.present || asked == rulebook.TheValue && !isListType(fact.Type) && (len(what.values) == 0 || fact.Type == demarc.TypeDocument && string(what.values[0]) == `""`) {
			f.set(&rec.row, r.missing(plan, c, fact, f.path, doc, unknownAfterApply))
			continue
		}
		key := r.rawKey(what, asked)
		if key != nil {
			if n, ok := f.numbers[string(key)]; ok {
				rec.row.numbers[f.fact] = n
				continue
			}
		}
		v, ok := r.converter.fact(fact, what.values, asked)
		var got demarc.Fact
		switch {
		case ok && v.IsZero():
			got = demarc.Fact{Origin: demarc.AfterApply}
		case ok:
			got = demarc.Fact{Value: v}
		case asked == rulebook.WhetherSet:
			got = r.missing(plan, c, fact, f.path, doc, unknownAfterApply)
			key = nil
		default:
			got = demarc.Fact{Origin: demarc.BadValue}
			shown := "a value"
			if !sensitive && fact.Type != demarc.TypeDocument && (fact.Values != nil || fact.Map != nil) {
				shown = fmt.Sprintf("%.40q", cmp.Or(scalarText(what.values[0]), string(what.values[0])))
			}
			r.note(demarc.NoteBadValue, doc.Pos, "%s: fact %s: %s that is not of type %s or not one that is known", s.ID, fact.Name, shown, fact.Type)
			key = nil
		}
		rec.row.set(f.fact, got)
		if n := rec.row.numbers[f.fact]; key != nil && n&carried == 0 && len(f.numbers) < maxCached {
			if f.numbers == nil {
				f.numbers = map[string]uint32{}
			}
			f.numbers[string(key)] = n
		}
	}
}

// set sets the fact to what it means that it is not there.
func (f *factPlan) set(row *Row, missing demarc.Fact) {
	if missing.Origin != demarc.Defaulted {
		row.set(f.fact, missing)
		return
	}
	if f.byDefault == 0 { // numbers of known facts come behind those of the origins
		row.set(f.fact, missing)
		if n := row.numbers[f.fact]; n&carried == 0 {
			f.byDefault = n
		}
		return
	}
	row.numbers[f.fact] = f.byDefault
}

// rawKey returns the bytes that decide the value, nil if there are too many of them.
func (r *Reader) rawKey(what found, asked rulebook.Question) []byte {
	key := append(r.scratch[:0], byte(asked))
	for _, v := range what.values {
		if len(key)+len(v) > maxCachedRaw {
			return nil
		}
		key = append(append(key, v...), 0)
	}
	r.scratch = key
	return key
}

// missing says what it means that a document does not hold a fact for which it has a place.
func (r *Reader) missing(plan *dialectPlan, c *jscan.Captures, f *rulebook.Fact, path pathPlan, doc *demarc.Document, afterUnknown []byte) demarc.Fact {
	if len(afterUnknown) > 0 {
		for _, a := range path {
			if unknownAt(afterUnknown, a.keys) {
				return demarc.Fact{Origin: demarc.AfterApply}
			}
		}
	}
	if doc.Form == demarc.FormTemplate && slices.ContainsFunc(path, func(a altPlan) bool { return unresolvedAbove(doc.Body, a.keys, plan.fold) }) {
		return demarc.Fact{Origin: demarc.AfterApply}
	}
	if doc.Form == demarc.FormPlanValues && !slices.ContainsFunc(path, func(a altPlan) bool { return !leftOut(plan.raw(c, "values"), a.keys) }) {
		return demarc.Fact{Origin: demarc.AfterApply} // planned values hold what is known, and null for what is not set
	}
	if doc.Summary || !plan.delivered(c, path) {
		return demarc.Fact{Origin: demarc.Projected}
	}
	if slices.ContainsFunc(path, func(a altPlan) bool { return a.blocked(c, plan.single) }) {
		r.note(demarc.NoteBadValue, doc.Pos, "fact %s: %s leads through a value that is no object", f.Name, strings.Join(path[0].keys, "."))
		return demarc.Fact{Origin: demarc.BadValue}
	}
	if d, ok := f.Defaults[doc.Dialect]; ok {
		return demarc.Fact{Value: d.Value, Origin: demarc.Defaulted}
	}
	return demarc.Fact{Origin: demarc.Absent}
}

// blocked reports whether something on the way of the path is there and cannot be followed: then nobody knows what is
// not found behind it.
func (a *altPlan) blocked(c *jscan.Captures, single bool) bool {
	for _, slot := range a.above {
		raw := c.Get(slot)
		switch {
		case jscan.IsNull(raw):
			return false
		case raw[0] == '{':
		case single && raw[0] == '[':
			if n := countElements(raw); n == 0 {
				return false
			} else if n > 1 {
				return true
			}
		case string(raw) == `""`:
			return false
		default:
			return true
		}
	}
	return false
}

func countElements(raw []byte) int {
	n := 0
	jscan.Elements(raw, func([]byte) bool { n++; return n < 2 })
	return n
}

// unresolvedAbove reports whether a value on the way to keys is one that a template leaves open.
func unresolvedAbove(body []byte, keys []string, fold bool) bool {
	for _, k := range keys {
		if body = jscan.Member(body, k, fold); isUnresolved(body) {
			return true
		}
	}
	return false
}

// leftOut reports whether planned values hold nothing on the way to keys, not even null.
func leftOut(values []byte, keys []string) bool {
	for _, k := range keys {
		if only, ok := onlyElement(values); ok {
			values = only
		}
		if values = jscan.Member(values, k, false); values == nil {
			return true
		}
		if jscan.IsNull(values) || string(values) == "[]" {
			return false
		}
	}
	return false
}

// sensitiveMask returns what a Terraform document says of which of its values are sensitive, nil for none.
func sensitiveMask(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document) []byte {
	if doc.Dialect != demarc.Terraform {
		return nil
	}
	for _, member := range []string{"change.after_sensitive", "sensitive_values"} {
		if mask := plan.raw(c, member); bytes.Contains(mask, []byte("true")) {
			return mask
		}
	}
	return nil
}

// delivered reports whether the document holds the section that a path leads into: an export of policies holds no
// resource, and one of resources no policies.
func (plan *dialectPlan) delivered(c *jscan.Captures, path pathPlan) bool {
	if len(plan.sections) == 0 {
		return true
	}
	for _, a := range path {
		if len(a.keys) == 0 {
			return true // the document itself
		}
		section := plan.sections[a.keys[0]]
		if section == nil || !jscan.IsNull(c.Get(section.Slot)) {
			return true
		}
	}
	return len(path) == 0
}

// unknownAt reports whether a plan's mask of what is known only after apply covers the value at keys.
func unknownAt(mask []byte, keys []string) bool {
	for {
		if len(mask) > 0 && mask[0] == '[' {
			only, ok := onlyElement(mask)
			if !ok {
				return bytes.Contains(mask, []byte("true"))
			}
			mask = only
		}
		if jscan.IsNull(mask) {
			return false
		}
		if mask[0] == 't' {
			return true
		}
		if len(keys) == 0 {
			return bytes.Contains(mask, []byte("true"))
		}
		mask = jscan.Member(mask, keys[0], false)
		keys = keys[1:]
	}
}

// references finds the ids that a path leads to: none known where nobody knows. A reference of a template to its own
// resource is its logical id behind "#".
func (r *Reader) references(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document, p pathPlan, out *references) {
	out.known, out.to = true, out.to[:0]
	what, _ := p.look(c, plan.fold, plan.single, &r.values)
	if !what.present {
		switch {
		case doc.Summary || !plan.delivered(c, p):
			out.known = false
		case r.leftOpen(plan, c, doc, p):
			out.to = append(out.to, "#")
		}
		return
	}
	if tooLarge(what.values) {
		r.note(demarc.NoteRefused, doc.Pos, "references of more than %d MiB: they are not followed", maxValue>>20)
		out.known = false
		return
	}
	add := func(raw []byte) bool {
		if isUnresolved(raw) {
			to, _ := textOf(jscan.Member(raw, "to", false))
			out.to = append(out.to, "#"+to) // "#" alone: something, but nobody knows what
			return true
		}
		if s := scalarText(raw); s != "" {
			out.to = append(out.to, s)
		}
		return true
	}
	for _, raw := range what.values {
		if raw[0] == '[' {
			jscan.Elements(raw, add)
		} else {
			add(raw)
		}
	}
}

// maxValue is how many bytes of a document one fact or relation is made of. A list of ten thousand rules has some megabytes.
const maxValue = 4 << 20

func tooLarge(values [][]byte) bool {
	n := 0
	for _, raw := range values {
		n += len(raw)
	}
	return n > maxValue
}

// leftOpen reports whether there may be something at a path that the document does not know yet.
func (r *Reader) leftOpen(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document, p pathPlan) bool {
	switch doc.Form {
	case demarc.FormTemplate:
		return slices.ContainsFunc(p, func(a altPlan) bool { return unresolvedAbove(doc.Body, a.keys, plan.fold) })
	case demarc.FormPlanValues:
		return !slices.ContainsFunc(p, func(a altPlan) bool { return !leftOut(plan.raw(c, "values"), a.keys) })
	case demarc.FormPlanChange:
		mask := plan.raw(c, "change.after_unknown")
		return len(mask) > 0 && slices.ContainsFunc(p, func(a altPlan) bool { return unknownAt(mask, a.keys) })
	default:
		return false
	}
}

// name returns the text in a known slot, of which there are few: accounts, regions, types.
func (r *Reader) name(plan *dialectPlan, c *jscan.Captures, member string) string {
	raw := plan.raw(c, member)
	if known, ok := r.names[string(raw)]; ok {
		return known
	}
	text := strings.Clone(scalarText(raw))
	if len(raw) <= maxCachedRaw && len(r.names) < maxCached {
		r.names[string(raw)] = text
	}
	return text
}

// maxTags is how many bytes of tags are read of a resource. AWS has 50 of at most 384 characters, Kubernetes annotations of
// 256 KiB, which are no tags.
const maxTags = 64 << 10

// tags appends tags in any of their forms: an object, or a list of {Key, Value}. It reports whether these are all.
func tags(b, raw []byte) (out []byte, whole bool) {
	if jscan.IsNull(raw) || isUnresolved(raw) {
		return b, true
	}
	whole = true
	put := func(k, v string) bool {
		if whole = len(b)+len(k)+len(v) <= maxTags; whole && k != "" {
			b = demarc.AppendTag(b, k, v)
		}
		return whole
	}
	switch raw[0] {
	case '{':
		jscan.RawMembers(raw, func(k, v []byte) bool {
			return put(view(k), scalarText(v))
		})
	case '[':
		jscan.Elements(raw, func(e []byte) bool {
			var k, v []byte
			jscan.RawMembers(e, func(name, value []byte) bool {
				switch name := view(name); {
				case strings.EqualFold(name, "Key"):
					k = value
				case strings.EqualFold(name, "Value"):
					v = value
				}
				return true
			})
			return put(scalarText(k), scalarText(v))
		})
	}
	return b, whole
}
