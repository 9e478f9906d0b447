package web

import (
	"html"
	"html/template"
	"strconv"
)

// A page has hundreds of bars, so they are written by hand: a template takes most of the time of a page for them. All that is in them
// are numbers, words of this package and one text, which is escaped.

type drawing []byte

func (d *drawing) add(parts ...string) {
	for _, p := range parts {
		*d = append(*d, p...)
	}
}

// at adds a number in percent.
func (d *drawing) at(name string, percent float64) {
	d.add(" ", name, `="`)
	*d = strconv.AppendFloat(*d, percent, 'f', 2, 64)
	d.add(`%"`)
}

func (d *drawing) open(kind, height, text string) {
	d.add(`<svg class="`, kind, `" width="100%" height="`, height, `" role="img" aria-label="`, html.EscapeString(text), `">`)
}

// Thick is the bar with its numbers, what is open, blind or bad in a lane below, and its piece of the line.
func (b Bar) Thick() template.HTML {
	d := make(drawing, 0, 256+320*len(b.Segments))
	d.open("bar", "22", b.Text)
	for _, s := range b.Segments {
		d.add(`<rect class="piece"`)
		d.at("x", s.X)
		d.at("width", s.Width)
		d.add(` height="17" fill="url(#ink-`, string(s.Holder), "-", string(s.Tone), `)"/>`)
		if s.Tone == Done {
			continue
		}
		d.add(`<rect class="lane `, string(s.Tone), `" y="18" height="4"`)
		d.at("x", s.X)
		d.at("width", s.Width)
		if s.Tone == Blind {
			d.add(` fill="url(#ink-blind)"`)
		}
		d.add("/>")
	}
	for _, s := range b.Segments {
		if s.Fits() {
			d.add(`<text class="halo" y="12.5" text-anchor="middle"`)
			d.at("x", s.Middle())
			d.add(">", short(s.Count), "</text>")
		}
	}
	d.edge(b.Edge)
	d.add("</svg>")
	return template.HTML(d) //nolint:gosec // see above
}

// edge adds a piece of the line. The style says how high a row is.
func (d *drawing) edge(e Edge) {
	if !e.Drawn {
		return
	}
	if e.X != e.Above {
		d.add(`<line class="edge across"`)
		d.at("x1", e.Above)
		d.at("x2", e.X)
		d.add("/>")
	}
	d.add(`<rect class="edge down"`)
	d.at("x", e.X)
	d.add("/>")
}

// Bare is the piece of the line where nothing applies.
func (b Bar) Bare() template.HTML {
	d := make(drawing, 0, 256)
	d.open("bar", "22", "does not apply")
	d.add(`<text class="none" x="50%" y="13" text-anchor="middle">·</text>`)
	d.edge(b.Edge)
	d.add("</svg>")
	return template.HTML(d) //nolint:gosec // see above
}

// Thin is the bar without numbers.
func (b Bar) Thin() template.HTML {
	d := make(drawing, 0, 128+96*len(b.Segments))
	d.open("bar thin", "10", b.Text)
	for _, s := range b.Segments {
		d.add(`<rect height="10"`)
		d.at("x", s.X)
		d.at("width", s.Width)
		d.add(` fill="url(#ink-`, string(s.Holder), "-", string(s.Tone), `)"/>`)
	}
	d.add("</svg>")
	return template.HTML(d) //nolint:gosec // see above
}
