package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/demarc/demarc"
)

// The reasons for which a store is refused. What is wrapped around them says which store and why.
var (
	ErrNotAStore = errors.New("not a store of demarc")
	ErrNewer     = errors.New("written by a newer version of demarc")
	ErrOlder     = errors.New("written by an older version of demarc")
	ErrLocked    = errors.New("locked by another writer")
	ErrReadOnly  = errors.New("may only be read")
	ErrFull      = errors.New("no space left for it")
	ErrLost      = errors.New("connection lost")
)

// Options say how a store is opened. The zero Options open one for reading and writing, and make it if it is not there.
type Options struct {
	ReadOnly bool               // nothing is written; it must be there, and of this version
	MustBe   bool               // it must be there already
	Wait     time.Duration      // for another writer; 0 for two minutes
	Waiting  func(store string) // told once a writer has waited for another for a while; may be nil
	Log      *slog.Logger       // nil for none
	MaxPages int                // of a SQLite file, for tests of a full disk; 0 for no limit
}

// Store is the history of any number of organizations. It is safe for concurrent use, by several processes too.
type Store struct {
	dialect dialect
	write   *sql.DB // one connection
	read    *sql.DB
	name    string // to show: no password
	options Options
	log     *slog.Logger

	snapshots memo[demarc.At, *snapshot]

	mu            sync.Mutex // guards what follows
	organizations map[string]int64
	vocabs        map[int64]*vocabulary
	ready         map[string]demarc.ScanID // by organization, the scan that Warm read last
}

//go:embed migrations
var migrations embed.FS

// Open opens the store at a place: the URL of a PostgreSQL database, "postgres://user@host/name", or the path of a
// SQLite file, with or without "sqlite:" before it.
func Open(ctx context.Context, place string, o Options) (*Store, error) {
	if o.Wait <= 0 {
		o.Wait = 2 * time.Minute
	}
	s := &Store{options: o, log: o.Log, snapshots: memo[demarc.At, *snapshot]{most: maxSnapshots}, organizations: map[string]int64{}, vocabs: map[int64]*vocabulary{}, ready: map[string]demarc.ScanID{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://") {
		s.dialect = &postgres{url: place}
	} else {
		s.dialect = &sqlite{path: strings.TrimPrefix(place, "sqlite:")}
	}
	if s.name, err = s.dialect.name(); err != nil {
		return nil, err
	}
	if s.write, s.read, err = s.dialect.open(ctx, o); err != nil {
		return nil, fmt.Errorf("open store %s: %w", s.name, err)
	}
	if err := s.migrate(ctx); err != nil {
		return nil, fmt.Errorf("open store %s: %w", s.name, errors.Join(err, s.Close()))
	}
	return s, nil
}

// Name is the store as it may be shown: a path, or a URL without a password.
func (s *Store) Name() string { return s.name }

// Close closes the store.
func (s *Store) Close() error {
	if s.write == s.read {
		return s.read.Close()
	}
	return errors.Join(s.write.Close(), s.read.Close())
}

// migrate brings the tables to this version. Two processes that do so at once end up with the same.
func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations/"+s.dialect.migrations())
	if err != nil {
		return err
	}
	// The provider closes the database that it is given: it gets the one that is left open by not closing the provider.
	p, err := goose.NewProvider(s.dialect.goose(), s.write, files, goose.WithTableName("demarc_version"), goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.log))
	if err != nil {
		return err
	}
	const tries = 5
	for try := 1; ; try++ {
		has, err := s.versioned(ctx)
		if err != nil {
			return s.explain(err)
		}
		target := p.ListSources()[len(p.ListSources())-1].Version
		switch {
		case has > target:
			return fmt.Errorf("%w: its tables are of version %d, and this demarc knows %d; use the newer one", ErrNewer, has, target)
		case has == target:
			return nil
		case s.options.ReadOnly && has == 0:
			return fmt.Errorf("%w: it has no tables", ErrNotAStore)
		case s.options.ReadOnly:
			return fmt.Errorf("%w: its tables are of version %d of %d; open it once for writing", ErrOlder, has, target)
		}
		unlock, err := s.dialect.lockMigration(ctx, s.write)
		if err == nil {
			_, err = p.Up(ctx)
			err = errors.Join(err, unlock())
		}
		if err == nil {
			return s.dialect.mark(ctx, s.write)
		}
		if try == tries || ctx.Err() != nil {
			return fmt.Errorf("bring its tables from version %d to %d: %w", has, target, s.explain(err))
		}
		time.Sleep(time.Duration(try) * 50 * time.Millisecond) // another process is at it
	}
}

// versioned returns the version of the tables, 0 where there are none.
func (s *Store) versioned(ctx context.Context) (int64, error) {
	has, err := s.dialect.hasTable(ctx, s.read, "demarc_version")
	if err != nil || !has {
		return 0, err
	}
	var v sql.NullInt64
	err = s.read.QueryRowContext(ctx, `SELECT max(version_id) FROM demarc_version WHERE is_applied`).Scan(&v)
	return v.Int64, err
}

// explain says in the words of this package what went wrong in a database.
func (s *Store) explain(err error) error {
	switch {
	case err == nil || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, context.Canceled):
		return interruptedError{err}
	default:
		return s.dialect.explain(err)
	}
}

