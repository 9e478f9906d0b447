//go:build unix

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/demarc/demarc/internal/generate"
)

// TestEndurance runs the real program where things go wrong: it is told to end, its surroundings break. No scenario may
// leave it hanging, end in a stack trace, or say that all is well.
func TestEndurance(t *testing.T) {
	demarc := program(t)
	t.Run("interrupted", func(t *testing.T) { interrupted(t, demarc) })
	t.Run("output", func(t *testing.T) { brokenOutput(t, demarc) })
	t.Run("surroundings", func(t *testing.T) { surroundings(t, demarc) })
	t.Run("many", func(t *testing.T) { many(t, demarc) })
}

// program builds demarc as it is shipped.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "demarc")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// started is a run of the program.
type started struct {
	*exec.Cmd
	out, err bytes.Buffer
	peak     chan int
}

// start starts the program. It is killed if it has not ended after a minute: then it hangs.
func start(t *testing.T, in io.Reader, demarc string, args ...string) *started {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	s := &started{Cmd: exec.CommandContext(ctx, demarc, args...)}
	s.Stdin, s.Stdout, s.Stderr = in, &s.out, &s.err
	s.Env = append(os.Environ(), "COLUMNS=80")
	s.WaitDelay = time.Second // a writer may still stand behind standard input
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// ends waits for the end and returns the exit code, -1 for a signal. A stack trace and a hang are failures in any case.
func (s *started) ends(t *testing.T) int {
	t.Helper()
	err := s.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) && !errors.Is(err, syscall.EPIPE) {
		t.Fatal(err)
	}
	if text := s.err.String(); strings.Contains(text, "goroutine ") || strings.Contains(text, "panic: ") {
		t.Errorf("%s ends in a stack trace:\n%.3000s", s, text)
	}
	if s.died(syscall.SIGKILL) {
		t.Fatalf("%s hangs; so far it said\n%s", s, s.err.String())
	}
	return s.ProcessState.ExitCode()
}

func (s *started) died(of syscall.Signal) bool {
	status, ok := s.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == of
}

