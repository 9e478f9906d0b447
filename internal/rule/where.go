package rule

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"

	"github.com/demarc/demarc"
)

// whereVars are the names that a condition of an estate may read. All are strings but tags.
var whereVars = []string{"provider", "source", "account", "region", "service", "type", "name", "id", "tags"}

var whereEnv = sync.OnceValues(func() (*cel.Env, error) {
	base, err := baseEnv()
	if err != nil {
		return nil, err
	}
	var opts []cel.EnvOption
	for _, v := range whereVars[:len(whereVars)-1] {
		opts = append(opts, cel.Variable(v, cel.StringType))
	}
	return base.Extend(append(opts, cel.Variable("tags", cel.MapType(cel.StringType, cel.StringType)))...)
})

// Where is a condition of an estate on what identifies a resource. It is immutable and safe for concurrent use.
// A nil Where matches everything.
type Where struct {
	src       Source
	formula   Formula
	questions []*Question // the atoms of the formula
}

// Question is an atom of a Where. It is immutable and safe for concurrent use.
type Question struct {
	Variable string   // the one that it reads: "account", or "tags.team"; "" if it reads several
	Is       []string // it asks whether the variable is one of these; nil if it asks anything else

	of       func(text, part string) bool // it asks this of the variable and part; nil if CEL knows
	part     string
	programs programs
}

// CompileWhere compiles a condition over provider, source, account, region, service, type, name, id and tags.
// A tag that a resource does not have reads as the empty string. The error it returns is Errors.
func CompileWhere(src Source) (*Where, error) {
	env, err := whereEnv()
	if err != nil {
		return nil, fmt.Errorf("prepare the conditions of an estate: %w", err)
	}
	c := &compiler{env: env, src: src, vars: whereVars}
	checked := c.check()
	if checked != nil && !checked.OutputType().IsExactType(cel.BoolType) {
		c.errs = append(c.errs, src.at(0, 0, "want bool, this expression is "+typeName(checked.OutputType())))
	}
	if checked != nil {
		c.limitCost(checked)
	}
	if len(c.errs) > 0 {
		return nil, c.errs.err()
	}
	w := &Where{src: src}
	w.formula = split(checked.NativeRep().Expr(), func(x celast.Expr) Formula {
		q, not := newQuestion(x, variableName)
		if q == nil {
			q = &Question{Variable: onlyVariable(x), programs: newPrograms(env, checked.NativeRep(), x)}
		}
		w.questions = append(w.questions, q)
		f := Formula{atom: len(w.questions) - 1}
		if not {
			f = Formula{op: operators.LogicalNot, args: []Formula{f}}
		}
		return f
	})
	return w, nil
}

// OneOf returns a condition that is true where a variable is one of some values.
func OneOf(variable string, values []string) *Where {
	return &Where{questions: []*Question{{Variable: variable, Is: append([]string{}, values...)}}}
}

// Among returns a condition that is true where a variable is one of some values, or begins with one that ends in a star.
func Among(variable string, globs []string) *Where {
	w := &Where{formula: Formula{op: operators.LogicalOr}}
	for _, glob := range globs {
		q := &Question{Variable: variable, Is: []string{glob}}
		if prefix, all := strings.CutSuffix(glob, "*"); all {
			q = &Question{Variable: variable, of: strings.HasPrefix, part: prefix}
		}
		w.formula.args = append(w.formula.args, Formula{atom: len(w.questions)})
		w.questions = append(w.questions, q)
	}
	return w
}

// Both returns a condition that is true where both conditions are.
func Both(a, b *Where) *Where {
	w := &Where{formula: Formula{op: operators.LogicalAnd}}
	for _, x := range []*Where{a, b} {
		if x != nil {
			w.formula.args = append(w.formula.args, x.formula.moved(len(w.questions)))
			w.questions = append(w.questions, x.questions...)
		}
	}
	return w
}

