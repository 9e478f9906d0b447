package rule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
)

// The promise that responsibility rests on: an answer that is known while some facts are not stays the same whatever
// those facts turn out to be. A completion may fill in a fact, a field of a record, and any number of elements where a
// list is open.
func TestKnownAnswersNeverChange(t *testing.T) {
	e := env(t)
	rapid.Check(t, func(t *rapid.T) {
		text := condition(3).Draw(t, "condition")
		p, err := e.Compile(source(text), demarc.TypeBool)
		if err != nil {
			t.Fatal(err)
		}
		all := facts{}
		part := facts{}
		for _, name := range p.Facts() {
			i := slices.IndexFunc(fields, func(f rule.Field) bool { return f.Name == name })
			all[name] = value(&fields[i]).Draw(t, name)
			if rapid.IntRange(0, 2).Draw(t, "known "+name) > 0 {
				part[name] = blur(t, all[name])
			}
		}
		got := p.Eval(part.of(p), asOf)
		switch {
		case got.Known():
			if want := p.Eval(all.of(p), asOf); !want.Value.Equal(got.Value) {
				t.Fatalf("%v with %v, and %v %v with %v", got.Value, part, want.Value, want.Err, all)
			}
		case got.Err == nil:
			if len(got.Missing) == 0 {
				t.Fatalf("unknown for no reason with %v", part)
			}
			for _, name := range got.Missing {
				if tellsNothing(text) {
					break // of a list that has none, what is missing is an element
				}
				if v, ok := part[name]; ok && v.Equal(all[name]) {
					t.Fatalf("%q is said to be missing, and is %v", name, v)
				}
			}
		}
	})
}

// tellsNothing reports whether an expression may come to what nothing tells: its atom says which facts that is because of.
func tellsNothing(text string) bool {
	return strings.Contains(text, "first(") || strings.Contains(text, "maybe(")
}

// A condition taken apart into atoms is what CEL makes of the whole, with the same facts missing.
func TestFormulaIsCEL(t *testing.T) {
	e := env(t)
	rapid.Check(t, func(t *rapid.T) {
		text := condition(3).Draw(t, "condition")
		p, err := e.Compile(source(text), demarc.TypeBool)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := e.Compile(source("true ? "+text+" : false"), demarc.TypeBool)
		if err != nil {
			t.Skip(err) // nested too deep
		}
		part := facts{}
		for _, name := range p.Facts() {
			i := slices.IndexFunc(fields, func(f rule.Field) bool { return f.Name == name })
			if rapid.IntRange(0, 2).Draw(t, "known "+name) > 0 {
				part[name] = blur(t, value(&fields[i]).Draw(t, name))
			}
		}
		got, want := p.Eval(part.of(p), asOf), whole.Eval(part.of(whole), asOf)
		if got.Truth() != want.Truth() || !slices.Equal(got.Missing, want.Missing) && !tellsNothing(text) {
			t.Fatalf("%s is %v, %v, %v with %v; as one piece %v, %v, %v", text, got.Value, got.Missing, got.Err, part, want.Value, want.Missing, want.Err)
		}
	})
}

// An atom as a Go function is what CEL makes of it, with the same facts missing.
func TestNativeIsCEL(t *testing.T) {
	e := env(t)
	natives, atoms := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text, want := expression(t)
		p, err := e.Compile(source(text), want)
		if err != nil && (strings.Contains(err.Error(), "may cost") || strings.Contains(err.Error(), "within each other")) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		n, all := rule.Natives(p)
		natives, atoms = natives+n, atoms+all
		part := facts{}
		for _, name := range p.Facts() {
			i := slices.IndexFunc(fields, func(f rule.Field) bool { return f.Name == name })
			if rapid.IntRange(0, 2).Draw(t, "known "+name) > 0 {
				part[name] = blur(t, value(&fields[i]).Draw(t, name))
			}
		}
		got, cel := p.Eval(part.of(p), asOf), rule.WithoutNative(p).Eval(part.of(p), asOf)
		if !got.Value.Equal(cel.Value) || (got.Err == nil) != (cel.Err == nil) || !slices.Equal(got.Missing, cel.Missing) {
			t.Fatalf("%s is %v, %v, %v with %v; to CEL %v, %v, %v", text, got.Value, got.Missing, got.Err, part, cel.Value, cel.Missing, cel.Err)
		}
	})
	if natives < atoms/10 {
		t.Errorf("%d of %d atoms take no CEL", natives, atoms)
	}
}

