package inventory

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/jscan"
	"github.com/demarc/demarc/internal/rulebook"
)

// terraform reads a resource of a plan or a state, or the configuration of a plan.
// Source: https://developer.hashicorp.com/terraform/internals/json-format, read 2026-11-23.
func (r *Reader) terraform(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document) {
	switch doc.Form {
	case demarc.FormConfiguration:
		r.terraformConfiguration(doc)
		return
	case demarc.FormRawState:
		r.terraformInstances(plan, c, doc)
		return
	default:
	}
	if !r.scan(plan, c, doc, doc.Body) {
		return
	}
	address := plan.text(c, "address")
	rank := rankState
	if doc.Form == demarc.FormPlanChange || doc.Form == demarc.FormPlanValues {
		rank = rankPlan
	}
	if plan.text(c, "mode") == "data" {
		r.note(demarc.NoteSkipped, doc.Pos, "%s is a data source", address)
		return
	}
	if ref := r.find(doc.Dialect, plan.text(c, "type")); ref != nil && plan.learn(ref, c) && !r.scan(plan, c, doc, doc.Body) {
		return
	}
	if doc.Form == demarc.FormPlanChange {
		last := ""
		jscan.Elements(plan.raw(c, "change.actions"), func(e []byte) bool {
			last = scalarText(e)
			return true
		})
		first := ""
		jscan.Elements(plan.raw(c, "change.actions"), func(e []byte) bool {
			first = scalarText(e)
			return false
		})
		if last == "delete" && first == "delete" || last == "read" || last == "forget" || plan.text(c, "deposed") != "" {
			r.note(demarc.NoteSkipped, doc.Pos, "%s: the plan is to %s it", address, last)
			return
		}
		if jscan.IsNull(plan.raw(c, "change.after")) {
			r.note(demarc.NoteSkipped, doc.Pos, "%s is gone after the plan", address)
			return
		}
		if mask := plan.raw(c, "change.after_unknown"); bytes.Contains(mask, []byte("true")) {
			doc.Body = withUnknowns(doc.Body, plan.raw(c, "change.after"), mask)
			if !r.scan(plan, c, doc, doc.Body) {
				return
			}
		}
	}
	r.terraformResource(plan, c, doc, address, plan.text(c, "type"), plan.text(c, "name"), rank)
}

// withUnknowns returns an element of resource_changes with every value that is known only after apply marked in its
// place, so that lists and records are known to hold something that nobody knows. after is the value of change.after in it.
func withUnknowns(body, after, mask []byte) []byte {
	from := cap(body) - cap(after) // where it lies: it is a piece of body
	out := append(make([]byte, 0, len(body)+len(mask)), body[:from]...)
	return append(marked(out, after, mask), body[from+len(after):]...)
}

const openText = `{"` + unresolved + `":"unresolved"}`

// marked appends a value over which a mask of what is unknown is laid: true for a value, or the like in its elements and
// members. It appends nothing where there is no value and nothing unknown.
func marked(out, v, mask []byte) []byte {
	switch {
	case string(mask) == "true":
		return append(out, openText...)
	case len(mask) == 0 || mask[0] != '{' && mask[0] != '[', !jscan.IsNull(v) && v[0] != mask[0], !bytes.Contains(mask, []byte("true")):
		return append(out, v...)
	}
	begin := len(out)
	out = append(out, mask[0])
	next := func(name string) int {
		at := len(out)
		if at > begin+1 {
			out = append(out, ',')
		}
		if mask[0] == '{' {
			out = append(appendJSONText(out, name), ':')
		}
		return at
	}
	if mask[0] == '[' {
		masks := [][]byte{}
		jscan.Elements(mask, func(m []byte) bool { masks = append(masks, m); return true })
		jscan.Elements(v, func(e []byte) bool {
			var m []byte
			if len(masks) > 0 {
				m, masks = masks[0], masks[1:]
			}
			next("")
			out = marked(out, e, m)
			return true
		})
		for _, m := range masks {
			at := next("")
			value := len(out)
			if out = marked(out, nil, m); len(out) == value {
				out = out[:at]
			}
		}
		return ending(out, begin, v, ']')
	}
	masks, there := map[string][]byte{}, map[string]bool{}
	jscan.Members(mask, func(k string, m []byte) bool { masks[k] = m; return true })
	jscan.Members(v, func(k string, e []byte) bool {
		next(k)
		out = marked(out, e, masks[k])
		there[k] = true
		return true
	})
	for _, k := range slices.Sorted(maps.Keys(masks)) {
		if there[k] {
			continue
		}
		at := next(k)
		value := len(out)
		if out = marked(out, nil, masks[k]); len(out) == value {
			out = out[:at]
		}
	}
	return ending(out, begin, v, '}')
}

