package store

import (
	"bytes"
	"context"
	"database/sql"
	"math/bits"
	"runtime"
	"slices"
	"strings"

	"github.com/demarc/demarc"
)

const allDuties = 1<<numDuties - 1

var guestDuties = func() (m uint64) {
	for i, guest := range isGuest {
		if guest {
			m |= 1 << i
		}
	}
	return m
}()

// selection is what a filter leaves of a snapshot.
type selection struct {
	n          *snapshot
	classes    *classes
	places     []bool
	everywhere bool     // all places are wanted
	positions  []bool   // nil for all
	masks      []uint64 // of each class, the duties that are wanted, a bit each; allDuties where nothing is asked of them; 0 where no resource is wanted
	duties     []uint64 // of each standing, but for what only acceptances tell; nil where nothing is asked of duties

	// The resources that are wanted, as classes has all of them.
	start, order, place []uint32
}

// selects works out what a filter leaves.
func (s *Store) selects(ctx context.Context, n *snapshot, f demarc.Filter) (*selection, error) {
	cs, err := s.classesOf(ctx, n)
	if err != nil {
		return nil, err
	}
	return s.selectsFrom(ctx, n, cs, f)
}

// selectsFrom remembers the last few selections: a page asks several questions of one filter.
func (s *Store) selectsFrom(ctx context.Context, n *snapshot, cs *classes, f demarc.Filter) (*selection, error) {
	return n.selected.get(ctx, question{cs, "", f.String()}, func() (*selection, error) { return s.selectFrom(ctx, n, cs, f) })
}

func (s *Store) selectFrom(ctx context.Context, n *snapshot, cs *classes, f demarc.Filter) (*selection, error) {
	sel := &selection{n: n, classes: cs, places: n.placesOf(&f)}
	sel.everywhere = !slices.Contains(sel.places, false)
	if ofTexts(&f) {
		var err error
		if sel.positions, err = s.find(ctx, n, f); err != nil {
			return nil, err
		}
	}
	if cs == nil { // it is asked for the classes
		return sel, nil
	}
	sel.masks = make([]uint64, len(cs.list))
	if !f.OfDuties() && len(f.Exposures) == 0 {
		for i := range sel.masks {
			sel.masks[i] = allDuties
		}
		sel.narrow()
		return sel, nil
	}
	sel.duties = n.masks(f)
	var others []uint64
	if slices.Contains(f.Gaps, demarc.GapUnaccepted) && f.Severity <= demarc.Low {
		rest := f
		rest.Gaps, rest.Severity = nil, demarc.Informational
		others = n.masks(rest)
	}
	for i := range sel.masks {
		c := &cs.list[i]
		m := sel.duties[c.standing&^insideBit]
		if others != nil {
			m |= others[c.standing&^insideBit] & c.open
		}
		if c.standing&insideBit != 0 {
			m &^= guestDuties
		}
		sel.masks[i] = m
	}
	sel.narrow()
	return sel, nil
}

// narrow lists the resources that are wanted: what is asked then goes over no others.
func (sel *selection) narrow() {
	cs := sel.classes
	if sel.everywhere && sel.positions == nil {
		sel.start, sel.order, sel.place = cs.start, cs.order, cs.place
		return
	}
	sel.start = make([]uint32, len(cs.start))
	for i := range cs.list {
		sel.start[i] = uint32(len(sel.order))
		if sel.masks[i] == 0 {
			continue
		}
		for at := cs.start[i]; at < cs.start[i+1]; at++ {
			if pos, p := cs.order[at], cs.place[at]; sel.places[p] && (sel.positions == nil || sel.positions[pos]) {
				sel.order, sel.place = append(sel.order, pos), append(sel.place, p)
			}
		}
		if sel.start[i] == uint32(len(sel.order)) {
			sel.masks[i] = 0
		}
	}
	sel.start[len(cs.list)] = uint32(len(sel.order))
}

