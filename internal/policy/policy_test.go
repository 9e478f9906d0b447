package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// resourcePolicy wraps statements that allow everybody to read, with a further element each.
func publicBut(element string) string {
	return `{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::logs/*"` + element + `}}`
}

func under(operator, key, values string) string {
	return publicBut(`, "Condition": {"` + operator + `": {"` + key + `": ` + values + `}}`)
}

func publicExcept(deny string) string {
	return `{"Statement": [
		{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:List*"], "Resource": ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"]},
		{"Effect": "Deny", ` + deny + `}]}`
}

func TestPolicyIsPublic(t *testing.T) {
	principal := func(p string) string {
		return `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": ` + p + `, "Action": "sts:AssumeRole"}]}`
	}
	for _, tt := range []struct {
		name, policy string
		want         bool
	}{
		{"everybody", publicBut(""), true},
		{"everybody as AWS", principal(`{"AWS": "*"}`), true},
		{"everybody among others", principal(`{"AWS": ["arn:aws:iam::111122223333:root", "*"]}`), true},
		{"every account", principal(`{"AWS": "arn:aws:iam::*:root"}`), true},
		{"everybody but one", `{"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}, "Action": "s3:*", "Resource": "*"}}`, true},
		{"one account", principal(`{"AWS": "111122223333"}`), false},
		{"one role", principal(`{"AWS": "arn:aws:iam::111122223333:role/reader"}`), false},
		{"a role path with a wildcard stays in its account", principal(`{"AWS": "arn:aws:iam::111122223333:role/*"}`), false},
		{"a service", principal(`{"Service": "sns.amazonaws.com"}`), false},
		{"nobody named, as in an identity's policy", `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`, false},
		{"only a Deny", `{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}}`, false},
		{"no statement in the list", `{"Statement": []}`, false},
		{"the second statement", `{"Statement": [
			{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "s3:*", "Resource": "*"},
			{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}]}`, true},
		{"URL-encoded", "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%22%2A%22%2C%22Action%22%3A%22s3%3A%2A%22%7D%7D", true},
		{"JSON in a JSON string", `"{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:*\"}}"`, true},

		{"from one account", under("StringEquals", "aws:SourceAccount", `"111122223333"`), false},
		{"from one account, written as a number", under("StringEquals", "AWS:SourceAccount", `111122223333`), false},
		{"from one ARN", under("ArnLike", "aws:SourceArn", `"arn:aws:cloudfront::111122223333:distribution/*"`), false},
		{"from any ARN", under("ArnLike", "aws:SourceArn", `"arn:aws:sns:*:*:*"`), true},
		{"from a bucket by name", under("ArnEquals", "aws:SourceArn", `"arn:aws:s3:::logs"`), false},
		{"from any bucket", under("ArnLike", "aws:SourceArn", `"arn:aws:s3:::*"`), true},
		{"from endpoints", under("StringEquals", "aws:SourceVpce", `["vpce-1a2b3c4d", "vpce-5e6f7a8b"]`), false},
		{"from endpoints or any", under("StringLike", "aws:SourceVpce", `["vpce-1a2b3c4d", "*"]`), true},
		{"one organization", under("StringEquals", "aws:PrincipalOrgID", `"o-a1b2c3d4e5"`), false},
		{"one organization's path", under("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", `"o-a1b2c3d4e5/r-ab12/*"`), false},
		{"any organization", under("StringLike", "aws:PrincipalOrgID", `"o-*"`), true},
		{"a policy variable", under("StringEquals", "aws:PrincipalArn", `"${aws:username}"`), true},
		{"true of a request without the key", under("StringEqualsIfExists", "aws:SourceVpce", `"vpce-1a2b3c4d"`), true},
		{"true of no values", under("ForAllValues:StringEquals", "aws:PrincipalOrgPaths", `"o-a1b2c3d4e5/r-ab12/"`), true},
		{"some addresses", under("IpAddress", "aws:SourceIp", `["203.0.113.0/24", "10.0.0.0/8"]`), false},
		{"all addresses", under("IpAddress", "aws:SourceIp", `"0.0.0.0/0"`), true},
		{"all addresses in halves", under("IpAddress", "aws:SourceIp", `["0.0.0.0/1", "128.0.0.0/1"]`), true},
		{"all but some addresses", under("NotIpAddress", "aws:SourceIp", `"203.0.113.0/24"`), true},
		{"only by TLS", under("Bool", "aws:SecureTransport", `"true"`), true},
		{"only through a mount target", under("Bool", "elasticfilesystem:AccessedViaMountTarget", `"true"`), false},
		{"with a tag that anybody can have", under("StringEquals", "aws:PrincipalTag/team", `"payments"`), true},
		{"two conditions, one narrows", publicBut(`, "Condition": {"Bool": {"aws:SecureTransport": true}, "StringEquals": {"aws:SourceVpc": "vpc-1a2b3c4d"}}`), false},

		{"all taken back", publicExcept(`"Principal": "*", "Action": "s3:*", "Resource": "*"`), false},
		{"taken back without TLS only", publicExcept(`"Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}`), true},
		{"taken back outside an endpoint", publicExcept(`"Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"],
			"Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1a2b3c4d"}}`), false},
		{"taken back outside an endpoint, of AWS services not", publicExcept(`"Principal": {"AWS": "*"}, "Action": "s3:*", "Resource": "*",
			"Condition": {"StringNotEqualsIfExists": {"aws:SourceVpce": "vpce-1a2b3c4d"}, "Bool": {"aws:PrincipalIsAWSService": "false"}}`), false},
		{"taken back outside an endpoint, without TLS only", publicExcept(`"Principal": "*", "Action": "s3:*", "Resource": "*",
			"Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1a2b3c4d"}, "Bool": {"aws:SecureTransport": "false"}}`), true},
		{"taken back from the bucket, its objects not", publicExcept(`"Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::logs"`), true},
		{"taken back in part", publicExcept(`"Principal": "*", "Action": "s3:Get*", "Resource": "*"`), true},
		{"taken back from one account", publicExcept(`"Principal": {"AWS": "111122223333"}, "Action": "*", "Resource": "*"`), true},
		{"taken back from all but one role", publicExcept(`"NotPrincipal": {"AWS": "arn:aws:iam::111122223333:role/reader"}, "Action": "*", "Resource": "*"`), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse(tt.policy)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := p.Public(); got != tt.want || err != nil {
				t.Errorf("Public = %v, %v, want %v\n%s", got, err, tt.want, tt.policy)
			}
		})
	}
}