// ending ends a list or an object, or leaves what was there if that is null or nothing, and nothing in it is unknown.
func ending(out []byte, begin int, v []byte, bracket byte) []byte {
	if len(out) == begin+1 && jscan.IsNull(v) {
		return append(out[:begin], v...)
	}
	return append(out, bracket)
}

// appendJSONText appends a text as JSON has it.
func appendJSONText(out []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		return append(out, `""`...) // a string has its JSON
	}
	return append(out, text...)
}

func (r *Reader) terraformResource(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document, address, typ, name string, rank rank) {
	if typ == "" || address == "" {
		r.note(demarc.NoteRefused, doc.Pos, "expected a Terraform resource with an address and a type")
		return
	}
	if typ == azapiType && r.azapi(plan, c, doc, address, name, rank) {
		return
	}
	provider := r.inv.book.TerraformProvider(typ)
	ref := r.refFor(doc, provider, typ)
	if ref == nil {
		return
	}
	var at surroundings
	if doc.Source != nil {
		at.account, at.region = doc.Source.Account, doc.Source.Region
	}
	rec := r.element(plan, c, doc, ref, at)
	rec.typ, rec.rank, rec.address = typ, rank, address
	if provider != "" && ref.Service.ID == "unclassified" {
		rec.provider = provider
	}
	if from := arnParts(rec.id); from.account != "" {
		rec.account, rec.region = from.account, from.region
	} else if strings.HasPrefix(rec.id, "/subscriptions/") {
		rec.id = strings.ToLower(rec.id)
		rec.account = armSurroundings(rec.id, "", "").account
	}
	if rec.id == "" || rec.weak {
		rec.id, rec.weak, rec.local = addressID(doc, address), false, true
	}
	if rec.name == "" {
		if rec.name = name; rec.name == "" {
			rec.name = address
		}
	}
	rec.callItself(address)
	if rank == rankPlan && strings.Contains(address, "[") {
		r.seen.instance(rec.inputKey(), address)
	}
	r.add(rec)
}

// terraformInstances reads a resource of a raw state of version 4, which has its instances in it.
func (r *Reader) terraformInstances(plan *dialectPlan, c *jscan.Captures, doc *demarc.Document) {
	if err := jscan.Valid(doc.Body); err != nil {
		r.refuse(doc, err)
		return
	}
	get := func(key string) string { return scalarText(jscan.Member(doc.Body, key, false)) }
	typ, name, module := get("type"), get("name"), get("module")
	if get("mode") == "data" {
		r.note(demarc.NoteSkipped, doc.Pos, "data.%s.%s is a data source", typ, name)
		return
	}
	address := typ + "." + name
	if module != "" {
		address = module + "." + address
	}
	if ref := r.inv.book.Find(doc.Dialect, typ); ref != nil {
		plan.learn(ref, c)
	}
	jscan.Elements(jscan.Member(doc.Body, "instances", false), func(instance []byte) bool {
		own := address
		if index := jscan.Member(instance, "index_key", false); !jscan.IsNull(index) {
			own += "[" + string(index) + "]"
		}
		if scalarText(jscan.Member(instance, "deposed", false)) != "" {
			r.note(demarc.NoteSkipped, doc.Pos, "%s has a deposed instance", own)
			return true
		}
		if flat := jscan.Member(instance, "attributes_flat", false); flat != nil {
			instance = unflatten(flat)
		}
		instance = withSensitiveValues(instance)
		c.Reset()
		if err := jscan.Scan(instance, plan.root, c); err != nil {
			r.refuse(doc, err)
			return true
		}
		r.terraformResource(plan, c, doc, own, typ, name, rankState)
		return true
	})
}

