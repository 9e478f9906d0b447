package estate_test

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/rule"
	"github.com/demarc/demarc/internal/strictyaml"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var known = map[demarc.Party]demarc.PartyKind{"aws": demarc.KindProvider, "azure": demarc.KindProvider}

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

func where(text string) *rule.Where {
	w, err := rule.CompileWhere(rule.Source{Text: text})
	if err != nil {
		panic(err)
	}
	return w
}

var compare = cmp.Options{
	cmp.Comparer(func(a, b *rule.Where) bool { return (a == nil) == (b == nil) && a.String() == b.String() }),
	cmpopts.IgnoreTypes(strictyaml.Pos{}),
	cmpopts.EquateEmpty(),
}

func TestEveryPart(t *testing.T) {
	got, err := estate.Load("testdata/northwind.yaml", known)
	if err != nil {
		t.Fatal(err)
	}
	want := &estate.Estate{
		Organization: "Northwind",
		Sources: []estate.Source{
			{Name: "dc1", Path: filepath.Join("testdata", "exports", "dc1"), Provider: "openstack", Account: "retail", Region: "eu-north"},
			{Name: "live"},
		},
		Parties: map[demarc.Party]estate.PartyInfo{
			"platform9":  {Title: "Platform9 Systems", Kind: demarc.KindMSP},
			"nightwatch": {Kind: demarc.KindMSP},
		},
		Bindings: []estate.Binding{{
			ID: "dc1", Where: where("provider == 'openstack' && source == 'dc1'"),
			Roles: map[demarc.Role]demarc.Party{demarc.Host: "self", demarc.Operator: "platform9", demarc.Supplier: "nobody"},
		}},
		Engagements: []estate.Engagement{{
			ID: "0262b9f41303", Party: "nightwatch", Where: where("provider in ['aws', 'azure']"),
			Takes: []string{"operations.*", "guest.patching"}, Excludes: []string{"operations.incident-response"},
			From: day("2026-01-01"), Until: day("2026-12-31"), Contract: "MSA 7",
		}},
		Assumptions: []estate.Assumption{{
			ID: "e69051b72f8d", Where: where("service == 'aws/rds'"), Duty: "resilience.backup-configuration", Holder: demarc.HeldByProvider,
		}},
		Teams: []estate.Team{
			{ID: "2c2427f984c4", Team: "payments", Where: where("tags.team == 'payments'"), Duties: []string{"application.*", "runtime.*"}},
			{ID: "5ad62904b020", Team: "platform"},
		},
		Attestations: []estate.Attestation{{
			ID: "dff1ee2c122c", Duty: "resilience.restore-testing", By: "Ada", On: day("2026-10-01"), Until: day("2027-04-01"), Evidence: "RT-12",
		}},
		Assurances: []estate.Assurance{{
			ID: "8982a4449f39", Party: "aws", Report: "SOC 2 Type II", Services: []string{"aws/rds", "aws/s3"}, Regions: []string{"eu-west-1"}, Until: day("2027-03-31"),
		}},
		Exceptions: []estate.Exception{{
			ID: "f4822ce42ef4", Check: "aws/rds/public-access", Where: where("name == 'reports'"), Reason: "Read by a partner.", Owner: "web", Until: day("2027-01-31"),
		}},
		Digest: "9db53a9ec5251e59d19dbea9aafcfc706d17a02be360c0b627f2257add905e4d",
	}
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
}

func TestMistakesAreAllTold(t *testing.T) {
	_, err := estate.Load("testdata/mistakes.yaml", known)
	got := strings.ReplaceAll(fmt.Sprint(err), "testdata/", "") + "\n"
	const golden = "testdata/mistakes.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
}

