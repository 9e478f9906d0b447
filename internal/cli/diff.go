package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report"
	"github.com/demarc/demarc/internal/report/markdown"
	"github.com/demarc/demarc/internal/report/table"
	"github.com/demarc/demarc/internal/store"
)

func (a *app) diffCommand() *cobra.Command {
	var in inputFlags
	var out outputFlags
	var sf storeFlags
	var failOn string
	cmd := &cobra.Command{
		Use:   "diff PLAN | diff BEFORE AFTER",
		Short: "What moved: which duties change hands between two inputs or scans, and because of which setting",
		Long: `Compares two sides (files, plans, directories, or scans of a store as scan:NUMBER and scan:latest) resource by resource
and names every duty that changes hands: from whom to whom, for how many resources, and because of which setting. A Terraform plan alone is compared
with what was there before it, which it holds itself. With --format markdown it is a comment for a pull request; with --fail-on move it gates one.`,
		Example: `  terraform show -json tfplan | demarc diff --format markdown --fail-on move -
  demarc diff plan.json
  demarc diff main-plan.json pull-request-plan.json
  demarc diff --store demarc.db scan:12 scan:latest`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if failOn != "" && failOn != "move" {
				return fmt.Errorf("--fail-on %q: expected move", failOn)
			}
			if len(in.inputs) > 0 {
				return fmt.Errorf("diff takes its two inputs as arguments")
			}
			in.comparable = true
			if in.estatePath == "" {
				in.estatePath = findEstate(args[len(args)-1:])
			}
			prior := in
			prior.prior = len(args) == 1
			if len(args) == 1 {
				if strings.HasPrefix(args[0], "scan:") {
					return fmt.Errorf("diff %s: name the scan, or the input, to compare it with", args[0])
				}
				if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
					return fmt.Errorf("diff %s: a directory; a Terraform plan is compared with what was there before it, anything else with a second input", args[0])
				}
				if args[0] == "-" {
					plan, err := kept(a.In)
					if err != nil {
						return err
					}
					defer plan.Close()
					prior.stdin, in.stdin = io.NewSectionReader(plan, 0, math.MaxInt64), plan
				}
			}
			before, err := a.side(cmd.Context(), &prior, &sf, args[0])
			if err != nil {
				return err
			}
			defer before.close()
			after, err := a.side(cmd.Context(), &in, &sf, args[len(args)-1])
			if err != nil {
				return err
			}
			defer after.close()
			groups, added, removed := report.Moves(before.Answers(), after.Answers(), causeBetween(before, after))
			if before.Interrupted || after.Interrupted {
				a.complain("interrupted: a part of what there is cannot be compared")
				return outcome{exitIncomplete}
			}
			err = a.write(&out, func(w io.Writer) error {
				switch out.format {
				case "markdown":
					return markdown.Moves(w, groups, added, removed)
				case "json":
					return movesJSON(w, groups, added, removed)
				default:
					return movesTable(a.printer(w), groups, added, removed)
				}
			})
			if err != nil {
				return err
			}
			before.Finish()
			if len(args) == 2 || before.Documents == 0 { // else it would be told twice
				a.tell(before.Result)
			}
			if before.stored != nil && before.stored.err != nil {
				return before.stored.err
			}
			err = a.end(after, failOn == "move" && len(groups) > 0)
			if err == nil && before.Incomplete() {
				return outcome{exitIncomplete}
			}
			return err
		},
	}
	in.add(cmd)
	sf.add(cmd)
	out.add(cmd, "table", "markdown", "json")
	cmd.Flags().StringVar(&failOn, "fail-on", "", "exit with 3 if any duty changes hands: `move`")
	return cmd
}

// kept returns what is on a stream as a file without a name, which can be read more than once.
func kept(in io.Reader) (*os.File, error) {
	f, err := os.CreateTemp("", "demarc-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	_, err = io.Copy(f, in)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("keep standard input: %w", err), f.Close())
	}
	return f, nil
}

