package rulebook

import (
	"encoding/json"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/demarc/demarc/internal/strictyaml"
)

// Proof is what stands beside a service: small documents, and what must come of them.
type Proof struct {
	Service string      `yaml:"service"`
	Cases   []ProofCase `yaml:"cases"`
	File    string      `yaml:"-"`
}

// ProofCase is one situation.
type ProofCase struct {
	Name     string     `yaml:"name"`
	Dialect  string     `yaml:"dialect"`
	Document *yaml.Node `yaml:"document"`
	Text     string     `yaml:"text"`
	Resource string     `yaml:"resource"`
	Estate   *yaml.Node `yaml:"estate"`
	Want     struct {
		Service string                     `yaml:"service"`
		Duties  strictyaml.Map[string]     `yaml:"duties"`
		Checks  strictyaml.Map[string]     `yaml:"checks"`
		Facts   strictyaml.Map[*yaml.Node] `yaml:"facts"`
		Assumed []string                   `yaml:"assumed"`
	} `yaml:"want"`
	Pos strictyaml.Pos `yaml:",pos"`
}

// Body returns the text of the case's document.
func (c *ProofCase) Body() ([]byte, error) {
	if c.Document == nil {
		return []byte(c.Text), nil
	}
	asWritten(c.Document)
	var v any
	if err := c.Document.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// asWritten has dates taken for text, as those who read YAML for JSON take them: the Version of a policy is 2012-10-17.
func asWritten(n *yaml.Node) {
	if n.Tag == "!!timestamp" {
		n.Tag = "!!str"
	}
	for _, child := range n.Content {
		asWritten(child)
	}
}

// Proofs reads the proofs of a catalog, sorted by file. The error holds every mistake in them.
func Proofs(system fs.FS) ([]Proof, error) {
	var out []Proof
	var faults strictyaml.Errors
	err := fs.WalkDir(system, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.yaml") || path.Base(path.Dir(name)) == "archetypes" {
			return err
		}
		data, err := fs.ReadFile(system, name)
		if err != nil {
			return err
		}
		p := Proof{File: name}
		if err := strictyaml.Decode(name, data, &p); err != nil {
			faults = append(faults, mistakes(err)...)
			return nil
		}
		out = append(out, p)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b Proof) int { return strings.Compare(a.File, b.File) })
	return out, faults.Err()
}
