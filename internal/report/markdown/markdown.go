// Package markdown writes a run's summary, and moves of the line, as Markdown for a wiki or a pull request.
package markdown

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report"
)

type writer struct {
	w   io.Writer
	err error
}

func (w *writer) line(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.w, format+"\n", args...)
	}
}

func (w *writer) table(heads []string, rows [][]string) {
	w.line("| %s |", strings.Join(heads, " | "))
	w.line("|%s", strings.Repeat("---|", len(heads)))
	for _, r := range rows {
		for i := range r {
			r[i] = Escape(r[i])
		}
		w.line("| %s |", strings.Join(r, " | "))
	}
	w.line("")
}

// Escape makes text stand for itself in a table of Markdown: names come from outside.
func Escape(s string) string {
	r := strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ", "<", "&lt;", ">", "&gt;", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "@", "&#64;")
	return r.Replace(s)
}

func itoa(n int) string { return fmt.Sprintf("%d", n) }

// Summary writes what a run comes to.
func Summary(out io.Writer, s *report.Summary, checkTitle func(string) string) error {
	w := &writer{w: out}
	name := s.Run.Organization
	if name == "" {
		name = "Estate"
	}
	w.line("# %s, as of %s", Escape(name), s.Run.AsOf.Format(time.DateOnly))
	w.line("")
	if s.Run.Interrupted {
		w.line("**%s**", report.Partial)
		w.line("")
	}
	w.table([]string{"", "", ""}, [][]string{
		{"Resources", itoa(s.Resources), ""},
		{"Yours proven", itoa(s.Yours.Proven), fmt.Sprintf("of %d duties (%d%%), %d attested", s.Yours.Total, s.Yours.Percent(), s.Yours.Attested)},
		{"Others assured", itoa(s.Others.Proven), fmt.Sprintf("of %d duties (%d%%)", s.Others.Total, s.Others.Percent())},
		{"Nobody's", itoa(s.Nobodys), "duties are bound to nobody"},
		{"Blind", itoa(s.Blind), "of yours: the setting that decides could not be read"},
	})
	w.line("## Who holds the duties of each layer")
	w.line("")
	var rows [][]string
	for _, layer := range demarc.Layers {
		of := s.Layers[layer]
		if len(of) == 0 {
			continue
		}
		row := []string{string(layer)}
		for _, h := range demarc.Holders[:5] {
			row = append(row, itoa(of[h]))
		}
		rows = append(rows, row)
	}
	w.table([]string{"layer", "provider", "shared", "customer", "third party", "nobody"}, rows)
	if list := s.Believed(); len(list) > 0 {
		w.line("## Misassumed")
		w.line("")
		rows = nil
		for _, g := range list {
			rows = append(rows, []string{string(g.Service), string(g.Duty), string(g.Believed), string(g.Holder), itoa(g.Count), g.Because})
		}
		w.table([]string{"service", "duty", "believed", "is", "resources", "because"}, rows)
	}
	if list := s.Gaps(); len(list) > 0 {
		w.line("## Gaps")
		w.line("")
		rows = nil
		for _, g := range list[:min(len(list), 50)] {
			what := string(g.Duty)
			if g.Check != "" {
				what = checkTitle(g.Check)
			}
			rows = append(rows, []string{g.Severity.String(), string(g.Gap), string(g.Service), what, itoa(g.Count)})
		}
		w.table([]string{"severity", "gap", "service", "duty or check", "resources"}, rows)
		if len(list) > 50 {
			w.line("and %d more", len(list)-50)
		}
	}
	return w.err
}

// Moves writes moves of the line as a comment for a pull request.
func Moves(out io.Writer, groups []demarc.MoveGroup, added, removed int) error {
	w := &writer{w: out}
	if len(groups) == 0 {
		w.line("**The line does not move.** No duty of a resource that is on both sides changes hands (%d new resources, %d gone).", added, removed)
		return w.err
	}
	w.line("### This change moves the line of responsibility")
	w.line("")
	told := false
	for _, g := range groups {
		if g.ToUs {
			told = true
			why := ""
			if g.Setting != "" {
				why = ", because of " + Escape(g.Setting)
			}
			w.line("- It gives you **%s** on %d × %s%s.", Escape(string(g.Duty)), g.Count, Escape(string(g.Service)), why)
		}
	}
	if told {
		w.line("")
	}
	var rows [][]string
	for _, g := range groups {
		rows = append(rows, []string{string(g.Duty), string(g.From) + " → " + string(g.To), itoa(g.Count) + " × " + string(g.Service), g.Setting, g.Because})
	}
	w.table([]string{"duty", "from → to", "resources", "setting", "because"}, rows)
	if added+removed > 0 {
		w.line("%d new resources, %d gone.", added, removed)
	}
	return w.err
}
