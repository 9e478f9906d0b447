// Package assumptions is the page that holds what an organization believes against what is: a duty that it believes to be
// somebody else's and that is its own is the mistake that demarc exists to find.
package assumptions

import (
	"context"
	"embed"
	"iter"
	"maps"
	"slices"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// Findings is what the page reads of beliefs that are wrong.
type Findings interface {
	Answers(ctx context.Context, at demarc.At, f demarc.Filter) iter.Seq2[*demarc.Answer, error]
	FindingGroups(ctx context.Context, at demarc.At, filter demarc.Filter) ([]demarc.FindingGroup, error)
}

// Beliefs is what the organization has declared.
type Beliefs interface {
	Declared(ctx context.Context, at demarc.At) (demarc.Declared, error)
}

// Page is the assumptions.
type Page struct {
	Findings Findings
	Beliefs  Beliefs
}

//go:embed *.html
var files embed.FS

var page = web.Template(files, "assumptions.html")

// Routes is /assumptions.
func (p Page) Routes() []web.Route {
	return []web.Route{{Pattern: "GET /assumptions", Needs: demarc.RightRead, Serve: p.serve}}
}

// maxKinds is how many kinds of mistake are shown, each with a resource as an example.
const maxKinds = 40

type data struct {
	Mistakes []mistake
	More     int
	Wrong    int // duties of resources
	Beliefs  []demarc.DeclaredAssumption
	Assumed  bool
}

type mistake struct {
	demarc.FindingGroup
	Resource demarc.Resource // the first of them
	Example  demarc.DutyAnswer
}

func (p Page) serve(r *web.Request) (web.Response, error) {
	declared, err := p.Beliefs.Declared(r.Context(), r.At)
	if err != nil {
		return nil, err
	}
	d := data{Beliefs: declared.Assumptions}
	wrong := r.Filter
	wrong.Gaps = []demarc.Gap{demarc.GapMisassumed}
	groups, err := p.Findings.FindingGroups(r.Context(), r.At, wrong)
	if err != nil {
		return nil, err
	}
	examples := map[demarc.ResourceID][]int{} // by resource, of which mistakes
	for _, g := range groups {
		d.Wrong += g.Count
		if len(d.Mistakes) == maxKinds {
			d.More++
			continue
		}
		if len(g.Examples) > 0 {
			examples[g.Examples[0]] = append(examples[g.Examples[0]], len(d.Mistakes))
		}
		d.Mistakes = append(d.Mistakes, mistake{FindingGroup: g})
	}
	if len(examples) == 0 {
		return web.View{Title: "Assumptions", Section: "assumptions", Template: page, Data: d}, nil
	}
	ids := slices.Sorted(maps.Keys(examples))
	for a, err := range p.Findings.Answers(r.Context(), r.At, demarc.Filter{IDs: ids}) {
		if err != nil {
			return nil, err
		}
		for _, i := range examples[a.Resource.ID] {
			m := &d.Mistakes[i]
			m.Resource, m.Example = a.Resource, a.Duty(demarc.DutyIndex(m.Duty))
		}
	}
	return web.View{Title: "Assumptions", Section: "assumptions", Template: page, Data: d}, nil
}
