package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/generate"
	"github.com/demarc/demarc/internal/rulebook"
)

// bench is one run of the bench command.
type bench struct {
	dir       string
	resources int
	accounts  int
	seed      uint64
	runs      int
	cpus      []int
	progress  io.Writer
	book      *rulebook.Rulebook
}

// few is an estate so small that all a run over it does is what is done once: compile, settle, begin.
const few = 300

// report is what a run of the bench command found.
type report struct {
	Go        string         `json:"go"`
	System    string         `json:"system"`
	CPUs      int            `json:"cpus"`
	Day       string         `json:"day"`
	Resources int            `json:"resources"`
	Accounts  int            `json:"accounts"`
	Runs      int            `json:"runs"`
	Formats   []formatReport `json:"formats"`
	Growth    []growthReport `json:"growth"`
	Start     startReport    `json:"start"`
}

// formatReport is the measurements of one format: medians over the runs.
type formatReport struct {
	Format     generate.Format `json:"format"`
	Documents  int64           `json:"documents"`
	Resources  int             `json:"resources"`
	Bytes      int64           `json:"bytes"`
	Conditions float64         `json:"conditions"` // lines and checks, per resource
	Decode     rate            `json:"decode"`
	MapAndCEL  rate            `json:"map_and_cel"`
	On         []onReport      `json:"on"`
}

// onReport is the measurements on a number of processors. What is done once is left out of all but Wall and Once.
type onReport struct {
	CPUs         int           `json:"cpus"`
	Wall         time.Duration `json:"wall"`
	CPU          time.Duration `json:"cpu"`
	Once         time.Duration `json:"once"`
	Allocations  float64       `json:"allocations"`  // per resource
	PeakMemory   int64         `json:"peak_memory"`  // bytes
	OfDecodeOnly float64       `json:"of_decode"`    // MB per CPU-second, of those of decode-only in the same run
	OfMapAndCEL  float64       `json:"of_map"`       // how many times faster
	Unclassified int64         `json:"unclassified"` // documents
}

// growthReport is what a resource takes as the estate, or the catalog, grows.
type growthReport struct {
	What        string        `json:"what"`
	Resources   int           `json:"resources"`
	Bytes       int64         `json:"bytes"`
	CPU         time.Duration `json:"cpu"`
	Once        time.Duration `json:"once"`
	PerResource float64       `json:"per_resource"` // µs of processor time, without what is done once
	Allocations float64       `json:"allocations"`
	PeakMemory  int64         `json:"peak_memory"`
}

// startReport is what a person waits for on a small input.
type startReport struct {
	FirstOutput time.Duration `json:"first_output"` // from the start of the process
	Catalog     time.Duration `json:"catalog"`      // to read it
	Large       time.Duration `json:"large"`        // to read one ten times as large
	Services    int           `json:"services"`
	LargeOnes   int           `json:"large_services"`
	Expressions int           `json:"expressions"`
}

func runCommand(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	b := &bench{progress: os.Stderr}
	flags.IntVar(&b.resources, "resources", 20_000, "resources of each dialect")
	flags.IntVar(&b.accounts, "accounts", 100, "accounts of each dialect")
	flags.Uint64Var(&b.seed, "seed", 1, "of the estates")
	flags.IntVar(&b.runs, "runs", 3, "how often each thing is measured; the median counts")
	format := flags.String("dialect", "all", "dialects to measure, with commas; none for none")
	cpus := flags.String("cpus", "1,2", "processors to measure on")
	growth := flags.String("growth", "10000,100000", "sizes of the estates whose growth is measured; empty for none")
	keep := flags.String("dir", "", "directory for the estates; by default one that is removed at the end")
	jsonFile := flags.String("json", "", "write the measurements to `FILE`")
	plotFile := flags.String("plot", "", "write a plot to `FILE`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var formats []generate.Format
	var err error
	if *format != "none" {
		if formats, err = formatsFlag(*format); err != nil {
			return err
		}
	}
	if b.cpus, err = numbersFlag(*cpus); err != nil {
		return err
	}
	sizes, err := numbersFlag(*growth)
	if err != nil {
		return err
	}
	if b.dir = *keep; b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "demarc-bench-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(b.dir) }()
	}
	if b.book, err = rulebook.Load(catalog.Files); err != nil {
		return err
	}
	r := &report{
		Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Day: time.Now().UTC().Format(time.DateOnly),
		Resources: b.resources, Accounts: b.accounts, Runs: b.runs,
	}
	for _, f := range formats {
		m, err := b.format(ctx, f)
		if err != nil {
			return err
		}
		r.Formats = append(r.Formats, m)
	}
	if r.Growth, err = b.growth(ctx, sizes); err != nil {
		return err
	}
	if r.Start, err = b.start(ctx); err != nil {
		return err
	}
	if *jsonFile != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*jsonFile, append(text, '\n'), 0o600); err != nil {
			return err
		}
	}
	if *plotFile != "" {
		if err := os.WriteFile(*plotFile, plot(r), 0o600); err != nil {
			return err
		}
	}
	return r.table(out)
}

