package store_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/store"
	"github.com/demarc/demarc/internal/store/storetest"
)

// What is no store is told from one, and is left as it is.
func TestNoStore(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.db")
	db, err := sql.Open("sqlite", other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE notes (text TEXT)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"text": strings.Repeat("hello ", 100), "short": "x", "forged": "SQLite format 3\x00" + strings.Repeat("\x01", 4000)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"other.db", "text", "short", "forged", "."} {
		path := filepath.Join(dir, name)
		before, _ := os.ReadFile(path)
		for _, o := range []store.Options{{}, {ReadOnly: true}} {
			if _, err := store.Open(t.Context(), path, o); !errors.Is(err, store.ErrNotAStore) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after, _ := os.ReadFile(path); string(before) != string(after) {
			t.Errorf("%s was changed", name)
		}
	}
	if _, err := store.Open(t.Context(), filepath.Join(dir, "nowhere.db"), store.Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a store that is not there: %v", err)
	}
	if _, err := store.Open(t.Context(), "postgres://user:secret@[::1", store.Options{}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a URL that cannot be understood: %v", err)
	}
	// An empty file is an empty store.
	empty := filepath.Join(dir, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	database("sqlite", empty).Open(t, store.Options{})
}

func TestStoreIsForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demarc.db")
	s, w := database("sqlite", path).Open(t, store.Options{}), storetest.NewWorld("Northwind", 3)
	if _, err := s.Record(t.Context(), w.Recording(), w.Answers()); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(path + suffix); err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s%s: %s", path, suffix, info.Mode())
		}
	}
}

// The version of a store is checked: a newer one is refused, whatever is asked of it.
func TestNewerStore(t *testing.T) {
	each(t, func(t *testing.T, db storetest.Database) {
		db.Open(t, store.Options{})
		if _, err := db.SQL(t).ExecContext(t.Context(), `INSERT INTO demarc_version (version_id, is_applied) VALUES (9999, `+map[bool]string{true: "true", false: "1"}[isPostgres(t)]+`)`); err != nil {
			t.Fatal(err)
		}
		for _, o := range []store.Options{{}, {ReadOnly: true}} {
			_, err := db.Try(t.Context(), o)
			if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "version 9999, and this demarc knows ") {
				t.Errorf("%+v: %v", o, err)
			}
		}
	})
}

// A store of the first version, with data in it, becomes one of this version, and says what it said then.
func TestMigrations(t *testing.T) {
	said, err := os.ReadFile("testdata/version1.txt")
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, db storetest.Database) {
		firstVersion(t, db)
		if _, err := db.Try(t.Context(), store.Options{ReadOnly: true}); !errors.Is(err, store.ErrOlder) {
			t.Errorf("an older store for reading: %v", err)
		}
		s := db.Open(t, store.Options{})
		then, now := strings.Split(string(said), "\n"), strings.Split(storetest.Said(t, s, "Northwind"), "\n")
		if len(then) != len(now) {
			t.Fatalf("%d lines, want %d", len(now), len(then))
		}
		for i := range then {
			if !saysAsMuch(then[i], now[i]) {
				t.Errorf("(-then +now):\n%s", cmp.Diff(then[i], now[i]))
			}
		}
		// The next scan sees what is as it was, and what is not.
		w := storetest.NewWorld("Northwind", 9)
		w.Catalog, w.Day = "catalog-2", time.Date(2026, 11, 6, 0, 0, 0, 0, time.UTC)
		w.Things[w.ID(1)].Upgrades, w.Things[w.ID(1)].Public = true, storetest.Reachable
		w.Things[w.ID(4)].Public = storetest.Reachable // it could not be read
		w.Things[w.ID(7)].Inside = true
		w.Things[w.ID(8)].Tags = demarc.TagsOf(map[string]string{"team": "shop", "Name": "Grüße"})
		scan, err := s.Record(t.Context(), w.Recording(), w.Answers())
		if err != nil {
			t.Fatal(err)
		}
		if scan.ID != 6 || scan.Resources != 9 || scan.Changed != 1 || scan.Added != 0 || scan.Removed != 1 || scan.Stale != 0 {
			t.Errorf("the next scan: %+v", scan)
		}
		f, err := demarc.ParseFilter(map[string][]string{"id": {string(w.ID(4))}, "check": {"aws/rds/public-access"}})
		if err != nil {
			t.Fatal(err)
		}
		if list, err := s.Findings(t.Context(), demarc.At{Organization: "Northwind"}, f, demarc.FindingsOpen, demarc.OrderID, demarc.Page{}); err != nil || list.Total != 1 || list.Items[0].Gap != demarc.GapFailing || list.Items[0].FirstSeen.Scan != 1 {
			t.Errorf("a finding that can be told again: %+v, %v", list, err)
		}
		for i, want := range map[int]int{4: 4, 5: 2, 0: 2} {
			if v, err := s.Versions(t.Context(), "Northwind", w.ID(i)); err != nil || len(v) != want {
				t.Errorf("%d: %d versions, want %d: %v", i, len(v), want, err)
			}
		}
	})
}

