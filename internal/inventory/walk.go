package inventory

import (
	"bytes"
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/jscan"
	"github.com/demarc/demarc/internal/rulebook"
)

// unresolved is the member that stands for a value that nobody knows yet: an intrinsic of a template that could not
// be resolved. {"$demarc":"unresolved"}, or {"$demarc":"ref","to":"LogicalId"} where it leads to another resource.
const unresolved = "$demarc"

// walk follows steps from a raw value and calls emit with each value that it finds. single makes a list of one
// transparent; fold compares keys without case.
func walk(raw []byte, steps []rulebook.Step, fold, single bool, emit func([]byte)) {
	if len(steps) == 0 {
		emit(raw)
		return
	}
	if isUnresolved(raw) { // what lies below is not known either
		emit(raw)
		return
	}
	step, rest := steps[0], steps[1:]
	switch step.Kind {
	case rulebook.StepKey:
		if single && len(raw) > 0 && raw[0] == '[' {
			if only, ok := onlyElement(raw); ok {
				raw = only
			}
		}
		if v := jscan.Member(raw, step.Key, fold); !jscan.IsNull(v) {
			walk(v, rest, fold, single, emit)
		}
	case rulebook.StepEach:
		if len(raw) > 0 && raw[0] == '{' {
			walk(raw, rest, fold, single, emit) // one where a list may stand
			return
		}
		jscan.Elements(raw, func(e []byte) bool {
			if !jscan.IsNull(e) {
				walk(e, rest, fold, single, emit)
			}
			return true
		})
	case rulebook.StepPick:
		jscan.Elements(raw, func(e []byte) bool {
			if s := scalarText(jscan.Member(e, step.Key, fold)); s == step.Value || fold && strings.EqualFold(s, step.Value) {
				walk(e, rest, fold, single, emit)
				return false
			}
			return true
		})
	case rulebook.StepJSON:
		if inner := openJSON(raw); inner != nil {
			walk(inner, rest, fold, single, emit)
		}
	}
}

func onlyElement(raw []byte) (only []byte, ok bool) {
	n := 0
	jscan.Elements(raw, func(e []byte) bool {
		only = e
		n++
		return n < 2
	})
	return only, n == 1
}

func isUnresolved(raw []byte) bool { return bytes.HasPrefix(raw, []byte(`{"`+unresolved+`"`)) }

// openJSON returns the JSON that a string holds, URL-encoded or not; what is no string is returned as it is.
// It returns nil for a string that holds no JSON.
func openJSON(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return raw
	}
	inner := jscan.Unquote(raw[1 : len(raw)-1])
	if s := view(inner); strings.HasPrefix(s, "%7B") || strings.HasPrefix(s, "%5B") || strings.HasPrefix(s, "%7b") || strings.HasPrefix(s, "%5b") {
		if u, err := url.QueryUnescape(s); err == nil {
			inner = []byte(u)
		}
	}
	inner = bytes.TrimSpace(inner)
	if jscan.Valid(inner) == nil {
		return inner
	}
	if bytes.Contains(inner, []byte(`\"`)) { // escaped twice, as API Gateway returns policies
		if twice := jscan.Unquote(inner); jscan.Valid(twice) == nil {
			return twice
		}
	}
	return nil
}

// found is what came of looking for a fact: its values, and whether the path was there at all.
type found struct {
	values  [][]byte
	present bool // the value at the plain keys was there, though it may have held no element
}