// placesOf returns which places a filter wants.
func (n *snapshot) placesOf(f *demarc.Filter) []bool {
	out := make([]bool, len(n.view.places))
	whole := demarc.Filter{Providers: f.Providers, Sources: f.Sources, Accounts: f.Accounts, Regions: f.Regions, Models: f.Models, Services: f.Services, Types: f.Types, Implied: f.Implied}
	for i := range n.view.places {
		p := &n.view.places[i]
		r := p.resource()
		out[i] = whole.MatchResource(&r) && (len(f.Archetypes) == 0 || slices.Contains(f.Archetypes, p.archetype)) && f.Stale.Allows(n.stale[i] != 0)
	}
	return out
}

func (p *place) resource() demarc.Resource {
	return demarc.Resource{Provider: p.provider, Source: p.source, Account: p.account, Region: p.region, Type: p.typ, Service: p.service, Model: p.model, Implied: p.implied}
}

// masks returns, for each standing, the duties that a filter wants, allDuties where it asks nothing of them.
func (n *snapshot) masks(f demarc.Filter) []uint64 {
	out := make([]uint64, n.view.standings)
	defer func() {
		for at := range out {
			if !n.exposureAmong(f.Exposures, uint32(at)) {
				out[at] = 0
			}
		}
	}()
	if !f.OfDuties() {
		for at := range out {
			out[at] = allDuties
		}
		return out
	}
	for d := range numDuties {
		wanted := make([]bool, len(n.view.outcomes[d]))
		any := false
		for i, o := range n.view.outcomes[d] {
			wanted[i] = f.MatchDuty(&o.answer)
			any = any || wanted[i]
		}
		if !any {
			continue
		}
		for at, number := range n.view.columns[d][:n.view.standings] {
			if wanted[number] {
				out[at] |= 1 << d
			}
		}
	}
	return out
}

var exposureDuty = demarc.DutyIndex(demarc.ExposureDuty)

// exposure returns the exposure of resources of a standing.
func (n *snapshot) exposure(standing uint32) demarc.Exposure {
	return n.view.outcome(exposureDuty, standing&^insideBit).answer.Exposure()
}

func (n *snapshot) exposureAmong(list []demarc.Exposure, standing uint32) bool {
	return len(list) == 0 || slices.Contains(list, n.exposure(standing))
}

// in reports whether the resource at a position is wanted, as far as it is not asked of duties.
func (sel *selection) in(pos int) bool {
	return sel.places[sel.n.places[pos]] && (sel.positions == nil || sel.positions[pos])
}

// mask returns the duties that are wanted of the resource at a position, a bit each; 0 if it is not wanted.
func (sel *selection) mask(pos int) uint64 {
	if !sel.in(pos) {
		return 0
	}
	return sel.masks[sel.classes.of[pos]]
}

// texts are the ids, names and tags of resources, for searching.
type texts struct {
	low      []byte   // id and name of each, in lower case, each behind a zero byte
	starts   []uint32 // of each resource in low
	pairs    []string // the tags that there are: "key=value"
	lowPairs []byte   // these in lower case, each behind a zero byte
	pairAt   []uint32 // where each begins
	tagOf    []uint32 // of each resource, its tags by number
	tagEnd   []uint32 // where those of each resource end

	pairsRead int // how many pairs there were when all texts were read: those of texts made of others may be of nobody by now

	numbers map[string]uint32 // of pairs, while texts are read
	key     []byte
}

// giveWay is after how many rows others go first: much is read ahead, and nobody waits for it.
const giveWay = 256

// readTexts reads what a query gives back: id, name and tags.
func readTexts(ctx context.Context, db querier, n *snapshot, size int, query string) (*texts, error) {
	x := &texts{low: make([]byte, 0, 100*size), starts: make([]uint32, 0, size), tagEnd: make([]uint32, 0, size), tagOf: make([]uint32, 0, 8*size), numbers: map[string]uint32{}}
	rows, err := db.QueryContext(ctx, query, n.org, int64(n.scan.ID))
	err = each(rows, err, func(r *sql.Rows) error {
		var id, name, tags sql.RawBytes
		if err := r.Scan(&id, &name, &tags); err != nil {
			return err
		}
		x.add(id, name, tags)
		if len(x.starts)%giveWay == 0 {
			runtime.Gosched()
		}
		return nil
	})
	x.numbers, x.pairsRead = nil, len(x.pairs)
	return x, err
}

