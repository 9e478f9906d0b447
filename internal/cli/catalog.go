package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/strictyaml"
)

// rulebook loads the catalog that is built in, and the user's above it.
func (a *app) rulebook() (*rulebook.Rulebook, error) {
	systems := []fs.FS{catalog.Files}
	for _, dir := range a.catalogDirs {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("catalog %q: expected a directory", dir)
		}
		systems = append(systems, os.DirFS(dir))
	}
	return rulebook.Load(systems...)
}

func (a *app) catalogCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "catalog", Short: "Look into the catalog, or prove it"}
	lint := &cobra.Command{
		Use:   "lint",
		Short: "Prove that the catalog is total, cautious, cited and typed",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			book, err := a.rulebook()
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
			for _, s := range book.Services {
				lines, checks = lines+len(s.Lines), checks+len(s.Checks)
			}
			fmt.Fprintf(a.Out, "%d services, %d archetypes, %d lines, %d checks: total, cautious, cited and typed\n", len(book.Services), len(book.Archetypes), lines, checks)
			if presumed := book.Presumptions(); len(presumed) > 0 && !a.quiet {
				fmt.Fprintf(a.Out, "%d facts are presumed:\n", len(presumed))
				for _, p := range presumed {
					fmt.Fprintf(a.Out, "  %s\n", p)
				}
			}
			return nil
		},
	}
	cmd.AddCommand(lint)
	return cmd
}
