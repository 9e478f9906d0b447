package rule

import (
	"maps"
	"slices"
	"time"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/demarc/demarc"
)

// comparisons are the functions whose literals Constants gathers.
var comparisons = []string{
	operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
	operators.In, "startsWith", "endsWith", "contains", "matches", "versionAtLeast",
}

// constantsOf returns what Program.Constants promises.
func constantsOf(a *celast.AST) map[string][]demarc.Value {
	c := constants{}
	c.walk(a.Expr(), nil)
	return c
}

type constants map[string][]demarc.Value

// walk goes through e, below loops whose elements stand for the facts in scope.
func (c constants) walk(e celast.Expr, scope map[string]string) {
	switch e.Kind() {
	case celast.ComprehensionKind:
		loop := e.AsComprehension()
		c.walk(loop.IterRange(), scope)
		inner := maps.Clone(scope)
		if inner == nil {
			inner = make(map[string]string)
		}
		delete(inner, loop.IterVar())
		if list, ok := subject(loop.IterRange(), scope); ok {
			inner[loop.IterVar()] = list
		}
		c.walk(loop.LoopStep(), inner)
		return
	case celast.CallKind:
		call := e.AsCall()
		if slices.Contains(comparisons, call.FunctionName()) {
			operands := children(e)
			for i, x := range operands {
				if name, ok := subject(x, scope); ok {
					c.add(name, operands[(i+1)%len(operands)])
				}
			}
		}
	default:
	}
	for _, child := range children(e) {
		c.walk(child, scope)
	}
}

// add adds what a literal, or each element of a literal list, stands for.
func (c constants) add(name string, e celast.Expr) {
	if e.Kind() == celast.ListKind {
		for _, x := range e.AsList().Elements() {
			c.add(name, x)
		}
		return
	}
	v, ok := literal(e)
	if ok && !slices.ContainsFunc(c[name], v.Equal) {
		c[name] = append(c[name], v)
	}
}

// subject returns the fact that a comparison of e tells about.
func subject(e celast.Expr, scope map[string]string) (string, bool) {
	switch e.Kind() {
	case celast.IdentKind:
		if name, ok := factOf(e); ok {
			return name, true
		}
		name, ok := scope[e.AsIdent()]
		return name, ok
	case celast.SelectKind:
		name, ok := subject(e.AsSelect().Operand(), scope)
		return name + "." + e.AsSelect().FieldName(), ok
	case celast.CallKind:
		switch e.AsCall().FunctionName() {
		case "lowerAscii", "ageDays", operators.Index:
			return subject(children(e)[0], scope)
		case "size":
			name, ok := subject(children(e)[0], scope)
			return "size(" + name + ")", ok
		}
		return "", false
	case celast.ComprehensionKind: // a list that filter made of another
		return subject(e.AsComprehension().IterRange(), scope)
	default:
		return "", false
	}
}

// literal returns the value that is written out at e.
func literal(e celast.Expr) (demarc.Value, bool) {
	if e.Kind() == celast.CallKind && e.AsCall().FunctionName() == "timestamp" {
		if text, ok := literalString(e.AsCall().Args()[0]); ok {
			t, err := time.Parse(time.RFC3339, text)
			return demarc.Time(t), err == nil
		}
	}
	if e.Kind() != celast.LiteralKind {
		return demarc.Value{}, false
	}
	switch v := e.AsLiteral().(type) {
	case types.Bool:
		return demarc.Bool(bool(v)), true
	case types.Int:
		return demarc.Int(int64(v)), true
	case types.Double:
		return demarc.Number(float64(v)), true
	case types.String:
		return demarc.String(string(v)), true
	default:
		return demarc.Value{}, false
	}
}
