package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/generate"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/scan"
)

// TestSameBytes assesses estates of every format, the examples, and a folder full of mistakes: what is written is the same
// bytes however many processors take part, in whatever order inputs come, and whether records are held in memory or in
// files.
func TestSameBytes(t *testing.T) {
	book, err := builtIn()
	if err != nil {
		t.Fatal(err)
	}
	northwind, err := estate.Load("../../examples/northwind/demarc.yaml", book.Parties())
	if err != nil {
		t.Fatal(err)
	}
	type input struct {
		name, dir string
		estate    *estate.Estate
	}
	inputs := []input{
		{"northwind", "../../examples/northwind", northwind},
		{"pull request", "../../examples/pull-request", &estate.Estate{}},
		{"mistakes", mistakes(t), &estate.Estate{}},
	}
	for _, format := range generate.Formats {
		dir := t.TempDir()
		if _, _, err := (generate.Estate{Format: format, Resources: 150, Accounts: 4, Seed: 7}).WriteDir(dir); err != nil {
			t.Fatal(err)
		}
		e, err := estate.Parse("demarc.yaml", generate.Declarations(7, []generate.Format{format}, 4), book.Parties())
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, input{string(format), dir, e})
	}
	for _, in := range inputs {
		t.Run(in.name, func(t *testing.T) {
			t.Parallel()
			var want map[string]string
			for i, way := range []struct {
				workers  int
				memory   int64
				backward bool
			}{{1, 0, false}, {2, 0, false}, {3, 0, true}, {8, 0, false}, {1, 1, true}, {3, 1, false}, {8, 1, true}} {
				got := everything(t, book, in.estate, in.dir, way.workers, way.memory, way.backward)
				if i == 0 {
					want = got
					continue
				}
				for name, text := range got {
					if text != want[name] {
						t.Errorf("%s with %+v differs: %s", name, way, difference(want[name], text))
					}
				}
			}
		})
	}
}

// mistakes makes a folder of many files with more mistakes than are kept, of many texts and places.
func mistakes(t *testing.T) string {
	dir := t.TempDir()
	for i := range 40 {
		var text strings.Builder
		for k := range 50 {
			fmt.Fprintf(&text, "{%q:1}\n{}\n{\"configurationItems\":[{\"resourceType\":\"AWS::Own::Type%d\",\"resourceId\":\"r%d\",\"configuration\":{}}, 7]}\n", fmt.Sprint("member", (i*k)%700), k, k%5)
			fmt.Fprintf(&text, "{\"configurationItem\":{\"resourceType\":\"AWS::RDS::DBInstance\",\"ARN\":\"arn:aws:rds:eu-west-1:1:db:d%d\",\"configuration\":{\"engine\":%d,\"autoMinorVersionUpgrade\":\"x%d\"}}}\n", k%9, i, k)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.json", i)), []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// everything assesses a folder and returns all that can be written of it, by format.
func everything(t *testing.T, book *rulebook.Rulebook, est *estate.Estate, dir string, workers int, memory int64, backward bool) map[string]string {
	t.Helper()
	found, notes, err := file.Find(t.Context(), dir, demarc.Source{Name: "in"})
	if err != nil {
		t.Fatal(err)
	}
	if backward {
		slices.Reverse(found)
	}
	var sources []scan.Source
	for _, in := range found {
		sources = append(sources, &file.Source{Input: in, Envelopes: book.EnvelopeIndex()})
	}
	asOf := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	result, err := scan.Run(t.Context(), scan.Config{Book: book, Estate: est, AsOf: asOf, Sources: sources, Workers: workers, Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		result.Notes.Add(n)
	}
	var out, said bytes.Buffer
	a := &app{Streams: Streams{Out: &out, Err: &said}, getenv: func(string) string { return "" }}
	r := &run{Result: result, book: book, estate: est, asOf: asOf, closing: result.Close}
	defer r.close()
	all := map[string]string{}
	for _, format := range []string{"table", "ndjson", "json", "csv", "markdown"} {
		out.Reset()
		if err := a.report(&out, format, r); err != nil {
			t.Fatal(err)
		}
		all[format] = out.String()
	}
	_ = a.end(r, false) // its code is in what it says
	if memory == 1 && result.Resources > 0 && result.Spilled == 0 {
		t.Error("nothing was written to a file")
	}
	all["standard error"] = said.String()
	return all
}

// difference shows where two texts part.
func difference(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	cut := func(s string) string { return s[max(0, i-200):min(len(s), i+200)] }
	return fmt.Sprintf("at byte %d\n%q\nand\n%q", i, cut(a), cut(b))
}
