// Package webtest has what tests of pages stand on: a history in memory, and a site around one page.
package webtest

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/demarc/demarc"
)

// Memory is a history with one scan, of answers that a test made. It answers what a store does, by going through them.
type Memory struct {
	Of        demarc.Scan
	Listed    []demarc.Answer
	Moved     []demarc.Move
	Declared  []demarc.Declaration
	Recorded  []demarc.AuditEntry
	Stretches map[demarc.ResourceID][]demarc.Version
}

// Organizations lists the one organization, or none where nothing was scanned.
func (m *Memory) Organizations(context.Context) ([]demarc.Organization, error) {
	if m.Of.ID == 0 {
		return nil, nil
	}
	return []demarc.Organization{{Name: m.Of.Organization, Latest: m.Of, Scans: 1}}, nil
}

// Scan returns the one scan.
func (m *Memory) Scan(_ context.Context, at demarc.At) (demarc.Scan, error) {
	if at.Scan != 0 && at.Scan != m.Of.ID {
		return demarc.Scan{}, demarc.ErrNotFound
	}
	return m.Of, nil
}

// Scans lists the one scan.
func (m *Memory) Scans(_ context.Context, organization string, _ demarc.Page) (demarc.Paged[demarc.Scan], error) {
	if m.Of.ID == 0 || organization != m.Of.Organization {
		return demarc.Paged[demarc.Scan]{}, demarc.ErrNotFound
	}
	return demarc.Paged[demarc.Scan]{Items: []demarc.Scan{m.Of}, Total: 1}, nil
}

// each goes through the duties that a filter wants and that count.
func (m *Memory) each(f demarc.Filter, do func(a *demarc.Answer, d *demarc.DutyAnswer)) {
	for i := range m.Listed {
		a := &m.Listed[i]
		if !f.MatchResource(&a.Resource) || !f.MatchExposure(a.Standing) {
			continue
		}
		for d := range a.Duties {
			if f.MatchDuty(d) && d.Holder != demarc.NotApplicable && !(a.Inside && d.Duty.Layer() == "guest") {
				do(a, d)
			}
		}
	}
}

func (m *Memory) matching(f demarc.Filter) []*demarc.Answer {
	var out []*demarc.Answer
	for i := range m.Listed {
		a := &m.Listed[i]
		if !f.MatchResource(&a.Resource) || !f.MatchExposure(a.Standing) {
			continue
		}
		fits := !f.OfDuties()
		for d := range a.Duties {
			fits = fits || f.MatchDuty(d)
		}
		if fits {
			out = append(out, a)
		}
	}
	return out
}

// Answers goes through the answers for the resources that a filter wants.
func (m *Memory) Answers(_ context.Context, _ demarc.At, f demarc.Filter) iter.Seq2[*demarc.Answer, error] {
	return func(yield func(*demarc.Answer, error) bool) {
		for _, a := range m.matching(f) {
			if !yield(a, nil) {
				return
			}
		}
	}
}

// Overview counts.
func (m *Memory) Overview(_ context.Context, _ demarc.At, f demarc.Filter) (demarc.Overview, error) {
	o := demarc.Overview{Scan: m.Of, Tally: m.tally(f, nil)}
	for _, a := range m.matching(f) {
		o.Resources++
		if a.Resource.Implied {
			o.Implied++
		}
		if a.Resource.Service == "unclassified" {
			o.Unclassified++
		}
	}
	return o, nil
}

func (m *Memory) tally(f demarc.Filter, only func(*demarc.Answer, *demarc.DutyAnswer) bool) demarc.Tally {
	t := demarc.Tally{Holders: map[demarc.Holder]int{}, States: map[demarc.State]int{}, Gaps: map[demarc.Gap]int{}}
	m.each(f, func(a *demarc.Answer, d *demarc.DutyAnswer) {
		if only != nil && !only(a, d) {
			return
		}
		t.Duties++
		t.Holders[d.Holder]++
		if d.Assumed {
			t.Assumed++
		}
		if d.Teamless {
			t.Teamless++
		}
		if g := d.Gap(); g != "" {
			t.Gaps[g]++
		}
		switch {
		case d.Tenant():
			t.Yours.Total++
			t.States[d.State]++
			switch d.State {
			case demarc.Met:
				t.Yours.Proven++
			case demarc.Attested:
				t.Yours.Attested++
			case demarc.Blind:
				t.Unknown++
			default:
			}
		case d.Holder == demarc.Unowned:
			t.Nobodys++
		default:
			t.Others.Total++
			if d.State == demarc.Assured {
				t.Others.Proven++
			}
		}
	})
	return t
}

