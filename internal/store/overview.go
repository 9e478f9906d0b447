package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/demarc/demarc"
)

// Overview says what a filter leaves of an estate at a scan.
func (s *Store) Overview(ctx context.Context, at demarc.At, f demarc.Filter) (demarc.Overview, error) {
	n, err := s.snapshotAt(ctx, at)
	if err != nil {
		return demarc.Overview{}, err
	}
	return ask(ctx, s, n, "overview", f, func(sel *selection) (demarc.Overview, error) { return n.overview(sel), nil })
}

func (n *snapshot) overview(sel *selection) demarc.Overview {
	out := demarc.Overview{Scan: n.scan}
	counts := make([]int, len(n.view.places))
	for i, mask := range sel.masks {
		for at := sel.start[i]; mask != 0 && at < sel.start[i+1]; at++ {
			counts[sel.place[at]]++
		}
	}
	for i, c := range counts {
		out.Resources += c
		p := &n.view.places[i]
		if p.implied {
			out.Implied += c
		}
		if p.service == "unclassified" {
			out.Unclassified += c
		}
		if n.stale[i] != 0 {
			out.Stale += c
		}
	}
	var total summed
	sel.counted(func(c *class, mask uint64, times int) bool {
		total.add(n, c, mask, times)
		return true
	})
	out.Tally = total.tally()
	return out
}

// summed adds up tallies.
type summed struct {
	resources  int
	sums       sums
	unaccepted int
}

// add adds the wanted duties of some resources of a class.
func (t *summed) add(n *snapshot, k *class, mask uint64, times int) {
	c := n.countsOf(k.standing, mask)
	t.addCounts(&c, bits.OnesCount64(k.open&mask), times)
}

func (t *summed) addCounts(c *counts, unaccepted, times int) {
	t.resources += times
	t.sums.add(c, int64(times))
	t.unaccepted += unaccepted * times
}

// countsOf returns what some duties of a standing, which may have insideBit, add to a tally.
func (n *snapshot) countsOf(standing uint32, mask uint64) (c counts) {
	at := standing &^ insideBit
	if mask == allDuties {
		return n.view.summaries[at][standing>>31]
	}
	for d := range dutiesIn(mask) {
		c.add(&n.view.outcome(d, at).counts)
	}
	return c
}

func (t *summed) tally() demarc.Tally {
	out := t.sums.tally()
	out.Unaccepted = t.unaccepted
	return out
}

// Groups says what a filter leaves of an estate, for each value of a dimension, most resources first.
func (s *Store) Groups(ctx context.Context, at demarc.At, f demarc.Filter, by demarc.Dimension) ([]demarc.Group, error) {
	n, err := s.snapshotAt(ctx, at)
	if err != nil {
		return nil, err
	}
	list, err := ask(ctx, s, n, "groups by "+string(by), f, func(sel *selection) ([]demarc.Group, error) {
		if slices.Contains(demarc.DutyDimensions, by) {
			return n.dutyGroups(sel, by), nil
		}
		value, err := placeValue(by)
		if err != nil {
			return nil, err
		}
		return n.placeGroups(sel, value), nil
	})
	return slices.Clone(list), err
}

func (n *snapshot) placeGroups(sel *selection, value func(*place) string) []demarc.Group {
	groupOf, names := n.groupPlaces(value)
	totals := make([]summed, len(names))
	var last *class
	var of counts
	unaccepted := 0
	sel.grouped(groupOf, len(names), func(c *class, mask uint64, group uint32, times int) {
		if c != last { // a class comes with one group after the other
			last, of, unaccepted = c, n.countsOf(c.standing, mask), bits.OnesCount64(c.open&mask)
		}
		totals[group].addCounts(&of, unaccepted, times)
	})
	var out []demarc.Group
	for i := range totals {
		if totals[i].resources > 0 {
			out = append(out, demarc.Group{Value: names[i], Resources: totals[i].resources, Tally: totals[i].tally()})
		}
	}
	sortGroups(out)
	return out
}

func sortGroups(list []demarc.Group) {
	slices.SortFunc(list, func(a, b demarc.Group) int {
		return cmp.Or(cmp.Compare(b.Resources, a.Resources), strings.Compare(a.Value, b.Value))
	})
}

