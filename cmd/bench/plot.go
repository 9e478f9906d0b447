package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
)

// plot draws, per format, how many MB a CPU-second takes: decode-only, demarc, and encoding/json with CEL.
func plot(r *report) []byte {
	const (
		left, right, top = 130, 90, 64
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
		label(&b, left-8, y+bar+bar-2, "end", string(f.Format))
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

func label(w io.Writer, x, y int, anchor, text string) {
	fmt.Fprintf(w, `<text x="%d" y="%d" text-anchor="%s">`, x, y, anchor)
	_ = xml.EscapeText(w, []byte(text)) // a buffer takes everything
	fmt.Fprintln(w, "</text>")
}
