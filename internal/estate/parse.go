package estate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
	"github.com/demarc/demarc/internal/strictyaml"
	"github.com/demarc/demarc/internal/suggest"
)

// MaxEntries is how many entries a list of the file may have.
const MaxEntries = 10_000

// Load reads the file at path as Parse does.
func Load(path string, known map[demarc.Party]demarc.PartyKind) (*Estate, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open estate: %w", err)
	}
	defer f.Close()
	data, err := readAtMost(f, strictyaml.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read estate %q: %w", path, err)
	}
	return Parse(path, data, known)
}

// Parse reads data, which is the content of file, strictly: it returns every mistake as strictyaml.Errors. The
// parties of the catalog, with what each is, come as known; the file may name these, its own, self and nobody.
func Parse(file string, data []byte, known map[demarc.Party]demarc.PartyKind) (*Estate, error) {
	var doc document
	p := parser{
		file: file, known: known, parties: make(map[demarc.Party]PartyInfo),
		wheres: make(map[string]*rule.Where), ids: make(map[string]strictyaml.Pos),
	}
	if err := strictyaml.Decode(file, data, &doc); err != nil && !errors.As(err, &p.errs) {
		return nil, err
	}
	e := p.estate(&doc)
	if err := p.errs.Err(); err != nil {
		return nil, err
	}
	return e, nil
}

// document is the file as it is written.
type document struct {
	content content
	digest  string
}

type content struct {
	Organization string                           `yaml:"organization"`
	Sources      []entry[sourceYAML]              `yaml:"sources"`
	Parties      strictyaml.Map[entry[partyYAML]] `yaml:"parties"`
	Bindings     []entry[bindingYAML]             `yaml:"bindings"`
	Engagements  []entry[engagementYAML]          `yaml:"engagements"`
	Assumptions  []entry[assumptionYAML]          `yaml:"assumptions"`
	Teams        []entry[teamYAML]                `yaml:"teams"`
	Attestations []entry[attestationYAML]         `yaml:"attestations"`
	Assurances   []entry[assuranceYAML]           `yaml:"assurances"`
	Exceptions   []entry[exceptionYAML]           `yaml:"exceptions"`
}

// DecodeYAML implements strictyaml.Unmarshaler.
func (doc *document) DecodeYAML(n *yaml.Node, d *strictyaml.Decoder) {
	doc.digest = digest(canonical(n))
	d.Decode(n, &doc.content)
}

type sourceYAML struct {
	Name     strictyaml.Text `yaml:"name"`
	Path     string          `yaml:"path"`
	Provider string          `yaml:"provider"`
	Account  string          `yaml:"account"`
	Region   string          `yaml:"region"`
}

type partyYAML struct {
	Title string          `yaml:"title"`
	Kind  strictyaml.Text `yaml:"kind"`
}

type bindingYAML struct {
	ID       strictyaml.Text `yaml:"id"`
	Where    strictyaml.Text `yaml:"where"`
	Site     strictyaml.Text `yaml:"site"`
	Host     strictyaml.Text `yaml:"host"`
	Operator strictyaml.Text `yaml:"operator"`
	Supplier strictyaml.Text `yaml:"supplier"`
	Tenant   strictyaml.Text `yaml:"tenant"`
}

type engagementYAML struct {
	ID       strictyaml.Text   `yaml:"id"`
	Party    strictyaml.Text   `yaml:"party"`
	Where    strictyaml.Text   `yaml:"where"`
	Takes    []strictyaml.Text `yaml:"takes"`
	Excludes []strictyaml.Text `yaml:"excludes"`
	From     strictyaml.Text   `yaml:"from"`
	Until    strictyaml.Text   `yaml:"until"`
	Contract string            `yaml:"contract"`
}

type assumptionYAML struct {
	ID     strictyaml.Text `yaml:"id"`
	Where  strictyaml.Text `yaml:"where"`
	Duty   strictyaml.Text `yaml:"duty"`
	Holder strictyaml.Text `yaml:"holder"`
}

