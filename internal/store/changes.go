package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/demarc/demarc"
)

// settleChanges works out what the changes that were gathered mean: which duties moved, which findings opened and which
// are resolved.
func (w *writer) settleChanges(ctx context.Context) error {
	for chunk := range slices.Chunk(w.changed, endsAtOnce) {
		texts, err := w.oldTexts(ctx, chunk)
		if err != nil {
			return err
		}
		lineages := make([]any, len(chunk))
		for i, c := range chunk {
			lineages[i] = c.old.lineage
		}
		open, err := w.openFindings(ctx, lineages)
		if err != nil {
			return err
		}
		for _, c := range chunk {
			old := texts[c.old.rid]
			err := w.insert(ctx, &c.now, &c.is, old)
			if err == nil {
				err = w.settleChange(ctx, c, old.storedFacts, open[c.old.lineage])
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.now.id, err)
			}
		}
	}
	return nil
}

// storedFacts are facts as they are stored, with the number of their names.
type storedFacts struct {
	names int64
	facts []byte
}

// storedTexts are what is large of a version, and the versions that have it in their rows.
type storedTexts struct {
	storedFacts
	tags            []byte
	tagsOf, factsOf int64
}

// What versions have in common is in the row of one of them: tagsOf and factsOf ask for the tags and facts of each.
const (
	tagsOf  = `CASE WHEN tags_of IS NULL THEN tags ELSE (SELECT t.tags FROM resources t WHERE t.rid = resources.tags_of) END AS tags`
	factsOf = `CASE WHEN facts_of IS NULL THEN facts ELSE (SELECT t.facts FROM resources t WHERE t.rid = resources.facts_of) END AS facts`
)

func (w *writer) oldTexts(ctx context.Context, changes []*change) (map[int64]storedTexts, error) {
	var rids []any
	for _, c := range changes {
		rids = append(rids, c.old.rid)
	}
	out := make(map[int64]storedTexts, len(rids))
	if len(rids) == 0 {
		return out, nil
	}
	rows, err := w.t.conn.QueryContext(ctx, `SELECT rid, fact_names, coalesce(tags_of, rid), coalesce(facts_of, rid), `+tagsOf+`, `+factsOf+` FROM resources WHERE rid IN (`+dollars(1, len(rids))+`)`, rids...)
	return out, each(rows, err, func(r *sql.Rows) error {
		var rid int64
		var x storedTexts
		if err := r.Scan(&rid, &x.names, &x.tagsOf, &x.factsOf, &x.tags, &x.facts); err != nil {
			return err
		}
		out[rid] = x
		return nil
	})
}

// openFinding is a finding with a row of its own that is not resolved.
type openFinding struct {
	id          int64
	first       int64
	unconfirmed bool // its row says when it was last seen
	outcome     int64
}

// findingKey tells the findings of a resource apart.
type findingKey struct {
	duty int
	findingOf
}

// key leaves out the severity, which the catalog may change.
func keyOf(duty int, f findingOf) findingKey {
	f.severity = 0
	return findingKey{duty, f}
}

// openFindings returns, by lineage, the findings of some resources that have rows and are not resolved.
func (w *writer) openFindings(ctx context.Context, lineages []any) (map[int64]map[findingKey]openFinding, error) {
	out := map[int64]map[findingKey]openFinding{}
	rows, err := w.t.conn.QueryContext(ctx, `SELECT id, lineage, outcome, gap, check_id, first, last FROM findings WHERE resolved IS NULL AND lineage IN (`+dollars(1, len(lineages))+`)`, lineages...)
	return out, each(rows, err, func(r *sql.Rows) error {
		var o openFinding
		var lineage int64
		var f findingOf
		var last sql.NullInt64
		if err := r.Scan(&o.id, &lineage, &o.outcome, &f.gap, &f.check, &o.first, &last); err != nil {
			return err
		}
		o.unconfirmed = last.Valid
		d := w.vocab.outcomeOf[o.outcome]
		if d == nil {
			return fmt.Errorf("finding %d speaks of what is not there", o.id)
		}
		if out[lineage] == nil {
			out[lineage] = map[findingKey]openFinding{}
		}
		out[lineage][keyOf(demarc.DutyIndex(d.Duty), f)] = o
		return nil
	})
}

