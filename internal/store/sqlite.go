package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// sqlite is one file, or rather three while it is open: the log of what was written last lies beside it, "-wal", and
// what its readers share, "-shm".
type sqlite struct{ path string }

// applicationID is what a file of ours says of itself: "DMRC". See https://sqlite.org/pragma.html#pragma_application_id.
const applicationID = 0x444D5243

func (d *sqlite) name() (string, error) {
	if d.path == "" {
		return "", errors.New("a store needs a path or a URL")
	}
	return d.path, nil
}

func (d *sqlite) goose() goose.Dialect { return goose.DialectSQLite3 }
func (d *sqlite) migrations() string   { return "sqlite" }

func (d *sqlite) open(ctx context.Context, o Options) (write, read *sql.DB, err error) {
	info, err := os.Stat(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && (o.ReadOnly || o.MustBe):
		return nil, nil, fmt.Errorf("there is none: %w", fs.ErrNotExist)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, nil, err
	case err == nil && info.IsDir():
		return nil, nil, fmt.Errorf("%w: it is a directory", ErrNotAStore)
	case err == nil:
		if err := d.recognise(); err != nil {
			return nil, nil, err
		}
	default: // made by SQLite: nobody else is to read what an organization runs
		if f, ferr := os.OpenFile(d.path, os.O_CREATE|os.O_RDWR, 0o600); ferr != nil {
			return nil, nil, ferr
		} else if ferr := f.Close(); ferr != nil {
			return nil, nil, ferr
		}
	}
	if err == nil && info.Size() > 0 { // before anything is written to it
		db, err := d.connect([]string{"busy_timeout(10000)"}, d.readOnly(), 1)
		if err != nil {
			return nil, nil, err
		}
		if err := errors.Join(d.check(ctx, db), db.Close()); err != nil {
			return nil, nil, err
		}
	}
	pragmas := []string{"busy_timeout(" + strconv.FormatInt(o.Wait.Milliseconds(), 10) + ")", "foreign_keys(1)", "cache_size(-65536)"}
	if o.ReadOnly {
		db, err := d.connect(pragmas, d.readOnly(), max(4, runtime.GOMAXPROCS(0)*2))
		return db, db, err
	}
	pragmas = append(pragmas, "journal_mode(wal)", "synchronous(full)", "journal_size_limit(67108864)")
	if o.MaxPages > 0 {
		pragmas = append(pragmas, "max_page_count("+strconv.Itoa(o.MaxPages)+")")
	}
	if write, err = d.connect(pragmas, url.Values{"_txlock": {"immediate"}}, 1); err != nil {
		return nil, nil, err
	}
	if read, err = d.connect(append(pragmas, "query_only(1)"), url.Values{}, max(4, runtime.GOMAXPROCS(0)*2)); err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	return write, read, nil
}

// recognise looks at the first bytes of a file: https://sqlite.org/fileformat.html, 1.3.
func (d *sqlite) recognise() error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	head := make([]byte, 72)
	n, _ := f.Read(head) // a short file has a short head
	if err := f.Close(); err != nil {
		return err
	}
	switch id := uint32(head[68])<<24 | uint32(head[69])<<16 | uint32(head[70])<<8 | uint32(head[71]); {
	case n == 0: // an empty file is an empty database
		return nil
	case n < len(head) || !strings.HasPrefix(string(head), "SQLite format 3\x00"):
		return fmt.Errorf("%w: it is no SQLite database", ErrNotAStore)
	case id != applicationID && id != 0:
		return fmt.Errorf("%w: it is an SQLite database of another program", ErrNotAStore)
	}
	return nil
}

