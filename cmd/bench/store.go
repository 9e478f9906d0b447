package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/generate"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/scan"
	"github.com/demarc/demarc/internal/store"
)

// storeReport is what a store took.
type storeReport struct {
	Store     string          `json:"store"`
	Resources int             `json:"resources"`
	Answers   time.Duration   `json:"answers"` // processor time of going through them without a store: each scan has it too
	Standings int64           `json:"standings"`
	Scans     []storedScan    `json:"scans"`
	Queries   []measuredQuery `json:"queries"`
	Peak      int64           `json:"peak_memory"` // of the process that recorded and asked
}

// storedScan is one scan: what it changed, how long it took, and how large the store was then.
type storedScan struct {
	What    string        `json:"what"`
	Changed int           `json:"changed"`
	Moves   int           `json:"moves"`
	Wall    time.Duration `json:"wall"`
	CPU     time.Duration `json:"cpu"`
	Bytes   int64         `json:"bytes"`
}

// measuredQuery is one kind of question, asked many times of the latest scan.
type measuredQuery struct {
	Name  string        `json:"name"`
	First time.Duration `json:"first"`
	Alone time.Duration `json:"first_cpu"` // processor time of the first: what it takes on a machine that does nothing else
	P50   time.Duration `json:"p50"`
	P95   time.Duration `json:"p95"`
	CPU   time.Duration `json:"cpu"` // of the process, the mean: what a machine that does nothing else would take
}

// storeCommand measures a store: a first scan, one in which nothing changed, some with changes, and the queries of lists
// and overviews. The answers are those of a generated estate, gone through several times under other ids and accounts.
func storeCommand(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("store", flag.ContinueOnError)
	resources := flags.Int("resources", 100_000, "resources to store")
	times := flags.Int("times", 10, "how many copies of a generated estate they are made of")
	accounts := flags.Int("accounts", 1000, "accounts")
	seed := flags.Uint64("seed", 1, "of the estate")
	days := flags.Int("days", 8, "scans in which one resource in a hundred changes")
	rounds := flags.Int("rounds", 20, "how often each query is asked")
	ask := flags.Bool("ask", false, "only ask the store of --store, which is there")
	place := flags.String("store", "", "store to write to: a file that is not there, or the URL of an empty database; by default a file that is removed at the end")
	jsonFile := flags.String("json", "", "write the measurements to `FILE`")
	cpuProfile := flags.String("cpuprofile", "", "write a profile of the scans after the first to `FILE`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *ask {
		return askStore(ctx, *place, *rounds, *cpuProfile, out)
	}
	dir, err := os.MkdirTemp("", "demarc-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if *place == "" {
		*place = filepath.Join(dir, "bench.db")
	}
	answers, about, err := storeAnswers(ctx, dir, generate.Estate{Format: generate.AWSConfig, Resources: max(1, *resources / *times), Accounts: max(1, *accounts / *times), Seed: *seed})
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, *place, store.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	r := storeReport{Store: s.Name()}
	cpu := processorTime()
	for range copies(answers, *times, 0) {
	}
	r.Answers = processorTime() - cpu
	day := asOf
	record := func(what string, answers iter.Seq[*demarc.Answer]) error {
		about.AsOf = day
		runtime.GC()
		begin, cpu := time.Now(), processorTime()
		c, err := s.Record(ctx, store.Recording{Run: about, Finished: day, Actor: "bench", Sources: []demarc.SourceStatus{{Name: "bench", Complete: true}}}, answers)
		if err != nil {
			return err
		}
		m := storedScan{What: what, Changed: c.Changed, Moves: c.Moves, Wall: time.Since(begin), CPU: processorTime() - cpu}
		stats, err := s.Stats(ctx)
		if err != nil {
			return err
		}
		m.Bytes, r.Resources, r.Standings = stats.Bytes, c.Resources, stats.Standings
		r.Scans = append(r.Scans, m)
		fmt.Fprintf(os.Stderr, "%s: %d resources, %d changed, %d moves: %.1f s (%.1f s of processor time), %.0f MB\n", what, c.Resources, c.Changed, c.Moves, m.Wall.Seconds(), m.CPU.Seconds(), float64(m.Bytes)/1e6)
		day = day.AddDate(0, 0, 1)
		return nil
	}
	if err := record("first", copies(answers, *times, 0)); err != nil {
		return err
	}
	stop, err := profiled(*cpuProfile)
	if err != nil {
		return err
	}
	if err := record("unchanged", copies(answers, *times, 0)); err != nil {
		return err
	}
	for i := range *days {
		if err := record("one in a hundred", copies(answers, *times, i+1)); err != nil {
			return err
		}
	}
	stop()
	if r.Queries, err = storeQueries(ctx, s, about.Organization, *rounds); err != nil {
		return err
	}
	r.Peak = peakMemory()
	if *jsonFile != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*jsonFile, append(text, '\n'), 0o600); err != nil {
			return err
		}
	}
	return r.table(out)
}