type teamYAML struct {
	ID     strictyaml.Text   `yaml:"id"`
	Team   strictyaml.Text   `yaml:"team"`
	Where  strictyaml.Text   `yaml:"where"`
	Duties []strictyaml.Text `yaml:"duties"`
	Teams  []string          `yaml:"teams"`
}

type attestationYAML struct {
	ID       strictyaml.Text `yaml:"id"`
	Duty     strictyaml.Text `yaml:"duty"`
	Where    strictyaml.Text `yaml:"where"`
	By       strictyaml.Text `yaml:"by"`
	On       strictyaml.Text `yaml:"on"`
	Until    strictyaml.Text `yaml:"until"`
	Evidence string          `yaml:"evidence"`
	Teams    []string        `yaml:"teams"`
}

type assuranceYAML struct {
	ID       strictyaml.Text `yaml:"id"`
	Party    strictyaml.Text `yaml:"party"`
	Report   strictyaml.Text `yaml:"report"`
	Services []string        `yaml:"services"`
	Regions  []string        `yaml:"regions"`
	Until    strictyaml.Text `yaml:"until"`
}

type exceptionYAML struct {
	ID     strictyaml.Text `yaml:"id"`
	Check  strictyaml.Text `yaml:"check"`
	Where  strictyaml.Text `yaml:"where"`
	Reason string          `yaml:"reason"`
	Owner  string          `yaml:"owner"`
	Until  strictyaml.Text `yaml:"until"`
	Teams  []string        `yaml:"teams"`
}

// entry is one element of a list of the file. One that did not decode is passed over: its mistakes are told.
type entry[T any] struct {
	raw    T
	ok     bool
	pos    strictyaml.Pos
	digest string // of what it says, without its id
}

// DecodeYAML implements strictyaml.Unmarshaler.
func (e *entry[T]) DecodeYAML(n *yaml.Node, d *strictyaml.Decoder) {
	e.pos = d.Pos(n)
	e.digest = digest(canonical(n, "id"))
	e.ok = d.Decode(n, &e.raw)
}

// canonical returns a node as JSON of strings, with keys in order and without the keys in skip, so that it tells what
// is said and not how it is laid out.
func canonical(n *yaml.Node, skip ...string) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !slices.Contains(skip, n.Content[i].Value) {
				m[n.Content[i].Value] = canonical(n.Content[i+1])
			}
		}
		return m
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			list[i] = canonical(c)
		}
		return list
	default:
		return n.Value
	}
}