// check tells a database of others from one of ours.
func (d *sqlite) check(ctx context.Context, db *sql.DB) error {
	var id, tables int64
	if err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
		return d.explain(err)
	}
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`).Scan(&tables); err != nil {
		return d.explain(err)
	}
	ours, err := d.hasTable(ctx, db, "demarc_version")
	if err != nil {
		return d.explain(err)
	}
	if tables > 0 && !ours {
		return fmt.Errorf("%w: it is an SQLite database with other tables", ErrNotAStore)
	}
	return nil
}

// readOnly is how a connection that only reads is made. A reader of a log needs to write beside the file; where it cannot,
// and no log lies there, nobody writes.
func (d *sqlite) readOnly() url.Values {
	more := url.Values{"mode": {"ro"}}
	if _, err := os.Stat(d.path + "-wal"); errors.Is(err, fs.ErrNotExist) && !writable(filepath.Dir(d.path)) {
		more.Set("immutable", "1")
	}
	return more
}

func writable(dir string) bool {
	f, err := os.CreateTemp(dir, ".demarc-*")
	if err != nil {
		return false
	}
	return errors.Join(f.Close(), os.Remove(f.Name())) == nil
}

func (d *sqlite) connect(pragmas []string, more url.Values, connections int) (*sql.DB, error) {
	more["_pragma"] = pragmas
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: d.path}).EscapedPath()+"?"+more.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

func (d *sqlite) lockMigration(context.Context, *sql.DB) (func() error, error) {
	return func() error { return nil }, nil // each step is a transaction; who comes second sees that it is done
}

func (d *sqlite) mark(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "PRAGMA application_id = "+strconv.Itoa(applicationID))
	return err
}

func (d *sqlite) hasTable(ctx context.Context, db *sql.DB, name string) (bool, error) {
	var n int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = $1`, name).Scan(&n)
	return n > 0, err
}

func (d *sqlite) begin(ctx context.Context, conn *sql.Conn, _ time.Duration) error {
	_, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE")
	return err
}

func (d *sqlite) snapshot(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "BEGIN")
	return err
}

// load uses statements of as many rows as SQLite has variables for, within reason.
func (d *sqlite) load(ctx context.Context, conn *sql.Conn, table string, columns []string, rows [][]any) error {
	per := max(1, 400/len(columns))
	var stmt *sql.Stmt
	defer func() {
		if stmt != nil {
			_ = stmt.Close()
		}
	}()
	args := make([]any, 0, per*len(columns))
	for len(rows) > 0 {
		n := min(per, len(rows))
		args = args[:0]
		for _, row := range rows[:n] {
			args = append(args, row...)
		}
		query := insertion(table, columns, n)
		if n < per {
			if _, err := conn.ExecContext(ctx, query, args...); err != nil {
				return err
			}
		} else {
			if stmt == nil {
				var err error
				if stmt, err = conn.PrepareContext(ctx, query); err != nil {
					return err
				}
			}
			if _, err := stmt.ExecContext(ctx, args...); err != nil {
				return err
			}
		}
		rows = rows[n:]
	}
	return nil
}

// insertion is a statement that inserts n rows.
func insertion(table string, columns []string, n int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES ")
	row := "(?" + strings.Repeat(", ?", len(columns)-1) + ")"
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(row)
	}
	return b.String()
}

// settle moves what the log holds into the file, and looks at what the planner should know.
func (d *sqlite) settle(ctx context.Context, db *sql.DB, _ bool) error {
	if _, err := db.ExecContext(ctx, "PRAGMA optimize"); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

func (d *sqlite) compact(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, "VACUUM"); err != nil {
		return err
	}
	return d.settle(ctx, db, true)
}

func (d *sqlite) size(context.Context, *sql.DB) (int64, error) {
	var total int64
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(d.path + suffix)
		if err == nil {
			total += info.Size()
		} else if !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	return total, nil
}

// backup uses a connection of its own: those for reading may write nowhere, and writers shall not wait.
func (d *sqlite) backup(ctx context.Context, _ *sql.DB, path string) error {
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("%s is there already", path)
	}
	db, err := d.connect([]string{"busy_timeout(10000)"}, d.readOnly(), 1)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO $1", path)
	return errors.Join(err, db.Close())
}

func (d *sqlite) explain(err error) error {
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		return err
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return fmt.Errorf("%w: %w", ErrLocked, err)
	case lib.SQLITE_INTERRUPT: // only a context that ends does that
		return interruptedError{errors.Join(context.Canceled, err)}
	case lib.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case lib.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrNotAStore, err)
	case lib.SQLITE_CORRUPT:
		return fmt.Errorf("the file is damaged; restore it from a backup: %w", err)
	case lib.SQLITE_READONLY:
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	default:
		return err
	}
}
