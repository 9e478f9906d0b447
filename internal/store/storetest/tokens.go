package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/store"
)

// tokens are found by the hash of their secret, which is not in the store, and end when they are revoked.
func tokens(t *testing.T, d Database) {
	s := d.Open(t, store.Options{})
	made := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	asked := demarc.Token{Name: "export", Grant: demarc.Grant{Role: demarc.Owner, Teams: []string{"payments", "web"}}, By: "ada", Made: made, Expires: made.AddDate(0, 1, 0)}
	token, secret, err := s.MakeToken(t.Context(), "ada", asked)
	if err != nil {
		t.Fatal(err)
	}
	other, otherSecret, err := s.MakeToken(t.Context(), "ada", asked)
	if err != nil || other.ID == token.ID || otherSecret == secret || !strings.HasPrefix(secret, "demarc_") || len(secret) < 30 {
		t.Fatalf("%s and %s, %v", secret, otherSecret, err)
	}
	found := must[demarc.Token](t)(s.TokenByHash(t.Context(), demarc.TokenHash(secret)))
	if diff := cmp.Diff(token, found); diff != "" {
		t.Errorf("found (-made +found):\n%s", diff)
	}
	for _, wrong := range []string{"", secret, demarc.TokenHash("x")} {
		if _, err := s.TokenByHash(t.Context(), wrong); !errors.Is(err, demarc.ErrNotFound) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if _, _, err := s.MakeToken(t.Context(), "ada", demarc.Token{Name: "for ever"}); err == nil {
		t.Error("a token without a role or an end is kept")
	}
	used := made.Add(time.Hour)
	if err := s.TokenUsed(t.Context(), token.ID, used); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeToken(t.Context(), "bob", token.ID, used); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeToken(t.Context(), "bob", token.ID, used); !errors.Is(err, demarc.ErrNotFound) {
		t.Errorf("revoked twice: %v", err)
	}
	found = must[demarc.Token](t)(s.TokenByHash(t.Context(), demarc.TokenHash(secret)))
	if found.Good(used) || found.RevokedBy != "bob" || !found.LastUsed.Equal(used) {
		t.Errorf("found %+v", found)
	}
	if list := must[[]demarc.Token](t)(s.Tokens(t.Context())); len(list) != 2 {
		t.Errorf("%d tokens", len(list))
	}
	log := must[demarc.Paged[demarc.AuditEntry]](t)(s.Audit(t.Context(), "", demarc.Page{}))
	if len(log.Items) != 3 || log.Items[0].Action != "revoke token" || strings.Contains(log.Items[1].Detail, secret) {
		t.Errorf("audit %+v", log.Items)
	}
	var n int
	if err := d.SQL(t).QueryRowContext(t.Context(), `SELECT count(*) FROM tokens WHERE hash = $1 OR hash = $2`, secret, otherSecret).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d secrets in the store, %v", n, err)
	}
}