func digest(content any) string {
	text, err := json.Marshal(content)
	if err != nil {
		panic("estate: " + err.Error()) // maps, lists and strings always marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// parser turns the file as it is written into an Estate, and gathers mistakes.
type parser struct {
	file    string
	known   map[demarc.Party]demarc.PartyKind
	parties map[demarc.Party]PartyInfo
	wheres  map[string]*rule.Where    // compiled already, by text; nil for a wrong one
	ids     map[string]strictyaml.Pos // by kind and id
	errs    strictyaml.Errors
}

func (p *parser) estate(doc *document) *Estate {
	c := &doc.content
	e := &Estate{Organization: c.Organization, Parties: p.parties, Digest: doc.digest}
	if e.Digest == "" {
		e.Digest = digest(map[string]any{})
	}
	p.declareParties(c.Parties)
	e.Sources = build(p, "sources", c.Sources, p.source)
	e.Bindings = build(p, "bindings", c.Bindings, p.binding)
	e.Engagements = build(p, "engagements", c.Engagements, p.engagement)
	e.Assumptions = build(p, "assumptions", c.Assumptions, p.assumption)
	e.Teams = build(p, "teams", c.Teams, p.team)
	e.Attestations = build(p, "attestations", c.Attestations, p.attestation)
	e.Assurances = build(p, "assurances", c.Assurances, p.assurance)
	e.Exceptions = build(p, "exceptions", c.Exceptions, p.exception)
	return e
}

// build makes what one list of the file declares.
func build[T, R any](p *parser, list string, entries []entry[R], one func(*entry[R]) T) []T {
	if len(entries) > MaxEntries {
		at := entries[MaxEntries].pos
		if at.Line == 0 { // an alias
			at = entries[0].pos
		}
		p.errs.Addf(at, "%s has more than %d entries", list, MaxEntries)
		return nil
	}
	var out []T
	for i := range entries {
		if entries[i].ok {
			out = append(out, one(&entries[i]))
		}
	}
	return out
}

var partyName = regexp.MustCompile(`^[a-z0-9][a-z0-9:._-]*$`)

func (p *parser) declareParties(parties strictyaml.Map[entry[partyYAML]]) {
	if len(parties) > MaxEntries {
		p.errs.Addf(parties[MaxEntries].Pos, "parties has more than %d entries", MaxEntries)
		return
	}
	for _, x := range parties {
		name, party := demarc.Party(x.Key), x.Value
		p.parties[name] = PartyInfo{Title: party.raw.Title, Kind: demarc.PartyKind(party.raw.Kind.Value)}
		if !party.ok {
			continue // known by name, so that nothing else is said about it
		}
		switch kind := demarc.PartyKind(party.raw.Kind.Value); {
		case name == demarc.Self || name == demarc.Nobody:
			p.errs.Addf(x.Pos, "party %q is always there and cannot be declared", name)
		case !partyName.MatchString(x.Key):
			p.errs.Addf(x.Pos, "party %q: want lower case letters, digits and any of : . _ -", name)
		case kind == "":
			p.errs.Addf(x.Pos, "party %q has no \"kind\": want provider, msp or vendor", name)
		case kind != demarc.KindProvider && kind != demarc.KindMSP && kind != demarc.KindVendor:
			p.errs.Addf(party.raw.Kind.Pos, "kind %q: want provider, msp or vendor", kind)
		case p.known[name] != "" && p.known[name] != kind:
			p.errs.Addf(party.raw.Kind.Pos, "party %q is a %s in the catalog", name, p.known[name])
		}
	}
}

func (p *parser) source(x *entry[sourceYAML]) Source {
	p.required(x.pos, "source", "name", x.raw.Name)
	if x.raw.Name.Value != "" {
		p.unique("source", x.raw.Name.Value, x.raw.Name.Pos)
	}
	path := x.raw.Path
	if path != "" && path != "-" && !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(p.file), path)
	}
	return Source{
		Name: x.raw.Name.Value, Path: path,
		Provider: x.raw.Provider, Account: x.raw.Account, Region: x.raw.Region, Pos: x.pos,
	}
}

func (p *parser) binding(x *entry[bindingYAML]) Binding {
	b := Binding{ID: id(p, "binding", x, x.raw.ID), Where: p.where(x.raw.Where), Roles: make(map[demarc.Role]demarc.Party), Pos: x.pos}
	for role, t := range map[demarc.Role]strictyaml.Text{
		demarc.Site: x.raw.Site, demarc.Host: x.raw.Host, demarc.Operator: x.raw.Operator,
		demarc.Supplier: x.raw.Supplier, demarc.Tenant: x.raw.Tenant,
	} {
		if t.Pos.Line != 0 {
			b.Roles[role] = p.party(t)
		}
	}
	if len(b.Roles) == 0 {
		p.errs.Addf(x.pos, "binding binds no role: want any of site, host, operator, supplier, tenant")
	}
	return b
}

func (p *parser) engagement(x *entry[engagementYAML]) Engagement {
	e := Engagement{
		ID: id(p, "engagement", x, x.raw.ID), Where: p.where(x.raw.Where),
		Takes: p.duties(x.raw.Takes), Excludes: p.duties(x.raw.Excludes),
		From: p.date(x.raw.From), Until: p.date(x.raw.Until), Contract: x.raw.Contract, Pos: x.pos,
	}
	if p.required(x.pos, "engagement", "party", x.raw.Party) {
		e.Party = p.otherParty("engagement", x.raw.Party)
	}
	if len(x.raw.Takes) == 0 {
		p.errs.Addf(x.pos, "engagement has no \"takes\": want the duties that the party takes over")
	}
	p.inOrder("from", e.From, "until", e.Until, x.raw.Until)
	return e
}

