package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/demarc/demarc"
)

// gapAt is one finding of the resource at a position of a snapshot.
type gapAt struct {
	duty  int
	of    findingOf
	out   *outcome
	first int64
	last  int64 // 0 while it is seen
}

// gapsOf calls yield for the findings that a filter wants of the wanted duties of a class, in the order of duties.
func (n *snapshot) gapsOf(k *class, mask uint64, f *demarc.Filter, yield func(d int, g findingOf, o *outcome)) {
	at := k.standing &^ insideBit
	if k.standing&insideBit != 0 {
		mask &^= guestDuties
	}
	mask &= n.view.gapped[at] | k.open
	for d := range dutiesIn(mask) {
		o := n.view.outcome(d, at)
		for _, g := range o.gaps {
			if wantsGap(f, g) {
				yield(d, g, o)
			}
		}
		if g := (findingOf{demarc.GapUnaccepted, "", demarc.Low}); k.open>>d&1 != 0 && wantsGap(f, g) {
			yield(d, g, o)
		}
	}
}

// gapsAt returns the findings of the resource at a position, as far as a filter wants them. What it returns is valid until
// the next call with the same scratch.
func (n *snapshot) gapsAt(sel *selection, h *histories, f *demarc.Filter, pos int, scratch []gapAt) []gapAt {
	out := scratch[:0]
	mask := sel.mask(pos)
	if mask == 0 {
		return out
	}
	var rows []findingRow
	if h.special[pos] {
		rows = h.rows[n.rids[pos]]
	}
	n.gapsOf(&sel.classes.list[sel.classes.of[pos]], mask, f, func(d int, g findingOf, o *outcome) {
		x := gapAt{d, g, o, int64(n.born[pos]), 0}
		for i := range rows {
			if r := &rows[i]; r.duty == d && r.of.gap == g.gap && r.of.check == g.check {
				x.first = r.first
			}
		}
		out = append(out, x)
	})
	for i := range rows { // those that can no longer be told
		if r := &rows[i]; r.last != 0 && mask>>r.duty&1 != 0 && wantsGap(f, r.of) {
			out = append(out, gapAt{r.duty, r.of, r.out, r.first, r.last})
		}
	}
	return out
}

// wantsGap reports whether a filter wants a finding of a duty that it wants.
func wantsGap(f *demarc.Filter, g findingOf) bool {
	return (len(f.Gaps) == 0 || slices.Contains(f.Gaps, g.gap)) && g.severity >= f.Severity && (len(f.Checks) == 0 || slices.Contains(f.Checks, g.check))
}

// Findings returns a part of the findings that a filter wants: of the open ones those at a scan, of the resolved ones
// those that were resolved until then.
func (s *Store) Findings(ctx context.Context, at demarc.At, f demarc.Filter, status demarc.FindingStatus, order demarc.Order, page demarc.Page) (demarc.Paged[demarc.Finding], error) {
	out := demarc.Paged[demarc.Finding]{Items: []demarc.Finding{}}
	n, err := s.snapshotAt(ctx, at)
	if err != nil {
		return out, err
	}
	switch status {
	case demarc.FindingsOpen, "":
		return s.openFindings(ctx, n, f, order, page)
	case demarc.FindingsResolved:
		return s.resolvedFindings(ctx, n, f, page)
	case demarc.FindingsAll:
		// The open ones first, then the resolved ones. The cursor says in which of the two lists it is.
		rest, inResolved := strings.CutPrefix(string(page.After), "r")
		if !inResolved {
			if out, err = s.openFindings(ctx, n, f, order, page); err != nil || out.Next != "" {
				more, rerr := s.resolvedFindings(ctx, n, f, demarc.Page{Limit: 1})
				out.Total += more.Total
				return out, errors.Join(err, rerr)
			}
			rest = ""
		}
		open := out
		if inResolved {
			if open, err = s.openFindings(ctx, n, f, order, demarc.Page{Limit: 1}); err != nil {
				return out, err
			}
			open.Items = nil
		}
		left := page.Size() - len(open.Items)
		if left == 0 {
			open.Next = "r"
			left = 1
		}
		resolved, err := s.resolvedFindings(ctx, n, f, demarc.Page{After: demarc.Cursor(rest), Limit: left})
		if err != nil {
			return out, err
		}
		out.Total = open.Total + resolved.Total
		if out.Items = open.Items; open.Next == "r" {
			if resolved.Total > 0 {
				out.Next = "r"
			}
			return out, nil
		}
		out.Items = append(out.Items, resolved.Items...)
		if resolved.Next != "" {
			out.Next = "r" + resolved.Next
		}
		return out, nil
	default:
		return out, fmt.Errorf("status %q: expected open, resolved or all", status)
	}
}

