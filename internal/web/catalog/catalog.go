// Package catalog is the pages of what demarc knows: the services, each with its line, and several of them side by side.
package catalog

import (
	"context"
	"embed"
	"errors"
	"slices"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// Knowledge is the catalog.
type Knowledge interface {
	// Services lists the services, by id.
	Services() []Entry
	// Service describes one, or returns demarc.ErrNotFound.
	Service(id demarc.ServiceID) (Service, error)
}

// Used is how much of it there is.
type Used interface {
	Groups(ctx context.Context, at demarc.At, filter demarc.Filter, by demarc.Dimension) ([]demarc.Group, error)
}

// Entry is a service in a list.
type Entry struct {
	ID        demarc.ServiceID
	Title     string
	Provider  string
	Model     string
	Archetype string
	Lines     int
	Checks    int
}

// Fits reports whether a filter asks for the service: by words of its id, title and archetype, its provider, its model.
func (e Entry) Fits(f demarc.Filter) bool {
	text := strings.ToLower(string(e.ID) + " " + e.Title + " " + e.Archetype)
	for w := range strings.FieldsSeq(strings.ToLower(f.Text)) {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return (len(f.Providers) == 0 || slices.Contains(f.Providers, e.Provider)) && (len(f.Models) == 0 || slices.Contains(f.Models, e.Model))
}

// Service is everything known of one kind of resource.
type Service struct {
	Entry
	About  string
	Types  []Type
	Duties []Duty // one for each of demarc.Duties, in its order
	Lines  []Line
	Checks []Check
	Facts  []Fact
}

// Type is a type of document.
type Type struct {
	Dialect demarc.Dialect
	Name    string
}

// Duty says who holds a duty before any setting moves it.
type Duty struct {
	ID      demarc.DutyID
	Holder  demarc.Holder
	Parts   []demarc.Part // role and text
	Why     string        // why it does not apply
	Movers  []string      // the lines that move it
	Own     bool          // the service's own, not its archetype's
	URL     string
	Section string
}

// Line is a rule that moves duties.
type Line struct {
	ID, When, Because string
	Moves             []string // "runtime.engine-patching to tenant"
	URL, Section      string
}

// Check is a test.
type Check struct {
	ID, Title string
	Duty      demarc.DutyID
	Severity  demarc.Severity
	Pass      string
	Proves    bool
	Fix       string
}

// Fact is a setting that is read.
type Fact struct{ Name, Type, About string }

// Page is the catalog.
type Page struct {
	Knowledge Knowledge
	Used      Used
}

//go:embed *.html
var files embed.FS

var (
	listPage    = web.Template(files, "list.html")
	servicePage = web.Template(files, "service.html")
	comparePage = web.Template(files, "compare.html")
)

// Routes are /catalog, /catalog/service and /catalog/compare. They have something to say before anything was scanned.
func (p Page) Routes() []web.Route {
	return []web.Route{
		{Pattern: "GET /catalog", Needs: demarc.RightRead, Empty: true, Takes: []string{"q", "provider", "model"}, Serve: p.list},
		{Pattern: "GET /catalog/service", Needs: demarc.RightRead, Empty: true, Takes: []string{"service"}, Serve: p.service},
		{Pattern: "GET /catalog/compare", Needs: demarc.RightRead, Empty: true, Takes: []string{"service"}, Keys: []string{"all"}, Serve: p.compare},
	}
}

type listData struct {
	Entries   []Entry
	Total     int
	Resources map[demarc.ServiceID]int
	Providers []web.Tab
}

func (p Page) list(r *web.Request) (web.Response, error) {
	all := p.Knowledge.Services()
	d := listData{Total: len(all), Resources: map[demarc.ServiceID]int{}}
	if !r.Nothing {
		groups, err := p.Used.Groups(r.Context(), r.At, demarc.Filter{}, demarc.ByService)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			d.Resources[demarc.ServiceID(g.Value)] = g.Resources
		}
	}
	counts := map[string]int{}
	var providers []string
	anywhere := r.Filter
	anywhere.Providers = nil
	for _, e := range all {
		if !e.Fits(anywhere) {
			continue
		}
		if counts[e.Provider] == 0 {
			providers = append(providers, e.Provider)
		}
		counts[e.Provider]++
		if e.Fits(r.Filter) {
			d.Entries = append(d.Entries, e)
		}
	}
	slices.Sort(providers)
	d.Providers = append(d.Providers, web.Tab{Title: "All", Link: r.With("provider", ""), Current: len(r.Filter.Providers) == 0})
	for _, id := range providers {
		if id != "" {
			d.Providers = append(d.Providers, web.Tab{Title: r.Provider(id), Link: r.With("provider", id), Count: counts[id], Current: slices.Contains(r.Filter.Providers, id)})
		}
	}
	return web.View{Title: "Catalog", Section: "catalog", Template: listPage, Data: d}, nil
}

func (p Page) service(r *web.Request) (web.Response, error) {
	if len(r.Filter.Services) != 1 {
		return nil, web.Mistake("the address needs one service: /catalog/service?service=aws/rds")
	}
	s, err := p.Knowledge.Service(r.Filter.Services[0])
	if err != nil {
		return nil, err
	}
	return web.View{Title: s.Title, Section: "catalog", Template: servicePage, Data: s}, nil
}

// Layers are the duties that apply, by layer, from the top of the stack to its ground.
func (s Service) Layers() []Layer {
	var out []Layer
	for _, l := range slices.Backward(demarc.Layers) {
		layer := Layer{ID: l}
		for _, d := range s.Duties {
			if d.ID.Layer() == l && (d.Holder != demarc.NotApplicable || len(d.Movers) > 0) {
				layer.Duties = append(layer.Duties, d)
			}
		}
		if layer.Duties != nil {
			out = append(out, layer)
		}
	}
	return out
}

// Layer is a layer of a service.
type Layer struct {
	ID     demarc.Layer
	Duties []Duty
}

// maxCompared is how many services stand side by side.
const maxCompared = 6

type compareData struct {
	Services []Service
	Rows     []compareRow
	Alike    int
	All      bool
	Entries  []Entry
	Unknown  []demarc.ServiceID // that the catalog does not know
}

type compareRow struct {
	Duty  demarc.DutyID
	Cells []Duty
	Alike bool
}

func (p Page) compare(r *web.Request) (web.Response, error) {
	if len(r.Filter.Services) > maxCompared {
		return nil, web.Mistake("%d services: at most %d stand side by side", len(r.Filter.Services), maxCompared)
	}
	d := compareData{Entries: p.Knowledge.Services(), All: r.Value("all") != ""}
	for _, id := range r.Filter.Services {
		s, err := p.Knowledge.Service(id)
		if errors.Is(err, demarc.ErrNotFound) {
			d.Unknown = append(d.Unknown, id)
			continue
		} else if err != nil {
			return nil, err
		}
		d.Services = append(d.Services, s)
	}
	for i, duty := range demarc.Duties {
		if len(d.Services) == 0 {
			break
		}
		row := compareRow{Duty: duty, Alike: true}
		for _, s := range d.Services {
			row.Cells = append(row.Cells, s.Duties[i])
			row.Alike = row.Alike && s.Duties[i].Holder == d.Services[0].Duties[i].Holder && len(s.Duties[i].Movers) == 0 && len(d.Services[0].Duties[i].Movers) == 0
		}
		if row.Alike && len(d.Services) > 1 {
			d.Alike++
			if !d.All {
				continue
			}
		}
		d.Rows = append(d.Rows, row)
	}
	return web.View{Title: "Compare services", Section: "catalog", Template: comparePage, Data: d}, nil
}