// groupPlaces numbers the values that places have: groupOf is the number of each place's.
func (n *snapshot) groupPlaces(value func(*place) string) (groupOf []uint32, names []string) {
	numbers := map[string]uint32{}
	groupOf = make([]uint32, len(n.view.places))
	for i := range n.view.places {
		v := value(&n.view.places[i])
		number, ok := numbers[v]
		if !ok {
			number = uint32(len(names))
			numbers[v] = number
			names = append(names, v)
		}
		groupOf[i] = number
	}
	return groupOf, names
}

// dutyGroups groups duties: by standing first, as standings are far fewer than resources.
func (n *snapshot) dutyGroups(sel *selection, by demarc.Dimension) []demarc.Group {
	numbers := map[string]int{}
	var names []string
	number := func(v string) int {
		i, ok := numbers[v]
		if !ok {
			i = len(names)
			numbers[v] = i
			names = append(names, v)
		}
		return i
	}
	// The groups of each outcome, and for each standing and group the duties in it.
	var of [numDuties][][]int
	for d := range numDuties {
		of[d] = make([][]int, len(n.view.outcomes[d]))
		for i, o := range n.view.outcomes[d] {
			for _, v := range dutyValues(by, &o.answer) {
				of[d][i] = append(of[d][i], number(v))
			}
		}
	}
	unaccepted := -1
	if by == demarc.ByGap && sel.classes.open {
		unaccepted = number(string(demarc.GapUnaccepted))
	}
	totals := make([]summed, len(names))
	masks := make([]uint64, len(names))
	var touched []int
	sel.counted(func(c *class, m uint64, times int) bool {
		at := c.standing &^ insideBit
		if c.standing&insideBit != 0 {
			m &^= guestDuties
		}
		touched = touched[:0]
		put := func(g, d int) {
			if masks[g] == 0 {
				touched = append(touched, g)
			}
			masks[g] |= 1 << d
		}
		for d := range dutiesIn(m) {
			for _, g := range of[d][n.view.columns[d][at]] {
				put(g, d)
			}
			if unaccepted >= 0 && c.open>>d&1 != 0 {
				put(unaccepted, d)
			}
		}
		for _, g := range touched {
			totals[g].add(n, c, masks[g], times)
			masks[g] = 0
		}
		return true
	})
	var out []demarc.Group
	for i := range totals {
		if totals[i].resources > 0 {
			out = append(out, demarc.Group{Value: names[i], Resources: totals[i].resources, Tally: totals[i].tally()})
		}
	}
	sortGroups(out)
	return out
}

func dutyValues(by demarc.Dimension, d *demarc.DutyAnswer) []string {
	if d.Holder == demarc.NotApplicable {
		return nil
	}
	switch by {
	case demarc.ByLayer:
		return []string{string(d.Duty.Layer())}
	case demarc.ByDuty:
		return []string{string(d.Duty)}
	case demarc.ByHolder:
		return []string{string(d.Holder)}
	case demarc.ByState:
		return []string{string(d.State)}
	case demarc.ByGap:
		if g := d.Gap(); g != "" {
			return []string{string(g)}
		}
	case demarc.ByTeam:
		if d.Tenant() {
			return []string{d.Team}
		}
	case demarc.ByParty:
		var out []string
		for _, p := range d.Parties {
			out = append(out, string(p))
		}
		return out
	default:
	}
	return nil
}

type dimensionError string

func (u dimensionError) Error() string {
	return "unknown dimension " + string(u) + ": expected one of " + join(demarc.Dimensions)
}

func join[T ~string](list []T) string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return strings.Join(out, ", ")
}

// placeValue returns what a place has of a dimension.
func placeValue(by demarc.Dimension) (func(*place) string, error) {
	switch by {
	case demarc.ByProvider:
		return func(p *place) string { return p.provider }, nil
	case demarc.BySource:
		return func(p *place) string { return p.source }, nil
	case demarc.ByAccount:
		return func(p *place) string { return p.account }, nil
	case demarc.ByRegion:
		return func(p *place) string { return p.region }, nil
	case demarc.ByModel:
		return func(p *place) string { return p.model }, nil
	case demarc.ByArchetype:
		return func(p *place) string { return p.archetype }, nil
	case demarc.ByService:
		return func(p *place) string { return string(p.service) }, nil
	case demarc.ByType:
		return func(p *place) string { return p.typ }, nil
	default:
		return nil, dimensionError(by)
	}
}

