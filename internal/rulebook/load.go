package rulebook

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/rule"
	"github.com/demarc/demarc/internal/strictyaml"
	"github.com/demarc/demarc/internal/suggest"
)

// Load reads the catalog from file systems in order: a service or archetype of a later one takes the place of
// an earlier one with the same id. Every mistake that reading finds is in the error, a strictyaml.Errors.
// Expressions are compiled later: see Service.Compile and Lint.
func Load(systems ...fs.FS) (*Rulebook, error) {
	return load(nil, systems)
}

// BuiltIn returns the catalog that is built in with those of others above it, as Load does.
func BuiltIn(above ...fs.FS) (*Rulebook, error) {
	return Indexed(catalog.Files, above...)
}

// Indexed returns a catalog that has an Index, with others above it, as Load does. The others are read whole. Of the
// indexed one a service or an archetype is decoded when it is first asked for: it must be known to be without mistakes.
func Indexed(files fs.FS, above ...fs.FS) (*Rulebook, error) {
	return load(files, above)
}

// load reads systems whole, above an indexed one if files is not nil.
func load(files fs.FS, systems []fs.FS) (*Rulebook, error) {
	b := &Rulebook{
		Providers:  map[string]*Provider{},
		services:   map[demarc.ServiceID]*shelf[Service]{},
		archetypes: map[string]*shelf[Archetype]{},
		lifecycles: map[string]func() *Lifecycle{},
		places:     map[demarc.Dialect]func() *places{},
		ignored:    map[demarc.Dialect][]string{},
		k8sNodes:   Nodes{Schemes: map[string]demarc.Party{}, Labels: map[string]demarc.Party{}},
		duties:     func() dutyInfos { return dutyInfos{} },
		files:      files,
	}
	l := loader{book: b}
	var digests []func() digest
	if files != nil {
		digests = append(digests, l.list())
	}
	var decoded []serviceFile
	for layer, system := range systems {
		l.digest = digest{}
		decoded = append(decoded, l.read(system, layer+1)...)
		own := l.digest
		digests = append(digests, func() digest { return own })
	}
	l.digest = nil // it is whole
	b.digest = sync.OnceValue(func() string {
		all := sha256.New()
		for _, d := range digests {
			all.Write(d().sum())
		}
		return hex.EncodeToString(all.Sum(nil))
	})
	if files != nil {
		go b.digest() // it is the same for every run, and done by the time that anybody asks
	}
	b.all = sync.OnceValue(b.decodeAll)
	b.unknown = sync.OnceValue(b.unclassified)
	l.services(decoded)
	sort.Slice(b.tfOwners, func(i, j int) bool { return len(b.tfOwners[i].prefix) > len(b.tfOwners[j].prefix) })
	if b.archetypes[unclassified] == nil {
		l.fault(pos{File: "archetypes/unclassified.yaml"}, "the catalog needs an archetype %q for what it does not know", unclassified)
	}
	return b, l.faults.Err()
}

// unclassified is the archetype and the service of what the catalog does not know.
const unclassified = "unclassified"

// loader reads files into a Rulebook that nobody else has yet, or whose lock it holds.
type loader struct {
	book   *Rulebook
	faults strictyaml.Errors
	at     pos    // what is being read
	digest digest // of what is read, nil where nobody asks
}

// digest is the sums of the files of one catalog, by their names.
type digest map[string][sha256.Size]byte

func (d digest) add(name string, data []byte) {
	if d != nil {
		d[name] = sha256.Sum256(data)
	}
}

func (d digest) sum() []byte {
	all := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(d)) {
		sum := d[name]
		fmt.Fprintf(all, "%x %s\n", sum, name)
	}
	return all.Sum(nil)
}

// fault reports a mistake at p; what is not there has no place, and is missing from what is being read.
func (l *loader) fault(p pos, format string, args ...any) {
	if p.File == "" {
		p = l.at
	}
	l.faults = append(l.faults, &strictyaml.Error{File: p.File, Line: p.Line, Column: p.Column, Msg: fmt.Sprintf(format, args...)})
}

// decode reads one file; false if there are mistakes in it. What could be decoded is in into all the same.
func (l *loader) decode(system fs.FS, name string, into any) bool {
	l.at = pos{File: name}
	data, err := fs.ReadFile(system, name)
	if err != nil {
		l.fault(pos{File: name}, "read: %v", err)
		return false
	}
	l.digest.add(name, data)
	err = strictyaml.Decode(name, data, into)
	l.faults = append(l.faults, mistakes(err)...)
	return err == nil
}

// walker is what is done with each file of a catalog, by what is in it.
type walker struct {
	duties, providers, ignored, archetype, lifecycle, service func(name string)
}

// walk goes through a catalog in the order of the names.
func (w *walker) walk(system fs.FS) error {
	return fs.WalkDir(system, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != "." {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".yaml" || strings.HasSuffix(name, "_test.yaml") {
			return nil
		}
		dir := strings.TrimSuffix(path.Dir(name), "/")
		switch {
		case name == "duties.yaml":
			w.duties(name)
		case name == "providers.yaml":
			w.providers(name)
		case name == "ignored.yaml":
			w.ignored(name)
		case path.Base(dir) == "archetypes":
			w.archetype(name)
		case path.Base(dir) == "lifecycle":
			w.lifecycle(name)
		case path.Base(dir) == "frameworks":
			// read by those who need them
		default:
			w.service(name)
		}
		return nil
	})
}

