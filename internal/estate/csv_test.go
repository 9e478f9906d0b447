package estate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/estate"
)

func TestAssumptionsCSV(t *testing.T) {
	backup := estate.Assumption{Where: where("service == 'aws/rds'"), Duty: "resilience.backup-configuration", Holder: demarc.HeldByProvider}
	for _, tt := range []struct {
		name, csv string
		want      []estate.Assumption
	}{
		{"by service", "service,duty,holder\naws/rds,resilience.backup-configuration,provider\n", []estate.Assumption{backup}},
		{"in another order, with a BOM and CRLF", "\ufeffHolder, Duty ,service\r\nProvider,resilience.backup-configuration,aws/rds\r\n", []estate.Assumption{backup}},
		{"with semicolons", "service;duty;holder\naws/rds;resilience.backup-configuration;provider\n", []estate.Assumption{backup}},
		{"by where", "where,duty,holder\n\"provider in ['aws', 'azure']\",data.*,Third Party\n", []estate.Assumption{
			{Where: where("provider in ['aws', 'azure']"), Duty: "data.*", Holder: demarc.HeldByThirdParty},
		}},
		{"by both, with an id", "id,service,where,duty,holder\nx,aws/rds,name == 'a' || name == 'b',data.sharing,not applicable\n,,true,data.sharing,shared", []estate.Assumption{
			{ID: "x", Where: where("service == 'aws/rds' && (name == 'a' || name == 'b')"), Duty: "data.sharing", Holder: demarc.NotApplicable},
			{Where: where("true"), Duty: "data.sharing", Holder: demarc.HeldShared},
		}},
		{"a header alone", "service,duty,holder\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := estate.ParseAssumptionsCSV("matrix.csv", strings.NewReader(tt.csv))
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if i < len(tt.want) && tt.want[i].ID == "" {
					got[i].ID = ""
				}
			}
			if diff := cmp.Diff(tt.want, got, compare); diff != "" {
				t.Errorf("ParseAssumptionsCSV (-want +got):\n%s", diff)
			}
		})
	}
}

// The same assumption has the same id, wherever it is declared.
func TestAssumptionsCSVHaveTheIDsOfYAML(t *testing.T) {
	fromYAML := parse(t, "assumptions: [{where: service == 'aws/rds', duty: data.sharing, holder: provider}]").Assumptions
	fromCSV, err := estate.ParseAssumptionsCSV("m.csv", strings.NewReader("service,duty,holder\naws/rds,data.sharing,provider"))
	if err != nil {
		t.Fatal(err)
	}
	if fromYAML[0].ID != fromCSV[0].ID {
		t.Errorf("id %s in YAML, %s in CSV", fromYAML[0].ID, fromCSV[0].ID)
	}
}

func TestAssumptionsCSVMistakes(t *testing.T) {
	for _, tt := range []struct {
		name, csv string
		want      []string
	}{
		{"nothing", "", []string{"m.csv:1:1: want a header with service or where, duty, and holder"}},
		{"header", "servce,duty,duty\na,b,c", []string{
			"m.csv:1:1: the header has neither service nor where",
			"m.csv:1:1: the header has no holder",
			`m.csv:1:1: unknown column "servce", did you mean "service"?`,
			`m.csv:1:13: column "duty" stands here twice`,
		}},
		{"cells", "service,duty,holder\naws/rds,data.sharin,provider\nAmazon RDS,data.sharing,us\n,data.sharing,provider\naws/s3,data.sharing,\n", []string{
			`m.csv:2:9: unknown duty "data.sharin", did you mean "data.sharing"?`,
			`m.csv:3:1: "Amazon RDS" is no service: want one such as aws/rds`,
			`m.csv:3:25: holder "us": want one of provider, shared, customer, third-party, unowned, not-applicable`,
			"m.csv:4:1: line says neither a service nor a where; write true for everything",
			"m.csv:5:1: assumption has no \"holder\"",
		}},
		{"conditions", "where,duty,holder\n\"é in ['a', 'b']\",data.sharing,provider\nprovider = 'a',data.sharing,provider\n", []string{
			`m.csv:2:2: syntax error: token recognition error at: 'é'`,
			"    é in ['a', 'b']",
			"    ^",
			`m.csv:2:4: syntax error: extraneous input 'in'`,
			"    é in ['a', 'b']",
			"      ^",
			`m.csv:3:10: syntax error: token recognition error at: '= '`,
			"    provider = 'a'",
			"             ^",
			`m.csv:3:12: syntax error: extraneous input ''a''`,
			"    provider = 'a'",
			"               ^",
		}},
		{"a condition beside a service", "service,where,duty,holder\naws/rds,nme == 'a',data.sharing,provider\n", []string{
			`m.csv:2:9: unknown name "nme", did you mean "name"?`,
			"    nme == 'a'",
			"    ^",
		}},
		{"fields", "service,duty,holder\naws/rds,data.sharing\n", []string{"m.csv:2:1: line has 2 fields, the header has 3"}},
		{"twice", "service,duty,holder\naws/rds,data.sharing,provider\naws/rds,data.sharing,Provider\n", []string{
			`m.csv:3:1: assumption "ID" stands here twice, first on line 2`,
		}},
		{"no CSV", "service,duty,holder\naws/rds,da\"ta,provider\n", []string{`m.csv:2:11: not CSV: bare " in non-quoted-field`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := estate.ParseAssumptionsCSV("m.csv", strings.NewReader(tt.csv))
			got := fmt.Sprint(err)
			if tt.name == "twice" {
				before, rest, _ := strings.Cut(got, `"`)
				_, after, _ := strings.Cut(rest, `"`)
				got = before + `"ID"` + after
			}
			if diff := cmp.Diff(strings.Join(tt.want, "\n"), got); diff != "" {
				t.Errorf("mistakes (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzAssumptionsCSV(f *testing.F) {
	f.Add("\ufeffservice;where;duty;holder\naws/rds;\"name == 'a\"\"b'\";data.*;Shared\n")
	f.Add("where,duty,holder\n\"a\n\nb\",\xff,x\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := estate.ParseAssumptionsCSV("m.csv", strings.NewReader(text))
		if err == nil {
			for _, a := range got {
				if a.Where == nil || a.Duty == "" || a.ID == "" {
					t.Errorf("assumption %+v is not whole", a)
				}
			}
		}
	})
}
