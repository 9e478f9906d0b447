package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/demarc/demarc/internal/generate"
	"github.com/demarc/demarc/internal/rulebook"
)

// growthReport is what a run takes as the estate, or the catalog, grows.
type growthReport struct {
	What        string        `json:"what"`
	CPUs        int           `json:"cpus"`
	Resources   int           `json:"resources"`
	Services    int           `json:"services"`
	Bytes       int64         `json:"bytes"`
	Wall        time.Duration `json:"wall"`
	CPU         time.Duration `json:"cpu"` // of the whole run, what is done once included
	Once        time.Duration `json:"once"`
	PerResource float64       `json:"per_resource"` // µs of processor time, without what is done once
	Allocations float64       `json:"allocations"`
	PeakMemory  int64         `json:"peak_memory"`
	Spilled     int64         `json:"spilled"`
}

// What grows.
const (
	everything   = "everything"
	plain        = "plain: no relations, no policies"
	withRelated  = "with relations"
	withPolicies = "with policy documents"
	largeCatalog = "catalog %d times as large"
)

// startReport is what a person waits for on a small input.
type startReport struct {
	FirstOutput    time.Duration `json:"first_output"` // from the start of the process to its first byte
	FirstOutputCPU time.Duration `json:"first_output_cpu"`
	Ready          []readyReport `json:"ready"`
}

// readyReport is how long it takes until a tenth of the built-in services are ready, in a catalog of some size.
type readyReport struct {
	Services    int           `json:"services"`
	Wall        time.Duration `json:"wall"`
	CPU         time.Duration `json:"cpu"`
	Expressions int           `json:"expressions"` // that were compiled
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
		cpus  []int
		more  []string
	}
	one := b.cpus[:1]
	first := sizes[:min(2, len(sizes))]
	subjects := []subject{
		{everything, generate.Mixed, sizes, b.cpus, nil},
		{plain, generate.Plain, first, one, nil},
		{withRelated, generate.Related, first, one, nil},
		{withPolicies, generate.Policies, first, one, nil},
	}
	for _, times := range []int{3, 10} {
		dir, err := b.enlarged(times)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, subject{fmt.Sprintf(largeCatalog, times), generate.Mixed, first, one, []string{"-indexed", dir}})
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
			for _, cpus := range s.cpus {
				var found []growthReport
				for range b.runs {
					fmt.Fprintf(b.progress, "measure growth: %s, %d resources\n", s.what, size)
					r, on, err := b.once(ctx, cpus, declared, dir, small, s.more...)
					if err != nil {
						return nil, err
					}
					found = append(found, growthReport{
						What: s.what, CPUs: cpus, Resources: r.Resources, Services: r.Services, Bytes: r.Bytes, Wall: r.Wall, CPU: r.CPU, Once: on.Once,
						PerResource: ratio(on.CPU.Seconds()*1e6, float64(r.Resources)), Allocations: on.Allocations, PeakMemory: r.PeakMemory, Spilled: r.Spilled,
					})
					if size >= 1_000_000 {
						break
					}
				}
				out = append(out, medianBy(found, func(g growthReport) float64 { return g.PerResource }))
			}
		}
	}
	return out, nil
}

// enlarged returns the directory of a catalog that is so many times as large.
func (b *bench) enlarged(times int) (string, error) {
	dir := filepath.Join(b.dir, fmt.Sprintf("catalog-%d", times))
	return dir, enlarge(dir, times)
}

// start measures what a person waits for on a small input, and whether a larger catalog makes it longer.
func (b *bench) start(ctx context.Context) (startReport, error) {
	var s startReport
	demarc, err := b.tool(ctx, "demarc", "", "./cmd/demarc")
	if err != nil {
		return s, err
	}
	dir, err := b.estate(generate.Estate{Format: generate.AWSConfig, Resources: 30, Accounts: 1, Seed: b.seed})
	if err != nil {
		return s, err
	}
	type waited struct{ first, cpu time.Duration }
	var all []waited
	for range max(9, b.runs) {
		first, p, err := firstByte(ctx, demarc, "assess", dir)
		if err != nil {
			return s, err
		}
		all = append(all, waited{first, p.CPU})
	}
	middle := medianBy(all, func(w waited) float64 { return w.first.Seconds() })
	s.FirstOutput, s.FirstOutputCPU = middle.first, middle.cpu
	for _, times := range []int{1, 10} {
		var args []string
		book, err := rulebook.BuiltIn()
		if err != nil {
			return s, err
		}
		services := len(book.ServiceIDs())
		if times > 1 {
			dir, err := b.enlarged(times)
			if err != nil {
				return s, err
			}
			if book, err = rulebook.Indexed(os.DirFS(dir)); err != nil {
				return s, err
			}
			services = len(book.ServiceIDs())
			args = []string{"-indexed", dir}
		}
		var found []readyReport
		for range max(9, b.runs) {
			r, err := spawn(ctx, append(slices.Clone(args), "-ready", "-cpus", strconv.Itoa(runtime.NumCPU()))...)
			if err != nil {
				return s, err
			}
			found = append(found, readyReport{Services: services, Wall: r.Catalog, CPU: r.CPU, Expressions: r.Compiled})
		}
		s.Ready = append(s.Ready, medianBy(found, func(r readyReport) float64 { return r.CPU.Seconds() }))
	}
	return s, nil
}