func TestPolicyIsAdmin(t *testing.T) {
	for _, tt := range []struct {
		name, statements string
		want             bool
	}{
		{"everything", `{"Effect": "Allow", "Action": "*", "Resource": "*"}`, true},
		{"everything, in lists", `[{"Effect": "Allow", "Action": ["s3:Get*", "*:*"], "Resource": ["arn:aws:s3:::logs", "*"]}]`, true},
		{"everything but one service", `{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}`, true},
		{"everything but IAM", `{"Effect": "Allow", "NotAction": ["iam:*", "organizations:*"], "Resource": "*"}`, false},
		{"everything under a condition", `{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}`, false},
		{"everything on one bucket", `{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::logs"}`, false},
		{"one service", `{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}`, false},
		{"nothing", `{"Effect": "Deny", "Action": "*", "Resource": "*"}`, false},
		{"everything, and then nothing", `[{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "*", "Resource": "*"}]`, false},
		{"everything, and then not quite", `[{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse(`{"Statement": ` + tt.statements + `}`)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := p.Admin(); got != tt.want || err != nil {
				t.Errorf("Admin = %v, %v, want %v\n%s", got, err, tt.want, tt.statements)
			}
		})
	}
}

func TestPolicyAllows(t *testing.T) {
	for _, tt := range []struct {
		name, statements, action string
		want                     bool
	}{
		{"by name", `{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}`, "iam:PassRole", true},
		{"in another case", `{"Effect": "Allow", "Action": "IAM:passrole", "Resource": "*"}`, "iam:PassRole", true},
		{"by pattern", `{"Effect": "Allow", "Action": "iam:Pass*", "Resource": "*"}`, "iam:PassRole", true},
		{"by one character", `{"Effect": "Allow", "Action": "iam:PassRol?", "Resource": "*"}`, "iam:PassRole", true},
		{"another", `{"Effect": "Allow", "Action": "iam:Get*", "Resource": "*"}`, "iam:PassRole", false},
		{"by exclusion of others", `{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}`, "iam:PassRole", true},
		{"excluded", `{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}`, "iam:PassRole", false},
		{"any resource of any account", `{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::*:*"}`, "iam:PassRole", true},
		{"every resource but one", `{"Effect": "Allow", "Action": "iam:PassRole", "NotResource": "arn:aws:iam::111122223333:role/admin"}`, "iam:PassRole", true},
		{"some resources", `{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "arn:aws:iam::111122223333:role/app-*"}`, "iam:PassRole", false},
		{"under a condition", `{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}`, "iam:PassRole", false},
		{"denied", `[{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]`, "iam:PassRole", false},
		{"denied under a condition", `[{"Effect": "Allow", "Action": "*", "Resource": "*"},
			{"Effect": "Deny", "Action": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}]`, "iam:PassRole", true},
		{"all of a pattern", `{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}`, "s3:Put*", true},
		{"part of a pattern", `{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}`, "s3:Put*", false},
		{"part of a pattern, by exclusion", `{"Effect": "Allow", "NotAction": "s3:PutObject", "Resource": "*"}`, "s3:Put*", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse(`{"Statement": ` + tt.statements + `}`)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := p.Allows(tt.action); got != tt.want || err != nil {
				t.Errorf("Allows(%q) = %v, %v, want %v\n%s", tt.action, got, err, tt.want, tt.statements)
			}
		})
	}
}

func TestPolicyThatCannotBeRead(t *testing.T) {
	for _, tt := range []struct{ name, policy, want string }{
		{"nothing", "", "expected a value, found the end of the text"},
		{"no JSON", "public", "expected a value, found 'p'"},
		{"a broken encoding", "%7B%2", "invalid URL escape"},
		{"no statement", `{"Version": "2012-10-17"}`, "it has no Statement"},
		{"null", `null`, "it is no object"},
		{"a list", `[]`, "it is no object"},
		{"an effect of its own", `{"Statement": {"Effect": "Maybe", "Action": "*"}}`, "statement 1: Effect: its Effect is Maybe"},
		{"no action", `{"Statement": [{"Effect": "Allow", "Action": "*"}, {"Effect": "Allow", "Resource": "*"}]}`, "statement 2: it has no Action"},
		{"an action that is an object", `{"Statement": {"Effect": "Allow", "Action": {"Ref": "Action"}}}`, "something stands where a string is wanted"},
		{"a resource that an intrinsic makes", `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": [{"Fn::GetAtt": ["Bucket", "Arn"]}]}}`, "something stands where a string is wanted"},
		{"an element twice", `{"Statement": {"Effect": "Allow", "Action": "s3:*", "Effect": "Deny"}}`, `"Effect" stands there twice`},
		{"an element that is misspelt", `{"Statement": {"Effect": "Allow", "Actions": "s3:*"}}`, "Actions: the language has no such element"},
		{"both Action and NotAction", `{"Statement": {"Effect": "Allow", "Action": "s3:*", "NotAction": "s3:Get*"}}`, "it has an element and the Not of it"},
		{"no effect", `{"Statement": {"Action": "s3:*"}}`, "it has no Effect"},
		{"a version of its own", `{"Version": "2024-01-01", "Statement": []}`, "its Version is none of the language's"},
		{"an operator of its own", `{"Statement": {"Effect": "Allow", "Action": "s3:*", "Condition": {"StringMatches": {"aws:SourceVpc": "vpc-1"}}}}`, `no condition operator is called "StringMatches"`},
		{"a set operator of its own", `{"Statement": {"Effect": "Allow", "Action": "s3:*", "Condition": {"ForSome:StringLike": {"aws:SourceVpc": "vpc-1"}}}}`, `no condition operator is called "ForSome:StringLike"`},
		{"a kind of principal of its own", `{"Statement": {"Effect": "Allow", "Action": "s3:*", "Principal": {"Azure": "x"}}}`, `no kind of principal is called "Azure"`},
		{"lists within each other", strings.Repeat("[", 40) + strings.Repeat("]", 40), "it is no object"},
		{"a text after it", `{"Statement": []} x`, "expected the end of the value"},
		{"too long", `{"Statement": "` + strings.Repeat("x", MaxBytes) + `"}`, "it is longer than 65536 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.policy)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse = %v, want %q in it", err, tt.want)
			}
		})
	}
}