// saysAsMuch reports whether one line of storetest.Said says all that another does: what demarc says may grow.
func saysAsMuch(then, now string) bool {
	what, was, _ := strings.Cut(then, ": ")
	about, is, _ := strings.Cut(now, ": ")
	var x, y any
	if what != about || was == is {
		return what == about
	}
	return json.Unmarshal([]byte(was), &x) == nil && json.Unmarshal([]byte(is), &y) == nil && holds(x, y)
}

func holds(was, is any) bool {
	switch was := was.(type) {
	case map[string]any:
		now, ok := is.(map[string]any)
		for k, v := range was {
			ok = ok && holds(v, now[k])
		}
		return ok
	case []any:
		now, ok := is.([]any)
		ok = ok && len(was) == len(now)
		for i := range was {
			ok = ok && holds(was[i], now[i])
		}
		return ok
	default:
		return was == is
	}
}

// firstVersion makes a store as the first version of demarc left it, with the data of testdata/version1.sql.
func firstVersion(t *testing.T, db storetest.Database) {
	t.Helper()
	kind, version := "sqlite", `CREATE TABLE demarc_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))`
	if isPostgres(t) {
		kind, version = "postgres", `CREATE TABLE demarc_version (id INTEGER PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id BIGINT NOT NULL, is_applied BOOLEAN NOT NULL, tstamp TIMESTAMP NOT NULL DEFAULT now())`
	}
	schema, err := os.ReadFile("migrations/" + kind + "/00001_history.sql")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/version1.sql")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if isPostgres(t) { // its bytes are texts that begin with \x
		text = regexp.MustCompile(`X'([0-9a-f]*)'`).ReplaceAllString(text, `'\x$1'`)
	}
	list := append([]string{string(schema), version, `INSERT INTO demarc_version (version_id, is_applied) VALUES (0, '1'), (1, '1')`, "BEGIN"}, strings.Split(strings.TrimSpace(text), ";\n")...)
	conn, err := db.SQL(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range append(list, "COMMIT") {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}

// Who waits too long for another writer is told so, and nothing is lost.
func TestLockedStore(t *testing.T) {
	each(t, func(t *testing.T, db storetest.Database) {
		s, w := db.Open(t, store.Options{}), storetest.NewWorld("Northwind", 20)
		impatient := db.Open(t, store.Options{Wait: 200 * time.Millisecond})
		_, err := s.Record(t.Context(), w.Recording(), func(yield func(*demarc.Answer) bool) {
			first := true
			for a := range w.Answers() {
				if first {
					if _, err := impatient.Record(t.Context(), w.Recording(), w.Answers()); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), impatient.Name()) {
						t.Errorf("meanwhile: %v", err)
					}
				}
				first = false
				if !yield(a) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if scans, err := impatient.Scans(t.Context(), "Northwind", demarc.Page{}); err != nil || scans.Total != 1 {
			t.Errorf("scans: %+v, %v", scans, err)
		}
	})
}

// Who waits for another writer is told, and may give up.
func TestWaiting(t *testing.T) {
	each(t, func(t *testing.T, db storetest.Database) {
		waits := make(chan string, 1)
		s, w := db.Open(t, store.Options{}), storetest.NewWorld("Northwind", 20)
		other := db.Open(t, store.Options{Waiting: func(name string) { waits <- name }})
		ctx, giveUp := context.WithCancel(t.Context())
		defer giveUp()
		gaveUp := make(chan error, 1)
		_, err := s.Record(t.Context(), w.Recording(), func(yield func(*demarc.Answer) bool) {
			go func() {
				_, err := other.Record(ctx, w.Recording(), w.Answers())
				gaveUp <- err
			}()
			if name := <-waits; name != other.Name() {
				t.Errorf("told of %q", name)
			}
			giveUp()
			for a := range w.Answers() {
				if !yield(a) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := <-gaveUp; !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), ": interrupted") {
			t.Errorf("who gave up: %v", err)
		}
		if scans, err := s.Scans(t.Context(), "Northwind", demarc.Page{}); err != nil || scans.Total != 1 {
			t.Errorf("scans: %+v, %v", scans, err)
		}
	})
}

// A full disk: the scan is not there, the one before it is, and the store goes on when there is room.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demarc.db")
	db := database("sqlite", path)
	s, w := db.Open(t, store.Options{}), storetest.NewWorld("Northwind", 200)
	if _, err := s.Record(t.Context(), w.Recording(), w.Answers()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	full := db.Open(t, store.Options{MaxPages: int(info.Size()/4096) + 20})
	for i := range 20_000 {
		w.Add(1000 + i)
	}
	if _, err := full.Record(t.Context(), w.Recording(), w.Answers()); !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("a full disk: %v", err)
	}
	o, err := full.Overview(t.Context(), demarc.At{Organization: "Northwind"}, demarc.Filter{})
	if err != nil || o.Resources != 200 || o.Scan.ID != 1 {
		t.Errorf("afterwards: %d resources of scan %d, %v", o.Resources, o.Scan.ID, err)
	}
	if scan, err := s.Record(t.Context(), w.Recording(), w.Answers()); err != nil || scan.ID != 2 {
		t.Errorf("with room again: %+v, %v", scan, err)
	}
}

// The server ends the connection in the middle of a scan: an error that says so, and nothing of the scan.
func TestLostConnection(t *testing.T) {
	db := database("pgx", storetest.Postgres(t))
	s, w := db.Open(t, store.Options{}), storetest.NewWorld("Northwind", 9000)
	if _, err := s.Record(t.Context(), w.Recording(), w.Answers()); err != nil {
		t.Fatal(err)
	}
	for _, x := range w.Things {
		x.Upgrades = !x.Upgrades
	}
	n := 0
	_, err := s.Record(t.Context(), w.Recording(), func(yield func(*demarc.Answer) bool) {
		for a := range w.Answers() {
			if n++; n == 5000 {
				if _, err := db.SQL(t).ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
					t.Error(err)
				}
			}
			if !yield(a) {
				return
			}
		}
	})
	if !errors.Is(err, store.ErrLost) {
		t.Errorf("lost: %v", err)
	}
	// The store connects again by itself.
	scan, err := s.Record(t.Context(), w.Recording(), w.Answers())
	if err != nil || scan.ID != 2 || scan.Changed != 9000 {
		t.Errorf("again: %+v, %v", scan, err)
	}
}

func TestBackup(t *testing.T) {
	db := database("sqlite", filepath.Join(t.TempDir(), "demarc.db"))
	s, w := db.Open(t, store.Options{}), storetest.NewWorld("Northwind", 50)
	if _, err := s.Record(t.Context(), w.Recording(), w.Answers()); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy 'of' it.db")
	if err := s.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(t.Context(), copied); err == nil {
		t.Error("a backup was overwritten")
	}
	o, err := database("sqlite", copied).Open(t, store.Options{ReadOnly: true}).Overview(t.Context(), demarc.At{Organization: "Northwind"}, demarc.Filter{})
	if err != nil || o.Resources != 50 {
		t.Errorf("the copy: %+v, %v", o, err)
	}
}

func TestPrune(t *testing.T) {
	each(t, func(t *testing.T, db storetest.Database) {
		s, w := db.Open(t, store.Options{}), storetest.NewWorld("Northwind", 30)
		for i := range 5 {
			if _, err := s.Record(t.Context(), w.Recording(), w.Answers()); err != nil {
				t.Fatal(err)
			}
			w.Day = w.Day.AddDate(0, 0, 1)
			w.Things[w.ID(3)].Upgrades = !w.Things[w.ID(3)].Upgrades
			w.Things[w.ID(i)].Public = storetest.Unreadable
			w.Things[w.ID(10+i)].Tags = demarc.TagsOf(map[string]string{"Name": "renamed"})
		}
		at := demarc.At{Organization: "Northwind"}
		before, err := s.Findings(t.Context(), at, demarc.Filter{}, demarc.FindingsOpen, demarc.OrderWorst, demarc.Page{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		n, err := s.Prune(t.Context(), "Northwind", "test", 2, time.Time{}, w.Day)
		if err != nil || n != 3 {
			t.Fatalf("%d scans pruned, %v", n, err)
		}
		// What is open keeps its whole history.
		after, err := s.Findings(t.Context(), at, demarc.Filter{}, demarc.FindingsOpen, demarc.OrderWorst, demarc.Page{Limit: 1000})
		if err != nil || fmt.Sprint(before) != fmt.Sprint(after) {
			t.Errorf("findings before\n%+v\nafter\n%+v\n%v", before.Items[0], after.Items[0], err)
		}
		if _, err := s.Overview(t.Context(), demarc.At{Organization: "Northwind", Scan: 2}, demarc.Filter{}); !errors.Is(err, demarc.ErrNotFound) {
			t.Errorf("a pruned scan: %v", err)
		}
		if o, err := s.Overview(t.Context(), demarc.At{Organization: "Northwind", Scan: 4}, demarc.Filter{}); err != nil || o.Resources != 30 {
			t.Errorf("a scan that stays: %+v, %v", o, err)
		}
		// What stays has its tags and facts, even where it shared them with what went.
		store.CheckBlocks(t, s, 1)
		for _, scan := range []demarc.ScanID{4, 5} {
			for a, err := range s.Answers(t.Context(), demarc.At{Organization: "Northwind", Scan: scan}, demarc.Filter{}) {
				if err != nil || a.Resource.Tags.Get("Name") == "" || len(a.Facts) != 4 || a.Facts[3].Fact.Value.AsInt() != 7 {
					t.Errorf("scan %d: %+v, %v", scan, a, err)
				}
			}
		}
		if n, err := s.Prune(t.Context(), "Northwind", "test", 1, w.Day.AddDate(0, 0, -100), w.Day); err != nil || n != 0 {
			t.Errorf("nothing is as old: %d, %v", n, err)
		}
		if scan, err := s.Record(t.Context(), w.Recording(), w.Answers()); err != nil || scan.Changed != 3 {
			t.Errorf("the next scan: %+v, %v", scan, err)
		}
	})
}

// each tells a story on both databases.
func each(t *testing.T, story func(t *testing.T, db storetest.Database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { story(t, database("sqlite", filepath.Join(t.TempDir(), "demarc.db"))) })
	t.Run("postgres", func(t *testing.T) { story(t, database("pgx", storetest.Postgres(t))) })
}

func isPostgres(t *testing.T) bool { return strings.HasSuffix(t.Name(), "/postgres") }
