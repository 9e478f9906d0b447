package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

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
}

// few is an estate so small that all a run over it does is what is done once: compile, settle, begin.
const few = 300

// measurements are what a run of the bench command found.
type measurements struct {
	Go        string         `json:"go"`
	System    string         `json:"system"`
	CPUs      int            `json:"cpus"`
	Day       string         `json:"day"`
	Resources int            `json:"resources"`
	Accounts  int            `json:"accounts"`
	Runs      int            `json:"runs"`
	Formats   []formatReport `json:"formats"`
	Growth    []growthReport `json:"growth"`
	Writing   []writeReport  `json:"writing,omitempty"`
	OPA       *opaReport     `json:"opa,omitempty"`
	Start     startReport    `json:"start"`
}

// formatReport is the measurements of one format: medians over the runs.
type formatReport struct {
	Format     generate.Format `json:"format"`
	Burden     int             `json:"burden,omitempty"` // lines and checks each service was made to have
	Documents  int64           `json:"documents"`
	Resources  int             `json:"resources"`
	Bytes      int64           `json:"bytes"`
	Conditions float64         `json:"conditions"` // lines and checks, per resource
	Decode     rate            `json:"decode"`     // on one processor
	Decodes    []rate          `json:"decodes"`    // on as many as On has
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
	Spilled      int64         `json:"spilled"`      // bytes
	OfDecodeOnly float64       `json:"of_decode"`    // MB per CPU-second, of those of decode-only in the same run
	OfMapAndCEL  float64       `json:"of_map"`       // how many times faster
	Unclassified int64         `json:"unclassified"` // documents
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
	conditions := flags.Int("conditions", 36, "measure AWS Config once more with so many lines and checks for each service; 0 for not")
	growth := flags.String("growth", "10000,100000", "sizes of the estates whose growth is measured; empty for none")
	plan := flags.Int("opa", 10_000, "resources of the plan that is also given to OPA; 0 for none")
	keep := flags.String("dir", "", "directory for the estates and tools; by default one that is removed at the end")
	jsonFile := flags.String("json", "", "write the measurements to `FILE`")
	plots := flags.String("plots", "", "write performance.svg and performance-growth.svg to `DIR`")
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
	r := &measurements{
		Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), Day: time.Now().UTC().Format(time.DateOnly),
		Resources: b.resources, Accounts: b.accounts, Runs: b.runs,
	}
	for _, f := range formats {
		m, err := b.format(ctx, f, 0)
		if err != nil {
			return err
		}
		r.Formats = append(r.Formats, m)
		if f == generate.AWSConfig && *conditions > 0 {
			if m, err = b.format(ctx, f, *conditions); err != nil {
				return err
			}
			r.Formats = append(r.Formats, m)
		}
	}
	if r.Growth, err = b.growth(ctx, sizes); err != nil {
		return err
	}
	if n := len(sizes); n > 0 {
		if r.Writing, err = b.writing(ctx, sizes[min(n, 2)-1]); err != nil {
			return err
		}
	}
	if *plan > 0 {
		if r.OPA, err = b.opa(ctx, *plan); err != nil {
			return err
		}
	}
	if r.Start, err = b.start(ctx); err != nil {
		return err
	}
	return errors.Join(r.table(out), r.write(*jsonFile, *plots))
}

// write writes the measurements and the plots of them to files, where they have names.
func (r *measurements) write(jsonFile, plots string) error {
	if jsonFile != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(jsonFile, append(text, '\n'), 0o600); err != nil {
			return err
		}
	}
	if plots == "" {
		return nil
	}
	if err := os.MkdirAll(plots, 0o755); err != nil { //nolint:gosec // for pictures of a page
		return err
	}
	if err := os.WriteFile(filepath.Join(plots, "performance.svg"), plotFormats(r), 0o644); err != nil { //nolint:gosec // a picture for a page
		return err
	}
	return os.WriteFile(filepath.Join(plots, "performance-growth.svg"), plotGrowth(r), 0o644) //nolint:gosec // a picture for a page
}

// estate writes an estate, unless it is there already, and returns its directory.
func (b *bench) estate(e generate.Estate) (string, error) {
	dir := filepath.Join(b.dir, fmt.Sprintf("%s-%s-%d-%d-%d", e.Format, e.Mix, e.Resources, e.Scope, e.Seed))
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

// format measures one format, with a catalog whose services have at least so many lines and checks.
func (b *bench) format(ctx context.Context, f generate.Format, burdened int) (formatReport, error) {
	m := formatReport{Format: f, Burden: burdened}
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
	book, err := rulebook.BuiltIn()
	if err != nil {
		return m, err
	}
	sources, _, err := sourcesOf(ctx, book, []string{dir})
	if err != nil {
		return m, err
	}
	docs, err := sampleOf(ctx, sources)
	if err != nil {
		return m, err
	}
	var more []string
	if burdened > 0 {
		at := filepath.Join(b.dir, fmt.Sprintf("burden-%s-%d", f, burdened))
		if err := burden(at, docs.services(book), burdened); err != nil {
			return m, err
		}
		if book, err = rulebook.BuiltIn(os.DirFS(at)); err != nil {
			return m, err
		}
		more = []string{"-catalog", at}
	}
	var maps []rate
	decodes := make([][]rate, len(b.cpus))
	series := make([][]onReport, len(b.cpus))
	for range b.runs {
		fmt.Fprintf(b.progress, "measure %s\n", f)
		for i, cpus := range b.cpus {
			d, err := onProcessors(cpus, func() (rate, error) { return decodeOnly(docs, cpus, 400*time.Millisecond) })
			if err != nil {
				return m, err
			}
			decodes[i] = append(decodes[i], d)
		}
		mc, err := onProcessors(1, func() (rate, error) { return mapAndCEL(docs, book, 4000) })
		if err != nil {
			return m, err
		}
		maps = append(maps, mc)
		for i, cpus := range b.cpus {
			r, on, err := b.once(ctx, cpus, declared, dir, small, more...)
			if err != nil {
				return m, err
			}
			m.Documents, m.Resources, m.Bytes = r.Documents, r.Resources, r.Bytes
			m.Conditions = ratio(float64(r.Conditions), float64(r.Resources))
			mbps := ratio(float64(r.Bytes)/1e6, on.CPU.Seconds())
			on.OfDecodeOnly, on.OfMapAndCEL = ratio(mbps, decodes[0][len(decodes[0])-1].megabytes()), ratio(mbps, mc.megabytes())
			series[i] = append(series[i], on)
		}
	}
	for _, d := range decodes {
		m.Decodes = append(m.Decodes, medianBy(d, rate.perDocument))
	}
	m.Decode = m.Decodes[0]
	m.MapAndCEL = medianBy(maps, rate.perDocument)
	for _, s := range series {
		m.On = append(m.On, medianBy(s, func(o onReport) float64 { return o.OfDecodeOnly }))
	}
	return m, nil
}

// onProcessors measures with so many processors.
func onProcessors(cpus int, measure func() (rate, error)) (rate, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cpus))
	runtime.GC()
	return measure()
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
		Spilled:      r.Spilled,
		Unclassified: r.Unknown,
	}
	return r, on, nil
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
