package web

import (
	"slices"

	"github.com/demarc/demarc"
)

// Pivot is a demarc.Line as a picture: layers from the top of the stack to its ground, a bar for each column.
type Pivot struct {
	Columns []demarc.LineColumn
	More    int
	Layers  []PivotLayer
}

// PivotLayer is a layer, and its duties that apply to something.
type PivotLayer struct {
	Layer  demarc.Layer
	Bars   []Bar // by column
	Duties []PivotDuty
}

// PivotDuty is a row of the picture.
type PivotDuty struct {
	Duty demarc.DutyID
	Bars []Bar // by column
}

// NewPivot turns the cells of a line into rows. What applies to nothing is left out.
func NewPivot(l demarc.Line) Pivot {
	p := Pivot{Columns: l.Columns, More: l.More}
	width := len(l.Columns)
	duties := map[demarc.DutyID][]Tallies{}
	layers := map[demarc.Layer][]Tallies{}
	row := func() []Tallies {
		out := make([]Tallies, width)
		for i := range out {
			out[i] = Tallies{}
		}
		return out
	}
	for _, c := range l.Cells {
		if c.Holder == demarc.NotApplicable || c.Column >= width {
			continue
		}
		layer := c.Duty.Layer()
		if duties[c.Duty] == nil {
			duties[c.Duty] = row()
		}
		if layers[layer] == nil {
			layers[layer] = row()
		}
		duties[c.Duty][c.Column].Add(c.Holder, ToneOf(c.State), c.Count)
		layers[layer][c.Column].Add(c.Holder, ToneOf(c.State), c.Count)
	}
	bars := func(t []Tallies) []Bar {
		out := make([]Bar, width)
		for i := range t {
			out[i] = t[i].Bar()
		}
		return out
	}
	for _, layer := range slices.Backward(demarc.Layers) {
		if layers[layer] == nil {
			continue
		}
		pl := PivotLayer{Layer: layer, Bars: bars(layers[layer])}
		for _, d := range demarc.Duties {
			if d.Layer() == layer && duties[d] != nil {
				pl.Duties = append(pl.Duties, PivotDuty{Duty: d, Bars: bars(duties[d])})
			}
		}
		p.Layers = append(p.Layers, pl)
	}
	return p
}

// Draw leads the line down each column, through the layers alone or through their duties too. Where nothing applies, it goes
// straight on.
func (p *Pivot) Draw(duties bool) {
	above := make([]*Bar, len(p.Columns))
	through := func(bars []Bar) {
		for i := range bars {
			b := &bars[i]
			if b.Total == 0 {
				if above[i] == nil {
					continue
				}
				b.Edge.X = above[i].Edge.X
			}
			b.Edge.Drawn, b.Edge.Above = true, b.Edge.X
			if above[i] != nil {
				b.Edge.Above = above[i].Edge.X
			}
			above[i] = b
		}
	}
	for i := range p.Layers {
		through(p.Layers[i].Bars)
		if !duties {
			continue
		}
		for j := range p.Layers[i].Duties {
			through(p.Layers[i].Duties[j].Bars)
		}
	}
}