func (p *parser) assumption(x *entry[assumptionYAML]) Assumption {
	a := Assumption{ID: id(p, "assumption", x, x.raw.ID), Where: p.where(x.raw.Where), Pos: x.pos}
	if p.required(x.pos, "assumption", "duty", x.raw.Duty) {
		a.Duty = p.duty(x.raw.Duty)
	}
	if p.required(x.pos, "assumption", "holder", x.raw.Holder) {
		a.Holder = p.holder(x.raw.Holder)
	}
	return a
}

func (p *parser) team(x *entry[teamYAML]) Team {
	p.required(x.pos, "team", "team", x.raw.Team)
	return Team{
		ID: id(p, "team", x, x.raw.ID), Team: x.raw.Team.Value, Where: p.where(x.raw.Where),
		Duties: p.duties(x.raw.Duties), Teams: x.raw.Teams, Pos: x.pos,
	}
}

func (p *parser) attestation(x *entry[attestationYAML]) Attestation {
	a := Attestation{
		ID: id(p, "attestation", x, x.raw.ID), Where: p.where(x.raw.Where), By: x.raw.By.Value,
		On: p.date(x.raw.On), Until: p.date(x.raw.Until), Evidence: x.raw.Evidence, Teams: x.raw.Teams, Pos: x.pos,
	}
	if p.required(x.pos, "attestation", "duty", x.raw.Duty) {
		a.Duty = p.duty(x.raw.Duty)
	}
	p.required(x.pos, "attestation", "by", x.raw.By)
	p.required(x.pos, "attestation", "on", x.raw.On)
	p.inOrder("on", a.On, "until", a.Until, x.raw.Until)
	return a
}

func (p *parser) assurance(x *entry[assuranceYAML]) Assurance {
	a := Assurance{
		ID: id(p, "assurance", x, x.raw.ID), Report: x.raw.Report.Value,
		Services: x.raw.Services, Regions: x.raw.Regions, Until: p.date(x.raw.Until), Pos: x.pos,
	}
	if p.required(x.pos, "assurance", "party", x.raw.Party) {
		a.Party = p.otherParty("assurance", x.raw.Party)
	}
	p.required(x.pos, "assurance", "report", x.raw.Report)
	return a
}

func (p *parser) exception(x *entry[exceptionYAML]) Exception {
	p.required(x.pos, "exception", "check", x.raw.Check)
	p.required(x.pos, "exception", "until", x.raw.Until)
	return Exception{
		ID: id(p, "exception", x, x.raw.ID), Check: x.raw.Check.Value, Where: p.where(x.raw.Where),
		Reason: x.raw.Reason, Owner: x.raw.Owner, Until: p.date(x.raw.Until), Teams: x.raw.Teams, Pos: x.pos,
	}
}

// required reports whether a field is there, and the mistake if it is not.
func (p *parser) required(entry strictyaml.Pos, kind, field string, t strictyaml.Text) bool {
	switch {
	case t.Pos.Line == 0:
		p.errs.Addf(entry, "%s has no %q", kind, field)
	case strings.TrimSpace(t.Value) == "":
		p.errs.Addf(t.Pos, "%q is empty", field)
	default:
		return true
	}
	return false
}

// shortID is how much of a digest an id is, in hex digits.
const shortID = 12

// id returns the id of an entry: its own, or by default the digest of what it says.
func id[T any](p *parser, kind string, x *entry[T], own strictyaml.Text) string {
	if own.Pos.Line == 0 {
		id := x.digest[:shortID]
		p.unique(kind, id, x.pos)
		return id
	}
	if p.required(x.pos, kind, "id", own) {
		p.unique(kind, own.Value, own.Pos)
	}
	return own.Value
}

func (p *parser) unique(kind, id string, pos strictyaml.Pos) {
	key := kind + " " + id
	if first, ok := p.ids[key]; ok {
		p.errs.Addf(pos, "%s %q stands here twice, first on line %d", kind, id, first.Line)
		return
	}
	p.ids[key] = pos
}

