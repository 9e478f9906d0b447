//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/demarc/demarc/internal/generate"
	"github.com/demarc/demarc/internal/store/storetest"
)

// TestKilled ends the program at many points of storing a scan, as a power cut would. Whatever the point, the store is
// whole, the last finished scan is what it was, and the next one succeeds.
func TestKilled(t *testing.T) {
	demarc := program(t)
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			place := filepath.Join(dir, "h.db")
			if kind == "postgres" {
				place = storetest.Postgres(t)
			}
			inputs := [2]string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
			for i, path := range inputs {
				if _, _, err := (generate.Estate{Format: generate.AWSConfig, Resources: 1200, Accounts: 3, Seed: uint64(i + 1)}).WriteDir(path); err != nil {
					t.Fatal(err)
				}
			}
			args := func(input string) []string {
				return []string{"assess", "--quiet", "--as-of", "2026-11-23", "--store", place, "-o", filepath.Join(dir, "out.txt"), input}
			}
			begin := time.Now()
			if out, err := exec.CommandContext(t.Context(), demarc, args(inputs[0])...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			whole := time.Since(begin)
			last := scansOf(t, demarc, place)
			if len(last) != 1 {
				t.Fatalf("scans: %+v", last)
			}
			points, killed := 12, 0
			if testing.Short() {
				points = 3
			}
			random := rand.New(rand.NewPCG(1, 2))
			for i := range points {
				cmd := exec.CommandContext(t.Context(), demarc, args(inputs[(i+1)%2])...)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				// From the beginning to a little beyond the end, and more often towards the end, where it is stored.
				time.Sleep(time.Duration((0.3 + 0.9*random.Float64()) * float64(whole)))
				if err := cmd.Process.Kill(); err == nil {
					killed++
				}
				_ = cmd.Wait() // it was killed, or was done
				now := scansOf(t, demarc, place)
				switch len(now) - len(last) {
				case 0:
					if now[0] != last[0] {
						t.Fatalf("after %d: the last scan is %+v, and was %+v", i, now[0], last[0])
					}
				case 1: // it was done just before
				default:
					t.Fatalf("after %d: scans %+v, before %+v", i, now, last)
				}
				last = now
				if kind == "sqlite" {
					intact(t, place)
				}
			}
			if killed == 0 {
				t.Error("every run was over before it could be killed")
			}
			if out, err := exec.CommandContext(t.Context(), demarc, args(inputs[1])...).CombinedOutput(); err != nil {
				t.Fatalf("the next scan: %v\n%s", err, out)
			}
			if now := scansOf(t, demarc, place); len(now) != len(last)+1 {
				t.Errorf("scans: %+v", now)
			}
			if out, err := exec.CommandContext(t.Context(), demarc, "store", "verify", "--store", place).CombinedOutput(); err != nil {
				t.Errorf("audit log: %v\n%s", err, out)
			}
		})
	}
}

// scanLine is what identifies a scan and says how much it has.
type scanLine struct {
	ID        int    `json:"id"`
	Finished  string `json:"finished"`
	Resources int    `json:"resources"`
	Changed   int    `json:"changed"`
}

func scansOf(t *testing.T, demarc, place string) []scanLine {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), demarc, "scans", "--store", place, "-f", "json", "--limit", "1000").Output()
	if err != nil {
		t.Fatalf("scans: %v\n%s", err, out)
	}
	var list struct {
		Items []scanLine `json:"items"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// intact asks SQLite whether the file is whole.
func intact(t *testing.T, path string) {
	t.Helper()
	if got := storetest.Integrity(t, path); got != "ok" {
		t.Fatalf("integrity: %s", got)
	}
}

// TestSecretsAreNotStored plants a secret in every dialect, where configurations have them, and looks for it in
// everything that demarc writes: the files of the store, the log, and what every command shows.
func TestSecretsAreNotStored(t *testing.T) {
	demarc := program(t)
	const secret = "hunter2-TOP-s3cr3t"
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	planted := 0
	for _, f := range generate.Formats {
		at := filepath.Join(in, string(f))
		if _, _, err := (generate.Estate{Format: f, Resources: 60, Accounts: 2, Seed: 7}).WriteDir(at); err != nil {
			t.Fatal(err)
		}
		err := filepath.WalkDir(at, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text, n := plant(text, secret)
			planted += n
			return os.WriteFile(path, text, 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if planted < 100 {
		t.Fatalf("only %d secrets were planted", planted)
	}
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			place := filepath.Join(dir, kind+".db")
			if kind == "postgres" {
				place = storetest.Postgres(t)
			}
			look := func(what string, text []byte) {
				t.Helper()
				if i := bytes.Index(text, []byte(secret)); i >= 0 {
					t.Errorf("%s holds the secret: ...%s...", what, text[max(0, i-120):min(len(text), i+40)])
				}
			}
			for _, args := range [][]string{
				{"assess", "--log-level", "debug", "--store", place, in},
				{"assess", "--log-level", "debug", "--log-format", "json", "--store", place, in},
				{"assess", "-f", "json", in},
				{"assess", "-f", "csv", in},
				{"assess", "-f", "markdown", in},
				{"scans", "--store", place},
				{"resources", "--store", place, "--limit", "1000", "-f", "json"},
				{"gaps", "--store", place, "-f", "json"},
				{"matrix", "--store", place},
				{"store", "export", "--store", place},
				{"store", "export", "--store", place, "--what", "findings"},
				{"store", "stats", "--store", place},
			} {
				cmd := exec.CommandContext(t.Context(), demarc, args...)
				var out, told bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &told
				err := cmd.Run()
				if code := cmd.ProcessState.ExitCode(); code != 0 && code != 2 {
					t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, told.String())
				}
				look("the output of "+args[0], out.Bytes())
				look("the log of "+args[0], told.Bytes())
			}
			if kind == "postgres" {
				look("the database", storetest.Dump(t, place))
				return
			}
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if text, err := os.ReadFile(place + suffix); err == nil {
					look(place+suffix, text)
				}
			}
		})
	}
}

var labels = regexp.MustCompile(`(?i)"(tags|labels|\w*labels|tags_all|metadata|annotations)"\s*:\s*(\[\s*)?$`)

// plant adds members with a secret to every object of a text in JSON, and an environment variable as manifests have it.
// Tags and labels are left alone: they are there to be seen, and demarc shows them.
func plant(text []byte, secret string) ([]byte, int) {
	n := 0
	var out bytes.Buffer
	inString, escaped := false, false
	for i, c := range text {
		out.WriteByte(c)
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case !inString && c == '{' && n < 4000:
			rest := bytes.TrimLeft(text[i+1:], " \n\t\r")
			if len(rest) > 0 && rest[0] == '"' && !labels.Match(text[max(0, i-40):i]) {
				fmt.Fprintf(&out, `"masterUserPassword":%q,"userData":%q,"x-secret":{"env":[{"name":"DB_PASSWORD","value":%q}]},`, secret, secret, secret)
				n++
			}
		}
	}
	return out.Bytes(), n
}
