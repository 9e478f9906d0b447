// Package assumptions is the page that holds what an organization believes against what is: a duty that it believes to be
// somebody else's and that is its own is the mistake that demarc exists to find.
package assumptions

import (
	"context"
	"embed"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/web"
)

// Findings is what the page reads of beliefs that are wrong.
type Findings interface {
	Answer(ctx context.Context, at demarc.At, id demarc.ResourceID) (demarc.StoredAnswer, error)
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

// maxKinds is how many kinds of mistake are shown; each costs a look at one resource.
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
	for _, g := range groups {
		d.Wrong += g.Count
		if len(d.Mistakes) == maxKinds {
			d.More++
			continue
		}
		m := mistake{FindingGroup: g}
		if len(g.Examples) > 0 {
			a, err := p.Findings.Answer(r.Context(), r.At, g.Examples[0])
			if err != nil {
				return nil, err
			}
			m.Resource, m.Example = a.Resource, a.Answer.Duty(demarc.DutyIndex(g.Duty))
		}
		d.Mistakes = append(d.Mistakes, m)
	}
	return web.View{Title: "Assumptions", Section: "assumptions", Template: page, Data: d}, nil
}