// read takes all files of one catalog. Services are returned: they need the archetypes of all.
func (l *loader) read(system fs.FS, layer int) []serviceFile {
	var services []string
	files := walker{
		duties: func(name string) {
			infos := l.duties(system, name)
			l.book.duties = func() dutyInfos { return infos }
		},
		providers: func(name string) { l.providers(system, name) },
		ignored:   func(name string) { l.ignored(system, name) },
		archetype: func(name string) {
			if a := l.readArchetype(system, name, layer); a != nil {
				l.book.archetypes[a.ID] = shelved(a, layer)
			}
		},
		lifecycle: func(name string) {
			if table := l.readLifecycle(system, name); table != nil {
				l.book.lifecycles[table.ID] = func() *Lifecycle { return table }
			}
		},
		service: func(name string) { services = append(services, name) },
	}
	if err := files.walk(system); err != nil {
		l.fault(pos{File: "catalog " + strconv.Itoa(layer)}, "%v", err)
	}
	return l.readServices(system, services, layer)
}

// readServices decodes the files of services side by side: they are most of what there is to read.
func (l *loader) readServices(system fs.FS, names []string, layer int) []serviceFile {
	type decoded struct {
		file serviceFile
		data []byte
		err  error
	}
	all := make([]decoded, len(names))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range names {
		group.Go(func() error {
			d := &all[i]
			if d.data, d.err = fs.ReadFile(system, name); d.err == nil {
				d.err = strictyaml.Decode(name, d.data, &d.file)
			}
			return nil
		})
	}
	_ = group.Wait() // each error is with its file
	var out []serviceFile
	for i := range all {
		d := &all[i]
		l.digest.add(names[i], d.data)
		l.faults = append(l.faults, mistakes(d.err)...)
		if d.err == nil || d.file.Service.Value != "" { // with its other mistakes, all at once
			d.file.layer = layer
			d.file.Pos.File = names[i] // one that is empty has no place
			out = append(out, d.file)
		}
	}
	return out
}

func (l *loader) duties(system fs.FS, name string) dutyInfos {
	out := dutyInfos{duties: make([]DutyInfo, NumDuties)}
	var f dutiesFile
	if !l.decode(system, name, &f) {
		return out
	}
	for i, e := range f.Layers {
		if i >= len(demarc.Layers) || demarc.Layer(e.ID.Value) != demarc.Layers[i] {
			l.fault(e.ID.Pos, "layer %q is not the one in this place", e.ID.Value)
		}
		out.layers = append(out.layers, LayerInfo{demarc.Layer(e.ID.Value), e.Title})
	}
	for _, e := range f.Duties {
		i := l.duty(e.ID)
		if i < 0 {
			continue
		}
		info := DutyInfo{ID: demarc.DutyID(e.ID.Value), Title: e.Title, About: e.About, Frameworks: map[string][]string{}}
		for _, fw := range e.Frameworks {
			info.Frameworks[fw.Key] = fw.Value.Values
		}
		if info.Title == "" || info.About == "" {
			l.fault(e.ID.Pos, "duty %s needs a title and a sentence", info.ID)
		}
		out.duties[i] = info
	}
	for i, d := range out.duties {
		if d.ID == "" {
			l.fault(pos{File: name}, "duty %s is missing", demarc.Duties[i])
			out.duties[i].ID = demarc.Duties[i]
		}
	}
	l.sources(f.Sources)
	return out
}

// duty returns the index of a duty that a file names, or -1 with a fault.
func (l *loader) duty(t text) int {
	i := demarc.DutyIndex(demarc.DutyID(t.Value))
	if i < 0 {
		var names []string
		for _, d := range demarc.Duties {
			names = append(names, string(d))
		}
		l.fault(t.Pos, "unknown duty %q%s", t.Value, didYouMean(t.Value, names))
	}
	return i
}

func didYouMean(word string, known []string) string {
	slices.Sort(known)
	return suggest.DidYouMean(word, slices.Values(known))
}

func (l *loader) providers(system fs.FS, name string) {
	var f providersFile
	if !l.decode(system, name, &f) {
		return
	}
	for _, e := range f.Providers {
		l.at = e.Pos
		p := &Provider{ID: e.Key, Title: e.Value.Title.Value, Kind: e.Value.Kind.Value}
		if p.Kind != "provider" && p.Kind != "private" {
			l.fault(e.Value.Kind.Pos, "kind of provider %q is %q: want provider or private", e.Key, p.Kind)
		}
		for i := range p.Roles {
			p.Roles[i] = demarc.Self
		}
		for _, r := range e.Value.Roles {
			role, ok := demarc.ParseRole(r.Key)
			if !ok || role == demarc.Tenant {
				l.fault(r.Pos, "unknown role %q: want site, host, operator or supplier", r.Key)
				continue
			}
			p.Roles[role] = demarc.Party(r.Value)
		}
		if i := e.Value.Implied; i != nil {
			id, err := ParseTemplate(i.ID.Value)
			if err != nil {
				l.fault(i.ID.Pos, "%v", err)
			}
			p.Implied = &Implied{Service: demarc.ServiceID(i.Service.Value), ID: id, Type: i.Type.Value}
		}
		l.book.Providers[e.Key] = p
	}
	for _, e := range f.TerraformProviders {
		l.book.tfOwners = append(l.book.tfOwners, prefixed{e.Key, e.Value})
	}
	for _, e := range f.Kubernetes.NodeSchemes {
		l.book.k8sNodes.Schemes[e.Key] = demarc.Party(e.Value)
	}
	for _, e := range f.Kubernetes.NodeLabels {
		l.book.k8sNodes.Labels[e.Key] = demarc.Party(e.Value)
	}
	l.sources(f.Sources)
}