// openFindings lists open findings. There may be many millions: only those of the page are made.
func (s *Store) openFindings(ctx context.Context, n *snapshot, f demarc.Filter, order demarc.Order, page demarc.Page) (demarc.Paged[demarc.Finding], error) {
	out := demarc.Paged[demarc.Finding]{Items: []demarc.Finding{}}
	sel, err := s.selects(ctx, n, f)
	if err != nil {
		return out, err
	}
	h, err := s.historiesOf(ctx, n)
	if err != nil {
		return out, err
	}
	rank := func(*gapAt) int { return 0 }
	ranks := 1
	switch order {
	case demarc.OrderWorst, "":
		rank, ranks = func(g *gapAt) int { return int(demarc.Critical - g.of.severity) }, int(demarc.Critical)+1
	case demarc.OrderOldest:
		rank, ranks = func(g *gapAt) int { return int(g.first) }, int(n.scan.ID)+1
	case demarc.OrderNewest:
		rank, ranks = func(g *gapAt) int { return int(n.scan.ID) - int(g.first) }, int(n.scan.ID)+1
	case demarc.OrderID:
	default:
		return out, fmt.Errorf("order %q: expected worst, oldest, newest or id", order)
	}
	from := findingCursor{}
	fromPos := 0
	if page.After != "" {
		if from, err = readFindingCursor(page.After); err != nil {
			return out, err
		}
		if fromPos, err = s.positionAfter(ctx, n, from.id); err != nil {
			return out, err
		}
		fromPos = max(0, fromPos-1) // the resource of the last item may have more
	}
	// Most resources have the findings of their class, from their own first scan on: they are counted by class.
	byAge := order == demarc.OrderOldest || order == demarc.OrderNewest
	cs := sel.classes
	what := "findings"
	if byAge {
		what += " by " + string(order)
	}
	if order == demarc.OrderID {
		what += " by id"
	}
	known, err := ask(ctx, s, n, what, f, func(sel *selection) (ranked, error) { return n.rankFindings(sel, h, &f, byAge, ranks, rank), nil })
	if err != nil {
		return out, err
	}
	counts, has := known.counts, known.has
	var scratch []gapAt
	for _, c := range counts {
		out.Total += c
	}
	type item struct {
		pos int
		gapAt
		number int
	}
	var items []item
	size := page.Size()
	for r := from.rank; r < ranks && len(items) <= size; r++ {
		left := counts[r]
		start := 0
		if r == from.rank && page.After != "" {
			start = fromPos
		}
		for pos := start; pos < len(n.rids) && left > 0 && len(items) <= size; pos++ {
			if !sel.in(pos) {
				continue
			}
			if c := cs.of[pos]; !h.special[pos] && (has[c] == rankCounts{} || byAge && rank(&gapAt{first: int64(n.born[pos])}) != r || !byAge && has[c][r] == 0) {
				continue
			}
			scratch = n.gapsAt(sel, h, &f, pos, scratch)
			number := 0
			for i := range scratch {
				if rank(&scratch[i]) != r {
					continue
				}
				number++
				left--
				if r == from.rank && page.After != "" && pos == fromPos && number <= from.number && from.at(ctx, s, n, pos) {
					continue
				}
				if items = append(items, item{pos, scratch[i], number}); len(items) > size {
					break
				}
			}
		}
	}
	if len(items) > size {
		items = items[:size]
		last := items[size-1]
		id, err := s.idOf(ctx, n.rids[last.pos])
		if err != nil {
			return out, err
		}
		out.Next = findingCursor{rank: rank(&last.gapAt), number: last.number, id: id}.String()
	}
	rids := make([]int64, len(items))
	for i := range items {
		rids[i] = n.rids[items[i].pos]
	}
	rows, err := s.rowsOf(ctx, rids)
	if err != nil {
		return out, err
	}
	for i := range items {
		x := rows[rids[i]]
		out.Items = append(out.Items, n.finding(items[i].pos, &x, &items[i].gapAt))
	}
	return out, nil
}

