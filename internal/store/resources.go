package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/demarc/demarc"
)

// row is a version of a resource as it is stored.
type row struct {
	rid             int64
	id, name        string
	place, standing int64
	lineage         int64
	born, first     int64
	ended           int64 // 0 for none
	gone            bool
	tags            demarc.Tags
	names           int64
	facts           []byte
}

const rowColumns = `rid, id, name, place, standing, lineage, born, first, ended, gone, fact_names, ` + tagsOf + `, ` + factsOf

func readRow(r *sql.Rows) (row, error) {
	var x row
	var ended sql.NullInt64
	var gone int64
	var tags []byte
	err := r.Scan(&x.rid, &x.id, &x.name, &x.place, &x.standing, &x.lineage, &x.born, &x.first, &ended, &gone, &x.names, &tags, &x.facts)
	x.ended, x.gone, x.tags = ended.Int64, gone != 0, demarc.Tags(tags)
	return x, err
}

// rowsOf returns some versions by rid.
func (s *Store) rowsOf(ctx context.Context, rids []int64) (map[int64]row, error) {
	out := make(map[int64]row, len(rids))
	for chunk := range slices.Chunk(rids, endsAtOnce) {
		args := make([]any, len(chunk))
		for i, rid := range chunk {
			args[i] = rid
		}
		rows, err := s.read.QueryContext(ctx, `SELECT `+rowColumns+` FROM resources WHERE rid IN (`+dollars(1, len(chunk))+`)`, args...)
		if err := each(rows, err, func(r *sql.Rows) error {
			x, err := readRow(r)
			out[x.rid] = x
			return err
		}); err != nil {
			return nil, s.explain(err)
		}
	}
	return out, nil
}

// resource returns a stored version in the words of the domain.
func (p *place) of(x *row) demarc.Resource {
	r := p.resource()
	r.ID, r.Name, r.Tags = demarc.ResourceID(x.id), x.name, x.tags
	return r
}

// orders of positions in lists: the smaller the rank, the earlier. Within a rank lists are in the order of ids.
type ranking struct {
	rank    func(pos int) int
	ranks   int
	classes bool // all of a class have one rank
}

// Resources returns a part of the resources that a filter wants.
func (s *Store) Resources(ctx context.Context, at demarc.At, f demarc.Filter, order demarc.Order, page demarc.Page) (demarc.Paged[demarc.StoredResource], error) {
	out := demarc.Paged[demarc.StoredResource]{Items: []demarc.StoredResource{}}
	n, err := s.snapshotAt(ctx, at)
	if err != nil {
		return out, err
	}
	sel, err := s.selects(ctx, n, f)
	if err != nil {
		return out, err
	}
	var ranks ranking
	switch order {
	case demarc.OrderID, "":
		ranks = ranking{func(int) int { return 0 }, 1, true}
	case demarc.OrderWorst:
		worst := n.worst(sel)
		ranks = ranking{func(pos int) int { return int(demarc.Critical) - int(worst[n.standings[pos]&^insideBit]) }, int(demarc.Critical) + 1, true}
	case demarc.OrderOldest:
		ranks = ranking{func(pos int) int { return int(n.born[pos]) }, int(n.scan.ID) + 1, false}
	case demarc.OrderNewest:
		ranks = ranking{func(pos int) int { return int(n.scan.ID) - int(n.first[pos]) }, int(n.scan.ID) + 1, false}
	default:
		return out, fmt.Errorf("order %q: expected id, worst, oldest or newest", order)
	}
	counts, err := ask(ctx, s, n, "resources by "+string(order), f, func(sel *selection) ([]int, error) { return sel.ranked(ranks), nil })
	if err != nil {
		return out, err
	}
	positions, next, total, err := s.pageOf(ctx, sel, ranks, counts, page)
	if err != nil {
		return out, err
	}
	out.Total, out.Next = total, next
	rids := make([]int64, len(positions))
	for i, pos := range positions {
		rids[i] = n.rids[pos]
	}
	rows, err := s.rowsOf(ctx, rids)
	if err != nil {
		return out, err
	}
	for _, pos := range positions {
		x, ok := rows[n.rids[pos]]
		if !ok {
			return out, fmt.Errorf("%w: a version of scan %d was pruned meanwhile", demarc.ErrNotFound, n.scan.ID)
		}
		out.Items = append(out.Items, n.stored(pos, &x, sel.classes))
	}
	return out, nil
}

// ranked counts the wanted resources of each rank.
func (sel *selection) ranked(by ranking) []int {
	counts := make([]int, by.ranks)
	for i, mask := range sel.masks {
		if mask == 0 {
			continue
		}
		if by.classes {
			counts[by.rank(int(sel.order[sel.start[i]]))] += int(sel.start[i+1] - sel.start[i])
			continue
		}
		for at := sel.start[i]; at < sel.start[i+1]; at++ {
			counts[by.rank(int(sel.order[at]))]++
		}
	}
	return counts
}

