package rule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// maxPolicy is the longest policy that is read, in bytes. AWS allows at most some 32 KB, for a key.
const maxPolicy = 64 << 10

// policy is an IAM policy document, of an identity or of a resource. It is read as the grammar in the IAM User Guide,
// "Grammar of the IAM JSON policy language", has it: Statement is an object or a list, and an element that lists
// strings may be one string.
type policy struct {
	statements []statement
}

type statement struct {
	Effect       string
	Principal    *principal
	NotPrincipal *principal
	Action       texts
	NotAction    texts
	Resource     texts
	NotResource  texts
	Condition    map[string]map[string]texts // operator, key, values
}

// parsePolicy reads a policy. The text may be URL-encoded, as IAM's API returns it, or quoted as a JSON string.
func parsePolicy(text string) (policy, error) {
	if len(text) > maxPolicy {
		return policy{}, fmt.Errorf("policy is longer than %d bytes", maxPolicy)
	}
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal([]byte(text), &text); err != nil {
			return policy{}, fmt.Errorf("read policy: %w", err)
		}
	}
	if strings.HasPrefix(text, "%") {
		plain, err := url.PathUnescape(text)
		if err != nil {
			return policy{}, fmt.Errorf("read policy: %w", err)
		}
		text = plain
	}
	var doc struct{ Statement json.RawMessage }
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return policy{}, fmt.Errorf("read policy: %w", err)
	}
	if doc.Statement == nil {
		return policy{}, errors.New("read policy: it has no Statement")
	}
	var p policy
	if err := unmarshalList(doc.Statement, &p.statements); err != nil {
		return policy{}, fmt.Errorf("read policy: %w", err)
	}
	for i, s := range p.statements {
		switch {
		case s.Effect != "Allow" && s.Effect != "Deny":
			return policy{}, fmt.Errorf("read policy: statement %d has effect %q", i+1, s.Effect)
		case len(s.Action) == 0 && len(s.NotAction) == 0:
			return policy{}, fmt.Errorf("read policy: statement %d has no action", i+1)
		}
	}
	return p, nil
}

// unmarshalList decodes a JSON list, or one value as a list of one.
func unmarshalList[T any](data []byte, into *[]T) error {
	if data = bytes.TrimSpace(data); bytes.HasPrefix(data, []byte("[")) {
		return json.Unmarshal(data, into)
	}
	var one T
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*into = []T{one}
	return nil
}

// texts is a string or a list of strings. Booleans and numbers, which conditions may hold, are taken as text.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	var values []json.RawMessage
	if err := unmarshalList(data, &values); err != nil {
		return err
	}
	for _, v := range values {
		var s string
		switch {
		case v[0] == '"':
			if err := json.Unmarshal(v, &s); err != nil {
				return err
			}
		case v[0] == '{' || v[0] == '[' || string(v) == "null":
			return fmt.Errorf("%s stands where a string is wanted", v[:1])
		default:
			s = string(v)
		}
		*t = append(*t, s)
	}
	return nil
}

// principal is "*", or names by kind: AWS, Service, Federated, CanonicalUser.
type principal struct {
	names map[string]texts
}

func (p *principal) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte("{")) {
		return json.Unmarshal(data, &p.names)
	}
	var all string
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	p.names = map[string]texts{"AWS": {all}}
	return nil
}

// anybody reports whether the principal is not limited to names: "*" of any kind, or every account.
func (p *principal) anybody() bool {
	for _, names := range p.names {
		for _, name := range names {
			account := name
			if parts := strings.SplitN(name, ":", 6); len(parts) == 6 {
				account = parts[4]
			}
			if name == "*" || strings.Contains(account, "*") {
				return true
			}
		}
	}
	return false
}

// isPublic reports whether the policy lets anybody in: a statement allows something to everybody, no condition of it
// narrows that to somebody, and no Deny takes it back.
//
// What narrows is a fixed value of one of a few condition keys, or a set of CIDRs, as AWS has it itself; see
// narrowing. Shared identity providers in a role's trust policy (Federated) are not looked into.
func (p policy) isPublic() bool {
	for _, s := range p.statements {
		if s.Effect != "Allow" || s.narrowed() {
			continue
		}
		if s.NotPrincipal == nil && (s.Principal == nil || !s.Principal.anybody()) {
			continue
		}
		if !slices.ContainsFunc(p.statements, func(d statement) bool { return d.deniesStrangers() && d.covers(s) }) {
			return true
		}
	}
	return false
}

