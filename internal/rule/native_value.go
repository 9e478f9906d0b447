package rule

import (
	"slices"
	"strconv"
	"strings"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/policy"
)

// value is a bool, a string or an int as a Value.
func (n *nativeCompiler) value(e celast.Expr, want demarc.Type) scalar[demarc.Value] {
	switch want {
	case demarc.TypeBool:
		if c := n.condition(e); c != nil {
			return func(f *frame) (demarc.Value, Truth) {
				t := c(f)
				if t != True && t != False {
					return demarc.Value{}, t
				}
				return demarc.Bool(t == True), True
			}
		}
	case demarc.TypeString:
		return made(n.text(e), demarc.String)
	case demarc.TypeInt:
		return made(n.integer(e), demarc.Int)
	default:
	}
	return nil
}

// made makes of a value another, such as a Value of a string.
func made[A, B any](value scalar[A], make func(A) B) scalar[B] {
	if value == nil {
		return nil
	}
	return func(f *frame) (out B, t Truth) {
		v, t := value(f)
		if t == True {
			out = make(v)
		}
		return out, t
	}
}

// both comes to two values. Which of unknown and empty goes first is for CEL to say.
func both[A, B any](f *frame, a scalar[A], b scalar[B]) (x A, y B, t Truth) {
	x, first := a(f)
	y, second := b(f)
	switch {
	case first == Failed || second == Failed, first != True && second != True && first != second:
		return x, y, Failed
	case first != True:
		return x, y, first
	default:
		return x, y, second
	}
}

// chosen is one of two values.
func chosen[T any](when condition, yes, no scalar[T]) scalar[T] {
	if when == nil || yes == nil || no == nil {
		return nil
	}
	return func(f *frame) (out T, t Truth) {
		switch t := when(f); t {
		case True:
			return yes(f)
		case False:
			return no(f)
		default:
			return out, t
		}
	}
}

// locate finds where a fact, a field of a record or a variable of a loop lies. What is not known of it is Unknown: so is a
// list that is open, unless it is only its known half that is asked for.
func (n *nativeCompiler) locate(e celast.Expr) (located, typed) {
	switch e.Kind() {
	case celast.IdentKind:
		if name, ok := factOf(e); ok {
			return n.locateFact(name)
		}
		for depth, l := range slices.Backward(n.loops) {
			if l.name == e.AsIdent() {
				return func(f *frame) (*demarc.Value, Truth) { return f.elements[depth], True }, l.element
			}
		}
	case celast.SelectKind:
		return n.locateField(e.AsSelect())
	default:
	}
	return nil, typed{}
}

func (n *nativeCompiler) locateFact(name string) (located, typed) {
	name, half := strings.CutSuffix(name, knownSuffix)
	at, ok := slices.BinarySearch(n.atom.names, name)
	if !ok {
		return nil, typed{}
	}
	of := typed{*n.atom.fields[at], at}
	return func(f *frame) (*demarc.Value, Truth) {
		fact := &f.facts[at]
		switch v := &fact.Value; {
		case !fact.Known(), !half && v.Partial():
			return nil, f.unknown(at)
		case v.Type() != of.Type:
			return nil, Failed
		default:
			return v, True
		}
	}, of
}

func (n *nativeCompiler) locateField(s celast.SelectExpr) (located, typed) {
	record, of := n.locate(s.Operand())
	name, half := strings.CutSuffix(s.FieldName(), knownSuffix)
	i := slices.IndexFunc(of.Fields, func(x Field) bool { return x.Name == name })
	if record == nil || i < 0 {
		return nil, typed{}
	}
	want := of.Fields[i].Type
	return func(f *frame) (*demarc.Value, Truth) {
		r, t := record(f)
		if t != True {
			return nil, t
		}
		switch v := fieldOf(r, name); {
		case v == nil, v.IsZero(), !half && v.Partial():
			return nil, f.unknown(of.fact)
		case v.Type() != want:
			return nil, Failed
		default:
			return v, True
		}
	}, typed{of.Fields[i], of.fact}
}

func fieldOf(record *demarc.Value, name string) *demarc.Value {
	names := record.Names()
	if names == nil {
		return nil
	}
	for i, n := range names.All() {
		if n == name {
			return &record.Fields()[i]
		}
	}
	return nil
}

// text is a string: written out, a fact, a field or an element; in lower case, put together, or chosen from two.
func (n *nativeCompiler) text(e celast.Expr) scalar[string] {
	if s, ok := literalString(e); ok {
		return func(*frame) (string, Truth) { return s, True }
	}
	if e.Kind() == celast.CallKind {
		return n.textCall(e.AsCall())
	}
	at, of := n.locate(e)
	if at == nil || of.Type != demarc.TypeString {
		return nil
	}
	return made(at, func(v *demarc.Value) string { return v.AsString() })
}

func (n *nativeCompiler) textCall(call celast.CallExpr) scalar[string] {
	args := call.Args()
	switch call.FunctionName() {
	case "lowerAscii":
		inner := n.text(call.Target())
		if inner == nil {
			return nil
		}
		return func(f *frame) (string, Truth) {
			s, t := inner(f)
			if f.costs(len(s)) {
				return "", Failed
			}
			return lowerASCII(s), t
		}
	case operators.Conditional:
		return chosen(n.condition(args[0]), n.text(args[1]), n.text(args[2]))
	case operators.Add:
		a, b := n.text(args[0]), n.text(args[1])
		if a == nil || b == nil {
			return nil
		}
		return func(f *frame) (string, Truth) {
			x, y, t := both(f, a, b)
			if f.costs(len(x) + len(y)) {
				return "", Failed
			}
			if t != True {
				return "", t
			}
			return x + y, True
		}
	case "string":
		return made(n.integer(args[0]), func(i int64) string { return strconv.FormatInt(i, 10) })
	case operators.Index, first:
		return n.element(args)
	default:
		return nil
	}
}