// side is one of the two things that are compared: a scan of a store, or an input.
func (a *app) side(ctx context.Context, in *inputFlags, sf *storeFlags, what string) (*run, error) {
	if number, ok := strings.CutPrefix(what, "scan:"); ok {
		var id int64
		if number != "latest" {
			var err error
			if id, err = strconv.ParseInt(number, 10, 64); err != nil || id < 1 {
				return nil, fmt.Errorf("%s: expected scan:latest, or a number as scan:12", what)
			}
		}
		return a.fromStore(ctx, sf, demarc.ScanID(id), demarc.Filter{})
	}
	r, err := a.pipeline(ctx, in, []string{what})
	if err != nil && !errors.Is(err, errReported) && !strings.HasPrefix(err.Error(), what) {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return r, err
}

// causeBetween says what made a duty change hands between two sides.
func causeBetween(before, after *run) func([]demarc.Change) demarc.Cause {
	x, y := before.about(), after.about()
	return func(changes []demarc.Change) demarc.Cause {
		cause := store.CauseOf(len(changes) > 0, x.Catalog != y.Catalog, x.Estate != y.Estate)
		if cause == demarc.CauseTime && x.AsOf.Equal(y.AsOf) {
			return demarc.CauseSetting // of another resource, or one that no fact of this tells
		}
		return cause
	}
}

func movesTable(p *table.Printer, groups []demarc.MoveGroup, added, removed int) error {
	if len(groups) == 0 {
		p.Printf("The line does not move: no duty changes hands.")
	}
	for i := range groups {
		g := &groups[i]
		style := table.Green
		if g.ToUs {
			style = table.Red
		}
		p.Printf("%s  %s", p.Paint(table.Bold, string(g.Duty)), p.Paint(style, fmt.Sprintf("%s → %s", g.From, g.To)))
		text := fmt.Sprintf("%d × %s", g.Count, g.Service)
		if g.Setting != "" {
			text += ", " + g.Setting
		}
		p.Wrap(2, text)
		p.Wrap(2, g.Because)
		if g.Cause != demarc.CauseSetting {
			p.Wrap(2, causes[g.Cause])
		}
		if g.URL != "" {
			p.Printf("  %s", p.Paint(table.Faint, g.URL))
		}
		for _, id := range g.Examples {
			p.Wrap(4, string(id))
		}
	}
	p.Printf("")
	toUs := 0
	for i := range groups {
		if groups[i].ToUs {
			toUs += groups[i].Count
		}
	}
	duties, resources := "duties come", "resources"
	if toUs == 1 {
		duties = "duty comes"
	}
	if added == 1 {
		resources = "resource"
	}
	text := fmt.Sprintf("%d %s to you; %d new %s, %d gone.", toUs, duties, added, resources, removed)
	p.Printf("%s", strings.TrimSpace(text))
	return p.Err()
}

func movesJSON(w io.Writer, groups []demarc.MoveGroup, added, removed int) error {
	type move struct {
		Duty      demarc.DutyID       `json:"duty"`
		Service   demarc.ServiceID    `json:"service"`
		From      demarc.Holder       `json:"from"`
		To        demarc.Holder       `json:"to"`
		Setting   string              `json:"setting,omitempty"`
		Because   string              `json:"because"`
		Source    string              `json:"source,omitempty"`
		Resources int                 `json:"resources"`
		Examples  []demarc.ResourceID `json:"examples"`
	}
	out := struct {
		Moves   []move `json:"moves"`
		Added   int    `json:"added"`
		Removed int    `json:"removed"`
	}{Moves: []move{}, Added: added, Removed: removed}
	for _, g := range groups {
		out.Moves = append(out.Moves, move{g.Duty, g.Service, g.From, g.To, g.Setting, g.Because, g.URL, g.Count, g.Examples})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}