// expression makes conditions, and the values that facts are derived as.
func expression(t *rapid.T) (string, demarc.Type) {
	inner := func() string { return condition(1).Draw(t, "inner") }
	switch rapid.IntRange(0, 7).Draw(t, "type") {
	case 0:
		return textual(2).Draw(t, "text"), demarc.TypeString
	case 1:
		return rapid.SampledFrom([]string{
			"facts.port", "size(facts.zones)", "facts.auto_upgrade ? 1 : facts.port", "facts.ports[0]", "size(facts.rules.filter(r, r.deny))",
		}).Draw(t, "int"), demarc.TypeInt
	case 2:
		return texts(2).Draw(t, "texts"), demarc.TypeStrings
	case 3:
		return rapid.SampledFrom([]string{
			"facts.ports", "facts.rules.map(r, r.port)", "facts.rules.filter(r, r.deny).map(r, r.port)", "facts.ports + facts.ports.filter(p, p > 0)",
			"facts.rules.map(r, r.cidrs.exists(c, c == facts.engine), r.port)", "facts.auto_upgrade ? facts.ports : []",
		}).Draw(t, "ints"), demarc.TypeInts
	case 4:
		return "(" + inner() + ") ? " + inner() + " : " + inner(), demarc.TypeBool
	default:
		return condition(3).Draw(t, "condition"), demarc.TypeBool
	}
}

// textual makes strings.
func textual(depth int) *rapid.Generator[string] {
	plain := rapid.SampledFrom([]string{"'a'", "facts.engine", "facts.version", "facts.engine.lowerAscii()", "string(facts.port)", "facts.zones[0]", "facts.cidrs[1]", "first(facts.zones)"})
	if depth == 0 {
		return plain
	}
	return rapid.Custom(func(t *rapid.T) string {
		inner := func() string { return textual(depth-1).Draw(t, "inner") }
		switch rapid.IntRange(0, 4).Draw(t, "shape") {
		case 0:
			return inner() + " + " + inner()
		case 1:
			return "(" + condition(1).Draw(t, "when") + " ? " + inner() + " : " + inner() + ")"
		case 2:
			list := texts(depth-1).Draw(t, "list")
			return rapid.SampledFrom([]string{"(" + list + ")[0]", "first(" + list + ")"}).Draw(t, "element")
		default:
			return plain.Draw(t, "plain")
		}
	})
}

// texts makes lists of strings.
func texts(depth int) *rapid.Generator[string] {
	plain := rapid.SampledFrom([]string{"facts.zones", "facts.cidrs", "facts.rules.map(r, string(r.port))", "facts.rules.filter(r, r.deny).map(r, facts.engine + string(r.port))"})
	if depth == 0 {
		return plain
	}
	return rapid.Custom(func(t *rapid.T) string {
		inner := func() string { return texts(depth-1).Draw(t, "inner") }
		of := func() string {
			return rapid.SampledFrom([]string{
				"z == 'a'", "true", "z in facts.cidrs", "z != facts.engine", "z.startsWith(facts.engine)", "facts.rules.exists(r, r.port == 1 && z == facts.version)",
				"size(facts.cidrs.filter(c, c == z)) > 0", "facts.auto_upgrade", "1 / size(z) == 1",
			}).Draw(t, "of")
		}
		switch rapid.IntRange(0, 4).Draw(t, "shape") {
		case 0:
			return "(" + inner() + " + " + inner() + ")"
		case 1:
			return inner() + ".filter(z, " + of() + ")"
		case 2:
			return inner() + ".map(z, z + " + textual(0).Draw(t, "added") + ")"
		case 3:
			return inner() + ".map(z, " + of() + ", z)"
		default:
			return plain.Draw(t, "plain")
		}
	})
}