func (l *loader) ignored(system fs.FS, name string) {
	var f strictyaml.Map[[]string]
	if !l.decode(system, name, &f) {
		return
	}
	for _, e := range f {
		if !dialectKeys[e.Key] {
			l.fault(e.Pos, "unknown dialect %q", e.Key)
		}
		l.book.ignored[demarc.Dialect(e.Key)] = append(l.book.ignored[demarc.Dialect(e.Key)], e.Value...)
	}
}

func (l *loader) readArchetype(system fs.FS, name string, layer int) *Archetype {
	var f archetypeFile
	if !l.decode(system, name, &f) && f.Archetype.Value == "" {
		return nil
	}
	if f.Archetype.Value == "" {
		l.fault(f.Pos, "an archetype needs an id")
		return nil
	}
	if e := l.book.archetypes[f.Archetype.Value]; e != nil && e.layer == layer && e.value.Load() != nil {
		old := e.value.Load()
		l.fault(f.Archetype.Pos, "archetype %s is there twice: %s has it too", old.ID, old.Pos.File)
		return nil
	}
	a := &Archetype{ID: f.Archetype.Value, Title: f.Title.Value, About: f.About.Value, Model: l.model(f.Model), Rows: make([]*Outcome, NumDuties), Pos: f.Pos}
	sources := l.sources(f.Sources)
	for _, e := range f.Duties {
		i := l.duty(text{Value: e.Key, Pos: e.Pos})
		if i < 0 {
			continue
		}
		a.Rows[i] = l.outcome(&e.Value, sources, nil)
	}
	for i, row := range a.Rows {
		if row == nil {
			l.fault(f.Pos, "archetype %s has no row for %s", a.ID, demarc.Duties[i])
		}
	}
	return a
}

var models = []string{"iaas", "caas", "paas", "faas", "saas", "managed", "private"}

func (l *loader) model(t text) string {
	if !slices.Contains(models, t.Value) {
		l.fault(t.Pos, "unknown service model %q: want one of %s", t.Value, strings.Join(models, ", "))
	}
	return t.Value
}

// sources resolves the sources that a file lists.
func (l *loader) sources(list strictyaml.Map[sourceEntry]) map[string]*Source {
	out := map[string]*Source{}
	for _, e := range list {
		out[e.Key] = l.source(&e.Value, nil)
	}
	return out
}

// source returns the source that an entry is or names; nil with a fault.
func (l *loader) source(e *sourceEntry, named map[string]*Source) *Source {
	if e.Name != "" {
		s := named[e.Name]
		if s == nil {
			var names []string
			for n := range named {
				names = append(names, n)
			}
			l.fault(e.Pos, "no source %q in sources%s", e.Name, didYouMean(e.Name, names))
		}
		return s
	}
	s := &Source{URL: e.URL.Value, Section: e.Section, Says: e.Says}
	if !strings.HasPrefix(s.URL, "https://") || strings.ContainsAny(s.URL, " \t") {
		l.fault(e.Pos, "source needs the https address of a page")
	}
	read, err := time.Parse(time.DateOnly, e.Read.Value)
	if err != nil {
		l.fault(e.Pos, "source needs the day on which it was read, as 2026-11-23")
	}
	s.Read = read
	return s
}

// outcome resolves who holds a duty. fallback is the source of the line it stands in.
func (l *loader) outcome(e *outcomeEntry, named map[string]*Source, fallback *Source) *Outcome {
	o := &Outcome{Source: fallback, Pos: e.Pos}
	if e.Source != nil {
		o.Source = l.source(e.Source, named)
	} else if fallback == nil {
		l.fault(e.Pos, "nothing is cited: name the page it rests on as source")
	}
	holders := e.Holder.Values
	switch {
	case len(holders) == 0:
		l.fault(e.Pos, "holder is missing: want a role, a list of roles, or not-applicable")
		return o
	case len(holders) == 1 && holders[0] == "not-applicable":
		o.Why = e.Part.Value
		if len(e.Parts) > 0 {
			l.fault(e.Pos, "a duty that does not apply has no parts")
		}
		return o
	}
	for _, h := range holders {
		r, ok := demarc.ParseRole(h)
		if !ok {
			l.fault(e.Holder.Pos, "unknown role %q: want site, host, operator, supplier, tenant or not-applicable", h)
			continue
		}
		o.Roles = o.Roles.With(r)
		if len(holders) == 1 {
			o.Parts[r] = e.Part.Value
		}
	}
	for _, p := range e.Parts {
		r, ok := demarc.ParseRole(p.Key)
		if !ok || !o.Roles.Has(r) {
			l.fault(p.Pos, "part of %q, which is no holder of this duty", p.Key)
			continue
		}
		o.Parts[r] = p.Value
	}
	for r := range demarc.Role(demarc.NumRoles) {
		if o.Roles.Has(r) && o.Parts[r] == "" {
			l.fault(e.Pos, "the part of %s is not said", r)
		}
	}
	return o
}

