// Package rulebook reads the catalog strictly and compiles it into an immutable Rulebook.
//
// A Rulebook knows, for every type of document, which service it is; for every service which facts to read and
// where; and for every duty of it the outcomes, with the conditions that choose between them. A service of the built-in
// catalog is decoded when it is first asked for, and its expressions are compiled when it is first used: a run pays for
// the services that it meets.
package rulebook

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
	"github.com/demarc/demarc/internal/strictyaml"
)

// NumDuties is the number of duties, and the length of everything that is indexed by duty.
var NumDuties = len(demarc.Duties)

// Rulebook is the compiled catalog. It does not change once it is loaded, and may be shared: what is decoded of an indexed
// catalog when it is first asked for is the same whoever asks.
type Rulebook struct {
	Providers map[string]*Provider

	services   map[demarc.ServiceID]*shelf[Service]
	archetypes map[string]*shelf[Archetype]
	lifecycles map[string]func() *Lifecycle
	places     map[demarc.Dialect]func() *places
	ignored    map[demarc.Dialect][]string
	tfOwners   []prefixed // Terraform type prefix to provider, longest first
	k8sNodes   Nodes

	all     func() []*Service // sorted by id
	duties  func() dutyInfos
	unknown func() map[string]*Service // the unclassified service of each provider
	digest  func() string              // see Digest

	files fs.FS      // the indexed catalog, nil where all was read whole
	mu    sync.Mutex // held while something of it is decoded
}

type prefixed struct{ prefix, value string }

type dutyInfos struct {
	layers []LayerInfo
	duties []DutyInfo
}

// LayerInfo describes a layer.
type LayerInfo struct {
	ID    demarc.Layer
	Title string
}

// DutyInfo describes a duty.
type DutyInfo struct {
	ID         demarc.DutyID
	Title      string
	About      string
	Frameworks map[string][]string // framework to controls: "nist-800-53": ["SI-2"]
}

// Provider is somebody's cloud: who plays which role there unless it is said otherwise.
type Provider struct {
	ID      string
	Title   string
	Kind    string // "provider" or "private"
	Roles   [demarc.NumRoles]demarc.Party
	Implied *Implied // the parent that every resource has, nil for none
}

// Implied says which resource stands for an account that is named but was not delivered.
type Implied struct {
	Service demarc.ServiceID
	ID      Template
	Type    string
}

// Nodes says how a Kubernetes node tells whose it is.
type Nodes struct {
	Schemes map[string]demarc.Party // scheme of spec.providerID to the host
	Labels  map[string]demarc.Party // label, or prefix of labels ending in "/" or "-", to the operator
}

// Source is a page that a statement rests on.
type Source struct {
	URL     string
	Section string
	Read    time.Time
	Says    string
}

// Outcome is who holds a duty, and what each does for it.
type Outcome struct {
	Roles  demarc.RoleSet // empty: the duty does not apply
	Parts  [demarc.NumRoles]string
	Why    string // why the duty does not apply
	Source *Source
	Pos    strictyaml.Pos
}

// Archetype is the default holder of every duty for one kind of thing.
type Archetype struct {
	ID    string
	Title string
	About string
	Model string
	Rows  []*Outcome // by duty index; nil where the catalog is at fault
	Pos   strictyaml.Pos
}

// TypeRef says that documents of one type belong to a service, as a resource or as a part of one.
type TypeRef struct {
	Service  *Service
	Dialect  demarc.Dialect
	Type     string
	Envelope []string // keys on the way to the elements: ["Reservations[]", "Instances[]"]
	Has      string   // a member that each element must have, or MEMBER=TEXT; of several with "|" between them one
	Context  string   // of Microsoft Graph bodies
	Summary  bool     // missing members mean nothing
	Part     *Part    // nil for a resource of its own
	Identity *Identity
	Facts    []FactPath // where the facts of the service lie in this type
	Refs     []RefPath  // where its relations lie
	Named    []Naming   // facts that lie where a relation lies
	Called   []int      // facts that have the name of the resource itself as value, where no other is known: path "@"
	Self     []int      // relations that lead to the resource by its own names as well: path "@", or an alias
	Pos      strictyaml.Pos
}

// FactPath says where one fact lies in one type of document.
type FactPath struct {
	Fact   int // index in Service.Facts
	Path   Path
	Always demarc.Value // of a fact that the type alone tells, which has no Path
}

// RefPath says where the ids that a relation leads to lie in one type of document.
type RefPath struct {
	Relation int // index in Service.Relations
	Path     Path
}

