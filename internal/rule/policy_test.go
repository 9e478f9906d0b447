package rule

import (
	"strings"
	"testing"
)

// resourcePolicy wraps statements that allow everybody to read, with a further element each.
func publicBut(element string) string {
	return `{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::logs/*"` + element + `}}`
}

func condition(operator, key, values string) string {
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

		{"from one account", condition("StringEquals", "aws:SourceAccount", `"111122223333"`), false},
		{"from one account, written as a number", condition("StringEquals", "AWS:SourceAccount", `111122223333`), false},
		{"from one ARN", condition("ArnLike", "aws:SourceArn", `"arn:aws:cloudfront::111122223333:distribution/*"`), false},
		{"from any ARN", condition("ArnLike", "aws:SourceArn", `"arn:aws:sns:*:*:*"`), true},
		{"from a bucket by name", condition("ArnEquals", "aws:SourceArn", `"arn:aws:s3:::logs"`), false},
		{"from any bucket", condition("ArnLike", "aws:SourceArn", `"arn:aws:s3:::*"`), true},
		{"from endpoints", condition("StringEquals", "aws:SourceVpce", `["vpce-1a2b3c4d", "vpce-5e6f7a8b"]`), false},
		{"from endpoints or any", condition("StringLike", "aws:SourceVpce", `["vpce-1a2b3c4d", "*"]`), true},
		{"one organization", condition("StringEquals", "aws:PrincipalOrgID", `"o-a1b2c3d4e5"`), false},
		{"one organization's path", condition("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", `"o-a1b2c3d4e5/r-ab12/*"`), false},
		{"any organization", condition("StringLike", "aws:PrincipalOrgID", `"o-*"`), true},
		{"a policy variable", condition("StringEquals", "aws:PrincipalArn", `"${aws:username}"`), true},
		{"true of a request without the key", condition("StringEqualsIfExists", "aws:SourceVpce", `"vpce-1a2b3c4d"`), true},
		{"true of no values", condition("ForAllValues:StringEquals", "aws:PrincipalOrgPaths", `"o-a1b2c3d4e5/r-ab12/"`), true},
		{"some addresses", condition("IpAddress", "aws:SourceIp", `["203.0.113.0/24", "10.0.0.0/8"]`), false},
		{"all addresses", condition("IpAddress", "aws:SourceIp", `"0.0.0.0/0"`), true},
		{"all addresses in halves", condition("IpAddress", "aws:SourceIp", `["0.0.0.0/1", "128.0.0.0/1"]`), true},
		{"all but some addresses", condition("NotIpAddress", "aws:SourceIp", `"203.0.113.0/24"`), true},
		{"only by TLS", condition("Bool", "aws:SecureTransport", `"true"`), true},
		{"only through a mount target", condition("Bool", "elasticfilesystem:AccessedViaMountTarget", `"true"`), false},
		{"with a tag that anybody can have", condition("StringEquals", "aws:PrincipalTag/team", `"payments"`), true},
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
			p, err := parsePolicy(tt.policy)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.isPublic(); got != tt.want {
				t.Errorf("isPublic = %v, want %v\n%s", got, tt.want, tt.policy)
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
			p, err := parsePolicy(`{"Statement": ` + tt.statements + `}`)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.isAdmin(); got != tt.want {
				t.Errorf("isAdmin = %v, want %v\n%s", got, tt.want, tt.statements)
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
			p, err := parsePolicy(`{"Statement": ` + tt.statements + `}`)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.allows(tt.action); got != tt.want {
				t.Errorf("allows(%q) = %v, want %v\n%s", tt.action, got, tt.want, tt.statements)
			}
		})
	}
}

func TestPolicyThatCannotBeRead(t *testing.T) {
	for _, tt := range []struct{ name, policy, want string }{
		{"nothing", "", "unexpected end of JSON input"},
		{"no JSON", "public", "invalid character"},
		{"a broken encoding", "%7B%2", "invalid URL escape"},
		{"no statement", `{"Version": "2012-10-17"}`, "it has no Statement"},
		{"null", `null`, "it has no Statement"},
		{"a list", `[]`, "cannot unmarshal array"},
		{"an effect of its own", `{"Statement": {"Effect": "Maybe", "Action": "*"}}`, `statement 1 has effect "Maybe"`},
		{"no action", `{"Statement": [{"Effect": "Allow", "Action": "*"}, {"Effect": "Allow", "Resource": "*"}]}`, "statement 2 has no action"},
		{"an action that is an object", `{"Statement": {"Effect": "Allow", "Action": {"Ref": "Action"}}}`, "{ stands where a string is wanted"},
		{"a resource that an intrinsic makes", `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": [{"Fn::GetAtt": ["Bucket", "Arn"]}]}}`, "{ stands where a string is wanted"},
		{"a text after it", `{"Statement": []} x`, "invalid character 'x'"},
		{"too long", `{"Statement": "` + strings.Repeat("x", maxPolicy) + `"}`, "policy is longer than 65536 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parsePolicy(tt.policy)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("parsePolicy = %v, want %q in it", err, tt.want)
			}
		})
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add(publicBut(""), "iam:PassRole")
	f.Add(condition("ForAnyValue:StringNotLikeIfExists", "aws:SourceArn", `["arn:aws:s3:::*", 1, true]`), "*")
	f.Add(publicExcept(`"NotPrincipal": {"AWS": "x"}, "NotAction": "s3:?*", "NotResource": "*"`), "s3:*")
	f.Fuzz(func(t *testing.T, text, action string) {
		p, err := parsePolicy(text)
		if err != nil {
			return
		}
		p.isPublic()
		if p.allows("*") && !p.allows(action) && !strings.ContainsAny(text, "Dd") { // a Deny may take part of it back
			t.Errorf("everything is allowed, and %q is not: %s", action, text)
		}
		if p.isAdmin() && !p.allows("*") && !strings.Contains(strings.ToLower(text), "not") {
			t.Errorf("an admin may not do everything: %s", text)
		}
	})
}
