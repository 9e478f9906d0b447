package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Public reports whether the policy lets anybody in: a statement allows something to everybody, no condition of it
// narrows that to somebody, and no Deny takes it back.
//
// It is an error if that hangs on what is not understood, such as a condition key that is not known here.
func (p *Policy) Public() (bool, error) {
	s := newSteps()
	answer := no
	var doubt error
	for i := range p.statements {
		st := &p.statements[i]
		t, why := s.lets(p, st)
		if t > no && t < choice && doubt == nil {
			doubt = why
		}
		if answer = max(answer, t); answer >= choice {
			return true, nil
		}
	}
	if err := s.err(); err != nil {
		return false, err
	}
	return false, doubt
}

// lets returns whether a statement lets a stranger do something, with the reason where nobody can tell.
func (s *steps) lets(p *Policy, st *statement) (truth, error) {
	if st.deny || !st.admitsAnybody() {
		return no, nil
	}
	t := st.all(s, stranger{})
	if st.vouched() {
		t = min(t, st.vouchesForAnybody())
	}
	if t == no {
		return no, nil
	}
	var left truth
	st.pairs(func(action, resource string) bool {
		taken := no
		for i := range p.statements {
			if d := &p.statements[i]; d.deny && s.coversAction(d, action) && s.coversResource(d, resource) {
				taken = max(taken, s.takesFromStrangers(d, st))
			}
		}
		switch taken {
		case yes:
		case unclear:
			left = max(left, min(t, unclear))
		default:
			left = max(left, t)
		}
		return left < choice && s.left > 0
	})
	if left == unclear {
		return left, fmt.Errorf("whether %s leaves it to those who are named is not known", strings.Join(p.unclearKeys(s), ", "))
	}
	return left, nil
}

// takesFromStrangers returns whether a Deny takes back from a stranger what an Allow gives. What he can avoid does not.
func (s *steps) takesFromStrangers(d, allow *statement) truth {
	if d.principal != nil {
		switch {
		case d.notPrincipal && d.principal.everybody, !d.notPrincipal && !d.principal.everybody:
			return no
		}
	}
	out := yes
	for i := range d.conditions {
		c := &d.conditions[i]
		t := stranger{}.holds(s, c, d.variables)
		if t == choice {
			t = no
			if slices.ContainsFunc(allow.conditions, func(a condition) bool { return a.same(c) }) {
				t = yes // the Allow asks for just that
			}
		}
		if out = min(out, t); out == no {
			return no
		}
	}
	return out
}

// unclearKeys returns the condition keys that nobody here knows, as they are written.
func (p *Policy) unclearKeys(s *steps) []string {
	var out []string
	for _, st := range p.statements {
		for i := range st.conditions {
			c := &st.conditions[i]
			if (stranger{}).holds(s, c, st.variables) == unclear && !slices.Contains(out, c.name) {
				out = append(out, c.name)
			}
		}
	}
	return out
}

// admitsAnybody reports whether the statement names nobody: "*", all accounts, everybody but some, or whoever an identity
// provider that everybody can use vouches for.
func (st *statement) admitsAnybody() bool {
	switch {
	case st.principal == nil:
		return false
	case st.notPrincipal:
		return true
	default:
		return st.principal.everybody || slices.ContainsFunc(st.principal.aws, anyAccount) || st.vouched()
	}
}

// anyAccount reports whether the name of a principal leaves its account open.
func anyAccount(name string) bool {
	if arn, parts := splitARN(name); parts == len(arn) {
		name = arn[4]
	}
	return strings.Contains(name, "*")
}

// commonProviders holds identity providers where anybody can have an identity, with the condition key that says whose it
// is: the repository or workspace that a token was made for, or the application that a person signed in to.
// Source: IAM User Guide, "Available keys for AWS OIDC federation"; "Create a role for OIDC federation" (read 2026-11-29).
var commonProviders = map[string]string{
	"token.actions.githubusercontent.com": "sub",
	"gitlab.com":                          "sub",
	"app.terraform.io":                    "sub",
	"oidc.circleci.com":                   "sub",
	"agent.buildkite.com":                 "sub",
	"accounts.google.com":                 "aud",
	"cognito-identity.amazonaws.com":      "aud",
	"www.amazon.com":                      "app_id",
	"graph.facebook.com":                  "app_id",
}

// vouched reports whether the statement admits those whom a common identity provider vouches for, and nobody else.
func (st *statement) vouched() bool {
	return st.principal != nil && !st.notPrincipal && !st.principal.everybody && slices.ContainsFunc(st.principal.federated, func(f string) bool {
		_, common := commonProviders[provider(f)]
		return common
	})
}

// provider returns the name of an identity provider, which may be the ARN of its entry in the account.
func provider(federated string) string {
	if _, name, ok := strings.Cut(federated, ":oidc-provider/"); ok {
		federated = name
	}
	name, _, _ := strings.Cut(federated, "/") // oidc.circleci.com/org/...
	return strings.ToLower(name)
}

