package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report/table"
	"github.com/demarc/demarc/internal/store"
)

// tokenCommand makes, lists and revokes the keys by which programs use the API of a server.
func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke the keys by which programs use the API",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(a.tokenMakeCommand(), a.tokenListCommand(), a.tokenRevokeCommand())
	return cmd
}

func (a *app) tokenMakeCommand() *cobra.Command {
	var where storeFlags
	var role string
	var teams []string
	var days int
	cmd := &cobra.Command{
		Use:   "make NAME",
		Short: "Make a token, and write its secret to standard output: it is shown this once",
		Example: `  demarc token make "nightly export" --store demarc.db --days 90
  demarc token make "deployments of payments" --role owner --team payments --store demarc.db`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now()
			t := demarc.Token{
				Name: args[0], Grant: demarc.Grant{Role: demarc.AccessRole(role), Teams: teams}, By: a.actor(),
				Made: now, Expires: now.Add(time.Duration(days) * 24 * time.Hour),
			}
			if err := t.Validate(); err != nil {
				return err
			}
			s, err := a.openStore(cmd.Context(), &where, store.Options{MustBe: true})
			if err != nil {
				return err
			}
			defer s.Close()
			made, secret, err := s.MakeToken(cmd.Context(), a.actor(), t)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.Err, "demarc: token %s, %s, good until %s\n", made.ID, made.Grant, made.Expires.Format(time.DateOnly))
			_, err = fmt.Fprintln(a.Out, secret)
			return err
		},
	}
	where.addPlace(cmd)
	cmd.Flags().StringVar(&role, "role", string(demarc.Viewer), "what it may do: `ROLE` viewer, owner or admin")
	cmd.Flags().StringArrayVar(&teams, "team", nil, "of an owner: the `TEAM` that it may declare for (may be repeated)")
	cmd.Flags().IntVar(&days, "days", 90, "how many days it is good, at most 366")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"viewer", "owner", "admin"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) tokenListCommand() *cobra.Command {
	var where storeFlags
	var out outputFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the tokens of a store, without their secrets",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			s, err := a.openStore(cmd.Context(), &where, store.Options{ReadOnly: true})
			if err != nil {
				return err
			}
			defer s.Close()
			list, err := s.Tokens(cmd.Context())
			if err != nil {
				return err
			}
			return a.write(&out, func(w io.Writer) error {
				if out.format == "json" {
					return writeJSON(w, list)
				}
				return tokensTable(a.printer(w), list, time.Now())
			})
		},
	}
	where.addPlace(cmd)
	out.add(cmd, "table", "json")
	return cmd
}

func tokensTable(p *table.Printer, list []demarc.Token, now time.Time) error {
	var rows [][]table.Cell
	for _, token := range list {
		until := token.Expires.Format(time.DateOnly)
		switch {
		case !token.Revoked.IsZero():
			until = "revoked by " + token.RevokedBy
		case !token.Good(now):
			until = "expired " + until
		}
		used := "never"
		if !token.LastUsed.IsZero() {
			used = token.LastUsed.Format(time.DateOnly)
		}
		rows = append(rows, []table.Cell{{Text: token.ID, Style: table.Bold}, {Text: token.Name}, {Text: token.Grant.String()}, {Text: token.By}, {Text: used}, {Text: until}})
	}
	if len(list) == 0 {
		p.Printf("There are no tokens.")
		return p.Err()
	}
	p.Table(0, []table.Column{{Head: "id"}, {Head: "name", Give: true, Wrap: true}, {Head: "may do", Give: true, Wrap: true}, {Head: "made by", Give: true}, {Head: "last used"}, {Head: "until"}}, rows)
	return p.Err()
}

func (a *app) tokenRevokeCommand() *cobra.Command {
	var where storeFlags
	cmd := &cobra.Command{
		Use:   "revoke ID...",
		Short: "Revoke tokens: they are refused from now on",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.openStore(cmd.Context(), &where, store.Options{MustBe: true})
			if err != nil {
				return err
			}
			defer s.Close()
			var failed []string
			for _, id := range args {
				if err := s.RevokeToken(cmd.Context(), a.actor(), id, time.Now()); err != nil {
					failed = append(failed, err.Error())
				}
			}
			if len(failed) > 0 {
				return fmt.Errorf("%s", strings.Join(failed, "\n"))
			}
			return nil
		},
	}
	where.addPlace(cmd)
	return cmd
}
