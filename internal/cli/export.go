package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report/parquet"
	"github.com/demarc/demarc/internal/store"
)

func (a *app) storeExportCommand() *cobra.Command {
	var f storeFlags
	var out outputFlags
	var filters filterFlags
	var id int64
	what := "duties"
	cmd := &cobra.Command{
		Use: "export", Short: "Write what a store holds for other engines, as NDJSON or Parquet", Args: cobra.NoArgs,
		Example: `  demarc store export --store demarc.db -f parquet -o duties.parquet
  demarc store export --store demarc.db --what moves -f ndjson`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			filter, err := filters.filter()
			if err != nil {
				return err
			}
			s, at, err := a.openAt(cmd.Context(), &f, store.Options{ReadOnly: true}, demarc.ScanID(id))
			if err != nil {
				return err
			}
			defer s.Close()
			ctx := cmd.Context()
			return a.write(&out, func(w io.Writer) error {
				b := bufio.NewWriterSize(w, 1<<16)
				var err error
				switch what {
				case "duties":
					err = export(b, out.format, parquet.Duties(s.Answers(ctx, at, filter), wanted(filter)))
				case "moves":
					err = export(b, out.format, everyPage(func(p demarc.Page) (demarc.Paged[demarc.Move], error) {
						return s.Moves(ctx, at.Organization, filter, demarc.Period{}, p)
					}, parquet.MoveOf))
				case "findings":
					err = export(b, out.format, everyPage(func(p demarc.Page) (demarc.Paged[demarc.Finding], error) {
						return s.Findings(ctx, at, filter, demarc.FindingsAll, demarc.OrderID, p)
					}, parquet.FindingOf))
				default:
					return fmt.Errorf("--what %q: expected duties, moves or findings", what)
				}
				return errors.Join(err, b.Flush())
			})
		},
	}
	f.add(cmd)
	filters.add(cmd, everyKey)
	scanFlag(cmd, &id)
	out.add(cmd, "ndjson", "parquet")
	cmd.Flags().StringVar(&what, "what", what, "what the `ROWS` are: duties, moves, findings")
	return cmd
}

func export[T any](w io.Writer, format string, rows iter.Seq2[T, error]) error {
	if format == "parquet" {
		return parquet.Write(w, rows)
	}
	return parquet.WriteLines(w, rows)
}

// wanted tells which duties a filter asks for.
func wanted(f demarc.Filter) func(*demarc.DutyAnswer) bool {
	if !f.OfDuties() {
		return func(*demarc.DutyAnswer) bool { return true }
	}
	return f.MatchDuty
}

// everyPage goes through all pages of a list.
func everyPage[T, R any](list func(demarc.Page) (demarc.Paged[T], error), row func(*T) R) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for page := (demarc.Page{Limit: demarc.MaxLimit}); ; {
			got, err := list(page)
			if err != nil {
				var none R
				yield(none, err)
				return
			}
			for i := range got.Items {
				if !yield(row(&got.Items[i]), nil) {
					return
				}
			}
			if page.After = got.Next; got.Next == "" {
				return
			}
		}
	}
}