// vouchesForAnybody returns whether a condition leaves open whose the identity is.
func (st *statement) vouchesForAnybody() truth {
	for _, f := range st.principal.federated {
		name := provider(f)
		key, common := commonProviders[name]
		if common && !slices.ContainsFunc(st.conditions, func(c condition) bool {
			return !c.op.negated && !c.op.ifExists && c.op.set != "forallvalues" && strings.HasPrefix(c.op.name, "string") &&
				strings.HasPrefix(c.key, name) && strings.HasSuffix(c.key, ":"+key) &&
				len(c.values) > 0 && !slices.ContainsFunc(c.values, func(v string) bool { return !fixedSubject(v) })
		}) {
			return yes
		}
	}
	return no
}

// fixedSubject reports whether a subject names somebody: repo:organization/*, where the first name is written out.
func fixedSubject(v string) bool {
	owner, _, _ := strings.Cut(v, "/")
	return !wild(owner)
}

// Outsiders returns whom an Allow lets in from outside an account: other accounts, as 12 digits; organizations; "*" for
// anybody. It is sorted, each once. The account may be given by an ARN in it. Services of AWS are no outsiders, nor are
// identity providers, which have an entry in the account itself. Whose canonical users and origin access identities are no
// policy says: it is an error if nobody else is let in.
func (p *Policy) Outsiders(account string) ([]string, error) {
	if account = accountOf(account); account == "" {
		return nil, fmt.Errorf("it is not known whose policy it is")
	}
	s := newSteps()
	var out []string
	var doubt error
	for i := range p.statements {
		st := &p.statements[i]
		if st.deny || st.principal == nil {
			continue
		}
		t, why := s.lets(p, st)
		switch {
		case t >= choice:
			out = append(out, "*")
			continue
		case t == unclear:
			return nil, why
		}
		out = append(out, st.outsiders(account)...)
		if name := st.nameless(); name != "" {
			doubt = fmt.Errorf("whose %s is, is not known", name)
		}
	}
	slices.Sort(out)
	if out = slices.Compact(out); len(out) == 0 && doubt != nil {
		return nil, doubt
	}
	return out, s.err()
}

// nameless returns a principal that names no account and may be of any; "" for none.
func (st *statement) nameless() string {
	if len(st.principal.canonical) > 0 {
		return "canonical user " + st.principal.canonical[0]
	}
	for _, name := range st.principal.aws {
		if accountOf(name) == "cloudfront" {
			return name
		}
	}
	return ""
}

// outsiders returns whom a statement that is not public names.
func (st *statement) outsiders(account string) []string {
	var out []string
	add := func(name string) {
		if a := accountOf(name); a != account && a != "" && strings.Trim(a, "0123456789") == "" {
			out = append(out, a)
		}
	}
	// All conditions must hold: one that asks for this account leaves nobody else.
	for i := range st.conditions {
		c := &st.conditions[i]
		if slices.Contains([]string{"aws:principalaccount", "aws:principalarn", "kms:calleraccount"}, c.key) && st.binds(c.key) &&
			!slices.ContainsFunc(c.values, func(v string) bool { return accountOf(v) != account }) {
			return nil
		}
	}
	if !st.notPrincipal {
		for _, name := range st.principal.aws {
			add(name)
		}
	}
	if st.admitsAnybody() && !st.vouched() { // the conditions say who
		for i := range st.conditions {
			c := &st.conditions[i]
			if c.op.negated || !slices.Contains(ofCaller, c.key) {
				continue
			}
			for _, v := range c.values {
				if add(v); strings.HasPrefix(v, "o-") {
					org, _, _ := strings.Cut(v, "/")
					out = append(out, org)
				}
			}
		}
	}
	return out
}

// Unbound returns the outsiders whom a role's trust policy lets in without a secret or an organization that a third party
// could not have by mistake: no sts:ExternalId, and no organization is asked for. It is sorted, each once.
// Source: IAM User Guide, "The confused deputy problem", Cross-account confused deputy prevention (read 2026-11-29).
func (p *Policy) Unbound(account string) ([]string, error) {
	if account = accountOf(account); account == "" {
		return nil, fmt.Errorf("it is not known whose policy it is")
	}
	var out []string
	for i := range p.statements {
		st := &p.statements[i]
		if st.deny || st.principal == nil || st.notPrincipal || st.binds("sts:externalid", "aws:principalorgid", "aws:principalorgpaths") {
			continue
		}
		for _, name := range st.principal.aws {
			if a := accountOf(name); a != account && a != "" && strings.Trim(a, "0123456789") == "" {
				out = append(out, a)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Deputies returns the services of AWS that the policy lets in on behalf of anybody: no condition says for whose account,
// organization or resource they may act. It is sorted, each once.
// Source: IAM User Guide, "The confused deputy problem", Cross-service confused deputy prevention (read 2026-11-29).
func (p *Policy) Deputies() []string {
	var out []string
	for i := range p.statements {
		st := &p.statements[i]
		if st.deny || st.principal == nil || st.notPrincipal ||
			st.binds("aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceorgpaths", "aws:sourceowner") {
			continue
		}
		out = append(out, st.principal.services...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// binds reports whether a condition asks for a value of one of the keys that does not fit everything.
func (st *statement) binds(keys ...string) bool {
	return slices.ContainsFunc(st.conditions, func(c condition) bool {
		return slices.Contains(keys, c.key) && c.op.name != "null" && !c.op.negated && !c.op.ifExists && c.op.set != "forallvalues" &&
			len(c.values) > 0 && !slices.ContainsFunc(c.values, func(v string) bool { return strings.Trim(v, "*?:") == "" })
	})
}