// withSensitiveValues adds to an instance of a raw state, as `terraform show` would write it, which attributes are
// sensitive: {"sensitive_attributes": [[{"type": "get_attr", "value": "password"}]]}.
func withSensitiveValues(instance []byte) []byte {
	list := jscan.Member(instance, "sensitive_attributes", false)
	values := map[string]bool{}
	jscan.Elements(list, func(path []byte) bool {
		jscan.Elements(path, func(step []byte) bool {
			if name := strings.Clone(scalarText(jscan.Member(step, "value", false))); name != "" {
				values[name] = true
			}
			return false // what lies below a sensitive attribute is as sensitive
		})
		return true
	})
	mask, err := json.Marshal(values)
	if len(values) == 0 || err != nil {
		return instance
	}
	return slices.Concat([]byte(`{"sensitive_values":`), mask, []byte(","), instance[1:])
}

// unflatten makes an instance of the flat attributes that old providers wrote: {"tags.%": "1", "tags.a": "b", "ids.#": "1", "ids.0": "x"}.
func unflatten(flat []byte) []byte {
	root := map[string]any{}
	jscan.Members(flat, func(key string, value []byte) bool {
		parts := strings.Split(key, ".")
		last := parts[len(parts)-1]
		if len(parts) > 20 || last == "%" || last == "#" && string(value) != `"0"` {
			return true
		}
		if last == "#" { // an empty list, which has no elements to tell of it
			parts = parts[:len(parts)-1]
			if len(parts) == 0 {
				return true
			}
			last, value = parts[len(parts)-1], []byte("[]")
		}
		at := root
		for _, p := range parts[:len(parts)-1] {
			next, ok := at[p].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[p] = next
			}
			at = next
		}
		at[last] = json.RawMessage(value)
		return true
	})
	out, err := json.Marshal(map[string]any{"attributes": listed(root)})
	if err != nil {
		return []byte(`{}`)
	}
	return out
}

// listed turns objects whose keys are all numbers into lists.
func listed(m map[string]any) any {
	numbers := len(m) > 0
	for k, v := range m {
		if inner, ok := v.(map[string]any); ok {
			m[k] = listed(inner)
		}
		if _, err := strconv.Atoi(k); err != nil {
			numbers = false
		}
	}
	if !numbers {
		return m
	}
	keys := sortedKeys(m)
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(len(a), len(b)) }) // 2 before 10
	var out []any
	for _, k := range keys {
		out = append(out, m[k])
	}
	return out
}

// moduleRefs is what the configuration of a plan says of each resource, by its address without indexes.
type moduleRefs map[string]attributeRefs

// attributeRefs are the addresses that the attributes of a resource refer to: those of a block by the block, and each by its
// path in it, such as "encryption_info" and "encryption_info.kms_key_arn".
type attributeRefs map[string][]string

// These stand among the attributes of a resource. Paths have no such letters.
const (
	ownKey    = "=" // before a path: what is there is chosen by the key that the resource has itself
	otherKey  = "?" // before a path: it is chosen by something else, such as the key of the module
	maxChosen = 1000
)

// made are the instances that a plan makes of each block that has some, by the address without indexes.
type made map[string][]string

// instances returns an address that an attribute refers to as the resource at another one means it: of a block with
// several instances the one with its own key, if the attribute asks for that, otherwise all. ok is false if that is not known.
func (of attributeRefs) instances(all made, from, path, address string) (instances []string, ok bool) {
	candidates := all[withoutIndexes(address)]
	if index := indexOf(address); index != "" {
		candidates = withIndex(candidates, index)
	}
	if module := moduleOf(from); module != "" {
		if own := slices.DeleteFunc(slices.Clone(candidates), func(a string) bool { return !strings.HasPrefix(a, module) }); len(own) > 0 {
			candidates = own
		}
	}
	switch {
	case len(candidates) == 0:
		return []string{address}, true
	case len(candidates) == 1 && indexOf(address) != "":
		return candidates, true
	case of[ownKey+path] != nil:
		candidates = withIndex(candidates, indexOf(from))
		return candidates, len(candidates) == 1
	case of[otherKey+path] != nil || len(candidates) > maxChosen:
		return nil, false
	}
	for _, a := range candidates[1:] {
		if moduleOf(a) != moduleOf(candidates[0]) { // which module the reference leads into was lost on the way
			return nil, false
		}
	}
	return candidates, true
}

