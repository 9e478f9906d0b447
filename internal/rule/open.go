package rule

import (
	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// openLists rewrites a checked expression so that it is right about lists of which only a part is known: those
// with elements that cannot be resolved, or that were cut at a cap. Such a list may hold more than it shows, so
// exists and in may become true over it and never false, and all may become false and never true:
//
//	facts.l.exists(x, p)   facts.l@known.exists(x, p) || facts.l@open
//	facts.l.all(x, p)      facts.l@known.all(x, p) && !facts.l@open
//	v in facts.l           v in facts.l@known || facts.l@open
//
// where facts.l@open is false for a whole list and unknown for an open one, never true. The same goes for lists
// within records. Any other use of the list, such as its size, keeps the name facts.l, which is unknown while the
// list is open.
//
// It returns nil, and reports why, if the result does not check, which would be our own mistake.
func (c *compiler) openLists(checked *cel.Ast) *cel.Ast {
	r := &rewriter{ast: checked.NativeRep(), next: celast.MaxID(checked.NativeRep())}
	r.rewrite(r.ast.Expr())
	if !r.changed {
		return checked
	}
	again, issues := c.env.Check(checked)
	if c.issues(issues) {
		return nil
	}
	return again
}

type rewriter struct {
	ast     *celast.AST
	next    int64
	changed bool
}

func (r *rewriter) id() int64 {
	r.next++
	return r.next
}

func (r *rewriter) rewrite(e celast.Expr) {
	for _, child := range children(e) {
		r.rewrite(child)
	}
	fac := celast.NewExprFactory()
	switch e.Kind() {
	case celast.ComprehensionKind:
		loop := e.AsComprehension()
		known, open, ok := r.halves(loop.IterRange())
		exists, quantifier := isQuantifier(loop)
		if !ok || !quantifier {
			return
		}
		inner := fac.NewComprehensionTwoVar(r.id(), known, loop.IterVar(), loop.IterVar2(), loop.AccuVar(),
			loop.AccuInit(), loop.LoopCondition(), loop.LoopStep(), loop.Result())
		if exists {
			e.SetKindCase(fac.NewCall(e.ID(), operators.LogicalOr, inner, open))
		} else {
			closed := fac.NewCall(r.id(), operators.LogicalNot, open)
			e.SetKindCase(fac.NewCall(e.ID(), operators.LogicalAnd, inner, closed))
		}
	case celast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != operators.In {
			return
		}
		known, open, ok := r.halves(call.Args()[1])
		if !ok {
			return
		}
		in := fac.NewCall(r.id(), operators.In, call.Args()[0], known)
		e.SetKindCase(fac.NewCall(e.ID(), operators.LogicalOr, in, open))
	default:
		return
	}
	r.changed = true
}

// halves returns the two halves of a list that is a fact or a field of a record, and false for anything else.
func (r *rewriter) halves(e celast.Expr) (known, open celast.Expr, ok bool) {
	fac := celast.NewExprFactory()
	if t := r.ast.GetType(e.ID()); t.Kind() != types.ListKind {
		return nil, nil, false
	}
	if fact, ok := factOf(e); ok {
		return fac.NewIdent(r.id(), prefix+fact+knownSuffix), fac.NewIdent(r.id(), prefix+fact+openSuffix), true
	}
	if e.Kind() != celast.SelectKind || r.ast.GetType(e.AsSelect().Operand().ID()).Kind() != types.StructKind {
		return nil, nil, false
	}
	record, field := e.AsSelect().Operand(), e.AsSelect().FieldName()
	return fac.NewSelect(r.id(), fac.CopyExpr(record), field+knownSuffix), fac.NewSelect(r.id(), r.copy(record), field+openSuffix), true
}

// copy returns a copy of e with ids of its own.
func (r *rewriter) copy(e celast.Expr) celast.Expr {
	out := celast.NewExprFactory().CopyExpr(e)
	out.RenumberIDs(func(int64) int64 { return r.id() })
	return out
}

// isQuantifier reports whether a loop is what the macro exists or all makes: bools joined by || or by &&.
// exists_one counts, and filter and map gather a list.
func isQuantifier(loop celast.ComprehensionExpr) (exists, ok bool) {
	if loop.AccuInit().Kind() != celast.LiteralKind || loop.LoopStep().Kind() != celast.CallKind {
		return false, false
	}
	init, isBool := loop.AccuInit().AsLiteral().(types.Bool)
	step := loop.LoopStep().AsCall().FunctionName()
	switch {
	case isBool && !bool(init) && step == operators.LogicalOr:
		return true, true
	case isBool && bool(init) && step == operators.LogicalAnd:
		return false, true
	default:
		return false, false
	}
}
