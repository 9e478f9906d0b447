package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report"
	"github.com/demarc/demarc/internal/report/csv"
	"github.com/demarc/demarc/internal/report/jsondoc"
	"github.com/demarc/demarc/internal/report/markdown"
	"github.com/demarc/demarc/internal/report/ndjson"
	"github.com/demarc/demarc/internal/report/table"
)

// outputFlags are the flags of every command that writes a result.
type outputFlags struct {
	format  string
	file    string
	allowed []string
}

func (o *outputFlags) add(cmd *cobra.Command, allowed ...string) {
	o.allowed = allowed
	cmd.Flags().StringVarP(&o.format, "format", "f", allowed[0], "output `FORMAT`: "+strings.Join(allowed, ", "))
	cmd.Flags().StringVarP(&o.file, "output", "o", "", "write to `FILE` instead of standard output")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
}

func (o *outputFlags) check() error {
	if !slices.Contains(o.allowed, o.format) {
		return fmt.Errorf("--format %q: expected one of %s", o.format, strings.Join(o.allowed, ", "))
	}
	return nil
}

// write calls f with where the result goes. A file is complete or not there: it is renamed into its place. What is there
// and is no file, such as a device or a pipe, is written to.
func (a *app) write(o *outputFlags, f func(io.Writer) error) error {
	if o.file == "" || o.file == "-" {
		return f(a.Out)
	}
	if info, err := os.Stat(o.file); err == nil && !info.Mode().IsRegular() {
		out, err := os.OpenFile(o.file, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(f(out), out.Close())
	}
	tmp, err := os.CreateTemp(dirOf(o.file), ".demarc-*")
	if err != nil {
		return err
	}
	a.unfinished.Store(tmp.Name())
	defer func() {
		_ = os.Remove(tmp.Name()) // after the renaming it is not there
		a.unfinished.Store("")
	}()
	if err := errors.Join(f(tmp), tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", o.file, err)
	}
	if err := os.Chmod(tmp.Name(), 0o644); err != nil { //nolint:gosec // a report is for others to read
		return err
	}
	return os.Rename(tmp.Name(), o.file)
}

func dirOf(name string) string {
	if i := strings.LastIndexByte(name, os.PathSeparator); i >= 0 {
		return name[:i+1]
	}
	return "."
}

// printer returns a printer for text: as wide as the terminal, 100 columns elsewhere, and colours on a terminal only.
func (a *app) printer(w io.Writer) *table.Printer {
	width, color := 100, false
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		color = !a.noColor && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			width = n
		}
	}
	if n := a.getenv("COLUMNS"); n != "" {
		var columns int
		if _, err := fmt.Sscanf(n, "%d", &columns); err == nil && columns > 0 {
			width = columns
		}
	}
	return table.NewPrinter(w, width, color)
}

