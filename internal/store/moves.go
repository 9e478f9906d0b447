package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"

	"github.com/demarc/demarc"
)

const moveColumns = `id, scan, rid, resource, place, before, after, cause, catalog_changed, changes`

// moveRow is a move as it is stored.
type moveRow struct {
	id, scan, rid, place, before, after int64
	resource, cause                     string
	catalog                             bool
	changes                             []byte
}

func readMove(r *sql.Rows) (moveRow, error) {
	var m moveRow
	var catalog int64
	err := r.Scan(&m.id, &m.scan, &m.rid, &m.resource, &m.place, &m.before, &m.after, &m.cause, &catalog, &m.changes)
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
	var shown []moveRow
	err = s.eachMove(ctx, n, f, period, func(m *moveRow, _, _ *outcome) error {
		out.Total++
		if m.id < before && len(shown) <= page.Size() {
			shown = append(shown, *m)
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	if len(shown) > page.Size() {
		shown = shown[:page.Size()]
		out.Next = demarc.Cursor(strconv.FormatInt(shown[len(shown)-1].id, 10))
	}
	out.Items, err = s.moves(ctx, n, shown)
	return out, err
}

// eachMove goes through the moves of a period that a filter wants, newest first.
func (s *Store) eachMove(ctx context.Context, n *snapshot, f demarc.Filter, period demarc.Period, do func(m *moveRow, before, after *outcome) error) error {
	from, to := n.scansOf(period)
	sel, err := s.selects(ctx, n, demarc.Filter{
		Providers: f.Providers, Sources: f.Sources, Accounts: f.Accounts, Regions: f.Regions, Models: f.Models, Archetypes: f.Archetypes, Services: f.Services, Types: f.Types, Implied: f.Implied,
	})
	if err != nil {
		return err
	}
	v := s.vocabulary(n.org)
	byText := len(f.IDs)+len(f.Names)+len(f.Tags) > 0 || f.Text != ""
	var rows *sql.Rows
	if len(f.IDs) > 0 {
		args := []any{n.org, from, to}
		for _, id := range f.IDs {
			args = append(args, clean(string(id)))
		}
		rows, err = s.read.QueryContext(ctx, `SELECT `+moveColumns+` FROM moves WHERE organization = $1 AND scan >= $2 AND scan <= $3 AND resource IN (`+dollars(4, len(f.IDs))+`) ORDER BY id DESC`, args...)
	} else {
		rows, err = s.read.QueryContext(ctx, `SELECT `+moveColumns+` FROM moves WHERE organization = $1 AND scan >= $2 AND scan <= $3 ORDER BY scan DESC, id DESC`, n.org, from, to)
	}
	var kept []moveRow
	err = each(rows, err, func(r *sql.Rows) error {
		m, err := readMove(r)
		if err != nil {
			return err
		}
		place, x, y, err := v.moved(&m)
		if err != nil {
			return err
		}
		if int(place) >= len(sel.places) || !sel.places[place] || !f.MatchDuty(&y.answer) {
			return nil
		}
		if byText {
			kept = append(kept, m)
			return nil
		}
		return do(&m, x, y)
	})
	if err != nil || !byText {
		return s.explain(err)
	}
	// What asks for names, tags or words needs the resource.
	for chunk := range slices.Chunk(kept, endsAtOnce) {
		rids := make([]int64, len(chunk))
		for i := range chunk {
			rids[i] = chunk[i].rid
		}
		versions, err := s.rowsOf(ctx, rids)
		if err != nil {
			return err
		}
		for i := range chunk {
			m := &chunk[i]
			place, x, y, err := v.moved(m)
			if err != nil {
				return err
			}
			version := versions[m.rid]
			r := n.view.places[place].of(&version)
			r.ID = demarc.ResourceID(m.resource)
			if f.MatchResource(&r) {
				if err := do(m, x, y); err != nil {
					return err
				}
			}
		}
	}
	return nil
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
		move.Resource.ID = demarc.ResourceID(m.resource)
		if d.err != nil {
			return nil, fmt.Errorf("move %d: %w", m.id, d.err)
		}
		out = append(out, move)
	}
	return out, nil
}

// movesOf returns all moves of a resource.
func (s *Store) movesOf(ctx context.Context, n *snapshot, id demarc.ResourceID) ([]demarc.Move, error) {
	var list []moveRow
	rows, err := s.read.QueryContext(ctx, `SELECT `+moveColumns+` FROM moves WHERE organization = $1 AND resource = $2 ORDER BY id`, n.org, clean(string(id)))
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
	var groups demarc.MoveGroups
	err = s.eachMove(ctx, n, f, period, func(m *moveRow, x, y *outcome) error {
		d := decoder{b: m.changes}
		changes := d.changes()
		v := s.vocabulary(n.org)
		place, _, _, err := v.moved(m)
		if err != nil {
			return err
		}
		groups.Add(&demarc.Move{
			Resource: demarc.Resource{ID: demarc.ResourceID(m.resource), Service: n.view.places[place].service}, Duty: y.answer.Duty, From: x.answer.Assignment, To: y.answer.Assignment,
			ToUs: y.answer.Holder.Share() > x.answer.Holder.Share(), Because: changes, Cause: demarc.Cause(m.cause), FirstSeen: n.moment(m.scan),
		})
		return d.err
	})
	return groups.List(), err
}
