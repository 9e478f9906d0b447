package inventory_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// each is the text of every number below n, with commas between.
func each(n int, format string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strings.NewReplacer("N+1", fmt.Sprint(i+1), "N", fmt.Sprint(i)).Replace(format))
	}
	return b.String()
}

// TestHostile reads texts that grow when they are understood. What they come to is bounded, and where something was left
// out it is told.
func TestHostile(t *testing.T) {
	const schema = `"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"`
	const account = `{"type":"Microsoft.Storage/storageAccounts","name":"a","properties":{"a":"[variables('v0')]"}}`
	doubling := `"variables":{` + each(60, `"vN":["[variables('vN+1')]","[variables('vN+1')]"]`) + `,"v60":"x"}`
	deployment := `{"type":"Microsoft.Resources/deployments","name":"d","properties":{"expressionEvaluationOptions":{"scope":"inner"},"template":{` + doubling + `,"resources":[` + account + `]}}}`
	long := strings.Repeat("x", 1<<20)
	cfn := func(rest string) string { return `{"AWSTemplateFormatVersion":"2010-09-09",` + rest + `}` }
	database := func(properties string) string {
		return `"Resources":{"D":{"Type":"AWS::RDS::DBInstance","Condition":"C0","Properties":{` + properties + `}}}`
	}
	plan := func(root string) string {
		return `{"format_version":"1.2","resource_changes":[],"configuration":{"root_module":{` + root + `}}}`
	}
	versioning := func(n int, of string) string {
		return `"resources":[` + each(n, `{"address":"aws_s3_bucket_versioning.vN","expressions":{"bucket":{"references":["`+of+`"]}}}`) + `]`
	}
	items := func(n int, region string) string {
		const item = `"awsAccountId":"111122223333","configurationItemStatus":"OK"`
		return `{"configurationItems":[` + each(n, `{"resourceType":"AWS::EC2::SecurityGroup","resourceId":"sg-1","arn":"arn:aws:ec2:`+region+`:111122223333:security-group/N","awsRegion":"`+region+`",`+item+`,"configuration":{"groupId":"sg-1"}}`) +
			`,` + each(n, `{"resourceType":"AWS::EC2::Instance","resourceId":"i-N","arn":"arn:aws:ec2:eu-west-1:111122223333:instance/i-N","awsRegion":"eu-west-1",`+item+`,"configuration":{"instanceId":"i-N","securityGroups":[{"groupId":"sg-1"}]}}`) + `]}`
	}
	const tooMuch = "expressions come to more than 64 MiB"
	for _, c := range []struct {
		name, text string
		told       string
		mebibytes  uint64 // that may be allocated in all
	}{
		{"conditions that double", cfn(`"Conditions":{` + each(90, `"CN":{"Fn::And":[{"Condition":"CN+1"},{"Condition":"CN+1"}]}`) + `,"C90":{"Fn::Equals":["a","a"]}},` + database("")), "", 4},
		{"a long chain of conditions", cfn(`"Conditions":{` + each(100_000, `"CN":{"Condition":"CN+1"}`) + `},` + database("")), "", 128},
		{"conditions in a circle", cfn(`"Conditions":{"C0":{"Fn::Or":[{"Condition":"C1"},{"Condition":"C2"}]},"C1":{"Condition":"C0"},"C2":{"Fn::Not":[{"Condition":"C1"}]}},` + database("")), "", 4},
		{"a parameter named often", cfn(`"Parameters":{"P":{"Default":"` + long + `"}},` + database(`"T":[`+each(20_000, `{"Ref":"P"}`)+`]`)), tooMuch, 64},
		{"a parameter put into texts", cfn(`"Parameters":{"P":{"Default":"` + long + `"}},` + database(`"T":{"Fn::Sub":"`+strings.Repeat("${P}", 20_000)+`"}`)), tooMuch, 400},
		{"a list of a parameter", cfn(`"Parameters":{"P":{"Type":"CommaDelimitedList","Default":"` + strings.Repeat(",", 1<<20) + `"}},` + database(`"T":[`+each(1000, `{"Ref":"P"}`)+`]`)), tooMuch, 400},
		{"a mapping named often", cfn(`"Mappings":{"M":{"a":{"b":[` + each(10_000, `"N"`) + `]}}},` + database(`"T":[`+each(20_000, `{"Fn::FindInMap":["M","a","b"]}`)+`]`)), tooMuch, 64},
		{"joins of joins", cfn(`"Parameters":{"P":{"Default":"` + long + `"}},` + database(`"T":`+strings.Repeat(`{"Fn::Join":["",[{"Ref":"P"},`, 60)+`""`+strings.Repeat(`]]}`, 60))), tooMuch, 400},
		{"variables that double", `{` + schema + `,` + doubling + `,"resources":[` + account + `]}`, tooMuch, 400},
		{"deployments with variables that double", `{` + schema + `,"resources":[` + strings.Repeat(deployment+",", 100) + account + `]}`, tooMuch, 400},
		{"a variable named often", `{` + schema + `,"variables":{"v":"` + long + `"},"resources":[{"type":"Microsoft.Storage/storageAccounts","name":"a","properties":{"a":[` + each(20_000, `"[variables('v')]"`) + `]}}]}`, tooMuch, 64},
		{"variables in a circle", `{` + schema + `,"variables":{"v0":{"a":"[variables('V0')]"}},"resources":[` + account + `]}`, "", 4},
		{"names that no variable has", `{` + schema + `,"variables":{` + each(20_000, `"vN":1`) + `},"resources":[{"type":"Microsoft.Storage/storageAccounts","name":"a","properties":{"a":[` + each(20_000, `"[variables('x')]"`) + `]}}]}`, "", 128},
		{"deployments within each other", `{` + schema + `,"resources":[` + strings.Repeat(`{"type":"Microsoft.Resources/deployments","name":"d","properties":{"template":{"resources":[`, 60) + strings.Repeat(`]}}}`, 60) + `]}`, "at most 20 levels of nested deployments", 4},
		{"a module with many outputs", plan(versioning(10_000, "module.m.oN") + `,"module_calls":{"m":{"module":{"outputs":{` + each(10_000, `"oN":{"expression":{"references":["aws_s3_bucket.bN"]}}`) + `}}}}`), "", 64},
		{"modules that lead to each other", plan(versioning(1, "module.m0.o") + `,"module_calls":{` + each(20_000, `"mN":{"expressions":{"x":{"references":["module.mN+1.o"]}},"module":{"outputs":{"o":{"expression":{"references":["var.x","aws_s3_bucket.b"]}}}}}`) + `}`), "", 128},
		{"modules in a circle", plan(versioning(2, "module.mN.o") + `,"module_calls":{"m0":{"expressions":{"x":{"references":["module.m1.o"]}},"module":{"outputs":{"o":{"expression":{"references":["var.x","aws_s3_bucket.a"]}}}}},"m1":{"expressions":{"x":{"references":["module.m0.o"]}},"module":{"outputs":{"o":{"expression":{"references":["var.x","aws_s3_bucket.b"]}}}}}}`), "", 4},
		{"modules within each other", plan(strings.Repeat(`"module_calls":{"m":{"module":{`, 160) + strings.Repeat(`}}}`, 160)), "", 4},
		{"a name that thousands share and thousands refer to", items(2000, "eu-west-1"), "", 300},
		{"a name that thousands share elsewhere", items(2000, "us-east-1"), "", 100},
		{"a bucket with half a million tags", `{"configurationItems":[{"resourceType":"AWS::S3::Bucket","resourceId":"b","arn":"arn:aws:s3:::b","awsRegion":"eu-west-1","awsAccountId":"111122223333","configurationItemStatus":"OK","configuration":{"name":"b"},"tags":{` + each(500_000, `"kN":"v"`) + `}}]}`, "tags of more than 64 KiB", 64},
		{"a group with a hundred thousand rules", `{"configurationItems":[{"resourceType":"AWS::EC2::SecurityGroup","resourceId":"sg-1","arn":"arn:aws:ec2:eu-west-1:111122223333:security-group/sg-1","awsRegion":"eu-west-1","awsAccountId":"111122223333","configurationItemStatus":"OK","configuration":{"groupId":"sg-1","ipPermissions":[` + each(100_000, `{"ipProtocol":"tcp","fromPort":N,"toPort":N,"ipv4Ranges":[{"cidrIp":"10.0.0.0/8"}]}`) + `]}}]}`, "a value of more than 4 MiB", 64},
		{"an instance with half a million groups", `{"configurationItems":[{"resourceType":"AWS::EC2::Instance","resourceId":"i-1","arn":"arn:aws:ec2:eu-west-1:111122223333:instance/i-1","awsRegion":"eu-west-1","awsAccountId":"111122223333","configurationItemStatus":"OK","configuration":{"instanceId":"i-1","securityGroups":[` + each(500_000, `{"groupId":"sg-N"}`) + `]}}]}`, "references of more than 4 MiB", 128},
		{"a change that is there twice", `{"format_version":"1.2","resource_changes":[{"address":"aws_s3_bucket.b","type":"aws_s3_bucket","change":{"actions":["create"],"after":{},"after_unknown":{"arn":true}},"change":1}]}`, "is gone after the plan", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := builtIn()
			if err != nil {
				t.Fatal(err)
			}
			come(t, b, []byte(`{}`)) // what is made once is made
			come(t, b, []byte(cfn(database(""))))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := come(t, b, []byte(c.text))
			runtime.ReadMemStats(&after)
			if !strings.Contains(got, c.told) || c.told == "" && strings.Contains(got, "refused") {
				t.Errorf("got %.2000s\nwant %q in it", got, c.told)
			}
			if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > c.mebibytes {
				t.Errorf("it allocated %d MiB for %d KiB of text, want at most %d", n, len(c.text)>>10, c.mebibytes)
			} else {
				t.Logf("%d KiB of text, %d MiB allocated", len(c.text)>>10, n)
			}
			if again := come(t, b, []byte(c.text)); again != got {
				t.Errorf("first %.1000s\nand then %.1000s", got, again)
			}
		})
	}
}
