package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"github.com/demarc/demarc"
)

const moveColumns = `id, scan, rid, place, before, after, cause, catalog_changed, changes`

// moveRow is a move as it is stored.
type moveRow struct {
	id, scan, rid, place, before, after int64
	cause                               string
	catalog                             bool
	changes                             []byte
}

func readMove(r *sql.Rows) (moveRow, error) {
	var m moveRow
	var catalog int64
	err := r.Scan(&m.id, &m.scan, &m.rid, &m.place, &m.before, &m.after, &m.cause, &catalog, &m.changes)
	m.catalog = catalog != 0
	return m, err
}

// Moves returns the moves of a period that a filter wants, newest first: the filter asks for the duty as it became.
func (s *Store) Moves(ctx context.Context, organization string, f demarc.Filter, period demarc.Period, page demarc.Page) (demarc.Paged[demarc.Move], error) {
	out := demarc.Paged[demarc.Move]{Items: []demarc.Move{}}
	before, err := cursorNumber(page.After)
	if err != nil {
		return out, err
	}
	n, err := s.snapshotAt(ctx, demarc.At{Organization: organization})
	if err != nil {
		return out, err
	}
	wanted, err := s.wantedMoves(ctx, n, f, period)
	if err != nil {
		return out, err
	}
	out.Total = len(wanted)
	var ids []int64
	for _, m := range wanted {
		if m.id < before {
			if ids = append(ids, m.id); len(ids) > page.Size() {
				break
			}
		}
	}
	if len(ids) > page.Size() {
		ids = ids[:page.Size()]
		out.Next = demarc.Cursor(strconv.FormatInt(ids[len(ids)-1], 10))
	}
	rows, err := s.moveRows(ctx, ids)
	if err != nil {
		return out, err
	}
	out.Items, err = s.moves(ctx, n, rows)
	return out, err
}

// moveNumbers is a move in numbers, as a snapshot holds all of them.
type moveNumbers struct {
	id, scan int64
	at       versionAt // the version after
	place    uint32
	why      uint32 // in moveLog.reasons
	before   *outcome
	after    *outcome
	rid      int64 // of the version after
	lineage  int64
}

// moveLog is all moves until a snapshot, newest first, and for which reasons there were any.
type moveLog struct {
	moves   []moveNumbers
	reasons []moveReason
}

// moveReason is what many moves have in common.
type moveReason struct {
	cause   demarc.Cause
	changes []demarc.Change
}

// movesUntil returns all moves until a snapshot in numbers. They are read once.
func (s *Store) movesUntil(ctx context.Context, n *snapshot) (*moveLog, error) {
	return n.log.get(func() (*moveLog, error) {
		v := s.vocabulary(n.org)
		log, rids := &moveLog{}, []int64{}
		reasons := map[string]uint32{}
		var cause, changes sql.RawBytes
		rows, err := s.read.QueryContext(ctx, `SELECT id, scan, rid, lineage, place, before, after, cause, changes FROM moves WHERE organization = $1 AND scan <= $2 ORDER BY id DESC`, n.org, int64(n.scan.ID))
		err = each(rows, err, func(r *sql.Rows) error {
			var m moveNumbers
			var place, before, after int64
			if err := r.Scan(&m.id, &m.scan, &m.rid, &m.lineage, &place, &before, &after, &cause, &changes); err != nil {
				return err
			}
			v.mu.Lock()
			at, ok := v.placeAt[place]
			m.place, m.before, m.after = at, v.outcomeOf[before], v.outcomeOf[after]
			v.mu.Unlock()
			if !ok || m.before == nil || m.after == nil {
				return fmt.Errorf("move %d speaks of what is not there", m.id)
			}
			key := string(cause) + " " + string(changes)
			if m.why, ok = reasons[key]; !ok {
				m.why = uint32(len(log.reasons))
				reasons[key] = m.why
				d := decoder{b: []byte(changes)}
				log.reasons = append(log.reasons, moveReason{demarc.Cause(cause), d.changes()})
				if d.err != nil {
					return fmt.Errorf("move %d: %w", m.id, d.err)
				}
			}
			log.moves, rids = append(log.moves, m), append(rids, m.rid)
			return nil
		})
		if err != nil {
			return nil, s.explain(err)
		}
		at, err := s.versionsOf(ctx, n, rids)
		for i := range at {
			log.moves[i].at = at[i]
		}
		return log, err
	})
}

