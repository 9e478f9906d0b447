package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

func (a *app) catalogCoverageCommand() *cobra.Command {
	var file, dialect string
	cmd := &cobra.Command{
		Use:   "coverage --types FILE",
		Short: "Say which types of a list the catalog does not know",
		Long: `Reads a list of types, one a line (what follows a tab is passed over), and prints those that are no service, no part
of one, and not known to be no resource. The types are of the dialect that knows most of them, unless --dialect names one.`,
		Example: "  demarc catalog coverage --types types.txt\n  demarc catalog coverage --types - --dialect awsconfig",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if file == "" {
				return errors.New("--types is needed: a file with one type a line, or - for standard input")
			}
			dialects := demarc.Dialects
			if dialect != "" {
				if dialects = []demarc.Dialect{demarc.Dialect(dialect)}; !slices.Contains(demarc.Dialects, dialects[0]) {
					return fmt.Errorf("--dialect %q: expected one of %v", dialect, demarc.Dialects)
				}
			}
			book, err := a.rulebook()
			if err != nil {
				return err
			}
			types, err := a.typesIn(file)
			if err != nil {
				return err
			}
			var best demarc.Dialect
			var missing []string
			for _, d := range dialects {
				if m := unknownTypes(book, d, types); best == "" || len(m) < len(missing) {
					best, missing = d, m
				}
			}
			if dialect == "" && len(missing) == len(types) {
				return fmt.Errorf("%s: no dialect knows any of its %d types", file, len(types))
			}
			if !a.quiet {
				for _, typ := range missing {
					fmt.Fprintln(a.Out, typ)
				}
			}
			known := len(types) - len(missing)
			_, err = fmt.Fprintf(a.Err, "%d of %d types of %s are known (%d%%)\n", known, len(types), best, 100*known/max(len(types), 1))
			return err
		},
	}
	cmd.Flags().StringVar(&file, "types", "", "`FILE` with one type a line; - for standard input")
	cmd.Flags().StringVar(&dialect, "dialect", "", "`DIALECT` of the types: awsconfig, terraform, arm, cai, ...")
	_ = cmd.RegisterFlagCompletionFunc("dialect", cobra.FixedCompletions([]string{"awsconfig", "cloudformation", "arm", "cai", "kubernetes", "terraform"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// typesIn reads a list of types, "-" for standard input.
func (a *app) typesIn(file string) ([]string, error) {
	from := a.In
	if file == "-" {
		file = "standard input"
	} else {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	const most = 1_000_000
	var types []string
	s := bufio.NewScanner(from)
	for s.Scan() {
		typ, _, _ := strings.Cut(strings.TrimSpace(s.Text()), "\t")
		if typ == "" || strings.HasPrefix(typ, "#") {
			continue
		}
		if types = append(types, typ); len(types) > most {
			return nil, fmt.Errorf("read %s: it has more than %d types", file, most)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return types, nil
}

func unknownTypes(book *rulebook.Rulebook, d demarc.Dialect, types []string) []string {
	var out []string
	for _, typ := range types {
		if book.Find(d, typ) == nil && !book.Ignored(d, typ) {
			out = append(out, typ)
		}
	}
	return out
}