func values(a *demarc.Answer, d *demarc.DutyAnswer, by demarc.Dimension) string {
	switch by {
	case demarc.ByProvider:
		return a.Resource.Provider
	case demarc.BySource:
		return a.Resource.Source
	case demarc.ByAccount:
		return a.Resource.Account
	case demarc.ByRegion:
		return a.Resource.Region
	case demarc.ByModel:
		return a.Resource.Model
	case demarc.ByService:
		return string(a.Resource.Service)
	case demarc.ByType:
		return a.Resource.Type
	case demarc.ByLayer:
		return string(d.Duty.Layer())
	case demarc.ByDuty:
		return string(d.Duty)
	case demarc.ByHolder:
		return string(d.Holder)
	case demarc.ByState:
		return string(d.State)
	case demarc.ByGap:
		return string(d.Gap())
	case demarc.ByTeam:
		return d.Team
	default:
		return ""
	}
}

// Groups counts by a dimension.
func (m *Memory) Groups(_ context.Context, _ demarc.At, f demarc.Filter, by demarc.Dimension) ([]demarc.Group, error) {
	in := map[string]map[demarc.ResourceID]bool{}
	m.each(f, func(a *demarc.Answer, d *demarc.DutyAnswer) {
		v := values(a, d, by)
		if in[v] == nil {
			in[v] = map[demarc.ResourceID]bool{}
		}
		in[v][a.Resource.ID] = true
	})
	var out []demarc.Group
	for v, ids := range in {
		out = append(out, demarc.Group{Value: v, Resources: len(ids), Tally: m.tally(f, func(a *demarc.Answer, d *demarc.DutyAnswer) bool { return values(a, d, by) == v })})
	}
	slices.SortFunc(out, func(a, b demarc.Group) int {
		return cmp.Or(b.Resources-a.Resources, strings.Compare(a.Value, b.Value))
	})
	return out, nil
}

// Line counts by duty and column.
func (m *Memory) Line(ctx context.Context, at demarc.At, f demarc.Filter, by demarc.Dimension, columns int) (demarc.Line, error) {
	l := demarc.Line{Scan: m.Of, By: by}
	groups, err := m.Groups(ctx, at, f, by)
	if err != nil {
		return l, err
	}
	place := map[string]int{}
	for _, g := range groups {
		if len(l.Columns) == columns {
			l.More++
			continue
		}
		place[g.Value] = len(l.Columns)
		l.Columns = append(l.Columns, demarc.LineColumn{Value: g.Value, Resources: g.Resources})
	}
	cells := map[demarc.LineCell]*demarc.LineCell{}
	m.each(f, func(a *demarc.Answer, d *demarc.DutyAnswer) {
		column, ok := place[values(a, d, by)]
		if !ok {
			return
		}
		k := demarc.LineCell{Duty: d.Duty, Column: column, Holder: d.Holder, State: d.State, Counterpart: d.Counterpart}
		if cells[k] == nil {
			c := k
			cells[k] = &c
		}
		cells[k].Count++
		if d.Assumed {
			cells[k].Assumed++
		}
	})
	for _, c := range cells {
		l.Cells = append(l.Cells, *c)
	}
	slices.SortFunc(l.Cells, func(a, b demarc.LineCell) int {
		return cmp.Or(demarc.DutyIndex(a.Duty)-demarc.DutyIndex(b.Duty), a.Column-b.Column, strings.Compare(string(a.Holder), string(b.Holder)), strings.Compare(string(a.State), string(b.State)))
	})
	return l, nil
}

// Trend has one point.
func (m *Memory) Trend(_ context.Context, _ string, f demarc.Filter, _ demarc.Period) ([]demarc.TrendPoint, error) {
	return []demarc.TrendPoint{{Scan: m.Of.ID, At: m.Of.Finished, AsOf: m.Of.AsOf, Resources: len(m.matching(f)), Tally: m.tally(f, nil)}}, nil
}

func (m *Memory) stored(a *demarc.Answer) demarc.StoredResource {
	moment := demarc.Moment{Scan: m.Of.ID, At: m.Of.Finished}
	s := demarc.StoredResource{Resource: a.Resource, FirstSeen: moment, Changed: moment, LastSeen: moment, Exposure: a.Exposure(), Gaps: map[demarc.Gap]int{}, Holders: map[demarc.Holder]int{}}
	for d := range a.Duties {
		if d.Holder == demarc.NotApplicable {
			continue
		}
		s.Holders[d.Holder]++
		if g := d.Gap(); g != "" {
			s.Gaps[g]++
			s.Worst = max(s.Worst, d.Severity())
		}
	}
	return s
}