// Line is the demarcation line: duties by at most so many columns, those with most resources. 0 is all of them.
func (s *Store) Line(ctx context.Context, at demarc.At, f demarc.Filter, by demarc.Dimension, columns int) (demarc.Line, error) {
	out := demarc.Line{By: by}
	value, err := placeValue(by)
	if err != nil {
		return out, err
	}
	n, err := s.snapshotAt(ctx, at)
	if err != nil {
		return out, err
	}
	return ask(ctx, s, n, fmt.Sprintf("line by %s, %d", by, columns), f, func(sel *selection) (demarc.Line, error) { return n.line(sel, by, value, columns), nil })
}

func (n *snapshot) line(sel *selection, by demarc.Dimension, value func(*place) string, columns int) demarc.Line {
	out := demarc.Line{Scan: n.scan, By: by}
	groupOf, names := n.groupPlaces(value)
	count := make([]int, len(names))
	sel.grouped(groupOf, len(names), func(_ *class, _ uint64, group uint32, times int) { count[group] += times })
	var order []uint32
	for i, c := range count {
		if c > 0 {
			order = append(order, uint32(i))
		}
	}
	slices.SortFunc(order, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), strings.Compare(names[a], names[b]))
	})
	if columns > 0 && len(order) > columns {
		out.More = len(order) - columns
		order = order[:columns]
	}
	columnOf := make([]int, len(names))
	for i := range columnOf {
		columnOf[i] = -1
	}
	for i, g := range order {
		columnOf[g] = i
		out.Columns = append(out.Columns, demarc.LineColumn{Value: names[g], Resources: count[g]})
	}
	cells := make([][numDuties][]int32, len(order)) // by column, duty and number of the outcome
	for c := range cells {
		for d := range numDuties {
			cells[c][d] = make([]int32, len(n.view.outcomes[d]))
		}
	}
	sel.grouped(groupOf, len(names), func(k *class, m uint64, group uint32, times int) {
		c := columnOf[group]
		if c < 0 {
			return
		}
		if k.standing&insideBit != 0 {
			m &^= guestDuties
		}
		at := k.standing &^ insideBit
		for d := range dutiesIn(m) {
			cells[c][d][n.view.columns[d][at]] += int32(times)
		}
	})
	for d := range numDuties {
		type key struct {
			column             int
			holder             demarc.Holder
			state, counterpart demarc.State
		}
		merged := map[key]*demarc.LineCell{}
		for column := range cells {
			for number, times := range cells[column][d] {
				if times == 0 {
					continue
				}
				a := &n.view.outcomes[d][number].answer
				k := key{column, a.Holder, a.State, a.Counterpart}
				c := merged[k]
				if c == nil {
					c = &demarc.LineCell{Duty: a.Duty, Column: k.column, Holder: k.holder, State: k.state, Counterpart: k.counterpart}
					merged[k] = c
				}
				c.Count += int(times)
				if a.Assumed {
					c.Assumed += int(times)
				}
			}
		}
		first := len(out.Cells)
		for _, c := range merged {
			out.Cells = append(out.Cells, *c)
		}
		slices.SortFunc(out.Cells[first:], func(a, b demarc.LineCell) int {
			return cmp.Or(cmp.Compare(a.Column, b.Column), cmp.Compare(slices.Index(demarc.Holders, a.Holder), slices.Index(demarc.Holders, b.Holder)),
				cmp.Compare(slices.Index(demarc.States, a.State), slices.Index(demarc.States, b.State)), strings.Compare(string(a.Counterpart), string(b.Counterpart)))
		})
	}
	return out
}