func (w *Where) String() string {
	if w == nil {
		return ""
	}
	return w.src.Text
}

// Match reports whether the condition holds for r. One that fails, such as an index past the end of a list, does
// not hold.
func (w *Where) Match(r *demarc.Resource) bool {
	return w == nil || w.formula.Eval(func(i int) Truth { return w.questions[i].Ask(r) }) == True
}

// Questions returns the atoms of the condition. What they come to for a resource decides whether it holds.
func (w *Where) Questions() []*Question {
	if w == nil {
		return nil
	}
	return w.questions
}

// Demands returns the questions that name values and are answered with yes by every resource for which the condition holds.
func (w *Where) Demands() []*Question {
	if w == nil {
		return nil
	}
	return w.demands(&w.formula, nil)
}

func (w *Where) demands(f *Formula, out []*Question) []*Question {
	switch {
	case f.op == "" && w.questions[f.atom].Is != nil:
		return append(out, w.questions[f.atom])
	case f.op == operators.LogicalAnd:
		for i := range f.args {
			out = w.demands(&f.args[i], out)
		}
	}
	return out
}

// Ask returns what the question comes to for a resource.
func (q *Question) Ask(r *demarc.Resource) Truth {
	if q.Is != nil || q.of != nil {
		return truth(q.compare(ValueOf(r, q.Variable)))
	}
	s := size{text: max(len(r.ID), len(r.Name), len(r.Account), len(r.Tags))}
	if len(r.Tags) > 2*fewElements {
		s.elements = r.Tags.Len()
	}
	out, err := q.programs.eval(s, (*resourceVars)(r))
	if err != nil {
		return Failed
	}
	return truth(out == types.True)
}

// compare answers a question that compares with what is written out.
func (q *Question) compare(text string) bool {
	if q.of != nil {
		return q.of(text, q.part)
	}
	return slices.Contains(q.Is, text)
}

func truth(b bool) Truth {
	if b {
		return True
	}
	return False
}

// ValueOf returns the value of a variable of a Where: "account", or "tags.team".
func ValueOf(r *demarc.Resource, variable string) string {
	switch variable {
	case "provider":
		return r.Provider
	case "source":
		return r.Source
	case "account":
		return r.Account
	case "region":
		return r.Region
	case "service":
		return string(r.Service)
	case "type":
		return r.Type
	case "name":
		return r.Name
	case "id":
		return string(r.ID)
	default:
		return r.Tags.Get(strings.TrimPrefix(variable, tagPrefix))
	}
}

const tagPrefix = "tags."

