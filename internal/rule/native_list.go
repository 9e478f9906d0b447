package rule

import (
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"

	"github.com/demarc/demarc"
)

// quantifier is exists or all.
func (n *nativeCompiler) quantifier(c celast.ComprehensionExpr) condition {
	exists, ok := isQuantifier(c)
	if !ok || c.IterVar2() != "" {
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
	var each condition
	element := typed{Field{Type: elementOf(of.Type), Fields: of.Fields}, of.fact}
	n.within(c, element, func() { each = n.condition(step[1]) })
	if each == nil {
		return nil
	}
	decides, otherwise := False, True
	if exists {
		decides, otherwise = True, False
	}
	return func(f *frame) Truth {
		v, t := list(f)
		if t != True {
			return t
		}
		out, before := otherwise, f.missing
		elements := v.Elements()
		for i := range elements {
			switch e := &elements[i]; {
			case e.IsZero():
				continue
			case e.Type() != element.Type:
				return Failed
			default:
				f.elements[depth] = e
			}
			if f.steps++; f.steps > maxNativeSteps {
				return Failed
			}
			if out = join(out, each(f), decides); out == decides {
				f.missing = before
				break
			}
		}
		return out
	}
}

// within compiles what a loop over a list does with each element.
func (n *nativeCompiler) within(c celast.ComprehensionExpr, element typed, compile func()) {
	if len(n.loops) == MaxLoops {
		return
	}
	n.loops = append(n.loops, loop{c.IterVar(), element})
	compile()
	n.loops = n.loops[:len(n.loops)-1]
}

// writtenOut is a list of strings or of ints that is written out.
func writtenOut(e celast.Expr) (located, typed) {
	if e.Kind() != celast.ListKind {
		return nil, typed{}
	}
	var elements []demarc.Value
	for _, x := range e.AsList().Elements() {
		v, ok := literal(x)
		if !ok || v.Type() != demarc.TypeString && v.Type() != demarc.TypeInt || len(elements) > 0 && v.Type() != elements[0].Type() {
			return nil, typed{}
		}
		elements = append(elements, v)
	}
	t := demarc.TypeStrings
	if len(elements) > 0 && elements[0].Type() == demarc.TypeInt {
		t = demarc.TypeInts
	}
	list := demarc.List(t, elements...)
	return func(*frame) (*demarc.Value, Truth) { return &list, True }, typed{Field: Field{Type: t}}
}

// elementOf returns the type of the elements of a list, or of a record among records.
func elementOf(t demarc.Type) demarc.Type {
	if t == demarc.TypeRecords {
		return t
	}
	return t.Element()
}

func (n *nativeCompiler) list(e celast.Expr) (located, typed) {
	at, of := n.locate(e)
	if at == nil || !isList(of.Type) || len(n.loops) > 0 && e.Kind() == celast.IdentKind && !isFact(e) {
		return nil, typed{}
	}
	return at, of
}

func isFact(e celast.Expr) bool {
	_, ok := factOf(e)
	return ok
}

// listing is a list: a fact, a field or what is written out, what filter leaves of one and map makes of it, one behind another,
// one of two, and the texts in which a policy is told. What it
// returns beside is what its elements are.
func (n *nativeCompiler) listing(e celast.Expr) (listing, typed) {
	switch e.Kind() {
	case celast.IdentKind, celast.SelectKind, celast.ListKind:
		at, of := n.list(e)
		if at == nil {
			at, of = writtenOut(e)
		}
		if at == nil {
			return nil, typed{}
		}
		of.Type = elementOf(of.Type)
		return func(f *frame) Truth {
			v, t := at(f)
			if t != True {
				return t
			}
			for _, x := range v.Elements() {
				if x.Type() != of.Type {
					return Failed
				}
				f.lists = append(f.lists, x)
			}
			return True
		}, of
	case celast.CallKind:
		call := e.AsCall()
		if texts := n.policyTexts(call); texts != nil {
			return func(f *frame) Truth {
				list, t := texts(f)
				for _, s := range list {
					f.lists = append(f.lists, demarc.String(s))
				}
				return t
			}, typed{Field: Field{Type: demarc.TypeString}}
		}
		if call.FunctionName() == operators.Conditional {
			when := n.condition(call.Args()[0])
			yes, of := n.listing(call.Args()[1])
			no, too := n.listing(call.Args()[2])
			if when == nil || yes == nil || no == nil || of.Type != too.Type || of.Type == demarc.TypeRecords {
				return nil, typed{}
			}
			return either(when, yes, no), of
		}
		if call.FunctionName() == operators.Add {
			first, of := n.listing(call.Args()[0])
			second, too := n.listing(call.Args()[1])
			if first == nil || second == nil || of.Type != too.Type || of.Type == demarc.TypeRecords {
				return nil, typed{}
			}
			return func(f *frame) Truth {
				t := first(f)
				if t == Failed {
					return t
				}
				if then := second(f); then == Failed || t == True {
					return then
				}
				return t
			}, of
		}
	case celast.ComprehensionKind:
		return n.gathered(e.AsComprehension())
	default:
	}
	return nil, typed{}
}

// gathered is filter or map.
func (n *nativeCompiler) gathered(c celast.ComprehensionExpr) (listing, typed) {
	where, what := gatherer(c)
	list, of := n.listing(c.IterRange())
	if what == nil || list == nil || c.IterVar2() != "" {
		return nil, typed{}
	}
	depth, out := len(n.loops), of
	var keep condition
	var value scalar[demarc.Value]
	n.within(c, of, func() {
		keep = func(*frame) Truth { return True }
		if where != nil {
			keep = n.condition(where)
		}
		if what.Kind() == celast.IdentKind && what.AsIdent() == c.IterVar() {
			value = func(f *frame) (demarc.Value, Truth) { return *f.elements[depth], True }
		} else if value = n.value(what, demarc.TypeString); value != nil {
			out = typed{Field: Field{Type: demarc.TypeString}}
		} else if value = n.value(what, demarc.TypeInt); value != nil {
			out = typed{Field: Field{Type: demarc.TypeInt}}
		}
	})
	if keep == nil || value == nil {
		return nil, typed{}
	}
	return func(f *frame) Truth {
		mark := len(f.lists)
		if t := list(f); t != True {
			return t
		}
		end, kept := len(f.lists), mark
		for i := mark; i < end; i++ {
			if f.steps++; f.steps > maxNativeSteps {
				return Failed
			}
			f.elements[depth] = &f.lists[i] // which stays what it is, even if the stack moves
			t := keep(f)
			if t == False {
				continue
			}
			if t != True {
				return Failed // what is missing of several elements is for CEL to say
			}
			v, t := value(f)
			if t != True {
				return Failed
			}
			f.lists[kept] = v
			kept++
		}
		f.lists = f.lists[:kept]
		return True
	}, out
}

// gatherer returns what filter or map keeps of an element, and where; what is nil for another loop.
func gatherer(c celast.ComprehensionExpr) (where, what celast.Expr) {
	if c.AccuInit().Kind() != celast.ListKind || c.AccuInit().AsList().Size() > 0 || c.LoopStep().Kind() != celast.CallKind {
		return nil, nil
	}
	isAccu := func(e celast.Expr) bool { return e.Kind() == celast.IdentKind && e.AsIdent() == c.AccuVar() }
	step := c.LoopStep().AsCall()
	if step.FunctionName() == operators.Conditional {
		if args := step.Args(); isAccu(args[2]) && args[1].Kind() == celast.CallKind {
			where, step = args[0], args[1].AsCall()
		}
	}
	if step.FunctionName() != operators.Add || !isAccu(step.Args()[0]) {
		return nil, nil
	}
	added := step.Args()[1]
	if added.Kind() != celast.ListKind || added.AsList().Size() != 1 || !isAccu(c.Result()) {
		return nil, nil
	}
	return where, added.AsList().Elements()[0]
}

// measured is what a question of a list that is made comes to.
func measured[T any](list listing, ask func(elements []demarc.Value) (T, Truth)) scalar[T] {
	return func(f *frame) (out T, t Truth) {
		mark := len(f.lists)
		if t = list(f); t == True {
			out, t = ask(f.lists[mark:])
		}
		f.lists = f.lists[:mark]
		return out, t
	}
}
