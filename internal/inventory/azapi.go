package inventory

import (
	"bytes"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/jscan"
	"github.com/demarc/demarc/internal/rulebook"
)

// azapiType is the Terraform type whose body is a resource as Azure Resource Manager takes it.
const azapiType = "azapi_resource"

// azapiParent is the attribute in which such a resource names the one that it is a child of.
const azapiParent = "parent_id"

// azapi reads such a resource by the paths of its ARM type. It returns false, and adds nothing, where the type or the body cannot be
// read.
// Source: https://github.com/Azure/terraform-provider-azapi/blob/main/docs/resources/resource.md, read 2026-11-30.
func (r *Reader) azapi(from *dialectPlan, captured *jscan.Captures, doc *demarc.Document, address, name string, rank rank) bool {
	values := from.raw(captured, "change.after")
	for _, member := range []string{"values", "attributes"} {
		if len(values) == 0 {
			values = from.raw(captured, member)
		}
	}
	value := func(key string) []byte { return jscan.Member(values, key, false) }
	typ, _, ok := strings.Cut(scalarText(value("type")), "@")
	if !ok {
		return false
	}
	body := value("body")
	if inner := jscan.Member(body, "value", false); doc.Form == demarc.FormRawState && inner != nil && jscan.Member(body, "type", false) != nil {
		body = inner // a raw state has the type of a dynamic value beside it
	}
	if len(body) > 0 && body[0] == '"' { // of versions before 2
		if body = openJSON(body); body == nil {
			return false
		}
	}
	plan := r.planOf(demarc.ARM)
	own := *doc
	own.Dialect, own.Form = demarc.ARM, demarc.FormTemplate
	own.Summary = doc.Summary || doc.Form == demarc.FormPlanValues || isUnresolved(body) || !jscan.IsNull(value("sensitive_body_version")) // a part of it is not there
	own.Body = azapiBody(typ, body, value)
	ref := r.refFor(&own, "azure", typ)
	if ref == nil {
		return true // it is no resource
	}
	plan.learn(ref, r.captures[demarc.ARM])
	c := r.captures[demarc.ARM]
	if !r.scan(plan, c, &own, own.Body) {
		return true
	}
	id, parent := scalarText(value("id")), scalarText(value(azapiParent))
	at := armSurroundings(id, "", scalarText(value("location")))
	if at.account == "" {
		at.account = armSurroundings(parent, "", "").account
	}
	rec := r.element(plan, c, &own, ref, at)
	rec.typ, rec.rank, rec.address = typ, rank, address
	if rec.id = strings.ToLower(id); rec.id == "" {
		rec.id, rec.local = addressID(doc, address), true
	}
	rec.weak = false
	if rec.name == "" {
		if rec.name = scalarText(value("name")); rec.name == "" {
			rec.name = name
		}
	}
	if ref.Part != nil {
		rec.by = references{known: true, to: append(rec.by.to[:0], "#")}
		if parent != "" {
			rec.by.to[0] = strings.ToLower(parent)
		}
	}
	if mask := sensitiveMask(from, captured, doc); mask != nil {
		mask = jscan.Member(mask, "body", false)
		for _, f := range ref.Facts {
			for _, a := range f.Path {
				if len(mask) > 0 && unknownAt(mask, a.Keys) {
					rec.hidden = append(rec.hidden, f.Fact)
				}
			}
		}
	}
	rec.callItself(address)
	if rank == rankPlan && strings.Contains(address, "[") {
		r.seen.instance(rec.inputKey(), address)
	}
	r.add(rec)
	return true
}

// azapiBody is the resource as ARM has it: what the provider sends, with what its attributes say beside the body.
func azapiBody(typ string, body []byte, value func(string) []byte) []byte {
	var out bytes.Buffer
	out.WriteString(`{"type":`)
	out.Write(appendJSONText(nil, typ))
	there := map[string]bool{"type": true, "properties": false}
	member := func(key string, v []byte) {
		if !there[key] && !jscan.IsNull(v) {
			there[key] = true
			out.WriteByte(',')
			out.Write(appendJSONText(nil, key))
			out.WriteByte(':')
			out.Write(v)
		}
	}
	for _, key := range []string{"name", "location", "tags"} {
		member(key, value(key))
	}
	if identity, ok := onlyElement(value("identity")); ok {
		member("identity", identity)
	}
	switch {
	case isUnresolved(body):
		member("properties", body)
	default:
		jscan.Members(body, func(key string, v []byte) bool { member(key, v); return true })
	}
	member("properties", []byte("{}"))
	out.WriteByte('}')
	return out.Bytes()
}

// planOf returns the plan of a dialect, and sees to it that there are captures for it.
func (r *Reader) planOf(d demarc.Dialect) *dialectPlan {
	plan := r.plans[d]
	if plan == nil {
		plan = newDialectPlan(d)
		r.plans[d] = plan
		r.captures[d] = jscan.NewCaptures(plan.slots)
	}
	return plan
}

// parentOf is where a part that azapi makes names its parent.
var parentOf = rulebook.Path{{Keys: []string{azapiParent}}}