// withIndex returns those of some addresses that end with an index.
func withIndex(addresses []string, index string) []string {
	var out []string
	for _, a := range addresses {
		if indexOf(a) == index {
			out = append(out, a)
		}
	}
	return out
}

// moduleOf returns the part of an address that says which instance of a module a resource is in, "" for none.
func moduleOf(address string) string {
	return address[:strings.LastIndexByte(strings.TrimSuffix(address, indexOf(address)), ']')+1]
}

// chosenBy returns what an expression chooses instances by: ownKey for the key of its own resource, otherKey for anything
// else that may tell them apart, "" for nothing.
func chosenBy(expression []byte) string {
	by := ""
	eachReferences(expression, func(v []byte) {
		jscan.Elements(v, func(e []byte) bool {
			switch s := scalarText(e); {
			case strings.HasPrefix(s, "each.value."):
				by = otherKey
			case by == "" && (s == "count.index" || s == "each.key" || s == "each.value"):
				by = ownKey
			}
			return true
		})
	})
	return by
}

// at returns what a path refers to, and which attribute says it. If that is not known of the path by itself, it is all that
// the block refers to which the path leads into.
func (of attributeRefs) at(alt rulebook.Alternative) (found []string, where string) {
	names := alt.Names()
	if len(names) == 0 {
		return nil, ""
	}
	if where = strings.Join(names, "."); len(of[where]) > 0 {
		return of[where], where
	}
	return of[names[0]], names[0]
}

// terraformConfiguration keeps the references of a plan's configuration.
func (r *Reader) terraformConfiguration(doc *demarc.Document) {
	if err := jscan.Valid(doc.Body); err != nil {
		r.refuse(doc, err)
		return
	}
	refs := moduleRefs{}
	newModule(&following{left: maxFollowed}, nil, "", nil, jscan.Member(doc.Body, "root_module", false), 0).references(refs)
	input := ""
	if doc.Source != nil {
		input = doc.Source.Name + "\x00" + doc.Source.Input
	}
	r.inv.mu.Lock()
	r.inv.configurations[input] = refs
	r.inv.mu.Unlock()
}

// tfModule is a module of a plan's configuration. What its variables and outputs refer to is found when somebody asks.
type tfModule struct {
	prefix   string // "module.a.module.b."
	raw      []byte
	caller   *tfModule
	inputs   map[string][]byte // the expressions of its call, in the caller's terms
	outputs  map[string][]byte
	children map[string]*tfModule
	known    map[string][]string // "var.x" and "output.x" to addresses; present while it is being found
	byKey    map[string]bool     // variables whose value the caller chooses by a key
	follow   *following
}

const (
	maxModuleDepth = 50        // levels
	maxBlockDepth  = 30        // levels
	maxHops        = 100       // variables and outputs on the way to a resource
	maxFollowed    = 1_000_000 // addresses that all expressions of a plan come to
)

// following counts what following references through a plan's configuration has cost so far.
type following struct {
	hops, left int
	chosen     bool // the expression that was followed last goes through a variable that is chosen by a key
}

// newModule returns a module. One key may be there twice in hostile text; the last counts.
func newModule(follow *following, caller *tfModule, prefix string, inputs, raw []byte, depth int) *tfModule {
	m := &tfModule{
		prefix: prefix, raw: raw, caller: caller, inputs: map[string][]byte{}, outputs: map[string][]byte{},
		children: map[string]*tfModule{}, known: map[string][]string{}, byKey: map[string]bool{}, follow: follow,
	}
	jscan.Members(inputs, func(name string, expression []byte) bool {
		m.inputs[name] = expression
		return true
	})
	jscan.Members(jscan.Member(raw, "outputs", false), func(name string, output []byte) bool {
		m.outputs[name] = jscan.Member(output, "expression", false)
		return true
	})
	if depth < maxModuleDepth {
		jscan.Members(jscan.Member(raw, "module_calls", false), func(name string, call []byte) bool {
			m.children[name] = newModule(follow, m, prefix+"module."+name+".", jscan.Member(call, "expressions", false), jscan.Member(call, "module", false), depth+1)
			return true
		})
	}
	return m
}

