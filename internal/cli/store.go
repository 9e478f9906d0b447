package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"os/user"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/scan"
	"github.com/demarc/demarc/internal/store"
)

// storeFlags say which store, and which organization in it.
type storeFlags struct {
	place        string
	organization string
}

func (f *storeFlags) add(cmd *cobra.Command) {
	f.addPlace(cmd)
	cmd.Flags().StringVar(&f.organization, "organization", "", "the `NAME` of the organization, where the store has several; - for the one without a name")
}

// addPlace adds the flag for the store alone: the estate names the organization.
func (f *storeFlags) addPlace(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.place, "store", "", "the history in `FILE|URL`: a SQLite file or postgres://...; by default what the environment variable DEMARC_STORE says")
}

// given reports whether a store was named.
func (a *app) given(f *storeFlags) bool {
	if f.place == "" {
		f.place = a.getenv("DEMARC_STORE")
	}
	return f.place != ""
}

// openStore opens the store that the flags name.
func (a *app) openStore(ctx context.Context, f *storeFlags, o store.Options) (*store.Store, error) {
	if !a.given(f) {
		return nil, errors.New("name the store: --store FILE, or --store with the URL of a PostgreSQL database")
	}
	o.Log = a.log
	if !a.quiet {
		o.Waiting = func(name string) { a.complain("store %s: another process writes to it; waiting for it to end", name) }
	}
	s, err := store.Open(ctx, f.place, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// at says which organization and scan a command is about: the only one that the store has, or the one that was named.
func (f *storeFlags) at(ctx context.Context, s *store.Store, scan demarc.ScanID) (demarc.At, error) {
	at := demarc.At{Organization: f.organization, Scan: scan}
	switch f.organization {
	case "":
	case "-":
		at.Organization = ""
		return at, nil
	default:
		return at, nil
	}
	list, err := s.Organizations(ctx)
	if err != nil {
		return at, err
	}
	switch len(list) {
	case 0:
		return at, fmt.Errorf("%s holds nothing yet: demarc assess --store writes to it", s.Name())
	case 1:
		at.Organization = list[0].Name
		return at, nil
	}
	names := make([]string, len(list))
	for i, o := range list {
		names[i] = strconv.Quote(o.Name)
	}
	return at, fmt.Errorf("%s holds several organizations; name one with --organization: %s", s.Name(), strings.Join(names, ", "))
}

// openAt opens the store that the flags name, and says which organization and scan in it they are about.
func (a *app) openAt(ctx context.Context, f *storeFlags, o store.Options, scan demarc.ScanID) (*store.Store, demarc.At, error) {
	s, err := a.openStore(ctx, f, o)
	if err != nil {
		return nil, demarc.At{}, err
	}
	at, err := f.at(ctx, s, scan)
	if err != nil {
		return nil, at, errors.Join(err, s.Close())
	}
	return s, at, nil
}

// actor is who runs the command, for the audit log.
func (a *app) actor() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

// stored is a scan of a store in the place of a run of the pipeline.
type stored struct {
	store  *store.Store
	at     demarc.At
	filter demarc.Filter
	ctx    context.Context //nolint:containedctx // of the one command that reads it
	about  demarc.Scan
	err    error // that ended the answers early
}

// Answers goes through the answers of the run, be they just worked out or from a store.
func (r *run) Answers() iter.Seq[*demarc.Answer] {
	if r.stored == nil && r.filter.IsZero() {
		return r.Result.Answers()
	}
	if r.stored == nil {
		return func(yield func(*demarc.Answer) bool) {
			for answer := range r.Result.Answers() {
				if r.filter.MatchResource(&answer.Resource) && r.filter.MatchExposure(answer.Standing) && !yield(answer) {
					return
				}
			}
		}
	}
	return func(yield func(*demarc.Answer) bool) {
		for answer, err := range r.stored.store.Answers(r.stored.ctx, r.stored.at, r.stored.filter) {
			if err != nil {
				r.stored.err = err
				return
			}
			if !yield(answer) {
				return
			}
		}
	}
}

// fromStore makes a run of a stored scan: with the catalog and the estate that it used.
func (a *app) fromStore(ctx context.Context, f *storeFlags, id demarc.ScanID, filter demarc.Filter) (*run, error) {
	s, err := a.openStore(ctx, f, store.Options{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	r, err := a.storedRun(ctx, s, f, id, filter)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	r.closing = s.Close
	return r, nil
}

func (a *app) storedRun(ctx context.Context, s *store.Store, f *storeFlags, id demarc.ScanID, filter demarc.Filter) (*run, error) {
	at, err := f.at(ctx, s, id)
	if err != nil {
		return nil, err
	}
	about, err := s.Scan(ctx, at)
	if err != nil {
		return nil, err
	}
	at.Scan = about.ID
	overview, err := s.Overview(ctx, at, filter)
	if err != nil {
		return nil, err
	}
	r := &run{
		Result: &scan.Result{Resources: overview.Resources, Documents: about.Documents}, estate: &estate.Estate{Organization: about.Organization, Digest: about.Estate}, asOf: about.AsOf, filter: filter,
		stored: &stored{store: s, at: at, filter: filter, ctx: ctx, about: about},
	}
	r.book, err = a.bookOf(ctx, s, about)
	return r, err
}

// bookOf returns the catalog that a scan used: the built-in one if it is the same, else the one that the store kept.
func (a *app) bookOf(ctx context.Context, s *store.Store, about demarc.Scan) (*rulebook.Rulebook, error) {
	book, err := a.rulebook()
	if err != nil || book.Digest() == about.Catalog {
		return book, err
	}
	c, err := s.Content(ctx, about.Organization, about.Catalog)
	if errors.Is(err, demarc.ErrNotFound) {
		return book, nil // titles and prose are of another version; the answers are not
	} else if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(bytes.NewReader(c.Data), int64(len(c.Data)))
	if err != nil {
		return nil, fmt.Errorf("the stored catalog %s: %w", about.Catalog, err)
	}
	var layers []fs.FS
	for i := 0; ; i++ {
		layer, err := fs.Sub(z, strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		if _, err := fs.Stat(z, strconv.Itoa(i)); err != nil {
			break
		}
		layers = append(layers, layer)
	}
	old, err := rulebook.Load(layers...)
	if err != nil {
		a.log.WarnContext(ctx, "the stored catalog cannot be read by this version; titles are of the built-in one", "catalog", about.Catalog, "error", err)
		return book, nil
	}
	return old, nil
}

// catalogContent is the files of the catalog as they are kept in a store: a zip with a folder for each layer.
func (a *app) catalogContent() ([]byte, error) {
	own, err := a.catalogs()
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for i, system := range append([]fs.FS{catalog.Files}, own...) {
		err := fs.WalkDir(system, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(name) != ".yaml" || strings.HasSuffix(name, "_test.yaml") {
				return err
			}
			data, err := fs.ReadFile(system, name)
			if err != nil {
				return err
			}
			w, err := z.Create(strconv.Itoa(i) + "/" + name)
			if err != nil {
				return err
			}
			_, err = w.Write(data)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// recorder keeps what a run that is to be stored needs.
type recorder struct {
	app   *app
	store *store.Store
	whole bool
	files map[string][]byte // what the estate was read from
	names map[string]string // of sources, by input
}

// declared adds what persons have recorded in the store to what the estate declares. Its digest is then of both.
func (c *recorder) declared(ctx context.Context, book *rulebook.Rulebook, est *estate.Estate, asOf time.Time) error {
	list, err := c.store.Declarations(ctx, est.Organization)
	if err != nil {
		return err
	}
	text, err := declarationsYAML(list, asOf)
	if err != nil || text == nil {
		return err
	}
	more, err := estate.Parse("recorded in "+c.store.Name(), text, book.Parties())
	if err != nil {
		return fmt.Errorf("what was recorded in the store: %w", err)
	}
	est.Attestations = append(est.Attestations, more.Attestations...)
	est.Exceptions = append(est.Exceptions, more.Exceptions...)
	est.Teams = append(more.Teams, est.Teams...)
	sum := sha256.Sum256([]byte(est.Digest + more.Digest))
	est.Digest = hex.EncodeToString(sum[:])
	c.files["recorded.yaml"] = text
	return nil
}

// declarationsYAML writes the attestations and exceptions that stand, and the assignments in force, as an estate, in JSON, which is YAML.
// nil for none.
func declarationsYAML(list []demarc.Declaration, asOf time.Time) ([]byte, error) {
	type entry map[string]any
	var attestations, exceptions, teams []entry
	for i := range list {
		d := &list[i]
		if !d.Withdrawn.IsZero() {
			continue
		}
		where, err := d.Where()
		if err != nil {
			return nil, fmt.Errorf("declaration %s: %w", d.ID, err)
		}
		e := entry{"id": "store-" + d.ID}
		if where != "" {
			e["where"] = where
		}
		if len(d.Scope.Teams) > 0 {
			e["teams"] = d.Scope.Teams
		}
		if !d.Until.IsZero() {
			e["until"] = d.Until.Format(time.DateOnly)
		}
		switch d.Kind {
		case demarc.Attestation:
			e["by"], e["on"] = d.By, d.On.Format(time.DateOnly)
			if d.Text != "" {
				e["evidence"] = d.Text
			}
			for n, duty := range d.Duties {
				one := entry{}
				maps.Copy(one, e)
				one["duty"] = duty
				if n > 0 {
					one["id"] = fmt.Sprintf("store-%s-%d", d.ID, n+1)
				}
				attestations = append(attestations, one)
			}
		case demarc.Exception:
			e["check"], e["reason"], e["owner"] = d.Check, d.Text, d.Team
			exceptions = append(exceptions, e)
		case demarc.TeamWork:
			if !d.InForce(asOf) {
				continue // teams have no dates
			}
			delete(e, "until")
			e["team"] = d.Team
			if len(d.Duties) > 0 {
				e["duties"] = d.Duties
			}
			teams = append(teams, e)
		case demarc.Acceptance: // counts in the store itself
		}
	}
	if len(attestations)+len(exceptions)+len(teams) == 0 {
		return nil, nil
	}
	out := entry{}
	if len(attestations) > 0 {
		out["attestations"] = attestations
	}
	if len(exceptions) > 0 {
		out["exceptions"] = exceptions
	}
	if len(teams) > 0 {
		out["teams"] = teams
	}
	return json.Marshal(out)
}

// record writes a run to the store.
func (c *recorder) record(ctx context.Context, r *run) (demarc.Scan, error) {
	estateContent, err := json.Marshal(c.files)
	if err != nil {
		return demarc.Scan{}, err
	}
	r.Finish()
	defer c.app.freeMemory()() // the store remembers what it has met
	about := r.about()
	recording := store.Recording{
		Run: about, Finished: time.Now(), Actor: c.app.actor(), Incomplete: r.Incomplete(), Sources: c.statuses(r), Whole: c.whole,
		Catalog: c.app.catalogContent, Estate: func() ([]byte, error) { return estateContent, nil },
		Check: func() error {
			if r.Interrupted {
				return errors.New("the run was interrupted, and a part is no scan")
			}
			return nil
		},
	}
	// A connection that is lost is made again: the answers can be gone through once more.
	const tries = 4
	for try := 1; ; try++ {
		got, err := c.store.Record(ctx, recording, r.Answers())
		if err == nil || !errors.Is(err, store.ErrLost) || try == tries {
			return got, err
		}
		c.app.log.WarnContext(ctx, "the store was lost; trying again", "try", try, "error", err)
		select {
		case <-time.After(time.Duration(try*try) * time.Second):
		case <-ctx.Done():
			return got, err
		}
	}
}

// statuses says how the reading of each source went: it is incomplete if something of it could not be read.
func (c *recorder) statuses(r *run) []demarc.SourceStatus {
	by := map[string]*demarc.SourceStatus{}
	status := func(name string) *demarc.SourceStatus {
		s := by[name]
		if s == nil {
			s = &demarc.SourceStatus{Name: name, Complete: true}
			by[name] = s
		}
		return s
	}
	for _, name := range c.names {
		status(name)
	}
	for input, n := range r.Inputs {
		if name, ok := c.names[input]; ok {
			status(name).Documents += n
		}
	}
	told := 0
	for _, n := range r.Notes.Kept {
		if !n.Kind.Incomplete() {
			continue
		}
		told++
		name, ok := c.names[n.Pos.Input]
		if !ok {
			told = -len(r.Notes.Kept) // whose it is is not known: every source may be incomplete
			continue
		}
		s := status(name)
		s.Complete = false
		if s.Problems += r.Notes.Times(n); s.Message == "" {
			s.Message = position(n.Pos) + ": " + oneLine(n.Message)
		}
	}
	total := 0
	for kind, n := range r.Notes.Count {
		if kind.Incomplete() {
			total += n
		}
	}
	var out []demarc.SourceStatus
	for _, s := range by {
		if total > 0 && told <= 0 {
			s.Complete = false
		}
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b demarc.SourceStatus) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// remember keeps what the estate was read from, for the store, and the names of the sources by input.
func (c *recorder) remember(f *inputFlags, paths []string, sources []scan.Source) error {
	estatePath := f.estatePath
	if estatePath == "" {
		estatePath = findEstate(paths)
	}
	for i, name := range append([]string{estatePath}, f.assumptions...) {
		if name == "" {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		key := "demarc.yaml"
		if i > 0 {
			key = fmt.Sprintf("assumptions-%d.csv", i)
		}
		c.files[key] = data
	}
	for _, s := range sources {
		if in, ok := s.(*file.Source); ok {
			c.names[in.Input.Path] = in.Input.Source.Name
		}
	}
	return nil
}

// recorder opens the store that a run is to be stored in; nil if none is named.
func (a *app) recorder(ctx context.Context, f *storeFlags, whole bool) (*recorder, error) {
	if !a.given(f) {
		return nil, nil
	}
	s, err := a.openStore(ctx, f, store.Options{})
	if err != nil {
		return nil, err
	}
	return &recorder{app: a, store: s, whole: whole, files: map[string][]byte{}, names: map[string]string{}}, nil
}

func (a *app) storeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "store", Short: "Look after the history: size, backup, export, pruning"}
	cmd.AddCommand(a.storeStatsCommand(), a.storeBackupCommand(), a.storePruneCommand(), a.storeVerifyCommand(), a.storeExportCommand())
	return cmd
}

func (a *app) storeStatsCommand() *cobra.Command {
	var f storeFlags
	var out outputFlags
	cmd := &cobra.Command{
		Use: "stats", Short: "How much a store holds", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			s, err := a.openStore(cmd.Context(), &f, store.Options{ReadOnly: true})
			if err != nil {
				return err
			}
			defer s.Close()
			stats, err := s.Stats(cmd.Context())
			if err != nil {
				return err
			}
			return a.write(&out, func(w io.Writer) error {
				if out.format == "json" {
					return writeJSON(w, stats)
				}
				p := a.printer(w)
				p.Printf("%s: %.1f MB", stats.Place, float64(stats.Bytes)/1e6)
				p.Printf("%s, %s", several(stats.Organizations, "organization"), several(stats.Scans, "scan"))
				p.Printf("%s in %s", several(stats.Resources, "resource"), several(stats.Versions, "version"))
				p.Printf("which share %s, %s, %s, %s", several(stats.Places, "place"), several(stats.Standings, "standing"), several(stats.Assignments, "assignment"), several(stats.Verdicts, "verdict"))
				p.Printf("%s, %s with a history of their own, %s, %d in the audit log", several(stats.Moves, "move"), several(stats.Findings, "finding"), several(stats.Declarations, "declaration"), stats.AuditEntries)
				return p.Err()
			})
		},
	}
	f.add(cmd)
	out.add(cmd, "table", "json")
	return cmd
}

func (a *app) storeBackupCommand() *cobra.Command {
	var f storeFlags
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Copy a SQLite store to a new file while it is in use", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.openStore(cmd.Context(), &f, store.Options{ReadOnly: true})
			if err != nil {
				return err
			}
			defer s.Close()
			return s.Backup(cmd.Context(), args[0])
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) storeVerifyCommand() *cobra.Command {
	var f storeFlags
	cmd := &cobra.Command{
		Use: "verify", Short: "Check that the audit log is what was written", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.openStore(cmd.Context(), &f, store.Options{ReadOnly: true})
			if err != nil {
				return err
			}
			defer s.Close()
			n, err := s.VerifyAudit(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(a.Out, "%d entries, each as it was written\n", n)
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) storePruneCommand() *cobra.Command {
	var f storeFlags
	keep, older := 0, ""
	cmd := &cobra.Command{
		Use: "prune", Short: "Forget the oldest scans", Args: cobra.NoArgs,
		Long: `Forgets the oldest scans of an organization, and what only they showed. What is still open, the declarations and the
audit log stay.`,
		Example: `  demarc store prune --store demarc.db --older-than 365d`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keep <= 0 && older == "" {
				return errors.New("say how many scans to keep, --keep N, or which to forget, --older-than 365d")
			}
			var before time.Time
			if older != "" {
				var err error
				if before, err = demarc.ParseMoment(older, time.Now()); err != nil {
					return fmt.Errorf("--older-than %w", err)
				}
			}
			s, at, err := a.openAt(cmd.Context(), &f, store.Options{MustBe: true}, 0)
			if err != nil {
				return err
			}
			defer s.Close()
			n, err := s.Prune(cmd.Context(), at.Organization, a.actor(), max(keep, 1), before, time.Now())
			if err != nil {
				return err
			}
			if !a.quiet {
				fmt.Fprintf(a.Out, "%d scans forgotten\n", n)
			}
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&keep, "keep", 0, "keep the latest `N` scans")
	cmd.Flags().StringVar(&older, "older-than", "", "forget what is older than this `TIME`: 90d, 12w, or a day as 2026-01-31")
	return cmd
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// several says how many there are of something.
func several(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