// watch looks at how much memory the program has had at most, in mebibytes, until it ends. It stays 0 where the system
// does not tell. What the system tells of a child that has ended holds what its parent had when it was born.
func (s *started) watch() {
	s.peak = make(chan int, 1)
	status := fmt.Sprintf("/proc/%d/status", s.Process.Pid)
	go func() {
		peak := 0
		for {
			text, err := os.ReadFile(status)
			_, after, ok := strings.Cut(string(text), "VmHWM:")
			if err != nil || !ok {
				s.peak <- peak >> 10
				return
			}
			kibibytes, _, _ := strings.Cut(strings.TrimSpace(after), " ")
			if n, err := strconv.Atoi(kibibytes); err == nil {
				peak = n
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
}

func run(t *testing.T, demarc string, args ...string) *started {
	t.Helper()
	s := start(t, nil, demarc, args...)
	s.watch()
	s.ends(t)
	return s
}

// write makes a file and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// estate writes an estate in one of the formats and returns its folder.
func estate(t *testing.T, resources int, format generate.Format) string {
	t.Helper()
	dir := t.TempDir()
	if _, _, err := (generate.Estate{Format: format, Resources: resources, Accounts: 3, Seed: 1}).WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// endless is a reader of one text again and again.
type endless struct{ text, rest string }

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		e.rest = e.text
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// packed is endless text, compressed.
func packed(text io.Reader) io.Reader {
	r, w := io.Pipe()
	go func() {
		z, err := gzip.NewWriterLevel(w, gzip.HuffmanOnly)
		if err == nil {
			_, err = io.Copy(z, text)
		}
		w.CloseWithError(err)
	}()
	return r
}

const bucket = `{"resourceType":"AWS::S3::Bucket","resourceId":"logs","resourceName":"logs","ARN":"arn:aws:s3:::logs","awsAccountId":"111122223333","awsRegion":"eu-west-1","configurationItemStatus":"OK","configuration":{"name":"logs"}}` + "\n"

// interrupted tells the program to end while it is busy with something: it ends soon, with exit code 2 and with what was
// done so far.
func interrupted(t *testing.T, demarc string) {
	inventory := estate(t, 5_000, generate.AWSConfig)

	t.Run("at many moments", func(t *testing.T) {
		whole := time.Now()
		if s := run(t, demarc, "assess", "-f", "ndjson", inventory); s.ProcessState.ExitCode() != 0 {
			t.Fatalf("exit code %d\n%s", s.ProcessState.ExitCode(), s.err.String())
		}
		took := time.Since(whole)
		for range 6 {
			after := time.Duration(rand.Int64N(int64(took)))
			s := start(t, nil, demarc, "assess", "-f", "ndjson", inventory)
			time.Sleep(after)
			interrupt(t, s)
			soon(t, s, fmt.Sprintf("%v of %v into a run", after.Round(time.Millisecond), took.Round(time.Millisecond)))
		}
	})

	t.Run("while a file is written", func(t *testing.T) {
		dir := t.TempDir()
		report := write(t, dir, "report.json", "old")
		for _, after := range []time.Duration{50, 200, 400, 800} {
			s := start(t, nil, demarc, "assess", "-f", "json", "-o", report, inventory)
			time.Sleep(after * time.Millisecond)
			interrupt(t, s)
			s.ends(t)
			text, err := os.ReadFile(report)
			if err != nil || string(text) != "old" && !json.Valid(text) {
				t.Errorf("after %v: the report is neither the old nor a new one: %v, %.100s", after, err, text)
			}
			if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
				t.Errorf("after %v: left behind: %v, %v", after, files, err)
			}
		}
	})

	for _, c := range []struct {
		name string
		in   io.Reader
	}{
		{"an endless stream", &endless{text: bucket}},
		{"an endless compressed stream", packed(&endless{text: bucket})},
		{"one endless document", io.MultiReader(strings.NewReader(`{"configurationItems":[{"resourceType":"`), &endless{text: "AWS"})},
		{"one endless member that nobody reads", io.MultiReader(strings.NewReader(`{"configurationItems":[],"x":"`), &endless{text: "y"})},
		{"endless space", &endless{text: " \n"}},
		{"endless YAML", &endless{text: "---\n# nothing\n"}},
		{"standard input that stalls", stalled(t)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, c.in, demarc, "assess", "-f", "ndjson", "-")
			time.Sleep(300 * time.Millisecond)
			interrupt(t, s)
			soon(t, s, c.name)
			if code := s.ProcessState.ExitCode(); code != 2 && !s.died(syscall.SIGINT) {
				t.Errorf("exit code %d, want 2\n%s", code, s.err.String())
			}
		})
	}

	t.Run("and says so in what it writes", func(t *testing.T) {
		for format, want := range map[string]string{"table": "Interrupted: ", "markdown": "**Interrupted: ", "json": `{"kind":"interrupted",`} {
			s := start(t, &endless{text: bucket}, demarc, "assess", "-f", format, "-")
			time.Sleep(300 * time.Millisecond)
			interrupt(t, s)
			if code := s.ends(t); code != 2 || !strings.Contains(s.out.String(), want) {
				t.Errorf("%s: exit code %d, and %q is not in\n%.500s", format, code, want, s.out.String())
			}
		}
	})

	t.Run("and takes a part for no more than that", func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "demarc.yaml")
		good := write(t, dir, "good.json", bucket)
		for _, c := range []struct{ args, want string }{
			{"explain nothing -i -", `no resource "nothing" among `},
			{"diff - " + good, "a part of what there is cannot be compared"},
			{"init -o " + file + " -", "nothing was written"},
		} {
			s := start(t, &endless{text: bucket}, demarc, strings.Fields(c.args)...)
			time.Sleep(300 * time.Millisecond)
			interrupt(t, s)
			if code := s.ends(t); code != 2 || !strings.Contains(s.err.String(), "interrupted") || !strings.Contains(s.err.String(), c.want) || s.out.Len() > 0 {
				t.Errorf("%s: exit code %d, want 2 and %q; it says\n%s\n%.300s", c.args, code, c.want, s.err.String(), s.out.String())
			}
		}
		if _, err := os.Stat(file); err == nil {
			t.Error("init has written a file of a part")
		}
	})

	t.Run("a pipe that nobody opens", func(t *testing.T) {
		dir := t.TempDir()
		pipe := filepath.Join(dir, "pipe.json")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		good := write(t, dir, "good.json", bucket)
		s := start(t, nil, demarc, "assess", "--workers", "1", "-f", "ndjson", pipe, pipe, good)
		time.Sleep(500 * time.Millisecond)
		interrupt(t, s)
		soon(t, s, "a pipe that nobody opens")
		if code := s.ProcessState.ExitCode(); code != 2 || !strings.Contains(s.out.String(), "arn:aws:s3:::logs") {
			t.Errorf("exit code %d with\n%s\nwant 2 with what the other file holds\n%s", code, s.out.String(), s.err.String())
		}
	})

	t.Run("a reader that does not read", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		s := &started{Cmd: exec.CommandContext(t.Context(), demarc, "assess", "-f", "ndjson", inventory)}
		s.Stdout, s.Stderr = w, &s.err
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if _, err := io.CopyN(io.Discard, r, 1000); err != nil { // it has begun to write
			t.Fatal(err)
		}
		interrupt(t, s)
		if code := s.ends(t); code != 2 || !strings.Contains(s.err.String(), "interrupted") {
			t.Errorf("exit code %d\n%s", code, s.err.String())
		}
	})

	t.Run("twice", func(t *testing.T) {
		pipe := filepath.Join(t.TempDir(), "pipe.json")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		s := start(t, nil, demarc, "assess", pipe)
		time.Sleep(500 * time.Millisecond)
		interrupt(t, s)
		time.Sleep(20 * time.Millisecond) // two signals at once are one
		interrupt(t, s)
		if s.ends(t); !s.died(syscall.SIGINT) && s.ProcessState.ExitCode() != 2 {
			t.Errorf("%v, want the second signal to end it", s.ProcessState)
		}
	})
}

