package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/debug"
	"cel.dev/cel-go/common/types"

	"github.com/demarc/demarc"
)

// Field declares a fact, or a field of a record.
type Field struct {
	Name   string
	Type   demarc.Type
	Fields []Field // of the records of a TypeRecords
}

// Lifecycles knows until when versions are supported, in tables by name.
type Lifecycles interface {
	// Tables returns the names of the tables.
	Tables() []string
	// Support returns which support a version has on a day: "standard", "extended" or "ended". It is an error if the
	// table does not have the version.
	Support(table, version string, asOf time.Time) (string, error)
}

// Env compiles the expressions of one service. It is safe for concurrent use.
type Env struct {
	name       string
	facts      []Field // sorted by name
	lifecycles Lifecycles
	built      func() (builtEnv, error)
	mu         sync.Mutex
	atoms      map[string]*Atom // by their text
}

// builtEnv is what compiling takes.
type builtEnv struct {
	cel     *cel.Env
	records *recordTypes
}

// fieldName is what can follow a dot in CEL.
var fieldName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// NewEnv returns the environment of a service that declares these facts. Without lifecycles, which may be nil, there are no
// tables for supportOf. The CEL environment behind it is only made when the first expression is compiled.
func NewEnv(name string, facts []Field, lifecycles Lifecycles) (*Env, error) {
	facts = slices.Clone(facts)
	slices.SortFunc(facts, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	if err := checkFields("fact", facts); err != nil {
		return nil, fmt.Errorf("declare the facts of %s: %w", name, err)
	}
	e := &Env{name: name, facts: facts, lifecycles: lifecycles, atoms: map[string]*Atom{}}
	e.built = sync.OnceValues(e.build)
	return e, nil
}

func checkFields(what string, fields []Field) error {
	seen := make(map[string]bool, len(fields))
	for _, f := range fields {
		switch {
		case !fieldName.MatchString(f.Name) || slices.Contains([]string{"in", "true", "false", "null"}, f.Name):
			return fmt.Errorf("%q cannot be the name of a %s", f.Name, what)
		case seen[f.Name]:
			return fmt.Errorf("%s %q is declared twice", what, f.Name)
		case f.Type == demarc.TypeInvalid || f.Type > demarc.TypeRecords:
			return fmt.Errorf("%s %q has no type", what, f.Name)
		case f.Type != demarc.TypeRecords && len(f.Fields) > 0:
			return fmt.Errorf("%s %q has fields and is no list of records", what, f.Name)
		}
		seen[f.Name] = true
		if err := checkFields("field of "+f.Name, f.Fields); err != nil {
			return err
		}
	}
	return nil
}

// The names of a list's two halves, which no expression can spell: what is known of it, and whether there may be
// more. See openLists.
const (
	knownSuffix = "@known"
	openSuffix  = "@open"
)

// prefix is that of the variable that a fact is: CEL takes `facts.engine` for one dotted name.
const prefix = "facts."

// build makes the CEL environment: each fact is a variable of its own, so that evaluating an expression
// converts only what it reads.
func (e *Env) build() (builtEnv, error) {
	base, err := baseEnv()
	if err != nil {
		return builtEnv{}, err
	}
	records := &recordTypes{Provider: base.CELTypeProvider(), types: make(map[string]*recordType)}
	opts := []cel.EnvOption{cel.CustomTypeProvider(records)}
	for _, f := range e.facts {
		opts = append(opts, cel.Variable(prefix+f.Name, records.declare(f)))
		if isList(f.Type) {
			opts = append(opts,
				cel.Variable(prefix+f.Name+knownSuffix, records.declare(f)),
				cel.Variable(prefix+f.Name+openSuffix, cel.BoolType))
		}
	}
	env, err := base.Extend(opts...)
	return builtEnv{env, records}, err
}

func isList(t demarc.Type) bool {
	return t == demarc.TypeStrings || t == demarc.TypeInts || t == demarc.TypeRecords
}

// Compile compiles an expression whose result is of type want. The error it returns is Errors.
func (e *Env) Compile(src Source, want demarc.Type) (*Program, error) {
	built, err := e.built()
	if err != nil {
		return nil, fmt.Errorf("prepare the expressions of %s: %w", e.name, err)
	}
	env := built.cel
	c := &compiler{env: env, src: src, facts: e.facts, lifecycles: e.lifecycles}
	checked := c.check()
	if len(c.errs) > 0 {
		return nil, c.errs.err()
	}
	if got := checked.OutputType(); !wanted(want, got) {
		c.errs = append(c.errs, src.at(0, 0, fmt.Sprintf("want %s, this expression is %s", want, typeName(got))))
		return nil, c.errs
	}
	constants := constantsOf(checked.NativeRep())
	if checked = c.openLists(checked); checked != nil {
		c.limitCost(checked)
	}
	if len(c.errs) > 0 {
		return nil, c.errs.err()
	}
	p := &Program{src: src, want: want, constants: constants, tables: c.tables}
	p.formula = split(checked.NativeRep().Expr(), func(x celast.Expr) Formula {
		atom := e.atom(env, checked.NativeRep(), x, want, built.records)
		p.parts = append(p.parts, part{Atom: atom})
		p.names = append(p.names, atom.names...)
		return Formula{atom: len(p.parts) - 1}
	})
	slices.Sort(p.names)
	p.names = slices.Compact(p.names)
	for i := range p.parts {
		for _, name := range p.parts[i].names {
			at, _ := slices.BinarySearch(p.names, name)
			p.parts[i].facts = append(p.parts[i].facts, at)
		}
	}
	return p, nil
}

// atom returns the atom of a part of a checked expression.
func (e *Env) atom(env *cel.Env, checked *celast.AST, x celast.Expr, want demarc.Type, records *recordTypes) *Atom {
	key := debug.ToDebugString(x)
	e.mu.Lock()
	defer e.mu.Unlock()
	if a := e.atoms[key]; a != nil && a.want == want {
		return a
	}
	a := &Atom{want: want, lifecycles: e.lifecycles, programs: newPrograms(env, checked, x)}
	a.bind(x, e.facts, records)
	a.native = a.makeNative(x)
	e.atoms[key] = a
	return a
}

// wanted reports whether a result of CEL type got can be a value of type want. An empty list literal is a list of
// anything.
func wanted(want demarc.Type, got *types.Type) bool {
	if !isList(want) {
		return celTypes[want].IsExactType(got)
	}
	if got.Kind() != types.ListKind {
		return false
	}
	element := got.Parameters()[0]
	return element.Kind() == types.DynKind ||
		want == demarc.TypeRecords && element.Kind() == types.StructKind ||
		want != demarc.TypeRecords && celTypes[want].IsExactType(got)
}

// typeName says a CEL type in the words of the catalog where it has one.
func typeName(t *types.Type) string {
	for d, c := range celTypes {
		if c.IsExactType(t) {
			return d.String()
		}
	}
	if t.Kind() == types.ListKind && t.Parameters()[0].Kind() == types.StructKind {
		return demarc.TypeRecords.String()
	}
	return cel.FormatCELType(t)
}

var documentType = cel.OpaqueType("document")

var celTypes = map[demarc.Type]*cel.Type{
	demarc.TypeBool:     cel.BoolType,
	demarc.TypeInt:      cel.IntType,
	demarc.TypeNumber:   cel.DoubleType,
	demarc.TypeString:   cel.StringType,
	demarc.TypeTime:     cel.TimestampType,
	demarc.TypeStrings:  cel.ListType(cel.StringType),
	demarc.TypeInts:     cel.ListType(cel.IntType),
	demarc.TypeDocument: documentType,
}

// factOf returns the fact that a variable of a checked expression stands for.
func factOf(e celast.Expr) (string, bool) {
	if e.Kind() != celast.IdentKind {
		return "", false
	}
	return strings.CutPrefix(e.AsIdent(), prefix)
}
