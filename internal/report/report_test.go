package report_test

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report"
	"github.com/demarc/demarc/internal/report/csv"
	"github.com/demarc/demarc/internal/report/jsondoc"
	"github.com/demarc/demarc/internal/report/markdown"
	"github.com/demarc/demarc/internal/report/ndjson"
	"github.com/demarc/demarc/internal/report/table"
)

var run = demarc.Run{Organization: "Northwind", Catalog: "c0ffee", AsOf: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}

// answer makes the answer of a database: one duty that a setting decides, one of the provider's, the others not applicable.
func answer(id, name string, minor bool, holder demarc.Holder) *demarc.Answer {
	a := &demarc.Answer{
		Resource: demarc.Resource{ID: demarc.ResourceID(id), Provider: "aws", Account: "111122223333", Region: "eu-west-1", Type: "AWS::RDS::DBInstance", Service: "aws/rds", Name: name, Model: "paas"},
		Standing: &demarc.Standing{},
		Facts: []demarc.NamedFact{
			{Name: "auto_minor_upgrade", Fact: demarc.Fact{Value: demarc.Bool(minor)}},
			{Name: "password", Fact: demarc.Fact{Value: demarc.String("hunter2")}, Sensitive: true},
			{Name: "policy", Fact: demarc.Fact{Value: demarc.JSON(`{"Statement":[]}`)}},
		},
	}
	for _, d := range demarc.Duties {
		as, v := &demarc.Assignment{Duty: d, Holder: demarc.NotApplicable}, &demarc.Verdict{State: demarc.NoState}
		switch d {
		case "runtime.engine-patching":
			as.Holder, v.State = holder, demarc.Failing
			as.Parties = []demarc.Party{demarc.Self}
			as.Parts = []demarc.Part{{Party: demarc.Self, Role: demarc.Tenant, Text: "Apply minor versions."}}
			as.Basis = []demarc.Basis{{Kind: demarc.BasisArchetype, ID: "managed-database"}, {Kind: demarc.BasisLine, ID: "minor-upgrades-off", Because: "Minor upgrades are off."}}
			as.Reads = []string{"auto_minor_upgrade", "password", "policy"}
			v.Checks = []demarc.CheckOutcome{{ID: "aws/rds/minor-upgrades", Result: demarc.CheckFail, Severity: demarc.Medium}}
			if holder == demarc.HeldByProvider {
				as.Parties, v.State, v.Checks = []demarc.Party{"aws"}, demarc.Assured, nil
				as.Parts = []demarc.Part{{Party: "aws", Role: demarc.Operator, Text: "Applies minor versions."}}
			}
		case "facility.access":
			as.Holder, v.State, as.Parties = demarc.HeldByProvider, demarc.Unassured, []demarc.Party{"aws"}
			as.Parts = []demarc.Part{{Party: "aws", Role: demarc.Site, Text: "Guards the doors."}}
		default:
		}
		a.Assignments, a.Verdicts = append(a.Assignments, as), append(a.Verdicts, v)
	}
	return a
}

func seq(answers ...*demarc.Answer) iter.Seq[*demarc.Answer] { return slices.Values(answers) }

func TestMachineContract(t *testing.T) {
	var out bytes.Buffer
	a := answer("arn:aws:rds:eu-west-1:111122223333:db:a", "a", false, demarc.HeldByCustomer)
	if err := ndjson.Write(&out, run, seq(a, a)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	if len(lines) != 3 || lines[0] != `{"demarc":{"schema":1,"catalog":"c0ffee","estate":"","as_of":"2026-11-23"}}` {
		t.Fatalf("got %d lines, the first %s", len(lines), lines[0])
	}
	if lines[1] != lines[2] {
		t.Error("what is remembered is encoded otherwise than what is new")
	}
	var got struct {
		Resource map[string]any
		Duties   map[string]struct {
			Holder, State  string
			Parties, Basis []string
			Because        map[string]any
			Assumed        bool
			Checks         map[string]string
		}
	}
	if err := json.Unmarshal([]byte(lines[1]), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Duties) != len(demarc.Duties) {
		t.Errorf("%d duties, want all %d", len(got.Duties), len(demarc.Duties))
	}
	d := got.Duties["runtime.engine-patching"]
	if d.Holder != "customer" || d.State != "failing" || !slices.Equal(d.Basis, []string{"archetype:managed-database", "line:minor-upgrades-off"}) || d.Because["auto_minor_upgrade"] != false {
		t.Errorf("got %+v", d)
	}
	if d.Because["password"] != "set" || d.Because["policy"] != "set" || strings.Contains(out.String(), "hunter2") {
		t.Errorf("a sensitive value is shown: %v", d.Because)
	}
}

func TestJSONIsOneObject(t *testing.T) {
	var out bytes.Buffer
	notes := []demarc.Note{{Kind: demarc.NoteRefused, Pos: demarc.Position{Input: "x.json", Offset: 7}, Message: "expected ':'"}}
	if err := jsondoc.Write(&out, run, seq(answer("a", "a", true, demarc.HeldByProvider), answer("b", "b", true, demarc.HeldByProvider)), func() []demarc.Note { return notes }); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Demarc    map[string]any
		Resources []any
		Notes     []map[string]any
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Resources) != 2 || len(got.Notes) != 1 || got.Notes[0]["kind"] != "refused" {
		t.Errorf("got %v", got)
	}
}

