package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// plotFormats draws, per format, how many MB a CPU-second takes: decode-only, demarc, and encoding/json with CEL.
func plotFormats(r *measurements) []byte {
	const (
		left, right, top = 190, 70, 64
		bar, gap         = 12, 14
		width            = 760
	)
	var b bytes.Buffer
	height := top + len(r.Formats)*(3*bar+gap) + 30
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" fill="#333">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	label(&b, 12, 20, "start", "MB of documents per CPU-second, one processor")
	series := []struct {
		name, colour string
		value        func(*formatReport) float64
	}{
		{"decode-only (fastjson)", "#b8c4d0", func(f *formatReport) float64 { return f.Decode.megabytes() }},
		{"demarc", "#1f5f99", func(f *formatReport) float64 {
			if len(f.On) == 0 {
				return 0
			}
			return ratio(float64(f.Bytes)/1e6, f.On[0].CPU.Seconds())
		}},
		{"encoding/json to a map, CEL", "#d08a3e", func(f *formatReport) float64 {
			if f.MapAndCEL.Evaluated == 0 {
				return 0
			}
			return f.MapAndCEL.megabytes()
		}},
	}
	most := 1.0
	for i := range r.Formats {
		for _, s := range series {
			most = max(most, s.value(&r.Formats[i]))
		}
	}
	x := 12
	for _, s := range series {
		fmt.Fprintf(&b, `<rect x="%d" y="34" width="10" height="10" fill="%s"/>`+"\n", x, s.colour)
		label(&b, x+15, 43, "start", s.name)
		x += 50 + 7*len(s.name)
	}
	for i := range r.Formats {
		f := &r.Formats[i]
		y := top + i*(3*bar+gap)
		label(&b, left-8, y+bar+bar-2, "end", f.name())
		for k, s := range series {
			v := s.value(f)
			w := v / most * (width - left - right)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", left, y+k*bar, w, bar-1, s.colour)
			label(&b, left+int(w)+5, y+k*bar+bar-3, "start", fmt.Sprintf("%.0f", v))
		}
	}
	label(&b, 12, height-10, "start", fmt.Sprintf("%s, %s, %s; %d resources each; how it was measured: docs/performance.md", r.Go, r.System, r.Day, r.Resources))
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// plotGrowth draws how time and memory grow with resources, relations, policies and the catalog.
func plotGrowth(r *measurements) []byte {
	var b bytes.Buffer
	const width, height = 760, 660
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11" fill="#333">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, height)
	var what []string
	for _, g := range r.Growth {
		if !slices.Contains(what, g.What) {
			what = append(what, g.What)
		}
	}
	curves := func(value func(*growthReport) float64) []curve {
		var out []curve
		for i, w := range what {
			c := curve{colour: colours[i%len(colours)]}
			for k := range r.Growth {
				if g := &r.Growth[k]; g.What == w && g.CPUs == r.Growth[0].CPUs {
					c.points = append(c.points, [2]float64{float64(g.Resources), value(g)})
				}
			}
			out = append(out, c)
		}
		return out
	}
	panel{70, 40, 280, 190, "Processor time of a run, in seconds, by resources", true}.draw(&b, curves(func(g *growthReport) float64 { return g.CPU.Seconds() }))
	panel{450, 40, 280, 190, "µs for each resource, by resources", false}.draw(&b, curves(func(g *growthReport) float64 { return g.PerResource }))
	panel{70, 300, 280, 190, "Peak memory in MB, by resources", false}.draw(&b, curves(func(g *growthReport) float64 { return float64(g.PeakMemory) / (1 << 20) }))
	ready := curve{colour: colours[0]}
	for _, p := range r.Start.Ready {
		ready.points = append(ready.points, [2]float64{float64(p.Services), float64(p.CPU.Microseconds()) / 1000})
	}
	panel{450, 300, 280, 190, "ms until a tenth of today's are ready, by services", false}.draw(&b, []curve{ready})
	for i, w := range what {
		y := 540 + 16*(i%4)
		x := 70 + 300*(i/4)
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="18" height="3" fill="%s"/>`+"\n", x, y-4, colours[i%len(colours)])
		label(&b, x+26, y, "start", w)
	}
	label(&b, 12, height-10, "start", fmt.Sprintf("AWS Config, one processor; %s, %s, %s; how it was measured: docs/performance.md", r.Go, r.System, r.Day))
	b.WriteString("</svg>\n")
	return b.Bytes()
}

var colours = []string{"#1f5f99", "#7a9e3f", "#d08a3e", "#a0455f", "#5b5ea6", "#3f8f8a"}

type curve struct {
	colour string
	points [][2]float64
}

// panel is one set of axes. x is logarithmic, and so is y if log is set; else y begins at zero.
type panel struct {
	x, y, width, height int
	title               string
	log                 bool
}

func (p panel) draw(b *bytes.Buffer, curves []curve) {
	label(b, p.x, p.y-12, "start", p.title)
	lowX, highX, lowY, highY := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, c := range curves {
		for _, at := range c.points {
			lowX, highX, lowY, highY = min(lowX, at[0]), max(highX, at[0]), min(lowY, at[1]), max(highY, at[1])
		}
	}
	fmt.Fprintf(b, `<path d="M%d %dv%dh%d" fill="none" stroke="#999"/>`+"\n", p.x, p.y, p.height, p.width)
	if highX == 0 || highY == 0 {
		return
	}
	toX := func(v float64) float64 {
		if highX == lowX {
			return float64(p.x) + float64(p.width)/2
		}
		return float64(p.x) + (math.Log(v)-math.Log(lowX))/(math.Log(highX)-math.Log(lowX))*float64(p.width)
	}
	toY := func(v float64) float64 {
		share := v / (highY * 1.1)
		if p.log && highY > lowY {
			share = (math.Log(v) - math.Log(lowY)) / (math.Log(highY) - math.Log(lowY))
		}
		return float64(p.y+p.height) - share*float64(p.height)
	}
	if p.log {
		for ten := math.Pow(10, math.Floor(math.Log10(lowY))); ten <= highY; ten *= 10 {
			for _, v := range []float64{ten, 2 * ten, 5 * ten} {
				if v >= lowY && v <= highY {
					p.tick(b, toY(v), v)
				}
			}
		}
	} else {
		step := math.Pow(10, math.Floor(math.Log10(highY)))
		if highY/step < 3 {
			step /= 2
		}
		for v := 0.0; v <= highY*1.1; v += step {
			p.tick(b, toY(v), v)
		}
	}
	var labelled []float64
	for _, c := range curves {
		var path strings.Builder
		for i, at := range c.points {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], toX(at[0]), toY(at[1]))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", toX(at[0]), toY(at[1]), c.colour)
			if !slices.ContainsFunc(labelled, func(x float64) bool { return math.Abs(x-toX(at[0])) < 40 }) {
				labelled = append(labelled, toX(at[0]))
				label(b, int(toX(at[0])), p.y+p.height+16, "middle", short(at[0]))
			}
		}
		if path.Len() > 0 {
			fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path.String(), c.colour)
		}
	}
}

func (p panel) tick(b *bytes.Buffer, y, v float64) {
	fmt.Fprintf(b, `<path d="M%d %.1fh%d" stroke="#e4e4e4"/>`+"\n", p.x, y, p.width)
	label(b, p.x-6, int(y)+4, "end", short(v))
}

// short writes a number in few characters: 0.2, 15, 10k, 1M.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.3gk", v/1e3)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}

func label(w io.Writer, x, y int, anchor, text string) {
	fmt.Fprintf(w, `<text x="%d" y="%d" text-anchor="%s">`, x, y, anchor)
	_ = xml.EscapeText(w, []byte(text)) // a buffer takes everything
	fmt.Fprintln(w, "</text>")
}
