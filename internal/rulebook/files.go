package rulebook

import (
	"go.yaml.in/yaml/v3"

	"github.com/demarc/demarc/internal/strictyaml"
)

// The catalog's files as they are written. docs/adding-a-service.md describes each key.

type (
	pos  = strictyaml.Pos
	text = strictyaml.Text
)

type dutiesFile struct {
	Layers []struct {
		ID    text   `yaml:"id"`
		Title string `yaml:"title"`
	} `yaml:"layers"`
	Duties []struct {
		ID         text                        `yaml:"id"`
		Title      string                      `yaml:"title"`
		About      string                      `yaml:"about"`
		Frameworks strictyaml.Map[stringOrAll] `yaml:"frameworks"`
	} `yaml:"duties"`
	Sources strictyaml.Map[sourceEntry] `yaml:"sources"`
}

type providersFile struct {
	Providers strictyaml.Map[struct {
		Title text                   `yaml:"title"`
		Kind  text                   `yaml:"kind"`
		Roles strictyaml.Map[string] `yaml:"roles"`
		// Implied is the parent that every resource of the provider has.
		Implied *struct {
			Service text `yaml:"service"`
			ID      text `yaml:"id"`
			Type    text `yaml:"type"`
		} `yaml:"implied"`
		Pos pos `yaml:",pos"`
	}] `yaml:"providers"`
	TerraformProviders strictyaml.Map[string] `yaml:"terraform_providers"`
	Kubernetes         struct {
		NodeSchemes strictyaml.Map[string] `yaml:"node_schemes"`
		NodeLabels  strictyaml.Map[string] `yaml:"node_labels"`
	} `yaml:"kubernetes"`
	Sources strictyaml.Map[sourceEntry] `yaml:"sources"`
}

type archetypeFile struct {
	Archetype text                         `yaml:"archetype"`
	Title     text                         `yaml:"title"`
	About     text                         `yaml:"about"`
	Model     text                         `yaml:"model"`
	Duties    strictyaml.Map[outcomeEntry] `yaml:"duties"`
	Sources   strictyaml.Map[sourceEntry]  `yaml:"sources"`
	Pos       pos                          `yaml:",pos"`
}

type serviceFile struct {
	Service   text                         `yaml:"service"`
	Title     text                         `yaml:"title"`
	About     text                         `yaml:"about"`
	Provider  text                         `yaml:"provider"`
	Replaces  text                         `yaml:"replaces"`
	Model     text                         `yaml:"model"`
	Archetype text                         `yaml:"archetype"`
	Types     strictyaml.Map[[]typeEntry]  `yaml:"types"`
	Identity  strictyaml.Map[idEntry]      `yaml:"identity"`
	Parts     strictyaml.Map[partEntries]  `yaml:"parts"`
	Relations strictyaml.Map[relation]     `yaml:"relations"`
	Facts     strictyaml.Map[factEntry]    `yaml:"facts"`
	Duties    strictyaml.Map[outcomeEntry] `yaml:"duties"`
	Lines     []lineEntry                  `yaml:"lines"`
	Checks    []checkEntry                 `yaml:"checks"`
	Sources   strictyaml.Map[sourceEntry]  `yaml:"sources"`
	Pos       pos                          `yaml:",pos"`
	layer     int                          // which of the catalogs it is in
}

// typeEntry is a type's name, or an envelope.
type typeEntry struct {
	Name     text
	Envelope text
	Has      string
	Context  string
	Type     text
	Complete *bool
	Pos      pos
}

func (t *typeEntry) DecodeYAML(n *yaml.Node, d *strictyaml.Decoder) {
	t.Pos = d.Pos(n)
	if n.Kind == yaml.ScalarNode {
		d.Decode(n, &t.Name)
		return
	}
	var e struct {
		Envelope text   `yaml:"envelope"`
		Has      string `yaml:"has"`
		Context  string `yaml:"context"`
		Type     text   `yaml:"type"`
		Complete *bool  `yaml:"complete"`
	}
	d.Decode(n, &e)
	t.Envelope, t.Has, t.Context, t.Type, t.Complete = e.Envelope, e.Has, e.Context, e.Type, e.Complete
	if t.Type.Value == "" {
		d.Errorf(n, "an envelope entry needs a type")
	}
}

