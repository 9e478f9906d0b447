package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
)

func (a *app) initCommand() *cobra.Command {
	var in inputFlags
	file, force := "demarc.yaml", false
	cmd := &cobra.Command{
		Use:   "init [PATH...]",
		Short: "Write a commented demarc.yaml from what is found in the inputs",
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Stat(file); err == nil && !force && file != "-" {
				return fmt.Errorf("%s is there already: --force replaces it, -o writes elsewhere", file)
			} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			var r *run
			if paths := append(in.inputs, args...); len(paths) > 0 {
				var err error
				if r, err = a.pipeline(cmd.Context(), &in, args); err != nil {
					return err
				}
				defer r.close()
			}
			base := "."
			if file != "-" {
				base = dirOf(file)
			}
			text := draft(r, append(in.inputs, args...), base)
			if r != nil && r.Interrupted {
				a.complain("interrupted: nothing was written")
				return outcome{exitIncomplete}
			}
			out := outputFlags{file: file}
			if err := a.write(&out, func(w io.Writer) error {
				_, err := io.WriteString(w, text)
				return err
			}); err != nil {
				return err
			}
			if file != "-" && !a.quiet {
				fmt.Fprintf(a.Err, "wrote %s\n", file)
			}
			if r != nil {
				return a.end(r, false)
			}
			return nil
		},
	}
	in.add(cmd)
	cmd.Flags().StringVarP(&file, "output", "o", file, "write to `FILE`; - is standard output")
	cmd.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	return cmd
}

// draft writes a demarc.yaml with what was found filled in, and the rest as comments to take up.
func draft(r *run, paths []string, base string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# What your organization declares about itself. Every part is optional, and an unknown key is an error.")
	line("# A `where` is a condition over provider, source, account, region, service, type, name, id and tags.")
	line("")
	line("organization: My organization")
	line("")
	line("# What to read, and what is so of all documents that do not say it themselves.")
	if len(paths) == 0 {
		line("# sources:")
		line("#   - {name: aws, path: inventories/aws, provider: aws}")
	} else {
		line("sources:")
		names := map[string]int{}
		for _, p := range paths {
			if p == "-" {
				continue
			}
			name := strings.ToLower(strings.TrimSuffix(filepath.Base(filepath.Clean(p)), filepath.Ext(p)))
			if names[name]++; names[name] > 1 {
				name = fmt.Sprintf("%s-%d", name, names[name])
			}
			if rel, err := filepath.Rel(base, p); err == nil {
				p = rel
			}
			line("  - {name: %s, path: %s}", yamlText(name), yamlText(filepath.ToSlash(p)))
		}
	}
	line("")
	line("# Who else takes part: kind is provider, msp or vendor. The clouds themselves are known.")
	line("# parties:")
	line("#   nightwatch: {title: Nightwatch SOC, kind: msp}")
	line("")
	line("# Who plays which role where it is not the provider: site, host, operator, supplier.")
	line("# What runs on your own machines is yours unless you say otherwise; `nobody` says openly that a role is not filled.")
	private := false
	if r != nil {
		for _, provider := range found(r, func(x *demarc.Resource) string { return x.Provider }) {
			p := r.book.Providers[provider]
			if p == nil || p.Kind != "private" {
				continue
			}
			if provider == "kubernetes" { // a binding would go before what the nodes say
				line("# - {where: provider == 'kubernetes', host: self, operator: self}   # found: the nodes say whose they are; say otherwise here")
				continue
			}
			if !private {
				line("bindings:")
				private = true
			}
			line("  - {where: provider == '%s', host: self, operator: self}   # found: who owns the machines, who runs the platform?", provider)
		}
	}
	if !private {
		line("# bindings:")
		line("#   - {where: provider == 'openstack', host: self, operator: platform9}")
	}
	line("")
	line("# Contracts by which somebody takes over your part of duties, within their dates.")
	line("# engagements:")
	line("#   - {party: nightwatch, where: provider in ['aws', 'azure'], takes: [operations.monitoring], from: 2026-01-01, until: 2026-12-31, contract: SOC-2026-1}")
	line("")
	line("# What you believe today. It changes no answer; it is held against the answers.")
	line("# assumptions:")
	line("#   - {where: service == 'aws/rds', duty: resilience.backup-configuration, holder: provider}")
	line("")
	line("# Who does your part.")
	teams := 0
	if r != nil {
		for _, key := range []string{"team", "Team", "owner", "Owner"} {
			for _, team := range found(r, func(x *demarc.Resource) string { return x.Tags.Get(key) }) {
				if teams++; teams == 1 {
					line("teams:")
				}
				if teams > 20 {
					break
				}
				line("  - {team: %s, where: tags.%s == '%s'}", yamlText(team), key, strings.ReplaceAll(team, "'", "\\'"))
			}
		}
	}
	if teams == 0 {
		line("# teams:")
		line("#   - {team: payments, where: tags.team == 'payments', duties: [application.*, runtime.*]}")
	}
	line("")
	line("# A person's word that a duty is done, with its day and its end.")
	line("# attestations:")
	line("#   - {duty: resilience.restore-testing, where: service == 'aws/rds', by: Ada Lovelace, on: 2026-10-01, until: 2027-04-01, evidence: RT-12}")
	line("")
	line("# Audit reports about others' parts.")
	line("# assurances:")
	line("#   - {party: aws, report: SOC 2 Type II, until: 2027-03-31}")
	line("")
	line("# Failures that you accept for a time. An end is required.")
	line("# exceptions:")
	line("#   - {check: aws/rds/public-access, where: name == 'demo', reason: Public demo without data, owner: Ada Lovelace, until: 2027-01-31}")
	return b.String()
}

// found returns the distinct values of something over all resources, sorted, without "".
func found(r *run, of func(*demarc.Resource) string) []string {
	seen := map[string]bool{}
	for f := range r.Findings() {
		if v := of(&f.Item.Resource); v != "" && !seen[v] {
			seen[strings.Clone(v)] = true
		}
	}
	out := make([]string, 0, len(seen))
	for v := range seen {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

// yamlText quotes a text where YAML would take it for something else.
func yamlText(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./", r))
	}) < 0 && !strings.ContainsRune("-./0123456789", rune(s[0])) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
