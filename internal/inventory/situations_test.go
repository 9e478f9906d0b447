package inventory_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/spill"
)

var update = flag.Bool("update", false, "write the golden files anew")

var asOf = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// book is the small catalog of testdata, with its two archetypes: "plain" has no guest, "guest" has one.
var book = sync.OnceValues(func() (*rulebook.Rulebook, error) {
	archetypes := fstest.MapFS{}
	for _, id := range []string{"plain", "guest", "unclassified"} {
		var b strings.Builder
		fmt.Fprintf(&b, "archetype: %s\ntitle: A thing\nabout: A thing.\nmodel: paas\nduties:\n", id)
		for _, d := range demarc.Duties {
			row := "{holder: operator, part: Does it., source: page}"
			if d.Layer() == "guest" && id == "plain" {
				row = "{holder: not-applicable, part: There is none., source: page}"
			}
			fmt.Fprintf(&b, "  %s: %s\n", d, row)
		}
		b.WriteString("sources:\n  page: {url: \"https://example.com/page\", section: All, read: 2026-11-23, says: All is said.}\n")
		archetypes["archetypes/"+id+".yaml"] = &fstest.MapFile{Data: []byte(b.String())}
	}
	return rulebook.Load(archetypes, os.DirFS("testdata/catalog"))
})

func theBook(t testing.TB) *rulebook.Rulebook {
	t.Helper()
	b, err := book()
	if err == nil {
		err = b.Lint()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reading hands documents straight to a Reader.
type reading struct {
	r     *inventory.Reader
	notes *[]demarc.Note
}

func (s *reading) Document(_ context.Context, d demarc.Document) error {
	s.r.Read(d)
	return nil
}

func (s *reading) Note(n demarc.Note) { *s.notes = append(*s.notes, n) }

// settle reads a directory, or a file, and settles what is in it.
func settle(t testing.TB, b *rulebook.Rulebook, source demarc.Source, dir string, budget int64, shuffle func([]file.Input)) *inventory.Settled {
	t.Helper()
	store := spill.NewStore("", budget)
	t.Cleanup(func() { _ = store.Close() })
	inv := inventory.New(b, asOf, store)
	r := inv.Reader()
	inputs, _, err := file.Find(t.Context(), dir, source)
	if err != nil {
		t.Fatal(err)
	}
	if shuffle != nil {
		shuffle(inputs)
	}
	var notes []demarc.Note
	for _, in := range inputs {
		src := file.Source{Input: in, Envelopes: b.EnvelopeIndex()}
		if err := src.Collect(t.Context(), &reading{r, &notes}); err != nil {
			t.Fatal(err)
		}
	}
	r.Flush()
	out, err := inv.Settle(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		out.Notes.Add(n)
	}
	return out
}

// TestSituations reads the files of each situation and compares what they come to: resources with their facts and the
// origin of each, what was told, and where documents disagree.
func TestSituations(t *testing.T) {
	b := theBook(t)
	files, err := filepath.Glob("testdata/situations/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no situations", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			source := demarc.Source{Name: "in"}
			want := -1
			for i, f := range ar.Files {
				switch f.Name {
				case "want":
					want = i
				case "source": // what demarc.yaml says of it: name account region
					fields := append(strings.Fields(string(f.Data)), "", "", "")
					source = demarc.Source{Name: fields[0], Declared: true, Account: fields[1], Region: fields[2]}
				default:
					path := filepath.Join(dir, filepath.FromSlash(f.Name))
					if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, f.Data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			got := strings.ReplaceAll(show(t, settle(t, b, source, dir, 1<<30, nil)), dir+string(filepath.Separator), "")
			backwards := strings.ReplaceAll(show(t, settle(t, b, source, dir, 0, func(in []file.Input) { slices.Reverse(in) })), dir+string(filepath.Separator), "")
			if diff := cmp.Diff(got, backwards); diff != "" {
				t.Errorf("the order of inputs matters, or whether anything fits in memory:\n%s", diff)
			}
			if *update {
				if want < 0 {
					ar.Files = append(ar.Files, txtar.File{Name: "want"})
					want = len(ar.Files) - 1
				}
				ar.Files[want].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(ar), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want < 0 {
				t.Fatalf("%s says not what is wanted", name)
			}
			if diff := cmp.Diff(string(ar.Files[want].Data), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// show writes what was settled as a person reads it. Facts of implied resources, of which nothing is known, are left out.
func show(t testing.TB, s *inventory.Settled) string {
	t.Helper()
	var b strings.Builder
	maker := s.Maker(&s.Notes)
	batches, err := s.Batches()
	if err != nil {
		t.Fatal(err)
	}
	var batch inventory.Batch
	for batches.Next(&batch) {
		items := maker.Items(&batch, nil)
		for i := range items {
			showItem(&b, &items[i])
		}
	}
	if err := batches.Err(); err != nil {
		t.Fatal(err)
	}
	for _, d := range s.Drift.Kept {
		fmt.Fprintf(&b, "drift: %s of %s is %s, and %s in %s\n", d.Fact, d.Resource, d.Kept, d.Other, d.From.Input)
	}
	notes := slices.Clone(s.Notes.Kept)
	slices.SortFunc(notes, func(x, y demarc.Note) int {
		return strings.Compare(x.Pos.Input+string(x.Kind)+x.Message, y.Pos.Input+string(y.Kind)+y.Message)
	})
	for _, n := range notes {
		fmt.Fprintf(&b, "%s: %s: %s\n", n.Pos.Input, n.Kind, n.Message)
	}
	if s.Parts > 0 {
		fmt.Fprintf(&b, "parts: %d\n", s.Parts)
	}
	return b.String()
}

func showItem(b *strings.Builder, item *inventory.Item) {
	r := &item.Resource
	fmt.Fprintf(b, "%s\n  %s %s", r.ID, r.Service, r.Type)
	for _, pair := range [][2]string{{"account", r.Account}, {"region", r.Region}, {"name", r.Name}} {
		if pair[1] != "" {
			fmt.Fprintf(b, " %s=%s", pair[0], pair[1])
		}
	}
	if r.Tags != "" {
		fmt.Fprintf(b, " tags=%v", r.Tags.Map())
	}
	if r.Implied {
		b.WriteString(" implied")
	}
	if item.Inside {
		b.WriteString(" inside")
	}
	if item.Roles != nil {
		fmt.Fprintf(b, " host=%s operator=%s", item.Roles.Host, item.Roles.Operator)
		if item.Roles.Assumed {
			b.WriteString(" assumed")
		}
	}
	b.WriteString("\n")
	for k := range item.Service.Facts {
		f := demarc.NamedFact{Name: item.Service.Facts[k].Name, Fact: item.Facts.At(k), Sensitive: item.Service.Facts[k].Sensitive || slices.Contains(item.Hidden, k)}
		switch {
		case r.Implied && !f.Fact.Known() && f.Fact.Origin == demarc.Unresolved:
		case f.Fact.Known() && item.Service.Facts[k].Type == demarc.TypeDocument && !f.Sensitive:
			fmt.Fprintf(b, "    %s = %s (%s)\n", f.Name, f.Fact.Value, f.Fact.Origin)
		default:
			fmt.Fprintf(b, "    %s = %s (%s)\n", f.Name, f.Shown(), f.Fact.Origin)
		}
	}
}
