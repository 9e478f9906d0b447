package storetest

import (
	"bufio"
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

var server = sync.OnceValues(startPostgres)

// startPostgres starts a server that ends with this process: it waits for the end of its standard input.
func startPostgres() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "tools", "postgres")
	cmd := exec.Command(script) //nolint:noctx // the script beside this file; it lives as long as this process
	var told bytes.Buffer
	cmd.Stderr = &told
	in, out, err := pipes(cmd)
	if err != nil {
		return "", err
	}
	lifeline = in // open as long as it can be reached
	if err := cmd.Start(); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", script, cmd.Wait(), told.String())
	}
	return strings.TrimSpace(line), nil
}

var lifeline io.WriteCloser

func pipes(cmd *exec.Cmd) (io.WriteCloser, io.ReadCloser, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	return in, out, err
}

var databases atomic.Int64

// Postgres returns the URL of a new, empty database on a real server. Where there is none, and DEMARC_NEED_POSTGRES is
// not set, the test is skipped loudly.
func Postgres(t testing.TB) string {
	t.Helper()
	url, err := server()
	if err != nil {
		if os.Getenv("DEMARC_NEED_POSTGRES") != "" {
			t.Fatalf("PostgreSQL: %v", err)
		}
		fmt.Fprintf(os.Stderr, "\n*** %s IS SKIPPED: no PostgreSQL to test against: %v\n", t.Name(), err)
		t.Skip("no PostgreSQL")
	}
	name := fmt.Sprintf("test%d", databases.Add(1))
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'"); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(url, "/demarc?", "/"+name+"?", 1)
}

// Integrity returns what SQLite says of a file: "ok" if it is whole.
func Integrity(t testing.TB, path string) string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var got string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

// Dump returns everything that the tables of a PostgreSQL database hold, with bytes as text.
func Dump(t testing.TB, url string) []byte {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var out bytes.Buffer
	tables, err := db.QueryContext(t.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY table_name`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tables.Close() }()
	var names []string
	for tables.Next() {
		var name string
		if err := tables.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := tables.Err(); err != nil || len(names) < 10 {
		t.Fatalf("tables %v: %v", names, err)
	}
	for _, name := range names {
		dumpTable(t, db, name, &out)
	}
	return out.Bytes()
}

func dumpTable(t testing.TB, db *sql.DB, name string, out *bytes.Buffer) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			switch x := (*v.(*any)).(type) {
			case []byte:
				out.Write(x)
			default:
				fmt.Fprintln(out, x)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