// references adds what each resource of the module and its children refers to.
func (m *tfModule) references(refs moduleRefs) {
	jscan.Elements(jscan.Member(m.raw, "resources", false), func(res []byte) bool {
		of := attributeRefs{}
		put := func(attribute string, e []byte) bool {
			m.follow.chosen = false
			if to := m.addresses(e); len(to) > 0 {
				of[attribute] = to
				m.chosen(of, attribute, e)
				m.inside(of, attribute, e, 0)
			}
			return true
		}
		jscan.Members(jscan.Member(res, "expressions", false), put)
		put("for_each", jscan.Member(res, "for_each_expression", false))
		refs[m.prefix+strings.Clone(scalarText(jscan.Member(res, "address", false)))] = of
		return true
	})
	for _, name := range slices.Sorted(maps.Keys(m.children)) { // in one order: where it ends on a cycle depends on it
		m.children[name].references(refs)
	}
}

// inside adds what the attributes of a block refer to, each by its path.
func (m *tfModule) inside(of attributeRefs, path string, block []byte, depth int) {
	if depth > maxBlockDepth {
		return
	}
	if len(block) > 0 && block[0] == '[' {
		jscan.Elements(block, func(e []byte) bool { m.inside(of, path, e, depth+1); return true })
		return
	}
	if jscan.Member(block, "references", false) != nil {
		if strings.Contains(path, ".") {
			m.follow.chosen = false
			of[path] = append(of[path], m.addresses(block)...)
			m.chosen(of, path, block)
		}
		return
	}
	jscan.Members(block, func(k string, e []byte) bool {
		m.inside(of, path+"."+k, e, depth+1)
		return true
	})
}

// chosen notes what an expression, whose addresses were just found, chooses instances by.
func (m *tfModule) chosen(of attributeRefs, path string, expression []byte) {
	by := chosenBy(expression)
	if m.follow.chosen {
		by = otherKey
	}
	if by != "" {
		of[by+path] = []string{somewhere}
	}
}

// once finds what a variable or an output refers to; a cycle refers to nothing, and what is too far away to something that
// nobody knows.
func (m *tfModule) once(key string, find func() []string) []string {
	if found, ok := m.known[key]; ok {
		return found
	}
	if m.follow.hops >= maxHops {
		return []string{somewhere}
	}
	m.follow.hops++
	m.known[key] = nil
	m.known[key] = find()
	m.follow.hops--
	return m.known[key]
}

func (m *tfModule) variable(name string) []string {
	defer func() { m.follow.chosen = m.follow.chosen || m.byKey[name] }()
	return m.once("var."+name, func() []string {
		if m.caller == nil {
			return nil
		}
		outer := m.follow.chosen
		to := m.caller.addresses(m.inputs[name])
		if chosenBy(m.inputs[name]) != "" || m.follow.chosen {
			m.byKey[name] = true
		}
		m.follow.chosen = outer
		return to
	})
}

func (m *tfModule) output(name string) []string {
	return m.once("output."+name, func() []string { return m.addresses(m.outputs[name]) })
}

// somewhere is the address of a resource that was not looked for to the end.
const somewhere = ""

// resourceReference returns the address of the resource that a reference begins with, with its index if it has one, or "".
// References to anything else, such as local.x or each.value, have no "_" in their first part.
func resourceReference(s string) string {
	word := func(c rune) bool {
		return c == '_' || c == '-' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
	}
	kind, rest, _ := strings.Cut(s, ".")
	under := strings.IndexByte(kind, '_')
	if under < 1 || under == len(kind)-1 || strings.ContainsFunc(kind, func(c rune) bool { return c == '-' || !word(c) }) || '0' <= kind[0] && kind[0] <= '9' {
		return ""
	}
	name := strings.IndexFunc(rest, func(c rune) bool { return !word(c) })
	if name < 0 {
		name = len(rest)
	}
	if name == 0 {
		return ""
	}
	return s[:len(kind)+1+name+indexLength(rest[name:])]
}