func TestACellIsNoFormula(t *testing.T) {
	var out bytes.Buffer
	if err := csv.Write(&out, run, seq(answer("=cmd|' /C calc'!A0", "@SUM(1)", false, demarc.HeldByCustomer))); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); strings.Contains(s, "\n=cmd") || strings.Contains(s, ",@SUM") || !strings.Contains(s, "'=cmd") {
		t.Errorf("got %s", s)
	}
}

func TestMoves(t *testing.T) {
	before := seq(answer("a", "a", true, demarc.HeldByProvider), answer("b", "b", true, demarc.HeldByProvider), answer("gone", "gone", true, demarc.HeldByProvider))
	after := seq(answer("a", "a", false, demarc.HeldByCustomer), answer("b", "b", false, demarc.HeldByCustomer), answer("new", "new", true, demarc.HeldByProvider))
	groups, added, removed := report.Moves(before, after, func([]demarc.Change) demarc.Cause { return demarc.CauseSetting })
	if len(groups) != 1 || added != 1 || removed != 1 {
		t.Fatalf("got %d groups, %d added, %d removed", len(groups), added, removed)
	}
	g := groups[0]
	if g.Duty != "runtime.engine-patching" || g.From != demarc.HeldByProvider || g.To != demarc.HeldByCustomer || g.Count != 2 || !g.ToUs || g.Setting != "auto_minor_upgrade: true → false" || g.Cause != demarc.CauseSetting {
		t.Errorf("got %+v", g)
	}
	var out bytes.Buffer
	if err := markdown.Moves(&out, groups, added, removed); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "| runtime.engine-patching | provider → customer | 2 × aws/rds |") {
		t.Errorf("got %s", out.String())
	}
}

func summary(answers ...*demarc.Answer) *report.Summary {
	return report.Summarize(slices.Values(answers), func() demarc.Run { return run })
}

func TestSummaryKeepsNumbersApart(t *testing.T) {
	s := summary(answer("a", "a", false, demarc.HeldByCustomer), answer("b", "b", true, demarc.HeldByProvider))
	if s.Yours.Total != 1 || s.Yours.Proven != 0 || s.Others.Total != 3 || s.Others.Proven != 1 {
		t.Errorf("yours %+v, others %+v", s.Yours, s.Others)
	}
	gaps := s.Gaps()
	if len(gaps) != 1 || gaps[0].Check != "aws/rds/minor-upgrades" || gaps[0].Severity != demarc.Medium || gaps[0].Count != 1 {
		t.Errorf("gaps %+v", gaps)
	}
}

func TestTextFitsItsWidth(t *testing.T) {
	s := summary(answer("a", strings.Repeat("long-", 40), false, demarc.HeldByCustomer))
	for _, width := range []int{60, 80, 132} {
		var out bytes.Buffer
		p := table.NewPrinter(&out, width, false)
		table.Overview(p, s, func(id string) string { return strings.Repeat("a title that does not end ", 8) })
		if p.Err() != nil {
			t.Fatal(p.Err())
		}
		for line := range strings.SplitSeq(out.String(), "\n") {
			if n := len([]rune(line)); n > max(width, 72) { // the bars of the layers need their room
				t.Errorf("width %d: a line of %d: %s", width, n, line)
			}
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Error("colours where nobody asked for them")
		}
	}
}

func TestNamesCannotMoveTheCursor(t *testing.T) {
	var out bytes.Buffer
	p := table.NewPrinter(&out, 80, false)
	p.Table(0, []table.Column{{Head: "name"}}, [][]table.Cell{{{Text: "a\x1b[2Jb\nc"}}})
	if strings.ContainsAny(out.String(), "\x1b") || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("got %q", out.String())
	}
}