// settleChange compares two versions of a resource.
func (w *writer) settleChange(ctx context.Context, c *change, old storedFacts, open map[findingKey]openFinding) error {
	if c.old.standing == c.now.standing && len(open) == 0 {
		return nil
	}
	before, err := w.vocab.outcomesOf(ctx, c.old.standing)
	if err != nil {
		return err
	}
	after, err := w.vocab.outcomesOf(ctx, c.now.standing)
	if err != nil {
		return err
	}
	var was, is []demarc.NamedFact // when they are asked for
	facts := func() error {
		if was != nil || is != nil {
			return nil
		}
		var err error
		if was, err = w.vocab.decode(old); err != nil {
			return err
		}
		is, err = w.vocab.decode(storedFacts{c.is.names, c.is.facts})
		return err
	}
	for i := range numDuties {
		x, y := w.vocab.outcomeOf[before[i]], w.vocab.outcomeOf[after[i]]
		if before[i] != after[i] && (x.Holder != y.Holder || !slices.Equal(x.Parties, y.Parties)) {
			if err := facts(); err != nil {
				return err
			}
			if err := w.move(ctx, c, x, y, before[i], after[i], was, is); err != nil {
				return err
			}
		}
		if before[i] != after[i] || len(open) > 0 {
			if err := w.turn(ctx, c, i, x, y, before[i], open); err != nil {
				return err
			}
		}
	}
	return nil
}

// move writes that a duty changed hands.
func (w *writer) move(ctx context.Context, c *change, x, y *demarc.DutyAnswer, before, after int64, was, is []demarc.NamedFact) error {
	names := slices.Concat(x.Reads, y.Reads)
	slices.Sort(names)
	changes := changesBetween(slices.Compact(names), was, is)
	catalog := w.before.Catalog != w.scan.Catalog
	cause := CauseOf(len(changes) > 0, catalog, w.before.Estate != w.scan.Estate)
	id := w.nextID.move
	w.nextID.move++
	w.scan.Moves++
	return w.moves.add(ctx, w.t, id, w.org, int64(w.scan.ID), c.now.rid, c.old.lineage, c.now.place, before, after, string(cause), bit(catalog), appendChanges([]byte{}, changes))
}

// CauseOf says what made a duty change hands, by what is not what it was: a deciding fact, the catalog, the estate.
func CauseOf(facts, catalog, estate bool) demarc.Cause {
	switch {
	case facts:
		return demarc.CauseSetting
	case catalog:
		return demarc.CauseCatalog
	case estate:
		return demarc.CauseDeclaration
	default:
		return demarc.CauseTime
	}
}

