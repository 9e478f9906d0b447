package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/scan"
)

// inputFlags are the flags of every command that looks at resources.
type inputFlags struct {
	inputs      []string
	estatePath  string
	assumptions []string
	asOf        string
	workers     int
	comparable  bool      // ids must not tell from which input they came
	stdin       io.Reader // instead of the app's, if not nil
	prior       bool      // the input is a Terraform plan, and what was there before it is asked for
	recorder    *recorder // where the run is to be stored; nil for nowhere
}

func (f *inputFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.inputs, "input", "i", nil, "read `PATH`: a file, a directory, or - for standard input (may be repeated)")
	flags.StringVar(&f.estatePath, "estate", "", "what the organization declares: `FILE`; by default a demarc.yaml beside the first input or in the working directory")
	flags.StringArrayVar(&f.assumptions, "assumptions", nil, "what the organization believes today, from a CSV `FILE` with where or service, duty, holder")
	flags.StringVar(&f.asOf, "as-of", "", "judge as of `DAY`, as 2026-11-23; by default today")
	flags.IntVar(&f.workers, "workers", 0, "processors to use; by default all")
}

// run is everything that a command knows after the pipeline has run.
type run struct {
	*scan.Result
	book   *rulebook.Rulebook
	estate *estate.Estate
	asOf   time.Time

	filter  demarc.Filter // what Answers keeps of the resources
	stored  *stored       // where the answers come from, if not from Result
	closing func() error
}

// close gives back what the result holds; there is nothing to be done about a failure.
func (r *run) close() { _ = r.closing() }

// pipeline reads the inputs that a command was given and judges what is in them.
func (a *app) pipeline(ctx context.Context, f *inputFlags, args []string) (*run, error) {
	paths := append(append([]string(nil), f.inputs...), args...)
	book, err := a.rulebook()
	if err != nil {
		return nil, err
	}
	asOf := time.Now().UTC()
	if f.asOf != "" {
		if asOf, err = time.Parse(time.DateOnly, f.asOf); err != nil {
			return nil, fmt.Errorf("--as-of %q: expected a day, as 2026-11-23", f.asOf)
		}
	}
	asOf = asOf.Truncate(24 * time.Hour)
	est, err := a.estate(book, f, paths)
	if err != nil {
		return nil, err
	}
	if f.recorder != nil {
		if err := f.recorder.declared(ctx, book, est, asOf); err != nil {
			return nil, err
		}
	}
	sources, notes, err := a.sources(ctx, book, est, paths, f)
	if err != nil {
		return nil, err
	}
	if f.recorder != nil {
		if err := f.recorder.remember(f, paths, sources); err != nil {
			return nil, err
		}
	}
	workers := f.workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	a.log.DebugContext(ctx, "run begins", "inputs", len(sources), "services", len(book.ServiceIDs()), "estate", est.Digest, "workers", workers)
	begin := time.Now()
	release := a.limitMemory()
	progress, done := a.progress()
	result, err := scan.Run(ctx, scan.Config{Book: book, Estate: est, AsOf: asOf, Sources: sources, Workers: workers, Progress: progress})
	done()
	if err != nil {
		release()
		return nil, err
	}
	a.log.InfoContext(ctx, "run finished", "documents", result.Documents, "resources", result.Resources, "spilled_bytes", result.Spilled, "took", time.Since(begin))
	for _, n := range notes {
		result.Notes.Add(n)
	}
	if result.Resources == 0 && result.Documents == 0 && result.Notes.Count[demarc.NoteRefused]+result.Notes.Count[demarc.NoteDenied] > 0 {
		release()
		a.tell(result)
		return nil, errors.Join(errReported, result.Close()) // nothing could be done
	}
	closing := func() error {
		release()
		return result.Close()
	}
	return &run{Result: result, book: book, estate: est, asOf: asOf, closing: closing}, nil
}

// limitMemory has garbage collected before a run takes more memory than it should, unless somebody has said how much that
// is. It returns what to call when the run is over.
func (a *app) limitMemory() (release func()) { return a.memoryLimit(scan.MemoryLimit) }

// freeMemory takes the limit back for what holds more than a run does, where it would have garbage collected all the time. It
// returns what to call when that is over.
func (a *app) freeMemory() (release func()) { return a.memoryLimit(math.MaxInt64) }

func (a *app) memoryLimit(limit int64) (release func()) {
	if a.getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	before := debug.SetMemoryLimit(limit)
	return func() { debug.SetMemoryLimit(before) }
}

// estate loads what the organization declares: the file that was named, or demarc.yaml beside the first input or here.
func (a *app) estate(book *rulebook.Rulebook, f *inputFlags, paths []string) (*estate.Estate, error) {
	est := &estate.Estate{}
	path := f.estatePath
	if path == "" {
		path = findEstate(paths)
	}
	if path != "" {
		var err error
		if est, err = estate.Load(path, book.Parties()); err != nil {
			return nil, err
		}
	}
	for _, name := range f.assumptions {
		in, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		list, err := estate.ParseAssumptionsCSV(name, in)
		if err := errors.Join(err, in.Close()); err != nil {
			return nil, err
		}
		est.Assumptions = append(est.Assumptions, list...)
	}
	return est, nil
}

func findEstate(paths []string) string {
	dirs := []string{"."}
	if len(paths) > 0 && paths[0] != "-" {
		dir := paths[0]
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			dir = filepath.Dir(dir)
		}
		dirs = []string{dir, "."}
	}
	for _, dir := range dirs {
		name := filepath.Join(dir, "demarc.yaml")
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			return name
		}
	}
	return ""
}

