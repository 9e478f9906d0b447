package rule_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
)

var database = &demarc.Resource{
	ID: "arn:aws:rds:eu-west-1:111122223333:db:orders", Provider: "aws", Source: "prod", Account: "111122223333", Region: "eu-west-1",
	Service: "aws/rds", Type: "AWS::RDS::DBInstance", Name: "orders", Tags: demarc.TagsOf(map[string]string{"team": "payments", "cost:centre": "7"}),
}

func TestWhere(t *testing.T) {
	for _, tt := range []struct {
		where string
		want  bool
		asks  string // the variables of its atoms; * for one that CEL evaluates, - for one that reads several
	}{
		{`true`, true, "provider*"},
		{`provider == 'aws'`, true, "provider"},
		{`'azure' == provider`, false, "provider"},
		{`provider in ['aws', 'azure']`, true, "provider"},
		{`provider in []`, false, "provider"},
		{`service.startsWith('aws/') && region != 'us-east-1'`, true, "service region"},
		{`source == 'prod' && account == '111122223333' && type == 'AWS::RDS::DBInstance'`, true, "source account type"},
		{`name == 'orders'`, true, "name"},
		{`name.contains('rder') && !name.endsWith('x')`, true, "name name"},
		{`id.endsWith(':db:orders')`, true, "id"},
		{`tags.team == 'payments'`, true, "tags.team"},
		{`tags['cost:centre'] == '7'`, true, "tags.cost:centre"},
		{`region.matches('^eu-')`, true, "region*"},
		{`name == tags.Name`, false, "-"},
		{`provider == 'aws' || name == tags.Name`, true, "provider -"},

		// A tag that is not there is empty.
		{`tags.owner == 'x'`, false, "tags.owner"},
		{`tags.owner != 'x'`, true, "tags.owner"},
		{`tags.owner == ''`, true, "tags.owner"},
		{`tags['no such tag'].lowerAscii() == ''`, true, "tags.no such tag*"},
		{`'owner' in tags`, false, "-"},
		{`'team' in tags`, true, "-"},
		{`tags.exists(k, k == 'team' && tags[k] == 'payments')`, true, "-"},
		{`size(tags) == 2`, true, "-"},

		{`provider == 'aws' && (service == 'aws/s3' || service in ['aws/rds', 'aws/s3'])`, true, "provider service service"},
		{`!(provider == 'aws')`, false, "provider"},
		{`provider == 'aws' ? name == 'orders' : false`, true, "-"},

		// A condition that fails does not hold.
		{`['a'][3] == provider`, false, "provider*"},
		{`versionAtLeast(region, '1')`, false, "region*"},
		{`!versionAtLeast(region, '1')`, false, "region*"},
		{`versionAtLeast(region, '1') || provider == 'aws'`, true, "region* provider"},
	} {
		t.Run(tt.where, func(t *testing.T) {
			w, err := rule.CompileWhere(source(tt.where))
			if err != nil {
				t.Fatal(err)
			}
			if got := w.Match(database); got != tt.want {
				t.Errorf("Match = %v, want %v", got, tt.want)
			}
			var asks []string
			for _, q := range w.Questions() {
				switch variable := q.Variable; {
				case variable == "":
					asks = append(asks, "-")
				case rule.ByCEL(q):
					asks = append(asks, variable+"*")
				default:
					asks = append(asks, variable)
				}
			}
			if got := strings.Join(asks, " "); got != tt.asks {
				t.Errorf("it asks %q, want %q", got, tt.asks)
			}
			if w.String() != tt.where {
				t.Errorf("String = %q", w)
			}
		})
	}
}

func TestNoWhereMatchesEverything(t *testing.T) {
	var w *rule.Where
	if !w.Match(database) || len(w.Questions()) != 0 || w.String() != "" {
		t.Error("a nil Where matches everything and asks nothing")
	}
}