// services puts the services of catalogs that are read whole on their shelves, and gathers the types of all.
func (l *loader) services(files []serviceFile) {
	b := l.book
	own := map[demarc.ServiceID]*Service{} // those that are decoded
	var overridden []demarc.ServiceID      // of the catalog that is not read whole
	for i := range files {
		s := l.service(&files[i])
		if s == nil {
			continue
		}
		if old := own[s.ID]; old != nil && b.services[s.ID].layer == files[i].layer {
			l.fault(files[i].Service.Pos, "service %s is there twice: %s has it too", s.ID, old.Pos.File)
			continue
		} else if old == nil && b.services[s.ID] != nil {
			overridden = append(overridden, s.ID)
		}
		own[s.ID] = s
		b.services[s.ID] = &shelf[Service]{layer: files[i].layer, draft: s}
	}
	l.gather(own)
	for _, s := range own {
		l.linked(b.services[s.ID])
	}
	for _, e := range l.mention(overridden) {
		l.linked(e)
	}
	for _, p := range b.Providers {
		if p.Implied != nil && b.services[p.Implied.Service] == nil {
			p.Implied = nil
		}
	}
}

// gather makes the tables of types. Where all of a dialect's types are in an index, that is left to who asks first.
func (l *loader) gather(own map[demarc.ServiceID]*Service) {
	b := l.book
	declared := map[demarc.Dialect][]*Place{}
	for _, s := range slices.SortedFunc(maps.Values(own), func(x, y *Service) int {
		return cmp.Or(b.services[x.ID].layer-b.services[y.ID].layer, strings.Compare(string(x.ID), string(y.ID)))
	}) {
		for d, list := range b.placesIn(s) {
			declared[d] = append(declared[d], list...)
		}
	}
	for _, d := range demarc.Dialects {
		table := sync.OnceValue(func() *places {
			all := b.indexed(d)
			all = slices.DeleteFunc(all, func(p *Place) bool { return own[p.Service] != nil })
			return gather(d, append(all, declared[d]...), func(p, with *Place) {
				if ref := p.ref.Load(); ref != nil {
					l.clash(ref, with)
				}
			})
		})
		b.places[d] = table
		if len(declared[d]) > 0 {
			table()
		}
	}
}

// asks finds mistakes in what the elements of an envelope must have.
func (l *loader) asks(ref *TypeRef) {
	if ref.Has == "" {
		return
	}
	all := strings.Split(ref.Has, "|")
	for i, ask := range all {
		switch member, _, _ := strings.Cut(ask, "="); {
		case strings.TrimSpace(member) != member || member == "":
			l.fault(ref.Pos, "has %q: between | there is a member, or MEMBER=TEXT", ref.Has)
			return
		case slices.Contains(all[:i], ask):
			l.fault(ref.Pos, "has %q names %s twice", ref.Has, ask)
		}
	}
}

func (l *loader) clash(ref *TypeRef, with *Place) {
	if isEnvelopeDialect(ref.Dialect) {
		l.fault(ref.Pos, "envelope %s of dialect %s with the member %q is already %s", strings.Join(ref.Envelope, "."), ref.Dialect, ref.Has, with.Service)
		return
	}
	// A part may also be a resource of its own elsewhere; two resources may not share a type.
	l.fault(ref.Pos, "type %s of dialect %s is already %s", ref.Type, ref.Dialect, with.Service)
}

// link looks up what a service says of others.
func (l *loader) link(s *Service) {
	l.at = s.Pos
	for i := range s.Relations {
		r := &s.Relations[i]
		if len(r.To) == 0 {
			l.fault(r.Pos, "relation %s does not say where it leads: name services as to", r.Name)
		}
		for _, to := range r.To {
			if l.book.services[to] == nil {
				l.fault(r.Pos, "relation %s leads to %q, which is no service", r.Name, to)
			}
		}
	}
	l.drawn(s)
}

func (l *loader) service(f *serviceFile) *Service {
	l.at = f.Pos
	s := &Service{
		book: l.book,
		ID:   demarc.ServiceID(f.Service.Value), Title: f.Title.Value, About: f.About.Value, Model: l.model(f.Model),
		Identity: map[demarc.Dialect]*Identity{}, factIndex: map[string]int{}, Pos: f.Pos,
		Base: make([]*Outcome, NumDuties), Own: make([]bool, NumDuties),
	}
	folder, _, ok := strings.Cut(f.Service.Value, "/")
	if !ok {
		l.fault(f.Service.Pos, "service %q is not named folder/name", f.Service.Value)
		return nil
	}
	if s.Provider = f.Provider.Value; s.Provider == "" {
		s.Provider = folder
	}
	if l.book.Providers[s.Provider] == nil && s.Provider != "saas" {
		l.fault(f.Service.Pos, "no provider %q in providers.yaml", s.Provider)
	}
	if e := l.book.archetypes[f.Archetype.Value]; e == nil {
		l.fault(f.Archetype.Pos, "no archetype %q%s", f.Archetype.Value, didYouMean(f.Archetype.Value, slices.Collect(maps.Keys(l.book.archetypes))))
		return nil
	} else if s.Archetype = l.archetype(e); s.Archetype == nil {
		return nil
	}
	copy(s.Base, s.Archetype.Rows)
	sources := l.sources(f.Sources)
	for _, e := range f.Duties {
		if i := l.duty(text{Value: e.Key, Pos: e.Pos}); i >= 0 {
			s.Base[i], s.Own[i] = l.outcome(&e.Value, sources, nil), true
		}
	}
	l.facts(s, f, sources)
	for _, e := range f.Relations {
		r := Relation{Name: e.Key, Answers: e.Value.Answers, Pos: e.Pos}
		for _, to := range e.Value.To.Values {
			r.To = append(r.To, demarc.ServiceID(to))
		}
		s.Relations = append(s.Relations, r)
	}
	l.types(s, f)
	l.lines(s, f, sources)
	l.checks(s, f, sources)
	return s
}