// ranked says how many findings of each rank there are, in all and in each class.
type ranked struct {
	counts []int
	has    []rankCounts
}

func (n *snapshot) rankFindings(sel *selection, h *histories, f *demarc.Filter, byAge bool, ranks int, rank func(*gapAt) int) ranked {
	counts := make([]int, ranks)
	cs := sel.classes
	has := n.rankClasses(sel, f, func(g findingOf) int {
		if byAge {
			return 0
		}
		return rank(&gapAt{of: g})
	})
	var scratch []gapAt
	for i := range cs.list {
		if sel.masks[i] == 0 || has[i] == (rankCounts{}) && len(h.rows) == 0 {
			continue
		}
		times := 0
		for at := sel.start[i]; at < sel.start[i+1]; at++ {
			pos := int(sel.order[at])
			switch {
			case h.lapsed[pos] || byAge && h.special[pos]:
				scratch = n.gapsAt(sel, h, f, pos, scratch)
				for k := range scratch {
					counts[rank(&scratch[k])]++
				}
			case byAge:
				counts[rank(&gapAt{first: int64(n.born[pos])})] += int(has[i][0])
			default:
				times++
			}
		}
		if !byAge && times > 0 {
			for r := range ranks {
				counts[r] += int(has[i][r]) * times
			}
		}
	}
	return ranked{counts, has}
}

// rankCounts says how many findings of each rank something has.
type rankCounts [demarc.Critical + 1]uint16

// rankClasses counts, for each class, the findings that a filter wants of its wanted duties: by outcome first, then by
// standing, as there are fewer of each.
func (n *snapshot) rankClasses(sel *selection, f *demarc.Filter, rank func(findingOf) int) []rankCounts {
	var of [numDuties][]rankCounts
	for d := range numDuties {
		of[d] = make([]rankCounts, len(n.view.outcomes[d]))
		for number, o := range n.view.outcomes[d] {
			for _, g := range o.gaps {
				if wantsGap(f, g) {
					of[d][number][rank(g)]++
				}
			}
		}
	}
	sum := func(standing uint32, mask uint64) (out rankCounts) {
		for d := range dutiesIn(mask & n.view.gapped[standing]) {
			x := &of[d][n.view.columns[d][standing]]
			for r := range x {
				out[r] += x[r]
			}
		}
		return out
	}
	var known [2][]rankCounts // of each standing, with and without the guest's duties, where its wanted duties are as usual
	var done [2][]bool
	for inside := range known {
		known[inside], done[inside] = make([]rankCounts, n.view.standings), make([]bool, n.view.standings)
	}
	unaccepted := findingOf{demarc.GapUnaccepted, "", demarc.Low}
	wantsOpen := wantsGap(f, unaccepted)
	out := make([]rankCounts, len(sel.classes.list))
	for i := range out {
		mask := sel.masks[i]
		if mask == 0 {
			continue
		}
		c := &sel.classes.list[i]
		at, inside := c.standing&^insideBit, bit(c.standing&insideBit != 0)
		usual := uint64(allDuties)
		if sel.duties != nil {
			usual = sel.duties[at]
		}
		if inside != 0 {
			usual &^= guestDuties
			mask &^= guestDuties
		}
		switch {
		case mask != usual:
			out[i] = sum(at, mask)
		case !done[inside][at]:
			known[inside][at], done[inside][at] = sum(at, mask), true
			fallthrough
		default:
			out[i] = known[inside][at]
		}
		if wantsOpen {
			out[i][rank(unaccepted)] += uint16(bits.OnesCount64(c.open & mask))
		}
	}
	return out
}

// findingCursor says behind which finding a page ends: the number-th of its rank of a resource.
type findingCursor struct {
	rank, number int
	id           string
}

