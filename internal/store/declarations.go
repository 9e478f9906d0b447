package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/demarc/demarc"
)

const declarationColumns = `id, kind, scope, duties, check_id, team, declared_by, on_day, until_day, text, recorded, withdrawn, withdrawn_by`

// Declarations returns what persons have recorded, newest first, what was withdrawn among it.
func (s *Store) Declarations(ctx context.Context, organization string) ([]demarc.Declaration, error) {
	org, err := s.organization(ctx, organization)
	if errors.Is(err, demarc.ErrNotFound) {
		return []demarc.Declaration{}, nil
	} else if err != nil {
		return nil, err
	}
	list, err := declarations(ctx, s.read, org)
	return list, s.explain(err)
}

func declarations(ctx context.Context, db querier, org int64) ([]demarc.Declaration, error) {
	out := []demarc.Declaration{}
	rows, err := db.QueryContext(ctx, `SELECT `+declarationColumns+` FROM declarations WHERE organization = $1 ORDER BY recorded DESC, id DESC`, org)
	return out, each(rows, err, func(r *sql.Rows) error {
		var d demarc.Declaration
		var scope string
		var duties []byte
		var on, until, recorded, withdrawn int64
		if err := r.Scan(&d.ID, &d.Kind, &scope, &duties, &d.Check, &d.Team, &d.By, &on, &until, &d.Text, &recorded, &withdrawn, &d.WithdrawnBy); err != nil {
			return err
		}
		d.On, d.Until, d.Recorded, d.Withdrawn = fromMicros(on), fromMicros(until), fromMicros(recorded), fromMicros(withdrawn)
		if err := json.Unmarshal(duties, &d.Duties); err != nil {
			return fmt.Errorf("declaration %s: %w", d.ID, err)
		}
		values, err := url.ParseQuery(scope)
		if err == nil {
			d.Scope, err = demarc.ParseFilter(values)
		}
		if err != nil {
			return fmt.Errorf("declaration %s: %w", d.ID, err)
		}
		out = append(out, d)
		return nil
	})
}

// Declare records a declaration and returns it with its id. Attestations and exceptions count from the next scan on,
// acceptances at once.
func (s *Store) Declare(ctx context.Context, organization, actor string, d demarc.Declaration, now time.Time) (demarc.Declaration, error) {
	if err := d.Validate(); err != nil {
		return d, fmt.Errorf("%s: %w", d.Kind, err)
	}
	d.ID = strings.ToLower(rand.Text()[:12])
	d.Recorded, d.Withdrawn, d.WithdrawnBy = now.UTC().Truncate(time.Microsecond), time.Time{}, ""
	duties, err := json.Marshal(d.Duties)
	if err != nil {
		return d, err
	}
	err = s.writing(ctx, func(ctx context.Context, t *tx) error {
		org, err := t.organizationFor(ctx, organization)
		if err != nil {
			return err
		}
		err = t.exec(ctx, `INSERT INTO declarations (organization, `+declarationColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
			org, d.ID, string(d.Kind), d.Scope.String(), string(duties), clean(d.Check), clean(d.Team), clean(d.By), micros(d.On), micros(d.Until), clean(d.Text), micros(d.Recorded), int64(0), "")
		if err != nil {
			return err
		}
		return audit(ctx, t, d.Recorded, organization, actor, "declare", string(d.Kind)+" "+d.ID, detailOf(&d))
	})
	return d, err
}

// detailOf is a declaration as the audit log keeps it.
func detailOf(d *demarc.Declaration) string {
	text, err := json.Marshal(struct {
		Scope string `json:"scope"`
		*demarc.Declaration
	}{d.Scope.String(), d})
	if err != nil {
		return ""
	}
	return string(text)
}

// Withdraw takes a declaration back. It stays in the store.
func (s *Store) Withdraw(ctx context.Context, organization, actor, id string, now time.Time) error {
	now = now.UTC().Truncate(time.Microsecond)
	return s.writing(ctx, func(ctx context.Context, t *tx) error {
		org, err := t.organizationFor(ctx, organization)
		if err != nil {
			return err
		}
		res, err := t.conn.ExecContext(ctx, `UPDATE declarations SET withdrawn = $1, withdrawn_by = $2 WHERE organization = $3 AND id = $4 AND withdrawn = 0`, micros(now), clean(actor), org, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return fmt.Errorf("%w: no declaration %q that stands", demarc.ErrNotFound, id)
		}
		return audit(ctx, t, now, organization, actor, "withdraw", id, "")
	})
}

// movedDuty is a duty of a resource that changed hands.
type movedDuty struct {
	duty int
	at   time.Time
}