func (x *texts) add(id, name, tags []byte) {
	before := 0 // where the tags of the resource before begin
	if n := len(x.tagEnd); n > 1 {
		before = int(x.tagEnd[n-2])
	}
	x.starts = append(x.starts, uint32(len(x.low)))
	x.low = appendLower(append(x.low, 0), id)
	x.low = appendLower(append(x.low, 0), name)
	for k, v := range demarc.Tags(tags).All() {
		x.key = append(append(append(x.key[:0], k...), '='), v...)
		if before < len(x.tagOf) && x.pairs[x.tagOf[before]] == string(x.key) { // as its neighbour, mostly
			x.tagOf = append(x.tagOf, x.tagOf[before])
			before++
			continue
		}
		before++
		number, ok := x.numbers[string(x.key)]
		if !ok {
			number = uint32(len(x.pairs))
			x.numbers[string(x.key)] = number
			x.pairs = append(x.pairs, string(x.key))
			x.pairAt = append(x.pairAt, uint32(len(x.lowPairs)))
			x.lowPairs = appendLower(append(x.lowPairs, 0), x.key)
		}
		x.tagOf = append(x.tagOf, number)
	}
	x.tagEnd = append(x.tagEnd, uint32(len(x.tagOf)))
}

// textsOf reads the texts of a snapshot when they are first asked for.
func (s *Store) textsOf(ctx context.Context, n *snapshot) (*texts, error) {
	return n.texts.get(func() (x *texts, err error) {
		if x, err = s.textsFromBefore(ctx, n); x != nil || err != nil {
			return x, err
		}
		err = s.reading(ctx, func(conn *sql.Conn) error {
			query := versionsAt("id, name, "+tagsOf, "")
			isLatest, err := n.isInBlocks(ctx, conn)
			if isLatest { // nothing that ended is in it: they come in the order of an index
				query = `SELECT id, name, ` + tagsOf + ` FROM resources WHERE organization = $1 AND first <= $2 AND ended IS NULL`
			}
			if err == nil {
				x, err = readTexts(ctx, conn, n, len(n.rids), query+` ORDER BY id`)
			}
			return err
		})
		return x, err
	})
}

// textsFromBefore makes the texts of a snapshot of those of an earlier one: only what is not in it is read. It returns nil
// if there is none, or little of it is left.
func (s *Store) textsFromBefore(ctx context.Context, n *snapshot) (*texts, error) {
	var old *snapshot
	var had *texts
	for _, o := range s.snapshots.all() {
		if x, ok := o.texts.ifMade(); ok && len(x.starts) == len(o.rids) && o.org == n.org && o.scan.ID < n.scan.ID && (old == nil || o.scan.ID > old.scan.ID) {
			old, had = o, x
		}
	}
	if old == nil {
		return nil, nil //nolint:nilnil // said above
	}
	same, rest := n.since(old)
	if 8*len(rest) > len(n.rids) || len(had.pairs) > 2*had.pairsRead {
		return nil, nil //nolint:nilnil // said above
	}
	rows, err := s.rowsOf(ctx, rest)
	if err != nil {
		return nil, err
	}
	size := len(n.rids)
	x := &texts{
		low: make([]byte, 0, len(had.low)+len(had.low)/16), starts: make([]uint32, 0, size), tagEnd: make([]uint32, 0, size), tagOf: make([]uint32, 0, len(had.tagOf)+len(had.tagOf)/16),
		pairs: slices.Clip(had.pairs), lowPairs: slices.Clip(had.lowPairs), pairAt: slices.Clip(had.pairAt), pairsRead: had.pairsRead, numbers: map[string]uint32{},
	}
	if len(rest) > 0 {
		for number, pair := range x.pairs {
			x.numbers[pair] = uint32(number)
		}
	}
	for pos, at := range same {
		if at >= 0 {
			x.copy(had, at)
			continue
		}
		row, ok := rows[n.rids[pos]]
		if !ok {
			return nil, nil //nolint:nilnil // a prune came between
		}
		x.add([]byte(row.id), []byte(row.name), []byte(row.tags))
	}
	x.numbers = nil
	return x, nil
}

