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
	places    []bool
	positions []bool   // nil for all
	duties    []uint64 // of each standing, those that are wanted, a bit each; nil for all
	// Where gaps that only acceptances tell are wanted: the duties that are wanted but for their gap, and those of each
	// resource that nobody has accepted.
	others, unaccepted []uint64
}

// selects works out what a filter leaves.
func (s *Store) selects(ctx context.Context, n *snapshot, f demarc.Filter) (*selection, error) {
	sel := &selection{n: n, places: make([]bool, len(n.view.places))}
	whole := demarc.Filter{Providers: f.Providers, Sources: f.Sources, Accounts: f.Accounts, Regions: f.Regions, Models: f.Models, Services: f.Services, Types: f.Types, Implied: f.Implied}
	for i := range n.view.places {
		p := &n.view.places[i]
		r := p.resource()
		sel.places[i] = whole.MatchResource(&r) && (len(f.Archetypes) == 0 || slices.Contains(f.Archetypes, p.archetype)) && f.Stale.Allows(n.stale[i] != 0)
	}
	if len(f.IDs)+len(f.Names)+len(f.Tags) > 0 || f.Text != "" {
		var err error
		if sel.positions, err = s.find(ctx, n, f); err != nil {
			return nil, err
		}
	}
	if f.OfDuties() {
		sel.duties = n.masks(f)
		if slices.Contains(f.Gaps, demarc.GapUnaccepted) && f.Severity <= demarc.Low {
			rest := f
			rest.Gaps, rest.Severity = nil, demarc.Informational
			if sel.others = n.masks(rest); !rest.OfDuties() {
				for i := range sel.others {
					sel.others[i] = allDuties
				}
			}
			var err error
			if sel.unaccepted, err = s.unaccepted(ctx, n); err != nil {
				return nil, err
			}
		}
	}
	return sel, nil
}

func (p *place) resource() demarc.Resource {
	return demarc.Resource{Provider: p.provider, Source: p.source, Account: p.account, Region: p.region, Type: p.typ, Service: p.service, Model: p.model, Implied: p.implied}
}

// masks returns, for each standing, the duties that a filter wants.
func (n *snapshot) masks(f demarc.Filter) []uint64 {
	out := make([]uint64, n.view.standings)
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

// mask returns the duties that are wanted of the resource at a position, a bit each; 0 if it is not wanted.
func (sel *selection) mask(pos int) uint64 {
	n := sel.n
	if !sel.places[n.places[pos]] || sel.positions != nil && !sel.positions[pos] {
		return 0
	}
	if sel.duties == nil {
		return allDuties
	}
	at := n.standings[pos] &^ insideBit
	m := sel.duties[at]
	if sel.unaccepted != nil {
		m |= sel.others[at] & sel.unaccepted[pos]
	}
	if n.standings[pos]&insideBit != 0 {
		m &^= guestDuties
	}
	return m
}

// count returns how many resources are wanted.
func (sel *selection) count() int {
	total := 0
	for pos := range sel.n.rids {
		if sel.mask(pos) != 0 {
			total++
		}
	}
	return total
}

// texts are the names and tags of the resources of a snapshot, for searching.
type texts struct {
	low    []byte   // id and name of each, in lower case, each behind a zero byte
	starts []uint32 // of each resource in low
	pairs  []string // the tags that there are: "key=value"
	tagOf  []uint32 // of each resource, its tags by number
	tagEnd []uint32 // where those of each resource end
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

// find returns which resources have the ids, names, tags and words of a filter.
func (s *Store) find(ctx context.Context, n *snapshot, f demarc.Filter) ([]bool, error) {
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
			x.search(appendLower([]byte{0}, []byte(clean(name))), true, some)
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
		n.and(out, x.tagged(func(pair string) bool {
			k, v, _ := strings.Cut(pair, "=")
			return k == key && v != "" && (slices.Contains(values, v) || slices.Contains(values, ""))
		}))
	}
	for word := range strings.FieldsSeq(strings.ToLower(f.Text)) {
		some := x.tagged(func(pair string) bool { return strings.Contains(strings.ToLower(pair), word) })
		x.search([]byte(word), false, some)
		n.and(out, some)
	}
	return out, nil
}

func (n *snapshot) and(a, b []bool) {
	for i := range a {
		a[i] = a[i] && b[i]
	}
}

// search marks the resources whose id or name holds a word; ends asks that it stands at the end.
func (x *texts) search(word []byte, ends bool, mark []bool) {
	pos := 0
	for at := 0; at < len(x.low); {
		i := bytes.Index(x.low[at:], word)
		if i < 0 {
			return
		}
		at += i
		// Hits come in order: the resource is searched for from the last one on.
		skip, _ := slices.BinarySearch(x.starts[pos:], uint32(at+1))
		pos += skip - 1
		next := len(x.low)
		if pos+1 < len(x.starts) {
			next = int(x.starts[pos+1])
		}
		if !ends || at+len(word) == next {
			mark[pos] = true
			at = next
			if pos+1 == len(x.starts) {
				return
			}
			pos++
			continue
		}
		at++
	}
}

// tagged returns the resources with a tag that fits.
func (x *texts) tagged(fits func(pair string) bool) []bool {
	out := make([]bool, len(x.tagEnd))
	wanted := make([]bool, len(x.pairs))
	any := false
	for i, pair := range x.pairs {
		wanted[i] = fits(pair)
		any = any || wanted[i]
	}
	if !any {
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
