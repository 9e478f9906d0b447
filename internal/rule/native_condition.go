package rule

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/address"
	"github.com/demarc/demarc/internal/policy"
)

func (n *nativeCompiler) condition(e celast.Expr) condition {
	switch e.Kind() {
	case celast.LiteralKind:
		if b, ok := e.AsLiteral().(types.Bool); ok {
			return func(*frame) Truth { return truth(bool(b)) }
		}
	case celast.ComprehensionKind:
		return n.quantifier(e.AsComprehension())
	case celast.CallKind:
		return n.call(e.AsCall())
	case celast.IdentKind, celast.SelectKind:
		if c := n.isOpen(e); c != nil {
			return c
		}
		return n.boolean(e)
	default:
	}
	return nil
}

// asked is what a question of a value comes to.
func asked[T any](value scalar[T], ask func(f *frame, v T) Truth) condition {
	return func(f *frame) Truth {
		v, t := value(f)
		if t != True {
			return t
		}
		return ask(f, v)
	}
}

// askedOf is what a question of two values comes to.
func askedOf[A, B any](a scalar[A], b scalar[B], ask func(f *frame, x A, y B) Truth) condition {
	return func(f *frame) Truth {
		x, y, t := both(f, a, b)
		if t != True {
			return t
		}
		return ask(f, x, y)
	}
}

// boolean is a fact, or a field of a record, that is a condition itself.
func (n *nativeCompiler) boolean(e celast.Expr) condition {
	at, of := n.locate(e)
	if at == nil || of.Type != demarc.TypeBool {
		return nil
	}
	return asked(at, func(_ *frame, v *demarc.Value) Truth { return truth(v.AsBool()) })
}

func (n *nativeCompiler) call(call celast.CallExpr) condition {
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]celast.Expr{call.Target()}, args...)
	}
	switch name := call.FunctionName(); name {
	case operators.LogicalNot:
		inner := n.condition(args[0])
		if inner == nil {
			return nil
		}
		return func(f *frame) Truth { return not(inner(f)) }
	case operators.LogicalAnd:
		return n.junction(args, False, True)
	case operators.LogicalOr:
		return n.junction(args, True, False)
	case operators.Conditional:
		return n.choice(args)
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return n.comparison(name, args[0], args[1])
	case operators.In:
		return n.in(args[0], args[1])
	case "startsWith":
		return n.textual(args, strings.HasPrefix)
	case "endsWith":
		return n.textual(args, strings.HasSuffix)
	case "contains":
		return n.textual(args, strings.Contains)
	case "matches":
		return n.matches(args)
	case maybe:
		inner := n.condition(args[0])
		if inner == nil {
			return nil
		}
		return func(f *frame) Truth {
			t := inner(f)
			if t != True {
				return t
			}
			for i := range f.facts {
				t = f.unknown(i)
			}
			return t
		}
	case "policyIsPublic":
		return n.policy(args, (*policy.Policy).Public)
	case "policyIsAdmin":
		return n.policy(args, func(p *policy.Policy) (bool, error) { return p.Admin() })
	case "policyAllows":
		action, ok := literalString(args[1])
		if !ok {
			return nil
		}
		return n.policy(args, func(p *policy.Policy) (bool, error) { return p.Allows(action) })
	case "openToWorld":
		text := n.text(args[0])
		if text == nil {
			return nil
		}
		return asked(text, func(_ *frame, s string) Truth { return truthOrFailed(address.OpenToWorld(s)) })
	default:
		return nil
	}
}

func truthOrFailed(b bool, err error) Truth {
	if err != nil {
		return Failed
	}
	return truth(b)
}

func not(t Truth) Truth {
	switch t {
	case True:
		return False
	case False:
		return True
	default:
		return t
	}
}

// junction is && or ||: what decides it, and what it is if nothing does. A failure is left to CEL: what is unknown may go
// before it, and what decides does.
func (n *nativeCompiler) junction(args []celast.Expr, decides, otherwise Truth) condition {
	parts := make([]condition, len(args))
	for i, arg := range args {
		if parts[i] = n.condition(arg); parts[i] == nil {
			return nil
		}
	}
	return func(f *frame) Truth {
		out, before := otherwise, f.missing
		for _, part := range parts {
			if out = join(out, part(f), decides); out == decides {
				f.missing = before
				break
			}
		}
		return out
	}
}

// choice is one of two conditions.
func (n *nativeCompiler) choice(args []celast.Expr) condition {
	when, yes, no := n.condition(args[0]), n.condition(args[1]), n.condition(args[2])
	if when == nil || yes == nil || no == nil {
		return nil
	}
	return either(when, yes, no)
}

// either is one of two conditions, or of two lists.
func either[F ~func(*frame) Truth](when condition, yes, no F) F {
	return func(f *frame) Truth {
		switch t := when(f); t {
		case True:
			return yes(f)
		case False:
			return no(f)
		default:
			return t
		}
	}
}

// join is what two parts of a junction come to.
func join(a, b, decides Truth) Truth {
	switch {
	case a == decides || b == decides:
		return decides
	case a == Failed || b == Failed:
		return Failed
	case a == Unknown || b == Unknown:
		return Unknown
	case a == empty:
		return a
	default:
		return b
	}
}

