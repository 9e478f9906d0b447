package rulebook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/strictyaml"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(catalog.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate returns the places of a YAML text that are wrong, each as path: message, or nil.
func validate(t *testing.T, s *jsonschema.Schema, text []byte) []string {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	err := s.Validate(asJSON(&root))
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		t.Fatal(err)
	}
	var out []string
	var leaves func(*jsonschema.ValidationError)
	leaves = func(e *jsonschema.ValidationError) {
		if name, ok := e.ErrorKind.(*kind.PropertyNames); ok { // the place of a key is not told
			out = append(out, fmt.Sprintf("key %s: is none of those", name.Property))
			return
		}
		if len(e.Causes) == 0 {
			_, message, _ := strings.Cut(e.Error(), "': ")
			out = append(out, "/"+strings.Join(e.InstanceLocation, "/")+": "+message)
		}
		for _, c := range e.Causes {
			leaves(c)
		}
	}
	leaves(invalid)
	return out
}

// asJSON is what an editor makes of YAML: keys are text, and so is a date.
func asJSON(n *yaml.Node) any {
	switch n.Kind {
	case yaml.DocumentNode:
		return asJSON(n.Content[0])
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			out[n.Content[i].Value] = asJSON(n.Content[i+1])
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, e := range n.Content {
			out = append(out, asJSON(e))
		}
		return out
	case yaml.ScalarNode, yaml.AliasNode:
	}
	var v any
	if n.Tag == "!!timestamp" || n.Decode(&v) != nil {
		return n.Value
	}
	if i, ok := v.(int); ok {
		return float64(i)
	}
	return v
}

func TestSchemaFitsTheCatalog(t *testing.T) {
	s := compiledSchema(t)
	err := fs.WalkDir(catalog.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		text, err := fs.ReadFile(catalog.Files, name)
		if err != nil {
			return err
		}
		for _, fault := range validate(t, s, text) {
			t.Errorf("%s%s", name, fault)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSchemaCatchesFaults(t *testing.T) {
	const service = `
service: aws/thing
title: Thing
model: paas
archetype: managed-service
types: {awsconfig: [AWS::Thing::Thing]}
relations: {key: {to: aws/kms, awsconfig: configuration.key}}
facts:
  locked: {type: bool, about: Whether it is locked., awsconfig: configuration.locked}
duties:
  data.key-custody: {holder: tenant, part: Keep the key., source: doc}
lines:
  - id: unlocked
    when: facts.locked == false
    moves: {data.sharing: {holder: tenant, part: Lock it.}}
    because: It is not locked.
    source: doc
checks:
  - id: is-locked
    title: It is locked
    duty: data.sharing
    severity: high
    pass: facts.locked
sources:
  doc: {url: "https://example.com/doc", section: Locks, read: 2026-11-23, says: It can be locked.}
`
	s := compiledSchema(t)
	if faults := validate(t, s, []byte(service)); faults != nil {
		t.Fatalf("the service without faults has some: %v", faults)
	}
	for _, tc := range []struct{ name, old, with, want string }{
		{"unknown key", "title: Thing", "titel: Thing", "/: "},
		{"unknown key of a fact", "about: Whether", "abuot: Whether", "/facts/locked: "},
		{"service without a folder", "aws/thing", "thing", "/service: "},
		{"unknown model", "paas", "xaas", "/model: "},
		{"no types", "types: {awsconfig: [AWS::Thing::Thing]}", "", "/: "},
		{"unknown dialect of types", "types: {awsconfig", "types: {awsconfg", "/types: "},
		{"unknown dialect of a fact", "locked., awsconfig", "locked., awsconfg", "/facts/locked: "},
		{"unknown type of a fact", "type: bool", "type: boolean", "/facts/locked/type: "},
		{"fact in capitals", "  locked: {type", "  Locked: {type", "key Locked: "},
		{"records without fields", "type: bool", "type: records", "/facts/locked: "},
		{"fact of no relation", "awsconfig: configuration.locked", "fact: locked", "/facts/locked: "},
		{"relation to nothing", "to: aws/kms, ", "", "/relations/key: "},
		{"unknown role", "holder: tenant, part: Keep", "holder: customer, part: Keep", "/duties/data.key-custody/holder: "},
		{"unknown duty", "data.key-custody", "data.key-care", "key data.key-care: "},
		{"outcome without a source", "part: Keep the key., source: doc", "part: Keep the key.", "/duties/data.key-custody: "},
		{"outcome without a part", "part: Keep the key., source", "source", "/duties/data.key-custody: "},
		{"line without a cause", "because: It is not locked.", "", "/lines/0: "},
		{"line that moves nothing", "moves: {data.sharing: {holder: tenant, part: Lock it.}}", "", "/lines/0: "},
		{"line that moves an unknown duty", "moves: {data.sharing", "moves: {data.share", "key data.share: "},
		{"line without a kebab id", "id: unlocked", "id: Un_locked", "/lines/0/id: "},
		{"unknown severity", "severity: high", "severity: severe", "/checks/0/severity: "},
		{"check that never passes", "pass: facts.locked", "", "/checks/0: "},
		{"page without https", "https:", "http:", "/sources/doc/url: "},
		{"day in another order", "2026-11-23", "23.11.2026", "/sources/doc/read: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !strings.Contains(service, tc.old) {
				t.Fatalf("the service has no %q", tc.old)
			}
			faults := validate(t, s, []byte(strings.Replace(service, tc.old, tc.with, 1)))
			if !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, tc.want) }) {
				t.Errorf("faults %q, want one at %s", faults, tc.want)
			}
		})
	}
	for _, tc := range []struct{ name, text, want string }{
		{"archetype without rows", "{archetype: a, title: A, about: A., model: paas, duties: {}, sources: {}}", "/duties: "},
		{"duties with an unknown layer", "{layers: [{id: cellar, title: Cellar}], duties: []}", "/layers/0/id: "},
		{"provider of an unknown kind", "{providers: {x: {title: X, kind: public, roles: {}}}}", "/providers/x/kind: "},
		{"provider with a tenant", "{providers: {x: {title: X, kind: provider, roles: {tenant: x}}}}", "key tenant: "},
		{"case without a document", "{service: aws/x, cases: [{name: a, want: {}}]}", "/cases/0: "},
		{"case that wants an unknown holder", "{service: aws/x, cases: [{name: a, text: x, want: {duties: {data.sharing: tenant}}}]}", "/cases/0/want/duties/data.sharing: "},
		{"ignored types of an unknown dialect", "{awsconfg: [A]}", "/: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			faults := validate(t, s, []byte(tc.text))
			if !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, tc.want) }) {
				t.Errorf("faults %q, want one at %s", faults, tc.want)
			}
		})
	}
}