// newQuestion returns the question that e asks if it compares one variable with what is written out, and whether its
// answer is to be turned round; nil for anything else. variable returns the name of a variable, "" for what is none.
func newQuestion(e celast.Expr, variable func(celast.Expr) string) (q *Question, not bool) {
	if e.Kind() != celast.CallKind {
		return nil, false
	}
	call := e.AsCall()
	operands := children(e)
	if len(operands) != 2 {
		return nil, false
	}
	name, text := variable(operands[0]), operands[1]
	if name == "" && (call.FunctionName() == operators.Equals || call.FunctionName() == operators.NotEquals) {
		name, text = variable(operands[1]), operands[0]
	}
	if name == "" {
		return nil, false
	}
	value, written := literalString(text)
	asks := map[string]func(text, part string) bool{"startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix, "contains": strings.Contains}
	switch f := call.FunctionName(); {
	case f == operators.In:
		if values, ok := literalStrings(text); ok {
			return &Question{Variable: name, Is: values}, false
		}
	case !written:
	case f == operators.Equals, f == operators.NotEquals:
		return &Question{Variable: name, Is: []string{value}}, f == operators.NotEquals
	case asks[f] != nil:
		return &Question{Variable: name, of: asks[f], part: value}, false
	}
	return nil, false
}

func literalStrings(list celast.Expr) ([]string, bool) {
	if list.Kind() != celast.ListKind {
		return nil, false
	}
	values := []string{}
	for _, x := range list.AsList().Elements() {
		value, ok := literalString(x)
		if !ok {
			return nil, false
		}
		values = append(values, value)
	}
	return values, true
}

// onlyVariable returns the variable that e reads, "" if it reads several, or the tags otherwise than by a key.
func onlyVariable(e celast.Expr) string {
	only, several := "", false
	var visit func(celast.Expr)
	visit = func(x celast.Expr) {
		name := variableName(x)
		switch {
		case name != "":
			several = several || only != "" && only != name
			only = name
		case x.Kind() == celast.IdentKind && x.AsIdent() == "tags":
			several = true
		default:
			for _, child := range children(x) {
				visit(child)
			}
		}
	}
	visit(e)
	switch {
	case several:
		return ""
	case only == "": // it is the same for all resources, so for all of one provider
		return "provider"
	default:
		return only
	}
}

// variableName returns the name of a variable or a tag, or "".
func variableName(e celast.Expr) string {
	switch e.Kind() {
	case celast.IdentKind:
		if slices.Contains(whereVars[:len(whereVars)-1], e.AsIdent()) {
			return e.AsIdent()
		}
	case celast.SelectKind:
		if s := e.AsSelect(); s.Operand().Kind() == celast.IdentKind && s.Operand().AsIdent() == "tags" {
			return tagPrefix + s.FieldName()
		}
	case celast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != operators.Index || call.Args()[0].Kind() != celast.IdentKind || call.Args()[0].AsIdent() != "tags" {
			return ""
		}
		if key, ok := literalString(call.Args()[1]); ok {
			return tagPrefix + key
		}
	default:
	}
	return ""
}

// resourceVars gives CEL the variables of one resource.
type resourceVars demarc.Resource

// Parent implements interpreter.Activation.
func (r *resourceVars) Parent() interpreter.Activation { return nil }

// ResolveName implements interpreter.Activation.
func (r *resourceVars) ResolveName(name string) (any, bool) {
	switch name {
	case "provider":
		return types.String(r.Provider), true
	case "source":
		return types.String(r.Source), true
	case "account":
		return types.String(r.Account), true
	case "region":
		return types.String(r.Region), true
	case "service":
		return types.String(r.Service), true
	case "type":
		return types.String(r.Type), true
	case "name":
		return types.String(r.Name), true
	case "id":
		return types.String(r.ID), true
	case "tags":
		return tagMap(r.Tags), true
	default:
		return nil, false
	}
}

// tagMap is tags as a map in which every key can be found: one that is not there has the empty value. What is asked of
// it beyond that is answered by a plain map.
type tagMap demarc.Tags

func (t tagMap) Find(key ref.Val) (ref.Val, bool) {
	k, _ := key.(types.String)
	return types.String(demarc.Tags(t).Get(string(k))), true
}

func (t tagMap) Get(key ref.Val) ref.Val {
	v, _ := t.Find(key)
	return v
}

func (t tagMap) plain() traits.Mapper {
	return types.NewStringStringMap(types.DefaultTypeAdapter, demarc.Tags(t).Map())
}

func (t tagMap) ConvertToNative(typ reflect.Type) (any, error) { return t.plain().ConvertToNative(typ) }

func (t tagMap) ConvertToType(typ ref.Type) ref.Val { return t.plain().ConvertToType(typ) }
func (t tagMap) Equal(other ref.Val) ref.Val        { return t.plain().Equal(other) }
func (t tagMap) Type() ref.Type                     { return types.MapType }
func (t tagMap) Value() any                         { return t.plain().Value() }
func (t tagMap) Contains(key ref.Val) ref.Val       { return t.plain().Contains(key) }
func (t tagMap) Iterator() traits.Iterator          { return t.plain().Iterator() }
func (t tagMap) Size() ref.Val                      { return t.plain().Size() }
