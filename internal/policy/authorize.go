package policy

import (
	"slices"
	"strings"
)

// Request is one request to AWS.
type Request struct {
	Principal string // an ARN, the name of a service such as sns.amazonaws.com, or * for somebody who did not sign in
	Action    string // "s3:GetObject"
	Resource  string // its ARN, or * for an action that is about none
	Account   string // of the resource; where it is empty, that of its ARN
	Context   Context
}

// Set is every policy that has a say in a request. What is nil or empty has none.
type Set struct {
	Identity        []*Policy
	Resource        *Policy
	Boundary        *Policy     // the permissions boundary of the principal
	Session         *Policy     // what the session was limited to
	ServiceControl  [][]*Policy // of the principal's account: those of each level from the root of the organization
	ResourceControl [][]*Policy // of the resource's account, likewise
	Endpoint        *Policy     // of the VPC endpoint that the request came through
}

// Decision is what a request comes to.
type Decision uint8

// The decisions.
const (
	ImplicitlyDenied Decision = iota // nothing allows it
	ExplicitlyDenied                 // a Deny applies
	Allowed
)

func (d Decision) String() string {
	return [...]string{"implicitly denied", "explicitly denied", "allowed"}[d]
}

// verdict is what one kind of policies says of a request.
type verdict struct {
	deny  bool
	allow bool
	by    naming // the strongest way in which an Allow names the principal
}

// naming is how a statement names a principal. What it means for a role is that a boundary and the session's own
// policy bound what is given to the role, and not what is given to everybody or to the session.
// Source: IAM User Guide, "Permissions boundaries for IAM entities", Evaluating effective permissions with boundaries.
type naming uint8

const (
	notNamed  naming = iota
	byAccount        // leaves the decision to the policies of the account
	byRole           // the role of a session
	byName           // the very user, role or session, or everybody
	unnamed          // the statement has no Principal: it is about whom it is attached to
)

// Authorize decides a request as "Policy evaluation logic" in the IAM User Guide has it: a Deny anywhere wins; every kind
// of policy that limits must allow; then the policies of the principal, of the resource or of both must allow, both where
// the two are in different accounts. (Read 2026-11-29.)
func Authorize(r Request, set Set) (Decision, error) {
	s := newSteps()
	who := parsePrincipal(r.Principal)
	account := r.Account
	if account == "" {
		account = accountOf(r.Resource)
	}
	ctx := r.Context
	if ctx == nil {
		ctx = Context{}
	}
	identity := s.judge(set.Identity, r, who, ctx)
	var resource, boundary, session, endpoint verdict
	if set.Resource != nil {
		resource = s.judgeResource(set, r, who, ctx)
	}
	if set.Boundary != nil {
		boundary = s.judge([]*Policy{set.Boundary}, r, who, ctx)
	}
	if set.Session != nil {
		session = s.judge([]*Policy{set.Session}, r, who, ctx)
	}
	if set.Endpoint != nil {
		endpoint = s.judge([]*Policy{set.Endpoint}, r, who, ctx)
	}
	denied := identity.deny || resource.deny || boundary.deny || session.deny || endpoint.deny
	limited := set.Endpoint != nil && !endpoint.allow
	limits := [][][]*Policy{set.ResourceControl}
	if who.account != "" { // service control policies bind the principals of the organization's accounts
		limits = append(limits, set.ServiceControl)
	}
	for _, kind := range limits {
		for _, level := range kind {
			v := s.judge(level, r, who, ctx)
			denied = denied || v.deny
			limited = limited || !v.allow
		}
	}
	if err := s.err(); err != nil {
		return ImplicitlyDenied, err
	}
	action := strings.ToLower(r.Action)
	switch {
	case action == "sts:getcalleridentity":
		return Allowed, nil // needs no permission, and a Deny of it has no effect
	case denied:
		return ExplicitlyDenied, nil
	case limited:
		return ImplicitlyDenied, nil
	case who.service || who.anonymous:
		return decided(resource.allow), nil
	}
	// What the principal's own policies give, and what bounds them.
	bounds := (set.Boundary == nil || boundary.allow) && (set.Session == nil || session.allow)
	own := identity.allow && bounds
	given := resource.by == byName || resource.by == byRole && bounds
	switch {
	case who.account != account && account != "":
		return decided(own && resource.allow), nil
	case trusted(action): // the policy of a key and the trust of a role decide themselves
		return decided(given || resource.by == byAccount && own), nil
	default:
		return decided(given || own), nil
	}
}

func decided(allowed bool) Decision {
	if allowed {
		return Allowed
	}
	return ImplicitlyDenied
}

// trusted reports whether an action needs the consent of the resource's own policy even within an account.
func trusted(action string) bool {
	if service, name, _ := strings.Cut(action, ":"); service == "kms" {
		return !slices.Contains([]string{"createkey", "listkeys", "listaliases", "createalias", "deletealias", "updatealias", "describecustomkeystores", "generaterandom"}, name)
	}
	return strings.HasPrefix(action, "sts:assumerole") || action == "sts:tagsession" || action == "sts:setsourceidentity"
}

