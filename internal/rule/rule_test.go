package rule_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
)

// fields are the facts of the service that the tests are about.
var fields = []rule.Field{
	{Name: "auto_upgrade", Type: demarc.TypeBool},
	{Name: "engine", Type: demarc.TypeString},
	{Name: "version", Type: demarc.TypeString},
	{Name: "port", Type: demarc.TypeInt},
	{Name: "ratio", Type: demarc.TypeNumber},
	{Name: "created", Type: demarc.TypeTime},
	{Name: "policy", Type: demarc.TypeDocument},
	{Name: "cidrs", Type: demarc.TypeStrings},
	{Name: "zones", Type: demarc.TypeStrings},
	{Name: "ports", Type: demarc.TypeInts},
	{Name: "rules", Type: demarc.TypeRecords, Fields: []rule.Field{
		{Name: "port", Type: demarc.TypeInt},
		{Name: "deny", Type: demarc.TypeBool},
		{Name: "cidrs", Type: demarc.TypeStrings},
		{Name: "tags", Type: demarc.TypeRecords, Fields: []rule.Field{{Name: "key", Type: demarc.TypeString}}},
	}},
}

func env(t testing.TB) *rule.Env {
	t.Helper()
	e, err := rule.NewEnv("aws/rds", fields, lifecycles{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func source(text string) rule.Source {
	return rule.Source{File: "rds.yaml", Line: 10, Column: 11, Text: text}
}

func compile(t testing.TB, e *rule.Env, text string, want demarc.Type) *rule.Program {
	t.Helper()
	p, err := e.Compile(source(text), want)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var asOf = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// facts is what is known, by name; what is not there is unknown.
type facts map[string]demarc.Value

func (f facts) of(p *rule.Program) []demarc.Fact {
	var out []demarc.Fact
	for _, name := range p.Facts() {
		if v, ok := f[name]; ok {
			out = append(out, demarc.Fact{Value: v, Origin: demarc.Read})
		} else {
			out = append(out, demarc.Fact{Origin: demarc.NotCarried})
		}
	}
	return out
}

// strs makes a list of strings, in which "?" is one that is not known.
func strs(texts ...string) demarc.Value {
	var elements []demarc.Value
	for _, s := range texts {
		if s == "?" {
			elements = append(elements, demarc.Value{})
		} else {
			elements = append(elements, demarc.String(s))
		}
	}
	return demarc.List(demarc.TypeStrings, elements...)
}

func records(rs ...map[string]demarc.Value) demarc.Value {
	var elements []demarc.Value
	for _, r := range rs {
		if r == nil {
			elements = append(elements, demarc.Value{})
		} else {
			elements = append(elements, demarc.Record(r))
		}
	}
	return demarc.List(demarc.TypeRecords, elements...)
}

type rec = map[string]demarc.Value

func TestEval(t *testing.T) {
	ssh := rec{"port": demarc.Int(22), "deny": demarc.Bool(false), "cidrs": strs("0.0.0.0/0")}
	web := rec{"port": demarc.Int(443), "deny": demarc.Bool(false), "cidrs": strs("10.0.0.0/8")}
	for _, tt := range []struct {
		expr  string
		facts facts
		want  string // true, false, unknown and the facts that are missing, or error and a part of its text
	}{
		// Two values.
		{`facts.auto_upgrade == false`, facts{"auto_upgrade": demarc.Bool(false)}, "true"},
		{`facts.auto_upgrade`, facts{"auto_upgrade": demarc.Bool(false)}, "false"},
		{`facts.engine in ['mysql', 'mariadb']`, facts{"engine": demarc.String("mariadb")}, "true"},
		{`facts.engine.lowerAscii().startsWith('aurora')`, facts{"engine": demarc.String("Aurora-MySQL")}, "true"},
		{`facts.engine.matches('^(my|maria)')`, facts{"engine": demarc.String("postgres")}, "false"},
		{`facts.port < 1024 && facts.ratio > 1`, facts{"port": demarc.Int(22), "ratio": demarc.Number(1.5)}, "true"},
		{`'a' in facts.zones`, facts{"zones": strs("a", "b")}, "true"},
		{`size(facts.zones) >= 2`, facts{"zones": strs("a")}, "false"},
		{`facts.zones == ['a']`, facts{"zones": strs("a")}, "true"},
		{`22 in facts.ports`, facts{"ports": demarc.List(demarc.TypeInts, demarc.Int(22))}, "true"},
		{`facts.cidrs.exists(c, openToWorld(c))`, facts{"cidrs": strs("10.0.0.0/8", "0.0.0.0/0")}, "true"},
		{`facts.created < timestamp('2026-01-01T00:00:00Z')`, facts{"created": demarc.Time(asOf)}, "false"},
		{`ageDays(facts.created) > 90`, facts{"created": demarc.Time(asOf.AddDate(0, 0, -91))}, "true"},
		{`ageDays(facts.created) == 0`, facts{"created": demarc.Time(asOf.Add(-23 * time.Hour))}, "true"},
		{`ageDays(facts.created) == -1`, facts{"created": demarc.Time(asOf.Add(time.Hour))}, "true"},
		{`versionAtLeast(facts.version, '1.30')`, facts{"version": demarc.String("v1.31.2-gke.100")}, "true"},
		{`policyIsPublic(facts.policy)`, facts{"policy": demarc.JSON(`{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*"}}`)}, "true"},
		{`facts.cidrs.exists(p, policyIsAdmin(p))`, facts{"cidrs": strs(`{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`)}, "true"},
		{`policyAllows(facts.policy, 'iam:PassRole')`, facts{"policy": demarc.JSON(`{"Statement": []}`)}, "false"},
		{`facts.rules.exists(r, r.port == 22 && r.cidrs.exists(c, openToWorld(c)))`, facts{"rules": records(web, ssh)}, "true"},
		{`facts.rules.all(r, r.port == 443)`, facts{"rules": records(web, ssh)}, "false"},
		{`facts.rules.exists_one(r, r.port == 443)`, facts{"rules": records(web, ssh)}, "true"},
		{`facts.rules.filter(r, !r.deny).map(r, r.port) == [443, 22]`, facts{"rules": records(web, ssh)}, "true"},
		{`facts.rules.exists(r, r.tags.exists(t, t.key == 'a'))`, facts{"rules": records(rec{"tags": records(rec{"key": demarc.String("a")})})}, "true"},
		{`true`, nil, "true"},

		// Three values: what is not known matters only where it could change the answer.
		{`facts.auto_upgrade`, nil, "unknown auto_upgrade"},
		{`!facts.auto_upgrade`, nil, "unknown auto_upgrade"},
		{`facts.auto_upgrade == facts.auto_upgrade`, nil, "unknown auto_upgrade"},
		{`facts.auto_upgrade && facts.port == 1`, facts{"port": demarc.Int(2)}, "false"},
		{`facts.auto_upgrade && facts.port == 1`, facts{"port": demarc.Int(1)}, "unknown auto_upgrade"},
		{`facts.auto_upgrade || facts.port == 1`, facts{"port": demarc.Int(1)}, "true"},
		{`facts.auto_upgrade || facts.port == 1`, facts{"port": demarc.Int(2)}, "unknown auto_upgrade"},
		{`facts.auto_upgrade || facts.port == 1`, nil, "unknown auto_upgrade port"},
		{`facts.auto_upgrade ? facts.port == 1 : facts.port == 1`, facts{"port": demarc.Int(1)}, "unknown auto_upgrade"},
		{`facts.engine in ['mysql', 'mariadb']`, nil, "unknown engine"},
		{`[facts.engine, 'b'] == ['a', 'b']`, nil, "unknown engine"},
		{`facts.engine + 'x' == 'ax'`, nil, "unknown engine"},
		{`versionAtLeast(facts.version, '1.30')`, nil, "unknown version"},
		{`ageDays(facts.created) > 90`, nil, "unknown created"},
		{`facts.cidrs.exists(c, openToWorld(c))`, nil, "unknown cidrs"},
		{`facts.rules[0].port == 22`, nil, "unknown rules"},

		// A list of which only a part is known may hold more than it shows.
		{`facts.zones.exists(z, z == 'a')`, facts{"zones": strs("?", "a")}, "true"},
		{`facts.zones.exists(z, z == 'a')`, facts{"zones": strs("b", "?")}, "unknown zones"},
		{`facts.zones.exists(z, true)`, facts{"zones": strs("?")}, "unknown zones"},
		{`facts.zones.all(z, z == 'a')`, facts{"zones": strs("b", "?")}, "false"},
		{`facts.zones.all(z, z == 'a')`, facts{"zones": strs("a", "?")}, "unknown zones"},
		{`facts.zones.all(z, false)`, facts{"zones": strs("?")}, "unknown zones"},
		{`'a' in facts.zones`, facts{"zones": strs("?", "a")}, "true"},
		{`'b' in facts.zones`, facts{"zones": strs("?", "a")}, "unknown zones"},
		{`!('b' in facts.zones)`, facts{"zones": strs("?", "a")}, "unknown zones"},
		{`size(facts.zones) > 0`, facts{"zones": strs("?", "a")}, "unknown zones"},
		{`facts.zones[1] == 'a'`, facts{"zones": strs("?", "a")}, "unknown zones"},
		{`facts.zones == ['a']`, facts{"zones": strs("?", "a")}, "unknown zones"},
		{`facts.zones.exists_one(z, z == 'a')`, facts{"zones": strs("?", "a")}, "unknown zones"},
		{`facts.zones.filter(z, z == 'a').exists(z, true)`, facts{"zones": strs("?", "a")}, "unknown zones"},
		{`facts.zones.exists(z, z in facts.cidrs)`, facts{"zones": strs("?", "a"), "cidrs": strs("?", "a")}, "true"},
		{`facts.zones.exists(z, z in facts.cidrs)`, facts{"zones": strs("a"), "cidrs": strs("?")}, "unknown cidrs"},
		{`size(facts.zones) > 3 || 'a' in facts.zones`, facts{"zones": strs("?", "a")}, "true"},
		{`facts.rules.exists(r, r.port == 22)`, facts{"rules": records(nil, ssh)}, "true"},
		{`facts.rules.exists(r, r.port == 22)`, facts{"rules": records(nil, web)}, "unknown rules"},

		// So may a record that does not have all its fields.
		{`facts.rules.exists(r, r.port == 22 && r.deny)`, facts{"rules": records(rec{"port": demarc.Int(22)})}, "unknown rules"},
		{`facts.rules.exists(r, r.port == 22 && r.deny)`, facts{"rules": records(rec{"port": demarc.Int(23)})}, "false"},
		{`facts.rules.exists(r, r.port == 22 && r.deny)`, facts{"rules": records(rec{"port": demarc.Int(22)}, rec{"port": demarc.Int(22), "deny": demarc.Bool(true)})}, "true"},
		{`facts.rules.exists(r, 'a' in r.cidrs)`, facts{"rules": records(rec{"cidrs": strs("?", "a")})}, "true"},
		{`facts.rules.exists(r, 'b' in r.cidrs)`, facts{"rules": records(rec{"cidrs": strs("?", "a")})}, "unknown rules"},
		{`facts.rules.exists(r, size(r.cidrs) == 2)`, facts{"rules": records(rec{"cidrs": strs("?", "a")})}, "unknown rules"},
		{`facts.rules.all(r, r.cidrs.all(c, c == 'a'))`, facts{"rules": records(rec{"cidrs": strs("?", "b")})}, "false"},

		// What fails while it is evaluated is unknown, and says why.
		{`1 / facts.port == 1`, facts{"port": demarc.Int(0)}, "error division by zero"},
		{`facts.zones[3] == 'a'`, facts{"zones": strs("a")}, "error index out of bounds"},
		{`policyIsPublic(facts.policy)`, facts{"policy": demarc.JSON("public")}, "error read policy: at byte 0: expected a value"},
		{`versionAtLeast(facts.version, '1.30')`, facts{"version": demarc.String("latest")}, `error "latest" is no version`},
		{`openToWorld(facts.engine)`, facts{"engine": demarc.String("pl-1a2b")}, "error prefix list"},
		{`facts.engine == 'a' && openToWorld(facts.version)`, facts{"engine": demarc.String("b"), "version": demarc.String("")}, "false"},
		{`openToWorld(facts.version) || facts.auto_upgrade`, facts{"version": demarc.String("")}, "unknown auto_upgrade"},
		{`facts.port == 1`, facts{"port": demarc.String("1")}, `error fact "port" is string, and declared as int`},
		{`facts.zones.exists(z, z == 'a')`, facts{"zones": demarc.List(demarc.TypeStrings, demarc.Int(1))}, `error fact "zones" of type strings has an element of type int`},
	} {
		t.Run(tt.expr, func(t *testing.T) {
			p := compile(t, env(t), tt.expr, demarc.TypeBool)
			r := p.Eval(tt.facts.of(p), asOf)
			got := r.Value.String()
			if len(r.Missing) > 0 {
				got += " " + strings.Join(r.Missing, " ")
			}
			if r.Err != nil {
				got = "error"
				if part, ok := strings.CutPrefix(tt.want, "error "); ok && strings.Contains(r.Err.Error(), part) {
					got = tt.want
				}
				if r.Known() {
					t.Errorf("%v beside an error", r.Value)
				}
			}
			if got != tt.want {
				t.Errorf("Eval(%v) = %s %v, want %s", tt.facts, got, r.Err, tt.want)
			}
			if r.True() != (tt.want == "true") || r.False() != (tt.want == "false") {
				t.Errorf("True = %v, False = %v for %s", r.True(), r.False(), tt.want)
			}
		})
	}
}

func TestDerivedFacts(t *testing.T) {
	known := facts{
		"engine": demarc.String("mysql"), "port": demarc.Int(3306), "ratio": demarc.Number(0.5), "created": demarc.Time(asOf),
		"policy": demarc.JSON("{}"), "zones": strs("a", "b"),
		"rules": records(rec{"port": demarc.Int(22)}, rec{"port": demarc.Int(443), "deny": demarc.Bool(true)}),
	}
	for _, tt := range []struct {
		expr string
		typ  demarc.Type
		want demarc.Value
	}{
		{`facts.engine == 'mysql' ? 'my' : 'other'`, demarc.TypeString, demarc.String("my")},
		{`facts.port + 1`, demarc.TypeInt, demarc.Int(3307)},
		{`facts.ratio * 2.0`, demarc.TypeNumber, demarc.Number(1)},
		{`facts.created + duration('24h')`, demarc.TypeTime, demarc.Time(asOf.AddDate(0, 0, 1))},
		{`facts.policy`, demarc.TypeDocument, demarc.JSON("{}")},
		{`facts.zones.filter(z, z != 'a')`, demarc.TypeStrings, strs("b")},
		{`[]`, demarc.TypeStrings, demarc.List(demarc.TypeStrings)},
		{`facts.rules.map(r, r.port)`, demarc.TypeInts, demarc.List(demarc.TypeInts, demarc.Int(22), demarc.Int(443))},
		{`facts.rules.filter(r, r.port == 443)`, demarc.TypeRecords, records(rec{"port": demarc.Int(443), "deny": demarc.Bool(true)})},
	} {
		t.Run(tt.expr, func(t *testing.T) {
			p := compile(t, env(t), tt.expr, tt.typ)
			if got := p.Eval(known.of(p), asOf); !got.Value.Equal(tt.want) || got.Value.Type() != tt.typ || got.Err != nil {
				t.Errorf("Eval = %v, want %v", got, tt.want)
			}
			if len(p.Facts()) == 0 {
				return
			}
			if got := p.Eval(facts{}.of(p), asOf); got.Known() || got.Err != nil || !slices.Equal(got.Missing, p.Facts()) {
				t.Errorf("Eval of unknowns = %+v, want unknown %v", got, p.Facts())
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	long := "facts.engine == '" + strings.Repeat("x", 120) + "' && facts.nope"
	for _, tt := range []struct {
		expr string
		typ  demarc.Type
		want string
	}{
		{`facts.auto_upgrde == false`, demarc.TypeBool, `
rds.yaml:10:17: unknown fact "auto_upgrde", did you mean "auto_upgrade"?
    facts.auto_upgrde == false
          ^`},
		{`facts.nope && facts.engine == 1 && engine == 'a' && maxElements > 3`, demarc.TypeBool, `
rds.yaml:10:17: unknown fact "nope"
    facts.nope && facts.engine == 1 && engine == 'a' && maxElements > 3
          ^
rds.yaml:10:38: == cannot be applied to (string, int)
    facts.nope && facts.engine == 1 && engine == 'a' && maxElements > 3
                               ^
rds.yaml:10:46: unknown name "engine", did you mean "facts.engine"?
    facts.nope && facts.engine == 1 && engine == 'a' && maxElements > 3
                                       ^
rds.yaml:10:63: unknown name "maxElements"
    facts.nope && facts.engine == 1 && engine == 'a' && maxElements > 3
                                                        ^`},
		{"facts.auto_upgrade &&\n  facts.port == 'a'", demarc.TypeBool, `
rds.yaml:11:24: == cannot be applied to (int, string)
      facts.port == 'a'
                 ^`},
		{"'é' == facts.engine\t&& facts.nope", demarc.TypeBool, `
rds.yaml:10:40: unknown fact "nope"
    'é' == facts.engine && facts.nope
                                 ^`},
		{long, demarc.TypeBool, `
rds.yaml:10:159: unknown fact "nope"
    xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' && facts.nope
                                                      ^`},
		{`has(facts.engine) && facts.nope`, demarc.TypeBool, `
rds.yaml:10:11: has() is not available: what is absent is unknown or has a default, never missing
    has(facts.engine) && facts.nope
    ^
rds.yaml:10:38: unknown fact "nope"
    has(facts.engine) && facts.nope
                               ^`},
		{`facts`, demarc.TypeBool, `
rds.yaml:10:11: facts are read one by one: facts.NAME
    facts
    ^`},
		{`facts['engine'] == 'a'`, demarc.TypeBool, `
rds.yaml:10:11: facts are read one by one: facts.NAME
    facts['engine'] == 'a'
    ^`},
		{`facts.zones.exists(facts, facts == 'a')`, demarc.TypeBool, `
rds.yaml:10:29: facts cannot be the name of an element
    facts.zones.exists(facts, facts == 'a')
                      ^`},
		{`facts.rules.exists(r, r.prot == 22)`, demarc.TypeBool, `
rds.yaml:10:34: unknown field "prot", did you mean "port"?
    facts.rules.exists(r, r.prot == 22)
                           ^`},
		{`opentoworld('a')`, demarc.TypeBool, `
rds.yaml:10:11: unknown name "opentoworld", did you mean "openToWorld"?
    opentoworld('a')
    ^`},
		{`openToWorld(facts.port)`, demarc.TypeBool, `
rds.yaml:10:11: openToWorld cannot be applied to (int)
    openToWorld(facts.port)
    ^`},
		{`facts.engine == 'a' &&`, demarc.TypeBool, `
rds.yaml:10:33: syntax error: mismatched input '<EOF>'
    facts.engine == 'a' &&
                          ^`},
		{``, demarc.TypeBool, `
rds.yaml:10:11: expression is empty
    
    ^`},
		{`facts.port`, demarc.TypeBool, `
rds.yaml:10:11: want bool, this expression is int
    facts.port
    ^`},
		{`facts.rules`, demarc.TypeStrings, `
rds.yaml:10:11: want strings, this expression is records
    facts.rules
    ^`},
		{`facts.zones`, demarc.TypeRecords, `
rds.yaml:10:11: want records, this expression is strings
    facts.zones
    ^`},
		{`facts.engine == null`, demarc.TypeBool, `
rds.yaml:10:24: == cannot be applied to (string, null)
    facts.engine == null
                 ^`},
		{`facts.rules == facts.rules`, demarc.TypeBool, `
rds.yaml:10:23: records cannot be compared
    facts.rules == facts.rules
                ^`},
		{`facts.rules.exists(r, [r] != [r])`, demarc.TypeBool, `
rds.yaml:10:37: records cannot be compared
    facts.rules.exists(r, [r] != [r])
                              ^`},
		{`facts.policy in [facts.policy]`, demarc.TypeBool, `
rds.yaml:10:24: documents cannot be compared
    facts.policy in [facts.policy]
                 ^`},
		{`facts.policy.contains('a')`, demarc.TypeBool, `
rds.yaml:10:24: contains cannot be applied to document.(string)
    facts.policy.contains('a')
                 ^`},
		{`facts.engine.matches(facts.version)`, demarc.TypeBool, `
rds.yaml:10:37: the pattern of matches must be written out
    facts.engine.matches(facts.version)
                              ^`},
		{`facts.engine.matches('(')`, demarc.TypeBool, `
rds.yaml:10:32: invalid matches argument
    facts.engine.matches('(')
                         ^`},
		{`versionAtLeast(facts.version, 'latest')`, demarc.TypeBool, `
rds.yaml:10:41: "latest" is no version
    versionAtLeast(facts.version, 'latest')
                                  ^`},
		{`type(facts.port) == int`, demarc.TypeBool, `
rds.yaml:10:11: unknown name "type"
    type(facts.port) == int
    ^`},
		{`dyn(facts.port) == 'a'`, demarc.TypeBool, `
rds.yaml:10:11: unknown name "dyn"
    dyn(facts.port) == 'a'
    ^`},
		{`facts.zones.exists(a, facts.cidrs.exists(b, facts.zones.exists(c, a + b == c)))`, demarc.TypeBool, `
rds.yaml:10:11: expression may cost 37007007003 for lists of 1000, the limit is 120000000: nest fewer lists
    facts.zones.exists(a, facts.cidrs.exists(b, facts.zones.exists(c, a + b == c)))
    ^`},
	} {
		t.Run(tt.expr, func(t *testing.T) {
			_, err := env(t).Compile(source(tt.expr), tt.typ)
			if diff := cmp.Diff(tt.want, "\n"+fmt.Sprint(err)); diff != "" {
				t.Errorf("Compile (-want +got):\n%s", diff)
			}
			var one *rule.Error
			if !errors.As(err, &one) || one.File != "rds.yaml" {
				t.Errorf("errors.As found %v, want an Error of rds.yaml", one)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct{ name, expr, want string }{
		{"length", "facts.engine == '" + strings.Repeat("x", rule.MaxLength) + "'", "longer than 4000 characters"},
		{"parentheses", strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500), "nested more than 50 levels deep"},
		{"lists", strings.Repeat("[", 500) + strings.Repeat("]", 500), "nested more than 50 levels deep"},
		{"signs", strings.Repeat("!(", 300) + "true" + strings.Repeat(")", 300), "nested more than 50 levels deep"},
		{"conditions", strings.Repeat("true ? true : ", 280) + "true", "nested more than 50 levels deep"},
		{"a pattern", "facts.engine.matches('(abcdefghij){900}')", "regex program size"},
		{"three loops over one list", "facts.zones.exists(a, facts.zones.exists(b, facts.zones.exists(c, a + b == c)))", "nest fewer lists"},
		{"loops", "[1].exists(a, [1].exists(b, [1].exists(c, [1].exists(d, true))))", "more than 3 of exists, all, filter and map within each other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := env(t).Compile(source(tt.expr), demarc.TypeBool)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Compile = %.200v, want %q in it", err, tt.want)
			}
		})
	}
	wide := strings.Repeat("facts.auto_upgrade && ", 150) + "true"
	compile(t, env(t), wide, demarc.TypeBool)
}

// Facts that are larger than the cost was estimated at are counted through, and given up on where it takes too long.
func TestLargeFacts(t *testing.T) {
	list := func(n int, prefix string) demarc.Value {
		elements := make([]demarc.Value, n)
		for i := range elements {
			elements[i] = demarc.String(fmt.Sprint(prefix, i))
		}
		return demarc.List(demarc.TypeStrings, elements...)
	}
	text := demarc.String(strings.Repeat("a", 1<<20))
	policy := `{"Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "` + strings.Repeat("x", 60_000) + `"}}`
	policies := demarc.List(demarc.TypeStrings, slices.Repeat([]demarc.Value{demarc.String(policy)}, 1000)...)
	const enough = "it takes more than 1000000 steps"
	for _, tt := range []struct {
		name, expr string
		facts      facts
		want       string // true, or an error
	}{
		{"each looked at once", `facts.zones.all(z, z != 'a')`, facts{"zones": list(100_000, "zone")}, "true"},
		{"each compared with each", `facts.zones.all(z, !(z in facts.cidrs))`, facts{"zones": list(100_000, "zone"), "cidrs": list(100_000, "cidr")}, enough},
		{"a few compared with each", `facts.zones.all(z, !(z in facts.cidrs))`, facts{"zones": list(10, "zone"), "cidrs": list(10_000, "cidr")}, "true"},
		{"a long text", `facts.engine.contains('b') == false`, facts{"engine": text}, "true"},
		{"a long text, searched for each of many", `facts.zones.all(z, !facts.engine.contains(z))`, facts{"engine": text, "zones": list(900, "zone")}, enough},
		{"a long text, matched for each of many", `facts.zones.all(z, !facts.engine.matches('(a|aa)+$b') || z == '')`, facts{"engine": text, "zones": list(900, "zone")}, enough},
		{"texts without end", `size(facts.zones.map(a, facts.cidrs.map(b, a + b + facts.engine))) > 0`, facts{"engine": demarc.String(strings.Repeat("a", 5000)), "zones": list(400, "zone"), "cidrs": list(400, "cidr")}, enough},
		{"many long policies", `facts.zones.all(z, !policyIsAdmin(z))`, facts{"zones": policies}, enough},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := compile(t, env(t), tt.expr, demarc.TypeBool)
			got := p.Eval(tt.facts.of(p), asOf)
			if tt.want == "true" && !got.True() || tt.want != "true" && (got.Err == nil || !strings.Contains(got.Err.Error(), tt.want)) {
				t.Errorf("Eval = %v, %.300v, want %s", got.Value, got.Err, tt.want)
			}
		})
	}
}

func TestConstants(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{`facts.auto_upgrade`, `map[]`},
		{`facts.auto_upgrade == false`, `map[auto_upgrade:[false]]`},
		{`facts.engine == 'a' || 'b' != facts.engine || facts.engine in ['c', 'a']`, `map[engine:[a b c]]`},
		{`facts.engine.lowerAscii().startsWith('a') && facts.engine.endsWith('b') && facts.engine.matches('c')`, `map[engine:[a b c]]`},
		{`facts.port < 22 || facts.port >= -1`, `map[port:[22 -1]]`},
		{`facts.ratio > 0.5`, `map[ratio:[0.5]]`},
		{`versionAtLeast(facts.version, '1.30')`, `map[version:[1.30]]`},
		{`ageDays(facts.created) > 90 && facts.created > timestamp('2026-01-01T00:00:00Z')`, `map[created:[90 2026-01-01T00:00:00Z]]`},
		{`size(facts.zones) > 3 && 'a' in facts.zones && facts.zones[0] == 'b'`, `map[size(zones):[3] zones:[a b]]`},
		{`facts.zones == ['a', 'b']`, `map[zones:[a b]]`},
		{`facts.cidrs.exists(c, c == 'a') && facts.zones.all(c, c == 'b')`, `map[cidrs:[a] zones:[b]]`},
		{`facts.rules.exists(r, r.port == 22 && 'a' in r.cidrs && r.tags.exists(t, t.key == 'k'))`, `map[rules.cidrs:[a] rules.port:[22] rules.tags.key:[k]]`},
		{`facts.rules.filter(r, r.deny == true).exists(r, r.port == 1)`, `map[rules.deny:[true] rules.port:[1]]`},
		{`facts.engine == facts.version`, `map[]`},
	} {
		if got := fmt.Sprint(compile(t, env(t), tt.expr, demarc.TypeBool).Constants()); got != tt.want {
			t.Errorf("Constants of %s = %s, want %s", tt.expr, got, tt.want)
		}
	}
}

func TestFacts(t *testing.T) {
	p := compile(t, env(t), `facts.zones.exists(z, z in facts.cidrs) || facts.auto_upgrade || size(facts.zones) > 1`, demarc.TypeBool)
	if got, want := p.Facts(), []string{"auto_upgrade", "cidrs", "zones"}; !slices.Equal(got, want) {
		t.Errorf("Facts = %v, want %v", got, want)
	}
	if got := p.Source().Line; got != 10 || p.Type() != demarc.TypeBool {
		t.Errorf("the program stands on line %d and is %v", got, p.Type())
	}
}

func TestNewEnv(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fields []rule.Field
		want   string
	}{
		{"no name", []rule.Field{{Type: demarc.TypeBool}}, `"" cannot be the name of a fact`},
		{"no word", []rule.Field{{Name: "a-b", Type: demarc.TypeBool}}, `"a-b" cannot be the name of a fact`},
		{"a word of CEL", []rule.Field{{Name: "in", Type: demarc.TypeBool}}, `"in" cannot be the name of a fact`},
		{"twice", []rule.Field{{Name: "a", Type: demarc.TypeBool}, {Name: "a", Type: demarc.TypeInt}}, `fact "a" is declared twice`},
		{"no type", []rule.Field{{Name: "a"}}, `fact "a" has no type`},
		{"fields of a bool", []rule.Field{{Name: "a", Type: demarc.TypeBool, Fields: fields}}, `fact "a" has fields and is no list of records`},
		{"in a record", []rule.Field{{Name: "a", Type: demarc.TypeRecords, Fields: []rule.Field{{Name: "b"}}}}, `field of a "b" has no type`},
		{"words that are only reserved", []rule.Field{{Name: "package", Type: demarc.TypeBool}, {Name: "namespace", Type: demarc.TypeBool}}, "<nil>"},
	} {
		e, err := rule.NewEnv("x", tt.fields, nil)
		if got := fmt.Sprint(err); !strings.HasSuffix(got, tt.want) {
			t.Errorf("%s: NewEnv = %s, want %s", tt.name, got, tt.want)
		}
		if err == nil {
			compile(t, e, "facts.package && facts.namespace", demarc.TypeBool)
		}
	}
}

func TestServiceWithoutFacts(t *testing.T) {
	e, err := rule.NewEnv("x", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p := compile(t, e, "true", demarc.TypeBool); !p.Eval(nil, asOf).True() {
		t.Error("true is not true")
	}
	_, err = e.Compile(source("facts.engine == 'a'"), demarc.TypeBool)
	if got, want := fmt.Sprint(err), `rds.yaml:10:17: unknown fact "engine"`; !strings.HasPrefix(got, want) {
		t.Errorf("Compile = %s, want %s", got, want)
	}
}

func TestConcurrentUse(t *testing.T) {
	e := env(t)
	p := compile(t, e, `facts.rules.exists(r, r.port == 22) && ageDays(facts.created) > 1`, demarc.TypeBool)
	known := facts{"rules": records(rec{"port": demarc.Int(22)}), "created": demarc.Time(asOf.AddDate(0, 0, -3))}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			compile(t, e, fmt.Sprintf("facts.port == %d", i), demarc.TypeBool)
			for range 200 {
				if got := p.Eval(known.of(p), asOf); !got.True() {
					t.Errorf("Eval = %+v, want true", got)
				}
				if got := p.Eval(facts{}.of(p), asOf); got.Known() {
					t.Errorf("Eval of unknowns = %+v", got)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzCompile(f *testing.F) {
	for _, text := range []string{
		`facts.rules.exists(r, r.port == 22 && r.cidrs.exists(c, openToWorld(c)))`,
		`facts.zones.filter(z, z != 'a').map(z, z + 'b')[0] in facts.cidrs ? true : ageDays(facts.created) > 1`,
		`versionAtLeast(facts.version, '1.30') || policyAllows(facts.policy, "a") || {'a': 1}[facts.engine] == 1`,
		`[[1], []].all(x, x.exists_one(y, y > 0.5)) && has(facts.a) && timestamp("x") < timestamp('2026-01-01T00:00:00Z')`,
	} {
		f.Add(text)
	}
	e := env(f)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := e.Compile(source(text), demarc.TypeBool)
		if err != nil {
			var mistakes rule.Errors
			if !errors.As(err, &mistakes) || len(mistakes) == 0 {
				t.Errorf("Compile(%q) = %v, want Errors", text, err)
			}
			return
		}
		r := p.Eval(facts{}.of(p), asOf)
		if !r.Known() && r.Err == nil && len(r.Missing) == 0 {
			t.Errorf("%q is unknown for no reason", text)
		}
		if _, err := rule.CompileWhere(source(text)); err == nil && len(p.Facts()) > 0 {
			t.Errorf("%q reads facts, and is a condition of an estate", text)
		}
	})
}

func BenchmarkEval(b *testing.B) {
	e := env(b)
	rules := make([]map[string]demarc.Value, 20)
	for i := range rules {
		rules[i] = rec{"port": demarc.Int(int64(i)), "cidrs": strs("10.0.0.0/8")}
	}
	for _, bb := range []struct {
		name, expr string
		facts      facts
	}{
		{"bool", `facts.auto_upgrade == false`, facts{"auto_upgrade": demarc.Bool(false)}},
		{"unknown", `facts.auto_upgrade == false`, nil},
		{"in", `facts.engine in ['mysql', 'mariadb', 'postgres']`, facts{"engine": demarc.String("postgres")}},
		{"exists", `facts.rules.exists(r, r.port == 22 && r.cidrs.exists(c, openToWorld(c)))`, facts{"rules": records(rules...)}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			p := compile(b, e, bb.expr, demarc.TypeBool)
			in := bb.facts.of(p)
			b.ReportAllocs()
			for b.Loop() {
				p.Eval(in, asOf)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	e := env(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Compile(source(`facts.auto_upgrade == false && facts.zones.exists(z, z == 'a')`), demarc.TypeBool); err != nil {
			b.Fatal(err)
		}
	}
}

// lifecycles has one table, of kettles, whose version 1 is supported until the end of 2026.
type lifecycles struct{}

func (lifecycles) Tables() []string { return []string{"kettles"} }

func (lifecycles) Support(table, version string, on time.Time) (string, error) {
	switch {
	case table != "kettles" || version != "1":
		return "", &rule.UnlistedError{Table: table, Version: version}
	case on.Year() <= 2026:
		return "standard", nil
	default:
		return "ended", nil
	}
}

func TestSupportOf(t *testing.T) {
	e := env(t)
	p := compile(t, e, "supportOf('kettles', facts.version) == 'standard' || facts.auto_upgrade", demarc.TypeBool)
	if got := p.Tables(); !slices.Equal(got, []string{"kettles"}) {
		t.Errorf("Tables = %q", got)
	}
	one := facts{"version": demarc.String("1"), "auto_upgrade": demarc.Bool(false)}.of(p)
	if got := p.Eval(one, asOf); !got.True() {
		t.Errorf("in 2026: %+v", got)
	}
	if got := p.Eval(one, asOf.AddDate(1, 0, 0)); !got.False() {
		t.Errorf("in 2027: %+v", got)
	}
	if got := p.Eval(facts{"version": demarc.String("2"), "auto_upgrade": demarc.Bool(false)}.of(p), asOf); got.Known() || got.Err == nil {
		t.Errorf("of a version that the table does not have: %+v", got)
	}
	got := p.Eval(facts{"version": demarc.String("2"), "auto_upgrade": demarc.Bool(false)}.of(p), asOf)
	if unlisted := new(rule.UnlistedError); !errors.As(got.Err, &unlisted) || !slices.Equal(got.Missing, []string{"version"}) {
		t.Errorf("of a version that the table does not have: %v misses %q, want an *UnlistedError and the version", got.Err, got.Missing)
	}
	if got := p.Eval(facts{"version": demarc.String("2"), "auto_upgrade": demarc.Bool(true)}.of(p), asOf); !got.True() {
		t.Errorf("where it does not matter: %+v", got)
	}
	for text, want := range map[string]string{
		"supportOf('kettle', facts.version) == 'ended'":     `rds.yaml:10:21: no lifecycle "kettle", did you mean "kettles"?`,
		"supportOf(facts.engine, facts.version) == 'ended'": "rds.yaml:10:26: the name of a lifecycle must be written out",
	} {
		if _, err := e.Compile(source(text), demarc.TypeBool); err == nil || !strings.HasPrefix(err.Error(), want+"\n") {
			t.Errorf("Compile(%q) = %v, want %s", text, err, want)
		}
	}
}

// An element that a list does not have is unknown, and what it needs is the list; a condition that does not turn on it has
// its answer all the same.
func TestFirst(t *testing.T) {
	p := compile(t, env(t), "first(facts.zones.filter(z, z.startsWith(facts.engine))).endsWith('a') || facts.auto_upgrade", demarc.TypeBool)
	eval := func(zones demarc.Value, upgrade bool) rule.Result {
		return p.Eval(facts{"zones": zones, "engine": demarc.String("eu"), "auto_upgrade": demarc.Bool(upgrade)}.of(p), asOf)
	}
	if got := eval(strs("us-1a", "eu-1a", "eu-1b"), false); !got.True() {
		t.Errorf("of two that fit, the first: %+v", got)
	}
	if got := eval(strs("eu-1b", "eu-1a"), false); !got.False() {
		t.Errorf("of two in the other order: %+v", got)
	}
	if got := eval(strs("us-1a"), false); got.Known() || got.Err != nil || !slices.Equal(got.Missing, []string{"zones"}) {
		t.Errorf("of none: %+v, want an unknown that needs the list", got)
	}
	if got := eval(strs("us-1a"), true); !got.True() {
		t.Errorf("where it does not matter: %+v", got)
	}
	if got := eval(demarc.List(demarc.TypeStrings, demarc.String("eu-1a"), demarc.Value{}), false); got.Known() {
		t.Errorf("of a list that is open, where another may come first: %+v", got)
	}
}

// What may be is false or unknown, and never an answer that a fact turns around later.
func TestMaybe(t *testing.T) {
	p := compile(t, env(t), "facts.engine == 'on' || maybe(facts.engine == '' && facts.auto_upgrade)", demarc.TypeBool)
	for _, tt := range []struct {
		engine  string
		upgrade bool
		want    rule.Truth
	}{{"on", true, rule.True}, {"off", true, rule.False}, {"", false, rule.False}, {"", true, rule.Unknown}} {
		got := p.Eval(facts{"engine": demarc.String(tt.engine), "auto_upgrade": demarc.Bool(tt.upgrade)}.of(p), asOf)
		if got.Truth() != tt.want || tt.want == rule.Unknown && !slices.Equal(got.Missing, []string{"auto_upgrade", "engine"}) {
			t.Errorf("%q, %v: %+v, want %v", tt.engine, tt.upgrade, got, tt.want)
		}
	}
}

func TestDayIn(t *testing.T) {
	p := compile(t, env(t), "ageDays(dayIn(facts.version)) == 2", demarc.TypeBool)
	on := asOf.AddDate(0, 0, -2)
	for name, want := range map[string]rule.Truth{
		"1.31.2-" + on.Format("20060102"):                   rule.True,
		"1.31.2-" + on.AddDate(0, 0, -1).Format("20060102"): rule.False,
		"amzn2-ami-" + on.Format("2006.01.02") + "-arm64":   rule.True,
		"made on " + on.Format(time.DateOnly):               rule.True,
		"2026-99-99, " + on.Format("20060102"):              rule.True,
		"1.20.3-5d9ac849":                                   rule.Failed,
		"":                                                  rule.Failed,
		"2026-1101":                                         rule.Failed,
		"120260101":                                         rule.Failed,
	} {
		if got := p.Eval(facts{"version": demarc.String(name)}.of(p), asOf).Truth(); got != want {
			t.Errorf("dayIn(%q): %v, want %v", name, got, want)
		}
	}
}
