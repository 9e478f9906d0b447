package rule

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	celenv "cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/demarc/demarc/internal/address"
	"github.com/demarc/demarc/internal/policy"
)

// standard lists what is taken from CEL's standard library. Left out is what would undo the types of facts
// (dyn, type), has and the bytes and calendar functions that no fact needs.
var standard = []string{
	operators.Conditional, operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.NotStrictlyFalse,
	operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
	operators.Add, operators.Subtract, operators.Multiply, operators.Divide, operators.Modulo, operators.Negate,
	operators.In, operators.Index,
	"size", "contains", "startsWith", "endsWith", "matches",
	"int", "double", "string", "timestamp", "duration",
}

// functionNames lists the functions that a misspelt name may have been meant to be.
var functionNames = []string{
	"versionAtLeast", "openToWorld", "ageDays", "dayIn", supportOf, first, maybe,
	"policyIsPublic", "policyIsAdmin", "policyAllows", "policyEscalations", "policyOutsiders", "policyUnbound", "policyDeputies", "policyServices", "policyGrants", policyOf,
	"lowerAscii", "size", "contains", "startsWith", "endsWith", "matches", "int", "double", "string", "timestamp", "duration",
}

// functionCosts says what our functions cost at most, in CEL's units.
var functionCosts = map[string]uint64{
	"versionAtLeast": 10, "openToWorld": 10, "ageDays": 2, "dayIn": 10, supportOf: 200, first: 1, maybe: 1, "lowerAscii": 10,
	"policyIsPublic": policyCost, "policyIsAdmin": policyCost, "policyAllows": policyCost, "policyEscalations": 5000, "policyOutsiders": policyCost,
	"policyUnbound": policyCost, "policyDeputies": policyCost, "policyServices": policyCost, "policyGrants": policyCost, policyOf: 10,
}

// policyCost is what it costs to read an ordinary policy and to ask it something.
const policyCost = 2000