func (l *loader) facts(s *Service, f *serviceFile, sources map[string]*Source) {
	for _, e := range f.Facts {
		l.at = e.Pos
		v := &e.Value
		fact := Fact{Name: e.Key, About: v.About.Value, Sensitive: v.Sensitive, Values: v.Values, Via: -1, Pos: e.Pos, derive: v.Derive}
		typ, ok := demarc.ParseType(v.Type.Value)
		if !ok {
			l.fault(v.Type.Pos, "unknown type %q of fact %s: want bool, int, number, string, time, strings, ints, document or records", v.Type.Value, e.Key)
			typ = demarc.TypeString
		}
		fact.Type = typ
		for _, m := range v.Map {
			if fact.Map == nil {
				fact.Map = map[string]demarc.Value{}
			}
			fact.Map[m.Key] = l.value(m.Value, elementOr(typ), m.Pos)
		}
		for _, fe := range v.Fields {
			ft, ok := demarc.ParseType(fe.Value.Type.Value)
			if !ok || ft == demarc.TypeRecords {
				l.fault(fe.Value.Type.Pos, "unknown type %q of field %s", fe.Value.Type.Value, fe.Key)
				ft = demarc.TypeString
			}
			field := Field{Name: fe.Key, Type: ft}
			if fe.Value.Path.Value != "" || v.Derive.Value == "" { // what is derived has no path
				field.Path = l.path(fe.Value.Path)
			}
			if fe.Value.Default != nil {
				field.Default = l.value(fe.Value.Default, ft, fe.Pos)
			}
			for _, m := range fe.Value.Map {
				if field.Map == nil {
					field.Map = map[string]demarc.Value{}
				}
				field.Map[m.Key] = l.value(m.Value, elementOr(ft), m.Pos)
			}
			field.finish()
			fact.Fields = append(fact.Fields, field)
		}
		slices.SortFunc(fact.Fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
		fact.Names = namesOf(fact.Fields)
		if typ == demarc.TypeRecords && len(fact.Fields) == 0 && v.Relation.Value == "" {
			l.fault(e.Pos, "fact %s is of type records and declares no fields", e.Key)
		}
		for _, d := range v.Default {
			if !dialectKeys[d.Key] {
				l.fault(d.Pos, "unknown dialect %q", d.Key)
				continue
			}
			if d.Value.Source == nil {
				l.fault(d.Pos, "nothing is cited for the default of %s: name the page as source", e.Key)
				continue
			}
			if fact.Defaults == nil {
				fact.Defaults = map[demarc.Dialect]Default{}
			}
			fact.Defaults[demarc.Dialect(d.Key)] = Default{l.value(d.Value.Value, typ, d.Pos), l.source(d.Value.Source, sources)}
		}
		if p := v.Presume; p != nil {
			if p.Reason == "" || p.Source == nil {
				l.fault(p.Pos, "a presumption needs a reason and a source")
			}
			fact.Presume = &Presumption{Value: l.value(p.Value, typ, p.Pos), Reason: p.Reason}
			if p.Source != nil {
				fact.Presume.Source = l.source(p.Source, sources)
			}
		}
		if v.None != nil {
			fact.None = l.value(v.None, typ, e.Pos)
		}
		if v.Relation.Value != "" {
			fact.ViaFact = v.Fact.Value
			fact.Via = slices.IndexFunc(f.Relations, func(r strictyaml.Entry[relation]) bool { return r.Key == v.Relation.Value })
			if fact.Via < 0 {
				l.fault(v.Relation.Pos, "no relation %q", v.Relation.Value)
			}
		}
		s.factIndex[e.Key] = len(s.Facts)
		s.Facts = append(s.Facts, fact)
	}
}

func namesOf(fields []Field) *demarc.Names {
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].Name
	}
	return demarc.NewNames(names...)
}

func elementOr(t demarc.Type) demarc.Type {
	if e := t.Element(); e != demarc.TypeInvalid {
		return e
	}
	return t
}

// drawn checks that facts drawn through a relation exist where it leads, with a type that fits.
func (l *loader) drawn(s *Service) {
	for i := range s.Facts {
		f := &s.Facts[i]
		if f.Via < 0 {
			continue
		}
		for _, to := range s.Relations[f.Via].To {
			e := l.book.services[to]
			if e == nil {
				continue
			}
			target := l.drafted(e)
			if target == nil {
				continue
			}
			k := target.FactIndex(f.ViaFact)
			if k < 0 {
				l.fault(f.Pos, "%s has no fact %q", to, f.ViaFact)
				continue
			}
			t := &target.Facts[k]
			if t.Via >= 0 && f.Type == demarc.TypeRecords {
				l.fault(f.Pos, "fact %s of %s is drawn through a relation itself: records are drawn once", f.ViaFact, to)
			}
			if f.Type == demarc.TypeRecords && len(f.Fields) == 0 {
				f.Fields, f.Names = t.Fields, t.Names
			}
			if t.Type != f.Type && elementOr(f.Type) != t.Type {
				l.fault(f.Pos, "fact %s is %s, and %s of %s is %s", f.Name, f.Type, f.ViaFact, to, t.Type)
			}
		}
	}
}