// stalled is a pipe into which somebody may write, and does not.
func stalled(t *testing.T) *os.File {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); r.Close() })
	return r
}

func interrupt(t *testing.T, s *started) {
	t.Helper()
	if err := s.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// soon asks that a run that was told to end says so and leaves whole lines behind.
func soon(t *testing.T, s *started, when string) {
	t.Helper()
	told := time.Now()
	code := s.ends(t)
	t.Logf("%s: exit code %d after %v, with %d bytes", when, code, time.Since(told).Round(time.Millisecond), s.out.Len())
	switch {
	case code == 0, s.died(syscall.SIGINT): // it had ended, or not begun
		return
	case code == 1 && !strings.Contains(s.err.String(), "interrupted"): // nothing was read
		return
	case code != 2:
		t.Errorf("%s: exit code %d, want 2\n%s", when, code, s.err.String())
	case !strings.Contains(s.err.String(), "interrupted"):
		t.Errorf("%s: it does not say that it was interrupted, but\n%s", when, s.err.String())
	}
	if strings.Contains(s.err.String(), "not everything was written") {
		return
	}
	lines := bufio.NewScanner(bytes.NewReader(s.out.Bytes()))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if !json.Valid(lines.Bytes()) {
			t.Errorf("%s: a line that is cut off: %.200s", when, lines.Text())
		}
	}
}

var formats = []string{"table", "ndjson", "json", "csv", "markdown"}

// brokenOutput gives the program an output that does not take what it writes.
func brokenOutput(t *testing.T, demarc string) {
	inventory := estate(t, 2_000, generate.AWSConfig)

	full := func(t *testing.T, s *started) {
		t.Helper()
		if code := s.ends(t); code != 1 || !strings.Contains(s.err.String(), "no space left on device") {
			t.Errorf("%s: exit code %d, want 1 and why\n%s", s, code, s.err.String())
		}
	}
	t.Run("a full device", func(t *testing.T) {
		if _, err := os.Stat("/dev/full"); err != nil {
			t.Skip("NOT TESTED: there is no /dev/full here")
		}
		for _, format := range formats {
			full(t, start(t, nil, demarc, "assess", "-f", format, "-o", "/dev/full", inventory))
			device, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			s := &started{Cmd: exec.CommandContext(t.Context(), demarc, "assess", "-f", format, inventory)}
			s.Stdout, s.Stderr = device, &s.err
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			full(t, s)
			device.Close()
		}
	})

	t.Run("a full disk", func(t *testing.T) {
		disk := smallDisk(t, "64k")
		report := write(t, disk, "report.ndjson", "old")
		full(t, start(t, nil, demarc, "assess", "-f", "ndjson", "-o", report, inventory))
		if text, err := os.ReadFile(report); err != nil || string(text) != "old" {
			t.Errorf("the old report is gone: %v, %.100s", err, text)
		}
		if files, err := os.ReadDir(disk); err != nil || len(files) != 1 {
			t.Errorf("left behind: %v, %v", files, err)
		}
	})

	t.Run("a full disk for what does not fit in memory", func(t *testing.T) {
		disk := smallDisk(t, "256k")
		large := estate(t, 60_000, generate.OpenStack)
		s := &started{Cmd: exec.CommandContext(t.Context(), demarc, "assess", "-f", "ndjson", large)}
		s.Env = append(os.Environ(), "TMPDIR="+disk)
		s.Stdout, s.Stderr = &s.out, &s.err
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		full(t, s)
		if !strings.Contains(s.err.String(), "temporary file for what does not fit in memory") && !strings.Contains(s.err.String(), "what does not fit in memory to a temporary file") {
			t.Errorf("it does not say which disk is full:\n%s", s.err.String())
		}
		if files, err := os.ReadDir(disk); err != nil || len(files) != 0 {
			t.Errorf("left behind: %v, %v", files, err)
		}
	})

	t.Run("a folder that takes no files", func(t *testing.T) {
		s := run(t, demarc, "assess", "-o", filepath.Join(t.TempDir(), "nowhere", "report"), inventory)
		if code := s.ProcessState.ExitCode(); code != 1 || !strings.Contains(s.err.String(), "no such file or directory") {
			t.Errorf("exit code %d\n%s", code, s.err.String())
		}
	})

	t.Run("a pipe whose reader has gone", func(t *testing.T) { // demarc ... | head -1
		for _, format := range formats {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			s := &started{Cmd: exec.CommandContext(t.Context(), demarc, "assess", "-f", format, inventory)}
			s.Stdout, s.Stderr = w, &s.err
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			if _, err := bufio.NewReaderSize(r, 16).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			r.Close()
			// Who reads no more has what he wanted. The shell takes no notice of a writer that ends by this signal.
			if code := s.ends(t); !s.died(syscall.SIGPIPE) && code != 0 || s.err.Len() > 0 {
				t.Errorf("%s: %v\n%s", format, s.ProcessState, s.err.String())
			}
		}
	})
}

