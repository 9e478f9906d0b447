package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/generate"
	"github.com/demarc/demarc/internal/report"
	"github.com/demarc/demarc/internal/report/csv"
	"github.com/demarc/demarc/internal/report/jsondoc"
	"github.com/demarc/demarc/internal/report/ndjson"
	"github.com/demarc/demarc/internal/report/table"
	"github.com/demarc/demarc/internal/scan"
)

// written are the formats in which answers are written to be measured, as demarc assess calls them.
var written = []string{"table", "ndjson", "json", "csv"}

// write writes the answers of a run to nowhere, and returns how many bytes these are.
func write(format string, result *scan.Result) (int64, error) {
	var out counter
	var err error
	about := func() demarc.Run { return demarc.Run{AsOf: asOf, Documents: result.Documents} }
	switch format {
	case "table":
		p := table.NewPrinter(&out, 80, false)
		table.Overview(p, report.Summarize(result.Answers(), about), func(id string) string { return id })
		err = p.Err()
	case "ndjson":
		err = ndjson.Write(&out, about(), result.Answers())
	case "json":
		err = jsondoc.Write(&out, about(), result.Answers(), func() []demarc.Note { return nil })
	case "csv":
		err = csv.Write(&out, about(), result.Answers())
	default:
		err = fmt.Errorf("write as %q: expected %s", format, strings.Join(written, ", "))
	}
	return int64(out), err
}

// writeReport is what writing the answers for an estate takes, beside finding them.
type writeReport struct {
	Format      string  `json:"format"`
	CPUs        int     `json:"cpus"`
	Resources   int     `json:"resources"`
	Bytes       int64   `json:"bytes"`
	PerResource float64 `json:"per_resource"` // µs of processor time
	Times       float64 `json:"times"`        // the wall time of the whole, of that without writing
	PeakMemory  int64   `json:"peak_memory"`
}

// writing measures what writing answers takes, for the estate of so many resources.
func (b *bench) writing(ctx context.Context, resources int) ([]writeReport, error) {
	declared, err := b.declarations(generate.AWSConfig, 1000)
	if err != nil {
		return nil, err
	}
	dir, err := b.estate(generate.Estate{Format: generate.AWSConfig, Resources: resources, Accounts: 1000, Seed: b.seed})
	if err != nil {
		return nil, err
	}
	var out []writeReport
	for _, cpus := range b.cpus {
		args := []string{"-cpus", strconv.Itoa(cpus), "-estate", declared}
		for _, format := range written {
			var found []writeReport
			for range b.runs {
				fmt.Fprintf(b.progress, "measure writing: %s, %d resources\n", format, resources)
				// Beside each, not once for all: a shared machine is another one a minute later.
				base, err := spawn(ctx, append(slices.Clone(args), dir)...)
				if err != nil {
					return nil, err
				}
				r, err := spawn(ctx, append(slices.Clone(args), "-write", format, dir)...)
				if err != nil {
					return nil, err
				}
				found = append(found, writeReport{
					Format: format, CPUs: cpus, Resources: r.Resources, Bytes: r.Written, PeakMemory: r.PeakMemory,
					PerResource: ratio((r.CPU-base.CPU).Seconds()*1e6, float64(r.Resources)), Times: ratio(r.Wall.Seconds(), base.Wall.Seconds()),
				})
			}
			out = append(out, medianBy(found, func(w writeReport) float64 { return w.PerResource }))
		}
	}
	return out, nil
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