// value converts a YAML scalar or list to a value of a type.
func (l *loader) value(n *yaml.Node, t demarc.Type, p pos) demarc.Value {
	bad := func() demarc.Value {
		l.fault(p, "want a value of type %s", t)
		return demarc.Value{}
	}
	if n == nil {
		return bad()
	}
	if n.Line > 0 {
		p.Line, p.Column = n.Line, n.Column
	}
	if n.Kind == yaml.SequenceNode {
		list := []demarc.Value{}
		if t == demarc.TypeRecords && len(n.Content) > 0 {
			return bad()
		}
		for _, e := range n.Content {
			list = append(list, l.value(e, elementOr(t), p))
		}
		if t.Element() == demarc.TypeInvalid && t != demarc.TypeRecords {
			return bad()
		}
		return demarc.List(t, list...)
	}
	if n.Kind != yaml.ScalarNode {
		return bad()
	}
	switch t {
	case demarc.TypeBool:
		if n.Value == "true" || n.Value == "false" {
			return demarc.Bool(n.Value == "true")
		}
	case demarc.TypeInt:
		if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			return demarc.Int(i)
		}
	case demarc.TypeNumber:
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			return demarc.Number(f)
		}
	case demarc.TypeString:
		return demarc.String(n.Value)
	case demarc.TypeDocument:
		return demarc.JSON(n.Value)
	case demarc.TypeTime:
		if at, err := time.Parse(time.RFC3339, n.Value); err == nil {
			return demarc.Time(at)
		}
	default:
	}
	return bad()
}

func (l *loader) path(t text) Path {
	if t.Value == "" {
		l.fault(t.Pos, "a path is missing")
		return nil
	}
	p, err := ParsePath(t.Value)
	if err != nil {
		l.fault(t.Pos, "%v", err)
	}
	return p
}

func (l *loader) template(t text) Template {
	if t.Value == "" {
		return nil
	}
	out, err := ParseTemplate(t.Value)
	if err != nil {
		l.fault(t.Pos, "%v", err)
	}
	return out
}

// types builds the references from document types to the service, with the paths of each.
func (l *loader) types(s *Service, f *serviceFile) {
	for _, e := range f.Identity {
		if !dialectKeys[e.Key] {
			l.fault(e.Pos, "unknown dialect %q", e.Key)
		}
		id := &Identity{ID: l.template(e.Value.ID), Name: l.template(e.Value.Name), Region: l.template(e.Value.Region), Account: l.template(e.Value.Account)}
		for _, a := range e.Value.Aliases {
			id.Aliases = append(id.Aliases, l.template(a))
		}
		s.Identity[demarc.Dialect(e.Key)] = id
	}
	for _, d := range f.Types {
		dialect := demarc.Dialect(d.Key)
		if !dialectKeys[d.Key] {
			l.fault(d.Pos, "unknown dialect %q", d.Key)
			continue
		}
		for _, t := range d.Value {
			ref := &TypeRef{Service: s, Dialect: dialect, Type: t.Name.Value, Identity: s.Identity[dialect], Pos: t.Pos}
			if t.Type.Value != "" {
				ref.Type, ref.Has, ref.Context = t.Type.Value, t.Has, t.Context
				ref.Envelope = envelope(t.Envelope.Value)
				l.asks(ref)
				ref.Summary = t.Complete != nil && !*t.Complete
			}
			s.Types = append(s.Types, ref)
		}
	}
	for _, d := range f.Parts {
		dialect := demarc.Dialect(d.Key)
		if !dialectKeys[d.Key] {
			l.fault(d.Pos, "unknown dialect %q", d.Key)
			continue
		}
		for _, p := range d.Value {
			part := &Part{WhenAbsent: map[int]demarc.Value{}}
			if p.Value.By.Value != "" {
				part.By = l.path(p.Value.By)
			}
			for _, w := range p.Value.WhenAbsent {
				i := s.FactIndex(w.Key)
				if i < 0 {
					l.fault(w.Pos, "no fact %q%s", w.Key, didYouMean(w.Key, s.factNames()))
					continue
				}
				part.WhenAbsent[i] = l.value(w.Value, s.Facts[i].Type, w.Pos)
			}
			ref := &TypeRef{Service: s, Dialect: dialect, Type: p.Key, Part: part, Has: p.Value.Has, Context: p.Value.Context, Pos: p.Pos}
			if isEnvelopeDialect(dialect) {
				ref.Envelope = envelope(p.Key)
				l.asks(ref)
			}
			s.Types = append(s.Types, ref)
		}
	}
	for i, e := range f.Facts {
		for d, paths := range byDialect(&e.Value.In) {
			l.place(s, d, paths, func(ref *TypeRef, p Path) { ref.Facts = append(ref.Facts, FactPath{Fact: i, Path: p}) })
		}
		l.typed(s, i, &e.Value)
	}
	for i, e := range f.Relations {
		all := byDialect(&e.Value.In)
		if e.Value.By != nil {
			for _, d := range f.Types {
				if all[demarc.Dialect(d.Key)] == nil {
					all[demarc.Dialect(d.Key)] = e.Value.By
				}
			}
		}
		for d, paths := range all {
			l.place(s, d, paths, func(ref *TypeRef, p Path) { ref.Refs = append(ref.Refs, RefPath{i, p}) })
		}
	}
	for _, ref := range s.Types {
		ref.Named = ref.namings()
		for _, f := range ref.Facts {
			if f.Path.itself() {
				ref.Called = append(ref.Called, f.Fact)
			}
		}
		for _, r := range ref.Refs {
			if r.Path.itself() || ref.Identity.alias(r.Path) {
				ref.Self = append(ref.Self, r.Relation)
			}
		}
	}
}

