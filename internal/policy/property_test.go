package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/demarc/demarc/internal/policy"
)

// The promise of Public: if it says no, there is no request by which somebody whom nobody named gets in. Requests are
// made of the values that the policy may ask for, but for those that a stranger cannot have.
func TestNobodyGetsIntoWhatIsNotPublic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := resourcePolicy().Draw(t, "policy")
		p, err := policy.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		public, err := p.Public()
		if public || err != nil {
			return
		}
		r := policy.Request{
			Principal: rapid.SampledFrom([]string{"*", "arn:aws:iam::666677778888:user/eve", "arn:aws:iam::666677778888:role/eve"}).Draw(t, "principal"),
			Action:    rapid.SampledFrom([]string{"s3:GetObject", "s3:PutObject", "s3:ListBucket"}).Draw(t, "action"),
			Resource:  rapid.SampledFrom([]string{"arn:aws:s3:::logs", "arn:aws:s3:::logs/a", "arn:aws:s3:::logs/b/c"}).Draw(t, "resource"),
			Account:   "111122223333",
			Context: policy.Context{
				"aws:securetransport": {rapid.SampledFrom([]string{"true", "false"}).Draw(t, "tls")},
				"aws:useragent":       {rapid.SampledFrom([]string{"curl", "x"}).Draw(t, "agent")},
			},
		}
		for key, value := range map[string]string{
			"aws:sourcevpce": "vpce-eve", "aws:principalorgid": "o-eve0000000", "aws:sourceip": "192.0.2.9", "aws:principalaccount": "666677778888",
			"aws:principalarn": r.Principal, "aws:sourceaccount": "666677778888", "aws:principalisawsservice": "false",
		} {
			if key == "aws:principalisawsservice" || rapid.Bool().Draw(t, key) {
				r.Context[key] = []string{value}
			}
		}
		set := policy.Set{Resource: p}
		if everything, err := policy.Parse(`{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`); err == nil {
			set.Identity = append(set.Identity, everything) // eve's own account lets her do what she wants
		}
		if got, err := policy.Authorize(r, set); err == nil && got == policy.Allowed {
			t.Fatalf("it is not public, and %+v is allowed:\n%s", r, text)
		}
	})
}

// A further Deny never makes a policy public, and a further Allow never makes it private.
func TestPublicGrowsWithWhatIsAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		public := func(statements ...string) (bool, error) {
			p, err := policy.Parse(`{"Version": "2012-10-17", "Statement": [` + strings.Join(statements, ",") + `]}`)
			if err != nil {
				t.Fatal(err)
			}
			return p.Public()
		}
		some := rapid.SliceOfN(statement("Allow", "Deny"), 1, 3).Draw(t, "some")
		before, errBefore := public(some...)
		if after, err := public(append(some, statement("Deny").Draw(t, "deny"))...); errBefore == nil && err == nil && after && !before {
			t.Fatal("a Deny made it public")
		}
		if after, err := public(append(some, statement("Allow").Draw(t, "allow"))...); errBefore == nil && err == nil && before && !after {
			t.Fatal("an Allow made it private")
		}
	})
}

func resourcePolicy() *rapid.Generator[string] {
	return rapid.Map(rapid.SliceOfN(statement("Allow", "Allow", "Deny"), 1, 4), func(s []string) string {
		return `{"Version": "2012-10-17", "Statement": [` + strings.Join(s, ",") + `]}`
	})
}

