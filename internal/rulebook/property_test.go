package rulebook_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

var asOf = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// axes are the values that brute force tries for each fact of the random services: more than the lines tell apart.
var axes = map[string][]demarc.Value{
	"a": {demarc.Bool(false), demarc.Bool(true)},
	"b": {demarc.Bool(false), demarc.Bool(true)},
	"n": ints(0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
	"s": texts("", "x", "y", "xy", "x~", "~another~", "1.29", "1.30", "2"),
}

func ints(list ...int64) (out []demarc.Value) {
	for _, n := range list {
		out = append(out, demarc.Int(n))
	}
	return out
}

func texts(list ...string) (out []demarc.Value) {
	for _, s := range list {
		out = append(out, demarc.String(s))
	}
	return out
}

var factNames = []string{"a", "b", "n", "s"}

func condition(depth int) *rapid.Generator[string] {
	atom := rapid.SampledFrom([]string{
		"facts.a", "!facts.a", "facts.a == false", "facts.b", "facts.a == facts.b", "facts.a != facts.b",
		"facts.n > 3", "facts.n <= 7", "facts.n == 5", "facts.n in [1, 8]", "2 < facts.n",
		"facts.s == 'x'", "facts.s != 'x'", "facts.s in ['x', 'y']", "facts.s.startsWith('x')", "facts.s == ''",
		"versionAtLeast(facts.s, '1.30')", "versionAtLeast(facts.s, '1.30') == false",
	})
	if depth == 0 {
		return atom
	}
	inner := condition(depth - 1)
	return rapid.OneOf(
		atom,
		rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("(%s && %s)", inner.Draw(t, "l"), inner.Draw(t, "r")) }),
		rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("(%s || %s)", inner.Draw(t, "l"), inner.Draw(t, "r")) }),
		rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("!(%s)", inner.Draw(t, "e")) }),
		rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("(%s ? %s : %s)", inner.Draw(t, "if"), inner.Draw(t, "then"), inner.Draw(t, "else"))
		}),
	)
}

var holders = []string{
	"{holder: tenant, part: Do it., source: page}",
	"{holder: operator, part: Does it., source: page}",
	"{holder: supplier, part: Does it., source: page}",
	"{holder: [operator, tenant], parts: {operator: Does it., tenant: Do it.}, source: page}",
	"{holder: not-applicable, part: There is none., source: page}",
}

const movedDuty = "guest.patching"

// randomService is the YAML of a service whose lines move one duty.
func randomService(t *rapid.T) string {
	var b strings.Builder
	b.WriteString("service: aws/thing\ntitle: A thing\nmodel: paas\narchetype: plain\ntypes: {awsconfig: [AWS::Thing]}\nfacts:\n")
	for name, typ := range map[string]string{"a": "bool", "b": "bool", "n": "int", "s": "string"} {
		presume := ""
		if name == "b" && rapid.IntRange(0, 3).Draw(t, "presumed") == 0 {
			presume = ", presume: {value: false, reason: It is rare., source: page}"
		}
		fmt.Fprintf(&b, "  %s: {type: %s, about: It., awsconfig: configuration.%s%s}\n", name, typ, name, presume)
	}
	fmt.Fprintf(&b, "duties:\n  %s: %s\nlines:\n", movedDuty, rapid.SampledFrom(holders).Draw(t, "row"))
	for i := range rapid.IntRange(1, 4).Draw(t, "lines") {
		fmt.Fprintf(&b, "  - id: l%d\n    when: %q\n    moves: {%s: %s}\n    because: The setting says so.\n    source: page\n",
			i, condition(2).Draw(t, "when"), movedDuty, rapid.SampledFrom(holders).Draw(t, "holder"))
	}
	b.WriteString("sources:\n  page: {url: \"https://example.com/page\", section: All, read: 2026-11-23, says: All is said.}\n")
	return b.String()
}