// trust makes the trust policy of a role.
func trust(principal, conditions string) string {
	return `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": ` + principal + `, "Action": "sts:AssumeRole", "Condition": ` + conditions + `}}`
}

func TestPublicHangsOnWhatIsNotKnown(t *testing.T) {
	for _, tt := range []struct{ name, policy, want string }{
		{"a key nobody has read about", under("StringEquals", "ec2:Shape", `"round"`), "whether ec2:Shape leaves it to those who are named is not known"},
		{"an operator that is none for the key", under("NumericEquals", "aws:SourceVpce", `"1"`), "whether aws:SourceVpce leaves"},
		{"a Deny under such a key", publicExcept(`"Principal": "*", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"ec2:Shape": "round"}}`), "whether ec2:Shape leaves"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse(tt.policy)
			if err != nil {
				t.Fatal(err)
			}
			if public, err := p.Public(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Public = %v, %v, want %q", public, err, tt.want)
			}
		})
	}
	p, err := Parse(`{"Statement": [
		{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Condition": {"StringEquals": {"ec2:Shape": "round"}}},
		{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if public, err := p.Public(); !public || err != nil {
		t.Errorf("Public = %v, %v, want true: the other statement does not hang on it", public, err)
	}
}

func TestPolicyNames(t *testing.T) {
	own := "arn:aws:iam::111122223333:role/reader"
	for _, tt := range []struct {
		name, policy                 string
		outsiders, unbound, deputies string
	}{
		{"its own account", trust(`{"AWS": "111122223333"}`, `{}`), "", "", ""},
		{"another account", trust(`{"AWS": ["arn:aws:iam::444455556666:root", "111122223333"]}`, `{}`), "444455556666", "444455556666", ""},
		{"another account that knows a secret", trust(`{"AWS": "444455556666"}`, `{"StringEquals": {"sts:ExternalId": "7d1f"}}`), "444455556666", "", ""},
		{"any secret does", trust(`{"AWS": "444455556666"}`, `{"StringLike": {"sts:ExternalId": "*"}}`), "444455556666", "444455556666", ""},
		{"or none", trust(`{"AWS": "444455556666"}`, `{"StringEqualsIfExists": {"sts:ExternalId": "7d1f"}}`), "444455556666", "444455556666", ""},
		{"another account of the organization", trust(`{"AWS": "444455556666"}`, `{"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}`), "444455556666", "", ""},
		{"anybody of an organization", trust(`"*"`, `{"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}`), "o-a1b2c3d4e5", "", ""},
		{"anybody of its own account", trust(`"*"`, `{"StringEquals": {"aws:PrincipalAccount": "111122223333"}}`), "", "", ""},
		{"anybody of the account that owns the resource", trust(`"*"`, `{"StringEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}}`), "", "", ""},
		{"anybody", trust(`"*"`, `{}`), "*", "", ""},
		{"a service", trust(`{"Service": ["ec2.amazonaws.com", "sns.amazonaws.com"]}`, `{}`), "", "", "ec2.amazonaws.com sns.amazonaws.com"},
		{"a service for this account", trust(`{"Service": "sns.amazonaws.com"}`, `{"StringEquals": {"aws:SourceAccount": "111122223333"}}`), "", "", ""},
		{"a service for anybody", trust(`{"Service": "sns.amazonaws.com"}`, `{"ArnLike": {"aws:SourceArn": "*"}}`), "", "", "sns.amazonaws.com"},
		{"any repository", trust(`{"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}`,
			`{"StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}}`), "*", "", ""},
		{"the repositories of one owner", trust(`{"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}`,
			`{"StringLike": {"token.actions.githubusercontent.com:sub": "repo:northwind/*"}}`), "", "", ""},
		{"the repositories of any owner", trust(`{"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}`,
			`{"StringLike": {"token.actions.githubusercontent.com:sub": "repo:*/shop:*"}}`), "*", "", ""},
		{"a provider of one's own", trust(`{"Federated": "arn:aws:iam::111122223333:saml-provider/office"}`, `{"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}`), "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse(tt.policy)
			if err != nil {
				t.Fatal(err)
			}
			check := func(what string, got []string, err error, want string) {
				if strings.Join(got, " ") != want || err != nil {
					t.Errorf("%s = %v, %v, want %q", what, got, err, want)
				}
			}
			outsiders, err := p.Outsiders(own)
			check("Outsiders", outsiders, err, tt.outsiders)
			unbound, err := p.Unbound("111122223333")
			check("Unbound", unbound, err, tt.unbound)
			check("Deputies", p.Deputies(), nil, tt.deputies)
			if _, err := p.Outsiders("logs"); err == nil {
				t.Error("Outsiders of no account: no error")
			}
		})
	}
	for _, principal := range []string{`{"CanonicalUser": "79a59df900b949e55d96a1e698fbaced"}`, `{"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1EXAMPLE"}`} {
		p, err := Parse(trust(principal, `{}`))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Outsiders(own); err == nil {
			t.Errorf("Outsiders of %s = %q, want an error: nobody knows whose it is", principal, got)
		}
	}
}