// TestSchemaHasTheKeysOfTheFiles asks the strict decoder which keys it knows, struct by struct, and holds the schema to them.
func TestSchemaHasTheKeysOfTheFiles(t *testing.T) {
	var duties dutiesFile
	var providers providersFile
	var part partEntries
	var proof Proof
	var fact factEntry
	var lifecycle lifecycleFile
	for def, into := range map[string]any{
		"service": &serviceFile{}, "archetype": &archetypeFile{}, "duties": &duties, "providers": &providers,
		"layerInfo": first(&duties.Layers), "dutyInfo": first(&duties.Duties), "kubernetes": &providers.Kubernetes,
		"provider": value(&providers.Providers), "implied": &value(&providers.Providers).Implied,
		"envelope": &typeEntry{}, "identity": &idEntry{}, "part": value(&part), "relation": &relation{}, "fact": &fact,
		"default": value(&fact.Default), "presumption": &fact.Presume, "field": &fieldEntry{}, "outcome": &outcomeEntry{}, "line": &lineEntry{}, "check": &checkEntry{}, "fix": &Fix{},
		"sourceInPlace": &sourceEntry{}, "proof": &proof, "case": first(&proof.Cases), "want": &first(&proof.Cases).Want,
		"lifecycle": &lifecycle, "release": first(&lifecycle.Versions),
	} {
		want := knownKeys(t, into)
		if def == "relation" || def == "fact" { // which take a path for each dialect beside their own keys
			want = append(want, slices.Collect(maps.Keys(dialectKeys))...)
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(definition(t, def).Properties))); diff != "" {
			t.Errorf("keys of %s (-files.go +schema.json):\n%s", def, diff)
		}
	}
}

// TestSchemaHasTheWordsOfTheDomain holds the closed sets of the schema to those of the code.
func TestSchemaHasTheWordsOfTheDomain(t *testing.T) {
	var factTypes, severities, roles []string
	for typ := demarc.TypeBool; typ <= demarc.TypeRecords; typ++ {
		factTypes = append(factTypes, typ.String())
	}
	for s := demarc.Informational; s <= demarc.Critical; s++ {
		severities = append(severities, s.String())
	}
	for r := range demarc.Role(demarc.NumRoles) {
		roles = append(roles, r.String())
	}
	for def, want := range map[string][]string{
		"duty": texts(demarc.Duties), "layer": texts(demarc.Layers), "dialect": texts(demarc.Dialects), "model": models,
		"role": roles, "otherRole": roles[:demarc.Tenant], "factType": factTypes, "severity": severities,
		"fieldType": slices.DeleteFunc(slices.Clone(factTypes), func(s string) bool { return s == demarc.TypeRecords.String() }),
	} {
		got := definition(t, def).Enum
		slices.Sort(got)
		want = slices.Sorted(slices.Values(want))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("words of %s (-code +schema.json):\n%s", def, diff)
		}
	}
}

func texts[T ~string](list []T) []string {
	var out []string
	for _, e := range list {
		out = append(out, string(e))
	}
	return out
}

type schemaDefinition struct {
	Properties map[string]json.RawMessage
	Enum       []string
}

func definition(t *testing.T, name string) schemaDefinition {
	t.Helper()
	var schema struct {
		Defs map[string]json.RawMessage `json:"$defs"`
	}
	unmarshal(t, catalog.Schema, &schema)
	if schema.Defs[name] == nil {
		t.Fatalf("the schema has no definition of %s", name)
	}
	var out schemaDefinition
	unmarshal(t, schema.Defs[name], &out)
	return out
}

func unmarshal(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// knownKeys returns the keys that the strict decoder knows where into points, sorted: its complaint about another lists them.
func knownKeys(t *testing.T, into any) []string {
	t.Helper()
	const mark = "known here: "
	for _, fault := range mistakes(strictyaml.Decode("x.yaml", []byte("'###': 1"), into)) {
		if _, list, ok := strings.Cut(fault.Msg, mark); ok {
			return strings.Split(list, ", ")
		}
	}
	t.Fatalf("the decoder knows no keys of %T", into)
	return nil
}

// first and value give a place to decode one element into, whose type has no name.
func first[T any](list *[]T) *T {
	*list = append(*list, *new(T))
	return &(*list)[0]
}

func value[T any](m *strictyaml.Map[T]) *T {
	*m = append(*m, strictyaml.Entry[T]{})
	return &(*m)[0].Value
}
