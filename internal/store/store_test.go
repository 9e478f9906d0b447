package store_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/demarc/demarc/internal/store"
	"github.com/demarc/demarc/internal/store/storetest"
)

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.Database {
		return database("sqlite", filepath.Join(t.TempDir(), "demarc.db"))
	})
}

func TestPostgres(t *testing.T) {
	storetest.Postgres(t) // or skip all of it
	storetest.Run(t, func(t testing.TB) storetest.Database { return database("pgx", storetest.Postgres(t)) })
}

func database(driver, place string) storetest.Database {
	return storetest.Database{
		Open: func(t testing.TB, o store.Options) *store.Store {
			t.Helper()
			s, err := store.Open(t.Context(), place, o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			return s
		},
		Try: func(ctx context.Context, o store.Options) (*store.Store, error) { return store.Open(ctx, place, o) },
		SQL: func(t testing.TB) *sql.DB {
			t.Helper()
			db, err := sql.Open(driver, place)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			return db
		},
	}
}
