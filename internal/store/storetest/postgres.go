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
	cmd := exec.Command(script) //nolint:noctx // it lives as long as this process
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