func TestEscalations(t *testing.T) {
	allow := func(resource string, actions ...string) *Policy {
		list, _ := json.Marshal(actions)
		p, err := Parse(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ` + string(list) + `, "Resource": "` + resource + `"}}`)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, way := range escalations {
		got, err := Escalations([]*Policy{allow("*", way.actions...)})
		if err != nil || !slices.Contains(got, way.name) {
			t.Errorf("with %v: %q, %v, want %q", way.actions, got, err, way.name)
		}
		for i := range way.actions {
			less := slices.Delete(slices.Clone(way.actions), i, i+1)
			got, err := Escalations([]*Policy{allow("*", append(less, "s3:*")...)})
			if err != nil || slices.Contains(got, way.name) {
				t.Errorf("with %v: %q, %v, want no %q", less, got, err, way.name)
			}
		}
	}
	function := []string{"iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"}
	const way = "pass a role to a new function and invoke it"
	for _, tt := range []struct {
		name     string
		policies []string
		want     bool
	}{
		{"in two policies", []string{
			statements(`{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}`),
			statements(`{"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}`),
		}, true},
		{"any role of the account", []string{statements(`{"Effect": "Allow", "Action": ["iam:PassRole"], "Resource": "arn:aws:iam::111122223333:role/*"}, {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}`)}, true},
		{"one role", []string{statements(`{"Effect": "Allow", "Action": ["iam:PassRole"], "Resource": "arn:aws:iam::111122223333:role/shop"}, {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}`)}, false},
		{"to functions", []string{statements(`{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}},
			{"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}`)}, true},
		{"to instances", []string{statements(`{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}},
			{"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}`)}, false},
		{"denied", []string{statements(`{"Effect": "Allow", "Action": ["iam:PassRole", "lambda:*"], "Resource": "*"}, {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}`)}, false},
		{"denied on some", []string{statements(`{"Effect": "Allow", "Action": ["iam:PassRole", "lambda:*"], "Resource": "*"}, {"Effect": "Deny", "Action": "iam:*", "Resource": "arn:aws:iam::*:role/admin"}`)}, true},
		{"with MFA", []string{statements(`{"Effect": "Allow", "Action": ["iam:PassRole", "lambda:*"], "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}`)}, false},
		{"with MFA, where there is one", []string{statements(`{"Effect": "Allow", "Action": ["iam:PassRole", "lambda:*"], "Resource": "*", "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}}}`)}, true},
		{"over TLS", []string{statements(`{"Effect": "Allow", "Action": ["iam:PassRole", "lambda:*"], "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}`)}, true},
		{"of an administrator, who has nothing to gain", []string{statements(`{"Effect": "Allow", "Action": "*", "Resource": "*"}`)}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var policies []*Policy
			for _, text := range tt.policies {
				p, err := Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				policies = append(policies, p)
			}
			got, err := Escalations(policies)
			if err != nil || slices.Contains(got, way) != tt.want {
				t.Errorf("Escalations = %q, %v, want %q: %v", got, err, way, tt.want)
			}
		})
	}
	carried := []*Policy{allow("*", function...)}
	if got, err := Escalations(carried, allow("*", "s3:*", "lambda:*")); len(got) > 0 || err != nil {
		t.Errorf("within a boundary that has no PassRole: %q, %v", got, err)
	}
	if got, err := Escalations(carried, allow("*", "*")); !slices.Contains(got, way) || err != nil {
		t.Errorf("within a boundary that bounds nothing: %q, %v, want %q", got, err, way)
	}
}