func (c findingCursor) String() demarc.Cursor {
	return demarc.Cursor(base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %d %s", c.rank, c.number, c.id)))
}

func readFindingCursor(text demarc.Cursor) (findingCursor, error) {
	raw, err := base64.RawURLEncoding.DecodeString(string(text))
	parts := strings.SplitN(string(raw), " ", 3)
	if err != nil || len(parts) < 3 {
		return findingCursor{}, errCursor
	}
	rank, rerr := strconv.Atoi(parts[0])
	number, nerr := strconv.Atoi(parts[1])
	if rerr != nil || nerr != nil || rank < 0 || number < 0 {
		return findingCursor{}, errCursor
	}
	return findingCursor{rank, number, clean(parts[2])}, nil
}

// at reports whether the resource of the cursor is at a position: it may be gone.
func (c *findingCursor) at(ctx context.Context, s *Store, n *snapshot, pos int) bool {
	id, err := s.idOf(ctx, n.rids[pos])
	return err == nil && id == c.id
}

// finding returns a finding of the resource at a position in the words of the domain.
func (n *snapshot) finding(pos int, x *row, g *gapAt) demarc.Finding {
	p := n.places[pos]
	d := &g.out.answer
	out := demarc.Finding{
		Resource: n.view.places[p].of(x), Duty: d.Duty, Gap: g.of.gap, Check: g.of.check, Severity: g.of.severity, Holder: d.Holder, State: d.State, Believed: d.Believed,
		Missing: d.Verdict.Missing, Because: d.Ground(), Exposure: n.exposure(n.standings[pos]), Team: d.Team, FirstSeen: n.moment(g.first), LastSeen: n.moment(int64(n.scan.ID)),
	}
	if since := n.stale[p]; since != 0 {
		out.Stale, out.LastSeen = true, n.before(since)
	}
	if g.last != 0 {
		out.Stale, out.LastSeen = true, n.moment(g.last)
	}
	return out
}

// resolvedNumbers is a finding that was resolved, as a snapshot holds all of them.
type resolvedNumbers struct {
	id, rid, resolved int64
	at                versionAt // the version in which it was last seen
	place             uint32
	gapAt
}

// resolvedLog returns all findings that were resolved until a snapshot, those that were last first. It is read once.
func (s *Store) resolvedLog(ctx context.Context, n *snapshot) ([]resolvedNumbers, error) {
	return n.resolved.get(func() ([]resolvedNumbers, error) {
		v := s.vocabulary(n.org)
		all, rids, checks := []resolvedNumbers{}, []int64{}, map[string]string{}
		rows, err := s.read.QueryContext(ctx, `SELECT id, rid, place, outcome, gap, check_id, severity, first, last, resolved FROM findings WHERE organization = $1 AND resolved <= $2 ORDER BY resolved DESC, id DESC`, n.org, int64(n.scan.ID))
		err = each(rows, err, func(r *sql.Rows) error {
			var x resolvedNumbers
			var placeID, outcome, severity int64
			var gap, check sql.RawBytes
			var last sql.NullInt64
			if err := r.Scan(&x.id, &x.rid, &placeID, &outcome, &gap, &check, &severity, &x.first, &last, &x.resolved); err != nil {
				return err
			}
			for _, text := range []sql.RawBytes{gap, check} { // there are few of them
				if _, ok := checks[string(text)]; !ok {
					checks[string(text)] = string(text)
				}
			}
			x.of = findingOf{demarc.Gap(checks[string(gap)]), checks[string(check)], demarc.Severity(severity)}
			v.mu.Lock()
			at, ok := v.placeAt[placeID]
			x.out, x.place, x.last = v.outcomeOf[outcome], at, last.Int64
			v.mu.Unlock()
			if x.out != nil && ok && int(at) < len(n.view.places) { // or it is of a scan that came meanwhile
				all, rids = append(all, x), append(rids, x.rid)
			}
			return nil
		})
		if err != nil {
			return nil, s.explain(err)
		}
		at, err := s.versionsOf(ctx, n, rids)
		for i := range at {
			all[i].at = at[i]
		}
		return all, err
	})
}

// resolvedFindings lists findings that were resolved until a scan, those that were last first.
func (s *Store) resolvedFindings(ctx context.Context, n *snapshot, f demarc.Filter, page demarc.Page) (demarc.Paged[demarc.Finding], error) {
	out := demarc.Paged[demarc.Finding]{Items: []demarc.Finding{}}
	from := [2]int64{1 << 62, 1 << 62}
	if page.After != "" {
		var err error
		if from, err = readResolvedCursor(page.After); err != nil {
			return out, err
		}
	}
	all, err := s.resolvedLog(ctx, n)
	if err != nil {
		return out, err
	}
	asked, err := s.asksVersions(ctx, n, f)
	if err != nil {
		return out, err
	}
	places := n.placesOf(&demarc.Filter{
		Providers: f.Providers, Sources: f.Sources, Accounts: f.Accounts, Regions: f.Regions, Models: f.Models, Archetypes: f.Archetypes, Services: f.Services, Types: f.Types, Implied: f.Implied,
	})
	fits := map[*outcome]bool{}
	var shown []*resolvedNumbers
	for i := range all {
		x := &all[i]
		if !places[x.place] || !wantsGap(&f, x.of) {
			continue
		}
		ok, known := fits[x.out]
		if !known {
			ok = f.MatchDuty(&x.out.answer)
			fits[x.out] = ok
		}
		if !ok || asked != nil && !asked(x.at) {
			continue
		}
		out.Total++
		if (x.resolved < from[0] || x.resolved == from[0] && x.id < from[1]) && len(shown) <= page.Size() {
			shown = append(shown, x)
		}
	}
	if len(shown) > page.Size() {
		shown = shown[:page.Size()]
		last := shown[len(shown)-1]
		out.Next = demarc.Cursor(fmt.Sprintf("%d-%d", last.resolved, last.id))
	}
	rids := make([]int64, len(shown))
	for i := range shown {
		rids[i] = shown[i].rid
	}
	versions, err := s.rowsOf(ctx, rids)
	if err != nil {
		return out, err
	}
	for _, x := range shown {
		version := versions[x.rid]
		d := &x.out.answer
		out.Items = append(out.Items, demarc.Finding{
			Resource: n.view.places[x.place].of(&version), Duty: d.Duty, Gap: x.of.gap, Check: x.of.check, Severity: x.of.severity, Holder: d.Holder, State: d.State, Believed: d.Believed,
			Missing: d.Verdict.Missing, Because: d.Ground(), Exposure: n.exposureAt(x.at), Team: d.Team, FirstSeen: n.moment(x.first), LastSeen: n.moment(x.last), Resolved: n.moment(x.resolved),
		})
	}
	return out, nil
}

// readResolvedCursor returns which scan resolved the last finding of a page, and its number.
func readResolvedCursor(c demarc.Cursor) (from [2]int64, err error) {
	resolved, id, ok := strings.Cut(string(c), "-")
	a, aerr := strconv.ParseInt(resolved, 10, 64)
	b, berr := strconv.ParseInt(id, 10, 64)
	if !ok || aerr != nil || berr != nil || a < 0 || b < 0 {
		return from, errCursor
	}
	return [2]int64{a, b}, nil
}

// FindingGroups returns the open findings that a filter wants, grouped, worst and most frequent first.
func (s *Store) FindingGroups(ctx context.Context, at demarc.At, f demarc.Filter) ([]demarc.FindingGroup, error) {
	n, err := s.snapshotAt(ctx, at)
	if err != nil {
		return nil, err
	}
	list, err := ask(ctx, s, n, "finding groups", f, func(sel *selection) ([]demarc.FindingGroup, error) { return s.findingGroups(ctx, n, sel, f) })
	return slices.Clone(list), err
}

func (s *Store) findingGroups(ctx context.Context, n *snapshot, sel *selection, f demarc.Filter) ([]demarc.FindingGroup, error) {
	h, err := s.historiesOf(ctx, n)
	if err != nil {
		return nil, err
	}
	type key struct {
		duty    int
		gap     demarc.Gap
		check   string
		service demarc.ServiceID
	}
	type group struct {
		count    int
		exposed  int
		severity demarc.Severity
		examples []int
	}
	groups := map[key]*group{}
	add := func(d int, of findingOf, service demarc.ServiceID, times, exposed int, examples []int) {
		k := key{d, of.gap, of.check, service}
		x := groups[k]
		if x == nil {
			x = &group{}
			groups[k] = x
		}
		x.count += times
		x.exposed += exposed
		x.severity = max(x.severity, of.severity)
		if len(x.examples) < demarc.MaxExamples || len(examples) > 0 && examples[0] < x.examples[len(x.examples)-1] {
			x.examples = first(x.examples, examples, demarc.MaxExamples)
		}
	}
	// By class and outcome first: outcomes are far fewer than findings.
	type some struct {
		times    int
		exposed  int
		examples []int
	}
	type whose struct {
		service demarc.ServiceID
		open    bool
	}
	outcomes := map[whose]*[numDuties][]some{}
	cs := sel.classes
	var scratch []gapAt
	for i := range cs.list {
		mask := sel.masks[i]
		if mask == 0 {
			continue
		}
		c := &cs.list[i]
		times, exposed := 0, 0
		if n.exposure(c.standing) == demarc.Exposed {
			exposed = 1
		}
		var examples []int
		for k := sel.start[i]; k < sel.start[i+1]; k++ {
			pos := int(sel.order[k])
			switch {
			case h.lapsed[pos]:
				scratch = n.gapsAt(sel, h, &f, pos, scratch)
				for g := range scratch {
					add(scratch[g].duty, scratch[g].of, cs.services[c.service], 1, exposed, []int{pos})
				}
			default:
				if times++; len(examples) < demarc.MaxExamples {
					examples = append(examples, pos)
				}
			}
		}
		if times == 0 {
			continue
		}
		if c.standing&insideBit != 0 {
			mask &^= guestDuties
		}
		standing := c.standing &^ insideBit
		for _, open := range []bool{false, true} {
			wanted := mask & n.view.gapped[standing]
			if open {
				wanted = mask & c.open
			}
			if wanted == 0 {
				continue
			}
			of := outcomes[whose{cs.services[c.service], open}]
			if of == nil {
				of = &[numDuties][]some{}
				outcomes[whose{cs.services[c.service], open}] = of
			}
			for d := range dutiesIn(wanted) {
				if of[d] == nil {
					of[d] = make([]some, len(n.view.outcomes[d]))
				}
				x := &of[d][n.view.columns[d][standing]]
				x.exposed += exposed * times
				if x.times += times; len(x.examples) < demarc.MaxExamples || examples[0] < x.examples[len(x.examples)-1] {
					x.examples = first(x.examples, examples, demarc.MaxExamples)
				}
			}
		}
	}
	for k, of := range outcomes {
		for d := range numDuties {
			for number, x := range of[d] {
				if x.times == 0 {
					continue
				}
				list := n.view.outcomes[d][number].gaps
				if k.open {
					list = []findingOf{{demarc.GapUnaccepted, "", demarc.Low}}
				}
				for _, g := range list {
					if wantsGap(&f, g) {
						add(d, g, k.service, x.times, x.exposed, x.examples)
					}
				}
			}
		}
	}
	out := make([]demarc.FindingGroup, 0, len(groups))
	var rids []int64
	for k, x := range groups {
		slices.Sort(x.examples)
		out = append(out, demarc.FindingGroup{Gap: k.gap, Severity: x.severity, Duty: demarc.Duties[k.duty], Service: k.service, Check: k.check, Count: x.count, Exposed: x.exposed})
		for _, pos := range x.examples {
			rids = append(rids, n.rids[pos])
		}
	}
	ids, err := s.examples(ctx, n, rids)
	if err != nil {
		return nil, err
	}
	for i := range out {
		g := &out[i]
		x := groups[key{demarc.DutyIndex(g.Duty), g.Gap, g.Check, g.Service}]
		for _, pos := range x.examples {
			g.Examples = append(g.Examples, demarc.ResourceID(ids[n.rids[pos]]))
		}
	}
	slices.SortFunc(out, func(a, b demarc.FindingGroup) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(slices.Index(demarc.Gaps, a.Gap), slices.Index(demarc.Gaps, b.Gap)), cmp.Compare(b.Count, a.Count),
			strings.Compare(string(a.Service), string(b.Service)), strings.Compare(string(a.Duty), string(b.Duty)), strings.Compare(a.Check, b.Check))
	})
	return out, nil
}

