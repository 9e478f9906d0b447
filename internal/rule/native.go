package rule

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/address"
	"github.com/demarc/demarc/internal/policy"
)

// Atoms are mostly comparisons, exists and all over lists, and questions of policies. What CEL makes of those is said here
// once more as Go functions, which take a tenth of the time and hardly any memory. Whatever they do not cover, or cannot
// answer with a clear True, False or Unknown, is left to CEL: an atom that nothing here can be made of has none, and one that
// comes to Failed is evaluated by CEL, which also says why.

// frame is one evaluation.
type frame struct {
	facts    []demarc.Fact // of the atom
	asOf     time.Time
	elements [MaxLoops]*demarc.Value // of the loops around, the outermost first
	steps    int                     // elements that were looked at, and what policies take beside them
}

// maxNativeSteps is where CEL takes over, which counts what each step costs.
const maxNativeSteps = 100_000

// costs counts what it takes to look at so many bytes, and reports whether that is too much.
func (f *frame) costs(bytes int) bool {
	f.steps += bytes / 100
	return f.steps > maxNativeSteps
}

type (
	// condition comes to a truth.
	condition func(*frame) Truth
	// scalar comes to a value: True with it where it is known, Unknown, or Failed.
	scalar[T any] func(*frame) (T, Truth)
	// located comes to where a value of a fact lies: nil with Unknown or Failed.
	located func(*frame) (*demarc.Value, Truth)
)

// nativeCompiler makes the functions of one atom. Each of its methods returns nil for what it does not cover.
type nativeCompiler struct {
	atom  *Atom
	loops []loop
}

// loop is a variable of a loop, and what its elements are.
type loop struct {
	name    string
	element Field
}

// makeNative returns an atom as a function; nil if it is not covered.
func (a *Atom) makeNative(e celast.Expr) condition {
	if len(a.fields) == 0 || a.want != demarc.TypeBool {
		return nil
	}
	n := nativeCompiler{atom: a}
	return n.condition(e)
}

var frames = sync.Pool{New: func() any { return new(frame) }}

// evalNative is what the atom comes to: Failed where CEL has to say, as it has which of several facts were missing.
func (a *Atom) evalNative(facts []demarc.Fact, asOf time.Time) Truth {
	f := frames.Get().(*frame)
	f.facts, f.asOf = facts, asOf
	t := a.native(f)
	if t == Unknown && len(facts) > 1 {
		t = Failed
	}
	*f = frame{}
	frames.Put(f)
	return t
}

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

// read is the value that lies somewhere.
func read[T any](at located, value func(demarc.Value) T) scalar[T] {
	return func(f *frame) (out T, t Truth) {
		v, t := at(f)
		if t == True {
			out = value(*v)
		}
		return out, t
	}
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
		x, known := a(f)
		y, knownToo := b(f)
		switch {
		case known == Failed || knownToo == Failed:
			return Failed
		case known != True || knownToo != True:
			return Unknown
		default:
			return ask(f, x, y)
		}
	}
}

// boolean is a fact, or a field of a record, that is a condition itself.
func (n *nativeCompiler) boolean(e celast.Expr) condition {
	at, of := n.locate(e)
	if at == nil || of.Type != demarc.TypeBool {
		return nil
	}
	return asked(read(at, demarc.Value.AsBool), func(_ *frame, v bool) Truth { return truth(v) })
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
		out := otherwise
		for _, part := range parts {
			out = join(out, part(f), decides)
			if out == decides {
				break
			}
		}
		return out
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
	default:
		return b
	}
}

// quantifier is exists or all.
func (n *nativeCompiler) quantifier(c celast.ComprehensionExpr) condition {
	exists, ok := isQuantifier(c)
	if !ok || c.IterVar2() != "" || len(n.loops) == MaxLoops {
		return nil
	}
	list, of := n.list(c.IterRange())
	if list == nil {
		list, of = writtenOut(c.IterRange())
	}
	step := c.LoopStep().AsCall().Args()
	if list == nil || len(step) != 2 || step[0].Kind() != celast.IdentKind || step[0].AsIdent() != c.AccuVar() {
		return nil
	}
	depth := len(n.loops)
	n.loops = append(n.loops, loop{c.IterVar(), Field{Type: elementOf(of.Type), Fields: of.Fields}})
	each := n.condition(step[1])
	n.loops = n.loops[:depth]
	if each == nil {
		return nil
	}
	decides, otherwise := False, True
	if exists {
		decides, otherwise = True, False
	}
	want := elementOf(of.Type)
	return func(f *frame) Truth {
		v, t := list(f)
		if t != True {
			return t
		}
		out := otherwise
		elements := v.Elements()
		for i := range elements {
			switch e := &elements[i]; {
			case e.IsZero():
				continue
			case e.Type() != want:
				return Failed
			default:
				f.elements[depth] = e
			}
			if f.steps++; f.steps > maxNativeSteps {
				return Failed
			}
			if out = join(out, each(f), decides); out == decides {
				break
			}
		}
		return out
	}
}