// baseEnv is what every environment shares: functions, macros and limits.
var baseEnv = sync.OnceValues(func() (*cel.Env, error) {
	var include []*celenv.Function
	for _, name := range standard {
		include = append(include, celenv.NewFunction(name))
	}
	return cel.NewCustomEnv(
		cel.StdLib(cel.StdLibSubset(&celenv.LibrarySubset{ExcludeMacros: []string{"has"}, IncludeFunctions: include})),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(MaxLength),
		cel.ParserRecursionLimit(MaxNesting),
		cel.RegexProgramSizeLimit(MaxPattern),
		cel.ASTValidators(
			cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals(),
			cel.ValidateHomogeneousAggregateLiterals(), cel.ValidateComprehensionNestingLimit(MaxLoops),
		),
		cel.Function("lowerAscii", cel.MemberOverload("string_lower_ascii", []*cel.Type{cel.StringType}, cel.StringType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return types.String(lowerASCII(string(v.(types.String)))) }))),
		cel.Function("versionAtLeast", cel.Overload("version_at_least", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType,
			cel.BinaryBinding(func(v, least ref.Val) ref.Val {
				return boolOrError(versionAtLeast(string(v.(types.String)), string(least.(types.String))))
			}))),
		cel.Function("openToWorld", cel.Overload("open_to_world", []*cel.Type{cel.StringType}, cel.BoolType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return boolOrError(address.OpenToWorld(string(v.(types.String)))) }))),
		cel.Function("dayIn", cel.Overload("day_in", []*cel.Type{cel.StringType}, cel.TimestampType,
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				t, err := dayIn(string(v.(types.String)))
				if err != nil {
					return types.WrapErr(err)
				}
				return types.Timestamp{Time: t}
			}))),
		cel.Function(first, cel.Overload("first_of_list", []*cel.Type{cel.ListType(cel.TypeParamType("T"))}, cel.TypeParamType("T"),
			cel.UnaryBinding(firstOf))),
		cel.Function(maybe, cel.Overload("maybe_bool", []*cel.Type{cel.BoolType}, cel.BoolType, cel.UnaryBinding(mayBe))),
		// The as-of date is an argument of the evaluation, so the implementation comes with it.
		cel.Function("ageDays", cel.Overload("age_days", []*cel.Type{cel.TimestampType}, cel.IntType, cel.LateFunctionBinding())),
		cel.Function(supportOf, cel.Overload("support_of", []*cel.Type{cel.StringType, cel.StringType}, cel.StringType, cel.LateFunctionBinding())),
		cel.Function(policyOf, cel.Overload("policy_of_statement", []*cel.Type{documentType}, documentType,
			cel.UnaryBinding(func(v ref.Val) ref.Val { return document{text: ofStatement(v.(document).text)} }))),
		policyFunction("policyIsPublic", cel.BoolType, func(p *policy.Policy) ref.Val { return boolOrError(p.Public()) }),
		policyFunction("policyIsAdmin", cel.BoolType, func(p *policy.Policy) ref.Val { return boolOrError(p.Admin()) }),
		cel.Function("policyEscalations",
			cel.Overload("policyEscalations_document", []*cel.Type{documentType}, cel.ListType(cel.StringType), cel.UnaryBinding(escalations)),
			cel.Overload("policyEscalations_string", []*cel.Type{cel.StringType}, cel.ListType(cel.StringType), cel.UnaryBinding(escalations)),
			cel.Overload("policyEscalations_document_document", []*cel.Type{documentType, documentType}, cel.ListType(cel.StringType), cel.BinaryBinding(escalationsWithin))),
		policyFunction("policyServices", cel.ListType(cel.StringType), func(p *policy.Policy) ref.Val { return textsOrError(p.Services(), nil) }),
		policyFunction("policyDeputies", cel.ListType(cel.StringType), func(p *policy.Policy) ref.Val { return textsOrError(p.Deputies(), nil) }),
		policyFunction("policyGrants", cel.ListType(cel.StringType), func(p *policy.Policy) ref.Val { return textsOrError(p.Sentences(), nil) }),
		policyFunctionOf("policyAllows", cel.BoolType, func(p *policy.Policy, action string) ref.Val { return boolOrError(p.Allows(action)) }),
		policyFunctionOf("policyOutsiders", cel.ListType(cel.StringType), func(p *policy.Policy, account string) ref.Val {
			return textsOrError(p.Outsiders(account))
		}),
		policyFunctionOf("policyUnbound", cel.ListType(cel.StringType), func(p *policy.Policy, account string) ref.Val {
			return textsOrError(p.Unbound(account))
		}),
	)
})

// policyOf is the function that makes a policy of a statement that stands by itself.
const policyOf = "policyOf"

func ofStatement(text string) string {
	return `{"Version":"2012-10-17","Statement":[` + text + `]}`
}

// policyFunction declares a function of a policy, which is a document or, as an element of a list, a string.
func policyFunction(name string, result *cel.Type, f func(*policy.Policy) ref.Val) cel.EnvOption {
	binding := cel.UnaryBinding(func(v ref.Val) ref.Val {
		p, err := policiesRead.parse(documentText(v))
		if err != nil {
			return types.WrapErr(&PolicyError{err})
		}
		return ofPolicy(f(p))
	})
	return cel.Function(name,
		cel.Overload(name+"_document", []*cel.Type{documentType}, result, binding),
		cel.Overload(name+"_string", []*cel.Type{cel.StringType}, result, binding))
}

// policyFunctionOf declares a function of a policy and a text.
func policyFunctionOf(name string, result *cel.Type, f func(*policy.Policy, string) ref.Val) cel.EnvOption {
	binding := cel.BinaryBinding(func(v, text ref.Val) ref.Val {
		p, err := policiesRead.parse(documentText(v))
		if err != nil {
			return types.WrapErr(&PolicyError{err})
		}
		return ofPolicy(f(p, string(text.(types.String))))
	})
	return cel.Function(name,
		cel.Overload(name+"_document", []*cel.Type{documentType, cel.StringType}, result, binding),
		cel.Overload(name+"_string", []*cel.Type{cel.StringType, cel.StringType}, result, binding))
}

func escalations(doc ref.Val) ref.Val {
	p, err := policiesRead.parse(documentText(doc))
	if err != nil {
		return types.WrapErr(&PolicyError{err})
	}
	return ofPolicy(textsOrError(policy.Escalations([]*policy.Policy{p})))
}