// examples returns the ids of some versions by rid. Those that were asked for before are remembered: what is an example of
// one thing mostly is of others.
func (s *Store) examples(ctx context.Context, n *snapshot, rids []int64) (map[int64]string, error) {
	out := make(map[int64]string, len(rids))
	var rest []int64
	n.mu.Lock()
	for _, rid := range rids {
		if id, ok := n.ids[rid]; ok {
			out[rid] = id
		} else {
			rest = append(rest, rid)
		}
	}
	n.mu.Unlock()
	if len(rest) == 0 {
		return out, nil
	}
	found, err := s.idsOf(ctx, rest)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.ids) > maxExampleIDs {
		clear(n.ids)
	}
	maps.Copy(n.ids, found)
	maps.Copy(out, found)
	return out, err
}

const maxExampleIDs = 50_000

func (s *Store) idsOf(ctx context.Context, rids []int64) (map[int64]string, error) {
	out := make(map[int64]string, len(rids))
	for chunk := range slices.Chunk(rids, endsAtOnce) {
		args := make([]any, len(chunk))
		for i, rid := range chunk {
			args[i] = rid
		}
		rows, err := s.read.QueryContext(ctx, `SELECT rid, id FROM resources WHERE rid IN (`+dollars(1, len(chunk))+`)`, args...)
		if err := each(rows, err, func(r *sql.Rows) error {
			var rid int64
			var id string
			err := r.Scan(&rid, &id)
			out[rid] = id
			return err
		}); err != nil {
			return nil, s.explain(err)
		}
	}
	return out, nil
}