// classesOf returns the classes of a snapshot, with what nobody has accepted as of now: an acceptance that was recorded
// before a duty last changed hands does not count for it.
func (s *Store) classesOf(ctx context.Context, n *snapshot) (*classes, error) {
	teamed := n.teamed()
	if teamed == nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.classes == nil {
			n.classes = n.classify(nil)
		}
		return n.classes, nil
	}
	list, err := declarations(ctx, s.read, n.org)
	if err != nil {
		return nil, s.explain(err)
	}
	on := n.scan.AsOf
	if today := time.Now().UTC().Truncate(24 * time.Hour); today.After(on) && s.isLatest(ctx, n) {
		on = today
	}
	var inForce []demarc.Declaration
	key := []string{on.Format(time.DateOnly)}
	for _, d := range list {
		if d.Kind == demarc.Acceptance && d.InForce(on) {
			inForce = append(inForce, d)
			key = append(key, d.ID)
		}
	}
	n.mu.Lock()
	if n.classes != nil && n.accepted == strings.Join(key, " ") {
		defer n.mu.Unlock()
		return n.classes, nil
	}
	n.mu.Unlock()
	out := make([]uint64, len(n.rids))
	for pos, at := range n.standings {
		out[pos] = teamed[at&^insideBit]
		if at&insideBit != 0 {
			out[pos] &^= guestDuties
		}
	}
	moved, err := s.movedDuties(ctx, n)
	if err != nil {
		return nil, err
	}
	for i := range inForce {
		if err := s.accept(ctx, n, &inForce[i], moved, out); err != nil {
			return nil, err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.classes, n.accepted = n.classify(out), strings.Join(key, " ")
	others := func(q question) bool { return q.classes != nil && q.classes != n.classes }
	n.selected.forget(others)
	n.answers.forget(others)
	return n.classes, nil
}

// accept takes the duties of an acceptance away.
func (s *Store) accept(ctx context.Context, n *snapshot, d *demarc.Declaration, moved map[int64][]movedDuty, out []uint64) error {
	sel, err := s.selectsFrom(ctx, n, nil, d.Scope)
	if err != nil {
		return err
	}
	covered := n.masks(demarc.Filter{Teams: []string{d.Team}, Duties: d.Duties})
	for pos := range n.rids {
		taken := covered[n.standings[pos]&^insideBit]
		if taken == 0 || !sel.in(pos) {
			continue
		}
		for _, m := range moved[n.lineages[pos]] {
			if m.at.After(d.Recorded) {
				taken &^= 1 << m.duty
			}
		}
		out[pos] &^= taken
	}
	return nil
}

// teamed returns the duties of each standing that a team does; nil if there is none.
func (n *snapshot) teamed() []uint64 {
	teams, _ := n.teams.get(func() ([]uint64, error) { return n.findTeamed(), nil })
	return teams
}

func (n *snapshot) findTeamed() []uint64 {
	any := false
	out := make([]uint64, n.view.standings)
	for d := range numDuties {
		wanted := make([]bool, len(n.view.outcomes[d]))
		some := false
		for i, o := range n.view.outcomes[d] {
			wanted[i] = o.answer.Tenant() && o.answer.Team != ""
			some = some || wanted[i]
		}
		if !some {
			continue
		}
		any = true
		for at, number := range n.view.columns[d][:n.view.standings] {
			if wanted[number] {
				out[at] |= 1 << d
			}
		}
	}
	if !any {
		return nil
	}
	return out
}

// movedDuties returns, by lineage, when duties of resources changed hands.
func (s *Store) movedDuties(ctx context.Context, n *snapshot) (map[int64][]movedDuty, error) {
	return n.moved.get(func() (map[int64][]movedDuty, error) {
		moved := map[int64][]movedDuty{}
		v := s.vocabulary(n.org)
		rows, err := s.read.QueryContext(ctx, `SELECT lineage, after, scan FROM moves WHERE organization = $1 AND scan <= $2`, n.org, int64(n.scan.ID))
		err = each(rows, err, func(r *sql.Rows) error {
			var lineage, after, scan int64
			if err := r.Scan(&lineage, &after, &scan); err != nil {
				return err
			}
			v.mu.Lock()
			o := v.outcomeOf[after]
			v.mu.Unlock()
			if o != nil {
				moved[lineage] = append(moved[lineage], movedDuty{o.duty, n.moments[scan].At})
			}
			return nil
		})
		return moved, s.explain(err)
	})
}

// isLatest reports whether a snapshot is of the latest scan.
func (s *Store) isLatest(ctx context.Context, n *snapshot) bool {
	scan, err := s.scan(ctx, n.org, demarc.At{Organization: n.scan.Organization})
	return err == nil && scan.ID == n.scan.ID
}
