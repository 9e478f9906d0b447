package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc"
)

// Recording is what a scan says of itself when it is recorded.
type Recording struct {
	demarc.Run
	Finished   time.Time
	Actor      string // for the audit log
	Incomplete bool   // something could not be read
	Sources    []demarc.SourceStatus
	// Whole says that the inputs are everything there is: what they do not have is gone, wherever it was, unless its
	// source is incomplete. Otherwise only those places were looked at of which something was delivered.
	Whole bool
	// Catalog and Estate make what Content gives back for the digests of Run; they are called if the store does not have
	// it yet, and nil for nothing.
	Catalog, Estate func() ([]byte, error)
	// Check is called when the answers have ended. Its error discards the scan: answers may end early.
	Check func() error
}

// Kinds of Content.
const (
	ContentCatalog = "catalog"
	ContentEstate  = "estate"
)

// Record writes a scan whose answers come sorted by id, and returns it. It is all there afterwards, or nothing of it.
// The answers are gone through once; if the connection to the database is lost, the caller may try again.
func (s *Store) Record(ctx context.Context, r Recording, answers iter.Seq[*demarc.Answer]) (demarc.Scan, error) {
	var scan demarc.Scan
	err := s.writing(ctx, func(ctx context.Context, t *tx) error {
		w, err := s.newWriter(ctx, t, &r)
		if err != nil {
			return err
		}
		if err := w.merge(ctx, answers); err != nil {
			return err
		}
		if r.Check != nil {
			if err := r.Check(); err != nil {
				return err
			}
		}
		scan, err = w.finish(ctx)
		return err
	})
	if err != nil {
		return demarc.Scan{}, err
	}
	if err := s.dialect.settle(ctx, s.write, scan.Changed+scan.Removed > 0); err != nil {
		s.log.WarnContext(ctx, "tidy up after a scan", "error", err)
	}
	return scan, nil
}

// writer writes one scan.
type writer struct {
	s    *Store
	t    *tx
	r    *Recording
	scan demarc.Scan
	org  int64
	// before is the scan before, zero for none.
	before demarc.Scan

	vocab  *interner
	nextID struct{ rid, move, finding int64 }

	resources, moves, findings bulk
	ended                      []ending // versions that end with this scan
	changed                    []*change
	missing                    []entry         // what the scan does not have
	late                       map[string]bool // ids that came out of order: not missing after all
	blocks                     blockWriter
	patches                    map[string]*entry // of blocks that were written before it was known
	seen                       map[uint32]int    // places, and how many of their resources this scan has
	total                      int
	lastID                     string
}

// ending is a version that ends.
type ending struct {
	rid  int64
	gone bool
}

// change is a resource that is not what it was.
type change struct {
	old, now entry
	is       interned
}

func (s *Store) newWriter(ctx context.Context, t *tx, r *Recording) (*writer, error) {
	w := &writer{
		s: s, t: t, r: r, seen: map[uint32]int{}, late: map[string]bool{}, patches: map[string]*entry{},
		resources: bulk{table: "resources", columns: []string{"rid", "organization", "id", "name", "place", "standing", "inside", "born", "first", "ended", "gone", "fact_names", "tags", "tags_of", "facts", "facts_of", "lineage"}},
		moves:     bulk{table: "moves", columns: []string{"id", "organization", "scan", "rid", "lineage", "place", "before", "after", "cause", "catalog_changed", "changes"}},
		findings:  bulk{table: "findings", columns: []string{"id", "organization", "lineage", "rid", "place", "outcome", "gap", "check_id", "severity", "first", "last", "resolved"}},
	}
	var err error
	if w.org, err = t.organizationFor(ctx, r.Organization); err != nil {
		return nil, err
	}
	for _, c := range []struct {
		kind, digest string
		make         func() ([]byte, error)
	}{{ContentCatalog, r.Run.Catalog, r.Catalog}, {ContentEstate, r.Run.Estate, r.Estate}} {
		if c.digest == "" || c.make == nil {
			continue
		}
		var has int
		if err := t.conn.QueryRowContext(ctx, `SELECT count(*) FROM contents WHERE organization = $1 AND kind = $2 AND digest = $3`, w.org, c.kind, c.digest).Scan(&has); err != nil {
			return nil, err
		}
		if has > 0 {
			continue
		}
		data, err := c.make()
		if err != nil {
			return nil, fmt.Errorf("keep the %s: %w", c.kind, err)
		}
		if err := t.exec(ctx, `INSERT INTO contents (organization, kind, digest, data) VALUES ($1, $2, $3, $4)`, w.org, c.kind, c.digest, data); err != nil {
			return nil, err
		}
	}
	if w.before, err = latest(ctx, t.conn, w.org); err != nil {
		return nil, err
	}
	id, err := t.next(ctx, "scans", "id")
	if err != nil {
		return nil, err
	}
	w.scan = demarc.Scan{
		ID: demarc.ScanID(id), Organization: r.Organization, Finished: r.Finished.UTC().Truncate(time.Microsecond), AsOf: r.AsOf, Catalog: r.Run.Catalog, Estate: r.Run.Estate,
		Documents: r.Documents, Incomplete: r.Incomplete, Sources: slices.Clone(r.Sources),
	}
	for _, n := range []struct {
		table, column string
		to            *int64
	}{{"resources", "rid", &w.nextID.rid}, {"moves", "id", &w.nextID.move}, {"findings", "id", &w.nextID.finding}} {
		if *n.to, err = t.next(ctx, n.table, n.column); err != nil {
			return nil, err
		}
	}
	w.vocab, err = newInterner(ctx, s, t, w.org)
	return w, err
}

