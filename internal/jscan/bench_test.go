package jscan_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/valyala/fastjson"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/jscan"
	"github.com/demarc/demarc/internal/rulebook"
)

// tenPaths are what a few checks of a database ask for.
var tenPaths = []string{
	"resourceType", "ARN", "awsAccountId", "awsRegion",
	"configuration.engine", "configuration.engineVersion", "configuration.storageEncrypted", "configuration.publiclyAccessible",
	"configuration.autoMinorVersionUpgrade", "configuration.backupRetentionPeriod",
}

// configItem is an invented AWS Config item of a database, about 3 KB, in the order in which AWS Config writes its members: what
// it is comes near the end.
func configItem(r *rand.Rand) []byte {
	hex := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "0123456789abcdef"[r.IntN(16)]
		}
		return string(b)
	}
	flag := func() string { return fmt.Sprint(r.IntN(2) == 0) }
	account, name := fmt.Sprintf("1111%08d", r.IntN(1e8)), "orders-"+hex(6)
	arn := func(what string) string { return "arn:aws:rds:eu-west-1:" + account + ":" + what }
	var b strings.Builder
	fmt.Fprintf(&b, `{"relatedEvents":[],"relationships":[{"resourceId":"sg-0%s","resourceType":"AWS::EC2::SecurityGroup","name":"Is associated with SecurityGroup"}`, hex(16))
	fmt.Fprintf(&b, `],"configuration":{"dBInstanceIdentifier":%q,"dBInstanceClass":"db.r6g.%dxlarge","engine":"postgres","dBInstanceStatus":"available",`, name, 1<<r.IntN(4))
	fmt.Fprintf(&b, `"masterUsername":"app_%s","dBName":"orders","endpoint":{"address":"%s.%s.eu-west-1.rds.amazonaws.com","port":5432,"hostedZoneId":"Z29XKXDKYMONMX"},`, hex(4), name, hex(12))
	fmt.Fprintf(&b, `"allocatedStorage":%d,"instanceCreateTime":"2026-0%d-1%dT08:%02d:11.000Z","preferredBackupWindow":"02:1%d-02:4%d","backupRetentionPeriod":%d,`, 20+r.IntN(900), 1+r.IntN(9), r.IntN(9), r.IntN(60), r.IntN(9), r.IntN(9), r.IntN(35))
	fmt.Fprintf(&b, `"dBSecurityGroups":[],"vpcSecurityGroups":[{"vpcSecurityGroupId":"sg-0%s","status":"active"},{"vpcSecurityGroupId":"sg-0%s","status":"active"}],`, hex(16), hex(16))
	fmt.Fprintf(&b, `"dBParameterGroups":[{"dBParameterGroupName":"default.postgres16","parameterApplyStatus":"in-sync"}],"availabilityZone":"eu-west-1%c",`, 'a'+rune(r.IntN(3)))
	fmt.Fprintf(&b, `"dBSubnetGroup":{"dBSubnetGroupName":"private","dBSubnetGroupDescription":"Subnets of \"private\" \u2014 no route out","vpcId":"vpc-0%s","subnetGroupStatus":"Complete","subnets":[`, hex(16))
	for i := range 3 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"subnetIdentifier":"subnet-0%s","subnetAvailabilityZone":{"name":"eu-west-1%c"},"subnetOutpost":{},"subnetStatus":"Active"}`, hex(16), 'a'+rune(i))
	}
	fmt.Fprintf(&b, `]},"preferredMaintenanceWindow":"sun:03:30-sun:04:00","pendingModifiedValues":{"processorFeatures":[]},"multiAZ":%s,"engineVersion":"16.%d",`, flag(), r.IntN(9))
	fmt.Fprintf(&b, `"autoMinorVersionUpgrade":%s,"readReplicaDBInstanceIdentifiers":[],"licenseModel":"postgresql-license","optionGroupMemberships":[{"optionGroupName":"default:postgres-16","status":"in-sync"}],`, flag())
	fmt.Fprintf(&b, `"publiclyAccessible":%s,"storageType":"gp3","dbInstancePort":0,"storageEncrypted":%s,"kmsKeyId":"arn:aws:kms:eu-west-1:%s:key/%s-%s","dbiResourceId":"db-%s",`, flag(), flag(), account, hex(8), hex(12), strings.ToUpper(hex(26)))
	fmt.Fprintf(&b, `"cACertificateIdentifier":"rds-ca-rsa2048-g1","domainMemberships":[],"copyTagsToSnapshot":%s,"monitoringInterval":60,"dBInstanceArn":%q,"iAMDatabaseAuthenticationEnabled":%s,`, flag(), arn("db:"+name), flag())
	fmt.Fprintf(&b, `"performanceInsightsEnabled":%s,"enabledCloudwatchLogsExports":["postgresql","upgrade"],"processorFeatures":[],"deletionProtection":%s,"associatedRoles":[],"customerOwnedIpEnabled":false},`, flag(), flag())
	fmt.Fprintf(&b, `"supplementaryConfiguration":{"Tags":[{"key":"team","value":"payments"},{"key":"environment","value":"production"}]},"tags":{"team":"payments","environment":"production"},`)
	fmt.Fprintf(&b, `"configurationItemVersion":"1.3","configurationItemCaptureTime":"2026-11-20T04:%02d:12.345Z","configurationStateId":1789%09d,"awsAccountId":%q,"configurationItemStatus":"OK",`, r.IntN(60), r.IntN(1e9), account)
	fmt.Fprintf(&b, `"resourceType":"AWS::RDS::DBInstance","resourceId":"db-%s","resourceName":%q,"ARN":%q,"awsRegion":"eu-west-1","availabilityZone":"eu-west-1a","configurationStateMd5Hash":"","resourceCreationTime":"2026-01-10T08:20:11.000Z"}`, strings.ToUpper(hex(26)), name, arn("db:"+name))
	return []byte(b.String())
}

// declared returns a set of every path that the catalog declares for AWS Config, and how many there are.
func declared(b *testing.B) (*jscan.Node, int) {
	book, err := rulebook.Load(catalog.Files)
	if err != nil {
		b.Fatal(err)
	}
	root, slots := jscan.NewNode(true, false), 0
	for _, s := range book.Services() {
		for _, ref := range s.Types {
			if ref.Dialect != demarc.AWSConfig {
				continue
			}
			for _, f := range ref.Facts {
				for _, alt := range f.Path {
					if n := root.At(alt.Keys...); n.Slot < 0 {
						n.Slot = slots
						slots++
					}
				}
			}
		}
	}
	return root, slots
}

// BenchmarkConfigItem compares ways to get a few values out of a thousand AWS Config items of 3 KB. Run it on one processor,
// -cpu 1: docs/decisions/0003-one-pass-extraction.md quotes it. fastjson is lax: it
// takes escapes, numbers and control characters as they come; the others reject what is not JSON.
func BenchmarkConfigItem(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 1))
	items := make([][]byte, 1000)
	total := 0
	for i := range items {
		items[i] = configItem(r)
		total += len(items[i])
	}
	if !json.Valid(items[0]) || total/len(items) < 2900 || total/len(items) > 3300 {
		b.Fatalf("items of %d bytes, valid %t; want 3 KB of JSON", total/len(items), json.Valid(items[0]))
	}
	run := func(name string, each func(item []byte) error) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(total / len(items)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := each(items[i%len(items)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	scan := func(root *jscan.Node, slots int) func([]byte) error {
		c := jscan.NewCaptures(slots)
		return func(item []byte) error {
			c.Reset()
			return jscan.Scan(item, root, c)
		}
	}

	ten := jscan.NewNode(true, false)
	for i, p := range tenPaths {
		ten.At(strings.Split(p, ".")...).Slot = i
	}
	run("jscan/10_paths", scan(ten, len(tenPaths)))
	all, slots := declared(b)
	run(fmt.Sprintf("jscan/catalog_%d_paths", slots), scan(all, slots))
	run("jscan/valid", jscan.Valid)

	var p fastjson.Parser
	run("fastjson/decode_only_lax", func(item []byte) error {
		_, err := p.ParseBytes(item)
		return err
	})
	run("fastjson/10_gets_lax", func(item []byte) error {
		v, err := p.ParseBytes(item)
		if err != nil {
			return err
		}
		for _, path := range tenPaths {
			at := strings.SplitN(path, ".", 2)
			if got := v.Get(at...); got == nil {
				return fmt.Errorf("no %s", path)
			}
		}
		return nil
	})
	run("encoding_json/valid", func(item []byte) error {
		if !json.Valid(item) {
			return fmt.Errorf("not JSON: %.40q", item)
		}
		return nil
	})
	run("encoding_json/struct", func(item []byte) error {
		var v struct {
			ResourceType, ARN, AwsAccountID, AwsRegion string
			Configuration                              struct {
				Engine, EngineVersion                                         string
				StorageEncrypted, PubliclyAccessible, AutoMinorVersionUpgrade bool
				BackupRetentionPeriod                                         int
			}
		}
		return json.Unmarshal(item, &v)
	})
	run("encoding_json/map", func(item []byte) error {
		var v map[string]any
		return json.Unmarshal(item, &v)
	})
}
