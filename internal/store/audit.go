package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/demarc/demarc"
)

// audit adds an entry to the log of changes.
func audit(ctx context.Context, t *tx, at time.Time, organization, actor, action, subject, detail string) error {
	var previous string
	var sequence int64
	err := t.conn.QueryRowContext(ctx, `SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1`).Scan(&sequence, &previous)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	e := demarc.AuditEntry{Sequence: sequence + 1, At: at, Organization: clean(organization), Actor: clean(actor), Action: action, Subject: clean(subject), Detail: clean(detail)}
	e.Hash = auditHash(previous, &e)
	return t.exec(ctx, `INSERT INTO audit (sequence, at, organization, actor, action, subject, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		e.Sequence, micros(e.At), e.Organization, e.Actor, e.Action, e.Subject, e.Detail, e.Hash)
}

// auditHash is the SHA-256 of the hash before and of each field behind its length.
func auditHash(previous string, e *demarc.AuditEntry) string {
	h := sha256.New()
	for _, text := range []string{previous, strconv.FormatInt(e.Sequence, 10), strconv.FormatInt(micros(e.At), 10), e.Organization, e.Actor, e.Action, e.Subject, e.Detail} {
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Audit returns the log of changes of an organization, newest first.
func (s *Store) Audit(ctx context.Context, organization string, page demarc.Page) (demarc.Paged[demarc.AuditEntry], error) {
	out := demarc.Paged[demarc.AuditEntry]{Items: []demarc.AuditEntry{}}
	before, err := cursorNumber(page.After)
	if err != nil {
		return out, err
	}
	if err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM audit WHERE organization = $1`, clean(organization)).Scan(&out.Total); err != nil {
		return out, s.explain(err)
	}
	rows, err := s.read.QueryContext(ctx, `SELECT sequence, at, organization, actor, action, subject, detail, hash FROM audit WHERE organization = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3`, clean(organization), before, page.Size()+1)
	err = each(rows, err, func(r *sql.Rows) error {
		e, err := auditEntry(r)
		out.Items = append(out.Items, e)
		return err
	})
	if len(out.Items) > page.Size() {
		out.Items = out.Items[:page.Size()]
		out.Next = demarc.Cursor(strconv.FormatInt(out.Items[len(out.Items)-1].Sequence, 10))
	}
	return out, s.explain(err)
}

func auditEntry(r *sql.Rows) (demarc.AuditEntry, error) {
	var e demarc.AuditEntry
	var at int64
	err := r.Scan(&e.Sequence, &at, &e.Organization, &e.Actor, &e.Action, &e.Subject, &e.Detail, &e.Hash)
	e.At = fromMicros(at)
	return e, err
}

// VerifyAudit goes through the whole log of changes and returns how many entries it has. It fails at the first that is
// not what it was, or is missing.
func (s *Store) VerifyAudit(ctx context.Context) (entries int64, err error) {
	previous := ""
	rows, err := s.read.QueryContext(ctx, `SELECT sequence, at, organization, actor, action, subject, detail, hash FROM audit ORDER BY sequence`)
	err = each(rows, err, func(r *sql.Rows) error {
		e, err := auditEntry(r)
		if err != nil {
			return err
		}
		if entries++; e.Sequence != entries {
			return fmt.Errorf("audit log: entry %d is missing", entries)
		}
		if auditHash(previous, &e) != e.Hash {
			return fmt.Errorf("audit log: entry %d is not what was written, or one before it is not", e.Sequence)
		}
		previous = e.Hash
		return nil
	})
	return entries, s.explain(err)
}

// cursorNumber reads a cursor of a list that goes down from the highest number.
func cursorNumber(c demarc.Cursor) (int64, error) {
	if c == "" {
		return 1<<63 - 1, nil
	}
	n, err := strconv.ParseInt(string(c), 10, 64)
	if err != nil || n < 0 {
		return 0, errCursor
	}
	return n, nil
}

var errCursor = errors.New("the cursor is not one of this list")