// condition makes conditions over the facts of env, of every operator and macro that may meet an unknown.
func condition(depth int) *rapid.Generator[string] {
	atom := rapid.SampledFrom([]string{
		"facts.auto_upgrade", "maybe(facts.auto_upgrade)", "!maybe(facts.engine == 'a' && facts.port > 0)", "(facts.auto_upgrade ? maybe(facts.engine == 'a') : facts.port > 1)", "facts.engine == 'a'", "facts.engine in ['a', 'b']", "facts.engine != facts.version",
		"facts.engine.startsWith('a')", "facts.engine + 'a' == 'aa'", "facts.port < 2", "1 / facts.port > 0", "-facts.port == 0",
		"facts.engine.contains('a')", "facts.engine.matches('^[ab]$')", "facts.engine.lowerAscii() == 'a'", "facts.engine.endsWith(facts.engine)",
		"policyIsPublic(facts.policy)", "policyIsPublic(policyOf(facts.policy))", "policyOutsiders(policyOf(facts.policy), facts.engine) == []", "policyAllows(facts.policy, 's3:GetObject')", "policyOutsiders(facts.policy, facts.engine).size() == 0",
		"policyEscalations(facts.policy).size() > 0", "facts.cidrs.exists(c, policyIsAdmin(c))", "ageDays(facts.created) > 90",
		"[1, 2].exists(p, p == facts.port)", "['a', 'b'].all(z, z in facts.zones)", "facts.port >= 1", "facts.port in [1, 2]", "facts.port in facts.ports", "facts.auto_upgrade == true", "facts.auto_upgrade == !facts.auto_upgrade",
		"versionAtLeast(facts.version, '1')", "openToWorld(facts.engine)", "string(facts.port) == '1'",
		"'a' in facts.zones", "facts.engine in facts.zones", "size(facts.zones) > 1", "facts.zones[0] == 'a'", "facts.zones == facts.cidrs",
		"facts.zones + facts.cidrs == ['a', 'b']", "facts.zones != []", "1 in facts.ports", "facts.ports[1] == facts.port",
		"facts.zones.filter(z, z == 'a').size() == 1", "facts.zones.map(z, z + 'x') == ['ax']", "'a' in facts.zones.filter(z, z != 'b')",
		"(facts.auto_upgrade ? facts.zones : facts.cidrs).exists(z, z == 'a')", "(facts.auto_upgrade ? 'a' : facts.engine) in facts.zones",
		"{'a': true, 'b': false}[facts.engine]", "[facts.engine, 'b'] == ['a', 'b']", "[facts.zones, ['a']].exists(l, 'a' in l)",
		"facts.rules[0].port == 1", "size(facts.rules) == 1", "facts.rules.filter(r, r.deny).exists(r, r.port == 1)",
		"facts.rules.map(r, r.port) == [1]", "1 in facts.rules.map(r, r.deny, r.port)",
	})
	if depth == 0 {
		return atom
	}
	return rapid.Custom(func(t *rapid.T) string {
		inner := func() string { return condition(depth-1).Draw(t, "inner") }
		list := func() string {
			return rapid.SampledFrom([]string{"facts.zones", "facts.cidrs", "['a', 'b']", "facts.zones.filter(f, f == 'a')"}).Draw(t, "list")
		}
		loop := func() string { return rapid.SampledFrom([]string{"exists", "all", "exists_one"}).Draw(t, "loop") }
		switch rapid.IntRange(0, 7).Draw(t, "shape") {
		case 0:
			return atom.Draw(t, "atom")
		case 1:
			return "!(" + inner() + ")"
		case 2:
			return "(" + inner() + " && " + inner() + ")"
		case 3:
			return "(" + inner() + " || " + inner() + ")"
		case 4:
			return "(" + inner() + " ? " + inner() + " : " + inner() + ")"
		case 5:
			return "(" + inner() + ") == (" + inner() + ")"
		case 6:
			of := rapid.SampledFrom([]string{"z == 'a'", "true", "false", "z in facts.cidrs", "z != facts.engine", "1 / size(z) == 1"}).Draw(t, "of element")
			return fmt.Sprintf("%s.%s(z, %s)", list(), loop(), of)
		default:
			of := rapid.SampledFrom([]string{
				"r.port == 1", "r.deny", "maybe(r.deny)", "r.port == 1 || maybe(r.deny)", "r.port == 1 && !r.deny", "r.port == 1 || r.deny", "'a' in r.cidrs", "size(r.cidrs) == 1",
				"r.cidrs.exists(c, c == 'a')", "r.cidrs.exists(c, openToWorld(c))", "r.port > 0 && r.port <= 1", "r.port in [1, 2]", "!r.deny == r.deny", "r.cidrs.exists(c, c == 'b' || c in r.cidrs)", "r.cidrs.all(c, c == 'a')", "r.cidrs.exists(c, c == facts.engine)",
				"r.tags.exists(t, t.key == 'a')", "r.tags.all(t, t.key != 'a' || r.deny)", "r.port == facts.port", "facts.zones.exists(z, z == r.cidrs[0])", "facts.rules.exists(s, s.port > r.port)", "facts.zones.filter(z, z == r.cidrs[0])[0] == facts.engine", "first(facts.zones.filter(z, z == r.cidrs[0])) == facts.engine", "first(r.cidrs).startsWith(facts.engine)", "r.cidrs[0] == 'a'",
			}).Draw(t, "of record")
			return fmt.Sprintf("facts.rules.%s(r, %s)", loop(), of)
		}
	})
}