// where compiles a condition; one that is not there matches everything.
func (p *parser) where(t strictyaml.Text) *rule.Where {
	if t.Pos.Line == 0 {
		return nil
	}
	if w, ok := p.wheres[t.Value]; ok && w != nil {
		return w
	}
	w, err := rule.CompileWhere(rule.Source{File: t.Pos.File, Line: t.Pos.Line, Column: t.Pos.Column, Text: t.Value})
	if err != nil {
		var mistakes rule.Errors
		if !errors.As(err, &mistakes) {
			p.errs.Addf(t.Pos, "%v", err)
		}
		for _, m := range mistakes {
			p.errs = append(p.errs, (*strictyaml.Error)(m))
		}
	}
	p.wheres[t.Value] = w
	return w
}

// party returns the party that t names, and reports one that nobody declared.
func (p *parser) party(t strictyaml.Text) demarc.Party {
	name := demarc.Party(t.Value)
	_, declared := p.parties[name]
	if _, known := p.known[name]; declared || known || name == demarc.Self || name == demarc.Nobody {
		return name
	}
	names := []string{string(demarc.Self), string(demarc.Nobody)}
	for n := range p.parties {
		names = append(names, string(n))
	}
	for n := range p.known {
		names = append(names, string(n))
	}
	slices.Sort(names)
	p.errs.Addf(t.Pos, "unknown party %q%s", name, suggest.DidYouMean(t.Value, slices.Values(names)))
	return name
}

// otherParty is party for an entry that cannot be about the organization itself.
func (p *parser) otherParty(kind string, t strictyaml.Text) demarc.Party {
	name := p.party(t)
	if name == demarc.Self || name == demarc.Nobody {
		p.errs.Addf(t.Pos, "the party of an %s cannot be %s", kind, name)
	}
	return name
}

func (p *parser) duties(texts []strictyaml.Text) []string {
	var globs []string
	for _, t := range texts {
		globs = append(globs, p.duty(t))
	}
	return globs
}

// duty returns the duty, or the glob, that t is, and reports one that matches nothing.
func (p *parser) duty(t strictyaml.Text) string {
	matches := func(d demarc.DutyID) bool { return demarc.MatchDuty(t.Value, d) }
	if slices.ContainsFunc(demarc.Duties, matches) {
		return t.Value
	}
	if i := strings.IndexByte(t.Value, '*'); i >= 0 && i < len(t.Value)-1 {
		p.errs.Addf(t.Pos, "duty %q: a star can only end it, as in identity.*", t.Value)
		return t.Value
	}
	known := func(yield func(string) bool) {
		for _, d := range demarc.Duties {
			if !yield(string(d)) {
				return
			}
		}
		for _, l := range demarc.Layers {
			if !yield(string(l) + ".*") {
				return
			}
		}
	}
	p.errs.Addf(t.Pos, "unknown duty %q%s", t.Value, suggest.DidYouMean(t.Value, known))
	return t.Value
}

func (p *parser) holder(t strictyaml.Text) demarc.Holder {
	h := demarc.Holder(t.Value)
	if !slices.Contains(demarc.Holders, h) {
		names := make([]string, len(demarc.Holders))
		for i, x := range demarc.Holders {
			names[i] = string(x)
		}
		p.errs.Addf(t.Pos, "holder %q: want one of %s", t.Value, strings.Join(names, ", "))
	}
	return h
}

// date returns the day that t is, or the zero time if it is not there.
func (p *parser) date(t strictyaml.Text) time.Time {
	if t.Pos.Line == 0 {
		return time.Time{}
	}
	day, err := time.Parse(time.DateOnly, t.Value)
	if err != nil {
		p.errs.Addf(t.Pos, "%q is no day: want yyyy-mm-dd", t.Value)
	}
	return day
}

func (p *parser) inOrder(first string, from time.Time, last string, until time.Time, at strictyaml.Text) {
	if !until.IsZero() && until.Before(from) {
		p.errs.Addf(at.Pos, "%s %s is before %s %s", last, until.Format(time.DateOnly), first, from.Format(time.DateOnly))
	}
}
