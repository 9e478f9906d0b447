package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/jscan"
	"github.com/demarc/demarc/internal/rulebook"
)

// Templates are small and their values lie elsewhere in them (parameters, conditions, variables), so they are the
// one kind of document that is decoded whole. What cannot be resolved from the template alone is marked, and
// reads as unknown.

// missing is what a template leaves open: {"$demarc": "unresolved"}.
func openValue() any { return map[string]any{unresolved: "unresolved"} }

// refTo is a value that leads to another resource of the template.
func refTo(logicalID string) any { return map[string]any{unresolved: "ref", "to": logicalID} }

// attributeOf stands for an attribute of another resource; of its ARN, which a policy may name, it is told that it is that.
func attributeOf(logicalID, attribute string) any {
	if attribute == arnAttribute {
		return map[string]any{unresolved: "ref", "to": logicalID, "attribute": attribute}
	}
	return refTo(logicalID)
}

const arnAttribute = "Arn"

// removed stands for AWS::NoValue: the property is not there.
type removed struct{}

const (
	maxTemplateDepth = 100
	maxResolved      = 64 << 20 // bytes that the expressions of a template may come to
	perValue         = 48       // bytes that a value takes beside its text
)

// room is how much the expressions of a template may still come to. A text that many expressions name is shared until it is
// written, so it counts wherever it comes to stand.
type room struct{ left int }

// take makes room for a value and returns it; once there is no more, it returns one that is open.
func (r *room) take(v any) any {
	r.left -= perValue
	switch v := v.(type) {
	case string:
		r.text(v)
	case json.Number:
		r.left -= len(v)
	case map[string]any:
		for k, e := range v {
			r.text(k)
			r.take(e)
		}
	case []any:
		for _, e := range v {
			r.take(e)
		}
	}
	if r.full() {
		return openValue()
	}
	return v
}

// text makes room for a text as JSON has it.
func (r *room) text(s string) {
	r.left -= len(s)
	for i := 0; i < len(s) && !r.full(); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			r.left -= len(`\u0020`) - 1
		}
	}
}

func (r *room) full() bool { return r.left < 0 }