// look finds the values of a path in captured slots, at the first alternative that is present. One that is asked whether it is
// set and is not, or a list in which nothing was found, only counts where no other is there. The values are put into scratch,
// and good until it is used again.
func (p pathPlan) look(c *jscan.Captures, fold, single bool, scratch *[][]byte) (found, rulebook.Question) {
	empty, of := found{}, rulebook.TheValue
	for _, a := range p {
		raw := c.Get(a.slot)
		if jscan.IsNull(raw) {
			continue
		}
		f := found{values: (*scratch)[:0]}
		gathers := false
		if len(a.rest) == 0 {
			f.values = append(f.values, raw)
		} else {
			walk(raw, a.rest, fold, single, func(v []byte) { f.values = append(f.values, v) })
			for _, s := range a.rest {
				gathers = gathers || s.Kind == rulebook.StepEach
			}
		}
		*scratch = f.values
		f.present = len(f.values) > 0 || gathers && (raw[0] == '[' || raw[0] == '"')
		if len(f.values) > 0 && (a.asked != rulebook.WhetherSet || slices.ContainsFunc(f.values, mayBeSet)) {
			return f, a.asked
		}
		if f.present && !empty.present {
			empty, of = found{present: true}, a.asked
		}
	}
	return empty, of
}

// mayBeSet reports whether a value is set or nobody knows yet.
func mayBeSet(raw []byte) bool { return isUnresolved(raw) || isSet(raw) }

// converter makes the values of facts of what was found. The values that it has made are good until it is reset: whoever
// keeps one copies it.
type converter struct {
	fold, single bool // of the dialect, as walk has them

	arena arena          // for the elements of values
	list  []demarc.Value // of the lists that are being made
	found [][]byte       // of the fields that are being read
}

// reset begins with the facts of another resource.
func (c *converter) reset(fold, single bool) {
	c.fold, c.single = fold, single
	c.arena.reset()
	if cap(c.list)+cap(c.found) > maxArena {
		c.list, c.found = nil, nil
	}
}

// end makes a value of the list that began at from.
func (c *converter) end(t demarc.Type, from int) demarc.Value {
	list := c.arena.copied(c.list[from:])
	c.list = c.list[:from]
	return demarc.List(t, list...)
}

// fact converts what was found to the value of a fact. ok is false for a value that could not be understood;
// a zero Value with ok stands for one that is known only later.
func (c *converter) fact(f *rulebook.Fact, values [][]byte, asked rulebook.Question) (v demarc.Value, ok bool) {
	switch asked {
	case rulebook.WhetherSet:
		for _, raw := range values {
			if isUnresolved(raw) {
				if leads, _ := textOf(jscan.Member(raw, unresolved, false)); leads == "ref" {
					return demarc.Bool(true), true // whatever the resource that it leads to is called
				}
				return demarc.Value{}, true
			}
			if isSet(raw) {
				return demarc.Bool(true), true
			}
		}
		return demarc.Value{}, false // absent: the default decides
	case rulebook.HowMany:
		n := 0
		for _, raw := range values {
			if isUnresolved(raw) {
				return demarc.Value{}, true
			}
			switch {
			case raw[0] == '[':
				jscan.Elements(raw, func([]byte) bool { n++; return true })
			case raw[0] == '{':
				jscan.Members(raw, func(string, []byte) bool { n++; return true })
			case !jscan.IsNull(raw):
				n++
			}
		}
		return demarc.Int(int64(n)), true
	case rulebook.TheValue:
	}
	switch f.Type {
	case demarc.TypeStrings, demarc.TypeInts:
		from, ok := len(c.list), true
		add := func(raw []byte) bool {
			if jscan.IsNull(raw) {
				return true
			}
			e, good := convert(f.Type.Element(), f.Map, f.Values, raw, c.fold)
			ok = ok && good
			c.list = append(c.list, e)
			return true
		}
		for _, raw := range values {
			switch {
			case isUnresolved(raw):
				c.list = append(c.list, demarc.Value{})
			case raw[0] == '[':
				jscan.Elements(raw, add)
			default:
				add(raw)
			}
		}
		return c.end(f.Type, from), ok
	case demarc.TypeRecords:
		from, ok := len(c.list), true
		add := func(raw []byte) bool {
			var r demarc.Value
			if c.single && isBlank(raw) {
				return true
			}
			if !isUnresolved(raw) {
				var good bool
				r, good = c.record(f, raw)
				ok = ok && good
			}
			c.list = append(c.list, r)
			return true
		}
		for _, raw := range values {
			switch raw[0] {
			case '[':
				jscan.Elements(raw, add)
			case '{':
				add(raw)
			case '"':
				if inner := openJSON(raw); inner != nil && inner[0] == '[' {
					jscan.Elements(inner, add)
				}
			}
		}
		return c.end(demarc.TypeRecords, from), ok
	default:
		if len(values) == 0 {
			return demarc.Value{}, false
		}
		raw := values[0]
		if c.single && raw[0] == '[' && f.Type != demarc.TypeDocument {
			if only, is := onlyElement(raw); is {
				raw = only
			}
		}
		return convert(f.Type, f.Map, f.Values, raw, c.fold)
	}
}

