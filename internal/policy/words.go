package policy

import (
	"fmt"
	"slices"
	"strings"
)

// maxSentences and maxNamed bound what is said: the sentences of a policy, and the names in one enumeration.
const (
	maxSentences = 20
	maxNamed     = 4
)

// Sentences says what the policy grants to whom, a sentence for each Allow that nothing takes back:
//
//	anybody on the internet may read objects on arn:aws:s3:::logs/*, unless they come over plain HTTP
//
// In the policy of an identity, which names nobody, it is about whoever carries the policy.
func (p *Policy) Sentences() []string {
	s := newSteps()
	var out []string
	left := 0
	for i := range p.statements {
		st := &p.statements[i]
		if st.deny {
			continue
		}
		unless, void := p.takenBack(s, st)
		if void {
			continue
		}
		if len(out) == maxSentences {
			left++
			continue
		}
		var text strings.Builder
		text.WriteString(st.whom() + " may " + st.what())
		if where := st.where(); where != "" {
			text.WriteString(" on " + where)
		}
		for i := range st.conditions {
			text.WriteString([]string{", if ", " and "}[min(i, 1)] + st.conditions[i].words())
		}
		for i, u := range unless {
			text.WriteString([]string{", unless ", " or "}[min(i, 1)] + u)
		}
		out = append(out, text.String())
	}
	if left > 0 {
		out = append(out, fmt.Sprintf("and %d statements more allow something", left))
	}
	return out
}

// takenBack returns in words what Denies take back of an Allow, and whether they take all of it.
func (p *Policy) takenBack(s *steps, allow *statement) (unless []string, void bool) {
	for i := range p.statements {
		d := &p.statements[i]
		if !d.deny {
			continue
		}
		covered, touched := true, false
		allow.pairs(func(action, resource string) bool {
			c := s.coversAction(d, action) && s.coversResource(d, resource)
			covered = covered && c
			touched = touched || c || s.touches(d, action, resource)
			return s.left > 0 && (covered || !touched)
		})
		if !touched {
			continue
		}
		var parts []string
		if d.principal != nil && (d.notPrincipal || !d.principal.everybody) {
			parts = append(parts, "they are "+d.whom())
		}
		for i := range d.conditions {
			parts = append(parts, d.conditions[i].words())
		}
		if covered && len(parts) == 0 {
			return nil, true
		}
		if !covered {
			parts = append(parts, "it is to "+d.what())
			if where := d.where(); where != "" {
				parts = append(parts, "it is on "+where)
			}
		}
		if text := strings.Join(parts, " and "); !slices.Contains(unless, text) {
			unless = append(unless, text)
		}
	}
	return unless, false
}

// touches reports whether a Deny is about some of an action and a resource.
func (s *steps) touches(d *statement, action, resource string) bool {
	about := func(patterns []string, not bool, of string) bool {
		if not {
			return !s.anyGlob(patterns, of)
		}
		return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool { return s.overlap(p, of) })
	}
	return about(d.actions, d.notAction, action) && about(d.resources, d.notResource, resource)
}

func (st *statement) whom() string {
	switch {
	case st.principal == nil:
		return "whoever carries it"
	case st.notPrincipal:
		return "anybody but " + st.principal.words()
	default:
		return st.principal.words()
	}
}

func (p *principals) words() string {
	var names []string
	if p.everybody {
		names = append(names, "anybody on the internet")
	}
	for _, n := range p.aws {
		names = append(names, nameOf(n))
	}
	for _, n := range p.services {
		names = append(names, "the service "+n)
	}
	for _, n := range p.federated {
		if _, name, ok := strings.Cut(n, "provider/"); ok {
			n = name
		}
		names = append(names, "whoever "+n+" vouches for")
	}
	for _, n := range p.canonical {
		names = append(names, "the canonical user "+n)
	}
	if len(names) == 0 {
		return "nobody"
	}
	return enumerate(names, "and")
}

// nameOf says an account or an ARN of a principal: "role reader of account 111122223333".
func nameOf(n string) string {
	parts := strings.SplitN(n, ":", 6)
	switch {
	case isAccount(n):
		return "account " + n
	case len(parts) != 6:
		return n
	case parts[5] == "root" && wild(parts[4]):
		return "anybody with an account"
	case parts[5] == "root":
		return "account " + parts[4]
	}
	kind, name, ok := strings.Cut(parts[5], "/")
	if !ok || parts[4] == "" {
		return n
	}
	if kind == "assumed-role" {
		kind = "session"
	}
	return fmt.Sprintf("%s %s of account %s", kind, name, parts[4])
}