// smallDisk mounts a file system of some size. It takes the rights of an administrator.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: no file system can be mounted here: %v %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "umount", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	return dir
}

// surroundings reads a folder that holds whatever a file system can.
func surroundings(t *testing.T, demarc string) {
	t.Run("a folder of everything", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, "good.json", bucket)
		write(t, dir, "empty.json", "")
		write(t, dir, "line\nbreak\x1b[31m.json", "{}")
		write(t, dir, "not utf-8 \xff\xfe.json", "{}")
		write(t, dir, "\u202egnp.json", "{}")
		for name, to := range map[string]string{
			"dangling.json": "nowhere", "loop.json": "loop.json", "up": "..", "device.json": "/dev/zero", "link.json": "good.json",
		} {
			if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := syscall.Mkfifo(filepath.Join(dir, "pipe.json"), 0o600); err != nil {
			t.Fatal(err)
		}
		socket, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(socket)
		if err := syscall.Bind(socket, &syscall.SockaddrUnix{Name: filepath.Join(dir, "s.json")}); err != nil {
			t.Logf("without a socket: %v", err) // its name may be too long
		}
		closed := filepath.Join(dir, "closed")
		if err := os.Mkdir(closed, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })
		secret := write(t, dir, "secret.json", bucket)
		if err := os.Chmod(secret, 0); err != nil {
			t.Fatal(err)
		}

		s := start(t, nil, demarc, "assess", "-f", "json", dir)
		if os.Getuid() == 0 { // to whom nothing is closed
			s = startAsNobody(t, dir, demarc, "assess", "-f", "json", dir)
		}
		if code := s.ends(t); code != 2 {
			t.Errorf("exit code %d, want 2", code)
		}
		if !strings.Contains(s.out.String(), `"arn:aws:s3:::logs"`) || !json.Valid(s.out.Bytes()) {
			t.Errorf("the good file is not read:\n%.500s", s.out.String())
		}
		said := s.err.String()
		for _, want := range []string{
			`empty.json: refused: the input is empty`, `line\nbreak\x1b[31m.json: refused: an empty object`, `not utf-8 \xff\xfe.json: refused`, `\u202egnp.json: refused`,
			`dangling.json: refused: open: no such file or directory`, `loop.json: refused: open: too many levels of symbolic links`,
			`closed: denied: open`, `secret.json: denied: open: permission denied`,
		} {
			if !strings.Contains(said, want) {
				t.Errorf("it says nothing of %q", want)
			}
		}
		if strings.ContainsAny(said, "\x1b\u202e") || strings.Contains(said, "\xff") || t.Failed() {
			t.Errorf("it says\n%s", said)
		}
		notes := s.out.String()
		for _, want := range []string{"1 links lead to other directories", " are no files"} {
			if !strings.Contains(notes, want) {
				t.Errorf("the notes do not tell that %s", want)
			}
		}
	})

	t.Run("a link to a folder", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "exports"), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, dir, "exports/good.json", bucket)
		link := filepath.Join(dir, "latest")
		if err := os.Symlink("exports", link); err != nil {
			t.Fatal(err)
		}
		if s := run(t, demarc, "assess", "-f", "ndjson", link); s.ProcessState.ExitCode() != 0 || !strings.Contains(s.out.String(), "arn:aws:s3:::logs") {
			t.Errorf("%v\n%s%s", s.ProcessState, s.out.String(), s.err.String())
		}
	})

	t.Run("what is no file", func(t *testing.T) {
		for _, path := range []string{"/dev/zero", "/dev/null", "/dev/urandom"} {
			if s := run(t, demarc, "assess", path); s.ProcessState.ExitCode() != 1 || !strings.HasPrefix(s.err.String(), "demarc: "+path) {
				t.Errorf("%s: %v\n%s", path, s.ProcessState, s.err.String())
			}
		}
	})

	t.Run("standard streams that are closed", func(t *testing.T) {
		script := `"$0" assess "$1" >&-; echo "$?"; "$0" assess "$1" 2>&- >/dev/null; echo "$?"; "$0" assess - <&-; echo "$?"`
		out, err := exec.CommandContext(t.Context(), "sh", "-c", script, demarc, write(t, t.TempDir(), "good.json", bucket)).Output()
		if err != nil || string(out) != "0\n0\n1\n" { // Go opens the null device in place of what is closed
			t.Errorf("%v: exit codes %q, want 0, 0 and 1", err, out)
		}
	})
}