// A condition taken apart is what CEL makes of the whole.
func TestWhereIsCEL(t *testing.T) {
	values := func(more ...string) *rapid.Generator[string] {
		return rapid.SampledFrom(append(more, "", "a", "ab", "b"))
	}
	rapid.Check(t, func(t *rapid.T) {
		var condition func(depth int) string
		condition = func(depth int) string {
			text := func() string { return "'" + values().Draw(t, "text") + "'" }
			variable := rapid.SampledFrom([]string{"provider", "account", "name", "id", "tags.t", "tags['u']"}).Draw(t, "variable")
			switch rapid.IntRange(0, 10-3*min(depth, 1)).Draw(t, "shape") {
			case 0:
				return variable + " == " + text()
			case 1:
				return text() + " != " + variable
			case 2:
				return variable + " in [" + text() + ", " + text() + "]"
			case 3:
				return variable + "." + rapid.SampledFrom([]string{"startsWith", "endsWith", "contains", "matches"}).Draw(t, "function") + "(" + text() + ")"
			case 4:
				return variable + " == account + " + text()
			case 5:
				return "tags.exists(k, k == " + text() + ")"
			case 6:
				return "['a'][" + rapid.SampledFrom([]string{"0", "1"}).Draw(t, "index") + "] == " + variable
			case 7:
				return "size(" + variable + ") < 2"
			case 8:
				return "!(" + condition(depth+1) + ")"
			default:
				return "(" + condition(depth+1) + rapid.SampledFrom([]string{" && ", " || "}).Draw(t, "operator") + condition(depth+1) + ")"
			}
		}
		text := condition(0)
		w, err := rule.CompileWhere(source(text))
		if err != nil {
			t.Fatal(err)
		}
		// CEL evaluates what a conditional holds as one piece.
		whole, err := rule.CompileWhere(source("true ? " + text + " : false"))
		if err != nil {
			t.Fatal(err)
		}
		tags := map[string]string{}
		for _, key := range []string{"a", "t", "u"} {
			if rapid.Bool().Draw(t, "has "+key) {
				tags[key] = values().Draw(t, key)
			}
		}
		r := &demarc.Resource{Provider: values().Draw(t, "provider"), Account: values().Draw(t, "account"), Name: values().Draw(t, "name"), ID: demarc.ResourceID(values().Draw(t, "id")), Tags: demarc.TagsOf(tags)}
		if got, want := w.Match(r), whole.Match(r); got != want {
			t.Errorf("%s is %v of %+v, and %v as one piece", text, got, r, want)
		}
	})
}

func TestWhereMistakes(t *testing.T) {
	for _, tt := range []struct{ where, want string }{
		{`providr == 'aws' && tags.team == 1`, `
rds.yaml:10:11: unknown name "providr", did you mean "provider"?
    providr == 'aws' && tags.team == 1
    ^
rds.yaml:10:41: == cannot be applied to (string, int)
    providr == 'aws' && tags.team == 1
                                  ^`},
		{`facts.engine == 'a'`, `
rds.yaml:10:11: unknown name "facts"
    facts.engine == 'a'
    ^`},
		{`has(tags.team)`, `
rds.yaml:10:11: has() is not available: a tag that is not there is the empty string
    has(tags.team)
    ^`},
		{`tags.team`, `
rds.yaml:10:11: want bool, this expression is string
    tags.team
    ^`},
		{`provider = 'aws'`, `
rds.yaml:10:20: syntax error: token recognition error at: '= '
    provider = 'aws'
             ^
rds.yaml:10:22: syntax error: extraneous input ''aws''
    provider = 'aws'
               ^`},
	} {
		_, err := rule.CompileWhere(source(tt.where))
		if diff := cmp.Diff(tt.want, "\n"+fmt.Sprint(err)); diff != "" {
			t.Errorf("CompileWhere(%s) (-want +got):\n%s", tt.where, diff)
		}
	}
}

func BenchmarkWhere(b *testing.B) {
	for _, where := range []string{`provider == 'aws' && service == 'aws/rds'`, `provider == 'aws' && tags.team == 'payments'`} {
		b.Run(where, func(b *testing.B) {
			w, err := rule.CompileWhere(source(where))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				w.Match(database)
			}
		})
	}
}