// estate writes an estate, unless it is there already, and returns its directory.
func (b *bench) estate(e generate.Estate) (string, error) {
	dir := filepath.Join(b.dir, fmt.Sprintf("%s-%s-%d-%d", e.Format, e.Mix, e.Resources, e.Seed))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	fmt.Fprintf(b.progress, "generate %d resources as %s %s\n", e.Resources, e.Format, e.Mix)
	_, _, err := e.WriteDir(dir)
	return dir, err
}

// declarations writes a demarc.yaml beside the estates.
func (b *bench) declarations(f generate.Format, accounts int) (string, error) {
	name := filepath.Join(b.dir, fmt.Sprintf("%s-%d.yaml", f, accounts))
	return name, os.WriteFile(name, generate.Declarations(b.seed, []generate.Format{f}, accounts), 0o600)
}

// format measures one format.
func (b *bench) format(ctx context.Context, f generate.Format) (formatReport, error) {
	m := formatReport{Format: f}
	dir, err := b.estate(generate.Estate{Format: f, Resources: b.resources, Accounts: b.accounts, Seed: b.seed})
	if err != nil {
		return m, err
	}
	small, err := b.estate(generate.Estate{Format: f, Resources: few, Accounts: 1, Seed: b.seed})
	if err != nil {
		return m, err
	}
	declared, err := b.declarations(f, b.accounts)
	if err != nil {
		return m, err
	}
	sources, _, err := sourcesOf(ctx, b.book, []string{dir})
	if err != nil {
		return m, err
	}
	docs, err := sampleOf(ctx, sources)
	if err != nil {
		return m, err
	}
	var decodes, maps []rate
	series := make([][]onReport, len(b.cpus))
	for range b.runs {
		fmt.Fprintf(b.progress, "measure %s\n", f)
		d, mc, err := b.limits(docs)
		if err != nil {
			return m, err
		}
		decodes, maps = append(decodes, d), append(maps, mc)
		for i, cpus := range b.cpus {
			r, on, err := b.once(ctx, cpus, declared, dir, small)
			if err != nil {
				return m, err
			}
			m.Documents, m.Resources, m.Bytes = r.Documents, r.Resources, r.Bytes
			m.Conditions = ratio(float64(r.Conditions), float64(r.Resources))
			mbps := ratio(float64(r.Bytes)/1e6, on.CPU.Seconds())
			on.OfDecodeOnly, on.OfMapAndCEL = ratio(mbps, d.megabytes()), ratio(mbps, mc.megabytes())
			series[i] = append(series[i], on)
		}
	}
	m.Decode = medianBy(decodes, rate.perDocument)
	m.MapAndCEL = medianBy(maps, rate.perDocument)
	for _, s := range series {
		m.On = append(m.On, medianBy(s, func(o onReport) float64 { return o.OfDecodeOnly }))
	}
	return m, nil
}

// limits measures decode-only and the plain way, on one processor.
func (b *bench) limits(docs *sample) (decode, plain rate, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	runtime.GC()
	if decode, err = decodeOnly(docs, 300*time.Millisecond); err != nil {
		return decode, plain, err
	}
	plain, err = mapAndCEL(docs, b.book, 4000)
	return decode, plain, err
}

// once measures one run of the pipeline, and a run over few resources for what is done once.
func (b *bench) once(ctx context.Context, cpus int, declared, dir, small string, more ...string) (reading, onReport, error) {
	args := append([]string{"-cpus", strconv.Itoa(cpus), "-estate", declared}, more...)
	base, err := spawn(ctx, append(slices.Clone(args), small)...)
	if err != nil {
		return reading{}, onReport{}, err
	}
	r, err := spawn(ctx, append(slices.Clone(args), dir)...)
	if err != nil {
		return reading{}, onReport{}, err
	}
	if r.Incomplete {
		return r, onReport{}, fmt.Errorf("%s: something could not be read", dir)
	}
	perFew := ratio(r.CPU.Seconds()-base.CPU.Seconds(), float64(r.Resources-base.Resources))
	on := onReport{
		CPUs: cpus, Wall: r.Wall,
		Once:         base.CPU - time.Duration(perFew*float64(base.Resources)*1e9),
		CPU:          time.Duration(perFew * float64(r.Resources) * 1e9),
		Allocations:  ratio(float64(r.Allocations)-float64(base.Allocations), float64(r.Resources-base.Resources)),
		PeakMemory:   r.PeakMemory,
		Unclassified: r.Unknown,
	}
	return r, on, nil
}

