//go:build unix

package assess_test

import (
	"bytes"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/assess"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/generate"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/responsibility"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/scan"
)

// BenchmarkWorker resolves and judges the resources of a generated estate again and again, with and without the
// declarations of a large organization, by as many workers as there are processors (-cpu 1,2). It tells nanoseconds of
// processor time for each resource, which other work on the machine disturbs less than the time that passes.
func BenchmarkWorker(b *testing.B) {
	book, err := rulebook.Load(catalog.Files)
	if err != nil {
		b.Fatal(err)
	}
	const accounts = 100
	formats := []generate.Format{generate.AWSConfig}
	declared, err := estate.Parse("demarc.yaml", generate.Declarations(1, formats, accounts), book.Parties())
	if err != nil {
		b.Fatal(err)
	}
	items := generated(b, book, generate.Estate{Format: formats[0], Resources: 20000, Accounts: accounts, Seed: 1})
	for name, est := range map[string]*estate.Estate{"declared": declared, "undeclared": {}} {
		b.Run(name, func(b *testing.B) {
			a := assess.New(responsibility.New(book, est, asOf), est, asOf)
			workers := make([]*assess.Worker, runtime.GOMAXPROCS(0))
			for i := range workers {
				workers[i] = a.Worker()
			}
			each := func() {
				var group errgroup.Group
				for i, w := range workers {
					group.Go(func() error {
						for k := i * len(items) / len(workers); k < (i+1)*len(items)/len(workers); k++ {
							if _, err := w.Assess(items[k]); err != nil {
								return err
							}
						}
						return nil
					})
				}
				if err := group.Wait(); err != nil {
					b.Fatal(err)
				}
			}
			each()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := processorTime(b)
			for b.Loop() {
				each()
			}
			took := processorTime(b) - begin
			runtime.ReadMemStats(&after)
			n := float64(b.N * len(items))
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/resource")
			b.ReportMetric(float64(took.Nanoseconds())/n, "cpu-ns/resource")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/resource")
			type parts struct {
				profile **demarc.Assignment
				states  **demarc.Verdict
				teams   *string
				beliefs string
			}
			standings, profiles, states := map[parts]bool{}, map[**demarc.Assignment]bool{}, map[**demarc.Verdict]bool{}
			for _, item := range items {
				s, err := workers[0].Assess(item)
				if err != nil {
					b.Fatal(err)
				}
				of := parts{profile: &s.Assignments[0], states: &s.Verdicts[0], beliefs: fmt.Sprint(s.Beliefs)}
				if s.Teams != nil {
					of.teams = &s.Teams[0]
				}
				standings[of], profiles[of.profile], states[of.states] = true, true, true
			}
			b.Logf("%d resources, %d standings of %d profiles and %d lists of states", len(items), len(standings), len(profiles), len(states))
		})
	}
}

// generated returns the resources of a generated estate.
func generated(b *testing.B, book *rulebook.Rulebook, e generate.Estate) []*inventory.Item {
	files, err := e.Files()
	if err != nil {
		b.Fatal(err)
	}
	var sources []scan.Source
	for f := range files {
		var text bytes.Buffer
		if err := f.Write(&text); err != nil {
			b.Fatal(err)
		}
		in := file.Input{Path: "-", Named: true, Source: &demarc.Source{Name: "estate", Input: fmt.Sprint(len(sources))}}
		sources = append(sources, &file.Source{Input: in, Stdin: &text, Envelopes: book.EnvelopeIndex()})
	}
	result, err := scan.Run(b.Context(), scan.Config{Book: book, Estate: &estate.Estate{}, AsOf: asOf, Sources: sources})
	if err != nil {
		b.Fatal(err)
	}
	defer result.Close()
	table := inventory.NewTable()
	var items []*inventory.Item
	for f := range result.Findings() {
		item := *f.Item
		facts := make([]demarc.Fact, len(item.Service.Facts))
		for i := range facts {
			facts[i] = item.Facts.At(i)
		}
		item.Facts = table.Row(item.Service, facts)
		items = append(items, &item)
	}
	return items
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