// writtenOut is a list of strings or of ints that is written out.
func writtenOut(e celast.Expr) (located, Field) {
	if e.Kind() != celast.ListKind {
		return nil, Field{}
	}
	var elements []demarc.Value
	for _, x := range e.AsList().Elements() {
		v, ok := literal(x)
		if !ok || v.Type() != demarc.TypeString && v.Type() != demarc.TypeInt || len(elements) > 0 && v.Type() != elements[0].Type() {
			return nil, Field{}
		}
		elements = append(elements, v)
	}
	t := demarc.TypeStrings
	if len(elements) > 0 && elements[0].Type() == demarc.TypeInt {
		t = demarc.TypeInts
	}
	list := demarc.List(t, elements...)
	return func(*frame) (*demarc.Value, Truth) { return &list, True }, Field{Type: t}
}

// elementOf returns the type of the elements of a list, or of a record among records.
func elementOf(t demarc.Type) demarc.Type {
	if t == demarc.TypeRecords {
		return t
	}
	return t.Element()
}

// locate finds where a fact, a field of a record or a variable of a loop lies. What is not known of it is Unknown: so is a
// list that is open, unless it is only its known half that is asked for.
func (n *nativeCompiler) locate(e celast.Expr) (located, Field) {
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
	return nil, Field{}
}

func (n *nativeCompiler) locateFact(name string) (located, Field) {
	name, half := strings.CutSuffix(name, knownSuffix)
	at, ok := slices.BinarySearch(n.atom.names, name)
	if !ok {
		return nil, Field{}
	}
	of := *n.atom.fields[at]
	return func(f *frame) (*demarc.Value, Truth) {
		fact := &f.facts[at]
		switch v := &fact.Value; {
		case !fact.Known(), !half && v.Partial():
			return nil, Unknown
		case v.Type() != of.Type:
			return nil, Failed
		default:
			return v, True
		}
	}, of
}

func (n *nativeCompiler) locateField(s celast.SelectExpr) (located, Field) {
	record, of := n.locate(s.Operand())
	name, half := strings.CutSuffix(s.FieldName(), knownSuffix)
	i := slices.IndexFunc(of.Fields, func(x Field) bool { return x.Name == name })
	if record == nil || i < 0 {
		return nil, Field{}
	}
	want := of.Fields[i].Type
	return func(f *frame) (*demarc.Value, Truth) {
		r, t := record(f)
		if t != True {
			return nil, t
		}
		switch v := fieldOf(r, name); {
		case v == nil, v.IsZero(), !half && v.Partial():
			return nil, Unknown
		case v.Type() != want:
			return nil, Failed
		default:
			return v, True
		}
	}, of.Fields[i]
}

// isOpen is whether a list may hold more than it shows: False if it is whole, Unknown otherwise.
func (n *nativeCompiler) isOpen(e celast.Expr) condition {
	whole := func(v *demarc.Value) Truth {
		if v == nil || v.IsZero() || v.Partial() {
			return Unknown
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
				return Unknown
			}
			return whole(&f.facts[at].Value)
		}
	}
	if e.Kind() != celast.SelectKind {
		return nil
	}
	name, ok := strings.CutSuffix(e.AsSelect().FieldName(), openSuffix)
	record, _ := n.locate(e.AsSelect().Operand())
	if !ok || record == nil {
		return nil
	}
	return func(f *frame) Truth {
		r, t := record(f)
		if t != True {
			return t
		}
		return whole(fieldOf(r, name))
	}
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