// element is one of a list of strings: that at an index, or the first.
func (n *nativeCompiler) element(args []celast.Expr) scalar[string] {
	list, of := n.listing(args[0])
	if list == nil || of.Type != demarc.TypeString {
		return nil
	}
	index, outside := 0, empty
	if len(args) > 1 {
		if args[1].Kind() != celast.LiteralKind {
			return nil
		}
		i, ok := args[1].AsLiteral().(types.Int)
		if !ok || i < 0 || i > maxElements {
			return nil
		}
		index, outside = int(i), Failed
	}
	return measured(list, func(elements []demarc.Value) (string, Truth) {
		if index >= len(elements) {
			return "", outside
		}
		return elements[index].AsString(), True
	})
}

// integer is an int: written out, a fact, a field or an element; a number of days, the size of a list, or chosen from two.
func (n *nativeCompiler) integer(e celast.Expr) scalar[int64] {
	if e.Kind() == celast.LiteralKind {
		if i, ok := e.AsLiteral().(types.Int); ok {
			return func(*frame) (int64, Truth) { return int64(i), True }
		}
		return nil
	}
	if e.Kind() == celast.CallKind {
		return n.integerCall(e.AsCall())
	}
	at, of := n.locate(e)
	if at == nil || of.Type != demarc.TypeInt {
		return nil
	}
	return made(at, func(v *demarc.Value) int64 { return v.AsInt() })
}

func (n *nativeCompiler) integerCall(call celast.CallExpr) scalar[int64] {
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]celast.Expr{call.Target()}, args...)
	}
	switch call.FunctionName() {
	case operators.Conditional:
		return chosen(n.condition(args[0]), n.integer(args[1]), n.integer(args[2]))
	case "ageDays":
		at, of := n.locate(args[0])
		if at == nil || of.Type != demarc.TypeTime {
			return nil
		}
		return func(f *frame) (int64, Truth) {
			v, t := at(f)
			if t != True {
				return 0, t
			}
			return daysBetween(v.AsTime(), f.asOf), True
		}
	case "size":
		if list, _ := n.list(args[0]); list != nil {
			return made(list, func(v *demarc.Value) int64 { return int64(len(v.Elements())) })
		}
		if list, _ := n.listing(args[0]); list != nil {
			return measured(list, func(elements []demarc.Value) (int64, Truth) { return int64(len(elements)), True })
		}
		if args[0].Kind() == celast.CallKind {
			return made(n.policyTexts(args[0].AsCall()), func(texts []string) int64 { return int64(len(texts)) })
		}
	default:
	}
	return nil
}

// document is the policy that a document holds, or a string, or that is made of a statement.
func (n *nativeCompiler) document(e celast.Expr) scalar[*policy.Policy] {
	whole := func(text string) string { return text }
	if e.Kind() == celast.CallKind && e.AsCall().FunctionName() == policyOf {
		e, whole = e.AsCall().Args()[0], ofStatement
	}
	at, of := n.locate(e)
	if at == nil || of.Type != demarc.TypeDocument && of.Type != demarc.TypeString {
		return nil
	}
	return func(f *frame) (*policy.Policy, Truth) {
		v, t := at(f)
		if t != True {
			return nil, t
		}
		if f.costs(10 * len(v.AsString())) {
			return nil, Failed
		}
		p, err := policiesRead.parse(whole(v.AsString()))
		if err != nil {
			return nil, Failed
		}
		return p, True
	}
}

// policyTexts is the texts in which a policy is told.
func (n *nativeCompiler) policyTexts(call celast.CallExpr) scalar[[]string] {
	args := call.Args()
	name := call.FunctionName()
	switch name {
	case "policyEscalations", "policyDeputies", "policyServices", "policyOutsiders", "policyUnbound":
	default:
		return nil
	}
	document := n.document(args[0])
	if document == nil {
		return nil
	}
	switch name {
	case "policyEscalations":
		if len(args) == 1 {
			return told(document, func(p *policy.Policy) ([]string, error) { return policy.Escalations([]*policy.Policy{p}) })
		}
		return toldOf(document, n.document(args[1]), func(p, boundary *policy.Policy) ([]string, error) {
			return policy.Escalations([]*policy.Policy{p}, boundary)
		})
	case "policyDeputies":
		return made(document, (*policy.Policy).Deputies)
	case "policyServices":
		return made(document, (*policy.Policy).Services)
	case "policyOutsiders":
		return toldOf(document, n.text(args[1]), (*policy.Policy).Outsiders)
	default:
		return toldOf(document, n.text(args[1]), (*policy.Policy).Unbound)
	}
}

// told makes texts of a policy.
func told(document scalar[*policy.Policy], tell func(*policy.Policy) ([]string, error)) scalar[[]string] {
	return func(f *frame) ([]string, Truth) {
		p, t := document(f)
		if t != True {
			return nil, t
		}
		return textsOrFailed(tell(p))
	}
}

// toldOf makes texts of a policy and something else.
func toldOf[T any](document scalar[*policy.Policy], of scalar[T], tell func(*policy.Policy, T) ([]string, error)) scalar[[]string] {
	if of == nil {
		return nil
	}
	return func(f *frame) ([]string, Truth) {
		p, x, t := both(f, document, of)
		if t != True {
			return nil, t
		}
		return textsOrFailed(tell(p, x))
	}
}

func textsOrFailed(texts []string, err error) ([]string, Truth) {
	if err != nil {
		return nil, Failed
	}
	return texts, True
}
