package policy

import (
	"errors"
	"strings"
)

// maxSteps is how many characters are compared for one question, which is some 50 ms. No policy that AWS accepts and
// that people write comes near it.
const maxSteps = 20_000_000

var errTooLong = errors.New("the policy takes too long to analyse")

// steps counts what one question has cost.
type steps struct{ left int }

func newSteps() *steps { return &steps{maxSteps} }

// take reports whether n more steps may be made.
func (s *steps) take(n int) bool {
	s.left -= n
	return s.left > 0
}

func (s *steps) err() error {
	if s.left <= 0 {
		return errTooLong
	}
	return nil
}

// In a pattern, these stand for the characters * and ? themselves: ${*}, ${?}, and what a policy variable had.
const (
	literalStar = '\x01'
	literalOne  = '\x02'
)

// glob reports whether a pattern, with * and ?, matches all of text. The text may be a pattern itself: all that it
// matches is matched then, so that ? does not match a *. It is linear but for the last *, and so at most quadratic.
func (s *steps) glob(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		if !s.take(1) {
			return false
		}
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == text[t] || pattern[p] == '?' && text[t] != '*' ||
			pattern[p] == literalStar && text[t] == '*' || pattern[p] == literalOne && text[t] == '?'):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// overlap reports whether some text is matched by both patterns. What takes too long counts as overlapping.
func (s *steps) overlap(a, b string) bool {
	if !strings.ContainsAny(b, "*?") {
		return s.glob(a, b)
	}
	if !strings.ContainsAny(a, "*?") {
		return s.glob(b, a)
	}
	// fits[j]: what a[:i] and b[:j] match has a text in common.
	if !s.take(len(a) * len(b)) {
		return true
	}
	fits := make([]bool, len(b)+1)
	next := make([]bool, len(b)+1)
	for i := 0; i <= len(a); i++ {
		for j := 0; j <= len(b); j++ {
			switch {
			case i == 0 && j == 0:
				next[j] = true
			case i == 0:
				next[j] = next[j-1] && b[j-1] == '*'
			case j == 0:
				next[j] = fits[j] && a[i-1] == '*'
			default:
				x, y := a[i-1], b[j-1]
				next[j] = x == '*' && (fits[j] || next[j-1]) || y == '*' && (next[j-1] || fits[j]) ||
					fits[j-1] && (x == y || x == '?' || y == '?')
			}
		}
		fits, next = next, fits
	}
	return fits[len(b)]
}

func (s *steps) anyGlob(patterns []string, text string) bool {
	for _, p := range patterns {
		if s.glob(p, text) {
			return true
		}
	}
	return false
}

// coversAction reports whether the statement is about all of an action, which may be a pattern, in lower case.
func (s *steps) coversAction(st *statement, action string) bool {
	if st.notAction {
		for _, not := range st.actions {
			if s.overlap(not, action) {
				return false
			}
		}
		return true
	}
	for _, a := range st.actions {
		if s.glob(a, action) || strings.Trim(a, "*:") == "" { // *:* is every action of every service
			return true
		}
	}
	return false
}

// coversResource reports whether the statement is about all that a resource, which may be a pattern, stands for.
func (s *steps) coversResource(st *statement, resource string) bool {
	if len(st.resources) == 0 {
		return true
	}
	if st.notResource {
		for _, not := range st.resources {
			if s.overlap(not, resource) {
				return false
			}
		}
		return true
	}
	return s.anyGlob(st.resources, resource)
}

// pairs calls f with each action and resource that an Allow gives, as patterns, until f returns false.
func (st *statement) pairs(f func(action, resource string) bool) {
	actions, resources := st.actions, st.resources
	if st.notAction {
		actions = []string{"*"}
	}
	if st.notResource || len(resources) == 0 {
		resources = []string{"*"}
	}
	for _, a := range actions {
		for _, r := range resources {
			if !f(a, r) {
				return
			}
		}
	}
}