// escalationsWithin is escalations within a permissions boundary.
func escalationsWithin(doc, boundary ref.Val) ref.Val {
	p, err := policiesRead.parse(documentText(doc))
	if err != nil {
		return types.WrapErr(&PolicyError{err})
	}
	limit, err := policiesRead.parse(documentText(boundary))
	if err != nil {
		return types.WrapErr(&PolicyError{err})
	}
	return ofPolicy(textsOrError(policy.Escalations([]*policy.Policy{p}, limit)))
}

// PolicyError says that a policy is none, or that its answer hangs on what is not understood. The expression is right then, and
// its answer unknown.
type PolicyError struct{ err error }

func (e *PolicyError) Error() string { return "a policy cannot be judged: " + e.err.Error() }

// Unwrap returns what is wrong with the policy.
func (e *PolicyError) Unwrap() error { return e.err }

// ofPolicy says of a failure that it is the policy's.
func ofPolicy(v ref.Val) ref.Val {
	if failure, ok := v.(*types.Err); ok {
		return types.WrapErr(&PolicyError{failure.Unwrap()})
	}
	return v
}

func documentText(v ref.Val) string {
	if s, ok := v.(types.String); ok {
		return string(s)
	}
	return v.(document).text
}

func textsOrError(list []string, err error) ref.Val {
	if err != nil {
		return types.WrapErr(err)
	}
	return types.NewStringList(types.DefaultTypeAdapter, list)
}

func boolOrError(b bool, err error) ref.Val {
	if err != nil {
		return types.WrapErr(err)
	}
	return types.Bool(b)
}

// ageDays is bound to the as-of date of an evaluation.
func ageDays(asOf time.Time) functions.LateBoundOp {
	return func(_ string, args ...ref.Val) ref.Val {
		t := args[0].(types.Timestamp)
		return types.Int(daysBetween(t.Time, asOf))
	}
}

func daysBetween(from, to time.Time) int64 { return int64(math.Floor(to.Sub(from).Hours() / 24)) }

var dayForm = regexp.MustCompile(`(?:^|[^0-9])(2[0-9]{3})([-.]?)([0-9]{2})([-.]?)([0-9]{2})(?:$|[^0-9])`)

// dayIn returns the first day that is written in a name, as those of images have it: 1.31.2-20241121, ami-2024.11.21-arm64.
func dayIn(name string) (time.Time, error) {
	for _, m := range dayForm.FindAllStringSubmatch(name, -1) {
		if m[2] != m[4] {
			continue
		}
		if t, err := time.Parse("20060102", m[1]+m[3]+m[5]); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q names no day", name)
}

// first is the function that takes the first element of a list.
const first = "first"

// errNothing says that a list has no first element. The expression is right then, and its answer unknown.
var errNothing = errors.New("the list is empty")

func firstOf(v ref.Val) ref.Val {
	list := v.(traits.Lister)
	if list.Size() == types.IntZero {
		return types.WrapErr(errNothing)
	}
	return list.Get(types.IntZero)
}

// maybe is the function that makes of what holds something that may hold.
const maybe = "maybe"

// all is the id of the unknown that is because of all facts of an atom.
const all = -1

func mayBe(v ref.Val) ref.Val {
	if v == types.True {
		return types.NewUnknown(all, types.NewAttributeTrail(maybe))
	}
	return v
}

// supportOf is the function that looks a version up in a lifecycle.
const supportOf = "supportOf"

// UnlistedError says that a lifecycle has no row for a version. The expression is right then, and its answer unknown.
type UnlistedError struct{ Table, Version string }

func (e *UnlistedError) Error() string {
	return fmt.Sprintf("version %q is not in lifecycle %s, so whether it is supported is unknown", e.Version, e.Table)
}

// support is bound to the as-of date of an evaluation as well.
func (e *evaluation) support(_ string, args ...ref.Val) ref.Val {
	table, version := string(args[0].(types.String)), string(args[1].(types.String))
	e.tables = append(e.tables, table)
	state, err := e.atom.lifecycles.Support(table, version, e.asOf)
	if err != nil {
		return types.WrapErr(err)
	}
	return types.String(state)
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