type idEntry struct {
	ID      text   `yaml:"id"`
	Name    text   `yaml:"name"`
	Region  text   `yaml:"region"`
	Account text   `yaml:"account"`
	Aliases []text `yaml:"aliases"`
	Pos     pos    `yaml:",pos"`
}

type partEntries = strictyaml.Map[struct {
	By         text                       `yaml:"by"`
	Has        string                     `yaml:"has"`
	Context    string                     `yaml:"context"`
	WhenAbsent strictyaml.Map[*yaml.Node] `yaml:"when_absent"`
	Pos        pos                        `yaml:",pos"`
}]

// dialectPaths is a path for all types, or one for each.
type dialectPaths struct {
	All text
	Of  strictyaml.Map[text]
	Pos pos
}

func (p *dialectPaths) DecodeYAML(n *yaml.Node, d *strictyaml.Decoder) {
	p.Pos = d.Pos(n)
	if n.Kind == yaml.ScalarNode {
		d.Decode(n, &p.All)
		return
	}
	d.Decode(n, &p.Of)
}

type inDialects struct {
	AWSConfig      *dialectPaths `yaml:"awsconfig"`
	AWSAPI         *dialectPaths `yaml:"awsapi"`
	CloudFormation *dialectPaths `yaml:"cloudformation"`
	ARM            *dialectPaths `yaml:"arm"`
	CAI            *dialectPaths `yaml:"cai"`
	Kubernetes     *dialectPaths `yaml:"kubernetes"`
	OpenStack      *dialectPaths `yaml:"openstack"`
	VSphere        *dialectPaths `yaml:"vsphere"`
	Graph          *dialectPaths `yaml:"graph"`
	Terraform      *dialectPaths `yaml:"terraform"`
}

type relation struct {
	To      stringOrAll
	Answers bool
	By      *dialectPaths
	In      inDialects
	Pos     pos
}

func (r *relation) DecodeYAML(n *yaml.Node, d *strictyaml.Decoder) {
	r.Pos = d.Pos(n)
	var own struct {
		To      stringOrAll   `yaml:"to"`
		Answers bool          `yaml:"answers"`
		By      *dialectPaths `yaml:"by"`
	}
	rest := splitDialects(n)
	d.Decode(rest.own, &own)
	d.Decode(rest.dialects, &r.In)
	r.To, r.Answers, r.By = own.To, own.Answers, own.By
}

type factEntry struct {
	Type      text                       `yaml:"type"`
	About     text                       `yaml:"about"`
	Sensitive bool                       `yaml:"sensitive"`
	Values    []string                   `yaml:"values"`
	Map       strictyaml.Map[*yaml.Node] `yaml:"map"`
	Fields    strictyaml.Map[fieldEntry] `yaml:"fields"`
	Default   strictyaml.Map[struct {
		Value  *yaml.Node   `yaml:"value"`
		Source *sourceEntry `yaml:"source"`
		Pos    pos          `yaml:",pos"`
	}] `yaml:"default"`
	Presume *struct {
		Value  *yaml.Node   `yaml:"value"`
		Reason string       `yaml:"reason"`
		Source *sourceEntry `yaml:"source"`
		Pos    pos          `yaml:",pos"`
	} `yaml:"presume"`
	Derive   text       `yaml:"derive"`
	Types    []text     `yaml:"types"`
	Relation text       `yaml:"relation"`
	Fact     text       `yaml:"fact"`
	None     *yaml.Node `yaml:"none"`
	In       inDialects `yaml:"-"`
	Pos      pos        `yaml:"-"`
}