func (n *nativeCompiler) list(e celast.Expr) (located, Field) {
	at, of := n.locate(e)
	if at == nil || !isList(of.Type) || len(n.loops) > 0 && e.Kind() == celast.IdentKind && !isFact(e) {
		return nil, Field{}
	}
	return at, of
}

func isFact(e celast.Expr) bool {
	_, ok := factOf(e)
	return ok
}

// text is a string: written out, a fact, a field or an element, or one of these in lower case.
func (n *nativeCompiler) text(e celast.Expr) scalar[string] {
	if s, ok := literalString(e); ok {
		return func(*frame) (string, Truth) { return s, True }
	}
	if e.Kind() == celast.CallKind && e.AsCall().FunctionName() == "lowerAscii" {
		inner := n.text(e.AsCall().Target())
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
	}
	at, of := n.locate(e)
	if at == nil || of.Type != demarc.TypeString {
		return nil
	}
	return read(at, demarc.Value.AsString)
}

// integer is an int: written out, a fact, a field or an element, or the size of a list.
func (n *nativeCompiler) integer(e celast.Expr) scalar[int64] {
	if e.Kind() == celast.LiteralKind {
		if i, ok := e.AsLiteral().(types.Int); ok {
			return func(*frame) (int64, Truth) { return int64(i), True }
		}
		return nil
	}
	if e.Kind() == celast.CallKind && e.AsCall().FunctionName() == "ageDays" {
		at, _ := n.locate(e.AsCall().Args()[0])
		if at == nil {
			return nil
		}
		return func(f *frame) (int64, Truth) {
			v, t := at(f)
			if t != True {
				return 0, t
			}
			return daysBetween(v.AsTime(), f.asOf), True
		}
	}
	if e.Kind() == celast.CallKind && e.AsCall().FunctionName() == "size" {
		of := children(e)[0]
		if of.Kind() == celast.CallKind {
			return n.policyTexts(of.AsCall())
		}
		list, _ := n.list(of)
		if list == nil {
			return nil
		}
		return read(list, func(v demarc.Value) int64 { return int64(len(v.Elements())) })
	}
	at, of := n.locate(e)
	if at == nil || of.Type != demarc.TypeInt {
		return nil
	}
	return read(at, demarc.Value.AsInt)
}

// document is the policy that a document holds, or a string.
func (n *nativeCompiler) document(e celast.Expr) scalar[*policy.Policy] {
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
		p, err := policiesRead.parse(v.AsString())
		if err != nil {
			return nil, Failed
		}
		return p, True
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

// policyTexts is how many texts a policy is told in.
func (n *nativeCompiler) policyTexts(call celast.CallExpr) scalar[int64] {
	var ask func(p *policy.Policy, text string) ([]string, error)
	switch call.FunctionName() {
	case "policyEscalations":
		ask = func(p *policy.Policy, _ string) ([]string, error) { return policy.Escalations([]*policy.Policy{p}) }
	case "policyDeputies":
		ask = func(p *policy.Policy, _ string) ([]string, error) { return p.Deputies(), nil } //nolint:unparam // like the others
	case "policyServices":
		ask = func(p *policy.Policy, _ string) ([]string, error) { return p.Services(), nil } //nolint:unparam // like the others
	case "policyOutsiders":
		ask = (*policy.Policy).Outsiders
	case "policyUnbound":
		ask = (*policy.Policy).Unbound
	default:
		return nil
	}
	args := call.Args()
	if call.FunctionName() == "policyEscalations" && len(args) > 1 {
		return nil // within a boundary, which is a policy too
	}
	document, text := n.document(args[0]), scalar[string](func(*frame) (string, Truth) { return "", True })
	if len(args) > 1 {
		text = n.text(args[1])
	}
	if document == nil || text == nil {
		return nil
	}
	return func(f *frame) (int64, Truth) {
		p, known := document(f)
		s, knownToo := text(f)
		switch {
		case known == Failed || knownToo == Failed:
			return 0, Failed
		case known != True || knownToo != True:
			return 0, Unknown
		}
		texts, err := ask(p, s)
		if err != nil {
			return 0, Failed
		}
		return int64(len(texts)), True
	}
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
		case x == Failed || y == Failed:
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
	return askedOf(what, scalar[*demarc.Value](list), func(f *frame, v T, l *demarc.Value) Truth {
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
