package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// postgres is a database of a PostgreSQL server, version 13 or later.
type postgres struct{ url string }

// The keys of advisory locks, "demarc" and what for: https://www.postgresql.org/docs/15/explicit-locking.html, 13.3.5.
const (
	lockWriter    = 0x64656d61_0001
	lockMigration = 0x64656d61_0002
)

func (d *postgres) name() (string, error) {
	c, err := pgx.ParseConfig(d.url)
	if err != nil {
		return "", errors.New("the URL of the store cannot be understood: expected postgres://user@host:port/database") // the cause may hold a password
	}
	if strings.HasPrefix(c.Host, "/") {
		return "postgres:" + c.Host + "/" + c.Database, nil
	}
	return "postgres://" + net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) + "/" + c.Database, nil
}

func (d *postgres) goose() goose.Dialect { return goose.DialectPostgres }
func (d *postgres) migrations() string   { return "postgres" }

func (d *postgres) open(ctx context.Context, o Options) (write, read *sql.DB, err error) {
	c, err := pgx.ParseConfig(d.url)
	if err != nil {
		return nil, nil, errors.New("the URL cannot be understood")
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = 10 * time.Second
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "demarc"
	}
	reading := c.Copy()
	reading.RuntimeParams["default_transaction_read_only"] = "on"
	read = stdlib.OpenDB(*reading)
	read.SetMaxOpenConns(16)
	read.SetMaxIdleConns(maxIdle)
	if err := read.PingContext(ctx); err != nil {
		return nil, nil, errors.Join(d.explain(err), read.Close())
	}
	if o.ReadOnly {
		return read, read, nil
	}
	write = stdlib.OpenDB(*c)
	write.SetMaxOpenConns(2) // migrations need a second for their lock
	return write, read, nil
}

func (d *postgres) lockMigration(ctx context.Context, db *sql.DB) (func() error, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", lockMigration); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return func() error {
		_, err := conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", lockMigration)
		return errors.Join(err, conn.Close())
	}, nil
}

func (d *postgres) mark(context.Context, *sql.DB) error { return nil }

func (d *postgres) hasTable(ctx context.Context, db *sql.DB, name string) (bool, error) {
	var has bool
	err := db.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&has)
	return has, err
}

func (d *postgres) begin(ctx context.Context, conn *sql.Conn, wait time.Duration) error {
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	_, err := conn.ExecContext(ctx, "SET LOCAL lock_timeout = "+strconv.FormatInt(wait.Milliseconds(), 10))
	if err == nil {
		_, err = conn.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", lockWriter)
	}
	if err != nil {
		_, rerr := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return errors.Join(err, rerr)
	}
	return nil
}

func (d *postgres) snapshot(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	return err
}

// load copies rows: https://www.postgresql.org/docs/15/sql-copy.html.
func (d *postgres) load(ctx context.Context, conn *sql.Conn, table string, columns []string, rows [][]any) error {
	return conn.Raw(func(raw any) error {
		c, ok := raw.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("store: a connection of type %T", raw)
		}
		_, err := c.Conn().CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows))
		return err
	})
}

// settle has the space of rows that were replaced used again by the next scan: the server by itself waits until a fifth of
// a table is dead. Only pages that changed are looked at: https://www.postgresql.org/docs/15/storage-vm.html.
func (d *postgres) settle(ctx context.Context, db *sql.DB, ended bool) error {
	if !ended {
		_, err := db.ExecContext(ctx, "ANALYZE resources")
		return err
	}
	_, err := db.ExecContext(ctx, "VACUUM (ANALYZE) resources, blocks, findings")
	return err
}

func (d *postgres) compact(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "VACUUM ANALYZE resources")
	return err
}

func (d *postgres) size(ctx context.Context, db *sql.DB) (int64, error) {
	var total int64
	err := db.QueryRowContext(ctx, `SELECT pg_database_size(current_database())`).Scan(&total)
	return total, err
}

func (d *postgres) backup(context.Context, *sql.DB, string) error {
	return errors.New("PostgreSQL has a tool of its own for backups while it runs: pg_dump")
}

func (d *postgres) explain(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case e.Code == "55P03": // lock_not_available
			return fmt.Errorf("%w: %w", ErrLocked, err)
		case e.Code == "53100": // disk_full
			return fmt.Errorf("%w: %w", ErrFull, err)
		case e.Code == "25006": // read_only_sql_transaction
			return fmt.Errorf("%w: %w", ErrReadOnly, err)
		case strings.HasPrefix(e.Code, "57P"), strings.HasPrefix(e.Code, "08"): // the server goes down; connection exceptions
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errBroken) || pgconn.SafeToRetry(err) || isNetwork(err) || strings.Contains(err.Error(), "conn closed") {
		return fmt.Errorf("%w: %w", ErrLost, redacted(err))
	}
	return redacted(err)
}

func isNetwork(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok
}

// redacted keeps what pgx says of a connection, which holds no password, and nothing of a URL that it could not parse.
func redacted(err error) error {
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		return errors.New("the URL cannot be understood")
	}
	return err
}