// pageOf returns the positions on a page, and the cursor of the next. A cursor is the rank and the id of the last item.
func (s *Store) pageOf(ctx context.Context, sel *selection, by ranking, counts []int, page demarc.Page) (positions []int, next demarc.Cursor, total int, err error) {
	n := sel.n
	fromRank, fromPos := 0, 0
	if page.After != "" {
		rank, id, err := readCursor(page.After)
		if err != nil {
			return nil, "", 0, err
		}
		fromRank = rank
		if fromPos, err = s.positionAfter(ctx, n, id); err != nil {
			return nil, "", 0, err
		}
	}
	for _, c := range counts {
		total += c
	}
	size := page.Size()
	for r := fromRank; r < by.ranks && len(positions) <= size; r++ {
		start := 0
		if r == fromRank {
			start = fromPos
		}
		for pos, left := start, counts[r]; pos < len(n.rids) && left > 0 && len(positions) <= size; pos++ {
			if sel.mask(pos) != 0 && by.rank(pos) == r {
				positions = append(positions, pos)
				left--
			}
		}
	}
	if len(positions) > size {
		positions = positions[:size]
		last := positions[size-1]
		id, err := s.idOf(ctx, n.rids[last])
		if err != nil {
			return nil, "", 0, err
		}
		next = writeCursor(by.rank(last), id)
	}
	return positions, next, total, nil
}

func (s *Store) idOf(ctx context.Context, rid int64) (string, error) {
	var id string
	err := s.read.QueryRowContext(ctx, `SELECT id FROM resources WHERE rid = $1`, rid).Scan(&id)
	return id, s.explain(err)
}

func writeCursor(rank int, id string) demarc.Cursor {
	return demarc.Cursor(base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(rank) + " " + id)))
}

func readCursor(c demarc.Cursor) (rank int, id string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(string(c))
	if err != nil {
		return 0, "", errCursor
	}
	before, id, ok := strings.Cut(string(text), " ")
	rank, err = strconv.Atoi(before)
	if !ok || err != nil || rank < 0 {
		return 0, "", errCursor
	}
	return rank, clean(id), nil
}