// TestProofAgainstBruteForce compares the proof of a duty with all that can happen. Whatever the lines are: there is
// one outcome; learning a fact never moves the duty to the tenant; the tenant holds no less than in any completion;
// an answer that no completion changes is not assumed; and a line is told to be out of reach if and only if it is.
func TestProofAgainstBruteForce(t *testing.T) {
	duty := demarc.DutyIndex(movedDuty)
	rapid.Check(t, func(t *rapid.T) {
		text := randomService(t)
		system := base()
		system["aws/thing.yaml"] = &fstest.MapFile{Data: []byte(text)}
		book, err := rulebook.Load(system)
		if err != nil {
			t.Fatal(err)
		}
		lint := ""
		if err := book.Lint(); err != nil {
			lint = err.Error()
		}
		svc := book.Service("aws/thing")
		// The state with digit 0 on an axis does not know that fact; a presumed fact is always known.
		var sizes, at [4]int
		states := 1
		for i, name := range factNames {
			f := &svc.Facts[svc.FactIndex(name)]
			sizes[i] = len(axes[name]) + 1
			if f.Presume != nil {
				sizes[i]--
			}
			at[i] = states
			states *= sizes[i]
		}
		fact := func(axis, digit int) demarc.Fact {
			if sizes[axis] > len(axes[factNames[axis]]) {
				if digit == 0 {
					return demarc.Fact{Origin: demarc.Absent}
				}
				digit--
			}
			return demarc.Fact{Value: axes[factNames[axis]][digit]}
		}
		unknownAxis := func(axis int) bool { return sizes[axis] > len(axes[factNames[axis]]) }
		choices := make([]rulebook.Choice, states)
		reached := map[int]bool{}
		facts := make(rulebook.FactList, len(svc.Facts))
		type asked struct{ line, state int }
		truths := map[asked]rulebook.Tri{} // by line, and the digits of the facts that it reads
		for n := range states {
			known := true
			for i, name := range factNames {
				digit := n / at[i] % sizes[i]
				facts[svc.FactIndex(name)] = fact(i, digit)
				known = known && !(unknownAxis(i) && digit == 0)
			}
			c := svc.Choose(duty, func(line int) rulebook.Tri {
				key := asked{line: line}
				for i, name := range factNames {
					if slices.Contains(svc.Lines[line].When.Reads, svc.FactIndex(name)) {
						key.state += n / at[i] % sizes[i] * at[i]
					}
				}
				truth, ok := truths[key]
				if !ok {
					truth = svc.Lines[line].When.Eval(svc, facts, asOf).Truth
					truths[key] = truth
				}
				return truth
			})
			if c.Outcome == nil {
				t.Fatalf("no outcome\n%s", text)
			}
			choices[n] = c
			if known && c.Line >= 0 {
				reached[c.Line] = true
			}
		}
		for n, c := range choices {
			for i := range factNames {
				if !unknownAxis(i) || n/at[i]%sizes[i] != 0 {
					continue
				}
				for digit := 1; digit < sizes[i]; digit++ {
					m := choices[n+digit*at[i]]
					if m.Outcome.Roles.TenantShare() > c.Outcome.Roles.TenantShare() {
						t.Fatalf("learning %s = %v moves the duty to the tenant\n%s", factNames[i], fact(i, digit).Value, text)
					}
					if !c.Differs && m.Outcome.Roles != c.Outcome.Roles {
						t.Fatalf("%s = %v changes an answer that is not assumed\n%s", factNames[i], fact(i, digit).Value, text)
					}
				}
			}
		}
		if strings.Contains(lint, "to the tenant") {
			t.Fatalf("the proof says that the lines are not cautious, and they are: %s\n%s", lint, text)
		}
		for k, line := range svc.Lines {
			told := strings.Contains(lint, "line "+line.ID+" can never move") || strings.Contains(lint, "line "+line.ID+" asks no fact")
			if told == reached[k] {
				t.Fatalf("line %s: reached %v, and the proof says %q\n%s", line.ID, reached[k], lint, text)
			}
		}
	})
}

// Only what a line moves is changed by it: every other duty has the outcome that it had without it.
func TestLineChangesOnlyWhatItMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := randomService(t)
		system := base()
		system["aws/thing.yaml"] = &fstest.MapFile{Data: []byte(text)}
		book, err := rulebook.Load(system)
		if err != nil {
			t.Fatal(err)
		}
		svc := book.Service("aws/thing")
		if err := svc.Compile(); err != nil {
			t.Fatal(err)
		}
		truths := rapid.SliceOfN(rapid.SampledFrom([]rulebook.Tri{rulebook.Unknown, rulebook.False, rulebook.True}), len(svc.Lines), len(svc.Lines)).Draw(t, "truths")
		for d, duty := range demarc.Duties {
			c := svc.Choose(d, func(line int) rulebook.Tri { return truths[line] })
			if duty != movedDuty && (c.Outcome != svc.Base[d] || c.Line != -1 || c.Differs) {
				t.Fatalf("%s is decided by line %d", duty, c.Line)
			}
			if duty == movedDuty && !slices.Contains(truths, rulebook.Unknown) {
				want := svc.Base[d]
				if first := slices.Index(truths, rulebook.True); first >= 0 {
					want = svc.Lines[first].Moves[d]
				}
				if c.Outcome != want || c.Differs {
					t.Fatalf("truths %v: line %d decides", truths, c.Line)
				}
			}
		}
	})
}