// addresses returns the resources that an expression refers to, through inputs and outputs of modules. Locals,
// conditionals and data sources are not followed.
func (m *tfModule) addresses(expression []byte) []string {
	var out []string
	seen := map[string]bool{}
	put := func(list ...string) {
		for _, a := range list {
			if m.follow.left--; m.follow.left < 0 {
				a = somewhere
			}
			if !seen[a] {
				seen[a] = true
				out = append(out, a)
			}
		}
	}
	eachReferences(expression, func(v []byte) {
		var indexed []string // aws_s3_bucket.b["a"]: then aws_s3_bucket.b, which follows it, adds nothing
		jscan.Elements(v, func(e []byte) bool {
			s := strings.Clone(scalarText(e))
			switch {
			case strings.HasPrefix(s, "var."):
				name, _, _ := strings.Cut(strings.TrimPrefix(s, "var."), ".")
				name, _, _ = strings.Cut(name, "[")
				put(m.variable(name)...)
			case strings.HasPrefix(s, "module."):
				parts := strings.SplitN(s, ".", 4)
				if len(parts) > 2 {
					child, _, _ := strings.Cut(parts[1], "[")
					output, _, _ := strings.Cut(parts[2], "[")
					if inner := m.children[child]; inner != nil {
						put(inner.output(output)...)
					}
				}
			default:
				own := resourceReference(s)
				switch {
				case own == "":
				case strings.HasSuffix(own, "]"):
					indexed = append(indexed, withoutIndexes(own))
					put(m.prefix + own)
				case !slices.Contains(indexed, own):
					put(m.prefix + own)
				}
			}
			return true
		})
	})
	return out
}

// eachReferences calls visit with each list of references in an expression, however deep it lies in blocks.
func eachReferences(expression []byte, visit func(list []byte)) {
	var within func(raw []byte, depth int)
	within = func(raw []byte, depth int) {
		if depth > maxBlockDepth {
			return
		}
		if len(raw) > 0 && raw[0] == '[' {
			jscan.Elements(raw, func(e []byte) bool { within(e, depth+1); return true })
			return
		}
		jscan.RawMembers(raw, func(k, v []byte) bool {
			if string(k) == "references" {
				visit(v)
			} else {
				within(v, depth+1)
			}
			return true
		})
	}
	within(expression, 0)
}

// indexLength returns the length of the index, with its brackets, that s begins with: [0] or ["key"]. It is 0 without one.
func indexLength(s string) int {
	if len(s) < 2 || s[0] != '[' {
		return 0
	}
	if s[1] != '"' {
		return strings.IndexByte(s, ']') + 1
	}
	for i := 2; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			if strings.HasPrefix(s[i+1:], "]") {
				return i + 2
			}
			return 0
		}
	}
	return 0
}

// withoutIndexes returns a Terraform address without its count and each keys.
func withoutIndexes(address string) string {
	if !strings.Contains(address, "[") {
		return address
	}
	var b strings.Builder
	for i := 0; i < len(address); {
		if n := indexLength(address[i:]); n > 0 {
			i += n
			continue
		}
		b.WriteByte(address[i])
		i++
	}
	return b.String()
}

// terraformType returns the type in an address: aws_kms_key of module.a["b"].aws_kms_key.c[0].
func terraformType(address string) string {
	bare := withoutIndexes(address)
	bare = bare[:max(strings.LastIndexByte(bare, '.'), 0)]
	return bare[strings.LastIndexByte(bare, '.')+1:]
}

// indexOf returns the last index of an address, with its brackets, or "".
func indexOf(address string) string {
	last := ""
	for i := 0; i < len(address); {
		n := indexLength(address[i:])
		if n > 0 {
			last = address[i : i+n]
		}
		i += max(n, 1)
	}
	if !strings.HasSuffix(address, last) {
		return ""
	}
	return last
}
