package policy

import (
	"slices"
	"strings"

	"github.com/demarc/demarc/internal/address"
)

// Condition keys, by what they say of one who asks and whom nobody named: a stranger, with accounts, networks and an
// organization of his own.

// ofCaller holds the keys, in lower case, whose value a stranger cannot make that of somebody else: who asks, and from
// where. The first five lines are those that AWS counts itself: Amazon S3 API, PublicAccessBlockConfiguration, and Amazon
// EFS User Guide, "Blocking public access", The meaning of "public" (both read 2026-11-23). The others are of the same kind
// in IAM User Guide, "AWS global condition context keys" (read 2026-11-29).
var ofCaller = []string{
	"aws:sourcearn", "aws:sourceowner", "aws:sourceaccount",
	"aws:sourcevpc", "aws:sourcevpce",
	"aws:userid", "aws:principalorgid",
	"s3:x-amz-server-side-encryption-aws-kms-key-id",
	"elasticfilesystem:accessedviamounttarget",

	"aws:principalaccount", "aws:principalarn", "aws:principalorgpaths", "aws:principalisawsservice", "aws:principalservicename",
	"aws:sourceorgid", "aws:sourceorgpaths", "aws:sourcevpcarn", "aws:vpceaccount", "aws:vpceorgid", "aws:vpceorgpaths",
	"aws:federatedprovider", "aws:sourceip",
	"s3:dataaccesspointarn", "s3:dataaccesspointaccount",
	"kms:calleraccount", "lambda:eventsourcetoken", "sns:endpoint",
}

// ofAnybody holds the keys, or prefixes of keys that end in a slash, that a stranger has in his hand or that are about the
// resource: they narrow what is done and how, never who does it. A shared secret such as sts:ExternalId is none, by AWS's word.
var ofAnybody = []string{
	"aws:securetransport", "aws:useragent", "aws:referer", "aws:currenttime", "aws:epochtime", "aws:tokenissuetime",
	"aws:multifactorauthpresent", "aws:multifactorauthage", "aws:principaltype", "aws:username", "aws:principaltag/",
	"aws:requestedregion", "aws:requesttag/", "aws:tagkeys", "aws:resourcetag/", "aws:resourceaccount", "aws:resourceorgid",
	"aws:resourceorgpaths", "aws:calledvia", "aws:calledviafirst", "aws:calledvialast", "aws:viaawsservice", "aws:vpcsourceip",
	"aws:sourceidentity", "aws:chatbotsourcearn",
	"sts:externalid", "sts:rolesessionname", "sts:sourceidentity", "sts:transitivetagkeys",
	"kms:viaservice", "kms:encryptioncontext:", "kms:encryptioncontextkeys", "kms:encryptionalgorithm", "kms:granteeprincipal",
	"kms:grantisforawsresource", "kms:keyspec", "kms:keyusage", "kms:requestalias", "kms:resourcealiases",
	"sns:protocol", "lambda:functionurlauthtype", "lambda:invokedviafunctionurl", "lambda:principal", "iam:passedtoservice",
	"secretsmanager:versionstage", "secretsmanager:resource/", "ecr:resourcetag/", "sqs:",
	"s3:", // AWS lists those keys of S3 that narrow: all others do not
}

// stranger is somebody whom nobody named, asking from the internet.
type stranger struct{}

func (stranger) holds(s *steps, c *condition, variables bool) truth {
	if !s.take(len(ofCaller) + len(ofAnybody) + len(c.values)) {
		return unclear
	}
	switch {
	case c.key == "aws:principalisawsservice" && c.op.name == "bool":
		return truthOf(slices.ContainsFunc(c.values, func(v string) bool { return strings.EqualFold(v, "false") }))
	case slices.Contains(ofCaller, c.key):
		return c.ofSomebodyElse(variables)
	case slices.ContainsFunc(ofAnybody, func(k string) bool {
		return c.key == k || strings.HasPrefix(c.key, k) && strings.ContainsAny(k[len(k)-1:], "/:")
	}):
		if len(c.values) == 0 && !c.op.negated {
			return no
		}
		return choice
	default:
		if issuer, _, _ := strings.Cut(c.key, ":"); commonProviders[provider(issuer)] != "" {
			return choice // vouchesForAnybody looks into these
		}
		return unclear
	}
}

// ofSomebodyElse returns what a condition on who asks comes to for a stranger, whose value of the key is his own, or
// who comes without the key.
func (c *condition) ofSomebodyElse(variables bool) truth {
	if c.op.name == "null" {
		return choice
	}
	fixed := true
	for _, v := range c.values {
		fixed = fixed && c.fixes(v, variables)
	}
	switch {
	case !c.comparable():
		return unclear
	case c.op.negated && fixed && c.op.set != "foranyvalue":
		return yes // his value is another, or there is none
	case c.op.negated || !fixed:
		return choice
	case c.op.ifExists || c.op.set == "forallvalues":
		return choice // he comes without the key
	default:
		return no
	}
}

// comparable reports whether the operator is one for the key.
func (c *condition) comparable() bool {
	switch c.op.name {
	case "ipaddress":
		return c.key == "aws:sourceip"
	case "bool":
		return c.key == "elasticfilesystem:accessedviamounttarget"
	case "stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike":
		return c.key != "aws:sourceip"
	default:
		return false
	}
}

// fixes reports whether a value of the condition names somebody.
func (c *condition) fixes(value string, variables bool) bool {
	switch {
	case c.op.name == "ipaddress":
		open, err := address.OpenToWorld(value)
		return err == nil && !open
	case c.op.name == "bool":
		return strings.EqualFold(value, "true")
	case variables && (strings.EqualFold(value, "${aws:ResourceOrgID}") || strings.EqualFold(value, "${aws:ResourceAccount}")):
		return true // that of the resource
	case c.key == "sns:endpoint":
		_, domain, ok := strings.Cut(value, "@")
		return fixedValue(value) || ok && !wild(domain)
	default:
		return fixedValue(value)
	}
}

// fixedValue reports whether a value names somebody: it has no wildcard and no policy variable, or only behind an
// account (arn:aws:sns:*:111122223333:*), an organization (o-a1b2c3d4e5/*), or the id of a role (AROA1EXAMPLE:*).
func fixedValue(v string) bool {
	if !wild(v) {
		return true
	}
	if parts, n := splitARN(v); n == len(parts) && parts[0] == "arn" {
		return !wild(parts[4])
	}
	if id, _, ok := strings.Cut(v, ":"); ok && len(id) >= 16 && !wild(id) {
		return true
	}
	org, _, ok := strings.Cut(v, "/")
	return ok && strings.HasPrefix(org, "o-") && !wild(org)
}

func wild(s string) bool { return s == "" || strings.ContainsAny(s, "*?") || strings.Contains(s, "${") }