func statement(effects ...string) *rapid.Generator[string] {
	pick := func(of ...string) *rapid.Generator[string] { return rapid.SampledFrom(of) }
	condition := rapid.Custom(func(t *rapid.T) string {
		key := pick("aws:SourceVpce|vpce-1a2b3c4d|vpce-*", "aws:PrincipalOrgID|o-a1b2c3d4e5|*", "aws:PrincipalAccount|111122223333|*",
			"aws:PrincipalArn|arn:aws:iam::111122223333:role/reader|arn:aws:iam::*:role/*", "aws:UserAgent|curl|*").Draw(t, "key")
		name, values, _ := strings.Cut(key, "|")
		fixed, wide, _ := strings.Cut(values, "|")
		value := rapid.SampledFrom([]string{fixed, fixed, wide}).Draw(t, "value")
		op := pick("StringEquals", "StringLike", "StringNotEquals", "StringNotLike", "StringLikeIfExists", "StringNotLikeIfExists", "ForAllValues:StringLike",
			"ForAnyValue:StringLike", "ForAllValues:StringNotLike", "ForAnyValue:StringNotLike").Draw(t, "operator")
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return fmt.Sprintf(`"Bool": {"aws:SecureTransport": %q}`, pick("true", "false").Draw(t, "tls"))
		case 1:
			return fmt.Sprintf(`%q: {"aws:SourceIp": %q}`, pick("IpAddress", "NotIpAddress").Draw(t, "ip"), pick("203.0.113.0/24", "0.0.0.0/0").Draw(t, "range"))
		case 2:
			return fmt.Sprintf(`"Null": {%q: %q}`, name, pick("true", "false").Draw(t, "null"))
		default:
			return fmt.Sprintf(`%q: {%q: [%q]}`, op, name, value)
		}
	})
	return rapid.Custom(func(t *rapid.T) string {
		s := fmt.Sprintf(`{"Effect": %q, %s, %s, %s`, rapid.SampledFrom(effects).Draw(t, "effect"),
			pick(`"Principal": "*"`, `"Principal": "*"`, `"Principal": {"AWS": "*"}`, `"Principal": {"AWS": "111122223333"}`, `"NotPrincipal": {"AWS": "111122223333"}`,
				`"NotPrincipal": {"AWS": "arn:aws:iam::111122223333:role/reader"}`).Draw(t, "principal"),
			pick(`"Action": "s3:*"`, `"Action": ["s3:GetObject", "s3:PutObject"]`, `"Action": "s3:Get*"`, `"NotAction": "s3:Put*"`, `"Action": "*"`).Draw(t, "action"),
			pick(`"Resource": "*"`, `"Resource": "arn:aws:s3:::logs/*"`, `"NotResource": "arn:aws:s3:::logs/b/*"`, `"Resource": ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"]`).Draw(t, "resource"))
		if c := rapid.SliceOfNDistinct(condition, 0, 2, func(c string) string { op, _, _ := strings.Cut(c, ":"); return op }).Draw(t, "conditions"); len(c) > 0 {
			if operators := strings.Join(c, ","); !strings.Contains(operators, `"ForA`) || len(c) == 1 {
				s += `, "Condition": {` + operators + `}`
			}
		}
		return s + "}"
	})
}

func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{
		`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::${aws:username}/*"}}`,
		`{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "NotAction": "s3:?*", "NotResource": "*"}, {"Effect": "Deny", "NotPrincipal": {"AWS": "x"}, "Action": "*",
			"Condition": {"ForAnyValue:StringNotLikeIfExists": {"aws:SourceArn": ["arn:aws:s3:::*", 1, true]}, "IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}]}`,
		"%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3A%2A%22%7D%7D",
		`"{\"Statement\":[]}"`,
	} {
		f.Add(seed, "iam:PassRole")
	}
	f.Fuzz(func(t *testing.T, text, action string) {
		p, err := policy.Parse(text)
		if err != nil {
			return
		}
		public, err := p.Public()
		outsiders, errOut := p.Outsiders("111122223333")
		if err == nil && errOut == nil && public && len(outsiders) == 0 {
			t.Errorf("it is public, and lets nobody in from outside: %s", text)
		}
		_, _ = p.Unbound("111122223333")
		_ = p.Deputies()
		for _, s := range p.Sentences() {
			if s == "" {
				t.Error("a sentence is empty")
			}
		}
		if admin, err := p.Admin(); err == nil && admin {
			if ways, err := policy.Escalations([]*policy.Policy{p}); err == nil && len(ways) > 0 {
				t.Errorf("an administrator gains %v: %s", ways, text)
			}
		}
		_, _ = p.Allows(action)
		_, _ = policy.Authorize(policy.Request{Principal: "arn:aws:iam::111122223333:user/a", Action: action, Resource: "arn:aws:s3:::a/b"}, policy.Set{Resource: p, Identity: []*policy.Policy{p}})
	})
}