// Trend says what a filter came to at each scan of a period, oldest first.
func (s *Store) Trend(ctx context.Context, organization string, f demarc.Filter, period demarc.Period) ([]demarc.TrendPoint, error) {
	n, err := s.snapshotAt(ctx, demarc.At{Organization: organization})
	if err != nil {
		return nil, err
	}
	list, err := ask(ctx, s, n, fmt.Sprintf("trend %d %d", period.Since.UnixMicro(), period.Until.UnixMicro()), f, func(sel *selection) ([]demarc.TrendPoint, error) {
		return s.trend(ctx, n, sel, f, period)
	})
	return slices.Clone(list), err
}

func (s *Store) trend(ctx context.Context, n *snapshot, sel *selection, f demarc.Filter, period demarc.Period) ([]demarc.TrendPoint, error) {
	points, err := s.trendPoints(ctx, n.org, period)
	if err != nil || len(points) == 0 {
		return points, err
	}
	// Each version adds to all points from its first scan on, and takes away from the one that ended it on.
	indexOf := make([]uint32, n.scan.ID+2) // of each scan, the first point that is not before it
	for id := range indexOf {
		at, _ := slices.BinarySearchFunc(points, demarc.ScanID(id), func(p demarc.TrendPoint, id demarc.ScanID) int { return cmp.Compare(p.Scan, id) })
		indexOf[id] = uint32(at)
	}
	type change struct{ more, less summed }
	changes := make([]change, len(points)+1)
	add := func(standing uint32, mask uint64, first, ended uint32, times int64) {
		if first >= ended {
			return
		}
		c := n.countsOf(standing, mask)
		changes[first].more.sums.add(&c, times)
		changes[first].more.resources += int(times)
		changes[ended].less.sums.add(&c, times)
		changes[ended].less.resources += int(times)
	}
	end := uint32(len(points))
	cs := sel.classes
	firsts := make([]int64, len(points)+1)
	for i := range cs.list {
		mask := sel.masks[i]
		if mask == 0 {
			continue
		}
		for at := sel.start[i]; at < sel.start[i+1]; at++ {
			firsts[indexOf[n.first[sel.order[at]]]]++
		}
		for k, times := range firsts {
			if times > 0 {
				add(cs.list[i].standing, mask, uint32(k), end, times)
				firsts[k] = 0
			}
		}
	}
	past, err := s.pastVersions(ctx, n)
	if err != nil {
		return nil, err
	}
	var found []bool
	if sel.positions != nil {
		if found, err = s.findPast(ctx, n, f); err != nil {
			return nil, err
		}
	}
	type group struct {
		standing     uint32
		mask         uint64
		first, ended uint32
	}
	groups := map[group]int64{}
	for i := range past {
		p := &past[i]
		if found != nil && (i >= len(found) || !found[i]) {
			continue
		}
		if m := sel.pastMask(p); m != 0 {
			groups[group{p.standing, m, indexOf[p.first], indexOf[p.ended]}]++
		}
	}
	for g, times := range groups {
		add(g.standing, g.mask, g.first, g.ended, times)
	}
	var running [numCounts]int64
	resources := 0
	for i := range points {
		c := &changes[i]
		more, less := c.more.sums.numbers(), c.less.sums.numbers()
		for k := range running {
			running[k] += more[k] - less[k]
		}
		resources += c.more.resources - c.less.resources
		points[i].Resources, points[i].Tally = resources, (&sums{totals: running}).tally()
	}
	return points, nil
}

func (s *Store) trendPoints(ctx context.Context, org int64, period demarc.Period) ([]demarc.TrendPoint, error) {
	until := int64(1<<63 - 1)
	if !period.Until.IsZero() {
		until = micros(period.Until)
	}
	points := []demarc.TrendPoint{}
	rows, err := s.read.QueryContext(ctx, `SELECT id, finished, as_of FROM scans WHERE organization = $1 AND pruned = 0 AND finished >= $2 AND finished <= $3 ORDER BY id`, org, micros(period.Since), until)
	err = each(rows, err, func(r *sql.Rows) error {
		var p demarc.TrendPoint
		var at, asOf int64
		err := r.Scan(&p.Scan, &at, &asOf)
		p.At, p.AsOf = fromMicros(at), fromMicros(asOf)
		points = append(points, p)
		return err
	})
	return points, s.explain(err)
}
