package rule

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/demarc/demarc/internal/suggest"
)

// compiler finds the mistakes of one expression.
type compiler struct {
	env   *cel.Env
	src   Source
	facts []Field  // what facts.x may be
	vars  []string // the variables of an estate's condition, which reads no facts; nil for an expression over facts
	errs  Errors

	lifecycles Lifecycles // nil for none
	tables     []string   // of lifecycles that the expression names, sorted
}

// check parses and checks the expression. It returns nil if there are mistakes.
func (c *compiler) check() *cel.Ast {
	if len(c.src.Text) > 4*MaxLength || len([]rune(c.src.Text)) > MaxLength {
		c.errs = append(c.errs, c.src.at(0, 0, fmt.Sprintf("expression is longer than %d characters", MaxLength)))
		return nil
	}
	if strings.TrimSpace(c.src.Text) == "" {
		c.errs = append(c.errs, c.src.at(0, 0, "expression is empty"))
		return nil
	}
	parsed, issues := c.env.Parse(c.src.Text)
	if c.issues(issues) {
		return nil
	}
	c.names(parsed.NativeRep(), parsed.NativeRep().Expr())
	checked, issues := c.env.Check(parsed)
	if c.issues(issues) || len(c.errs) > 0 {
		return nil
	}
	c.types(checked.NativeRep())
	c.lookups(checked.NativeRep())
	return checked
}

// lookups gathers the tables that versions are looked up in, which must be written out and be there.
func (c *compiler) lookups(a *celast.AST) {
	walk(a.Expr(), func(e celast.Expr) {
		if e.Kind() != celast.CallKind || e.AsCall().FunctionName() != supportOf {
			return
		}
		arg := e.AsCall().Args()[0]
		name, ok := literalString(arg)
		var known []string
		if c.lifecycles != nil {
			known = c.lifecycles.Tables()
		}
		switch {
		case !ok:
			c.report(a, arg, 0, "the name of a lifecycle must be written out")
		case !slices.Contains(known, name):
			c.report(a, arg, 0, fmt.Sprintf("no lifecycle %q%s", name, suggest.DidYouMean(name, slices.Values(known))))
		default:
			c.tables = append(c.tables, name)
		}
	})
	slices.Sort(c.tables)
	c.tables = slices.Compact(c.tables)
}

// issues takes over what CEL found, in our words.
func (c *compiler) issues(issues *cel.Issues) bool {
	if issues == nil || issues.Err() == nil {
		return false
	}
	for _, e := range issues.Errors() {
		msg, name := c.message(e.Message)
		if msg != "" {
			line, column := e.Location.Line()-1, e.Location.Column()
			c.errs = append(c.errs, c.src.at(line, c.src.startOf(line, column, name), msg))
		}
	}
	if len(c.errs) == 0 { // names should have told
		c.errs = append(c.errs, c.src.at(0, 0, issues.Err().Error()))
	}
	return true
}

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	undefined  = regexp.MustCompile(`^undefined field '([^']*)'`)
	noOverload = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	expecting  = regexp.MustCompile(`,? expecting .*$`)
)

// message says a message of CEL's own in our words, and the name that it is about, if any. It returns nothing for
// what names has told already.
func (c *compiler) message(msg string) (text, name string) {
	switch {
	case strings.HasPrefix(msg, "Syntax error: "):
		return "syntax error: " + expecting.ReplaceAllString(strings.TrimPrefix(msg, "Syntax error: "), ""), ""
	case strings.HasPrefix(msg, "expression recursion limit exceeded"), strings.HasPrefix(msg, "max recursion depth"):
		return fmt.Sprintf("expression is nested more than %d levels deep", MaxNesting), ""
	case msg == "comprehension exceeds nesting limit":
		return fmt.Sprintf("more than %d of exists, all, filter and map within each other", MaxLoops), ""
	}
	if m := undeclared.FindStringSubmatch(msg); m != nil {
		return c.unknownName(m[1]), m[1]
	}
	if m := undefined.FindStringSubmatch(msg); m != nil {
		return fmt.Sprintf("unknown field %q%s", m[1], suggest.DidYouMean(m[1], recordFields(c.facts))), ""
	}
	if m := noOverload.FindStringSubmatch(msg); m != nil {
		name := m[1]
		if sign, ok := operators.FindReverse(name); ok && sign != "" {
			name = sign
		}
		if name == operators.Index {
			name = "[]"
		}
		return fmt.Sprintf("%s cannot be applied to %s", name, m[2]), m[1]
	}
	return msg, ""
}

func (c *compiler) unknownName(name string) string {
	switch {
	case name == "has" && c.vars != nil:
		return "has() is not available: a tag that is not there is the empty string"
	case name == "has":
		return "has() is not available: what is absent is unknown or has a default, never missing"
	case c.vars == nil && (name == "facts" || strings.HasPrefix(name, prefix)):
		return ""
	case slices.ContainsFunc(c.facts, func(f Field) bool { return f.Name == name }):
		return fmt.Sprintf("unknown name %q, did you mean %q?", name, prefix+name)
	default:
		return fmt.Sprintf("unknown name %q%s", name, suggest.DidYouMean(name, c.known()))
	}
}

