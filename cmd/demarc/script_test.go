package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	reader "github.com/parquet-go/parquet-go"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/demarc/demarc/internal/cli"
	"github.com/demarc/demarc/internal/report/parquet"
)

// TestMain makes the test binary the command demarc for the stories.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"demarc": func() {
			os.Exit(cli.Main(context.Background(), os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Getenv))
		},
	})
}

// TestScript runs the stories of testdata/script: each is a terminal session as a user has it.
func TestScript(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join(root, "testdata", "script"),
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXAMPLES", filepath.Join(root, "examples"))
			env.Setenv("COLUMNS", "80")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":     exits,
			"samelines": sameLines,
		},
	})
}

// exits runs a command and asks for its exit code: exits 2 demarc assess x.json
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got, want := code, args[0]; want != strconv.Itoa(got) {
		ts.Fatalf("exit code %d, want %s", got, want)
	}
}

// sameLines asks that a Parquet file has the rows of a file of JSON lines: samelines duties out.parquet out.ndjson
func sameLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: samelines duties|moves|findings PARQUET NDJSON")
	}
	var got bytes.Buffer
	var rows int
	var err error
	switch args[0] {
	case "duties":
		rows, err = lines[parquet.Duty](&got, ts.MkAbs(args[1]))
	case "moves":
		rows, err = lines[parquet.Move](&got, ts.MkAbs(args[1]))
	case "findings":
		rows, err = lines[parquet.Finding](&got, ts.MkAbs(args[1]))
	default:
		ts.Fatalf("%q: expected duties, moves or findings", args[0])
	}
	ts.Check(err)
	if want := ts.ReadFile(args[2]); rows == 0 || got.String() != want {
		ts.Fatalf("%d rows in %s:\n%s\nwant\n%s", rows, args[1], got.String(), want)
	}
}

func lines[T any](to *bytes.Buffer, name string) (int, error) {
	rows, err := reader.ReadFile[T](name)
	if err != nil {
		return 0, err
	}
	return len(rows), parquet.WriteLines(to, func(yield func(T, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	})
}