func (a *app) assessCommand() *cobra.Command {
	var in inputFlags
	var out outputFlags
	var sf storeFlags
	var gates []string
	whole := false
	cmd := &cobra.Command{
		Use:   "assess [PATH...]",
		Short: "Read inventories, plans and templates; say who holds what, and what nobody has proven",
		Long: `Reads every PATH (files, directories, - for standard input), decides who holds each security duty of each
resource, and judges whether our part is done. What a file is is recognised from its content.

Exit codes: 0 done, 1 usage or runtime error, 2 done but something could not be read, 3 a gate failed.`,
		Example: `  demarc assess examples/northwind
  aws ec2 describe-instances | demarc assess -
  demarc assess -f ndjson exports/ > answers.ndjson
  demarc assess --fail-on high exports/
  demarc assess --store demarc.db --fail-on move exports/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			gate, err := parseGates(gates)
			if err != nil {
				return err
			}
			if in.recorder, err = a.recorder(cmd.Context(), &sf, whole); err != nil {
				return err
			}
			if in.recorder != nil {
				defer in.recorder.store.Close()
			} else if gate.move {
				return errors.New("--fail-on move needs a store to compare with: --store")
			}
			r, err := a.pipeline(cmd.Context(), &in, args)
			if err != nil {
				return err
			}
			defer r.close()
			// It is stored before it is reported: whoever reads the report may go away, as head does.
			var scan demarc.Scan
			var unstored error
			if in.recorder != nil {
				if scan, unstored = in.recorder.record(cmd.Context(), r); unstored == nil {
					a.stored(in.recorder.store.Name(), &scan)
				}
			}
			if err := a.write(&out, func(w io.Writer) error { return a.report(w, out.format, r) }); err != nil {
				return errors.Join(unstored, err)
			}
			if unstored != nil {
				a.tell(r.Result)
				return unstored
			}
			fails := gate.fails(r) || gate.move && scan.Moves > 0
			return a.end(r, fails)
		},
	}
	in.add(cmd)
	out.add(cmd, "table", "ndjson", "json", "csv", "markdown")
	cmd.Flags().StringArrayVar(&gates, "fail-on", nil, "exit with 3 on a gap of this `SEVERITY` or worse, on any \"gap\", or with a store on any \"move\"")
	sf.addPlace(cmd)
	cmd.Flags().BoolVar(&whole, "whole", false, "the inputs are everything there is: in the store, what they do not have is gone, wherever it was")
	return cmd
}

// stored tells what a scan has changed in the store.
func (a *app) stored(name string, c *demarc.Scan) {
	if a.quiet {
		return
	}
	text := fmt.Sprintf("stored as scan %d in %s: %d new, %d changed, %d gone; %d moves", c.ID, name, c.Added, c.Changed, c.Removed, c.Moves)
	if c.Stale > 0 {
		text += fmt.Sprintf("; %d were not looked at and stay", c.Stale)
	}
	fmt.Fprintln(a.Err, text)
}

func (a *app) report(w io.Writer, format string, r *run) error {
	switch format {
	case "ndjson":
		return ndjson.Write(w, r.about(), r.Answers())
	case "json":
		return jsondoc.Write(w, r.about(), r.Answers(), r.told)
	case "csv":
		return csv.Write(w, r.about(), r.Answers())
	case "markdown":
		return markdown.Summary(w, r.summary(), r.checkTitle)
	default:
		p := a.printer(w)
		table.Overview(p, r.summary(), r.checkTitle)
		if !a.quiet {
			a.notes(p, r)
		}
		return p.Err()
	}
}

// notes tells what was read and what was not, below the overview.
func (a *app) notes(p *table.Printer, r *run) {
	p.Title("Read")
	text := fmt.Sprintf("%d documents became %d resources", r.Documents, r.Resources)
	if r.Parts > 0 {
		text += fmt.Sprintf("; %d are part of another", r.Parts)
	}
	p.Wrap(2, text+".")
	for _, kind := range []demarc.NoteKind{
		demarc.NoteRefused, demarc.NoteDenied, demarc.NoteSkipped, demarc.NoteUnclassified, demarc.NoteBadValue, demarc.NoteNotAttached,
		demarc.NoteDuplicate, demarc.NoteAmbiguous, demarc.NotePassedOver, demarc.NoteNoTenant, demarc.NoteStale, demarc.NoteEstate, demarc.NoteCatalog,
	} {
		n := r.Notes.Count[kind]
		if n == 0 {
			continue
		}
		var first string
		for i := range r.Notes.Kept {
			if note := &r.Notes.Kept[i]; note.Kind == kind {
				first = note.Message
				if note.Pos.Input != "" {
					first = position(note.Pos) + ": " + first
				}
				break
			}
		}
		if n > 1 {
			first = "first " + first
		}
		p.Wrap(2, fmt.Sprintf("%s: %d (%s)", kind, n, first))
	}
	if r.Drift.Count > 0 {
		d := &r.Drift.Kept[0]
		p.Wrap(2, fmt.Sprintf("drift: %d (first %s: %s is %s, and %s says %s)", r.Drift.Count, d.Resource, d.Fact, d.Kept, position(d.From), d.Other))
	}
}

// gate is when a run fails.
type gate struct {
	any      bool
	move     bool
	severity demarc.Severity
	set      bool
}

func parseGates(list []string) (gate, error) {
	g := gate{severity: demarc.Critical}
	for _, text := range list {
		if text == "gap" {
			g.any = true
			continue
		}
		if text == "move" {
			g.move = true
			continue
		}
		var s demarc.Severity
		if err := s.UnmarshalText([]byte(text)); err != nil {
			return g, fmt.Errorf("--fail-on %q: expected gap, move, critical, high, medium, low or informational", text)
		}
		g.severity, g.set = min(g.severity, s), true
	}
	return g, nil
}

// fails reports whether any duty has a gap that the gate is about.
func (g gate) fails(r *run) bool {
	if !g.any && !g.set {
		return false
	}
	for a := range r.Answers() {
		for d := range a.Duties {
			if d.Gap() != "" && (g.any || d.Severity() >= g.severity) {
				return true
			}
		}
	}
	return false
}

// about says what the answers of a run rest on.
func (r *run) about() demarc.Run {
	return demarc.Run{
		Organization: r.estate.Organization, Catalog: r.book.Digest(), Estate: r.estate.Digest, AsOf: r.asOf,
		Documents: r.Documents, Parts: r.Parts, Interrupted: r.Interrupted,
	}
}

// told returns what there is to tell of a run, once its answers were gone through.
func (r *run) told() []demarc.Note {
	if !r.Interrupted {
		return r.Notes.Kept
	}
	return append(slices.Clip(r.Notes.Kept), demarc.Note{Kind: demarc.NoteInterrupted, Pos: demarc.Position{Offset: -1}, Message: "what was read so far is judged"})
}

func (r *run) summary() *report.Summary { return report.Summarize(r.Answers(), r.about) }

// checkTitle returns the title of a check by its full id, such as "aws/rds/public-access".
func (r *run) checkTitle(id string) string {
	if c := r.book.Check(id); c != nil {
		return c.Title
	}
	return id
}