// value makes whole values: short, of few kinds, so that they meet.
func value(f *rule.Field) *rapid.Generator[demarc.Value] {
	text := rapid.SampledFrom([]demarc.Value{demarc.String("a"), demarc.String("b"), demarc.String(""), demarc.String("1.2")})
	number := rapid.Map(rapid.Int64Range(-1, 2), demarc.Int)
	switch f.Type {
	case demarc.TypeBool:
		return rapid.Map(rapid.Bool(), demarc.Bool)
	case demarc.TypeInt:
		return number
	case demarc.TypeString:
		return text
	case demarc.TypeTime:
		return rapid.Map(rapid.IntRange(0, 3), func(i int) demarc.Value { return demarc.Time(asOf.AddDate(0, 0, -60*i)) })
	case demarc.TypeDocument:
		return rapid.SampledFrom([]demarc.Value{
			demarc.JSON(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}}`),
			demarc.JSON(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`),
			demarc.JSON(`{"Statement":{"Effect":"Deny","Principal":{"AWS":"a"},"Action":"*"}}`), demarc.JSON(`{`),
			demarc.JSON(`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}`),
		})
	case demarc.TypeStrings:
		return rapid.Map(rapid.SliceOfN(text, 0, 3), func(v []demarc.Value) demarc.Value { return demarc.List(f.Type, v...) })
	case demarc.TypeInts:
		return rapid.Map(rapid.SliceOfN(number, 0, 3), func(v []demarc.Value) demarc.Value { return demarc.List(f.Type, v...) })
	case demarc.TypeRecords:
		one := rapid.Custom(func(t *rapid.T) demarc.Value {
			r := rec{}
			for i := range f.Fields {
				r[f.Fields[i].Name] = value(&f.Fields[i]).Draw(t, f.Fields[i].Name)
			}
			return demarc.Record(r)
		})
		return rapid.Map(rapid.SliceOfN(one, 0, 3), func(v []demarc.Value) demarc.Value { return demarc.List(f.Type, v...) })
	default:
		panic(f.Type.String())
	}
}

// blur forgets some of v: it drops elements of lists, each for an element that is not known, adds such an element
// where nothing is missing, and drops fields of records.
func blur(t *rapid.T, v demarc.Value) demarc.Value {
	if v.Type().Element() == demarc.TypeInvalid && v.Type() != demarc.TypeRecords {
		return v
	}
	open := rapid.IntRange(0, 2).Draw(t, "open") == 0
	var elements []demarc.Value
	for _, e := range v.Elements() {
		switch {
		case open && rapid.Bool().Draw(t, "forget element"):
			if rapid.Bool().Draw(t, "leave a mark") {
				elements = append(elements, demarc.Value{})
			}
		case e.Names() != nil:
			r := rec{}
			for i, name := range e.Names().All() {
				x := e.Fields()[i]
				if rapid.IntRange(0, 3).Draw(t, "forget "+name) > 0 {
					r[name] = blur(t, x)
				}
			}
			elements = append(elements, demarc.Record(r))
		default:
			elements = append(elements, e)
		}
	}
	if open {
		elements = append(elements, demarc.Value{})
	}
	return demarc.List(v.Type(), elements...)
}
