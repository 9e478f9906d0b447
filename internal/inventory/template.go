package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
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

func isOpen(v any) bool {
	m, ok := v.(map[string]any)
	return ok && m[unresolved] != nil
}

// removed stands for AWS::NoValue: the property is not there.
type removed struct{}

const maxTemplateDepth = 100

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
	parameters, mappings, conditions, resources map[string]any
	region, account                             string
	busy                                        map[string]bool // conditions under evaluation
	steps                                       int
}

const maxTemplateSteps = 2_000_000

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
		parameters: object(t["Parameters"]), mappings: object(t["Mappings"]), conditions: object(t["Conditions"]), resources: object(t["Resources"]),
		busy: map[string]bool{},
	}
	if doc.Source != nil {
		tmpl.region, tmpl.account = doc.Source.Region, doc.Source.Account
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
		if name, ok := res["Condition"].(string); ok && tmpl.condition(name) == rulebook.False {
			r.note(demarc.NoteSkipped, doc.Pos, "resource %s: its condition %s is false", logical, name)
			continue
		}
		ref := r.refFor(doc, "aws", typ)
		if ref == nil {
			continue
		}
		properties := tmpl.resolve(res["Properties"], 0)
		if properties == nil {
			properties = map[string]any{}
		}
		r.templateResource(plan, c, doc, ref, properties, logical, typ, "")
	}
}

// templateResource reads one resource of a template whose values have been resolved.
func (r *Reader) templateResource(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document, ref *rulebook.TypeRef, body any, address, typ, name string) {
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
	r.add(rec)
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
	if t.steps++; depth > maxTemplateDepth || t.steps > maxTemplateSteps {
		return openValue()
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 1 {
			for k, arg := range v {
				if k == "Ref" || k == "Condition" || strings.HasPrefix(k, "Fn::") {
					return t.intrinsic(k, arg, depth)
				}
			}
		}
		out := make(map[string]any, len(v))
		for k, e := range v {
			if strings.HasPrefix(k, "Fn::") { // Fn::Transform beside other keys
				return openValue()
			}
			if got := t.resolve(e, depth+1); got != (removed{}) {
				out[k] = got
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if got := t.resolve(e, depth+1); got != (removed{}) {
				out = append(out, got)
			}
		}
		return out
	case string:
		if strings.Contains(v, "{{resolve:") {
			return openValue()
		}
		return v
	default:
		return v
	}
}

func (t *cfn) intrinsic(name string, arg any, depth int) any {
	switch name {
	case "Ref":
		s, _ := arg.(string)
		return t.ref(s)
	case "Fn::GetAtt":
		if s, ok := arg.(string); ok {
			logical, _, _ := strings.Cut(s, ".")
			return refTo(logical)
		}
		if list, ok := arg.([]any); ok && len(list) > 0 {
			logical, _ := list[0].(string)
			return refTo(logical)
		}
	case "Fn::If":
		list, _ := arg.([]any)
		if len(list) != 3 {
			return openValue()
		}
		cond, _ := list[0].(string)
		switch t.condition(cond) {
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
			if isOpen(e) {
				return openValue()
			}
			parts = append(parts, fmt.Sprint(e))
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
			return v
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
				list = append(list, strings.TrimSpace(e))
			}
			return list
		}
		return d
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
		default:
			fmt.Fprint(&b, v)
		}
	}
}

// condition evaluates a named condition; what it cannot know is unknown.
func (t *cfn) condition(name string) rulebook.Tri {
	c, ok := t.conditions[name]
	if !ok || t.busy[name] {
		return rulebook.Unknown
	}
	t.busy[name] = true
	defer delete(t.busy, name)
	return t.truth(c, 0)
}

func (t *cfn) truth(v any, depth int) rulebook.Tri {
	m := object(v)
	if t.steps++; len(m) != 1 || depth > maxTemplateDepth || t.steps > maxTemplateSteps {
		return rulebook.Unknown
	}
	for k, arg := range m {
		list, _ := arg.([]any)
		switch k {
		case "Condition":
			name, _ := arg.(string)
			return t.condition(name)
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
	r.armResources(plan, c, doc, &armScope{parameters: object(t["parameters"]), variables: object(t["variables"])}, t["resources"], "", "", 0)
}

// armScope is what expressions of a template may name.
type armScope struct {
	parameters, variables map[string]any
	steps                 int
}

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
			body := object(scope.resolve(res, 0))
			delete(body, "resources")
			if parent != "" {
				body["name"] = name
			}
			if body["properties"] == nil {
				body["properties"] = map[string]any{}
			}
			r.templateResource(plan, c, doc, ref, body, typ+"/"+name, typ, name)
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
	out := &armScope{parameters: map[string]any{}, variables: object(inner["variables"]), steps: s.steps}
	given := object(properties["parameters"])
	for name, decl := range object(inner["parameters"]) {
		p := map[string]any{}
		if d, ok := object(decl)["defaultValue"]; ok {
			p["defaultValue"] = d
		}
		if v, ok := object(given[name])["value"]; ok {
			p["defaultValue"] = s.resolve(v, 0)
		}
		out.parameters[name] = p
	}
	return out
}

// resolve returns v with expressions resolved from defaults and variables, or marked open.
func (s *armScope) resolve(v any, depth int) any {
	if s.steps++; depth > maxTemplateDepth || s.steps > maxTemplateSteps {
		return openValue()
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = s.resolve(e, depth+1)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = s.resolve(e, depth+1)
		}
		return out
	case string:
		if strings.HasPrefix(v, "[[") {
			return v[1:]
		}
		if !strings.HasPrefix(v, "[") || !strings.HasSuffix(v, "]") {
			return v
		}
		return s.expression(strings.TrimSpace(v[1:len(v)-1]), depth)
	default:
		return v
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
		if d, ok := foldGet(object(foldValue(s.parameters, name)), "defaultValue"); ok {
			return s.resolve(d, depth+1)
		}
	case "variables":
		if d, ok := foldGet(s.variables, name); ok {
			return s.resolve(d, depth+1)
		}
	}
	return openValue()
}

// foldGet looks a key up without case, as ARM does.
func foldGet(m map[string]any, key string) (any, bool) {
	if v, ok := m[key]; ok {
		return v, true
	}
	for k, v := range m {
		if strings.EqualFold(k, key) {
			return v, true
		}
	}
	return nil, false
}

func foldValue(m map[string]any, key string) any {
	v, _ := foldGet(m, key)
	return v
}