// startAsNobody runs the program without the rights of an administrator.
func startAsNobody(t *testing.T, dir, demarc string, args ...string) *started {
	t.Helper()
	for _, d := range []string{filepath.Dir(demarc), filepath.Dir(filepath.Dir(demarc)), dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const nobody = 65534
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &started{Cmd: exec.CommandContext(t.Context(), demarc, args...)}
	s.Stdout, s.Stderr = &s.out, &s.err
	s.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := s.Start(); err != nil {
		t.Skipf("NOT TESTED: the program cannot be run without rights here: %v", err)
	}
	return s
}

// many gives the program very many of something that is bad, or small.
func many(t *testing.T, demarc string) {
	if testing.Short() {
		t.Skip("writes many files")
	}
	const mebibytes = 128 // that a run may take, whatever its size
	told := func(t *testing.T, s *started, first, rest string) {
		t.Helper()
		said := s.err.String()
		if code := s.ProcessState.ExitCode(); code != 2 {
			t.Errorf("exit code %d, want 2", code)
		}
		if lines := strings.Count(said, "\n"); lines > 25 || !strings.Contains(said, first) || !strings.Contains(said, rest) {
			t.Errorf("it says in %d lines\n%.3000s\nwant %q and %q in it", lines, said, first, rest)
		}
		if got := <-s.peak; got > mebibytes {
			t.Errorf("it took %d MiB, want at most %d", got, mebibytes)
		} else {
			t.Logf("%d MiB", got)
		}
	}

	t.Run("mistakes, all alike", func(t *testing.T) {
		text := bucket + strings.Repeat("{}\n", 200_000) + `{"error":{"code":"AccessDenied","message":"no"}}`
		s := run(t, demarc, "assess", "-f", "ndjson", write(t, t.TempDir(), "a.ndjson", text))
		told(t, s, "refused: an empty object", "denied: an error body, AccessDenied")
		if n := strings.Count(s.err.String(), "an empty object"); n != 3 || !strings.Contains(s.err.String(), "(and 199997 more like it)") {
			t.Errorf("one mistake is told %d times\n%s", n, s.err.String())
		}
	})

	t.Run("mistakes, each another", func(t *testing.T) {
		var text strings.Builder
		text.WriteString(bucket)
		for i := range 50_000 {
			fmt.Fprintf(&text, "{%q:1}\n", fmt.Sprintf("%06d\u202e%s", 50_000-i, strings.Repeat("x", 500)))
		}
		s := run(t, demarc, "assess", "-f", "ndjson", write(t, t.TempDir(), "a.ndjson", text.String()))
		told(t, s, `its members are 000500\u202exxx`, "and 49990 more")
	})

	t.Run("files", func(t *testing.T) {
		dir := t.TempDir()
		const files = 30_000
		for i := range files {
			if i%1000 == 0 {
				if err := os.Mkdir(filepath.Join(dir, fmt.Sprint(i/1000)), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			text := strings.ReplaceAll(bucket, "logs", fmt.Sprint("logs", i%500))
			if i%2 == 1 {
				text = "{}"
			}
			write(t, dir, fmt.Sprintf("%d/%d.json", i/1000, i), text)
		}
		s := run(t, demarc, "assess", "-f", "ndjson", dir)
		told(t, s, "refused: an empty object", "(and 14997 more like it)")
		if n := strings.Count(s.out.String(), `"type":"AWS::S3::Bucket"`); n != 250 {
			t.Errorf("%d buckets, want 250", n)
		}
	})
}