// isAdmin reports whether the policy allows every action on every resource, without a condition. An Allow of
// everything but some actions counts as well unless IAM is among them: who may use all of IAM can take the rest.
func (p policy) isAdmin() bool {
	admin := func(s statement) bool {
		return s.Effect == "Allow" && len(s.Condition) == 0 && s.everyResource() &&
			(s.covered("*") || len(s.NotAction) > 0 && !matchesAny(s.NotAction, "iam:*", true))
	}
	return slices.ContainsFunc(p.statements, admin) && !p.denies("*")
}

// allows reports whether the policy allows an action on every resource, without a condition. The action may be a
// pattern such as s3:*, all of which must be allowed.
func (p policy) allows(action string) bool {
	allowing := func(s statement) bool {
		return s.Effect == "Allow" && len(s.Condition) == 0 && s.everyResource() && s.covered(action)
	}
	return slices.ContainsFunc(p.statements, allowing) && !p.denies(action)
}

// denies reports whether an action is denied to everybody, everywhere, without a condition.
func (p policy) denies(action string) bool {
	return slices.ContainsFunc(p.statements, func(s statement) bool {
		return s.Effect == "Deny" && len(s.Condition) == 0 && s.NotPrincipal == nil &&
			(s.Principal == nil || s.Principal.anybody()) &&
			len(s.NotResource) == 0 && s.everyResource() && s.covered(action)
	})
}

// covered reports whether the actions of s contain all of action.
func (s statement) covered(action string) bool {
	if len(s.NotAction) > 0 {
		return !slices.ContainsFunc(s.NotAction, func(not string) bool {
			return glob(not, action, true) || glob(action, not, true)
		})
	}
	return slices.ContainsFunc(s.Action, func(a string) bool {
		return glob(a, action, true) || strings.Trim(a, "*:") == "" // *:* is every action of every service
	})
}

// everyResource reports whether s is about every resource: * or an ARN of any resource, everything but some, or no
// resource at all, which is how a resource's own policy says "this one".
func (s statement) everyResource() bool {
	if len(s.Resource) == 0 {
		return true
	}
	return slices.ContainsFunc(s.Resource, func(r string) bool {
		parts := strings.SplitN(r, ":", 6)
		return strings.Trim(parts[len(parts)-1], "*") == "" && (len(parts) == 1 || len(parts) == 6)
	})
}

// deniesStrangers reports whether s denies something to everybody but those that fixed values name.
func (s statement) deniesStrangers() bool {
	switch {
	case s.Effect != "Deny":
		return false
	case s.NotPrincipal != nil:
		return !s.NotPrincipal.anybody() && len(s.Condition) == 0
	case s.Principal == nil || !s.Principal.anybody():
		return false
	}
	for operator, keys := range s.Condition { // all must hold for the Deny, so each must be true of a stranger
		op := parseOperator(operator)
		for key, values := range keys {
			service := op.name == "bool" && strings.EqualFold(key, "aws:PrincipalIsAWSService") && slices.Equal(values, texts{"false"})
			if !service && (!op.negated || op.set != "" || !op.fixes(key, values)) {
				return false
			}
		}
	}
	return true
}

// covers reports whether a Deny takes back all that an Allow gives, as far as actions and resources go.
func (s statement) covers(allow statement) bool {
	actions, resources := allow.Action, allow.Resource
	if len(allow.NotAction) > 0 {
		actions = texts{"*"}
	}
	if len(allow.NotResource) > 0 || len(resources) == 0 {
		resources = texts{"*"}
	}
	if len(s.NotResource) > 0 {
		return false
	}
	for _, a := range actions {
		if !s.covered(a) {
			return false
		}
	}
	for _, r := range resources {
		if len(s.Resource) > 0 && !matchesAny(s.Resource, r, false) {
			return false
		}
	}
	return true
}

