// Package cli is the command line of demarc: one file for each command.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// Streams are the standard streams of a run.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// The exit codes. They are part of the interface: README.md.
const (
	exitDone       = 0
	exitError      = 1 // usage or runtime error: nothing useful was done
	exitIncomplete = 2 // done, but something could not be read
	exitGate       = 3 // a gate that --fail-on asked for failed; goes before exitIncomplete
)

// outcome ends a command that did its work with an exit code other than 0.
type outcome struct{ code int }

func (o outcome) Error() string { return fmt.Sprintf("exit code %d", o.code) }

// errReported ends a command whose error has been shown already.
var errReported = errors.New("reported")

// app is what every command is given: the streams, the environment and the flags of all commands.
type app struct {
	Streams
	getenv func(string) string
	log    *slog.Logger

	catalogDirs []string
	noColor     bool
	quiet       bool
	patience    atomic.Int64 // time.Duration: how long after an interruption the command may still take
	unfinished  atomic.Value // string: a file that is being written, under a name that nobody asked for
	logLevel    string
	logFormat   string
	offline     bool
}

// openLog makes the log that the flags ask for.
func (a *app) openLog() error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
		return fmt.Errorf("--log-level %q: expected debug, info, warn or error", a.logLevel)
	}
	options := &slog.HandlerOptions{Level: level}
	switch a.logFormat {
	case "text":
		a.log = slog.New(slog.NewTextHandler(a.Err, options))
	case "json":
		a.log = slog.New(slog.NewJSONHandler(a.Err, options))
	default:
		return fmt.Errorf("--log-format %q: expected text or json", a.logFormat)
	}
	return nil
}

// patience is how long a command may take after the context has ended, so that a person who presses Ctrl-C has the
// terminal back within a second, whatever a command waits for. A command that serves others may take longer.
const patience = 950 * time.Millisecond

// Main runs a command line and returns its exit code. When ctx ends it returns soon, though the command may still wait
// for a file or a reader that does not answer.
func Main(ctx context.Context, args []string, streams Streams, getenv func(string) string) int {
	a := &app{Streams: streams, getenv: getenv}
	a.patience.Store(int64(patience))
	done := make(chan int, 1)
	go func() { done <- a.main(ctx, args) }()
	select {
	case code := <-done:
		return code
	case <-ctx.Done():
	}
	select {
	case code := <-done:
		return code
	case <-time.After(time.Duration(a.patience.Load())):
		if name, ok := a.unfinished.Load().(string); ok && name != "" {
			_ = os.Remove(name)
		}
		a.complain("interrupted: something does not answer, and not everything was written")
		return exitIncomplete
	}
}

func (a *app) main(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	err := root.ExecuteContext(ctx)
	var done outcome
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &done):
		return done.code
	case errors.Is(err, errReported):
		return exitError
	default:
		a.complain("%v", err)
		return exitError
	}
}

// complain writes a line to standard error. What names and documents from outside hold cannot move the cursor.
func (a *app) complain(format string, args ...any) {
	fmt.Fprintln(a.Err, "demarc: "+printable(fmt.Sprintf(format, args...)))
}

// printable returns a text with everything that a terminal would act on or not show written as in Go source; line breaks
// and tabs stay.
func printable(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r == '\n' || r == '\t' || unicode.IsGraphic(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		i += size
	}
	return b.String()
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "demarc",
		Short: "Who holds each security duty of each cloud resource, why, and is our part done?",
		Long: `demarc finds the demarcation line of the cloud's shared responsibility model, for every resource
an organization runs: who holds each security duty, on what ground, whether our part is done,
and what moved. It reads inventories, plans and templates in the providers' own formats.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := root.PersistentFlags()
	flags.StringArrayVar(&a.catalogDirs, "catalog", nil, "add or override services from `DIR`, in the format of the catalog")
	flags.BoolVar(&a.noColor, "no-color", false, "no colours; so does the environment variable NO_COLOR")
	flags.BoolVar(&a.quiet, "quiet", false, "only results and errors")
	flags.StringVar(&a.logLevel, "log-level", "warn", "`LEVEL` of the log on standard error: debug, info, warn, error")
	flags.StringVar(&a.logFormat, "log-format", "text", "`FORMAT` of the log: text, json")
	flags.BoolVar(&a.offline, "offline", false, "no network; without live sources demarc never uses any")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.openLog() }
	root.AddCommand(
		a.assessCommand(), a.explainCommand(), a.gapsCommand(), a.matrixCommand(), a.diffCommand(), a.compareCommand(),
		a.scansCommand(), a.resourcesCommand(), a.movesCommand(), a.acceptCommand(), a.attestCommand(), a.exceptCommand(), a.assignCommand(), a.withdrawCommand(), a.declarationsCommand(), a.storeCommand(),
		a.catalogCommand(), a.initCommand(), a.serveCommand(), a.tokenCommand(), a.versionCommand(),
	)
	return root
}