// wantedMoves returns the moves of a period that a filter wants, newest first.
func (s *Store) wantedMoves(ctx context.Context, n *snapshot, f demarc.Filter, period demarc.Period) ([]moveNumbers, error) {
	log, err := s.movesUntil(ctx, n)
	if err != nil {
		return nil, err
	}
	from, to := n.scansOf(period)
	places := n.placesOf(&demarc.Filter{
		Providers: f.Providers, Sources: f.Sources, Accounts: f.Accounts, Regions: f.Regions, Models: f.Models, Archetypes: f.Archetypes, Services: f.Services, Types: f.Types, Implied: f.Implied,
	})
	fits := map[*outcome]bool{}
	var out []moveNumbers
	for i := range log.moves {
		m := &log.moves[i]
		if m.scan < from || m.scan > to || int(m.place) >= len(places) || !places[m.place] {
			continue
		}
		ok, known := fits[m.after]
		if !known {
			ok = f.MatchDuty(&m.after.answer)
			fits[m.after] = ok
		}
		if ok {
			out = append(out, *m)
		}
	}
	asked, err := s.asksVersions(ctx, n, f)
	if err != nil || asked == nil {
		return out, err
	}
	return slices.DeleteFunc(out, func(m moveNumbers) bool { return !asked(m.at) }), nil
}

// moveRows returns some moves, in the order of their ids as given.
func (s *Store) moveRows(ctx context.Context, ids []int64) ([]moveRow, error) {
	by := make(map[int64]moveRow, len(ids))
	for chunk := range slices.Chunk(ids, endsAtOnce) {
		args := make([]any, len(chunk))
		for i, id := range chunk {
			args[i] = id
		}
		rows, err := s.read.QueryContext(ctx, `SELECT `+moveColumns+` FROM moves WHERE id IN (`+dollars(1, len(chunk))+`)`, args...)
		if err := each(rows, err, func(r *sql.Rows) error {
			m, err := readMove(r)
			by[m.id] = m
			return err
		}); err != nil {
			return nil, s.explain(err)
		}
	}
	out := make([]moveRow, 0, len(ids))
	for _, id := range ids {
		if m, ok := by[id]; ok {
			out = append(out, m)
		}
	}
	return out, nil
}

// moved returns where a move was, and what its duty was and became.
func (v *vocabulary) moved(m *moveRow) (place uint32, x, y *outcome, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	place, ok := v.placeAt[m.place]
	x, y = v.outcomeOf[m.before], v.outcomeOf[m.after]
	if !ok || x == nil || y == nil {
		return 0, nil, nil, fmt.Errorf("move %d speaks of what is not there", m.id)
	}
	return place, x, y, nil
}

// scansOf returns the first and the last scan of a period.
func (n *snapshot) scansOf(p demarc.Period) (from, to int64) {
	from, to = 1<<62, 0
	for id, m := range n.moments {
		if id > int64(n.scan.ID) || m.At.Before(p.Since) || !p.Until.IsZero() && m.At.After(p.Until) {
			continue
		}
		from, to = min(from, id), max(to, id)
	}
	return from, to
}

