package rule_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
)

var database = &demarc.Resource{
	ID: "arn:aws:rds:eu-west-1:111122223333:db:orders", Provider: "aws", Source: "prod", Account: "111122223333", Region: "eu-west-1",
	Service: "aws/rds", Type: "AWS::RDS::DBInstance", Name: "orders", Tags: demarc.TagsOf(map[string]string{"team": "payments", "cost:centre": "7"}),
}

func TestWhere(t *testing.T) {
	for _, tt := range []struct {
		where    string
		want     bool
		identity bool
		needs    map[string][]string
	}{
		{`true`, true, false, nil},
		{`provider == 'aws'`, true, false, map[string][]string{"provider": {"aws"}}},
		{`'azure' == provider`, false, false, map[string][]string{"provider": {"azure"}}},
		{`provider in ['aws', 'azure']`, true, false, map[string][]string{"provider": {"aws", "azure"}}},
		{`service.startsWith('aws/') && region != 'us-east-1'`, true, false, map[string][]string{}},
		{
			`source == 'prod' && account == '111122223333' && type == 'AWS::RDS::DBInstance'`, true, false,
			map[string][]string{"source": {"prod"}, "account": {"111122223333"}, "type": {"AWS::RDS::DBInstance"}},
		},
		{`name == 'orders'`, true, true, map[string][]string{"name": {"orders"}}},
		{`id.endsWith(':db:orders')`, true, true, nil},
		{`tags.team == 'payments'`, true, true, map[string][]string{"tags.team": {"payments"}}},
		{`tags['cost:centre'] == '7'`, true, true, map[string][]string{"tags.cost:centre": {"7"}}},

		// A tag that is not there is empty.
		{`tags.owner == 'x'`, false, true, map[string][]string{"tags.owner": {"x"}}},
		{`tags.owner != 'x'`, true, true, nil},
		{`tags.owner == ''`, true, true, map[string][]string{"tags.owner": {""}}},
		{`tags['no such tag'].lowerAscii() == ''`, true, true, nil},
		{`'owner' in tags`, false, true, nil},
		{`'team' in tags`, true, true, nil},
		{`tags.exists(k, k == 'team' && tags[k] == 'payments')`, true, true, nil},
		{`size(tags) == 2`, true, true, nil},

		// What a condition needs is what all its ways to hold need.
		{
			`provider == 'aws' && (service == 'aws/s3' || service in ['aws/rds', 'aws/s3'])`, true, false,
			map[string][]string{"provider": {"aws"}, "service": {"aws/rds", "aws/s3"}},
		},
		{`provider == 'aws' || service == 'aws/s3'`, true, false, map[string][]string{}},
		{`provider in ['aws', 'gcp'] && provider == 'aws'`, true, false, map[string][]string{"provider": {"aws"}}},
		{`!(provider == 'aws')`, false, false, nil},
		{`provider == 'aws' ? name == 'orders' : false`, true, true, nil},

		// A condition that fails does not hold.
		{`['a'][3] == provider`, false, false, nil},
		{`versionAtLeast(region, '1')`, false, false, nil},
	} {
		t.Run(tt.where, func(t *testing.T) {
			w, err := rule.CompileWhere(source(tt.where))
			if err != nil {
				t.Fatal(err)
			}
			if got := w.Match(database); got != tt.want {
				t.Errorf("Match = %v, want %v", got, tt.want)
			}
			if got := w.AsksIdentity(); got != tt.identity {
				t.Errorf("AsksIdentity = %v, want %v", got, tt.identity)
			}
			if diff := cmp.Diff(tt.needs, w.Needs()); diff != "" {
				t.Errorf("Needs (-want +got):\n%s", diff)
			}
			if w.String() != tt.where {
				t.Errorf("String = %q", w)
			}
		})
	}
}

func TestNoWhereMatchesEverything(t *testing.T) {
	var w *rule.Where
	if !w.Match(database) || w.AsksIdentity() || len(w.Needs()) != 0 || w.String() != "" {
		t.Error("a nil Where matches everything and asks nothing")
	}
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