// isBlank reports whether a block of Terraform says nothing: providers write one whose texts are all empty where there is none.
func isBlank(raw []byte) bool {
	some, blank := false, true
	jscan.RawMembers(raw, func(_, v []byte) bool {
		empty := string(v) == `""`
		some, blank = some || empty, empty || jscan.IsNull(v)
		return blank
	})
	return some && blank
}

func isSet(raw []byte) bool {
	switch {
	case jscan.IsNull(raw):
		return false
	case raw[0] == '"':
		return len(raw) > 2
	case raw[0] == '[':
		some := false
		jscan.Elements(raw, func(e []byte) bool { some = some || isSet(e); return !some })
		return some
	case raw[0] == '{':
		some := false
		jscan.Members(raw, func(_ string, v []byte) bool { some = some || !jscan.IsNull(v); return !some })
		return some
	default:
		return true
	}
}

// record reads one record. Its members are gone through once, for all fields.
func (c *converter) record(f *rulebook.Fact, raw []byte) (demarc.Value, bool) {
	fields := c.arena.take(len(f.Fields))
	ok := true
	if only, is := onlyElement(raw); c.single && is {
		raw = only
	}
	var buf [32][]byte // the member that each way to each field begins with
	begins := buf[:0]
	for i := range f.Fields {
		for range f.Fields[i].Path {
			begins = append(begins, nil)
		}
	}
	jscan.RawMembers(raw, func(key, value []byte) bool {
		n := 0
		for i := range f.Fields {
			for k := range f.Fields[i].Path {
				if keys := f.Fields[i].Path[k].Keys; len(keys) > 0 && len(keys[0]) == len(key) && (keys[0] == view(key) || c.fold && strings.EqualFold(keys[0], view(key))) {
					begins[n] = value
				}
				n++
			}
		}
		return true
	})
	n := -1
	for i := range f.Fields {
		field := &f.Fields[i]
		v := field.Default
		for k := range field.Path {
			n++
			alt := &field.Path[k]
			at, steps := raw, field.Below(k)
			if len(alt.Keys) > 0 {
				if at = begins[n]; jscan.IsNull(at) {
					continue
				}
			}
			from := len(c.found)
			walk(at, steps, c.fold, c.single, func(v []byte) { c.found = append(c.found, v) })
			values := c.found[from:]
			if len(values) == 0 || jscan.IsNull(values[0]) {
				c.found = c.found[:from]
				continue
			}
			got, good := c.fact(field.AsFact(), values, alt.Asked)
			c.found = c.found[:from]
			if alt.Asked == rulebook.WhetherSet && !good {
				continue
			}
			if good {
				v = got
			}
			ok = ok && good
			n += len(field.Path) - 1 - k
			break
		}
		fields[i] = v
	}
	return f.Names.Record(fields), ok
}