// since compares a snapshot with an earlier one: where each of its versions was there, -1 for nowhere, and the rids of these.
// Both are in the order of ids.
func (n *snapshot) since(old *snapshot) (same []int32, rest []int64) {
	same = make([]int32, len(n.rids))
	lineages := slices.Clone(n.lineages)
	slices.Sort(lineages)
	at := 0
	for pos, rid := range n.rids {
		for at < len(old.rids) && old.lineages[at] != n.lineages[pos] {
			if _, stays := slices.BinarySearch(lineages, old.lineages[at]); stays {
				break // so the one at pos is new
			}
			at++
		}
		same[pos] = -1
		if at < len(old.rids) && old.lineages[at] == n.lineages[pos] {
			if old.rids[at] == rid {
				same[pos] = int32(at)
			}
			at++
		}
		if same[pos] < 0 {
			rest = append(rest, rid)
		}
	}
	return same, rest
}

// copy adds the texts of a resource of others, whose tags have the same numbers.
func (x *texts) copy(from *texts, at int32) {
	start, end := from.starts[at], uint32(len(from.low))
	if int(at)+1 < len(from.starts) {
		end = from.starts[at+1]
	}
	x.starts = append(x.starts, uint32(len(x.low)))
	x.low = append(x.low, from.low[start:end]...)
	first := uint32(0)
	if at > 0 {
		first = from.tagEnd[at-1]
	}
	x.tagOf = append(x.tagOf, from.tagOf[first:from.tagEnd[at]]...)
	x.tagEnd = append(x.tagEnd, uint32(len(x.tagOf)))
}