// growth measures what a resource takes as estates grow, with relations, with policies and with the catalog.
func (b *bench) growth(ctx context.Context, sizes []int) ([]growthReport, error) {
	if len(sizes) == 0 {
		return nil, nil
	}
	type subject struct {
		what  string
		mix   generate.Mix
		sizes []int
		more  []string
	}
	large := filepath.Join(b.dir, "catalog")
	if err := enlarge(large, 10); err != nil {
		return nil, err
	}
	first := sizes[:min(2, len(sizes))]
	subjects := []subject{
		{"everything", generate.Mixed, sizes, nil},
		{"plain: no relations, no policies", generate.Plain, first, nil},
		{"with relations", generate.Related, first, nil},
		{"with policy documents", generate.Policies, first, nil},
		{"catalog ten times as large", generate.Mixed, first, []string{"-indexed", large}},
	}
	declared, err := b.declarations(generate.AWSConfig, 1000)
	if err != nil {
		return nil, err
	}
	var out []growthReport
	for _, s := range subjects {
		small, err := b.estate(generate.Estate{Format: generate.AWSConfig, Resources: few, Accounts: 1, Seed: b.seed, Mix: s.mix})
		if err != nil {
			return nil, err
		}
		for _, size := range s.sizes {
			dir, err := b.estate(generate.Estate{Format: generate.AWSConfig, Resources: size, Accounts: 1000, Seed: b.seed, Mix: s.mix})
			if err != nil {
				return nil, err
			}
			var found []growthReport
			for range b.runs {
				fmt.Fprintf(b.progress, "measure growth: %s, %d resources\n", s.what, size)
				r, on, err := b.once(ctx, 1, declared, dir, small, s.more...)
				if err != nil {
					return nil, err
				}
				found = append(found, growthReport{
					What: s.what, Resources: r.Resources, Bytes: r.Bytes, CPU: r.CPU, Once: on.Once,
					PerResource: ratio(on.CPU.Seconds()*1e6, float64(r.Resources)), Allocations: on.Allocations, PeakMemory: r.PeakMemory,
				})
				if size >= 1_000_000 {
					break
				}
			}
			out = append(out, medianBy(found, func(g growthReport) float64 { return g.PerResource }))
		}
	}
	return out, nil
}

// start measures what a person waits for on a small input.
func (b *bench) start(ctx context.Context) (startReport, error) {
	var s startReport
	s.Services = len(b.book.Services())
	for _, svc := range b.book.Services() {
		s.Expressions += len(svc.Lines) + len(svc.Checks)
	}
	dir, err := b.estate(generate.Estate{Format: generate.AWSConfig, Resources: 30, Accounts: 1, Seed: b.seed})
	if err != nil {
		return s, err
	}
	large := filepath.Join(b.dir, "catalog")
	if err := enlarge(large, 10); err != nil {
		return s, err
	}
	book, err := rulebook.Indexed(os.DirFS(large))
	if err != nil {
		return s, err
	}
	s.LargeOnes = len(book.ServiceIDs())
	var first, ready, more []time.Duration
	for range max(5, b.runs) {
		cmd := exec.CommandContext(ctx, os.Args[0], childCommand, "-cpus", strconv.Itoa(runtime.NumCPU()), "-command", "assess", dir) //nolint:gosec // this program itself
		var told strings.Builder
		cmd.Stderr = &told
		begin := time.Now()
		if err := cmd.Run(); err != nil {
			return s, fmt.Errorf("start: %w: %s", err, told.String())
		}
		at, err := strconv.ParseInt(strings.TrimSpace(told.String()), 10, 64)
		if err != nil {
			return s, err
		}
		first = append(first, time.Unix(0, at).Sub(begin))
		for _, more := range []struct {
			args []string
			to   *[]time.Duration
		}{{nil, &ready}, {[]string{"-indexed", large}, &more}} {
			r, err := spawn(ctx, append(more.args, dir)...)
			if err != nil {
				return s, err
			}
			*more.to = append(*more.to, r.Catalog)
		}
	}
	of := func(d time.Duration) float64 { return d.Seconds() }
	s.FirstOutput, s.Catalog, s.Large = medianBy(first, of), medianBy(ready, of), medianBy(more, of)
	return s, nil
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// medianBy returns the one in the middle.
func medianBy[T any](list []T, by func(T) float64) T {
	list = slices.Clone(list)
	slices.SortFunc(list, func(x, y T) int {
		switch a, b := by(x), by(y); {
		case a < b:
			return -1
		case a > b:
			return 1
		default:
			return 0
		}
	})
	return list[len(list)/2]
}
