package policy

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// condition is one key of one operator of a Condition: the values of which one must fit.
type condition struct {
	op     operator
	key    string // in lower case
	name   string // as it is written
	values []string
}

// operator is a condition operator, such as ForAnyValue:StringNotLikeIfExists.
type operator struct {
	name     string // in lower case, without the rest: "stringlike"
	set      string // "foranyvalue", "forallvalues" or ""
	negated  bool
	ifExists bool
}

// operators are those of the language, without Not, IfExists and the prefixes of sets.
// Source: IAM User Guide, "IAM JSON policy elements: Condition operators" (read 2026-11-29).
var operators = []string{
	"stringequals", "stringequalsignorecase", "stringlike",
	"numericequals", "numericlessthan", "numericlessthanequals", "numericgreaterthan", "numericgreaterthanequals",
	"dateequals", "datelessthan", "datelessthanequals", "dategreaterthan", "dategreaterthanequals",
	"bool", "binaryequals", "ipaddress", "arnequals", "arnlike", "null",
}

// negatable are the operators that have a Not of their own.
var negatable = []string{
	"stringequals", "stringequalsignorecase", "stringlike", "numericequals", "dateequals", "ipaddress", "arnequals", "arnlike",
}

func parseOperator(s string) (operator, error) {
	var op operator
	text := strings.ToLower(s)
	if set, rest, ok := strings.Cut(text, ":"); ok {
		if set != "foranyvalue" && set != "forallvalues" {
			return op, fmt.Errorf("no condition operator is called %q", s)
		}
		op.set, text = set, rest
	}
	text, op.ifExists = strings.CutSuffix(text, "ifexists")
	op.name = text
	if plain := strings.Replace(text, "not", "", 1); plain != text && slices.Contains(negatable, plain) {
		op.name, op.negated = plain, true
	}
	if !slices.Contains(operators, op.name) || op.name == "null" && op.ifExists {
		return op, fmt.Errorf("no condition operator is called %q", s)
	}
	return op, nil
}

func (t *texts) conditions(raw []byte) ([]condition, error) {
	var out []condition
	err := members(raw, func(operator string, keys []byte) error {
		op, err := parseOperator(operator)
		if err != nil {
			return err
		}
		if keys[0] != '{' {
			return fmt.Errorf("%s holds no keys", operator)
		}
		return members(keys, func(key string, value []byte) error {
			values, err := t.list(value)
			if err != nil {
				return fmt.Errorf("%s of %s: %w", key, operator, err)
			}
			out = append(out, condition{op, t.lowerOne(key), key, values})
			return nil
		})
	})
	return out, err
}

// same reports whether two conditions ask the same.
func (c *condition) same(d *condition) bool {
	return c.op == d.op && c.key == d.key && slices.Equal(c.values, d.values)
}

// truth is what a condition or a statement comes to. Where nothing is decided the weaker of two counts.
type truth uint8