func statements(s string) string { return `{"Version": "2012-10-17", "Statement": [` + s + `]}` }

func TestSentences(t *testing.T) {
	for _, tt := range []struct {
		name, policy string
		want         []string
	}{
		{
			"objects of everybody but without TLS", publicExcept(`"Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}`),
			[]string{"anybody on the internet may read objects and s3:List* on arn:aws:s3:::logs and arn:aws:s3:::logs/*, unless they come over plain HTTP"},
		},
		{
			"a role of another account", trust(`{"AWS": "arn:aws:iam::444455556666:role/ci/deploy"}`, `{"StringEquals": {"sts:ExternalId": "7d1f"}, "Bool": {"aws:MultiFactorAuthPresent": "true"}}`),
			[]string{"role ci/deploy of account 444455556666 may assume the role, if they know the external id and they signed in with MFA"},
		},
		{
			"repositories", trust(`{"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}`, `{"StringLike": {"token.actions.githubusercontent.com:sub": "repo:northwind/*"}}`),
			[]string{"whoever token.actions.githubusercontent.com vouches for may assume the role, if token.actions.githubusercontent.com:sub is repo:northwind/*"},
		},
		{
			"addresses", under("IpAddress", "aws:SourceIp", `["203.0.113.0/24", "198.51.100.0/24"]`),
			[]string{"anybody on the internet may read objects on arn:aws:s3:::logs/*, if they come from 203.0.113.0/24 or 198.51.100.0/24"},
		},
		{
			"everybody but one", `{"Statement": {"Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}, "Action": "sqs:*"}}`,
			[]string{"anybody but account 111122223333 may do everything in sqs"},
		},
		{
			"the policy of an identity", `{"Statement": [{"Effect": "Allow", "NotAction": ["iam:*", "organizations:*"], "Resource": "*"},
			{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}]}`,
			[]string{
				"whoever carries it may do everything but iam:* and organizations:* on everything",
				"whoever carries it may pass roles on everything, if they pass them to ec2.amazonaws.com",
			},
		},
		{
			"taken back in part", `{"Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:*"}, {"Effect": "Deny", "Principal": "*", "Action": "sqs:DeleteQueue"}]}`,
			[]string{"the service sns.amazonaws.com may do everything in sqs, unless it is to sqs:DeleteQueue"},
		},
		{"taken back", publicExcept(`"Principal": "*", "Action": "*", "Resource": "*"`), nil},
		{
			"many", under("StringEquals", "aws:SourceVpce", `["vpce-1", "vpce-2", "vpce-3", "vpce-4", "vpce-5"]`),
			[]string{"anybody on the internet may read objects on arn:aws:s3:::logs/*, if they come through endpoint vpce-1, vpce-2, vpce-3 and 2 more"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse(tt.policy)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, p.Sentences()); diff != "" {
				t.Errorf("Sentences (-want +got):\n%s", diff)
			}
		})
	}
}