// sources turns paths into sources. A path that the estate names is that source; without any path, all that it names are read.
func (a *app) sources(ctx context.Context, book *rulebook.Rulebook, est *estate.Estate, paths []string, f *inputFlags) ([]scan.Source, []demarc.Note, error) {
	if len(paths) == 0 {
		for _, s := range est.Sources {
			if s.Path != "" {
				paths = append(paths, s.Path)
			}
		}
	}
	if len(paths) == 0 {
		return nil, nil, errors.New("nothing to read: name a file or a directory, or - for standard input")
	}
	var out []scan.Source
	var notes []demarc.Note
	envelopes := book.EnvelopeIndex()
	stdin := a.In
	if f.stdin != nil {
		stdin = f.stdin
	}
	for _, path := range paths {
		inputs, found, err := file.Find(ctx, path, demarc.Source{Name: path})
		if err != nil {
			if p, ok := errors.AsType[*fs.PathError](err); ok {
				return nil, nil, fmt.Errorf("%s: %w", path, p.Err)
			}
			return nil, nil, err
		}
		notes = append(notes, found...)
		for _, in := range inputs {
			declare(est, &in)
			if f.comparable || f.recorder != nil {
				if !in.Source.Declared {
					in.Source.Name = "input"
				}
				if in.Named {
					in.Source.Input = ""
				}
			}
			out = append(out, &file.Source{Input: in, Stdin: stdin, Envelopes: envelopes, Prior: f.prior})
		}
	}
	return out, notes, nil
}

// declare gives an input what the estate says of the source that it lies in: the one with the longest path.
func declare(est *estate.Estate, in *file.Input) {
	if in.Path == "-" {
		return
	}
	abs, err := filepath.Abs(in.Path)
	if err != nil {
		return
	}
	best := -1
	for i := range est.Sources {
		s := &est.Sources[i]
		if s.Path == "" {
			continue
		}
		root, err := filepath.Abs(s.Path)
		if err != nil || abs != root && !within(abs, root) || len(root) <= best {
			continue
		}
		best = len(root)
		rel, err := filepath.Rel(root, abs)
		if err != nil || rel == "." {
			rel = filepath.Base(abs)
		}
		own := *in.Source
		own.Name, own.Declared, own.Provider, own.Account, own.Region = s.Name, true, s.Provider, s.Account, s.Region
		own.Input = filepath.ToSlash(rel)
		in.Source = &own
	}
}

func within(path, root string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && rel != ".." && !(len(rel) > 2 && rel[:3] == ".."+string(filepath.Separator))
}

// progress returns what to call with the number of documents read, and what to call at the end. It shows something on
// a terminal only.
func (a *app) progress() (func(int64), func()) {
	if a.quiet || !isTerminal(a.Err) {
		return nil, func() {}
	}
	last := time.Time{}
	shown := false
	return func(n int64) {
			if now := time.Now(); now.Sub(last) > 200*time.Millisecond {
				last, shown = now, true
				fmt.Fprintf(a.Err, "\r%d documents", n)
			}
		}, func() {
			if shown {
				fmt.Fprint(a.Err, "\r\x1b[K")
			}
		}
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// tell writes what could not be read to standard error: of each kind the first few, and of what is said often its first
// places.
func (a *app) tell(r *scan.Result) {
	const most = 10 // of a kind
	lines := map[demarc.NoteKind]int{}
	places := map[demarc.NoteKind]map[string]int{}
	rest := 0
	for kind, n := range r.Notes.Count {
		places[kind] = map[string]int{}
		if kind.Incomplete() {
			rest += n
		}
	}
	for _, n := range r.Notes.Kept {
		if !n.Kind.Incomplete() || lines[n.Kind] == most {
			continue
		}
		lines[n.Kind]++
		places[n.Kind][n.Message]++
		rest--
		more := ""
		if further := r.Notes.Times(n) - places[n.Kind][n.Message]; further > 0 && places[n.Kind][n.Message] == inventory.KeptPlaces {
			more = fmt.Sprintf(" (and %d more like it)", further)
			rest -= further
		}
		a.complain("%s: %s: %s%s", position(n.Pos), n.Kind, oneLine(n.Message), more)
	}
	if rest > 0 {
		a.complain("and %d more", rest)
	}
	if r.Interrupted {
		a.complain("interrupted: what was read so far is judged")
	}
}

// oneLine keeps a text from outside on its line.
func oneLine(text string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(text)
}

func position(p demarc.Position) string {
	name := oneLine(p.Input)
	if name == "-" {
		name = "standard input"
	}
	switch {
	case p.Line > 0 && p.Column > 0:
		return fmt.Sprintf("%s:%d:%d", name, p.Line, p.Column)
	case p.Line > 0:
		return fmt.Sprintf("%s:%d", name, p.Line)
	case p.Offset > 0:
		return fmt.Sprintf("%s: byte %d", name, p.Offset)
	default:
		return name
	}
}

// end returns how a command that has run the pipeline ends.
func (a *app) end(r *run, gate bool) error {
	r.Finish()
	a.tell(r.Result)
	switch {
	case r.stored != nil && r.stored.err != nil:
		return r.stored.err
	case gate:
		return outcome{exitGate}
	case r.Incomplete():
		return outcome{exitIncomplete}
	default:
		return nil
	}
}