// convert reads one scalar. A zero Value with ok is one that is not known yet.
func convert(t demarc.Type, mapped map[string]demarc.Value, values []string, raw []byte, fold bool) (v demarc.Value, ok bool) {
	if len(raw) == 0 {
		return demarc.Value{}, false
	}
	if isUnresolved(raw) {
		return demarc.Value{}, true
	}
	s, isString := textOf(raw)
	if !isString {
		s = view(raw)
	}
	if mapped != nil {
		if v, ok = mapped[s]; ok {
			return v, true
		}
		if fold {
			for k, v := range mapped {
				if strings.EqualFold(k, s) {
					return v, true
				}
			}
		}
		return demarc.Value{}, false
	}
	switch t {
	case demarc.TypeBool:
		switch {
		case strings.EqualFold(s, "true"):
			return demarc.Bool(true), true
		case strings.EqualFold(s, "false"):
			return demarc.Bool(false), true
		}
	case demarc.TypeInt:
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return demarc.Int(i), true
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && f == float64(int64(f)) {
			return demarc.Int(int64(f)), true
		}
	case demarc.TypeNumber:
		if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return demarc.Number(f), true
		}
	case demarc.TypeString:
		if raw[0] == '{' || raw[0] == '[' {
			return demarc.Value{}, false
		}
		if values == nil {
			return demarc.String(s), true
		}
		for _, known := range values {
			if known == s || fold && strings.EqualFold(known, s) {
				return demarc.String(known), true
			}
		}
	case demarc.TypeDocument:
		if inner := openJSON(raw); inner != nil {
			if inner = namingResources(inner); bytes.Contains(inner, []byte(`"`+unresolved+`"`)) {
				return demarc.Value{}, true // part of it is not known yet
			}
			return demarc.JSON(view(inner)), true
		}
	case demarc.TypeTime:
		if at, good := parseTime(s); good {
			return demarc.Time(at), true
		}
	default:
	}
	return demarc.Value{}, false
}

// namingResources puts logical ids in place of the ARNs that a policy of a template names as resources, which nobody knows yet: what is
// allowed to whom does not hang on them. It leaves a policy as it is that denies something, unless all of it is about one resource:
// whether a Deny takes something back does hang on them.
func namingResources(policy []byte) []byte {
	if !bytes.Contains(policy, []byte(`"attribute":"`+arnAttribute+`"`)) {
		return policy
	}
	d := json.NewDecoder(bytes.NewReader(policy))
	d.UseNumber()
	var document map[string]any
	if d.Decode(&document) != nil {
		return policy
	}
	statements, ok := document["Statement"].([]any)
	if !ok {
		statements = []any{document["Statement"]}
	}
	denies, named := false, map[any]bool{}
	for _, s := range append(statements, document) { // a statement may stand by itself
		statement, _ := s.(map[string]any)
		denies = denies || statement["Effect"] == "Deny"
		if statement["NotResource"] != nil {
			return policy
		}
		resources, isList := statement["Resource"].([]any)
		if !isList && statement["Resource"] != nil {
			resources = []any{statement["Resource"]}
		}
		for i, r := range resources {
			if marker, _ := r.(map[string]any); marker[unresolved] == "ref" && marker["attribute"] == arnAttribute {
				resources[i] = marker["to"]
			}
			if text, ok := resources[i].(string); ok {
				named[text] = true
			}
		}
		if len(resources) > 0 {
			statement["Resource"] = resources
		}
	}
	if denies && len(named) > 1 {
		return policy
	}
	out, err := json.Marshal(document)
	if err != nil {
		return policy
	}
	return out
}

var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02T15:04:05-0700", "2006-01-02 15:04:05-07:00", "2006-01-02 15:04:05", time.DateOnly}

// parseTime reads the forms of time that providers write: RFC 3339 and its relatives, and seconds or
// milliseconds since 1970.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, s); err == nil {
			return at.UTC(), true
		}
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f > 1e8 && f < 1e14 {
		if f > 1e11 {
			f /= 1000
		}
		return time.Unix(int64(f), 0).UTC(), true
	}
	return time.Time{}, false
}
