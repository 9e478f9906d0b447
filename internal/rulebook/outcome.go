package rulebook

import "github.com/demarc/demarc"

// Choice is the outcome of a duty for some facts: which of the archetype's row, the service's row and the lines decides.
type Choice struct {
	Outcome *Outcome
	Line    int   // the line that decides, -1 for the row
	Differs bool  // other completions of what is unknown would end differently: the answer is assumed
	Open    []int // the lines that are unknown and lie on the way, where Differs
	Asked   []int // the lines that were asked: those on the way up to the answer
}

// Choose returns the outcome of a duty. Lines are asked in order, and the first that is true decides; where a line
// is unknown, both ways are followed, and of all outcomes that may come the one that leaves most with the tenant is
// taken.
func (s *Service) Choose(duty int, truth func(line int) Tri) Choice {
	return s.ChooseBy(duty, truth, demarc.RoleSet.TenantShare)
}

// ChooseBy is Choose where share says how much of a duty these roles leave with the tenant: it may play others beside
// its own.
func (s *Service) ChooseBy(duty int, truth func(line int) Tri, share func(demarc.RoleSet) int) Choice {
	out := Choice{Line: -1}
	candidate := func(line int, o *Outcome) {
		if out.Outcome == nil {
			out.Outcome, out.Line = o, line
			return
		}
		if o.Roles != out.Outcome.Roles {
			out.Differs = true
		}
		// On a tie the later one: what decides if nothing of the unknown holds.
		if share(o.Roles) >= share(out.Outcome.Roles) {
			out.Outcome, out.Line = o, line
		}
	}
	for _, line := range s.movers[duty] {
		out.Asked = append(out.Asked, line)
		switch truth(line) {
		case True:
			candidate(line, s.Lines[line].Moves[duty])
			return out.settle()
		case Unknown:
			candidate(line, s.Lines[line].Moves[duty])
			out.Open = append(out.Open, line)
		case False:
		}
	}
	candidate(-1, s.Base[duty])
	return out.settle()
}

func (c Choice) settle() Choice {
	if !c.Differs {
		c.Open = nil
	}
	return c
}