const (
	no      truth = iota // of no such request
	unclear              // nobody here can tell
	choice               // whoever asks can have it either way
	yes                  // of every such request
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// request is what one who asks brings with him.
type request interface {
	// holds returns what a condition comes to. The key is in lower case.
	holds(s *steps, c *condition, variables bool) truth
}

// all returns what all conditions of a statement together come to.
func (st *statement) all(s *steps, r request) truth {
	out := yes
	for i := range st.conditions {
		if out = min(out, r.holds(s, &st.conditions[i], st.variables)); out == no {
			return no
		}
	}
	return out
}

// Context holds the values of the condition keys of one request, by key in lower case. A key that is not there was
// not in the request.
type Context map[string][]string

func (ctx Context) holds(s *steps, c *condition, variables bool) truth {
	values, there := ctx[c.key]
	there = there && len(values) > 0
	if c.op.name == "null" {
		for _, v := range c.values {
			if strings.EqualFold(v, strconv.FormatBool(!there)) {
				return yes
			}
		}
		return no
	}
	if !there {
		return truthOf(c.op.set == "forallvalues" || c.op.set == "" && (c.op.ifExists || c.op.negated))
	}
	wanted := make([]string, 0, len(c.values))
	for _, v := range c.values {
		if variables {
			var ok bool
			if v, ok = ctx.expand(v); !ok {
				continue // a variable without a value fits nothing
			}
		}
		wanted = append(wanted, v)
	}
	fits := func(have string) bool {
		return slices.ContainsFunc(wanted, func(w string) bool { return c.op.fits(s, have, w) }) != c.op.negated
	}
	if c.op.set == "forallvalues" || c.op.set == "" && c.op.negated {
		return truthOf(!slices.ContainsFunc(values, func(v string) bool { return !fits(v) }))
	}
	return truthOf(slices.ContainsFunc(values, fits))
}

// expand replaces the policy variables of a pattern by their values. It reports false if one has none.
// Source: IAM User Guide, "IAM policy elements: Variables and tags" (read 2026-11-29).
func (ctx Context) expand(pattern string) (string, bool) {
	if !strings.Contains(pattern, "${") {
		return pattern, true
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(pattern, "${")
		b.WriteString(before)
		if !ok {
			return b.String(), true
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			b.WriteString("${" + rest)
			return b.String(), true
		}
		name, fallback, hasFallback := strings.Cut(name, ",")
		value := strings.Trim(strings.TrimSpace(fallback), "'")
		switch name = strings.TrimSpace(name); name {
		case "*", "?", "$":
			value = name
		default:
			if have := ctx[strings.ToLower(name)]; len(have) == 1 {
				value = have[0]
			} else if !hasFallback {
				return "", false
			}
		}
		b.WriteString(strings.NewReplacer("*", string(rune(literalStar)), "?", string(rune(literalOne))).Replace(value))
		pattern = after
	}
}

// fits reports whether a value of a request fits one of a policy, before any Not.
func (op operator) fits(s *steps, have, want string) bool {
	plain := strings.NewReplacer(string(rune(literalStar)), "*", string(rune(literalOne)), "?")
	switch op.name {
	case "stringequals":
		return have == plain.Replace(want)
	case "stringequalsignorecase":
		return strings.EqualFold(have, plain.Replace(want))
	case "stringlike":
		return s.glob(want, have)
	case "arnequals", "arnlike":
		return s.likeARN(want, have)
	case "bool":
		return strings.EqualFold(have, want)
	case "binaryequals":
		a, errA := base64.StdEncoding.DecodeString(have)
		b, errB := base64.StdEncoding.DecodeString(want)
		return errA == nil && errB == nil && slices.Equal(a, b)
	case "ipaddress":
		return inRange(have, want)
	}
	if kind, ok := strings.CutPrefix(op.name, "numeric"); ok {
		a, errA := strconv.ParseFloat(have, 64)
		b, errB := strconv.ParseFloat(want, 64)
		return errA == nil && errB == nil && ordered(kind, a, b)
	}
	if kind, ok := strings.CutPrefix(op.name, "date"); ok {
		a, okA := parseDate(have)
		b, okB := parseDate(want)
		return okA && okB && ordered(kind, float64(a.Unix()), float64(b.Unix()))
	}
	return false
}

func ordered(kind string, a, b float64) bool {
	switch kind {
	case "lessthan":
		return a < b
	case "lessthanequals":
		return a <= b
	case "greaterthan":
		return a > b
	case "greaterthanequals":
		return a >= b
	default:
		return a == b
	}
}

// parseDate reads a date as conditions have it: in one of the forms of ISO 8601 that W3C lists, or as seconds since 1970.
func parseDate(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly, "2006-01", "2006"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0), err == nil && seconds > 9999
}

// likeARN compares ARNs part by part: a * goes no further than its part, but for the last.
func (s *steps) likeARN(pattern, arn string) bool {
	p, parts := splitARN(pattern)
	a, of := splitARN(arn)
	if parts != len(p) || of != len(a) {
		return pattern == "*" && of == len(a)
	}
	for i := range p {
		if !s.glob(p[i], a[i]) {
			return false
		}
	}
	return true
}

func inRange(address, cidr string) bool {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return false
	}
	if p, err := netip.ParsePrefix(cidr); err == nil {
		return p.Contains(a.Unmap()) || p.Contains(a)
	}
	b, err := netip.ParseAddr(cidr)
	return err == nil && a.Unmap() == b.Unmap()
}
