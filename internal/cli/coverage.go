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
)

func (a *app) catalogCoverageCommand() *cobra.Command {
	var file, dialect string
	cmd := &cobra.Command{
		Use:   "coverage --types FILE --dialect DIALECT",
		Short: "Say which types of a list the catalog does not know",
		Long: `Reads a list of types, one a line (what follows a tab is passed over), and prints those that are no service, no part
of one, and not known to be no resource.`,
		Example: "  demarc catalog coverage --types types.txt --dialect awsconfig",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if file == "" || dialect == "" {
				return errors.New("--types and --dialect are both needed")
			}
			d := demarc.Dialect(dialect)
			if !slices.Contains(demarc.Dialects, d) {
				return fmt.Errorf("--dialect %q: expected one of %v", dialect, demarc.Dialects)
			}
			book, err := a.rulebook()
			if err != nil {
				return err
			}
			f, err := os.Open(file)
			if err != nil {
				return err
			}
			defer f.Close()
			known, total := 0, 0
			s := bufio.NewScanner(f)
			for s.Scan() {
				typ, _, _ := strings.Cut(strings.TrimSpace(s.Text()), "\t")
				if typ == "" || strings.HasPrefix(typ, "#") {
					continue
				}
				total++
				if book.Find(d, typ) != nil || book.Ignored(d, typ) {
					known++
					continue
				}
				if !a.quiet {
					fmt.Fprintln(a.Out, typ)
				}
			}
			if err := s.Err(); err != nil {
				return fmt.Errorf("read %s: %w", file, err)
			}
			_, err = fmt.Fprintf(a.Err, "%d of %d types are known (%d%%)\n", known, total, 100*known/max(total, 1))
			return err
		},
	}
	cmd.Flags().StringVar(&file, "types", "", "`FILE` with one type a line")
	cmd.Flags().StringVar(&dialect, "dialect", "", "`DIALECT` of the types: awsconfig, terraform, arm, cai, ...")
	_ = cmd.RegisterFlagCompletionFunc("dialect", cobra.FixedCompletions([]string{"awsconfig", "cloudformation", "arm", "cai", "kubernetes", "terraform"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
