package rule

import (
	"fmt"
	"reflect"
	"slices"
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
	src      Source
	run      cel.Program
	bounded  func() (cel.Program, error) // for a resource with more tags than was estimated
	identity bool
	needs    map[string][]string
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
	run, bounded, err := programs(env, checked)
	if err != nil {
		return nil, append(c.errs, src.at(0, 0, err.Error()))
	}
	w := &Where{src: src, run: run, bounded: bounded}
	walk(checked.NativeRep().Expr(), func(e celast.Expr) {
		if e.Kind() == celast.IdentKind && slices.Contains([]string{"name", "id", "tags"}, e.AsIdent()) {
			w.identity = true
		}
	})
	w.needs = needs(checked.NativeRep().Expr())
	return w, nil
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
	if w == nil {
		return true
	}
	run := w.run
	if len(r.Tags) > 2*maxElements && r.Tags.Len() > maxElements {
		var err error
		if run, err = w.bounded(); err != nil {
			return false
		}
	}
	out, _, err := run.Eval((*resourceVars)(r))
	return err == nil && out == types.True
}

// AsksIdentity reports whether the condition reads the name, the id or the tags of a resource. One that does not
// has the same answer for every resource of the same provider, source, account, region, service and type.
func (w *Where) AsksIdentity() bool { return w != nil && w.identity }

// Needs returns, for some variables, the values of which a resource must have one for the condition to hold, so that
// conditions can be found by value. A tag is "tags.team". A variable that is not in the map may have any value; an
// empty map says nothing.
func (w *Where) Needs() map[string][]string {
	if w == nil {
		return nil
	}
	return w.needs
}

// needs returns what must be so for e to be true.
func needs(e celast.Expr) map[string][]string {
	if e.Kind() != celast.CallKind {
		return nil
	}
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.Equals:
		for i := range args {
			if value, ok := literalString(args[1-i]); ok && variableName(args[i]) != "" {
				return map[string][]string{variableName(args[i]): {value}}
			}
		}
	case operators.In:
		name := variableName(args[0])
		if name == "" || args[1].Kind() != celast.ListKind {
			return nil
		}
		var values []string
		for _, x := range args[1].AsList().Elements() {
			value, ok := literalString(x)
			if !ok {
				return nil
			}
			values = append(values, value)
		}
		return map[string][]string{name: values}
	case operators.LogicalAnd: // either side's needs are needs; the shorter list of a name that both have is enough
		out := make(map[string][]string)
		for _, arg := range args {
			for name, values := range needs(arg) {
				if have, ok := out[name]; !ok || len(values) < len(have) {
					out[name] = values
				}
			}
		}
		return out
	case operators.LogicalOr: // only what both sides need
		out := needs(args[0])
		for _, arg := range args[1:] {
			other := needs(arg)
			for name, values := range out {
				more, ok := other[name]
				if !ok {
					delete(out, name)
					continue
				}
				joined := slices.Concat(values, more)
				slices.Sort(joined)
				out[name] = slices.Compact(joined)
			}
		}
		return out
	}
	return nil
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
			return "tags." + s.FieldName()
		}
	case celast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != operators.Index || call.Args()[0].Kind() != celast.IdentKind || call.Args()[0].AsIdent() != "tags" {
			return ""
		}
		if key, ok := literalString(call.Args()[1]); ok {
			return "tags." + key
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
func (t tagMap) ConvertToType(typ ref.Type) ref.Val            { return t.plain().ConvertToType(typ) }
func (t tagMap) Equal(other ref.Val) ref.Val                   { return t.plain().Equal(other) }
func (t tagMap) Type() ref.Type                                { return types.MapType }
func (t tagMap) Value() any                                    { return t.plain().Value() }
func (t tagMap) Contains(key ref.Val) ref.Val                  { return t.plain().Contains(key) }
func (t tagMap) Iterator() traits.Iterator                     { return t.plain().Iterator() }
func (t tagMap) Size() ref.Val                                 { return t.plain().Size() }