func (s *steps) judge(policies []*Policy, r Request, who caller, ctx Context) verdict {
	var v verdict
	action := strings.ToLower(r.Action)
	for _, p := range policies {
		for i := range p.statements {
			st := &p.statements[i]
			by := s.names(st, who)
			if by == notNamed || !s.coversAction(st, action) || !s.about(st, r.Resource, ctx) || st.all(s, ctx) != yes {
				continue
			}
			if st.deny {
				v.deny = true
				continue
			}
			v.allow = true
			v.by = max(v.by, by)
		}
	}
	return v
}

// judgeResource judges the policy of the resource, in which a statement without a Principal is about nobody. A Deny of everybody
// but some hits all who have a boundary, even those whom it names. Source: IAM User Guide, "AWS JSON policy elements: NotPrincipal".
func (s *steps) judgeResource(set Set, r Request, who caller, ctx Context) verdict {
	var p Policy
	for _, st := range set.Resource.statements {
		switch {
		case st.principal == nil:
			continue
		case st.deny && st.notPrincipal && set.Boundary != nil:
			st.principal, st.notPrincipal = &principals{everybody: true}, false
		}
		p.statements = append(p.statements, st)
	}
	return s.judge([]*Policy{&p}, r, who, ctx)
}

// about reports whether a statement is about a resource.
func (s *steps) about(st *statement, resource string, ctx Context) bool {
	if len(st.resources) == 0 {
		return true
	}
	match := slices.ContainsFunc(st.resources, func(pattern string) bool {
		if st.variables {
			var ok bool
			if pattern, ok = ctx.expand(pattern); !ok {
				return false
			}
		}
		return s.glob(pattern, resource)
	})
	return match != st.notResource
}

// caller is a principal, taken apart.
type caller struct {
	arn       string
	account   string
	role      string // the ARN of the role, for one of its sessions, as far as the path of the role is not lost
	isRole    bool   // the role itself
	service   bool
	anonymous bool
}

func parsePrincipal(text string) caller {
	c := caller{arn: text, account: accountOf(text)}
	switch {
	case text == "*" || strings.EqualFold(text, "anonymous"):
		c.anonymous = true
	case strings.HasSuffix(text, ".amazonaws.com") || strings.HasSuffix(text, ".amazon.com"):
		c.service = true
	}
	if parts, n := splitARN(text); n == len(parts) {
		c.isRole = strings.HasPrefix(parts[5], "role/")
		if rest, ok := strings.CutPrefix(parts[5], "assumed-role/"); ok {
			role, _, _ := strings.Cut(rest, "/")
			c.role = strings.Join([]string{"arn", parts[1], "iam", "", c.account, "role/" + role}, ":")
		}
	}
	return c
}

// names returns how a statement names a principal.
func (s *steps) names(st *statement, who caller) naming {
	if st.principal == nil {
		return unnamed
	}
	by := st.principal.lists(who)
	switch {
	case st.notPrincipal && by == notNamed:
		return byName
	case st.notPrincipal:
		return notNamed
	default:
		return by
	}
}

func (p *principals) lists(who caller) naming {
	switch {
	case p.everybody:
		return byName
	case who.anonymous:
		return notNamed
	case who.service:
		if slices.Contains(p.services, who.arn) {
			return byName
		}
		return notNamed
	case slices.Contains(p.federated, who.arn):
		return byName
	}
	by := notNamed
	for _, n := range p.aws {
		switch {
		case n == who.arn && who.isRole:
			by = max(by, byRole)
		case n == who.arn:
			by = max(by, byName)
		case who.role != "" && sameRole(n, who.role):
			by = max(by, byRole)
		case n == who.account, strings.HasSuffix(n, ":root") && accountOf(n) == who.account:
			by = max(by, byAccount)
		}
	}
	return by
}

// sameRole reports whether two ARNs are of one role; a session's does not have the path of its role.
func sameRole(a, b string) bool {
	cut := func(arn string) string {
		head, tail, ok := strings.Cut(arn, ":role/")
		if !ok {
			return arn
		}
		return head + ":role/" + tail[strings.LastIndexByte(tail, '/')+1:]
	}
	return cut(a) == cut(b)
}

// splitARN returns the parts of an ARN, and how many there are: all of them, or fewer of what is none.
func splitARN(text string) (parts [6]string, n int) {
	for n < len(parts)-1 {
		var more bool
		parts[n], text, more = strings.Cut(text, ":")
		if n++; !more {
			return parts, n
		}
	}
	parts[n] = text
	return parts, n + 1
}

// accountOf returns the account of an ARN, or an account itself; "" for what has none.
func accountOf(text string) string {
	if parts, n := splitARN(text); n == len(parts) {
		return parts[4]
	}
	if isAccount(text) {
		return text
	}
	return ""
}

func isAccount(text string) bool {
	return len(text) == 12 && strings.Trim(text, "0123456789") == ""
}
