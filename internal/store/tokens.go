package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/demarc/demarc"
)

// secretPrefix begins the secret of every token, so that who finds one in a file knows what it is.
const secretPrefix = "demarc_"

const tokenColumns = `id, name, role, teams, made_by, made, expires, last_used, revoked, revoked_by`

// Tokens returns every token, newest first, the revoked and expired among them.
func (s *Store) Tokens(ctx context.Context) ([]demarc.Token, error) {
	out := []demarc.Token{}
	rows, err := s.read.QueryContext(ctx, `SELECT `+tokenColumns+` FROM tokens ORDER BY made DESC, id DESC`)
	err = each(rows, err, func(r *sql.Rows) error {
		t, err := scanToken(r.Scan)
		out = append(out, t)
		return err
	})
	return out, s.explain(err)
}

// TokenByHash returns the token whose secret has a hash, or demarc.ErrNotFound. It may be revoked or expired.
func (s *Store) TokenByHash(ctx context.Context, hash string) (demarc.Token, error) {
	t, err := scanToken(s.read.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM tokens WHERE hash = $1`, hash).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return t, fmt.Errorf("token: %w", demarc.ErrNotFound)
	}
	return t, s.explain(err)
}

func scanToken(scan func(...any) error) (demarc.Token, error) {
	var t demarc.Token
	var teams []byte
	var made, expires, used, revoked int64
	if err := scan(&t.ID, &t.Name, &t.Grant.Role, &teams, &t.By, &made, &expires, &used, &revoked, &t.RevokedBy); err != nil {
		return t, err
	}
	t.Made, t.Expires, t.LastUsed, t.Revoked = fromMicros(made), fromMicros(expires), fromMicros(used), fromMicros(revoked)
	if err := json.Unmarshal(teams, &t.Grant.Teams); err != nil {
		return t, fmt.Errorf("token %s: %w", t.ID, err)
	}
	return t, nil
}

// MakeToken keeps a token and returns it with its id and its secret, of which the store has only the hash.
func (s *Store) MakeToken(ctx context.Context, actor string, t demarc.Token) (made demarc.Token, secret string, err error) {
	if err := t.Validate(); err != nil {
		return t, "", err
	}
	t.ID = strings.ToLower(rand.Text()[:12])
	t.Made, t.Expires = t.Made.UTC().Truncate(time.Microsecond), t.Expires.UTC().Truncate(time.Microsecond)
	t.LastUsed, t.Revoked, t.RevokedBy = time.Time{}, time.Time{}, ""
	secret = secretPrefix + rand.Text()
	teams, err := json.Marshal(t.Grant.Teams)
	if err != nil {
		return t, "", err
	}
	err = s.writing(ctx, func(ctx context.Context, x *tx) error {
		err := x.exec(ctx, `INSERT INTO tokens (hash, `+tokenColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, '')`,
			demarc.TokenHash(secret), t.ID, clean(t.Name), string(t.Grant.Role), string(teams), clean(t.By), micros(t.Made), micros(t.Expires))
		if err != nil {
			return err
		}
		detail, err := json.Marshal(t)
		if err != nil {
			return err
		}
		return audit(ctx, x, t.Made, "", actor, "make token", t.ID, string(detail))
	})
	return t, secret, err
}

// RevokeToken ends a token. It stays in the list.
func (s *Store) RevokeToken(ctx context.Context, actor, id string, now time.Time) error {
	now = now.UTC().Truncate(time.Microsecond)
	return s.writing(ctx, func(ctx context.Context, x *tx) error {
		res, err := x.conn.ExecContext(ctx, `UPDATE tokens SET revoked = $1, revoked_by = $2 WHERE id = $3 AND revoked = 0`, micros(now), clean(actor), id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return fmt.Errorf("%w: no token %q that is good", demarc.ErrNotFound, id)
		}
		return audit(ctx, x, now, "", actor, "revoke token", id, "")
	})
}

// TokenUsed notes when a token was last used.
func (s *Store) TokenUsed(ctx context.Context, id string, at time.Time) error {
	return s.writing(ctx, func(ctx context.Context, x *tx) error {
		return x.exec(ctx, `UPDATE tokens SET last_used = $1 WHERE id = $2`, micros(at), id)
	})
}
