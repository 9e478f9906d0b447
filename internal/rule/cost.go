package rule

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"sync"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/demarc/demarc"
)

// The limits on an expression.
const (
	MaxLength  = 4000        // characters
	MaxNesting = 50          // levels of the syntax tree
	MaxLoops   = 3           // exists, all, filter and map within each other
	MaxPattern = 1000        // instructions that the pattern of matches compiles to
	MaxCost    = 120_000_000 // at the sizes below, estimated, in CEL's units of some 10 ns each
	MaxSteps   = 1_000_000   // of one evaluation, counted, in the same units
)

// The sizes that the cost of an expression is estimated at. Where the facts are larger than is sure to be harmless,
// evaluation counts its own steps, and stops at MaxSteps.
const (
	maxElements = 1000 // of a list
	maxNested   = 100  // of a list that is a field of a record
	maxText     = 100  // characters of a string
)

// Facts of no more than this are harmless to any expression that compiles.
const (
	fewElements = 30
	shortText   = 1000
)

// limitCost reports an expression that may take too long.
func (c *compiler) limitCost(checked *cel.Ast) {
	switch most, err := estimate(c.env, checked); {
	case err != nil:
		c.errs = append(c.errs, c.src.at(0, 0, "estimate the cost: "+err.Error()))
	case most > MaxCost:
		c.errs = append(c.errs, c.src.at(0, 0, fmt.Sprintf(
			"expression may cost %d for lists of %d, the limit is %d: nest fewer lists", most, maxElements, MaxCost)))
	}
}

func estimate(env *cel.Env, checked *cel.Ast) (uint64, error) {
	e, err := env.EstimateCost(checked, sizes{})
	return e.Max, err
}

// sizes estimates what CEL cannot see: how long values are, and what our functions cost.
type sizes struct{}

func (sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	longest := uint64(maxText)
	switch kind := node.Type().Kind(); {
	case (kind == types.ListKind || kind == types.MapKind) && slices.Contains(node.Path(), "@items"):
		longest = maxNested
	case kind == types.ListKind || kind == types.MapKind:
		longest = maxElements
	}
	size := cost.RangedSizeEstimate(0, longest)
	return &size
}

func (sizes) EstimateCallCost(function, _ string, _ *cost.AstNode, args []cost.AstNode) *cost.CallEstimate {
	units, ok := functionCosts[function]
	if function == "matches" && len(args) > 0 {
		pattern, _ := literalString(args[len(args)-1].Expr())
		units, ok = 10+uint64(instructions(pattern)), true // of an ordinary pattern in an ordinary text
	}
	if !ok {
		return nil
	}
	return cost.NewCallEstimate(cost.FixedCostEstimate(units), nil)
}

// CallCost implements cost.ActualCostEstimator.
func (sizes) CallCost(function, _ string, args []ref.Val, _ ref.Val) *uint64 {
	units, ok := functionCosts[function]
	text := ""
	switch v := args[0].(type) {
	case types.String:
		text = string(v)
	case document:
		text = v.text
	}
	switch {
	case function == "matches":
		pattern, _ := args[len(args)-1].(types.String)
		// At worst each instruction looks at each character, which takes some 10 ns; a tenth of that is usual.
		units = 10 + uint64(instructions(string(pattern))*len(text)/10)
	case !ok:
		return nil
	case units >= policyCost:
		units += uint64(2 * len(text))
	default:
		units += uint64(len(text) / 10)
	}
	return &units
}

// instructions returns how many instructions a pattern compiles to.
func instructions(pattern string) int {
	if n, ok := patterns.Load(pattern); ok {
		return n.(int)
	}
	n := MaxPattern
	if re, err := syntax.Parse(pattern, syntax.Perl); err == nil {
		if prog, err := syntax.Compile(re.Simplify()); err == nil {
			n = len(prog.Inst)
		}
	}
	patterns.Store(pattern, n)
	return n
}

// patterns are the instructions of the patterns of all expressions that were compiled.
var patterns sync.Map

// programs evaluate a part of an expression. What they hold is made when it is first needed.
type programs struct {
	plain   func() (cel.Program, error)
	counted func() (cel.Program, error) // counts its steps, which takes twice as long
	most    func() uint64               // the cost at the sizes that are estimated
}

func newPrograms(env *cel.Env, checked *celast.AST, x celast.Expr) programs {
	part := celast.NewCheckedAST(celast.NewAST(x, checked.SourceInfo()), checked.TypeMap(), checked.ReferenceMap())
	return programs{
		plain: sync.OnceValues(func() (cel.Program, error) { return env.PlanProgram(part, cel.EvalOptions(cel.OptOptimize)) }),
		counted: sync.OnceValues(func() (cel.Program, error) {
			return env.PlanProgram(part, cel.EvalOptions(cel.OptOptimize), cel.CostTracking(sizes{}), cel.CostLimit(MaxSteps))
		}),
		most: sync.OnceValue(func() uint64 {
			e, err := cost.Cost(part, sizes{})
			if err != nil {
				return MaxCost
			}
			return e.Max
		}),
	}
}

// size is how large facts are.
type size struct {
	elements int // of all lists
	text     int // bytes of the longest text
}

// eval evaluates the expression with variables of some size.
func (p *programs) eval(s size, vars interpreter.Activation) (ref.Val, error) {
	program := p.plain
	if (s.elements > fewElements || s.text > shortText) && p.scaled(s) > MaxSteps {
		program = p.counted
	}
	run, err := program()
	if err != nil {
		return nil, err
	}
	out, _, err := run.Eval(vars)
	var stopped interpreter.EvalCancelledError
	if errors.As(err, &stopped) && stopped.Cause == interpreter.CostLimitExceeded {
		err = fmt.Errorf("it takes more than %d steps for lists of %d elements in all and texts of up to %d bytes: nest fewer lists", MaxSteps, s.elements, s.text)
	}
	return out, err
}

// scaled returns the cost at most for facts of some size.
func (p *programs) scaled(s size) float64 {
	times := float64(max(1, s.text/maxText))
	for range MaxLoops {
		times *= max(1, float64(s.elements)/maxElements)
	}
	return float64(p.most()) * times
}

func sizeOf(facts []demarc.Fact) size {
	var s size
	for i := range facts {
		s.add(facts[i].Value)
	}
	return s
}

func (s *size) add(v demarc.Value) {
	s.text = max(s.text, len(v.AsString()))
	elements := v.Elements()
	s.elements += len(elements)
	for i := range elements {
		s.add(elements[i])
	}
	for _, x := range v.Fields() {
		s.add(x)
	}
}
