// Package line is the page that shows the demarcation line of an estate: the picture that everybody draws of shared
// responsibility, drawn from what is there.
package line

import (
	"context"
	"embed"
	"strconv"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// Reader is what the page reads.
type Reader interface {
	Line(ctx context.Context, at demarc.At, filter demarc.Filter, by demarc.Dimension, columns int) (demarc.Line, error)
}

// Page is the line.
type Page struct{ Reader Reader }

//go:embed *.html
var files embed.FS

var page = web.Template(files, "line.html")

// Routes is /line.
func (p Page) Routes() []web.Route {
	return []web.Route{{Pattern: "GET /line", Needs: demarc.RightRead, Keys: []string{"by", "rows", "columns"}, Serve: p.serve}}
}

// columns is how many columns are shown unless somebody asks for more; most is as many as can be asked for.
const (
	columns = 8
	most    = 40
)

type data struct {
	web.Pivot
	By      demarc.Dimension
	Rows    string
	Columns []web.Tab
	Views   []web.Tab
	Wider   string
}

func (p Page) serve(r *web.Request) (web.Response, error) {
	by, err := r.Choice("by", "provider", "model", "account", "service", "archetype", "region", "source")
	if err != nil {
		return nil, err
	}
	rows, err := r.Choice("rows", "duties", "layers")
	if err != nil {
		return nil, err
	}
	n := columns
	if text := r.Value("columns"); text != "" {
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > most {
			return nil, web.Mistake("columns %q: expected a number from 1 to %d", text, most)
		}
	}
	line, err := p.Reader.Line(r.Context(), r.At, r.Filter, demarc.Dimension(by), n)
	if err != nil {
		return nil, err
	}
	d := data{Pivot: web.NewPivot(line), By: demarc.Dimension(by), Rows: rows}
	d.Draw(rows == "duties")
	if d.More > 0 && n < most {
		d.Wider = r.With("columns", most)
	}
	for _, option := range []struct{ id, title string }{
		{"provider", "Clouds"}, {"model", "Service models"}, {"account", "Accounts"}, {"service", "Services"}, {"archetype", "Archetypes"}, {"region", "Regions"}, {"source", "Sources"},
	} {
		d.Columns = append(d.Columns, web.Tab{Title: option.title, Link: r.With("by", option.id), Current: option.id == by})
	}
	for _, option := range []struct{ id, title string }{{"duties", "Duties"}, {"layers", "Layers only"}} {
		d.Views = append(d.Views, web.Tab{Title: option.title, Link: r.With("rows", option.id), Current: option.id == rows})
	}
	return web.View{Title: "The line", Section: "line", Template: page, Data: d}, nil
}
