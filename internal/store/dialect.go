package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/pressly/goose/v3"
)

// dialect is what two databases do differently. Everything else is the same SQL for both.
type dialect interface {
	// name returns the place of the database as it may be shown.
	name() (string, error)
	open(ctx context.Context, o Options) (write, read *sql.DB, err error)

	goose() goose.Dialect
	migrations() string
	lockMigration(ctx context.Context, db *sql.DB) (unlock func() error, err error)
	// mark notes that the database is a store.
	mark(ctx context.Context, db *sql.DB) error
	hasTable(ctx context.Context, db *sql.DB, name string) (bool, error)

	// begin begins the transaction of the one writer, and waits for another.
	begin(ctx context.Context, conn *sql.Conn, wait time.Duration) error
	// snapshot begins a transaction that sees the database as it is at its first query.
	snapshot(ctx context.Context, conn *sql.Conn) error
	// load writes many rows at once.
	load(ctx context.Context, conn *sql.Conn, table string, columns []string, rows [][]any) error
	// settle is called after much was written; ended says that rows were replaced.
	settle(ctx context.Context, db *sql.DB, ended bool) error
	// compact gives back the space of what was deleted.
	compact(ctx context.Context, db *sql.DB) error
	// size returns how many bytes the store takes on its disk.
	size(ctx context.Context, db *sql.DB) (int64, error)
	backup(ctx context.Context, db *sql.DB, path string) error

	explain(err error) error
}

// errBroken takes a connection out of use.
var errBroken = driver.ErrBadConn

// bulk gathers rows of a table and writes them many at a time.
type bulk struct {
	table   string
	columns []string
	rows    [][]any
	written int
}

const bulkRows = 4000

func (b *bulk) add(ctx context.Context, t *tx, row ...any) error {
	b.rows = append(b.rows, row)
	if len(b.rows) < bulkRows {
		return nil
	}
	return b.flush(ctx, t)
}

func (b *bulk) flush(ctx context.Context, t *tx) error {
	if len(b.rows) == 0 {
		return nil
	}
	err := t.dialect.load(ctx, t.conn, b.table, b.columns, b.rows)
	b.written += len(b.rows)
	clear(b.rows)
	b.rows = b.rows[:0]
	return err
}

// each runs a query and calls f for each row. Whatever goes wrong is returned once.
func each(rows *sql.Rows, err error, f func(*sql.Rows) error) (ferr error) {
	if err != nil {
		return err
	}
	defer func() { ferr = errors.Join(ferr, rows.Close()) }()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