// interruptedError is that of a context that was cancelled, in the words of who pressed Ctrl-C.
type interruptedError struct{ error }

func (interruptedError) Error() string   { return "interrupted" }
func (e interruptedError) Unwrap() error { return e.error }

// tellsAfter is how long a writer waits before it says so.
const tellsAfter = 2 * time.Second

// writing runs f in a transaction of the one writer: other writers wait, readers do not. All that f wrote is there
// afterwards, or nothing.
func (s *Store) writing(ctx context.Context, f func(ctx context.Context, t *tx) error) (err error) {
	if s.options.ReadOnly {
		return fmt.Errorf("store %s: %w", s.name, ErrReadOnly)
	}
	waiting := time.AfterFunc(tellsAfter, func() {
		if s.options.Waiting != nil {
			s.options.Waiting(s.name)
		}
	})
	conn, err := s.beginning(ctx)
	waiting.Stop()
	if err != nil {
		return fmt.Errorf("store %s: %w", s.name, s.explain(err))
	}
	defer func() {
		if cerr := conn.Close(); err == nil && cerr != nil {
			err = s.explain(cerr)
		}
	}()
	t := &tx{conn: conn, dialect: s.dialect}
	if err = f(ctx, t); err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// The context may have ended; the transaction must end all the same. A connection that cannot roll back is not
		// used again.
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if _, rerr := conn.ExecContext(back, "ROLLBACK"); rerr != nil {
			_ = conn.Raw(func(any) error { return errBroken })
		}
		if err = s.explain(err); errors.Is(err, ErrLost) {
			s.dropIdle()
		}
		return fmt.Errorf("store %s: nothing was written: %w", s.name, err)
	}
	return nil
}

// beginning returns a connection on which the transaction of the writer has begun. One that was lost while nobody used it
// is given up for another.
func (s *Store) beginning(ctx context.Context) (*sql.Conn, error) {
	for try := 0; ; try++ {
		conn, err := s.write.Conn(ctx)
		if err != nil {
			return nil, err
		}
		err = s.dialect.begin(ctx, conn, s.options.Wait)
		if err == nil {
			return conn, nil
		}
		lost := errors.Is(s.explain(err), ErrLost)
		if lost {
			_ = conn.Raw(func(any) error { return errBroken })
			s.dropIdle()
		}
		if cerr := conn.Close(); !lost || try == 1 {
			return nil, errors.Join(err, cerr)
		}
	}
}

// dropIdle closes the connections that nobody uses: where one was lost, they are too, and say so only when they are used.
func (s *Store) dropIdle() {
	for _, db := range []*sql.DB{s.write, s.read} {
		db.SetMaxIdleConns(0)
		db.SetMaxIdleConns(maxIdle)
	}
}

// maxIdle is how many connections to a server are kept while nobody uses them.
const maxIdle = 4

// reading runs f with a connection that sees the store as it is at one moment.
func (s *Store) reading(ctx context.Context, f func(conn *sql.Conn) error) error {
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return s.explain(err)
	}
	if err := s.dialect.snapshot(ctx, conn); err != nil {
		return s.explain(errors.Join(err, conn.Close()))
	}
	err = f(conn)
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if _, rerr := conn.ExecContext(back, "ROLLBACK"); rerr != nil {
		_ = conn.Raw(func(any) error { return errBroken })
	}
	return s.explain(errors.Join(err, conn.Close()))
}

// tx is the transaction of the writer.
type tx struct {
	conn    *sql.Conn
	dialect dialect
}

func (t *tx) exec(ctx context.Context, query string, args ...any) error {
	_, err := t.conn.ExecContext(ctx, query, args...)
	return err
}

// organization returns the number of an organization, 0 if the store does not know it.
func (s *Store) organization(ctx context.Context, name string) (int64, error) {
	s.mu.Lock()
	id, known := s.organizations[name]
	s.mu.Unlock()
	if known {
		return id, nil
	}
	err := s.read.QueryRowContext(ctx, `SELECT id FROM organizations WHERE name = $1`, clean(name)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("%w: no organization %q in %s", demarc.ErrNotFound, name, s.name)
	}
	if err == nil {
		s.mu.Lock()
		s.organizations[name] = id
		s.mu.Unlock()
	}
	return id, s.explain(err)
}

// organizationFor returns the number of an organization, and makes one for a new name.
func (t *tx) organizationFor(ctx context.Context, name string) (int64, error) {
	var id int64
	err := t.conn.QueryRowContext(ctx, `SELECT id FROM organizations WHERE name = $1`, clean(name)).Scan(&id)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, err
	}
	if id, err = t.next(ctx, "organizations", "id"); err != nil {
		return 0, err
	}
	return id, t.exec(ctx, `INSERT INTO organizations (id, name) VALUES ($1, $2)`, id, clean(name))
}

// next returns the number after the largest of a column. Nobody else gives numbers: there is one writer.
func (t *tx) next(ctx context.Context, table, column string) (int64, error) {
	var most sql.NullInt64
	err := t.conn.QueryRowContext(ctx, "SELECT max("+column+") FROM "+table).Scan(&most)
	return most.Int64 + 1, err
}

// clean returns a text as databases take it: UTF-8 without zero bytes.
func clean(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
