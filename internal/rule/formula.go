package rule

import (
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// Truth is what a condition, or a part of one, comes to.
type Truth uint8

// The truths.
const (
	Unknown Truth = iota
	False
	True
	Failed // it could not be evaluated
)

// Formula is a condition as what &&, || and ! make of its atoms: the parts of it that hold none of these at their top.
// Most atoms read one fact, so what they come to is known for each value of it, and a condition is evaluated without
// its facts.
type Formula struct {
	op   string // one of CEL's operators; "" for an atom
	atom int
	args []Formula
}

// split makes the formula of a checked expression. atom gives what each atom is.
func split(e celast.Expr, atom func(celast.Expr) Formula) Formula {
	if e.Kind() == celast.CallKind {
		switch call := e.AsCall(); call.FunctionName() {
		case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot:
			f := Formula{op: call.FunctionName()}
			for _, arg := range call.Args() {
				f.args = append(f.args, split(arg, atom))
			}
			return f
		}
	}
	return atom(e)
}

// Eval returns what the formula comes to, as CEL has it: false && anything is false and true || anything is true;
// otherwise what is unknown goes before what failed. An atom that does not matter is not asked.
func (f *Formula) Eval(atom func(i int) Truth) Truth {
	decides, otherwise := False, True
	switch f.op {
	case operators.LogicalNot:
		return not(f.args[0].Eval(atom))
	case operators.LogicalOr:
		decides, otherwise = True, False
	case operators.LogicalAnd:
	default:
		return atom(f.atom)
	}
	for i := range f.args {
		switch t := f.args[i].Eval(atom); {
		case t == decides:
			return decides
		case t == Unknown, t == Failed && otherwise != Unknown:
			otherwise = t
		}
	}
	return otherwise
}

// Why calls visit for the atoms because of which the formula is Unknown or Failed.
func (f *Formula) Why(atom func(i int) Truth, visit func(i int)) {
	t := f.Eval(atom)
	if t != Unknown && t != Failed {
		return
	}
	if f.op == "" {
		visit(f.atom)
		return
	}
	for i := range f.args {
		if f.args[i].Eval(atom) == t {
			f.args[i].Why(atom, visit)
		}
	}
}

// moved returns the formula with the numbers of its atoms moved up.
func (f *Formula) moved(by int) Formula {
	out := Formula{op: f.op, atom: f.atom + by}
	for i := range f.args {
		out.args = append(out.args, f.args[i].moved(by))
	}
	return out
}