// appendLower appends text in lower case.
func appendLower(b, text []byte) []byte {
	for _, c := range text {
		if c >= 0x80 {
			return append(b, bytes.ToLower(text)...)
		}
	}
	for _, c := range text {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

// find returns which resources have the ids, names, tags and words of a filter. The last few answers are remembered: a
// page asks several questions of one filter.
func (s *Store) find(ctx context.Context, n *snapshot, f demarc.Filter) ([]bool, error) {
	return n.found.get(ctx, textsAsked(f).String(), func() ([]bool, error) { return s.search(ctx, n, f) })
}

func (s *Store) search(ctx context.Context, n *snapshot, f demarc.Filter) ([]bool, error) {
	out := make([]bool, len(n.rids))
	for i := range out {
		out[i] = true
	}
	if len(f.IDs) > 0 {
		if err := s.keep(ctx, n, out, f.IDs); err != nil {
			return nil, err
		}
	}
	if len(f.Names) == 0 && len(f.Tags) == 0 && f.Text == "" {
		return out, nil
	}
	x, err := s.textsOf(ctx, n)
	if err != nil {
		return nil, err
	}
	return out, s.keepTexts(ctx, x, f, out, func(at int) int64 { return n.rids[at] })
}

// keepTexts keeps, of the resources that are marked, those with the names, tags and words of a filter.
func (s *Store) keepTexts(ctx context.Context, x *texts, f demarc.Filter, out []bool, rid func(at int) int64) error {
	if len(f.Names) > 0 {
		// Names compare with case, the texts here do not: the database has the last word on the few that are left.
		some := make([]bool, len(out))
		for _, name := range f.Names {
			search(x.low, x.starts, appendLower([]byte{0}, []byte(clean(name))), true, some)
		}
		and(out, some)
		if err := s.exact(ctx, out, f.Names, rid); err != nil {
			return err
		}
	}
	byKey := map[string][]string{}
	for _, t := range f.Tags {
		byKey[t.Key] = append(byKey[t.Key], t.Value)
	}
	for key, values := range byKey {
		wanted := make([]bool, len(x.pairs))
		for i, pair := range x.pairs {
			if rest, ok := strings.CutPrefix(pair, key); ok && len(rest) > 1 && rest[0] == '=' {
				wanted[i] = slices.Contains(values, rest[1:]) || slices.Contains(values, "")
			}
		}
		and(out, x.tagged(wanted))
	}
	for word := range strings.FieldsSeq(strings.ToLower(f.Text)) {
		wanted := make([]bool, len(x.pairs))
		search(x.lowPairs, x.pairAt, []byte(word), false, wanted)
		some := x.tagged(wanted)
		search(x.low, x.starts, []byte(word), false, some)
		and(out, some)
	}
	return nil
}

func and(a, b []bool) {
	for i := range a {
		a[i] = a[i] && b[i]
	}
}

// search marks the texts that hold a word; ends asks that it stands at the end. starts is where each text begins.
func search(texts []byte, starts []uint32, word []byte, ends bool, mark []bool) {
	pos := 0
	for at := 0; at < len(texts); {
		i := bytes.Index(texts[at:], word)
		if i < 0 {
			return
		}
		at += i
		// Hits come in order: the text is searched for from the last one on.
		skip, _ := slices.BinarySearch(starts[pos:], uint32(at+1))
		pos += skip - 1
		next := len(texts)
		if pos+1 < len(starts) {
			next = int(starts[pos+1])
		}
		if !ends || at+len(word) == next {
			mark[pos] = true
			at = next
			if pos+1 == len(starts) {
				return
			}
			pos++
			continue
		}
		at++
	}
}

// tagged returns the resources with one of some tags.
func (x *texts) tagged(wanted []bool) []bool {
	out := make([]bool, len(x.tagEnd))
	if !slices.Contains(wanted, true) {
		return out
	}
	start := uint32(0)
	for pos, end := range x.tagEnd {
		for _, number := range x.tagOf[start:end] {
			if wanted[number] {
				out[pos] = true
				break
			}
		}
		start = end
	}
	return out
}

// keep keeps the resources that have one of some ids.
func (s *Store) keep(ctx context.Context, n *snapshot, out []bool, values []demarc.ResourceID) error {
	rids := map[int64]bool{}
	for chunk := range slices.Chunk(values, endsAtOnce) {
		args := []any{n.org, int64(n.scan.ID)}
		for _, v := range chunk {
			args = append(args, clean(string(v)))
		}
		rows, err := s.read.QueryContext(ctx, versionsAt("rid", `id IN (`+dollars(3, len(chunk))+`)`), args...)
		if err := each(rows, err, func(r *sql.Rows) error {
			var rid int64
			err := r.Scan(&rid)
			rids[rid] = true
			return err
		}); err != nil {
			return s.explain(err)
		}
	}
	for pos, rid := range n.rids {
		out[pos] = out[pos] && rids[rid]
	}
	return nil
}

// exact keeps, of the resources that are marked, those whose name is one of some.
func (s *Store) exact(ctx context.Context, out []bool, names []string, rid func(at int) int64) error {
	at := map[int64]int{}
	var rids []any
	for pos := range out {
		if out[pos] {
			at[rid(pos)] = pos
			rids = append(rids, rid(pos))
		}
	}
	for chunk := range slices.Chunk(rids, endsAtOnce) {
		rows, err := s.read.QueryContext(ctx, `SELECT rid, name FROM resources WHERE rid IN (`+dollars(1, len(chunk))+`)`, chunk...)
		if err := each(rows, err, func(r *sql.Rows) error {
			var rid int64
			var name string
			if err := r.Scan(&rid, &name); err != nil {
				return err
			}
			if !slices.ContainsFunc(names, func(want string) bool { return clean(want) == name }) {
				out[at[rid]] = false
			}
			return nil
		}); err != nil {
			return s.explain(err)
		}
	}
	return nil
}

// dutiesIn goes through the duties of a mask, by index.
func dutiesIn(mask uint64) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for mask != 0 {
			d := bits.TrailingZeros64(mask)
			mask &= mask - 1
			if !yield(d) {
				return
			}
		}
	}
}