func paged[T any](all []T, page demarc.Page) demarc.Paged[T] {
	from, err := strconv.Atoi(string(page.After))
	if err != nil {
		from = 0
	}
	until := min(from+page.Size(), len(all))
	p := demarc.Paged[T]{Items: all[min(from, until):until], Total: len(all)}
	if until < len(all) {
		p.Next = demarc.Cursor(strconv.Itoa(until))
	}
	return p
}

// Resources lists.
func (m *Memory) Resources(_ context.Context, _ demarc.At, f demarc.Filter, order demarc.Order, page demarc.Page) (demarc.Paged[demarc.StoredResource], error) {
	var all []demarc.StoredResource
	for _, a := range m.matching(f) {
		all = append(all, m.stored(a))
	}
	if order == demarc.OrderWorst {
		slices.SortStableFunc(all, func(a, b demarc.StoredResource) int { return int(b.Worst) - int(a.Worst) })
	}
	return paged(all, page), nil
}

// Answer returns one resource.
func (m *Memory) Answer(_ context.Context, _ demarc.At, id demarc.ResourceID) (demarc.StoredAnswer, error) {
	for i := range m.Listed {
		if m.Listed[i].Resource.ID == id {
			return demarc.StoredAnswer{StoredResource: m.stored(&m.Listed[i]), Answer: m.Listed[i], Scan: m.Of}, nil
		}
	}
	return demarc.StoredAnswer{}, demarc.ErrNotFound
}

// Versions returns what a test says of a resource.
func (m *Memory) Versions(_ context.Context, _ string, id demarc.ResourceID) ([]demarc.Version, error) {
	return m.Stretches[id], nil
}

// Findings lists the gaps.
func (m *Memory) Findings(_ context.Context, _ demarc.At, f demarc.Filter, _ demarc.FindingStatus, order demarc.Order, page demarc.Page) (demarc.Paged[demarc.Finding], error) {
	var all []demarc.Finding
	moment := demarc.Moment{Scan: m.Of.ID, At: m.Of.Finished}
	m.each(f, func(a *demarc.Answer, d *demarc.DutyAnswer) {
		g := d.Gap()
		if g == "" {
			return
		}
		base := demarc.Finding{
			Resource: a.Resource, Exposure: a.Exposure(), Duty: d.Duty, Gap: g, Severity: d.Severity(), Holder: d.Holder, State: d.State, Believed: d.Believed,
			Missing: d.Verdict.Missing, Team: d.Team, FirstSeen: moment, LastSeen: moment,
		}
		if n := len(d.Basis); n > 0 {
			base.Because = d.Basis[n-1].Because
		}
		found := false
		for _, c := range d.Checks {
			if c.Result == demarc.CheckFail && g == demarc.GapFailing || c.Result == demarc.CheckUnknown && g == demarc.GapBlind {
				one := base
				one.Check, one.Severity = c.ID, c.Severity
				all, found = append(all, one), true
			}
		}
		if !found {
			all = append(all, base)
		}
	})
	if order == demarc.OrderWorst {
		slices.SortStableFunc(all, func(a, b demarc.Finding) int { return int(b.Severity) - int(a.Severity) })
	}
	return paged(all, page), nil
}

// FindingGroups counts the gaps by kind.
func (m *Memory) FindingGroups(ctx context.Context, at demarc.At, f demarc.Filter) ([]demarc.FindingGroup, error) {
	all, err := m.Findings(ctx, at, f, demarc.FindingsOpen, demarc.OrderWorst, demarc.Page{Limit: demarc.MaxLimit})
	if err != nil {
		return nil, err
	}
	type key struct {
		gap     demarc.Gap
		duty    demarc.DutyID
		service demarc.ServiceID
		check   string
	}
	groups := map[key]*demarc.FindingGroup{}
	for _, x := range all.Items {
		k := key{x.Gap, x.Duty, x.Resource.Service, x.Check}
		if groups[k] == nil {
			groups[k] = &demarc.FindingGroup{Gap: x.Gap, Severity: x.Severity, Duty: x.Duty, Service: x.Resource.Service, Check: x.Check}
		}
		groups[k].Count++
		if len(groups[k].Examples) < demarc.MaxExamples {
			groups[k].Examples = append(groups[k].Examples, x.Resource.ID)
		}
		if x.Exposure == demarc.Exposed {
			groups[k].Exposed++
		}
	}
	var out []demarc.FindingGroup
	for _, g := range groups {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b demarc.FindingGroup) int {
		return cmp.Or(int(b.Severity)-int(a.Severity), b.Count-a.Count, strings.Compare(string(a.Duty), string(b.Duty)), strings.Compare(a.Check, b.Check), strings.Compare(string(a.Service), string(b.Service)))
	})
	return out, nil
}