// moves returns stored moves in the words of the domain.
func (s *Store) moves(ctx context.Context, n *snapshot, list []moveRow) ([]demarc.Move, error) {
	rids := make([]int64, len(list))
	for i := range list {
		rids[i] = list[i].rid
	}
	versions, err := s.rowsOf(ctx, rids)
	if err != nil {
		return nil, err
	}
	v := s.vocabulary(n.org)
	out := make([]demarc.Move, 0, len(list))
	for i := range list {
		m := &list[i]
		place, x, y, err := v.moved(m)
		if err != nil {
			return nil, err
		}
		version := versions[m.rid]
		d := decoder{b: m.changes}
		move := demarc.Move{
			ID: m.id, Resource: n.view.places[place].of(&version), Duty: y.answer.Duty, From: x.answer.Assignment, To: y.answer.Assignment,
			ToUs: y.answer.Holder.Share() > x.answer.Holder.Share(), Because: d.changes(), Cause: demarc.Cause(m.cause), CatalogChanged: m.catalog, Team: y.answer.Team, FirstSeen: n.moment(m.scan),
		}
		if d.err != nil {
			return nil, fmt.Errorf("move %d: %w", m.id, d.err)
		}
		out = append(out, move)
	}
	return out, nil
}

// movesOf returns all moves of a resource, by its first version.
func (s *Store) movesOf(ctx context.Context, n *snapshot, lineage int64) ([]demarc.Move, error) {
	var list []moveRow
	rows, err := s.read.QueryContext(ctx, `SELECT `+moveColumns+` FROM moves WHERE lineage = $1 ORDER BY id`, lineage)
	if err := each(rows, err, func(r *sql.Rows) error {
		m, err := readMove(r)
		list = append(list, m)
		return err
	}); err != nil {
		return nil, s.explain(err)
	}
	return s.moves(ctx, n, list)
}

// MoveGroups returns the moves of a period that a filter wants, grouped: those to us first, then the most frequent.
func (s *Store) MoveGroups(ctx context.Context, organization string, f demarc.Filter, period demarc.Period) ([]demarc.MoveGroup, error) {
	n, err := s.snapshotAt(ctx, demarc.At{Organization: organization})
	if err != nil {
		return nil, err
	}
	list, err := ask(ctx, s, n, fmt.Sprintf("moves %d %d", period.Since.UnixMicro(), period.Until.UnixMicro()), f, func(*selection) ([]demarc.MoveGroup, error) {
		return s.moveGroups(ctx, n, f, period)
	})
	return slices.Clone(list), err
}

func (s *Store) moveGroups(ctx context.Context, n *snapshot, f demarc.Filter, period demarc.Period) ([]demarc.MoveGroup, error) {
	wanted, err := s.wantedMoves(ctx, n, f, period)
	if err != nil {
		return nil, err
	}
	log, err := s.movesUntil(ctx, n)
	if err != nil {
		return nil, err
	}
	// A resource is called by its lineage until it is known which few are examples.
	var groups demarc.MoveGroups
	versionOf := map[demarc.ResourceID]int64{}
	for i := range wanted {
		m := &wanted[i]
		x, y, why := &m.before.answer, &m.after.answer, &log.reasons[m.why]
		resource := demarc.ResourceID(strconv.FormatInt(m.lineage, 10))
		versionOf[resource] = m.rid
		groups.Add(&demarc.Move{
			Resource: demarc.Resource{ID: resource, Service: n.view.places[m.place].service}, Duty: y.Duty, From: x.Assignment, To: y.Assignment,
			ToUs: y.Holder.Share() > x.Holder.Share(), Because: why.changes, Cause: why.cause, FirstSeen: n.moment(m.scan),
		})
	}
	list := groups.List()
	var rids []int64
	for i := range list {
		for _, example := range list[i].Examples {
			rids = append(rids, versionOf[example])
		}
	}
	ids, err := s.examples(ctx, n, rids)
	if err != nil {
		return nil, err
	}
	for i := range list {
		for k, example := range list[i].Examples {
			list[i].Examples[k] = demarc.ResourceID(ids[versionOf[example]])
		}
		slices.Sort(list[i].Examples)
	}
	return list, nil
}