// positionAfter returns the first position whose id is after one, which need not be there any more.
func (s *Store) positionAfter(ctx context.Context, n *snapshot, id string) (int, error) {
	lo, hi := 0, len(n.rids)
	for lo < hi { // twenty questions for a million
		mid := int(uint(lo+hi) >> 1)
		at, err := s.idOf(ctx, n.rids[mid])
		if err != nil {
			return 0, err
		}
		if at <= id {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, nil
}

// worst returns the worst severity of the wanted duties of each standing.
func (n *snapshot) worst(sel *selection) []demarc.Severity {
	out := make([]demarc.Severity, n.view.standings)
	for d := range numDuties {
		severities := make([]demarc.Severity, len(n.view.outcomes[d]))
		for i, o := range n.view.outcomes[d] {
			if o.answer.Gap() != "" {
				severities[i] = o.answer.Severity()
			}
		}
		for at, number := range n.view.columns[d][:n.view.standings] {
			if s := severities[number]; s > out[at] && (sel.duties == nil || sel.duties[at]>>d&1 != 0) {
				out[at] = s
			}
		}
	}
	return out
}

// stored returns the resource at a position as lists show it.
func (n *snapshot) stored(pos int, x *row, cs *classes) demarc.StoredResource {
	p := &n.view.places[n.places[pos]]
	at := n.standings[pos]
	out := demarc.StoredResource{
		Resource: p.of(x), Archetype: p.archetype, FirstSeen: n.moment(int64(n.born[pos])), Changed: n.moment(int64(n.first[pos])), LastSeen: n.moment(int64(n.scan.ID)),
		Exposure: n.exposure(at), Gaps: map[demarc.Gap]int{}, Holders: map[demarc.Holder]int{},
	}
	if since := n.stale[n.places[pos]]; since != 0 {
		out.Stale, out.LastSeen = true, n.before(since)
	}
	for d := range numDuties {
		o := n.view.outcome(d, at&^insideBit)
		if o.answer.Holder == demarc.NotApplicable || at&insideBit != 0 && isGuest[d] {
			continue
		}
		out.Holders[o.answer.Holder]++
		a := o.answer
		a.Unaccepted = cs.list[cs.of[pos]].open>>d&1 != 0
		if g := a.Gap(); g != "" {
			out.Gaps[g]++
			out.Worst = max(out.Worst, a.Severity())
		}
	}
	return out
}

// before returns the last scan before one.
func (n *snapshot) before(scan int64) demarc.Moment {
	best := int64(0)
	for id := range n.moments {
		if id < scan && id > best {
			best = id
		}
	}
	return n.moment(best)
}

// Answer returns everything about one resource.
func (s *Store) Answer(ctx context.Context, at demarc.At, id demarc.ResourceID) (demarc.StoredAnswer, error) {
	n, err := s.snapshotAt(ctx, at)
	if err != nil {
		return demarc.StoredAnswer{}, err
	}
	var x row
	rows, err := s.read.QueryContext(ctx, versionsAt(rowColumns, `id = $3`), n.org, int64(n.scan.ID), clean(string(id)))
	if err := each(rows, err, func(r *sql.Rows) error {
		x, err = readRow(r)
		return err
	}); err != nil {
		return demarc.StoredAnswer{}, s.explain(err)
	}
	pos := slices.Index(n.rids, x.rid)
	if pos < 0 {
		return demarc.StoredAnswer{}, fmt.Errorf("%w: no resource %q in scan %d of %s", demarc.ErrNotFound, id, n.scan.ID, s.name)
	}
	cs, err := s.classesOf(ctx, n)
	if err != nil {
		return demarc.StoredAnswer{}, err
	}
	out := demarc.StoredAnswer{StoredResource: n.stored(pos, &x, cs), Scan: n.scan}
	return out, n.answer(pos, &x, cs, &out.Answer)
}

// answer fills in the answer for the resource at a position.
func (n *snapshot) answer(pos int, x *row, cs *classes, to *demarc.Answer) error {
	standing, inside := n.standingOf(pos)
	if open := cs.list[cs.of[pos]].open; open != 0 {
		own := *standing
		own.Unaccepted = demarc.DutySet(open)
		standing = &own
	}
	d := decoder{b: x.facts}
	*to = demarc.Answer{Resource: n.view.places[n.places[pos]].of(x), Standing: standing, Facts: d.facts(n.names(x.names)), Inside: inside}
	if d.err != nil {
		return fmt.Errorf("%s: %w", x.id, d.err)
	}
	return nil
}

// Answers goes through the answers of a scan for the resources that a filter wants, by id. An answer is valid until the
// next. After an error there is nothing more.
func (s *Store) Answers(ctx context.Context, at demarc.At, f demarc.Filter) iter.Seq2[*demarc.Answer, error] {
	return func(yield func(*demarc.Answer, error) bool) {
		n, err := s.snapshotAt(ctx, at)
		if err != nil {
			yield(nil, err)
			return
		}
		sel, err := s.selects(ctx, n, f)
		if err != nil {
			yield(nil, err)
			return
		}
		var wanted []int
		for pos := range n.rids {
			if sel.mask(pos) != 0 {
				wanted = append(wanted, pos)
			}
		}
		var a demarc.Answer
		rids := make([]int64, 0, endsAtOnce)
		for chunk := range slices.Chunk(wanted, endsAtOnce) {
			rids = rids[:0]
			for _, pos := range chunk {
				rids = append(rids, n.rids[pos])
			}
			rows, err := s.rowsOf(ctx, rids)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, pos := range chunk {
				x, ok := rows[n.rids[pos]]
				if !ok {
					yield(nil, fmt.Errorf("%w: a version of scan %d was pruned meanwhile", demarc.ErrNotFound, n.scan.ID))
					return
				}
				err := n.answer(pos, &x, sel.classes, &a)
				if !yield(&a, err) || err != nil {
					return
				}
			}
		}
	}
}

// Versions returns the history of a resource, newest first.
func (s *Store) Versions(ctx context.Context, organization string, id demarc.ResourceID) ([]demarc.Version, error) {
	n, err := s.snapshotAt(ctx, demarc.At{Organization: organization})
	if err != nil {
		return nil, err
	}
	var list []row
	for _, query := range []string{"ended IS NOT NULL", "ended IS NULL"} {
		rows, err := s.read.QueryContext(ctx, `SELECT `+rowColumns+` FROM resources WHERE organization = $1 AND id = $2 AND `+query+` ORDER BY first`, n.org, clean(string(id)))
		if err := each(rows, err, func(r *sql.Rows) error {
			x, err := readRow(r)
			list = append(list, x)
			return err
		}); err != nil {
			return nil, s.explain(err)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: %s has never had %q", demarc.ErrNotFound, s.name, id)
	}
	moves, err := s.movesOf(ctx, n, list[0].lineage)
	if err != nil {
		return nil, err
	}
	var out []demarc.Version
	var before []demarc.NamedFact
	for i := range list {
		x := &list[i]
		v := demarc.Version{From: n.moment(x.first), Gone: x.gone}
		if x.ended != 0 {
			v.Until = n.moment(x.ended)
		}
		names := n.names(x.names)
		d := decoder{b: x.facts}
		facts := d.facts(names)
		if d.err != nil {
			return nil, fmt.Errorf("%s: %w", id, d.err)
		}
		if i > 0 && !list[i-1].gone {
			v.Facts = changesBetween(names, before, facts)
		}
		before = facts
		for _, m := range moves {
			if int64(m.FirstSeen.Scan) == x.first {
				v.Moves = append(v.Moves, m)
			}
		}
		out = append(out, v)
	}
	slices.Reverse(out)
	return out, nil
}