// askStore asks a store that is there.
func askStore(ctx context.Context, place string, rounds int, profile string, out io.Writer) error {
	s, err := store.Open(ctx, place, store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer s.Close()
	list, err := s.Organizations(ctx)
	if err != nil || len(list) == 0 {
		return fmt.Errorf("organizations of %s: %d, %w", s.Name(), len(list), err)
	}
	stop, err := profiled(profile)
	if err != nil {
		return err
	}
	defer stop()
	r := storeReport{Store: s.Name(), Resources: list[0].Latest.Resources}
	if r.Queries, err = storeQueries(ctx, s, list[0].Name, rounds); err != nil {
		return err
	}
	r.Peak = peakMemory()
	return r.table(out)
}

// storeAnswers returns the answers for a generated estate, which are held: to go through a result judges, and that is not
// to be measured.
func storeAnswers(ctx context.Context, dir string, e generate.Estate) ([]*demarc.Answer, demarc.Run, error) {
	book, err := rulebook.Load(catalog.Files)
	if err != nil {
		return nil, demarc.Run{}, err
	}
	at := filepath.Join(dir, "estate")
	if _, _, err := e.WriteDir(at); err != nil {
		return nil, demarc.Run{}, err
	}
	est, err := estate.Parse("generated", generate.Declarations(e.Seed, []generate.Format{e.Format}, e.Accounts), book.Parties())
	if err != nil {
		return nil, demarc.Run{}, err
	}
	sources, _, err := sourcesOf(ctx, book, []string{at})
	if err != nil {
		return nil, demarc.Run{}, err
	}
	result, err := scan.Run(ctx, scan.Config{Book: book, Estate: est, AsOf: asOf, Sources: sources})
	if err != nil {
		return nil, demarc.Run{}, err
	}
	var answers []*demarc.Answer
	for a := range result.Answers() {
		one := a.Clone()
		standing := *a.Standing
		one.Standing = &standing
		answers = append(answers, one)
	}
	return answers, demarc.Run{Organization: est.Organization, Catalog: "bench", Estate: est.Digest, Documents: result.Documents}, result.Close()
}

// copies goes through the answers several times, each time under other ids and accounts. On day n, each hundredth
// resource from the n-th on is as the one of its service before it was: that is 1 % of changes a day, some of them moves.
func copies(list []*demarc.Answer, times, day int) iter.Seq[*demarc.Answer] {
	return func(yield func(*demarc.Answer) bool) {
		i := 0
		for n := range times {
			before := map[demarc.ServiceID]*demarc.Answer{}
			prefix, suffix := demarc.ResourceID(fmt.Sprintf("copy%03d:", n)), fmt.Sprintf("-%03d", n)
			for _, a := range list {
				own := *a
				one := &own
				one.Resource.ID = prefix + a.Resource.ID
				one.Resource.Account += suffix
				one.Resource.Source = "bench"
				if x := before[one.Resource.Service]; x != nil && i%100 < day {
					one.Standing, one.Facts = x.Standing, x.Facts
				} else {
					before[one.Resource.Service] = one
				}
				i++
				if !yield(one) {
					return
				}
			}
		}
	}
}

// storeQueries asks what pages and lists ask.
func storeQueries(ctx context.Context, s *store.Store, organization string, rounds int) ([]measuredQuery, error) {
	at := demarc.At{Organization: organization}
	begin, cpu := time.Now(), processorTime()
	if _, err := s.Overview(ctx, at, demarc.Filter{}); err != nil {
		return nil, err
	}
	out := []measuredQuery{{Name: "an overview of a store that was just opened", First: time.Since(begin), CPU: processorTime() - cpu}}
	begin, cpu = time.Now(), processorTime()
	if err := s.Warm(ctx, organization); err != nil {
		return nil, err
	}
	out = append(out, measuredQuery{Name: "reading the rest into memory, once", First: time.Since(begin), CPU: processorTime() - cpu})
	filters := []struct{ name, query string }{
		{"everything", ""}, {"one cloud", "provider=aws"}, {"high gaps of a service", "service=aws/s3&gap=failing&severity=high"}, {"held by us, unverified", "holder=customer&state=unverified"}, {"words", "q=copy003+vol"}, {"a tag", "tag=env=prod"},
	}
	ask := func(name string, query func() error) error {
		var all []time.Duration
		var alone time.Duration
		cpu := processorTime()
		for range rounds {
			begin := time.Now()
			if err := query(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if all = append(all, time.Since(begin)); len(all) == 1 {
				alone = processorTime() - cpu
			}
		}
		first := all[0]
		if all = all[1:]; len(all) == 0 {
			all = []time.Duration{first}
		}
		slices.Sort(all)
		out = append(out, measuredQuery{Name: name, First: first, Alone: alone, P50: all[len(all)/2], P95: all[len(all)*95/100], CPU: (processorTime() - cpu) / time.Duration(rounds)})
		return nil
	}
	for _, f := range filters {
		values := map[string][]string{}
		for pair := range strings.SplitSeq(f.query, "&") {
			if k, v, ok := strings.Cut(pair, "="); ok {
				values[k] = append(values[k], strings.ReplaceAll(v, "+", " "))
			}
		}
		filter, err := demarc.ParseFilter(values)
		if err != nil {
			return nil, err
		}
		for _, q := range []struct {
			name string
			ask  func() error
		}{
			{"overview", func() error { _, err := s.Overview(ctx, at, filter); return err }},
			{"groups by account", func() error { _, err := s.Groups(ctx, at, filter, demarc.ByAccount); return err }},
			{"groups by gap", func() error { _, err := s.Groups(ctx, at, filter, demarc.ByGap); return err }},
			{"line by service", func() error { _, err := s.Line(ctx, at, filter, demarc.ByService, 30); return err }},
			{"resources", func() error {
				p, err := s.Resources(ctx, at, filter, demarc.OrderID, demarc.Page{})
				if err == nil && p.Next != "" {
					_, err = s.Resources(ctx, at, filter, demarc.OrderID, demarc.Page{After: p.Next})
				}
				return err
			}},
			{"resources, worst first", func() error {
				_, err := s.Resources(ctx, at, filter, demarc.OrderWorst, demarc.Page{})
				return err
			}},
			{"findings, worst first", func() error {
				_, err := s.Findings(ctx, at, filter, demarc.FindingsOpen, demarc.OrderWorst, demarc.Page{})
				return err
			}},
			{"findings that were resolved", func() error {
				_, err := s.Findings(ctx, at, filter, demarc.FindingsResolved, "", demarc.Page{})
				return err
			}},
			{"finding groups", func() error { _, err := s.FindingGroups(ctx, at, filter); return err }},
			{"blind spots", func() error { _, err := s.BlindSpots(ctx, at, filter); return err }},
			{"moves", func() error {
				_, err := s.Moves(ctx, organization, filter, demarc.Period{}, demarc.Page{})
				return err
			}},
			{"trend", func() error { _, err := s.Trend(ctx, organization, filter, demarc.Period{}); return err }},
		} {
			if err := ask(q.name+": "+f.name, q.ask); err != nil {
				return nil, err
			}
		}
	}
	list, err := s.Resources(ctx, at, demarc.Filter{}, demarc.OrderWorst, demarc.Page{Limit: rounds})
	if err != nil {
		return nil, err
	}
	i := 0
	return out, ask("one resource", func() error {
		i++
		_, err := s.Answer(ctx, at, list.Items[i%len(list.Items)].ID)
		return err
	})
}

func (r *storeReport) table(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d resources, %d standings, %.0f MB of memory at most; %.1f s of each scan's CPU is making its answers\n\n", r.Store, r.Resources, r.Standings, float64(r.Peak)/1e6, r.Answers.Seconds())
	for _, c := range r.Scans {
		fmt.Fprintf(&b, "%-20s %8d changed %8d moves %8.1f s %8.1f s CPU %8.0f MB\n", c.What, c.Changed, c.Moves, c.Wall.Seconds(), c.CPU.Seconds(), float64(c.Bytes)/1e6)
	}
	b.WriteByte('\n')
	var first, alone, again []time.Duration
	for _, q := range r.Queries {
		if q.P50 > 0 {
			first, alone, again = append(first, q.First), append(alone, q.Alone), append(again, q.P95)
		}
	}
	slices.Sort(first)
	slices.Sort(alone)
	slices.Sort(again)
	fmt.Fprintf(&b, "%d kinds of query, asked for the first time: p50 %.1f ms, p95 %.1f ms, at most %.1f ms (of processor time %.1f, %.1f, %.1f); p95 of each asked again: at most %.1f ms\n\n",
		len(first), ms(first[len(first)/2]), ms(first[len(first)*95/100]), ms(first[len(first)-1]), ms(alone[len(alone)/2]), ms(alone[len(alone)*95/100]), ms(alone[len(alone)-1]), ms(again[len(again)-1]))
	for _, q := range r.Queries {
		fmt.Fprintf(&b, "%-60s first %8.1f ms (%8.1f ms CPU)   p50 %8.1f ms   p95 %8.1f ms   CPU %8.1f ms\n", q.Name, ms(q.First), ms(q.Alone), ms(q.P50), ms(q.P95), ms(q.CPU))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
