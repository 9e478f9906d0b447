package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

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

// Values that decided a duty, and tags, stand in the contract as encoding/json understands them, whatever is in them.
func TestContractIsJSON(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "plain", "a\"b", "a\\b", "<&>", "é", "\u2028", "\xff", "\x7f", "a\nb"}))
	one := rapid.Custom(func(t *rapid.T) demarc.Value {
		return rapid.OneOf(rapid.Just(demarc.Value{}), rapid.Map(rapid.Bool(), demarc.Bool), rapid.Map(rapid.Int64(), demarc.Int), rapid.Map(text, demarc.String),
			rapid.Map(rapid.Float64Range(-1e9, 1e9), demarc.Number)).Draw(t, "value")
	})
	names := demarc.NewNames("b", "a", "c")
	value := rapid.Custom(func(t *rapid.T) demarc.Value {
		list := rapid.SliceOfN(one, 3, 3).Draw(t, "list")
		return rapid.SampledFrom([]demarc.Value{
			list[0], demarc.List(demarc.TypeStrings, list...), demarc.List(demarc.TypeStrings), names.Record(list),
			demarc.List(demarc.TypeRecords, names.Record(list), demarc.Value{}),
		}).Draw(t, "shape")
	})
	rapid.Check(t, func(t *rapid.T) {
		a := answer("a", text.Draw(t, "name"), false, demarc.HeldByCustomer)
		v := value.Draw(t, "fact")
		a.Facts[0].Fact.Value = v
		tags := rapid.MapOf(text, text).Draw(t, "tags")
		a.Resource.Tags = demarc.TagsOf(tags)
		var out bytes.Buffer
		if err := ndjson.Write(&out, run, seq(a)); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Resource struct {
				Name string
				Tags json.RawMessage
			}
			Duties map[string]struct{ Because map[string]json.RawMessage }
		}
		_, line, _ := strings.Cut(out.String(), "\n")
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		for _, x := range []struct {
			got  json.RawMessage
			want any
		}{{got.Resource.Tags, a.Resource.Tags}, {got.Duties["runtime.engine-patching"].Because["auto_minor_upgrade"], v}} {
			text, err := json.Marshal(x.want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decoded(t, text), decoded(t, x.got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", x.got, diff)
			}
		}
		if want := strings.ToValidUTF8(a.Resource.Name, "\ufffd"); got.Resource.Name != want && utf8.ValidString(a.Resource.Name) {
			t.Errorf("got the name %q, want %q", got.Resource.Name, want)
		}
	})
}

func decoded(t *rapid.T, text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// What is remembered of resources that share parts changes nothing: each is counted and written as if it were alone.
func TestSharedPartsAreWrittenAsIfAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := []*demarc.Answer{
			answer("", "", false, demarc.HeldByCustomer), answer("", "", true, demarc.HeldByProvider), answer("", "", false, demarc.HeldByCustomer),
		}
		kinds[2].Verdicts[demarc.DutyIndex("runtime.engine-patching")].State = demarc.Blind
		var answers []*demarc.Answer
		for i, k := range rapid.SliceOfN(rapid.IntRange(0, 2), 0, 30).Draw(t, "kinds") {
			a := *kinds[k] // its parts are those of others
			standing := *a.Standing
			a.Resource.ID, a.Standing = demarc.ResourceID(fmt.Sprint("r", i)), &standing
			if rapid.Bool().Draw(t, "in a team") {
				standing.Teams = slices.Repeat([]string{"web"}, len(demarc.Duties))
			}
			if rapid.Bool().Draw(t, "believed") {
				standing.Beliefs = []demarc.Belief{{Duty: demarc.DutyIndex("runtime.engine-patching"), Holder: demarc.HeldByProvider}}
			}
			a.Inside = rapid.Bool().Draw(t, "inside")
			answers = append(answers, &a)
		}
		var together, alone, line bytes.Buffer
		for _, write := range []func(io.Writer, iter.Seq[*demarc.Answer]) error{
			func(w io.Writer, s iter.Seq[*demarc.Answer]) error { return ndjson.Write(w, run, s) },
			func(w io.Writer, s iter.Seq[*demarc.Answer]) error { return csv.Write(w, run, s) },
		} {
			together.Reset()
			if err := write(&together, seq(answers...)); err != nil {
				t.Fatal(err)
			}
			alone.Reset()
			if err := write(&alone, seq()); err != nil {
				t.Fatal(err)
			}
			head := alone.Len()
			for _, a := range answers {
				line.Reset()
				if err := write(&line, seq(a)); err != nil {
					t.Fatal(err)
				}
				alone.Write(line.Bytes()[head:])
			}
			if together.String() != alone.String() {
				t.Fatalf("together\n%s\nalone\n%s", together.String(), alone.String())
			}
		}
		s, total, teamless, blind := summary(answers...), 0, 0, 0
		for _, a := range answers {
			own := summary(a)
			total, teamless, blind = total+own.Yours.Total+own.Others.Total, teamless+own.Teamless, blind+own.Blind
		}
		if got := s.Yours.Total + s.Others.Total; got != total || s.Teamless != teamless || s.Blind != blind {
			t.Errorf("%d duties, %d of no team and %d blind together, %d, %d and %d alone", got, s.Teamless, s.Blind, total, teamless, blind)
		}
		for _, g := range s.Gaps() {
			count, some := 0, []demarc.ResourceID(nil)
			for _, a := range answers {
				for _, own := range summary(a).Gaps() {
					if own.Gap == g.Gap && own.Duty == g.Duty && own.Check == g.Check {
						count++
						some = append(some, a.Resource.ID)
					}
				}
			}
			if g.Count != count || !slices.Equal(g.Examples, some[:min(3, len(some))]) {
				t.Errorf("%s of %s: %d such as %v together, %d such as %v alone", g.Gap, g.Duty, g.Count, g.Examples, count, some)
			}
		}
	})
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