// merge goes through the answers and what the store has side by side, both sorted by id.
func (w *writer) merge(ctx context.Context, answers iter.Seq[*demarc.Answer]) error {
	had, err := w.storedEntries(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = had.rows.Close() }()
	w.blocks.w = w
	next := func() error {
		if err := had.next(); err != nil || !had.began {
			return err
		}
		return w.blocks.begin(ctx, had.key)
	}
	if err := next(); err != nil {
		return err
	}
	for a := range answers {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		id := strings.Clone(clean(string(a.Resource.ID))) // an answer is gone with the next
		if w.lastID != "" && id <= w.lastID {             // cleaning can change the order
			if err := w.outOfOrder(ctx, id, a); err != nil {
				return err
			}
			continue
		}
		w.lastID = id
		for had.more && had.id < id {
			if err := w.miss(ctx, had, next); err != nil {
				return err
			}
		}
		var old *entry
		if had.more && had.id == id {
			old = &had.entry
		}
		e, changed, err := w.take(ctx, id, a, old)
		if err != nil {
			return err
		}
		is := had.kept
		switch {
		case old == nil || !had.blocked:
			is = added
		case changed:
			is = replaced
		}
		if err := w.blocks.add(ctx, &e, is); err != nil {
			return err
		}
		if old != nil {
			if err := next(); err != nil {
				return err
			}
		}
	}
	for had.more {
		if err := w.miss(ctx, had, next); err != nil {
			return err
		}
	}
	if err := errors.Join(had.rows.Err(), w.blocks.end(ctx)); err != nil {
		return err
	}
	return w.blocks.writeChanges(ctx, len(had.changes))
}

// miss notes that the scan does not have a resource. It stays in its block until it is known that it is gone.
func (w *writer) miss(ctx context.Context, had *stored, next func() error) error {
	w.missing = append(w.missing, had.entry)
	if err := w.blocks.add(ctx, &had.entry, had.kept); err != nil {
		return err
	}
	return next()
}

// outOfOrder takes an answer whose id is not after the one before it. Of two with one id the first counts.
func (w *writer) outOfOrder(ctx context.Context, id string, a *demarc.Answer) error {
	if w.late[id] || id == w.lastID {
		return nil
	}
	w.late[id] = true
	had, err := w.readEntry(w.s.read.QueryRowContext(ctx, `SELECT `+entryColumns+` FROM resources WHERE organization = $1 AND id = $2 AND ended IS NULL`, w.org, id))
	old := &had
	if errors.Is(err, sql.ErrNoRows) {
		old = nil
	} else if err != nil {
		return err
	}
	e, changed, err := w.take(ctx, id, a, old)
	if changed {
		w.patches[id] = &e
	}
	return err
}