// A policy may be made to be slow. Each question ends all the same, with an error if it could not be answered.
func TestHostilePolicies(t *testing.T) {
	stars := strings.Repeat("*a", 15000)
	many := strings.TrimSuffix(strings.Repeat(`"s3:*a*b*c*d*e*",`, 1500), ",")
	for name, text := range map[string]string{
		"stars":    `{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "` + strings.Repeat("a", 30000) + `b"}, {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "` + stars + `"}]}`,
		"patterns": `{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": [` + many + `], "Resource": "*"}, {"Effect": "Deny", "Principal": "*", "Action": [` + many + `], "Resource": "x"}]}`,
	} {
		p, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, _ = p.Public()
		_, _ = p.Outsiders("111122223333")
		_, _ = Escalations([]*Policy{p})
		_ = p.Sentences()
	}
}

func TestServices(t *testing.T) {
	for policy, want := range map[string]string{
		`{"Effect": "Allow", "Action": ["s3:*", "sqs:Get*", "EC2:*"], "Resource": "*"}`:                                            "ec2 s3",
		`{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::logs"}`:                                                   "",
		`{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}`:    "",
		`{"Effect": "Allow", "Action": "*:*", "Resource": "*"}`:                                                                    "*",
		`{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}`:                                                               "*",
		`{"Effect": "Allow", "Action": ["s3:*", "sqs:*"], "Resource": "*"}, {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}`: "sqs",
		`{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}`:                                                                    "",
	} {
		p, err := Parse(statements(policy))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.Services(), " "); got != want {
			t.Errorf("Services of %s = %q, want %q", policy, got, want)
		}
	}
}
