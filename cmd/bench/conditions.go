package main

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/rulebook"
)

// burden writes the services with more checks, so that each has as many lines and checks as are wanted, as a folder for
// --catalog. The checks ask the facts of the service what checks ask: one setting, two of them, whether a list has an
// element of some kind. Where a service has few facts, others that every configuration item carries are added.
func burden(dir string, services []*rulebook.Service, conditions int) error {
	for _, s := range services {
		if err := s.Compile(); err != nil {
			return err
		}
		more := conditions - len(s.Lines) - len(s.Checks)
		if more <= 0 {
			continue
		}
		text, err := fs.ReadFile(catalog.Files, string(s.ID)+".yaml")
		if err != nil {
			return err
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(text, &doc); err != nil {
			return err
		}
		root := doc.Content[0]
		atoms := atomsOf(s)
		if len(s.Types) > 0 && hasDialect(s, demarc.AWSConfig) {
			add(member(root, "facts", yaml.MappingNode), everyItem)
			atoms = append(atoms, "facts.bench_region.startsWith('eu-')", "facts.bench_region == 'us-east-1'", "facts.bench_zone != ''", "facts.bench_zone.endsWith('a')",
				"facts.bench_account.startsWith('1')", "facts.bench_version == '1.3'", "facts.bench_status == 'OK'", "facts.bench_status.startsWith('Resource')")
		}
		atoms = slices.DeleteFunc(atoms, func(atom string) bool {
			return slices.ContainsFunc(s.Checks, func(c *rulebook.Check) bool { return strings.Contains(c.Pass.Text, atom) })
		})
		var checks strings.Builder
		for i, expression := range combine(atoms, more) {
			fmt.Fprintf(&checks, "- {id: bench-%d, title: Bench %d, duty: %s, severity: low, pass: %q}\n", i, i, benchDuties[i%len(benchDuties)], expression)
		}
		add(member(root, "checks", yaml.SequenceNode), checks.String())
		out, err := yaml.Marshal(&doc)
		if err != nil {
			return err
		}
		if err := writeBelow(dir, string(s.ID)+".yaml", out); err != nil {
			return err
		}
	}
	return nil
}

var benchDuties = []string{"data.encryption-configuration", "network.exposure", "operations.audit-logging", "identity.access-policy", "application.configuration", "resilience.backup-configuration"}

// everyItem is facts that every AWS Config item carries.
const everyItem = `
bench_region: {type: string, about: The region., awsconfig: awsRegion}
bench_zone: {type: string, about: The zone., awsconfig: availabilityZone}
bench_account: {type: string, about: The account., awsconfig: awsAccountId}
bench_version: {type: string, about: The version of the format., awsconfig: configurationItemVersion}
bench_status: {type: string, about: How it was recorded., awsconfig: configurationItemStatus}
`

func hasDialect(s *rulebook.Service, d demarc.Dialect) bool {
	return slices.ContainsFunc(s.Types, func(ref *rulebook.TypeRef) bool { return ref.Dialect == d && ref.Part == nil })
}

// member returns the value of a key, which is added if it is missing.
func member(mapping *yaml.Node, key string, kind yaml.Kind) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	value := &yaml.Node{Kind: kind}
	mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
	return value
}

// add appends what a text of YAML holds.
func add(to *yaml.Node, text string) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		panic(err) // it is ours
	}
	to.Content = append(to.Content, doc.Content[0].Content...)
}

// atomsOf returns the questions that a check may ask of one fact.
func atomsOf(s *rulebook.Service) []string {
	var out []string
	for i := range s.Facts {
		f := &s.Facts[i]
		name := "facts." + f.Name
		switch f.Type {
		case demarc.TypeBool:
			out = append(out, name, "!"+name)
		case demarc.TypeInt:
			out = append(out, name+" > 0", name+" <= 30")
		case demarc.TypeNumber:
			out = append(out, name+" > 0.5")
		case demarc.TypeString:
			values := f.Values
			if values == nil {
				values = []string{"", "default"}
			}
			for _, v := range values[:min(3, len(values))] {
				out = append(out, fmt.Sprintf("%s == '%s'", name, v))
			}
		case demarc.TypeTime:
			out = append(out, "ageDays("+name+") < 365")
		case demarc.TypeStrings:
			out = append(out, name+".size() > 0", name+".exists(v, v.startsWith('a'))")
		case demarc.TypeInts:
			out = append(out, name+".exists(v, v > 1024)")
		case demarc.TypeRecords:
			for _, field := range f.Fields {
				switch field.Type { //nolint:exhaustive // the others are asked about above
				case demarc.TypeBool:
					out = append(out, fmt.Sprintf("!%s.exists(r, r.%s)", name, field.Name))
				case demarc.TypeInt:
					out = append(out, fmt.Sprintf("%s.all(r, r.%s != 22)", name, field.Name))
				case demarc.TypeString:
					out = append(out, fmt.Sprintf("!%s.exists(r, r.%s == '*')", name, field.Name))
				}
			}
		case demarc.TypeDocument, demarc.TypeInvalid: // what policies say is asked by the catalog's own checks
		}
	}
	return out
}

// combine returns n different expressions: the atoms, then two of them.
func combine(atoms []string, n int) []string {
	out := slices.Clone(atoms[:min(n, len(atoms))])
	for step := 1; step < len(atoms); step++ {
		for i := 0; i+step < len(atoms); i++ {
			if len(out) == n {
				return out
			}
			out = append(out, fmt.Sprintf("(%s) %s (%s)", atoms[i], [...]string{"&&", "||"}[(i+step)%2], atoms[i+step]))
		}
	}
	return out
}