// typed makes a fact known by the type of the document: it is true for some types of the service and false for the others.
func (l *loader) typed(s *Service, fact int, v *factEntry) {
	types := v.Types
	if len(types) == 0 {
		return
	}
	f := &s.Facts[fact]
	switch f.Typed = true; {
	case f.Type != demarc.TypeBool:
		l.fault(types[0].Pos, "fact %s is told by the type of the document: it has to be a bool", f.Name)
	case len(byDialect(&v.In)) > 0 || v.Derive.Value != "" || v.Relation.Value != "" || len(v.Default) > 0 || v.Presume != nil:
		l.fault(types[0].Pos, "fact %s is told by the type of the document, and cannot lie anywhere else", f.Name)
	}
	told := func(ref *TypeRef, t text) bool {
		return ref.Part == nil && (strings.EqualFold(ref.Type, t.Value) || string(ref.Dialect) == t.Value)
	}
	for _, t := range types {
		if !slices.ContainsFunc(s.Types, func(ref *TypeRef) bool { return told(ref, t) }) {
			l.fault(t.Pos, "%s has no type %q", s.ID, t.Value)
		}
	}
	for _, ref := range s.Types {
		if ref.Part == nil {
			is := slices.ContainsFunc(types, func(t text) bool { return told(ref, t) })
			ref.Facts = append(ref.Facts, FactPath{Fact: fact, Always: demarc.Bool(is)})
		}
	}
}

// namings finds the facts, and the fields of records, that lie where a relation lies.
func (ref *TypeRef) namings() []Naming {
	var out []Naming
	for _, r := range ref.Refs {
		for _, where := range r.Path {
			for _, f := range ref.Facts {
				fact := &ref.Service.Facts[f.Fact]
				for _, alt := range f.Path {
					if namable(fact) && alt.String() == where.String() {
						out = append(out, Naming{Fact: f.Fact, Relation: r.Relation, Path: where})
					}
					for i := range fact.Fields {
						if field := &fact.Fields[i]; namable(&field.fact) && field.liesAt(alt, where) {
							out = append(out, Naming{f.Fact, field.Name, r.Relation, where})
						}
					}
				}
			}
		}
	}
	return out
}

func namable(f *Fact) bool {
	return (f.Type == demarc.TypeString || f.Type == demarc.TypeStrings) && f.Values == nil && f.Map == nil
}

// liesAt reports whether the field of the records at a path is what another path leads to.
func (f *Field) liesAt(records, where Alternative) bool {
	base := ""
	if records.String() != "$" {
		base = strings.TrimSuffix(records.String(), "[]") + "[]."
	}
	return slices.ContainsFunc(f.Path, func(a Alternative) bool { return base+a.String() == where.String() })
}

func isEnvelopeDialect(d demarc.Dialect) bool {
	return d == demarc.AWSAPI || d == demarc.OpenStack || d == demarc.VSphere || d == demarc.Graph
}

func envelope(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ".")
}

func (s *Service) factNames() []string {
	out := make([]string, 0, len(s.Facts))
	for i := range s.Facts {
		out = append(out, s.Facts[i].Name)
	}
	return out
}

func byDialect(in *inDialects) map[demarc.Dialect]*dialectPaths {
	all := map[demarc.Dialect]*dialectPaths{
		demarc.AWSConfig: in.AWSConfig, demarc.AWSAPI: in.AWSAPI, demarc.CloudFormation: in.CloudFormation, demarc.ARM: in.ARM, demarc.CAI: in.CAI,
		demarc.Kubernetes: in.Kubernetes, demarc.OpenStack: in.OpenStack, demarc.VSphere: in.VSphere, demarc.Graph: in.Graph, demarc.Terraform: in.Terraform,
	}
	for d, p := range all {
		if p == nil {
			delete(all, d)
		}
	}
	return all
}

// place adds paths to the types of a dialect that they are for.
func (l *loader) place(s *Service, d demarc.Dialect, paths *dialectPaths, add func(*TypeRef, Path)) {
	used := false
	if paths.All.Value != "" {
		p := l.path(paths.All)
		for _, ref := range s.Types {
			if ref.Dialect == d && ref.Part == nil {
				used = true
				add(ref, p)
			}
		}
	}
	for _, e := range paths.Of {
		p := l.path(e.Value)
		found := false
		for _, ref := range s.Types {
			if ref.Dialect == d && (strings.EqualFold(ref.Type, e.Key) || strings.Join(ref.Envelope, ".") == e.Key) {
				found, used = true, true
				add(ref, p)
			}
		}
		if !found {
			l.fault(e.Pos, "%s has no type %q in dialect %s", s.ID, e.Key, d)
			used = true
		}
	}
	if !used {
		l.fault(paths.Pos, "%s has no types in dialect %s", s.ID, d)
	}
}