// known ranges over the names that a bare name may have been meant to be.
func (c *compiler) known() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range c.facts {
			if !yield(prefix + f.Name) {
				return
			}
		}
		for _, v := range c.vars {
			if !yield(v) {
				return
			}
		}
		for _, f := range functionNames {
			if !yield(f) {
				return
			}
		}
	}
}

func recordFields(facts []Field) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range facts {
			for _, x := range f.Fields {
				if !yield(x.Name) {
					return
				}
			}
			for x := range recordFields(f.Fields) {
				if !yield(x) {
					return
				}
			}
		}
	}
}

// names reports facts that are not declared, and uses of the word facts that are no fact.
func (c *compiler) names(a *celast.AST, e celast.Expr) {
	if c.vars != nil {
		return
	}
	switch e.Kind() {
	case celast.IdentKind:
		if e.AsIdent() == "facts" {
			c.report(a, e, 0, "facts are read one by one: facts.NAME")
		}
		return
	case celast.SelectKind:
		s := e.AsSelect()
		if s.Operand().Kind() == celast.IdentKind && s.Operand().AsIdent() == "facts" {
			known := func(f Field) bool { return f.Name == s.FieldName() }
			if !slices.ContainsFunc(c.facts, known) {
				c.report(a, e, 1, fmt.Sprintf("unknown fact %q%s", s.FieldName(), suggest.DidYouMean(s.FieldName(), factNames(c.facts))))
			}
			return
		}
	case celast.ComprehensionKind:
		if e.AsComprehension().IterVar() == "facts" {
			c.report(a, e, 0, "facts cannot be the name of an element")
			return
		}
	default:
	}
	for _, child := range children(e) {
		c.names(a, child)
	}
}

func factNames(facts []Field) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range facts {
			if !yield(f.Name) {
				return
			}
		}
	}
}

// types reports what CEL's checker allows and three-valued logic, or a reader, does not.
func (c *compiler) types(a *celast.AST) {
	walk(a.Expr(), func(e celast.Expr) {
		if e.Kind() != celast.CallKind {
			return
		}
		call := e.AsCall()
		switch name := call.FunctionName(); name {
		case operators.Equals, operators.NotEquals, operators.In:
			for _, arg := range call.Args() {
				if what := incomparable(a.GetType(arg.ID())); what != "" {
					c.report(a, e, 0, what+" cannot be compared")
					return
				}
			}
		case "matches":
			if pattern := call.Args()[len(call.Args())-1]; pattern.Kind() != celast.LiteralKind {
				c.report(a, pattern, 0, "the pattern of matches must be written out")
			}
		case "versionAtLeast":
			if text, ok := literalString(call.Args()[1]); ok {
				if _, err := parseVersion(text); err != nil {
					c.report(a, call.Args()[1], 0, err.Error())
				}
			}
		}
	})
}

func incomparable(t *types.Type) string {
	switch t.Kind() {
	case types.StructKind:
		return "records"
	case types.OpaqueKind:
		return "documents"
	default:
		for _, p := range t.Parameters() {
			if what := incomparable(p); what != "" {
				return what
			}
		}
		return ""
	}
}

func literalString(e celast.Expr) (string, bool) {
	if e.Kind() != celast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// report adds a mistake at e, moved right by offset characters.
func (c *compiler) report(a *celast.AST, e celast.Expr, offset int, msg string) {
	at := a.SourceInfo().GetStartLocation(e.ID())
	if at == common.NoLocation {
		c.errs = append(c.errs, c.src.at(0, 0, msg))
		return
	}
	c.errs = append(c.errs, c.src.at(at.Line()-1, at.Column()+offset, msg))
}

// children returns the expressions directly below e.
func children(e celast.Expr) []celast.Expr {
	switch e.Kind() {
	case celast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() {
			return append([]celast.Expr{call.Target()}, call.Args()...)
		}
		return call.Args()
	case celast.ComprehensionKind:
		loop := e.AsComprehension()
		return []celast.Expr{loop.IterRange(), loop.AccuInit(), loop.LoopCondition(), loop.LoopStep(), loop.Result()}
	case celast.ListKind:
		return e.AsList().Elements()
	case celast.MapKind:
		var out []celast.Expr
		for _, entry := range e.AsMap().Entries() {
			out = append(out, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
		return out
	case celast.SelectKind:
		return []celast.Expr{e.AsSelect().Operand()}
	case celast.StructKind:
		var out []celast.Expr
		for _, field := range e.AsStruct().Fields() {
			out = append(out, field.AsStructField().Value())
		}
		return out
	default:
		return nil
	}
}

// walk calls visit for e and everything below it, parents first.
func walk(e celast.Expr, visit func(celast.Expr)) {
	visit(e)
	for _, child := range children(e) {
		walk(child, visit)
	}
}