// turn writes which findings of a duty opened and which ended. What can no longer be told is not resolved: a check that
// failed and whose facts nobody could read this time stays a finding, last seen by the scan before.
func (w *writer) turn(ctx context.Context, c *change, duty int, x, y *demarc.DutyAnswer, before int64, open map[findingKey]openFinding) error {
	had, has := findingsOf(x), findingsOf(y)
	contains := func(list []findingOf, f findingOf) bool {
		return slices.ContainsFunc(list, func(g findingOf) bool { return g.gap == f.gap && g.check == f.check })
	}
	for _, f := range has {
		row, known := open[keyOf(duty, f)]
		switch {
		case known && row.unconfirmed: // seen again
			if err := w.t.exec(ctx, `UPDATE findings SET last = NULL WHERE id = $1`, row.id); err != nil {
				return err
			}
		case !known && !contains(had, f):
			w.scan.Opened++
			if err := w.finding(ctx, c.old.lineage, c.now.rid, c.now.place, w.outcomeNow(c, duty), f, int64(w.scan.ID), nil, nil); err != nil {
				return err
			}
		}
	}
	ended := had
	for k := range open {
		if k.duty == duty && !contains(had, k.findingOf) {
			ended = append(slices.Clip(ended), k.findingOf)
		}
	}
	for _, f := range ended {
		if contains(has, f) {
			continue
		}
		row, known := open[keyOf(duty, f)]
		if f.gap == demarc.GapFailing && cannotTell(y, f.check) {
			if known && row.unconfirmed {
				continue
			}
			if err := w.end(ctx, &c.old, before, f, row, known, nil); err != nil {
				return err
			}
			continue
		}
		w.scan.Resolved++
		if err := w.end(ctx, &c.old, before, f, row, known, int64(w.scan.ID)); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) outcomeNow(c *change, duty int) int64 {
	return w.vocab.standingOf[c.now.standing][duty]
}

// cannotTell reports whether a check came to no result.
func cannotTell(d *demarc.DutyAnswer, check string) bool {
	return slices.ContainsFunc(d.Checks, func(o demarc.CheckOutcome) bool { return o.ID == check && o.Result == demarc.CheckUnknown })
}

// end writes that a finding was last seen by the scan before, and is resolved or, with nil, cannot be told any more.
func (w *writer) end(ctx context.Context, old *entry, outcome int64, f findingOf, row openFinding, known bool, resolved any) error {
	last := int64(w.before.ID)
	if !known {
		return w.finding(ctx, old.lineage, old.rid, old.place, outcome, f, old.born, last, resolved)
	}
	if row.unconfirmed { // last stays when it was
		return w.t.exec(ctx, `UPDATE findings SET resolved = $1 WHERE id = $2`, resolved, row.id)
	}
	return w.t.exec(ctx, `UPDATE findings SET last = $1, resolved = $2, outcome = $3, rid = $4 WHERE id = $5`, last, resolved, outcome, old.rid, row.id)
}

func (w *writer) finding(ctx context.Context, lineage, rid, place, outcome int64, f findingOf, first int64, last, resolved any) error {
	n := w.nextID.finding
	w.nextID.finding++
	return w.findings.add(ctx, w.t, n, w.org, lineage, rid, place, outcome, string(f.gap), f.check, int64(f.severity), first, last, resolved)
}

// remove writes that the findings of a resource that is gone are resolved. What nobody had looked at is no loss: that a
// duty was unverified is not kept.
func (w *writer) remove(ctx context.Context, m *entry) error {
	all, err := w.openFindings(ctx, []any{m.lineage})
	if err != nil {
		return err
	}
	open := all[m.lineage]
	ids, err := w.vocab.outcomesOf(ctx, m.standing)
	if err != nil {
		return err
	}
	for i, outcome := range ids {
		d := w.vocab.outcomeOf[outcome]
		ended := findingsOf(d)
		for k := range open {
			if k.duty == i && !slices.ContainsFunc(ended, func(f findingOf) bool { return f.gap == k.gap && f.check == k.check }) {
				ended = append(ended, k.findingOf)
			}
		}
		for _, f := range ended {
			row, known := open[keyOf(i, f)]
			if f.gap == demarc.GapUnverified && !known {
				continue
			}
			w.scan.Resolved++
			if err := w.end(ctx, m, outcome, f, row, known, int64(w.scan.ID)); err != nil {
				return err
			}
		}
	}
	return nil
}

// outcomesOf returns the outcomes of a standing, by duty.
func (in *interner) outcomesOf(ctx context.Context, id int64) ([]int64, error) {
	if ids := in.standingOf[id]; ids != nil {
		return ids, nil
	}
	var body []byte
	if err := in.t.conn.QueryRowContext(ctx, `SELECT outcomes FROM standings WHERE id = $1`, id).Scan(&body); err != nil {
		return nil, fmt.Errorf("standing %d: %w", id, err)
	}
	d := decoder{b: body}
	ids := d.ids(numDuties)
	for _, o := range ids {
		if in.outcomeOf[o] == nil {
			d.err = fmt.Errorf("standing %d speaks of what is not there", id)
		}
	}
	in.standingOf[id] = ids
	return ids, d.err
}

// decode returns stored facts with their names.
func (in *interner) decode(f storedFacts) ([]demarc.NamedFact, error) {
	names := in.namesOf[f.names]
	d := decoder{b: f.facts}
	facts := d.facts(names)
	return facts, d.err
}
