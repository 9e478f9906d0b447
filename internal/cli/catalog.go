package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/report/table"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/strictyaml"
)

// rulebook loads the catalog that is built in, and the user's above it.
func (a *app) rulebook() (*rulebook.Rulebook, error) {
	own, err := a.catalogs()
	if err != nil {
		return nil, err
	}
	return rulebook.BuiltIn(own...)
}

// catalogs returns the user's own catalogs.
func (a *app) catalogs() ([]fs.FS, error) {
	var out []fs.FS
	for _, dir := range a.catalogDirs {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("catalog %q: expected a directory", dir)
		}
		files := os.DirFS(dir)
		if some, err := hasYAML(files); err != nil {
			return nil, fmt.Errorf("catalog %q: %w", dir, err)
		} else if !some {
			return nil, fmt.Errorf("catalog %q: expected files that end in .yaml, found none", dir)
		}
		out = append(out, files)
	}
	return out, nil
}

func hasYAML(files fs.FS) (some bool, err error) {
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if some = err == nil && !d.IsDir() && path.Ext(name) == ".yaml"; some {
			return fs.SkipAll
		}
		return err
	})
	return some, err
}

func (a *app) catalogCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "catalog", Short: "Look into the catalog, or prove it"}
	cmd.AddCommand(a.catalogLintCommand(), a.catalogListCommand(), a.catalogShowCommand(), a.catalogCoverageCommand())
	return cmd
}

func (a *app) catalogLintCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lint",
		Short: "Prove that the catalog is total, cautious, cited and typed",
		Long: `Proves the catalog by enumeration, with the user's services of --catalog in it: every duty of every service has
exactly one outcome whatever is known of its settings, learning a setting never moves a duty to the tenant, every
row and line names the page it rests on, and every expression compiles. All mistakes are told at once.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			a.patience.Store(0) // a part of a proof is none
			own, err := a.catalogs()
			if err != nil {
				return err
			}
			book, err := rulebook.Load(append([]fs.FS{catalog.Files}, own...)...)
			var faults, more strictyaml.Errors
			if err != nil && !errors.As(err, &faults) {
				return err
			}
			if err := book.Lint(); err != nil && !errors.As(err, &more) {
				return err
			}
			if err := append(faults, more...).Err(); err != nil {
				fmt.Fprintln(a.Err, err)
				fmt.Fprintf(a.Err, "%d mistakes\n", len(faults)+len(more))
				return errReported
			}
			lines, checks := 0, 0
			for _, s := range book.Services() {
				lines, checks = lines+len(s.Lines), checks+len(s.Checks)
			}
			fmt.Fprintf(a.Out, "%d services, %d archetypes, %d lines, %d checks: total, cautious, cited and typed\n", len(book.Services()), len(book.Archetypes()), lines, checks)
			if presumed := book.Presumptions(); len(presumed) > 0 && !a.quiet {
				fmt.Fprintf(a.Out, "%d facts are presumed:\n", len(presumed))
				for _, p := range presumed {
					fmt.Fprintf(a.Out, "  %s\n", p)
				}
			}
			return nil
		},
	}
}

type serviceRow struct {
	ID        demarc.ServiceID            `json:"id"`
	Title     string                      `json:"title"`
	Model     string                      `json:"model"`
	Archetype string                      `json:"archetype"`
	Types     map[demarc.Dialect][]string `json:"types"`
	Lines     int                         `json:"lines"`
	Checks    int                         `json:"checks"`
}

type checkRow struct {
	ID       string              `json:"id"`
	Service  demarc.ServiceID    `json:"service"`
	Title    string              `json:"title"`
	Duty     demarc.DutyID       `json:"duty"`
	Severity demarc.Severity     `json:"severity"`
	Proves   bool                `json:"proves"`
	Also     map[string][]string `json:"also,omitempty"`
}

type dutyRow struct {
	ID         demarc.DutyID       `json:"id"`
	Layer      demarc.Layer        `json:"layer"`
	Title      string              `json:"title"`
	About      string              `json:"about"`
	Frameworks map[string][]string `json:"frameworks"`
}

func (a *app) catalogListCommand() *cobra.Command {
	var out outputFlags
	var checks, duties bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List services, or --checks, or --duties",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if checks && duties {
				return errors.New("--checks and --duties exclude each other")
			}
			book, err := a.rulebook()
			if err != nil {
				return err
			}
			return a.write(&out, func(w io.Writer) error {
				switch {
				case checks:
					return list(a.printer(w), w, out.format, checkRows(book), []table.Column{{Head: "check", Give: true}, {Head: "severity"}, {Head: "duty", Give: true}, {Head: "title", Give: true, Wrap: true}},
						func(r checkRow) []string { return []string{r.ID, r.Severity.String(), string(r.Duty), r.Title} })
				case duties:
					return list(a.printer(w), w, out.format, dutyRows(book), []table.Column{{Head: "duty"}, {Head: "title", Give: true, Wrap: true}, {Head: "about", Give: true, Wrap: true}},
						func(r dutyRow) []string { return []string{string(r.ID), r.Title, r.About} })
				default:
					return list(a.printer(w), w, out.format, serviceRows(book.Services()), []table.Column{{Head: "service", Give: true}, {Head: "model"}, {Head: "archetype", Give: true}, {Head: "lines", Right: true}, {Head: "checks", Right: true}, {Head: "title", Give: true, Wrap: true}},
						func(r serviceRow) []string {
							return []string{string(r.ID), r.Model, r.Archetype, fmt.Sprint(r.Lines), fmt.Sprint(r.Checks), r.Title}
						})
				}
			})
		},
	}
	out.add(cmd, "table", "json")
	cmd.Flags().BoolVar(&checks, "checks", false, "list the checks")
	cmd.Flags().BoolVar(&duties, "duties", false, "list the duties, with their place in the frameworks")
	return cmd
}

// list writes rows as a table or as a JSON array.
func list[T any](p *table.Printer, w io.Writer, format string, rows []T, columns []table.Column, cells func(T) []string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(rows)
	}
	var out [][]table.Cell
	for _, r := range rows {
		var row []table.Cell
		for _, text := range cells(r) {
			row = append(row, table.Cell{Text: text})
		}
		out = append(out, row)
	}
	p.Table(0, columns, out)
	return p.Err()
}

func serviceRows(services []*rulebook.Service) []serviceRow {
	out := []serviceRow{}
	for _, s := range services {
		row := serviceRow{ID: s.ID, Title: s.Title, Model: s.Model, Archetype: s.Archetype.ID, Types: map[demarc.Dialect][]string{}, Lines: len(s.Lines), Checks: len(s.Checks)}
		for _, t := range s.Types {
			if t.Part == nil && !slices.Contains(row.Types[t.Dialect], t.Type) {
				row.Types[t.Dialect] = append(row.Types[t.Dialect], t.Type)
			}
		}
		out = append(out, row)
	}
	return out
}

func checkRows(book *rulebook.Rulebook) []checkRow {
	out := []checkRow{}
	for _, s := range book.Services() {
		for _, c := range s.Checks {
			out = append(out, checkRow{ID: c.Name, Service: s.ID, Title: c.Title, Duty: demarc.Duties[c.Duty], Severity: c.Severity, Proves: c.Proves, Also: c.Also})
		}
	}
	return out
}

func dutyRows(book *rulebook.Rulebook) []dutyRow {
	out := []dutyRow{}
	for _, d := range book.Duties() {
		out = append(out, dutyRow{ID: d.ID, Layer: d.ID.Layer(), Title: d.Title, About: d.About, Frameworks: d.Frameworks})
	}
	return out
}