// verbs says what actions do that stand in many resources' policies.
var verbs = map[string]string{
	"*":                                  "do everything",
	"*:*":                                "do everything",
	"s3:getobject":                       "read objects",
	"s3:getobjectversion":                "read versions of objects",
	"s3:putobject":                       "write objects",
	"s3:deleteobject":                    "delete objects",
	"s3:listbucket":                      "list objects",
	"s3:putobjectacl":                    "change who may read objects",
	"s3:putbucketpolicy":                 "change the policy of the bucket",
	"sts:assumerole":                     "assume the role",
	"sts:assumerolewithwebidentity":      "assume the role with a web identity",
	"sts:assumerolewithsaml":             "assume the role by SAML",
	"sts:tagsession":                     "tag the session",
	"iam:passrole":                       "pass roles",
	"kms:decrypt":                        "decrypt",
	"kms:encrypt":                        "encrypt",
	"kms:generatedatakey":                "make data keys",
	"kms:creategrant":                    "grant others the use of the key",
	"lambda:invokefunction":              "invoke the function",
	"lambda:invokefunctionurl":           "invoke the function by its URL",
	"sns:publish":                        "publish messages",
	"sns:subscribe":                      "subscribe",
	"sqs:sendmessage":                    "send messages",
	"sqs:receivemessage":                 "receive messages",
	"sqs:deletemessage":                  "delete messages",
	"secretsmanager:getsecretvalue":      "read the secret",
	"ecr:batchgetimage":                  "pull images",
	"ecr:getdownloadurlforlayer":         "pull layers of images",
	"ecr:putimage":                       "push images",
	"events:putevents":                   "send events",
	"elasticfilesystem:clientmount":      "mount the file system",
	"elasticfilesystem:clientwrite":      "write to the file system",
	"elasticfilesystem:clientrootaccess": "be root on the file system",
}

func (st *statement) what() string {
	if st.notAction {
		return "do everything but " + enumerate(st.written, "and")
	}
	var names []string
	for i, a := range st.actions {
		service, rest, _ := strings.Cut(a, ":")
		switch {
		case verbs[a] != "":
			names = append(names, verbs[a])
		case rest == "*":
			names = append(names, "do everything in "+service)
		default:
			names = append(names, st.written[i])
		}
	}
	return enumerate(names, "and")
}

func (st *statement) where() string {
	switch {
	case len(st.resources) == 0:
		return ""
	case st.notResource:
		return "everything but " + enumerate(st.resources, "and")
	case slices.Contains(st.resources, "*"):
		if st.principal == nil {
			return "everything"
		}
		return "" // of the resource that the policy is attached to
	default:
		return enumerate(st.resources, "and")
	}
}

// enumerate writes "a, b and c", and "a, b, c and 7 more" for many.
func enumerate(names []string, join string) string {
	if len(names) > maxNamed {
		names = append(slices.Clone(names[:maxNamed-1]), fmt.Sprintf("%d more", len(names)-maxNamed+1))
		join = "and"
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " " + join + " " + names[last]
}

// places says conditions on who asks and from where: by key, what they do and what they do not.
var places = map[string][2]string{
	"aws:sourceip":         {"come from", "do not come from"},
	"aws:sourcevpc":        {"come from", "do not come from"},
	"aws:sourcevpce":       {"come through endpoint", "do not come through endpoint"},
	"aws:principalorgid":   {"belong to organization", "do not belong to organization"},
	"aws:principalaccount": {"belong to account", "do not belong to account"},
	"kms:calleraccount":    {"belong to account", "do not belong to account"},
	"aws:principalarn":     {"are", "are not"},
	"aws:sourceaccount":    {"ask for account", "do not ask for account"},
	"aws:sourceowner":      {"ask for account", "do not ask for account"},
	"aws:sourcearn":        {"ask for", "do not ask for"},
	"aws:sourceorgid":      {"ask for organization", "do not ask for organization"},
	"iam:passedtoservice":  {"pass them to", "do not pass them to"},
	"kms:viaservice":       {"come through the service", "do not come through the service"},
}

// bools says conditions that are true or false.
var bools = map[string][2]string{
	"aws:securetransport":        {"they come over plain HTTP", "they come over TLS"},
	"aws:multifactorauthpresent": {"they signed in without MFA", "they signed in with MFA"},
	"aws:principalisawsservice":  {"they are no service of AWS", "they are a service of AWS"},
	"aws:viaawsservice":          {"they ask themselves", "a service of AWS asks for them"},
}

// comparisons says the operators but those that compare for equality.
var comparisons = map[string]string{
	"numericlessthan": "is less than", "numericlessthanequals": "is at most", "numericgreaterthan": "is more than", "numericgreaterthanequals": "is at least",
	"datelessthan": "is before", "datelessthanequals": "is not after", "dategreaterthan": "is after", "dategreaterthanequals": "is not before",
}

// words says a condition of those who ask: "they come from 203.0.113.0/24".
func (c *condition) words() string {
	values := enumerate(c.values, "or")
	if len(c.values) == 0 {
		values = "nothing"
	}
	rest := ""
	if c.op.ifExists || c.op.set == "forallvalues" {
		rest = " (where " + c.name + " is there)"
	}
	side := 0
	if c.op.negated {
		side = 1
	}
	switch {
	case c.key == "sts:externalid":
		return []string{"they know the external id", "they do not know the external id"}[side] + rest
	case c.op.name == "null":
		if len(c.values) == 1 && strings.EqualFold(c.values[0], "true") {
			return c.name + " is not there"
		}
		return c.name + " is there"
	case places[c.key] != [2]string{}:
		return "they " + places[c.key][side] + " " + values + rest
	case c.op.name == "bool" && bools[c.key] != [2]string{} && len(c.values) == 1:
		if strings.EqualFold(c.values[0], "true") {
			side = 1
		}
		return bools[c.key][side] + rest
	case comparisons[c.op.name] != "":
		return c.name + " " + comparisons[c.op.name] + " " + values + rest
	default:
		return c.name + []string{" is ", " is not "}[side] + values + rest
	}
}