func (f *factEntry) DecodeYAML(n *yaml.Node, d *strictyaml.Decoder) {
	type plain factEntry
	rest := splitDialects(n)
	d.Decode(rest.own, (*plain)(f))
	d.Decode(rest.dialects, &f.In)
	f.Pos = d.Pos(n)
}

type fieldEntry struct {
	Type    text                       `yaml:"type"`
	Path    text                       `yaml:"path"`
	Default *yaml.Node                 `yaml:"default"`
	Map     strictyaml.Map[*yaml.Node] `yaml:"map"`
	Pos     pos                        `yaml:",pos"`
}

type outcomeEntry struct {
	Holder stringOrAll            `yaml:"holder"`
	Part   text                   `yaml:"part"`
	Parts  strictyaml.Map[string] `yaml:"parts"`
	Source *sourceEntry           `yaml:"source"`
	Pos    pos                    `yaml:",pos"`
}

type lineEntry struct {
	ID      text                         `yaml:"id"`
	When    text                         `yaml:"when"`
	Moves   strictyaml.Map[outcomeEntry] `yaml:"moves"`
	Binds   strictyaml.Map[string]       `yaml:"binds"`
	Because text                         `yaml:"because"`
	Source  *sourceEntry                 `yaml:"source"`
	Pos     pos                          `yaml:",pos"`
}

type checkEntry struct {
	ID       text                        `yaml:"id"`
	Title    text                        `yaml:"title"`
	Duty     text                        `yaml:"duty"`
	Severity text                        `yaml:"severity"`
	Applies  text                        `yaml:"applies"`
	Pass     text                        `yaml:"pass"`
	Proves   bool                        `yaml:"proves"`
	Fix      Fix                         `yaml:"fix"`
	Source   *sourceEntry                `yaml:"source"`
	Also     strictyaml.Map[stringOrAll] `yaml:"also"`
	Pos      pos                         `yaml:",pos"`
}

// sourceEntry is the name of a source, or a source in place.
type sourceEntry struct {
	Name    string
	URL     text
	Section string
	Read    text
	Says    string
	Pos     pos
}

func (s *sourceEntry) DecodeYAML(n *yaml.Node, d *strictyaml.Decoder) {
	s.Pos = d.Pos(n)
	if n.Kind == yaml.ScalarNode {
		s.Name = n.Value
		return
	}
	var e struct {
		URL     text   `yaml:"url"`
		Section string `yaml:"section"`
		Read    text   `yaml:"read"`
		Says    string `yaml:"says"`
	}
	d.Decode(n, &e)
	s.URL, s.Section, s.Read, s.Says = e.URL, e.Section, e.Read, e.Says
}

// stringOrAll is one string, or a list of them.
type stringOrAll struct {
	Values []string
	Pos    pos
}

func (s *stringOrAll) DecodeYAML(n *yaml.Node, d *strictyaml.Decoder) {
	s.Pos = d.Pos(n)
	if n.Kind == yaml.ScalarNode {
		s.Values = []string{n.Value}
		return
	}
	d.Decode(n, &s.Values)
}

var dialectKeys = map[string]bool{
	"awsconfig": true, "awsapi": true, "cloudformation": true, "arm": true, "cai": true,
	"kubernetes": true, "openstack": true, "vsphere": true, "graph": true, "terraform": true,
}

// splitDialects parts a mapping into the keys that name a dialect and the others.
func splitDialects(n *yaml.Node) (out struct{ own, dialects *yaml.Node }) {
	own, dialects := *n, *n
	out.own, out.dialects = &own, &dialects
	if n.Kind != yaml.MappingNode {
		return out
	}
	own.Content, dialects.Content = nil, nil
	for i := 0; i+1 < len(n.Content); i += 2 {
		to := &own
		if dialectKeys[n.Content[i].Value] {
			to = &dialects
		}
		to.Content = append(to.Content, n.Content[i], n.Content[i+1])
	}
	return out
}