// isOpen is whether a list may hold more than it shows: False if it is whole, Unknown otherwise.
func (n *nativeCompiler) isOpen(e celast.Expr) condition {
	whole := func(f *frame, v *demarc.Value, fact int) Truth {
		if v == nil || v.IsZero() || v.Partial() {
			return f.unknown(fact)
		}
		return False
	}
	if name, ok := factOf(e); ok {
		base, isHalf := strings.CutSuffix(name, openSuffix)
		at, ok := slices.BinarySearch(n.atom.names, base)
		if !isHalf || !ok {
			return nil
		}
		return func(f *frame) Truth {
			if !f.facts[at].Known() {
				return f.unknown(at)
			}
			return whole(f, &f.facts[at].Value, at)
		}
	}
	if e.Kind() != celast.SelectKind {
		return nil
	}
	name, ok := strings.CutSuffix(e.AsSelect().FieldName(), openSuffix)
	record, of := n.locate(e.AsSelect().Operand())
	if !ok || record == nil {
		return nil
	}
	return func(f *frame) Truth {
		r, t := record(f)
		if t != True {
			return t
		}
		return whole(f, fieldOf(r, name), of.fact)
	}
}

// policy asks a policy whether something is so.
func (n *nativeCompiler) policy(args []celast.Expr, ask func(*policy.Policy) (bool, error)) condition {
	document := n.document(args[0])
	if document == nil {
		return nil
	}
	return asked(document, func(_ *frame, p *policy.Policy) Truth { return truthOrFailed(ask(p)) })
}

// comparison compares two strings, two ints or two bools.
func (n *nativeCompiler) comparison(operator string, left, right celast.Expr) condition {
	if a, b := n.text(left), n.text(right); a != nil && b != nil {
		return compared(a, b, strings.Compare, operator)
	}
	if a, b := n.integer(left), n.integer(right); a != nil && b != nil {
		return compared(a, b, cmp.Compare[int64], operator)
	}
	a, b := n.condition(left), n.condition(right)
	if a == nil || b == nil || operator != operators.Equals && operator != operators.NotEquals {
		return nil
	}
	return func(f *frame) Truth {
		x, y := a(f), b(f)
		switch {
		case x == Failed || y == Failed, x == empty || y == empty:
			return Failed
		case x == Unknown || y == Unknown:
			return Unknown
		default:
			return truth((x == y) == (operator == operators.Equals))
		}
	}
}

func compared[T any](a, b scalar[T], compare func(x, y T) int, operator string) condition {
	holds := map[string][3]bool{ // for less, equal, greater
		operators.Equals: {false, true, false}, operators.NotEquals: {true, false, true}, operators.Less: {true, false, false},
		operators.LessEquals: {true, true, false}, operators.Greater: {false, false, true}, operators.GreaterEquals: {false, true, true},
	}[operator]
	return askedOf(a, b, func(_ *frame, x, y T) Truth { return truth(holds[1+compare(x, y)]) })
}

// in is whether something is in what is written out, or in a list.
func (n *nativeCompiler) in(what, where celast.Expr) condition {
	if text := n.text(what); text != nil {
		return isIn(n, text, where, demarc.TypeStrings, demarc.Value.AsString, func(v ref.Val) (string, bool) { s, ok := v.(types.String); return string(s), ok })
	}
	if number := n.integer(what); number != nil {
		return isIn(n, number, where, demarc.TypeInts, demarc.Value.AsInt, func(v ref.Val) (int64, bool) { i, ok := v.(types.Int); return int64(i), ok })
	}
	return nil
}

func isIn[T comparable](n *nativeCompiler, what scalar[T], where celast.Expr, lists demarc.Type, of func(demarc.Value) T, written func(ref.Val) (T, bool)) condition {
	if where.Kind() == celast.ListKind {
		var values []T
		for _, x := range where.AsList().Elements() {
			if x.Kind() != celast.LiteralKind {
				return nil
			}
			v, ok := written(x.AsLiteral())
			if !ok {
				return nil
			}
			values = append(values, v)
		}
		return asked(what, func(_ *frame, v T) Truth { return truth(slices.Contains(values, v)) })
	}
	list, field := n.list(where)
	if list == nil || field.Type != lists {
		return nil
	}
	return askedOf(what, list, func(f *frame, v T, l *demarc.Value) Truth {
		elements := l.Elements()
		if f.steps += len(elements); f.steps > maxNativeSteps {
			return Failed
		}
		found := false
		for i := range elements {
			switch e := &elements[i]; {
			case e.IsZero():
			case e.Type() != lists.Element():
				return Failed
			default:
				found = found || of(*e) == v
			}
		}
		return truth(found)
	})
}

// textual asks something of two strings.
func (n *nativeCompiler) textual(args []celast.Expr, ask func(s, part string) bool) condition {
	if len(args) != 2 {
		return nil
	}
	a, b := n.text(args[0]), n.text(args[1])
	if a == nil || b == nil {
		return nil
	}
	return askedOf(a, b, func(f *frame, s, part string) Truth {
		if f.costs(len(s)) {
			return Failed
		}
		return truth(ask(s, part))
	})
}

// matches is whether a string matches a pattern that is written out. What it costs in a long string is for CEL to limit.
func (n *nativeCompiler) matches(args []celast.Expr) condition {
	text := n.text(args[0])
	pattern, ok := literalString(args[1])
	if text == nil || !ok {
		return nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil
	}
	return asked(text, func(_ *frame, s string) Truth {
		if len(s) > shortText {
			return Failed
		}
		return truth(re.MatchString(s))
	})
}
