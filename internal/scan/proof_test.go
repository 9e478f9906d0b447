package scan_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/scan"
)

var asOf = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// book is the catalog that is built in; it does not change.
var book = sync.OnceValues(func() (*rulebook.Rulebook, error) { return rulebook.Load(catalog.Files) })

// assess runs the whole pipeline over files and returns what it says of each resource.
func assess(t *testing.T, est *estate.Estate, paths ...string) ([]*demarc.Answer, *scan.Result) {
	t.Helper()
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	if est == nil {
		est = &estate.Estate{}
	}
	var sources []scan.Source
	for _, path := range paths {
		inputs, _, err := file.Find(t.Context(), path, demarc.Source{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range inputs {
			sources = append(sources, &file.Source{Input: in, Envelopes: b.EnvelopeIndex()})
		}
	}
	result, err := scan.Run(context.Background(), scan.Config{Book: b, Estate: est, AsOf: asOf, Sources: sources})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = result.Close() })
	var out []*demarc.Answer
	for a := range result.Answers() {
		out = append(out, a.Clone())
	}
	return out, result
}

// TestProofs replays the proof of every service, and asks that it proves all of it: both sides of each line, and a
// pass, a fail and an unknown of each check.
func TestProofs(t *testing.T) {
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	proofs, err := rulebook.Proofs(catalog.Files)
	if err != nil {
		t.Error(err)
	}
	for _, p := range proofs {
		t.Run(strings.TrimSuffix(p.File, "_test.yaml"), func(t *testing.T) {
			t.Parallel()
			svc := b.Service(demarc.ServiceID(p.Service))
			if svc == nil {
				t.Fatalf("%s: no service %q", p.File, p.Service)
			}
			seen := map[string]bool{}
			for i := range p.Cases {
				replay(t, svc, &p.Cases[i], seen)
			}
			for _, line := range svc.Lines {
				for _, side := range []string{"applies", "does not apply"} {
					if side == "does not apply" && len(line.When.Reads) == 0 {
						continue // it asks nothing: it always applies
					}
					if !seen["line "+line.ID+" "+side] {
						t.Errorf("%s: no case in which line %s %s", p.File, line.ID, side)
					}
				}
			}
			for _, c := range svc.Checks {
				for _, result := range []demarc.CheckResult{demarc.CheckPass, demarc.CheckFail, demarc.CheckUnknown} {
					if !seen["check "+c.ID+" "+string(result)] {
						t.Errorf("%s: no case in which check %s comes to %s", p.File, c.ID, result)
					}
				}
			}
		})
	}
	for _, svc := range b.Services() {
		if (len(svc.Lines) > 0 || len(svc.Checks) > 0) && !slices.ContainsFunc(proofs, func(p rulebook.Proof) bool { return p.Service == string(svc.ID) }) {
			t.Errorf("%s has no proof beside it", svc.ID)
		}
	}
}

func replay(t *testing.T, svc *rulebook.Service, c *rulebook.ProofCase, seen map[string]bool) {
	t.Helper()
	answers, result := run(t, c)
	a, why := find(answers, svc.ID, c.Resource)
	if a == nil {
		t.Errorf("%s: %s: %s%s", c.Pos, c.Name, why, told(result))
		return
	}
	for _, n := range result.Notes.Kept {
		if n.Kind == demarc.NoteCatalog {
			t.Errorf("%s: %s: %s", c.Pos, c.Name, n.Message)
		}
	}
	for _, w := range c.Want.Duties {
		i := demarc.DutyIndex(demarc.DutyID(w.Key))
		if i < 0 {
			t.Errorf("%s: no duty %q", w.Pos, w.Key)
		} else if got := a.Assignments[i].Holder; string(got) != w.Value {
			t.Errorf("%s: %s: %s is %s, want %s", w.Pos, c.Name, w.Key, got, w.Value)
		}
	}
	for _, d := range c.Want.Assumed {
		if i := demarc.DutyIndex(demarc.DutyID(d)); i < 0 || !a.Assignments[i].Assumed {
			t.Errorf("%s: %s: %s is not assumed", c.Pos, c.Name, d)
		}
	}
	for _, w := range c.Want.Facts {
		f, ok := a.Fact(w.Key)
		want := w.Value.Value
		if got := f.Fact.Value.String(); !ok || got != want {
			t.Errorf("%s: %s: fact %s is %s, want %s", w.Pos, c.Name, w.Key, got, want)
		}
	}
	for _, w := range c.Want.Checks {
		k := slices.IndexFunc(a.Checks, func(x demarc.CheckOutcome) bool { return x.ID == string(svc.ID)+"/"+w.Key })
		if k < 0 {
			t.Errorf("%s: %s has no check %q", w.Pos, svc.ID, w.Key)
		} else if got := a.Checks[k].Result; string(got) != w.Value {
			t.Errorf("%s: %s: check %s comes to %s %v, want %s", w.Pos, c.Name, w.Key, got, a.Checks[k].Missing, w.Value)
		} else {
			seen["check "+w.Key+" "+w.Value] = true
		}
	}
	f := findingOf(result, a)
	for _, line := range svc.Lines {
		switch line.When.Eval(svc, &f.Item.Facts, asOf).Truth {
		case rulebook.True:
			seen["line "+line.ID+" applies"] = true
		case rulebook.False:
			seen["line "+line.ID+" does not apply"] = true
		case rulebook.Unknown:
		}
	}
}

// run assesses the document of a case.
func run(t *testing.T, c *rulebook.ProofCase) ([]*demarc.Answer, *scan.Result) {
	t.Helper()
	body, err := c.Body()
	if err != nil {
		t.Fatalf("%s: %v", c.Pos, err)
	}
	name := "case.json"
	if c.Document == nil {
		name = "case.yaml"
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	var est *estate.Estate
	if c.Estate != nil {
		text, err := yaml.Marshal(c.Estate)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := book()
		if est, err = estate.Parse("estate", text, b.Parties()); err != nil {
			t.Fatalf("%s: %v", c.Pos, err)
		}
	}
	return assess(t, est, path)
}

func findingOf(r *scan.Result, a *demarc.Answer) *scan.Finding {
	for f := range r.Findings() {
		if f.Item.Resource.ID == a.Resource.ID && f.Item.Resource.Service == a.Resource.Service {
			return f
		}
	}
	return nil
}

// find returns the answer of a service whose resource has that id or suffix; with no id the only one.
func find(answers []*demarc.Answer, svc demarc.ServiceID, id string) (*demarc.Answer, string) {
	var hits []*demarc.Answer
	var ids []string
	for _, a := range answers {
		ids = append(ids, string(a.Resource.Service)+" "+string(a.Resource.ID))
		if a.Resource.Service == svc && (id == "" && !a.Resource.Implied || id != "" && strings.HasSuffix(strings.ToLower(string(a.Resource.ID)), strings.ToLower(id)) || id != "" && strings.EqualFold(a.Resource.Name, id)) {
			hits = append(hits, a)
		}
	}
	if id == "" && len(hits) == 0 {
		for _, a := range answers {
			if a.Resource.Service == svc {
				hits = append(hits, a)
			}
		}
	}
	if len(hits) == 1 {
		return hits[0], ""
	}
	return nil, fmt.Sprintf("%d resources fit %q, of: %s", len(hits), id, strings.Join(ids, ", "))
}

func told(r *scan.Result) string {
	var b strings.Builder
	for _, n := range r.Notes.Kept {
		fmt.Fprintf(&b, "; %s: %s", n.Kind, n.Message)
	}
	return b.String()
}