func decodeTemplate(body []byte) (map[string]any, error) {
	if err := jscan.Valid(body); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var t map[string]any
	return t, d.Decode(&t)
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// cfn resolves the intrinsics of a CloudFormation template from its parameters' defaults.
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html, read 2026-11-23.
type cfn struct {
	parameters, mappings, conditions, resources, globals map[string]any
	region, account                                      string
	truths                                               map[string]rulebook.Tri // of conditions; unknown while they are looked for
	room                                                 room
}

func (r *Reader) cloudFormation(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document) {
	if doc.Form == demarc.FormJSONString || doc.Form == demarc.FormResource {
		r.cloudControl(plan, c, doc)
		return
	}
	t, err := decodeTemplate(doc.Body)
	if err != nil {
		r.refuse(doc, err)
		return
	}
	tmpl := &cfn{
		parameters: object(t["Parameters"]), mappings: object(t["Mappings"]), conditions: object(t["Conditions"]), resources: object(t["Resources"]), globals: object(t["Globals"]),
		truths: map[string]rulebook.Tri{}, room: room{maxResolved},
	}
	if doc.Source != nil {
		tmpl.region, tmpl.account = doc.Source.Region, doc.Source.Account
	}
	for _, name := range sortedKeys(tmpl.conditions) { // in one order, so that what lies on a cycle comes to the same
		tmpl.condition(name, 0)
	}
	for _, logical := range sortedKeys(tmpl.resources) {
		if strings.HasPrefix(logical, "Fn::") {
			r.note(demarc.NoteRefused, doc.Pos, "%s makes resources that only CloudFormation knows: give the processed template", logical)
			continue
		}
		res := object(tmpl.resources[logical])
		typ, _ := res["Type"].(string)
		if typ == "" {
			r.note(demarc.NoteRefused, doc.Pos, "resource %s: expected a Type", logical)
			continue
		}
		if name, ok := res["Condition"].(string); ok && tmpl.condition(name, 0) == rulebook.False {
			r.note(demarc.NoteSkipped, doc.Pos, "resource %s: its condition %s is false", logical, name)
			continue
		}
		ref := r.refFor(doc, "aws", typ)
		if ref == nil {
			continue
		}
		properties := res["Properties"]
		if kind, ok := strings.CutPrefix(typ, "AWS::Serverless::"); ok {
			properties = inherit(tmpl.globals[kind], properties)
		}
		properties = tmpl.resolve(properties, 0)
		if tmpl.room.full() {
			r.tooLarge(doc, "resource "+logical)
			return
		}
		if properties == nil {
			properties = map[string]any{}
		}
		r.templateResource(plan, c, doc, ref, properties, logical, typ, "", tmpl.typeOf)
	}
}

// inherit returns what a resource of SAM says together with what the Globals section says of all of its kind: maps are merged, lists
// come one after the other, and of anything else what the resource itself says counts.
// Source: https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-template-anatomy-globals.html,
// section Overridable properties, read 2026-11-30.
func inherit(global, own any) any {
	switch o := own.(type) {
	case nil:
		return global
	case map[string]any:
		g, ok := global.(map[string]any)
		if !ok || intrinsicOf(g) != "" || intrinsicOf(o) != "" {
			return own
		}
		out := maps.Clone(g)
		for k, v := range o {
			out[k] = inherit(g[k], v)
		}
		return out
	case []any:
		if g, ok := global.([]any); ok {
			return slices.Concat(g, o)
		}
	}
	return own
}

// intrinsicOf returns the intrinsic function that an object is a call of, "" if it is none.
func intrinsicOf(m map[string]any) string {
	if len(m) == 1 {
		for k := range m {
			if k == "Ref" || k == "Condition" || strings.HasPrefix(k, "Fn::") {
				return k
			}
		}
	}
	return ""
}

// tooLarge tells that the expressions of a template came to too much when a resource was reached.
func (r *Reader) tooLarge(doc *demarc.Document, resource string) {
	r.note(demarc.NoteRefused, doc.Pos, "expressions come to more than %d MiB: %.200s and what follows it are not read", maxResolved>>20, resource)
}

// typeOf returns the type of a resource of the template.
func (t *cfn) typeOf(logicalID string) string {
	typ, _ := object(t.resources[logicalID])["Type"].(string)
	return typ
}

// templateResource reads one resource of a template whose values have been resolved. typeOf tells the type of what a value
// leads to; nil where values lead to nothing.
func (r *Reader) templateResource(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document, ref *rulebook.TypeRef, body any, address, typ, name string, typeOf func(logicalID string) string) {
	text, err := json.Marshal(body)
	if err != nil {
		r.refuse(doc, err)
		return
	}
	plan.learn(ref, c)
	if !r.scan(plan, c, doc, text) {
		return
	}
	var at surroundings
	if doc.Source != nil {
		at.account, at.region = doc.Source.Account, doc.Source.Region
	}
	own := *doc
	own.Body = text
	rec := r.element(plan, c, &own, ref, at)
	rec.rank, rec.typ, rec.address, rec.local = rankTemplate, typ, address, true
	// What does not exist yet has the address in its template, whatever its properties would make of it.
	rec.id = addressID(doc, address)
	if rec.name == "" {
		if rec.name = name; rec.name == "" {
			rec.name = address
		}
	}
	rec.callItself(address)
	if typeOf != nil {
		for _, n := range ref.Named {
			r.callReferences(rec, n, typeOf)
		}
	}
	r.add(rec)
}

// callReferences gives a fact that says what a relation leads to the logical ids of that, if all that is not known of it
// leads to resources of the template that it may lead to.
func (r *Reader) callReferences(rec *record, n rulebook.Naming, typeOf func(logicalID string) string) {
	var names []string
	for _, to := range rec.refs[n.Relation].to {
		logical, leads := strings.CutPrefix(to, "#")
		switch {
		case !leads:
		case r.inv.isOf(demarc.CloudFormation, typeOf(logical), rec.service.Relations[n.Relation].To):
			names = append(names, logical)
		default:
			return
		}
	}
	rec.call(n, names)
}

// addressID is the id of what does not exist yet: its address in its input.
func addressID(doc *demarc.Document, address string) string {
	if doc.Source == nil || doc.Source.Input == "" {
		return address
	}
	return doc.Source.Input + "/" + address
}

// cloudControl reads a resource description of the Cloud Control API: an identifier, and the properties as a string of JSON.
func (r *Reader) cloudControl(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document) {
	if err := jscan.Valid(doc.Body); err != nil {
		r.refuse(doc, err)
		return
	}
	typ := doc.Context
	if typ == "" {
		typ = scalarText(jscan.Member(doc.Body, "TypeName", false))
	}
	description := doc.Body
	if d := jscan.Member(doc.Body, "ResourceDescription", false); d != nil {
		description = d
	}
	id := scalarText(jscan.Member(description, "Identifier", false))
	properties := openJSON(jscan.Member(description, "Properties", false))
	if typ == "" || properties == nil {
		r.note(demarc.NoteRefused, doc.Pos, "expected a resource description with Identifier and Properties, and a TypeName")
		return
	}
	ref := r.refFor(doc, "aws", typ)
	if ref == nil {
		return
	}
	plan.learn(ref, c)
	if !r.scan(plan, c, doc, properties) {
		return
	}
	at := awsControlSurroundings(doc, properties)
	rec := r.element(plan, c, doc, ref, at)
	rec.typ, rec.aliases = typ, append(rec.aliases, id)
	if arn := scalarText(jscan.Member(properties, "Arn", true)); arn != "" && rec.id == "" {
		rec.id = arn
	}
	if rec.id == "" {
		rec.id = strings.Join([]string{rec.account, rec.region, typ, id}, ":")
		rec.weak = true
	}
	if rec.name == "" {
		rec.name = id
	}
	r.add(rec)
}

func awsControlSurroundings(doc *demarc.Document, properties []byte) surroundings {
	var at surroundings
	if doc.Source != nil {
		at.account, at.region = doc.Source.Account, doc.Source.Region
	}
	if from := arnParts(scalarText(jscan.Member(properties, "Arn", true))); from.account != "" {
		at = from
	}
	return at
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// resolve returns v with every intrinsic in it resolved or marked open.
func (t *cfn) resolve(v any, depth int) any {
	if depth > maxTemplateDepth || t.room.full() {
		return openValue()
	}
	switch v := v.(type) {
	case map[string]any:
		if name := intrinsicOf(v); name != "" {
			return t.intrinsic(name, v[name], depth)
		}
		for k := range v {
			if strings.HasPrefix(k, "Fn::") { // Fn::Transform beside other keys
				return t.room.take(openValue())
			}
		}
		t.room.take(nil)
		out := make(map[string]any, len(v))
		for k, e := range v {
			if got := t.resolve(e, depth+1); got != (removed{}) {
				t.room.text(k)
				out[k] = got
			}
		}
		return out
	case []any:
		t.room.take(nil)
		out := make([]any, 0, len(v))
		for _, e := range v {
			if got := t.resolve(e, depth+1); got != (removed{}) {
				out = append(out, got)
			}
		}
		return out
	case string:
		if strings.Contains(v, "{{resolve:") {
			return t.room.take(openValue())
		}
		return t.room.take(v)
	default:
		return t.room.take(v)
	}
}

// intrinsic returns what an intrinsic function comes to.
func (t *cfn) intrinsic(name string, arg any, depth int) any {
	t.room.take(nil)
	return t.call(name, arg, depth)
}

func (t *cfn) call(name string, arg any, depth int) any {
	switch name {
	case "Ref":
		s, _ := arg.(string)
		return t.ref(s)
	case "Fn::GetAtt":
		if s, ok := arg.(string); ok {
			logical, attribute, _ := strings.Cut(s, ".")
			return attributeOf(logical, attribute)
		}
		if list, ok := arg.([]any); ok && len(list) > 0 {
			logical, _ := list[0].(string)
			attribute, _ := list[len(list)-1].(string)
			return attributeOf(logical, attribute)
		}
	case "Fn::If":
		list, _ := arg.([]any)
		if len(list) != 3 {
			return openValue()
		}
		cond, _ := list[0].(string)
		switch t.condition(cond, 0) {
		case rulebook.True:
			return t.resolve(list[1], depth+1)
		case rulebook.False:
			return t.resolve(list[2], depth+1)
		case rulebook.Unknown:
			return openValue()
		}
	case "Fn::Sub":
		return t.sub(arg, depth)
	case "Fn::Join":
		list, _ := arg.([]any)
		if len(list) != 2 {
			return openValue()
		}
		sep, _ := list[0].(string)
		items, ok := t.resolve(list[1], depth+1).([]any)
		if !ok {
			return openValue()
		}
		var parts []string
		for _, e := range items {
			if isComposite(e) {
				return openValue()
			}
			part := fmt.Sprint(e)
			t.room.text(sep)
			t.room.text(part)
			parts = append(parts, part)
		}
		if t.room.full() {
			return openValue()
		}
		return strings.Join(parts, sep)
	case "Fn::FindInMap":
		list, _ := arg.([]any)
		if len(list) < 3 {
			return openValue()
		}
		var keys [3]string
		for i := range keys {
			s, ok := t.resolve(list[i], depth+1).(string)
			if !ok {
				return openValue()
			}
			keys[i] = s
		}
		if v, ok := object(object(t.mappings[keys[0]])[keys[1]])[keys[2]]; ok {
			return t.room.take(v)
		}
	}
	return openValue()
}

func (t *cfn) ref(name string) any {
	switch name {
	case "AWS::NoValue":
		return removed{}
	case "AWS::Region":
		if t.region != "" {
			return t.region
		}
		return openValue()
	case "AWS::AccountId":
		if t.account != "" {
			return t.account
		}
		return openValue()
	case "AWS::Partition":
		return partitionOf(t.region)
	}
	if p := object(t.parameters[name]); p != nil {
		d, ok := p["Default"]
		if typ, _ := p["Type"].(string); !ok || strings.HasPrefix(typ, "AWS::SSM::") {
			return openValue()
		} else if s, isText := d.(string); isText && (typ == "CommaDelimitedList" || strings.HasPrefix(typ, "List<")) {
			var list []any
			for e := range strings.SplitSeq(s, ",") {
				if t.room.full() {
					return openValue()
				}
				list = append(list, t.room.take(strings.TrimSpace(e)))
			}
			return list
		}
		return t.room.take(d)
	}
	if _, ok := t.resources[name]; ok {
		return refTo(name)
	}
	return openValue()
}

func (t *cfn) sub(arg any, depth int) any {
	text, isText := arg.(string)
	var own map[string]any
	if list, ok := arg.([]any); ok && len(list) == 2 {
		text, isText = list[0].(string)
		own = object(list[1])
	}
	if !isText {
		return openValue()
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${")
		if t.room.text(before); t.room.full() {
			return openValue()
		}
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, tail, ok := strings.Cut(rest, "}")
		if !ok {
			return openValue()
		}
		text = tail
		if literal, is := strings.CutPrefix(name, "!"); is {
			t.room.text(literal)
			b.WriteString("${" + literal + "}")
			continue
		}
		name = strings.TrimSpace(name)
		var v any
		if e, ok := own[name]; ok {
			v = t.resolve(e, depth+1)
		} else {
			base, _, _ := strings.Cut(name, ".")
			v = t.ref(base)
		}
		switch v := v.(type) {
		case map[string]any:
			if before == "" && tail == "" && b.Len() == 0 {
				return v
			}
			return openValue()
		case removed, []any, nil:
			return openValue()
		case string: // room was made for it by who made it
			b.WriteString(v)
		default:
			fmt.Fprint(&b, v)
		}
	}
}

// condition evaluates a named condition; what it cannot know is unknown.
func (t *cfn) condition(name string, depth int) rulebook.Tri {
	if truth, ok := t.truths[name]; ok {
		return truth
	}
	c, ok := t.conditions[name]
	if !ok || depth > maxTemplateDepth {
		return rulebook.Unknown
	}
	t.truths[name] = rulebook.Unknown
	t.truths[name] = t.truth(c, depth)
	return t.truths[name]
}

func (t *cfn) truth(v any, depth int) rulebook.Tri {
	m := object(v)
	if len(m) != 1 || depth > maxTemplateDepth || t.room.full() {
		return rulebook.Unknown
	}
	t.room.take(nil)
	for k, arg := range m {
		list, _ := arg.([]any)
		switch k {
		case "Condition":
			name, _ := arg.(string)
			return t.condition(name, depth+1)
		case "Fn::Equals":
			if len(list) != 2 {
				return rulebook.Unknown
			}
			a, b := t.resolve(list[0], depth+1), t.resolve(list[1], depth+1)
			if isComposite(a) || isComposite(b) {
				return rulebook.Unknown
			}
			if fmt.Sprint(a) == fmt.Sprint(b) {
				return rulebook.True
			}
			return rulebook.False
		case "Fn::Not":
			if len(list) != 1 {
				return rulebook.Unknown
			}
			switch t.truth(list[0], depth+1) {
			case rulebook.True:
				return rulebook.False
			case rulebook.False:
				return rulebook.True
			default:
				return rulebook.Unknown
			}
		case "Fn::And", "Fn::Or":
			decisive := rulebook.False // for And
			if k == "Fn::Or" {
				decisive = rulebook.True
			}
			out := rulebook.False
			if decisive == rulebook.False {
				out = rulebook.True
			}
			for _, e := range list {
				switch got := t.truth(e, depth+1); got {
				case decisive:
					return decisive
				case rulebook.Unknown:
					out = rulebook.Unknown
				default:
				}
			}
			return out
		}
	}
	return rulebook.Unknown
}

func isComposite(v any) bool {
	switch v.(type) {
	case map[string]any, []any, removed, nil:
		return true
	default:
		return false
	}
}

// armTemplate reads an ARM template: its resources, those nested in them, and those of nested deployments.
func (r *Reader) armTemplate(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document) {
	t, err := decodeTemplate(doc.Body)
	if err != nil {
		r.refuse(doc, err)
		return
	}
	r.armResources(plan, c, doc, newArmScope(t, &room{maxResolved}), t["resources"], "", "", 0)
}

// armScope is what expressions of a template may name. ARM finds names without case.
type armScope struct {
	parameters, variables map[string]any // values by name in lower case; a parameter without a default is not there
	room                  *room
}

func newArmScope(template map[string]any, room *room) *armScope {
	s := &armScope{parameters: map[string]any{}, variables: lowerKeys(object(template["variables"])), room: room}
	for name, decl := range lowerKeys(object(template["parameters"])) {
		if d, ok := lowerKeys(object(decl))["defaultvalue"]; ok {
			s.parameters[name] = d
		}
	}
	return s
}

// lowerKeys returns m by its keys in lower case; of those that differ in case only, the first in order.
func lowerKeys(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for _, k := range slices.Backward(sortedKeys(m)) {
		out[strings.ToLower(k)] = m[k]
	}
	return out
}

// armResources reads resources of a template, until its room is full.
func (r *Reader) armResources(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document, scope *armScope, list any, parent, parentName string, depth int) {
	var resources []map[string]any
	switch list := list.(type) {
	case []any:
		for _, e := range list {
			resources = append(resources, object(e))
		}
	case map[string]any: // language version 2.0: by symbolic name
		for _, k := range sortedKeys(list) {
			resources = append(resources, object(list[k]))
		}
	}
	if depth > 20 {
		r.note(demarc.NoteRefused, doc.Pos, "expected at most 20 levels of nested deployments")
		return
	}
	for _, res := range resources {
		if scope.room.full() {
			return
		}
		typ, _ := res["type"].(string)
		name, _ := res["name"].(string)
		if res == nil || typ == "" {
			r.note(demarc.NoteRefused, doc.Pos, "resource %s: expected a type", name)
			continue
		}
		if existing, _ := res["existing"].(bool); existing {
			continue // a reference to what is there already
		}
		if cond, ok := res["condition"]; ok {
			if v := scope.resolve(cond, 0); v == false || v == "false" {
				r.note(demarc.NoteSkipped, doc.Pos, "%s %s: its condition is false", typ, name)
				continue
			}
		}
		if resolved, ok := scope.resolve(name, 0).(string); ok {
			name = resolved
		}
		if parent != "" && !strings.Contains(typ, ".") {
			typ, name = parent+"/"+typ, parentName+"/"+name
		}
		properties := object(res["properties"])
		if strings.EqualFold(typ, "Microsoft.Resources/deployments") {
			if inner := object(properties["template"]); inner != nil {
				r.armResources(plan, c, doc, scope.nested(inner, properties), inner["resources"], "", "", depth+1)
			} else {
				r.note(demarc.NoteSkipped, doc.Pos, "deployment %s: its template lies elsewhere", name)
			}
			continue
		}
		if ref := r.refFor(doc, "azure", typ); ref != nil {
			own := maps.Clone(res)
			delete(own, "resources")
			body := object(scope.resolve(own, 0))
			if scope.room.full() {
				r.tooLarge(doc, typ+" "+name)
				return
			}
			if parent != "" {
				body["name"] = name
			}
			if body["properties"] == nil {
				body["properties"] = map[string]any{}
			}
			r.templateResource(plan, c, doc, ref, body, typ+"/"+name, typ, name, nil)
		}
		if children, ok := res["resources"]; ok {
			r.armResources(plan, c, doc, scope, children, typ, name, depth+1)
		}
	}
}

// nested returns the scope of a nested deployment: its own where it evaluates inside, else that of its parent.
// Source: https://learn.microsoft.com/en-us/azure/azure-resource-manager/templates/linked-templates, "Expression evaluation scope in nested templates", read 2026-11-23.
func (s *armScope) nested(inner, properties map[string]any) *armScope {
	options := object(properties["expressionEvaluationOptions"])
	if scope, _ := options["scope"].(string); !strings.EqualFold(scope, "inner") {
		return s
	}
	out := newArmScope(inner, s.room)
	for name, given := range lowerKeys(object(properties["parameters"])) {
		if v, ok := object(given)["value"]; ok {
			out.parameters[name] = s.resolve(v, 0)
		}
	}
	return out
}

// resolve returns v with expressions resolved from defaults and variables, or marked open.
func (s *armScope) resolve(v any, depth int) any {
	if depth > maxTemplateDepth || s.room.full() {
		return openValue()
	}
	switch v := v.(type) {
	case map[string]any:
		s.room.take(nil)
		out := make(map[string]any, len(v))
		for k, e := range v {
			s.room.text(k)
			out[k] = s.resolve(e, depth+1)
		}
		return out
	case []any:
		s.room.take(nil)
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = s.resolve(e, depth+1)
		}
		return out
	case string:
		if strings.HasPrefix(v, "[[") {
			return s.room.take(v[1:])
		}
		if !strings.HasPrefix(v, "[") || !strings.HasSuffix(v, "]") {
			return s.room.take(v)
		}
		s.room.take(nil)
		return s.expression(strings.TrimSpace(v[1:len(v)-1]), depth)
	default:
		return s.room.take(v)
	}
}

func (s *armScope) expression(e string, depth int) any {
	function, rest, ok := strings.Cut(e, "(")
	if !ok || !strings.HasSuffix(rest, ")") {
		return openValue()
	}
	arg := strings.TrimSpace(rest[:len(rest)-1])
	name, isText := strings.CutPrefix(arg, "'")
	name, closed := strings.CutSuffix(name, "'")
	if !isText || !closed || strings.ContainsAny(name, "'(),") {
		if arg == "" {
			switch strings.ToLower(function) {
			case "true":
				return true
			case "false":
				return false
			case "null":
				return nil
			}
		}
		return openValue()
	}
	switch strings.ToLower(strings.TrimSpace(function)) {
	case "parameters":
		if d, ok := s.parameters[strings.ToLower(name)]; ok {
			return s.resolve(d, depth+1)
		}
	case "variables":
		if d, ok := s.variables[strings.ToLower(name)]; ok {
			return s.resolve(d, depth+1)
		}
	}
	return openValue()
}
