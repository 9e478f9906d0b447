package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/demarc/demarc"
)

const scanColumns = `id, finished, as_of, catalog, estate, documents, incomplete, resources, stale, added, changed, removed, moves, opened, resolved, sources`

type scanner interface{ Scan(to ...any) error }

func readScan(r scanner, organization string) (demarc.Scan, error) {
	c := demarc.Scan{Organization: organization}
	var finished, asOf, incomplete int64
	var sources []byte
	if err := r.Scan(&c.ID, &finished, &asOf, &c.Catalog, &c.Estate, &c.Documents, &incomplete, &c.Resources, &c.Stale, &c.Added, &c.Changed, &c.Removed, &c.Moves, &c.Opened, &c.Resolved, &sources); err != nil {
		return c, err
	}
	c.Finished, c.AsOf, c.Incomplete = fromMicros(finished), fromMicros(asOf), incomplete != 0
	return c, json.Unmarshal(sources, &c.Sources)
}

// latest returns the latest scan of an organization, the zero Scan if it has none.
func latest(ctx context.Context, conn *sql.Conn, org int64) (demarc.Scan, error) {
	c, err := readScan(conn.QueryRowContext(ctx, `SELECT `+scanColumns+` FROM scans WHERE organization = $1 ORDER BY id DESC LIMIT 1`, org), "")
	if errors.Is(err, sql.ErrNoRows) {
		return demarc.Scan{}, nil
	}
	return c, err
}

// Organizations returns those whose history the store has, by name.
func (s *Store) Organizations(ctx context.Context) ([]demarc.Organization, error) {
	out := []demarc.Organization{}
	ids := []int64{}
	rows, err := s.read.QueryContext(ctx, `SELECT id, name, (SELECT count(*) FROM scans WHERE organization = o.id AND pruned = 0) FROM organizations o ORDER BY name`)
	err = each(rows, err, func(r *sql.Rows) error {
		var id int64
		var o demarc.Organization
		if err := r.Scan(&id, &o.Name, &o.Scans); err != nil {
			return err
		}
		out, ids = append(out, o), append(ids, id)
		return nil
	})
	for i := range out {
		if err == nil && out[i].Scans > 0 {
			out[i].Latest, err = s.newest(ctx, ids[i], out[i].Name)
		}
	}
	return out, s.explain(err)
}

// Scans returns the scans of an organization, newest first.
func (s *Store) Scans(ctx context.Context, organization string, page demarc.Page) (demarc.Paged[demarc.Scan], error) {
	out := demarc.Paged[demarc.Scan]{Items: []demarc.Scan{}}
	org, err := s.organization(ctx, organization)
	if err != nil {
		return out, err
	}
	before, err := cursorNumber(page.After)
	if err != nil {
		return out, err
	}
	if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM scans WHERE organization = $1 AND pruned = 0`, org).Scan(&out.Total); err != nil {
		return out, s.explain(err)
	}
	rows, err := s.read.QueryContext(ctx, `SELECT `+scanColumns+` FROM scans WHERE organization = $1 AND pruned = 0 AND id < $2 ORDER BY id DESC LIMIT $3`, org, before, page.Size()+1)
	err = each(rows, err, func(r *sql.Rows) error {
		c, err := readScan(r, organization)
		out.Items = append(out.Items, c)
		return err
	})
	if len(out.Items) > page.Size() {
		out.Items = out.Items[:page.Size()]
		out.Next = demarc.Cursor(strconv.FormatInt(int64(out.Items[len(out.Items)-1].ID), 10))
	}
	return out, s.explain(err)
}

// Scan returns one scan.
func (s *Store) Scan(ctx context.Context, at demarc.At) (demarc.Scan, error) {
	org, err := s.organization(ctx, at.Organization)
	if err != nil {
		return demarc.Scan{}, err
	}
	return s.scan(ctx, org, at)
}

// scan returns one scan. The latest is, where Warm reads scans, the latest that it has read.
func (s *Store) scan(ctx context.Context, org int64, at demarc.At) (demarc.Scan, error) {
	id := at.Scan
	if id == 0 {
		id = s.readyScan(at.Organization)
	}
	if id == 0 {
		return s.newest(ctx, org, at.Organization)
	}
	c, err := readScan(s.read.QueryRowContext(ctx, `SELECT `+scanColumns+` FROM scans WHERE organization = $1 AND pruned = 0 AND id = $2`, org, int64(id)), at.Organization)
	switch {
	case errors.Is(err, sql.ErrNoRows) && at.Scan == 0: // it was pruned
		return s.newest(ctx, org, at.Organization)
	case errors.Is(err, sql.ErrNoRows):
		return c, fmt.Errorf("%w: %s has no scan %d%s", demarc.ErrNotFound, s.name, at.Scan, of(at.Organization))
	}
	return c, s.explain(err)
}

// newest returns the latest scan of an organization.
func (s *Store) newest(ctx context.Context, org int64, organization string) (demarc.Scan, error) {
	c, err := readScan(s.read.QueryRowContext(ctx, `SELECT `+scanColumns+` FROM scans WHERE organization = $1 AND pruned = 0 ORDER BY id DESC LIMIT 1`, org), organization)
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("%w: %s has no scan%s", demarc.ErrNotFound, s.name, of(organization))
	}
	return c, s.explain(err)
}

// moments returns when each scan of an organization was.
func moments(ctx context.Context, db querier, org int64) (map[int64]demarc.Moment, error) {
	out := map[int64]demarc.Moment{}
	rows, err := db.QueryContext(ctx, `SELECT id, finished FROM scans WHERE organization = $1`, org)
	return out, each(rows, err, func(r *sql.Rows) error {
		var id, at int64
		err := r.Scan(&id, &at)
		out[id] = demarc.Moment{Scan: demarc.ScanID(id), At: fromMicros(at)}
		return err
	})
}

// Content is something that scans rest on, as it was given to Record.
type Content struct {
	Kind string // ContentCatalog or ContentEstate
	Data []byte
}

// Content returns the catalog or the estate of a digest.
func (s *Store) Content(ctx context.Context, organization, digest string) (Content, error) {
	org, err := s.organization(ctx, organization)
	if err != nil {
		return Content{}, err
	}
	var c Content
	err = s.read.QueryRowContext(ctx, `SELECT kind, data FROM contents WHERE organization = $1 AND digest = $2`, org, digest).Scan(&c.Kind, &c.Data)
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("%w: %s has no content of digest %q", demarc.ErrNotFound, s.name, digest)
	}
	return c, s.explain(err)
}

// of names an organization behind something of it; most stores have one without a name.
func of(organization string) string {
	if organization == "" {
		return ""
	}
	return fmt.Sprintf(" of %q", organization)
}
