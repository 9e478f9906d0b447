// Package frameworks is the page that shows duties in the order of a framework's controls, for those who have to answer
// in its words.
package frameworks

import (
	"cmp"
	"context"
	"embed"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// Mapping is what the catalog says of frameworks.
type Mapping interface {
	// Frameworks lists the frameworks, with the controls that duties have a place in.
	Frameworks() []Framework
}

// Framework is a framework.
type Framework struct {
	ID       string // "nist-800-53"
	Title    string
	Controls map[string][]demarc.DutyID
}

// Counts is what the page reads of numbers.
type Counts interface {
	Groups(ctx context.Context, at demarc.At, filter demarc.Filter, by demarc.Dimension) ([]demarc.Group, error)
}

// Page is the frameworks.
type Page struct {
	Mapping Mapping
	Counts  Counts
}

//go:embed *.html
var files embed.FS

var page = web.Template(files, "frameworks.html")

// Routes are /frameworks and its export.
func (p Page) Routes() []web.Route {
	return []web.Route{
		{Pattern: "GET /frameworks", Needs: demarc.RightRead, Keys: []string{"framework"}, Serve: p.serve},
		{Pattern: "GET /frameworks.csv", Needs: demarc.RightRead, Keys: []string{"framework"}, Serve: p.csv},
	}
}

type data struct {
	Frameworks []web.Tab
	Chosen     Framework
	Controls   []control
}

type control struct {
	ID     string
	Duties []duty
}

type duty struct {
	ID demarc.DutyID
	demarc.Group
	Bar web.Bar
}

func (p Page) read(r *web.Request) (data, error) {
	all := p.Mapping.Frameworks()
	var ids []string
	for _, f := range all {
		ids = append(ids, f.ID)
	}
	if len(ids) == 0 {
		return data{}, nil
	}
	chosen, err := r.Choice("framework", ids...)
	if err != nil {
		return data{}, err
	}
	groups, err := p.Counts.Groups(r.Context(), r.At, r.Filter, demarc.ByDuty)
	if err != nil {
		return data{}, err
	}
	of := map[demarc.DutyID]demarc.Group{}
	for _, g := range groups {
		of[demarc.DutyID(g.Value)] = g
	}
	var d data
	for _, f := range all {
		d.Frameworks = append(d.Frameworks, web.Tab{Title: f.Title, Link: r.With("framework", f.ID), Current: f.ID == chosen})
		if f.ID != chosen {
			continue
		}
		d.Chosen = f
		for id, duties := range f.Controls {
			c := control{ID: id}
			for _, x := range duties {
				if g, ok := of[x]; ok {
					c.Duties = append(c.Duties, duty{ID: x, Group: g, Bar: web.HolderBar(g.Holders)})
				}
			}
			if c.Duties != nil {
				d.Controls = append(d.Controls, c)
			}
		}
	}
	slices.SortFunc(d.Controls, func(a, b control) int { return natural(a.ID, b.ID) })
	return d, nil
}

func (p Page) serve(r *web.Request) (web.Response, error) {
	d, err := p.read(r)
	if err != nil {
		return nil, err
	}
	return web.View{Title: "Frameworks", Section: "frameworks", Template: page, Data: d}, nil
}

func (p Page) csv(r *web.Request) (web.Response, error) {
	d, err := p.read(r)
	if err != nil {
		return nil, err
	}
	return web.Download{Name: d.Chosen.ID + ".csv", Type: "text/csv; charset=utf-8", Write: func(_ context.Context, w io.Writer) error {
		t, err := web.NewTable(w, "framework", "control", "duty", "title", "resources", "yours", "yours_proven", "yours_attested", "others", "others_assured", "nobodys", "unknown", "gaps")
		if err != nil {
			return err
		}
		n := strconv.Itoa
		for _, c := range d.Controls {
			for _, x := range c.Duties {
				err := t.Row(d.Chosen.ID, c.ID, string(x.ID), r.Duty(x.ID), n(x.Resources), n(x.Yours.Total), n(x.Yours.Proven), n(x.Yours.Attested), n(x.Others.Total), n(x.Others.Proven), n(x.Nobodys), n(x.Unknown), web.GapsText(x.Gaps))
				if err != nil {
					return err
				}
			}
		}
		return t.Close()
	}}, nil
}

// natural compares the names of controls as people order them: AC-2 before AC-10, 1.2 before 1.10.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, restA := run(a)
		y, restB := run(b)
		m, errX := strconv.Atoi(x)
		n, errY := strconv.Atoi(y)
		order := strings.Compare(x, y)
		if errX == nil && errY == nil {
			order = cmp.Or(cmp.Compare(m, n), order)
		}
		if order != 0 {
			return order
		}
		a, b = restA, restB
	}
	return cmp.Compare(len(a), len(b))
}

// run takes the digits, or what are none, off the front.
func run(s string) (first, rest string) {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	i := 1
	for i < len(s) && digit(s[i]) == digit(s[0]) {
		i++
	}
	return s[:i], s[i:]
}