// narrowed reports whether a condition lets only those in that a fixed value names. One is enough: all must hold.
func (s statement) narrowed() bool {
	for operator, keys := range s.Condition {
		op := parseOperator(operator)
		if op.negated || op.ifExists || op.set == "forallvalues" { // true as well of a request that has no such key
			continue
		}
		for key, values := range keys {
			if op.fixes(key, values) {
				return true
			}
		}
	}
	return false
}

// operator is a condition operator such as ForAnyValue:StringNotLikeIfExists.
type operator struct {
	name     string // in lower case, without the rest: "stringlike"
	set      string // "foranyvalue", "forallvalues" or ""
	negated  bool
	ifExists bool
}

func parseOperator(s string) operator {
	var op operator
	s = strings.ToLower(s)
	if set, rest, ok := strings.Cut(s, ":"); ok {
		op.set, s = set, rest
	}
	s, op.ifExists = strings.CutSuffix(s, "ifexists")
	op.negated = strings.Contains(s, "not")
	op.name = strings.Replace(s, "not", "", 1)
	return op
}

// narrowing holds the condition keys, in lower case, that say who asks or from where. The first five lines are those
// that AWS counts itself: Amazon S3 API, PublicAccessBlockConfiguration, and Amazon EFS User Guide, "Blocking public
// access", The meaning of "public" (both read 2026-11-23). The others are of the same kind: the organization, account
// or VPC that a request comes from.
var narrowing = []string{
	"aws:sourcearn", "aws:sourceowner", "aws:sourceaccount",
	"aws:sourcevpc", "aws:sourcevpce",
	"aws:userid", "aws:principalorgid",
	"s3:x-amz-server-side-encryption-aws-kms-key-id",
	"elasticfilesystem:accessedviamounttarget",

	"aws:principalaccount", "aws:principalarn", "aws:principalorgpaths",
	"aws:sourceorgid", "aws:sourceorgpaths", "aws:sourcevpcarn",
	"s3:dataaccesspointarn", "s3:dataaccesspointaccount",
	"kms:calleraccount",
}

// fixes reports whether values, of which any one may hold, are all fixed: they name somebody.
func (op operator) fixes(key string, values texts) bool {
	key = strings.ToLower(key)
	fixed := fixedValue
	switch op.name {
	case "ipaddress":
		if key != "aws:sourceip" {
			return false
		}
		fixed = func(cidr string) bool {
			open, err := openToWorld(cidr)
			return err == nil && !open
		}
	case "bool":
		if key != "elasticfilesystem:accessedviamounttarget" {
			return false
		}
		fixed = func(v string) bool { return strings.EqualFold(v, "true") }
	case "stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike":
		if !slices.Contains(narrowing, key) {
			return false
		}
	default:
		return false
	}
	return len(values) > 0 && !slices.ContainsFunc(values, func(v string) bool { return !fixed(v) })
}

// fixedValue reports whether a value names somebody: it has no wildcard and no policy variable, or only after an
// account (arn:aws:sns:*:111122223333:*) or an organization (o-a1b2c3d4e5/*).
func fixedValue(v string) bool {
	wild := func(s string) bool { return s == "" || strings.ContainsAny(s, "*?") || strings.Contains(s, "${") }
	if !wild(v) {
		return true
	}
	if parts := strings.SplitN(v, ":", 6); len(parts) == 6 && parts[0] == "arn" {
		return !wild(parts[4])
	}
	org, _, ok := strings.Cut(v, "/")
	return ok && strings.HasPrefix(org, "o-") && !wild(org)
}

// matchesAny reports whether one of the patterns matches all of text.
func matchesAny(patterns []string, text string, fold bool) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return glob(p, text, fold) })
}

// glob reports whether pattern, with * and ?, matches text, which may be a pattern itself: all that it matches must
// be matched then, so that ? does not match a *.
func glob(pattern, text string, fold bool) bool {
	if fold {
		pattern, text = strings.ToLower(pattern), strings.ToLower(text)
	}
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == text[t] || pattern[p] == '?' && text[t] != '*'):
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