// Naming is a fact that says what a relation leads to, or a field of its records: the two lie in one place.
type Naming struct {
	Fact     int    // index in Service.Facts
	Field    string // "" for the fact itself
	Relation int    // index in Service.Relations
	Path     Alternative
}

// Part says how a document that is no resource itself joins its parent.
type Part struct {
	By         Path
	WhenAbsent map[int]demarc.Value // fact index to value
}

// Identity says what a resource is called, where the dialect's own rule does not do. A nil member is not said.
type Identity struct {
	ID, Name, Region, Account Template
	Aliases                   []Template
}

// alias reports whether what lies at a path is an alias.
func (id *Identity) alias(p Path) bool {
	return id != nil && slices.ContainsFunc(id.Aliases, func(t Template) bool { return len(t) == 1 && t[0].Path != nil && t[0].Path.String() == p.String() })
}

// Service is a catalog entry: everything known about one kind of resource.
type Service struct {
	ID        demarc.ServiceID
	Title     string
	About     string
	Model     string
	Provider  string // default provider of its resources; empty where the document decides
	Archetype *Archetype
	Types     []*TypeRef
	Identity  map[demarc.Dialect]*Identity
	Facts     []Fact
	Relations []Relation
	Base      []*Outcome // by duty index: the archetype's row or the service's own
	Own       []bool     // by duty index: Base is the service's own
	Lines     []*Line
	Checks    []*Check
	Pos       strictyaml.Pos

	book      *Rulebook
	factIndex map[string]int
	compile   sync.Once
	env       *rule.Env
	faults    strictyaml.Errors
	movers    [][]int // by duty index: the lines that move it, in order
	plan      *plan
}

// Fact is one declared fact of a service.
type Fact struct {
	Name      string
	Type      demarc.Type
	About     string
	Sensitive bool
	Values    []string // closed set; nil for any
	Map       map[string]demarc.Value
	Fields    []Field       // of records, by name
	Names     *demarc.Names // of the Fields
	Defaults  map[demarc.Dialect]Default
	Presume   *Presumption
	Derive    *Condition // expression over other facts; nil for a fact that is read
	Typed     bool       // the type of the document alone tells it
	Via       int        // index of the relation it is drawn through, -1 for none
	ViaFact   string     // the fact of the service that the relation leads to
	None      demarc.Value
	Pos       strictyaml.Pos
	derive    strictyaml.Text
}

// Field is one field of a record.
type Field struct {
	Name    string
	Type    demarc.Type
	Path    Path
	Default demarc.Value // zero for none
	Map     map[string]demarc.Value

	fact  Fact
	below [][]Step // by alternative of Path
}

// Field returns the field of the records of the fact that has this name; nil if none has.
func (f *Fact) Field(name string) *Field {
	for i := range f.Fields {
		if f.Fields[i].Name == name {
			return &f.Fields[i]
		}
	}
	return nil
}

// AsFact returns a fact of the type of the field.
func (f *Field) AsFact() *Fact { return &f.fact }

// Below returns the steps of an alternative of the path behind its first key.
func (f *Field) Below(alternative int) []Step { return f.below[alternative] }

// finish prepares what reading a record takes.
func (f *Field) finish() {
	f.fact = Fact{Type: f.Type, Map: f.Map}
	for _, a := range f.Path {
		var steps []Step
		if len(a.Keys) > 0 {
			for _, key := range a.Keys[1:] {
				steps = append(steps, Step{Kind: StepKey, Key: key})
			}
		}
		f.below = append(f.below, append(steps, a.Rest...))
	}
}

// Default is what a field means when a complete document leaves it out.
type Default struct {
	Value  demarc.Value
	Source *Source
}

// Presumption is the value that a rare, unknown fact is taken to have.
type Presumption struct {
	Value  demarc.Value
	Reason string
	Source *Source
}

// Relation leads from a resource to others, one hop.
type Relation struct {
	Name string
	To   []demarc.ServiceID
	// Answers says that who asks for the service of this resource by the name of what the relation leads to means this one: a
	// subnet's route table is found by the subnet.
	Answers bool
	Pos     strictyaml.Pos
}

// Line is a rule on facts that moves duties between roles.
type Line struct {
	ID      string
	When    *Condition
	Moves   map[int]*Outcome // by duty index
	Binds   map[demarc.Role]demarc.Role
	Because string
	Source  *Source
	Pos     strictyaml.Pos
	when    strictyaml.Text
}

