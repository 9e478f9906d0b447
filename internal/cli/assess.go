package cli

import (
	"iter"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report/ndjson"
)

func (a *app) assessCommand() *cobra.Command {
	var in inputFlags
	format := "table"
	cmd := &cobra.Command{
		Use:   "assess [PATH...]",
		Short: "Read inventories, plans and templates; say who holds what, and what nobody has proven",
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.pipeline(cmd.Context(), &in, args)
			if err != nil {
				return err
			}
			if err := ndjson.Write(a.Out, r.about(), r.answers()); err != nil {
				return err
			}
			return a.end(r, false)
		},
	}
	in.add(cmd)
	cmd.Flags().StringVarP(&format, "format", "f", format, "output `FORMAT`")
	return cmd
}

// about says what the answers of a run rest on.
func (r *run) about() demarc.Run {
	return demarc.Run{
		Organization: r.estate.Organization, Catalog: r.book.Digest, Estate: r.estate.Digest, AsOf: r.asOf,
		Documents: r.Documents, Parts: r.Parts, Interrupted: r.Interrupted,
	}
}

// answers goes through what a run says of each resource, in the order of their ids.
func (r *run) answers() iter.Seq[*demarc.Answer] {
	return func(yield func(*demarc.Answer) bool) {
		for i := range r.Findings {
			if !yield(r.Findings[i].Answer()) {
				return
			}
		}
	}
}