// take writes an answer, if it is not what it was, and returns the version that it is now.
func (w *writer) take(ctx context.Context, id string, a *demarc.Answer, old *entry) (e entry, changed bool, err error) {
	var before int64
	if old != nil {
		before = old.standing
	}
	in, err := w.vocab.answer(ctx, a, before)
	if err != nil {
		return e, false, err
	}
	w.total++
	w.seen[uint32(in.place)]++
	digest := w.vocab.digest(&in)
	if old != nil && old.digest == digest {
		return *old, false, nil
	}
	scan := int64(w.scan.ID)
	e = entry{id: id, rid: w.nextID.rid, place: in.place, standing: in.standing, born: scan, first: scan, inside: a.Inside, digest: digest}
	w.nextID.rid++
	in.name, in.tags, in.facts = strings.Clone(in.name), strings.Clone(in.tags), slices.Clone(in.facts)
	if old == nil {
		w.scan.Added++
		if e.lineage, err = w.lineageOf(ctx, id, e.rid); err != nil {
			return e, false, err
		}
		return e, true, w.insert(ctx, &e, &in, storedTexts{})
	}
	w.scan.Changed++
	e.born, e.lineage = old.born, old.lineage
	w.ended = append(w.ended, ending{rid: old.rid})
	w.changed = append(w.changed, &change{old: *old, now: e, is: in})
	return e, true, w.settleEnds(ctx, false)
}

// insert writes a version. What it has in common with the one before is not written again.
func (w *writer) insert(ctx context.Context, e *entry, is *interned, before storedTexts) error {
	tags, facts := []byte(is.tags), is.facts
	var tagsOf, factsOf any
	if len(tags) >= worthSharing && string(before.tags) == is.tags {
		tags, tagsOf = []byte{}, before.tagsOf
	}
	if len(facts) >= worthSharing && before.names == is.names && bytes.Equal(before.facts, facts) {
		facts, factsOf = []byte{}, before.factsOf
	}
	return w.resources.add(ctx, w.t, e.rid, w.org, e.id, is.name, e.place, e.standing, bit(e.inside), e.born, e.first, nil, int64(0), is.names, tags, tagsOf, facts, factsOf, e.lineage)
}

// worthSharing is how many bytes a version has at least in common with another to name it instead.
const worthSharing = 12

// lineageOf returns the first version of a resource that the scan before did not have: rid, unless it was there earlier.
func (w *writer) lineageOf(ctx context.Context, id string, rid int64) (int64, error) {
	if w.before.ID == 0 {
		return rid, nil
	}
	err := w.s.read.QueryRowContext(ctx, `SELECT lineage FROM resources WHERE organization = $1 AND id = $2 AND ended IS NOT NULL ORDER BY first DESC LIMIT 1`, w.org, id).Scan(&rid)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return rid, err
}

const endsAtOnce = 500

// settleEnds ends versions and works out what their changes mean, many at a time. New versions are written after their
// predecessors have ended: an id has one version at a time.
func (w *writer) settleEnds(ctx context.Context, all bool) error {
	if len(w.ended) < endsAtOnce && !all {
		return nil
	}
	for _, gone := range []bool{false, true} {
		var rids []any
		for _, e := range w.ended {
			if e.gone == gone {
				rids = append(rids, e.rid)
			}
		}
		for chunk := range slices.Chunk(rids, endsAtOnce) {
			args := append([]any{int64(w.scan.ID), bit(gone)}, chunk...)
			if err := w.t.exec(ctx, `UPDATE resources SET ended = $1, gone = $2 WHERE rid IN (`+dollars(3, len(chunk))+`)`, args...); err != nil {
				return err
			}
		}
	}
	w.ended = w.ended[:0]
	if err := w.settleChanges(ctx); err != nil {
		return err
	}
	w.changed = w.changed[:0]
	return nil
}

// dollars are the places of n values, from $first on.
func dollars(first, n int) string {
	var b []byte
	for i := range n {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = fmt.Appendf(b, "$%d", first+i)
	}
	return string(b)
}