func parse(t *testing.T, text string) *estate.Estate {
	t.Helper()
	e, err := estate.Parse("demarc.yaml", []byte(text), known)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestNothing(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", "bindings:\nengagements: []\n"} {
		if e := parse(t, text); len(e.Bindings)+len(e.Engagements) != 0 || len(e.Digest) != 64 {
			t.Errorf("Parse(%q) = %+v, want nothing but a digest", text, e)
		}
	}
	if _, err := estate.Load(filepath.Join(t.TempDir(), "none.yaml"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load = %v, want fs.ErrNotExist", err)
	}
	var zero estate.Estate
	if kind, ok := zero.Kind(demarc.Self); kind != demarc.KindSelf || !ok {
		t.Errorf("Kind(self) = %v, %v", kind, ok)
	}
	if kind, ok := zero.Kind("nightwatch"); ok {
		t.Errorf("Kind(nightwatch) = %v, want none", kind)
	}
}

// The digest, and the ids that come from it, tell what is said and not how.
func TestDigest(t *testing.T) {
	a := parse(t, "organization: N\nteams: [{team: web, duties: [application.*]}]")
	b := parse(t, "# a comment\nteams:\n  - duties:\n    - 'application.*'\n    team: \"web\"\norganization: N\n")
	c := parse(t, "organization: N\nteams: [{team: web, duties: [runtime.*]}]")
	if a.Digest != b.Digest || a.Teams[0].ID != b.Teams[0].ID {
		t.Errorf("the same in another layout: digests %s and %s, ids %s and %s", a.Digest, b.Digest, a.Teams[0].ID, b.Teams[0].ID)
	}
	if a.Digest == c.Digest || a.Teams[0].ID == c.Teams[0].ID {
		t.Errorf("another duty: digest %s, id %s both times", a.Digest, a.Teams[0].ID)
	}
}

func TestDays(t *testing.T) {
	e := parse(t, `
engagements: [{party: aws, takes: ["*"], from: 2026-01-01, until: 2026-12-31}, {party: azure, takes: ["*"]}]
attestations: [{duty: data.sharing, by: Ada, on: 2026-10-01, until: 2027-04-01}]
assurances: [{party: aws, report: SOC 2, until: 2027-03-31}]
exceptions: [{check: x, until: 2027-01-31}]
`)
	lastMinute := day("2026-12-31").Add(24*time.Hour - time.Minute)
	for _, tt := range []struct {
		name string
		got  bool
		want bool
	}{
		{"engagement before its first day", e.Engagements[0].InForce(day("2025-12-31")), false},
		{"engagement on its first day", e.Engagements[0].InForce(day("2026-01-01")), true},
		{"engagement on its last day", e.Engagements[0].InForce(lastMinute), true},
		{"engagement after its last day", e.Engagements[0].InForce(day("2027-01-01")), false},
		{"engagement has not ended before it began", e.Engagements[0].Ended(day("2025-12-31")), false},
		{"engagement has not ended on its last day", e.Engagements[0].Ended(lastMinute), false},
		{"engagement has ended", e.Engagements[0].Ended(day("2027-01-01")), true},
		{"open engagement", e.Engagements[1].InForce(day("2099-01-01")), true},
		{"attestation before it was made", e.Attestations[0].InForce(day("2026-09-30")), false},
		{"attestation on its last day", e.Attestations[0].InForce(day("2027-04-01")), true},
		{"attestation after it", e.Attestations[0].InForce(day("2027-04-02")), false},
		{"assurance on its last day", e.Assurances[0].InForce(day("2027-03-31")), true},
		{"assurance after it", e.Assurances[0].InForce(day("2027-04-01")), false},
		{"exception on its last day", e.Exceptions[0].InForce(day("2027-01-31")), true},
		{"exception after it", e.Exceptions[0].InForce(day("2027-02-01")), false},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: in force %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func TestDuties(t *testing.T) {
	e := parse(t, `
engagements: [{party: aws, takes: [operations.*, guest.patching], excludes: [operations.incident-response]}]
teams: [{team: web, duties: [application.*]}, {team: all}]
assumptions: [{duty: "*", holder: provider}]
`)
	takes := func(d demarc.DutyID) bool { return e.Engagements[0].Covers(d) }
	if !takes("operations.monitoring") || !takes("guest.patching") || takes("operations.incident-response") || takes("guest.hardening") {
		t.Error("the engagement takes operations but incident response, and guest.patching")
	}
	if !e.Teams[0].Covers("application.code") || e.Teams[0].Covers("data.sharing") || !e.Teams[1].Covers("data.sharing") {
		t.Error("web does application.*, a team without duties does all")
	}
	if !e.Assumptions[0].Covers("data.sharing") {
		t.Error("* is about every duty")
	}
}

func TestAssuranceCovers(t *testing.T) {
	a := estate.Assurance{Services: []string{"aws/rds", "azure/*"}, Regions: []string{"eu-west-1"}}
	for _, tt := range []struct {
		service demarc.ServiceID
		region  string
		want    bool
	}{
		{"aws/rds", "eu-west-1", true},
		{"azure/sql", "eu-west-1", true},
		{"aws/rds", "", true},
		{"aws/rds", "us-east-1", false},
		{"aws/rds-proxy", "eu-west-1", false},
	} {
		if got := a.Covers(tt.service, tt.region); got != tt.want {
			t.Errorf("Covers(%s, %s) = %v, want %v", tt.service, tt.region, got, tt.want)
		}
	}
	if !new(estate.Assurance).Covers("aws/rds", "us-east-1") {
		t.Error("a report that names nothing covers everything")
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"northwind.yaml", "mistakes.yaml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := estate.Parse("demarc.yaml", data, known)
		if err != nil {
			return
		}
		for _, x := range e.Exceptions {
			if x.Until.IsZero() || x.Check == "" {
				t.Errorf("exception %+v has no end or no check", x)
			}
		}
		again, err := estate.Parse("demarc.yaml", data, known)
		if diff := cmp.Diff(e, again, compare); err != nil || diff != "" {
			t.Errorf("parsed twice: %v\n%s", err, diff)
		}
	})
}

// Lists are bounded, and so are the parties. The mistake is told where the list begins if its entry has no place.
func TestTooMany(t *testing.T) {
	var parties, aliases strings.Builder
	parties.WriteString("parties:\n")
	aliases.WriteString("bindings:\n  - &a {where: 'true', operator: self}\n")
	for i := range estate.MaxEntries + 5 {
		fmt.Fprintf(&parties, "  p%d: {title: P, kind: msp}\n", i)
		aliases.WriteString("  - *a\n")
	}
	for text, want := range map[string]string{
		parties.String(): "demarc.yaml:10002:3: parties has more than 10000 entries",
		aliases.String(): "demarc.yaml:2:5: bindings has more than 10000 entries",
	} {
		if _, err := estate.Parse("demarc.yaml", []byte(text), known); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s…: %.300v\nwant %s", text, err, want)
		}
	}
}