func (l *loader) lines(s *Service, f *serviceFile, sources map[string]*Source) {
	seen := map[string]bool{}
	for i := range f.Lines {
		e := &f.Lines[i]
		l.at = e.Pos
		line := &Line{ID: e.ID.Value, Because: e.Because.Value, Moves: map[int]*Outcome{}, Binds: map[demarc.Role]demarc.Role{}, Pos: e.Pos, when: e.When}
		l.id(e.ID, e.Pos, "line", seen)
		if e.Source == nil {
			l.fault(e.Pos, "nothing is cited for line %s: name the page it rests on as source", line.ID)
		} else {
			line.Source = l.source(e.Source, sources)
		}
		if line.Because == "" {
			l.fault(e.Pos, "line %s does not say because of what", line.ID)
		}
		if e.When.Value == "" {
			l.fault(e.Pos, "line %s does not say when it applies", line.ID)
			line.when.Pos = e.Pos
		}
		for _, m := range e.Moves {
			if k := l.duty(text{Value: m.Key, Pos: m.Pos}); k >= 0 {
				fallback := line.Source
				if fallback == nil {
					fallback = &Source{}
				}
				line.Moves[k] = l.outcome(&m.Value, sources, fallback)
			}
		}
		for _, b := range e.Binds {
			role, ok := demarc.ParseRole(b.Key)
			to, ok2 := demarc.ParseRole(b.Value)
			if !ok || !ok2 || role == demarc.Tenant {
				l.fault(b.Pos, "binds %s: %s: want a role other than tenant, bound to a role", b.Key, b.Value)
				continue
			}
			line.Binds[role] = to
		}
		if len(line.Moves) == 0 && len(line.Binds) == 0 {
			l.fault(e.Pos, "line %s moves nothing", line.ID)
		}
		s.Lines = append(s.Lines, line)
	}
}

func (l *loader) id(t text, p pos, what string, seen map[string]bool) {
	if t.Value == "" {
		l.fault(p, "a %s needs an id", what)
	} else if seen[t.Value] {
		l.fault(t.Pos, "%s %s is there twice", what, t.Value)
	}
	seen[t.Value] = true
}

func (l *loader) checks(s *Service, f *serviceFile, sources map[string]*Source) {
	seen := map[string]bool{}
	for i := range f.Checks {
		e := &f.Checks[i]
		l.at = e.Pos
		l.id(e.ID, e.Pos, "check", seen)
		c := &Check{ID: e.ID.Value, Name: string(s.ID) + "/" + e.ID.Value, Title: e.Title.Value, Duty: -1, Proves: e.Proves, Fix: e.Fix, Also: map[string][]string{}, Pos: e.Pos, applies: e.Applies, pass: e.Pass}
		if c.Title == "" || e.Pass.Value == "" {
			l.fault(e.Pos, "check %s needs a title and says when it passes", c.ID)
			c.pass.Pos = e.Pos
		}
		if e.Duty.Value == "" {
			l.fault(e.Pos, "check %s has no duty", c.ID)
		} else {
			c.Duty = l.duty(e.Duty)
		}
		if err := c.Severity.UnmarshalText([]byte(e.Severity.Value)); err != nil {
			l.fault(e.Pos, "check %s: %v", c.ID, err)
		}
		if e.Source != nil {
			c.Source = l.source(e.Source, sources)
		}
		for _, a := range e.Also {
			c.Also[a.Key] = a.Value.Values
		}
		if c.Duty >= 0 {
			s.Checks = append(s.Checks, c)
		}
	}
}

// Compile compiles the expressions of the service, once. The error holds every mistake in them.
func (s *Service) Compile() error {
	s.compile.Do(func() {
		s.movers = make([][]int, NumDuties)
		for k, line := range s.Lines {
			for d := range line.Moves {
				s.movers[d] = append(s.movers[d], k)
			}
		}
		if len(s.Facts) == 0 && len(s.Lines) == 0 && len(s.Checks) == 0 {
			s.plan = &plan{}
			return
		}
		fields := make([]rule.Field, len(s.Facts))
		for i := range s.Facts {
			f := &s.Facts[i]
			fields[i] = rule.Field{Name: f.Name, Type: f.Type}
			for _, sub := range f.Fields {
				fields[i].Fields = append(fields[i].Fields, rule.Field{Name: sub.Name, Type: sub.Type})
			}
		}
		env, err := rule.NewEnv(string(s.ID), fields, s.book)
		if err != nil {
			s.faults = append(s.faults, &strictyaml.Error{File: s.Pos.File, Line: s.Pos.Line, Column: s.Pos.Column, Msg: err.Error()})
			return
		}
		s.env = env
		for i := range s.Facts {
			f := &s.Facts[i]
			if f.derive.Value != "" {
				f.Derive = s.condition(f.derive, f.Type)
			}
		}
		for _, line := range s.Lines {
			line.When = s.condition(line.when, demarc.TypeBool)
		}
		for _, c := range s.Checks {
			c.Pass = s.condition(c.pass, demarc.TypeBool)
			if c.applies.Value != "" {
				c.Applies = s.condition(c.applies, demarc.TypeBool)
			}
		}
		if len(s.faults) == 0 {
			s.plan = newPlan(s)
		}
	})
	return s.faults.Err()
}

// mistakes returns every mistake that err holds.
func mistakes(err error) strictyaml.Errors {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out strictyaml.Errors
		for _, e := range many.Unwrap() {
			out = append(out, mistakes(e)...)
		}
		return out
	}
	if own, ok := errors.AsType[*strictyaml.Error](err); ok {
		return strictyaml.Errors{own}
	}
	if inRule, ok := errors.AsType[*rule.Error](err); ok {
		return strictyaml.Errors{(*strictyaml.Error)(inRule)}
	}
	return strictyaml.Errors{{Msg: err.Error()}}
}

func (s *Service) condition(t text, want demarc.Type) *Condition {
	prog, err := s.env.Compile(rule.Source{File: t.Pos.File, Line: t.Pos.Line, Column: t.Pos.Column, Text: t.Value}, want)
	if err != nil {
		s.faults = append(s.faults, mistakes(err)...)
		return nil
	}
	c := &Condition{Text: t.Value, prog: prog}
	for _, name := range prog.Facts() {
		c.Reads = append(c.Reads, s.FactIndex(name))
	}
	return c
}
