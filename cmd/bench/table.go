package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/demarc/demarc/internal/generate"
)

// table prints the measurements, those that have a figure to reach beside it.
func (r *measurements) table(out io.Writer) error {
	fmt.Fprintf(out, "%s on %s, %d processors; %s; %d resources of each format in %d accounts; medians of %d runs.\n",
		r.Go, r.System, r.CPUs, r.Day, r.Resources, r.Accounts, r.Runs)
	w := tabwriter.NewWriter(out, 2, 0, 2, ' ', tabwriter.AlignRight)
	if len(r.Formats) > 0 {
		fmt.Fprintf(w, "\nformat\tdocuments\tKB each\tconditions each\tdecode-only MB/s\tcpus\tresources/s\tper CPU-s\tMB per CPU-s\tof decode-only\tof map and CEL\tallocations each\tpeak MB\tspilled MB\tonce ms\t\n")
		for i := range r.Formats {
			f := &r.Formats[i]
			for _, on := range f.On {
				fmt.Fprintf(w, "%s\t%d\t%.2f\t%.0f\t%.0f\t%d\t%.0f\t%.0f\t%.0f\t%.0f %%\t%s\t%.1f\t%.0f\t%.0f\t%.0f\t\n", f.name(), f.Documents,
					ratio(float64(f.Bytes)/1e3, float64(f.Documents)), f.Conditions, f.Decode.megabytes(), on.CPUs,
					ratio(float64(f.Resources), on.Wall.Seconds()), ratio(float64(f.Resources), on.CPU.Seconds()),
					ratio(float64(f.Bytes)/1e6, on.CPU.Seconds()), 100*on.OfDecodeOnly, f.times(on), on.Allocations,
					float64(on.PeakMemory)/(1<<20), float64(on.Spilled)/1e6, float64(on.Once)/float64(time.Millisecond))
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if len(r.Growth) > 0 {
		fmt.Fprintf(w, "\ngrowth, AWS Config\tresources\tMB\tservices\tcpus\tresources/s\tµs each\tallocations each\tpeak MB\tspilled MB\tonce ms\t\n")
		for _, g := range r.Growth {
			fmt.Fprintf(w, "%s\t%d\t%.0f\t%d\t%d\t%.0f\t%.1f\t%.1f\t%.0f\t%.0f\t%.0f\t\n", g.What, g.Resources, float64(g.Bytes)/1e6, g.Services, g.CPUs,
				ratio(float64(g.Resources), g.Wall.Seconds()), g.PerResource, g.Allocations,
				float64(g.PeakMemory)/(1<<20), float64(g.Spilled)/1e6, float64(g.Once)/float64(time.Millisecond))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if len(r.Writing) > 0 {
		fmt.Fprintf(w, "\nwriting answers, AWS Config\tresources\tKB each\tcpus\tµs each\ttime of the whole\tpeak MB\t\n")
		for _, x := range r.Writing {
			fmt.Fprintf(w, "%s\t%d\t%.1f\t%d\t%.1f\t%.2f x\t%.0f\t\n", x.Format, x.Resources, ratio(float64(x.Bytes)/1e3, float64(x.Resources)), x.CPUs, x.PerResource, x.Times,
				float64(x.PeakMemory)/(1<<20))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if o := r.OPA; o != nil {
		fmt.Fprintf(w, "\nTerraform plan of %d resources\tchecks\tfailures found\tCPU s\twall s\tpeak MB\t\n", o.Resources)
		fmt.Fprintf(w, "opa eval %s, the checks of cmd/bench/checks.rego\t%d\t%d\t%.2f\t%.2f\t%.0f\t\n", o.Version, o.Checks, o.Failed, o.OPA.CPU.Seconds(), o.OPA.Wall.Seconds(), float64(o.OPA.Memory)/(1<<20))
		fmt.Fprintf(w, "demarc assess, these and all others of its catalog\t%d\t%d\t%.2f\t%.2f\t%.0f\t\n", o.Checks, o.Failed, o.Demarc.CPU.Seconds(), o.Demarc.Wall.Seconds(), float64(o.Demarc.Memory)/(1<<20))
		if err := w.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "\nwhat\tfigure to reach\tmeasured\t\n")
	for _, row := range r.figures() {
		fmt.Fprintf(w, "%s\t%s\t%s\t\n", row[0], row[1], row[2])
	}
	return w.Flush()
}

// figures returns what is to be reached, and what was measured. Nothing here passes or fails: a shared machine is no judge.
func (r *measurements) figures() [][3]string {
	out := [][3]string{}
	add := func(what, figure, format string, args ...any) {
		out = append(out, [3]string{what, figure, fmt.Sprintf(format, args...)})
	}
	for i := range r.Formats {
		f := &r.Formats[i]
		if f.Format != generate.AWSConfig || len(f.On) == 0 {
			continue
		}
		one := f.On[0]
		add(fmt.Sprintf("AWS Config, %.0f conditions each, against decode-only, one processor", f.Conditions), "50 %, better 60 %", "%.0f %%", 100*one.OfDecodeOnly)
		add("resources per CPU-second", "150,000", "%.0f", ratio(float64(f.Resources), one.CPU.Seconds()))
		add("against encoding/json to a map with CEL", "5 x", "%.1f x", one.OfMapAndCEL)
		if len(f.On) > 1 {
			two := f.On[1]
			add(fmt.Sprintf("decode-only, %d processors against %d", two.CPUs, one.CPUs), "-", "%.2f x", ratio(f.Decodes[1].throughput(), f.Decodes[0].throughput()))
			add(fmt.Sprintf("peak memory on %d processors, %d resources", two.CPUs, f.Resources), "128 MB", "%.0f MB", float64(two.PeakMemory)/(1<<20))
		}
	}
	if o := r.OPA; o != nil {
		add(fmt.Sprintf("a plan of %d resources, %d checks, against one opa eval", o.Resources, o.Checks), "10 x", "%.1f x", ratio(o.OPA.CPU.Seconds(), o.Demarc.CPU.Seconds()))
	}
	out = append(out, r.growthFigures()...)
	if r.Start.FirstOutput > 0 {
		add("command start to first output", "100 ms", "%d ms, %d of processor time", r.Start.FirstOutput.Milliseconds(), r.Start.FirstOutputCPU.Milliseconds())
	}
	for _, c := range r.Start.Ready {
		add(fmt.Sprintf("a tenth of today's services ready, %d conditions, of a catalog of %d services", c.Expressions, c.Services), "150 ms", "%d ms, %d of processor time", c.Wall.Milliseconds(), c.CPU.Milliseconds())
	}
	return out
}

// growthFigures compares the largest of the estates that grow with the smallest, and with itself on more processors.
func (r *measurements) growthFigures() (out [][3]string) {
	var one, two []*growthReport
	for i := range r.Growth {
		switch g := &r.Growth[i]; {
		case g.What != r.Growth[0].What:
		case g.CPUs == r.Growth[0].CPUs:
			one = append(one, g)
		default:
			two = append(two, g)
		}
	}
	if len(one) < 2 {
		return nil
	}
	smallest, largest := one[0], one[len(one)-1]
	add := func(what, figure, format string, args ...any) {
		out = append(out, [3]string{what, figure, fmt.Sprintf(format, args...)})
	}
	of := func(g *growthReport) float64 { return g.Allocations * float64(g.Resources) }
	add(fmt.Sprintf("allocations for each of the %d resources more", largest.Resources-smallest.Resources), "10", "%.1f",
		(of(largest)-of(smallest))/float64(largest.Resources-smallest.Resources))
	if n := len(two); n > 0 && two[n-1].Resources == largest.Resources {
		add(fmt.Sprintf("%d processors against %d, %d resources, without what is done once", two[n-1].CPUs, largest.CPUs, largest.Resources), "1.8 x on an idle machine", "%.2f x",
			ratio((largest.Wall-largest.Once).Seconds(), (two[n-1].Wall-two[n-1].Once).Seconds()))
	}
	add(fmt.Sprintf("µs per resource at %d against %d", largest.Resources, smallest.Resources), "within 10 %", "%+.0f %%", 100*(ratio(largest.PerResource, smallest.PerResource)-1))
	add("peak memory of the same", "within 10 %", "%+.0f %%", 100*(ratio(float64(largest.PeakMemory), float64(smallest.PeakMemory))-1))
	return out
}

// name is the format, and what was made of the catalog.
func (f *formatReport) name() string {
	if f.Burden > 0 {
		return fmt.Sprintf("%s, %d conditions", f.Format, f.Burden)
	}
	return string(f.Format)
}

// times says how many times faster than the plain way a run was; a dash where that evaluated nothing.
func (f *formatReport) times(on onReport) string {
	if f.MapAndCEL.Evaluated == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f x", on.OfMapAndCEL)
}