// finish decides what is gone, and writes what is left and the scan itself.
func (w *writer) finish(ctx context.Context) (demarc.Scan, error) {
	covered := w.covered()
	stale := map[int64]bool{} // places that were not looked at, and have resources
	for _, m := range w.missing {
		if w.late[m.id] {
			continue
		}
		if !covered(m.place) {
			stale[m.place] = true
			w.scan.Stale++
			continue
		}
		w.ended = append(w.ended, ending{rid: m.rid, gone: true})
		w.patches[m.id] = nil
		w.scan.Removed++
		if err := w.remove(ctx, &m); err != nil {
			return w.scan, err
		}
	}
	if err := w.settleEnds(ctx, true); err != nil {
		return w.scan, err
	}
	for _, b := range []*bulk{&w.resources, &w.moves, &w.findings} {
		if err := b.flush(ctx, w.t); err != nil {
			return w.scan, err
		}
	}
	if err := w.vocab.flush(ctx); err != nil {
		return w.scan, err
	}
	if err := w.unlooked(ctx, stale); err != nil {
		return w.scan, err
	}
	if err := w.blocks.patch(ctx, w.patches); err != nil {
		return w.scan, err
	}
	if err := w.t.exec(ctx, `UPDATE organizations SET blocks = $1 WHERE id = $2`, int64(w.scan.ID), w.org); err != nil {
		return w.scan, err
	}
	w.scan.Resources = w.total + w.scan.Stale
	w.countSources()
	sources, err := json.Marshal(w.scan.Sources)
	if err != nil {
		return w.scan, err
	}
	c := &w.scan
	err = w.t.exec(ctx, `INSERT INTO scans (id, organization, finished, as_of, catalog, estate, documents, incomplete, resources, stale, added, changed, removed, moves, opened, resolved, sources, pruned)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0)`,
		int64(c.ID), w.org, micros(c.Finished), micros(c.AsOf), c.Catalog, c.Estate, c.Documents, bit(c.Incomplete), c.Resources, c.Stale, c.Added, c.Changed, c.Removed, c.Moves, c.Opened, c.Resolved, string(sources))
	if err != nil {
		return w.scan, err
	}
	detail := fmt.Sprintf(`{"resources":%d,"added":%d,"changed":%d,"removed":%d,"moves":%d}`, c.Resources, c.Added, c.Changed, c.Removed, c.Moves)
	return w.scan, audit(ctx, w.t, w.scan.Finished, w.r.Organization, w.r.Actor, "scan", fmt.Sprintf("scan %d", c.ID), detail)
}

// countSources says how many resources each source delivered.
func (w *writer) countSources() {
	by := map[string]int{}
	for id, n := range w.seen {
		by[w.vocab.placeOf[int64(id)].source] += n
	}
	for i := range w.scan.Sources {
		w.scan.Sources[i].Resources = by[clean(w.scan.Sources[i].Name)]
	}
}

// covered tells the places that this scan looked at: those whose source was read completely, and of whose account and
// region something was delivered, and from whose source something of their service was.
func (w *writer) covered() func(placeID int64) bool {
	complete := map[string]bool{}
	for _, s := range w.r.Sources {
		complete[clean(s.Name)] = s.Complete
	}
	type scope struct{ source, account, region string }
	type kind struct {
		source  string
		service demarc.ServiceID
	}
	scopes, kinds := map[scope]bool{}, map[kind]bool{}
	for id := range w.seen {
		p := w.vocab.placeOf[int64(id)]
		if p.implied {
			continue
		}
		scopes[scope{p.source, p.account, p.region}] = true
		kinds[kind{p.source, p.service}] = true
	}
	whole := w.r.Whole
	for _, s := range w.r.Sources {
		whole = whole && s.Complete
	}
	return func(id int64) bool {
		p := w.vocab.placeOf[id]
		if whole || w.r.Whole && complete[p.source] {
			return true
		}
		return complete[p.source] && scopes[scope{p.source, p.account, p.region}] && (p.implied || kinds[kind{p.source, p.service}])
	}
}

// unlooked notes which places with resources the scan did not look at.
func (w *writer) unlooked(ctx context.Context, stale map[int64]bool) error {
	were := map[int64]bool{}
	rows, err := w.t.conn.QueryContext(ctx, `SELECT place FROM unlooked WHERE organization = $1 AND ended IS NULL`, w.org)
	if err := each(rows, err, func(r *sql.Rows) error {
		var p int64
		err := r.Scan(&p)
		were[p] = true
		return err
	}); err != nil {
		return err
	}
	var again []any
	for p := range were {
		if !stale[p] {
			again = append(again, p)
		}
	}
	for chunk := range slices.Chunk(again, endsAtOnce) {
		if err := w.t.exec(ctx, `UPDATE unlooked SET ended = $1 WHERE organization = $2 AND ended IS NULL AND place IN (`+dollars(3, len(chunk))+`)`, append([]any{int64(w.scan.ID), w.org}, chunk...)...); err != nil {
			return err
		}
	}
	b := bulk{table: "unlooked", columns: []string{"organization", "place", "first", "ended"}}
	for p := range stale {
		if !were[p] {
			if err := b.add(ctx, w.t, w.org, p, int64(w.scan.ID), nil); err != nil {
				return err
			}
		}
	}
	return b.flush(ctx, w.t)
}
