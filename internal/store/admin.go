package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/demarc/demarc"
)

// Stats says how much a store holds.
type Stats struct {
	Place         string `json:"place"`
	Bytes         int64  `json:"bytes"` // on the disk
	Organizations int64  `json:"organizations"`
	Scans         int64  `json:"scans"`
	Resources     int64  `json:"resources"` // that are there
	Versions      int64  `json:"versions"`  // of them and of those that are gone
	Standings     int64  `json:"standings"`
	Assignments   int64  `json:"assignments"`
	Verdicts      int64  `json:"verdicts"`
	Places        int64  `json:"places"`
	Moves         int64  `json:"moves"`
	Findings      int64  `json:"findings"` // with a history of their own
	Declarations  int64  `json:"declarations"`
	AuditEntries  int64  `json:"audit_entries"`
}

// Stats counts what a store holds.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	out := Stats{Place: s.name}
	for _, c := range []struct {
		from string
		to   *int64
	}{
		{"organizations", &out.Organizations},
		{"scans WHERE pruned = 0", &out.Scans},
		{"resources WHERE ended IS NULL", &out.Resources},
		{"resources", &out.Versions},
		{"standings", &out.Standings},
		{"assignments", &out.Assignments},
		{"verdicts", &out.Verdicts},
		{"places", &out.Places},
		{"moves", &out.Moves},
		{"findings", &out.Findings},
		{"declarations", &out.Declarations},
		{"audit", &out.AuditEntries},
	} {
		if err := s.read.QueryRowContext(ctx, "SELECT count(*) FROM "+c.from).Scan(c.to); err != nil {
			return out, fmt.Errorf("count %s: %w", c.from, s.explain(err))
		}
	}
	var err error
	out.Bytes, err = s.dialect.size(ctx, s.read)
	return out, s.explain(err)
}

// Backup writes a copy of the store to a new file while it is in use: SQLite only.
func (s *Store) Backup(ctx context.Context, path string) error {
	if err := s.dialect.backup(ctx, s.read, path); err != nil {
		return fmt.Errorf("back up %s: %w", s.name, s.explain(err))
	}
	return nil
}

// Prune forgets the oldest scans of an organization but for the latest keep ones, as long as they finished before a time;
// the zero time asks for no age. It returns how many it forgot. What only they showed goes with them: versions that had
// ended, moves, resolved findings. What is open, the declarations and the audit log stay.
func (s *Store) Prune(ctx context.Context, organization, actor string, keep int, before time.Time, now time.Time) (forgotten int64, err error) {
	keep = max(keep, 1)
	end := int64(1<<63 - 1)
	if !before.IsZero() {
		end = micros(before)
	}
	err = s.writing(ctx, func(ctx context.Context, t *tx) error {
		org, err := t.organizationFor(ctx, organization)
		if err != nil {
			return err
		}
		// The first scan that stays: none of the latest is forgotten, and none behind one that is young enough.
		var first sql.NullInt64
		err = t.conn.QueryRowContext(ctx, `SELECT min(id) FROM scans WHERE organization = $1 AND pruned = 0 AND (finished >= $2 OR id >= (SELECT min(id) FROM (SELECT id FROM scans WHERE organization = $1 AND pruned = 0 ORDER BY id DESC LIMIT $3) AS l))`, org, end, keep).Scan(&first)
		if err != nil || !first.Valid {
			return err
		}
		const goes, stays = `(SELECT rid FROM resources WHERE organization = $1 AND ended < $2)`, `organization = $1 AND (ended IS NULL OR ended >= $2)`
		for _, query := range []string{
			`UPDATE resources SET tags = (SELECT t.tags FROM resources t WHERE t.rid = resources.tags_of), tags_of = NULL WHERE ` + stays + ` AND tags_of IN ` + goes,
			`UPDATE resources SET facts = (SELECT t.facts FROM resources t WHERE t.rid = resources.facts_of), facts_of = NULL WHERE ` + stays + ` AND facts_of IN ` + goes,
			`DELETE FROM resources WHERE organization = $1 AND ended < $2`, // what ended with the first says whose findings were resolved
			`DELETE FROM moves WHERE organization = $1 AND scan < $2`,
			`DELETE FROM findings WHERE organization = $1 AND resolved < $2`,
			`DELETE FROM unlooked WHERE organization = $1 AND ended <= $2`,
			// Numbers are never given twice, so the last of each stays.
			`DELETE FROM standings WHERE organization = $1 AND id < (SELECT max(id) FROM standings) AND id NOT IN (SELECT standing FROM resources WHERE organization = $1) AND $2 > 0`,
			`DELETE FROM contents WHERE organization = $1 AND digest NOT IN (SELECT catalog FROM scans WHERE organization = $1 AND id >= $2) AND digest NOT IN (SELECT estate FROM scans WHERE organization = $1 AND id >= $2)`,
		} {
			if err := t.exec(ctx, query, org, first.Int64); err != nil {
				return err
			}
		}
		res, err := t.conn.ExecContext(ctx, `UPDATE scans SET pruned = 1, sources = '[]' WHERE organization = $1 AND pruned = 0 AND id < $2`, org, first.Int64)
		if err != nil {
			return err
		}
		if forgotten, err = res.RowsAffected(); err != nil || forgotten == 0 {
			return err
		}
		return audit(ctx, t, now.UTC().Truncate(time.Microsecond), organization, actor, "prune", fmt.Sprintf("scans before %d", first.Int64), fmt.Sprintf(`{"scans":%d}`, forgotten))
	})
	if err != nil || forgotten == 0 {
		return 0, err
	}
	s.snapshots.forget(func(at demarc.At) bool { return at.Organization == organization })
	return forgotten, s.explain(s.dialect.compact(ctx, s.write))
}