// BlindSpots returns the facts that could not be read of the resources that a filter wants, those that hide most duties
// first.
func (s *Store) BlindSpots(ctx context.Context, at demarc.At, f demarc.Filter) ([]demarc.BlindSpot, error) {
	n, err := s.snapshotAt(ctx, at)
	if err != nil {
		return nil, err
	}
	list, err := ask(ctx, s, n, "blind spots", f, func(sel *selection) ([]demarc.BlindSpot, error) { return s.blindSpots(ctx, n, sel) })
	return slices.Clone(list), err
}

func (s *Store) blindSpots(ctx context.Context, n *snapshot, sel *selection) ([]demarc.BlindSpot, error) {
	type key struct {
		service demarc.ServiceID
		fact    string
	}
	type spot struct {
		resources, duties int
		examples          []int
	}
	spots := map[key]*spot{}
	cs := sel.classes
	hidden := map[string]int{}
	for i := range cs.list {
		mask := sel.masks[i]
		c := &cs.list[i]
		if c.standing&insideBit != 0 {
			mask &^= guestDuties
		}
		if mask &= n.view.gapped[c.standing&^insideBit]; mask == 0 {
			continue
		}
		clear(hidden)
		for d := range dutiesIn(mask) {
			if o := n.view.outcome(d, c.standing&^insideBit); o.answer.State == demarc.Blind {
				for _, name := range o.answer.Verdict.Missing {
					hidden[name]++
				}
			}
		}
		if len(hidden) == 0 {
			continue
		}
		times := int(sel.start[i+1] - sel.start[i])
		var examples []int
		for _, pos := range sel.order[sel.start[i]:][:min(times, demarc.MaxExamples)] {
			examples = append(examples, int(pos))
		}
		for name, duties := range hidden {
			x := spots[key{cs.services[c.service], name}]
			if x == nil {
				x = &spot{}
				spots[key{cs.services[c.service], name}] = x
			}
			x.resources += times
			x.duties += times * duties
			if len(x.examples) < demarc.MaxExamples || examples[0] < x.examples[len(x.examples)-1] {
				x.examples = first(x.examples, examples, demarc.MaxExamples)
			}
		}
	}
	var rids, firsts []int64
	for _, x := range spots {
		for i, pos := range x.examples {
			if rids = append(rids, n.rids[pos]); i == 0 {
				firsts = append(firsts, n.rids[pos])
			}
		}
	}
	ids, err := s.examples(ctx, n, rids)
	if err != nil {
		return nil, err
	}
	rows, err := s.rowsOf(ctx, firsts)
	if err != nil {
		return nil, err
	}
	out := []demarc.BlindSpot{}
	for k, x := range spots {
		b := demarc.BlindSpot{Service: k.service, Fact: k.fact, Count: x.resources, Duties: x.duties}
		for i, pos := range x.examples {
			b.Examples = append(b.Examples, demarc.ResourceID(ids[n.rids[pos]]))
			if i == 0 {
				version := rows[n.rids[pos]]
				d := decoder{b: version.facts}
				b.Origin = named(d.facts(n.names(version.names)), k.fact).Origin.String()
			}
		}
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b demarc.BlindSpot) int {
		return cmp.Or(cmp.Compare(b.Duties, a.Duties), strings.Compare(string(a.Service), string(b.Service)), strings.Compare(a.Fact, b.Fact))
	})
	return out, nil
}
