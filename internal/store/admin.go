package store

import (
	"context"
	"fmt"
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
		{"organizations", &out.Organizations}, {"scans", &out.Scans}, {"resources WHERE ended IS NULL", &out.Resources}, {"resources", &out.Versions}, {"standings", &out.Standings},
		{"assignments", &out.Assignments}, {"verdicts", &out.Verdicts}, {"places", &out.Places}, {"moves", &out.Moves}, {"findings", &out.Findings}, {"declarations", &out.Declarations}, {"audit", &out.AuditEntries},
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