// Check is a test on facts that proves or disproves the tenant's part of a duty.
type Check struct {
	ID       string // in its service: "public-access"
	Name     string // in the catalog: "aws/rds/public-access"
	Title    string
	Duty     int
	Severity demarc.Severity
	Applies  *Condition // nil: always
	Pass     *Condition
	Proves   bool
	Fix      Fix
	Source   *Source
	Also     map[string][]string
	Pos      strictyaml.Pos
	applies  strictyaml.Text
	pass     strictyaml.Text
}

// Fix says how to mend what a check found.
type Fix struct {
	Text      string `yaml:"text"`
	CLI       string `yaml:"cli"`
	Terraform string `yaml:"terraform"`
}

// Digest returns the digest of every file of the catalog: sha256, in hex.
func (b *Rulebook) Digest() string { return b.digest() }

// Layers returns all layers, in the order of demarc.Layers.
func (b *Rulebook) Layers() []LayerInfo { return b.duties().layers }

// Duties returns all duties, in the order of demarc.Duties.
func (b *Rulebook) Duties() []DutyInfo { return b.duties().duties }

// Service returns the service of that id, or nil.
func (b *Rulebook) Service(id demarc.ServiceID) *Service {
	if e := b.services[id]; e != nil {
		return e.get(b, (*loader).linked)
	}
	if id == unclassified {
		return b.Unclassified("")
	}
	return nil
}

// Check returns a check by its full id, such as "aws/rds/public-access"; nil if there is none.
func (b *Rulebook) Check(id string) *Check {
	i := max(strings.LastIndexByte(id, '/'), 0)
	if s := b.Service(demarc.ServiceID(id[:i])); s != nil {
		for _, c := range s.Checks {
			if c.Name == id {
				return c
			}
		}
	}
	return nil
}

// ServiceIDs returns the ids of all services, sorted. Nothing is decoded for it.
func (b *Rulebook) ServiceIDs() []demarc.ServiceID { return slices.Sorted(maps.Keys(b.services)) }

// Services returns all services, sorted by id.
func (b *Rulebook) Services() []*Service { return b.all() }

// Archetypes returns all archetypes, sorted by id.
func (b *Rulebook) Archetypes() []*Archetype {
	var out []*Archetype
	for _, id := range slices.Sorted(maps.Keys(b.archetypes)) {
		out = append(out, b.archetypes[id].get(b, (*loader).archetype))
	}
	return out
}

// Find returns what a document type is, or nil. Types compare without case.
func (b *Rulebook) Find(d demarc.Dialect, typ string) *TypeRef {
	if p := b.placesOf(d).byType[strings.ToLower(typ)]; p != nil {
		return p.Ref()
	}
	return nil
}

// Ignored reports whether a type is known to be no resource.
func (b *Rulebook) Ignored(d demarc.Dialect, typ string) bool {
	for _, g := range b.ignored[d] {
		if ok, err := path.Match(strings.ToLower(g), strings.ToLower(typ)); ok && err == nil {
			return true
		}
	}
	return false
}

// TerraformProvider returns the provider of a Terraform type, "" if no prefix matches.
func (b *Rulebook) TerraformProvider(typ string) string {
	for _, p := range b.tfOwners {
		if strings.HasPrefix(typ, p.prefix) {
			return p.value
		}
	}
	return ""
}

// Nodes returns how Kubernetes nodes tell whose they are.
func (b *Rulebook) Nodes() Nodes { return b.k8sNodes }

// Unclassified returns the service that stands for what the catalog does not know of a provider.
func (b *Rulebook) Unclassified(provider string) *Service {
	all := b.unknown()
	if s := all[provider]; s != nil {
		return s
	}
	return all[""]
}

// Parties returns the parties that the catalog knows, with their kinds, for an estate to name.
func (b *Rulebook) Parties() map[demarc.Party]demarc.PartyKind {
	out := map[demarc.Party]demarc.PartyKind{demarc.Self: demarc.KindSelf, demarc.Nobody: demarc.KindNobody}
	for id, p := range b.Providers {
		if p.Kind == "provider" {
			out[demarc.Party(id)] = demarc.KindProvider
		}
	}
	return out
}

// FactIndex returns the place of a fact in Facts, or -1.
func (s *Service) FactIndex(name string) int {
	if i, ok := s.factIndex[name]; ok {
		return i
	}
	return -1
}

// Movers returns the lines that move a duty, in order. The service must have been compiled.
func (s *Service) Movers(duty int) []int { return s.movers[duty] }
