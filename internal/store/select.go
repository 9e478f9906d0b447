package store

import (
	"bytes"
	"context"
	"database/sql"
	"math/bits"
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
	n         *snapshot
	classes   *classes
	places    []bool
	positions []bool   // nil for all
	masks     []uint64 // of each class, the duties that are wanted, a bit each; allDuties where nothing is asked of them
	duties    []uint64 // of each standing, but for what only acceptances tell; nil where nothing is asked of duties
}

// selects works out what a filter leaves.
func (s *Store) selects(ctx context.Context, n *snapshot, f demarc.Filter) (*selection, error) {
	cs, err := s.classesOf(ctx, n)
	if err != nil {
		return nil, err
	}
	return s.selectsFrom(ctx, n, cs, f)
}

func (s *Store) selectsFrom(ctx context.Context, n *snapshot, cs *classes, f demarc.Filter) (*selection, error) {
	sel := &selection{n: n, classes: cs, places: n.placesOf(&f)}
	if len(f.IDs)+len(f.Names)+len(f.Tags) > 0 || f.Text != "" {
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
	return sel, nil
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

// exposureOfRow returns the exposure of a version of a resource. A row that is gone, as of a pruned scan, has unknown.
func (s *Store) exposureOfRow(n *snapshot, x *row) demarc.Exposure {
	v := s.vocabulary(n.org)
	v.mu.Lock()
	at, ok := v.standingAt[x.standing]
	v.mu.Unlock()
	if !ok || int(at) >= n.view.standings {
		return demarc.ExposureUnknown
	}
	return n.exposure(at)
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

// texts are the names and tags of the resources of a snapshot, for searching.
type texts struct {
	low      []byte   // id and name of each, in lower case, each behind a zero byte
	starts   []uint32 // of each resource in low
	pairs    []string // the tags that there are: "key=value"
	lowPairs []byte   // these in lower case, each behind a zero byte
	pairAt   []uint32 // where each begins
	tagOf    []uint32 // of each resource, its tags by number
	tagEnd   []uint32 // where those of each resource end
}

// textsOf reads the texts of a snapshot when they are first asked for.
func (s *Store) textsOf(ctx context.Context, n *snapshot) (*texts, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.texts != nil {
		return n.texts, nil
	}
	x := &texts{starts: make([]uint32, 0, len(n.rids)), tagEnd: make([]uint32, 0, len(n.rids))}
	numbers := map[string]uint32{}
	var key []byte
	rows, err := s.read.QueryContext(ctx, versionsAt("id, name, tags", "")+` ORDER BY id`, n.org, int64(n.scan.ID))
	err = each(rows, err, func(r *sql.Rows) error {
		var id, name, tags sql.RawBytes
		if err := r.Scan(&id, &name, &tags); err != nil {
			return err
		}
		x.starts = append(x.starts, uint32(len(x.low)))
		x.low = appendLower(append(x.low, 0), id)
		x.low = appendLower(append(x.low, 0), name)
		for k, v := range demarc.Tags(tags).All() {
			key = append(append(append(key[:0], k...), '='), v...)
			number, ok := numbers[string(key)]
			if !ok {
				number = uint32(len(x.pairs))
				numbers[string(key)] = number
				x.pairs = append(x.pairs, string(key))
				x.pairAt = append(x.pairAt, uint32(len(x.lowPairs)))
				x.lowPairs = appendLower(append(x.lowPairs, 0), key)
			}
			x.tagOf = append(x.tagOf, number)
		}
		x.tagEnd = append(x.tagEnd, uint32(len(x.tagOf)))
		return nil
	})
	if err != nil {
		return nil, s.explain(err)
	}
	n.texts = x
	return x, nil
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
	key := demarc.Filter{IDs: f.IDs, Names: f.Names, Tags: f.Tags, Text: f.Text}.String()
	n.mu.Lock()
	out, ok := n.found[key]
	n.mu.Unlock()
	if ok {
		return out, nil
	}
	out, err := s.search(ctx, n, f)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.found == nil || len(n.found) >= 8 {
		n.found = map[string][]bool{}
	}
	n.found[key] = out
	return out, nil
}

func (s *Store) search(ctx context.Context, n *snapshot, f demarc.Filter) ([]bool, error) {
	out := make([]bool, len(n.rids))
	for i := range out {
		out[i] = true
	}
	if len(f.IDs) > 0 {
		if err := s.keep(ctx, n, out, "id", f.IDs); err != nil {
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
	if len(f.Names) > 0 {
		// Names compare with case, the texts here do not: the database has the last word on the few that are left.
		some := make([]bool, len(out))
		for _, name := range f.Names {
			search(x.low, x.starts, appendLower([]byte{0}, []byte(clean(name))), true, some)
		}
		n.and(out, some)
		if err := s.exact(ctx, n, out, f.Names); err != nil {
			return nil, err
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
		n.and(out, x.tagged(wanted))
	}
	for word := range strings.FieldsSeq(strings.ToLower(f.Text)) {
		wanted := make([]bool, len(x.pairs))
		search(x.lowPairs, x.pairAt, []byte(word), false, wanted)
		some := x.tagged(wanted)
		search(x.low, x.starts, []byte(word), false, some)
		n.and(out, some)
	}
	return out, nil
}

func (n *snapshot) and(a, b []bool) {
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

// keep keeps the resources that have one of some values in a column with an index.
func (s *Store) keep(ctx context.Context, n *snapshot, out []bool, column string, values []demarc.ResourceID) error {
	rids := map[int64]bool{}
	for chunk := range slices.Chunk(values, endsAtOnce) {
		args := []any{n.org, int64(n.scan.ID)}
		for _, v := range chunk {
			args = append(args, clean(string(v)))
		}
		rows, err := s.read.QueryContext(ctx, versionsAt("rid", column+` IN (`+dollars(3, len(chunk))+`)`), args...)
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
func (s *Store) exact(ctx context.Context, n *snapshot, out []bool, names []string) error {
	at := map[int64]int{}
	var rids []any
	for pos := range out {
		if out[pos] {
			at[n.rids[pos]] = pos
			rids = append(rids, n.rids[pos])
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
