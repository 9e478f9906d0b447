package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/rulebook"
)

// enlarge writes the catalog as one that is so many times as large, with an index.
func enlarge(dir string, times int) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := multiply(dir, times-1); err != nil {
		return err
	}
	err := fs.WalkDir(catalog.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, "_test.yaml") {
			return err
		}
		text, err := fs.ReadFile(catalog.Files, name)
		if err != nil {
			return err
		}
		return writeBelow(dir, name, text)
	})
	if err != nil {
		return err
	}
	index, err := rulebook.Index(os.DirFS(dir))
	if err != nil {
		return err
	}
	for name, text := range index {
		if err := writeBelow(dir, name, text); err != nil {
			return err
		}
	}
	return nil
}

func writeBelow(dir, name string, text []byte) error {
	to := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// multiply writes the services of the catalog several times more, each under another id and for other types, as a folder
// for --catalog.
func multiply(dir string, times int) error {
	return fs.WalkDir(catalog.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, "_test.yaml") {
			return err
		}
		text, err := fs.ReadFile(catalog.Files, name)
		if err != nil || !bytes.HasPrefix(text, []byte("service: ")) {
			return err
		}
		for k := range times {
			var doc yaml.Node
			if err := yaml.Unmarshal(text, &doc); err != nil {
				return err
			}
			suffix := fmt.Sprintf("X%d", k)
			rename(doc.Content[0], suffix)
			out, err := yaml.Marshal(&doc)
			if err != nil {
				return err
			}
			if err := writeBelow(dir, strings.TrimSuffix(name, ".yaml")+strings.ToLower(suffix)+".yaml", out); err != nil {
				return err
			}
		}
		return nil
	})
}

// rename gives a service another id, and its types and envelopes other names wherever it speaks of them.
func rename(service *yaml.Node, suffix string) {
	names := map[string]string{}
	collect := func(n *yaml.Node) {
		name := n.Value
		if key, rest, ok := strings.Cut(name, "["); ok {
			names[name] = key + suffix + "[" + rest
		} else if key, ok := strings.CutSuffix(name, "*"); ok {
			names[name] = key + suffix + "*"
		} else {
			names[name] = name + suffix
		}
	}
	var types func(n *yaml.Node)
	types = func(n *yaml.Node) {
		switch n.Kind {
		case yaml.ScalarNode:
			collect(n)
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				switch n.Content[i].Value {
				case "envelope", "type", "context":
					collect(n.Content[i+1])
				}
			}
		case yaml.SequenceNode:
			for _, e := range n.Content {
				types(e)
			}
		case yaml.DocumentNode, yaml.AliasNode: // there are none in a catalog's file
		}
	}
	for i := 0; i+1 < len(service.Content); i += 2 {
		key, value := service.Content[i].Value, service.Content[i+1]
		switch key {
		case "service":
			value.Value += strings.ToLower(suffix)
		case "types":
			for k := 1; k < len(value.Content); k += 2 {
				types(value.Content[k])
			}
		case "parts":
			for k := 1; k < len(value.Content); k += 2 {
				for j := 0; value.Content[k].Kind == yaml.MappingNode && j+1 < len(value.Content[k].Content); j += 2 {
					collect(value.Content[k].Content[j])
				}
				if value.Content[k].Kind == yaml.SequenceNode {
					types(value.Content[k])
				}
			}
		}
	}
	var replace func(n *yaml.Node)
	replace = func(n *yaml.Node) {
		if to, ok := names[n.Value]; ok && n.Kind == yaml.ScalarNode {
			n.Value = to
		}
		for i, e := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 && e.Value == "about" {
				continue // a member of every fact, and of vSphere a type
			}
			if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "source" && e.Kind == yaml.ScalarNode {
				continue // its name may be that of an envelope
			}
			replace(e)
		}
	}
	for i := 0; i+1 < len(service.Content); i += 2 {
		switch service.Content[i].Value {
		case "types", "parts", "identity", "facts", "relations":
			replace(service.Content[i+1])
		}
	}
}