// BlindSpots counts the facts that could not be read.
func (m *Memory) BlindSpots(_ context.Context, _ demarc.At, f demarc.Filter) ([]demarc.BlindSpot, error) {
	type key struct {
		service demarc.ServiceID
		fact    string
	}
	spots := map[key]*demarc.BlindSpot{}
	m.each(f, func(a *demarc.Answer, d *demarc.DutyAnswer) {
		for _, name := range d.Verdict.Missing {
			k := key{a.Resource.Service, name}
			if spots[k] == nil {
				fact, _ := a.Fact(name)
				spots[k] = &demarc.BlindSpot{Service: k.service, Fact: name, Origin: fact.Fact.Origin.String()}
			}
			spots[k].Count++
			spots[k].Duties++
		}
	})
	var out []demarc.BlindSpot
	for _, k := range slices.SortedFunc(maps.Keys(spots), func(a, b key) int {
		return cmp.Or(strings.Compare(string(a.service), string(b.service)), strings.Compare(a.fact, b.fact))
	}) {
		out = append(out, *spots[k])
	}
	return out, nil
}

// Moves lists what a test says.
func (m *Memory) Moves(_ context.Context, _ string, f demarc.Filter, period demarc.Period, page demarc.Page) (demarc.Paged[demarc.Move], error) {
	var out []demarc.Move
	for i := range m.Moved {
		at := m.Moved[i].FirstSeen.At
		if f.MatchResource(&m.Moved[i].Resource) && !at.Before(period.Since) && (period.Until.IsZero() || !at.After(period.Until)) {
			out = append(out, m.Moved[i])
		}
	}
	return paged(out, page), nil
}

// MoveGroups has each move as a group of its own.
func (m *Memory) MoveGroups(ctx context.Context, organization string, f demarc.Filter, period demarc.Period) ([]demarc.MoveGroup, error) {
	moves, err := m.Moves(ctx, organization, f, period, demarc.Page{Limit: demarc.MaxLimit})
	var out []demarc.MoveGroup
	for _, x := range moves.Items {
		out = append(out, demarc.MoveGroup{Duty: x.Duty, Service: x.Resource.Service, From: x.From.Holder, To: x.To.Holder, ToUs: x.ToUs, Cause: x.Cause, Count: 1, Examples: []demarc.ResourceID{x.Resource.ID}, FirstSeen: x.FirstSeen})
	}
	return out, err
}

// Declarations lists them.
func (m *Memory) Declarations(context.Context, string) ([]demarc.Declaration, error) {
	return m.Declared, nil
}

// Declare records one.
func (m *Memory) Declare(_ context.Context, organization, actor string, d demarc.Declaration, _ time.Time) (demarc.Declaration, error) {
	d.ID = "d" + strconv.Itoa(len(m.Declared)+1)
	m.Declared = append(m.Declared, d)
	m.record(organization, actor, string(d.Kind), d.ID)
	return d, nil
}

// Withdraw takes one back.
func (m *Memory) Withdraw(_ context.Context, organization, actor, id string, now time.Time) error {
	for i := range m.Declared {
		if m.Declared[i].ID == id {
			m.Declared[i].Withdrawn, m.Declared[i].WithdrawnBy = now, actor
			m.record(organization, actor, "withdraw", id)
			return nil
		}
	}
	return demarc.ErrNotFound
}

func (m *Memory) record(organization, actor, action, subject string) {
	m.Recorded = append(m.Recorded, demarc.AuditEntry{Sequence: int64(len(m.Recorded) + 1), At: m.Of.Finished, Organization: organization, Actor: actor, Action: action, Subject: subject})
}

// Audit lists the changes.
func (m *Memory) Audit(_ context.Context, _ string, page demarc.Page) (demarc.Paged[demarc.AuditEntry], error) {
	return paged(m.Recorded, page), nil
}
