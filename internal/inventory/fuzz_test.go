package inventory_test

import (
	"bytes"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/spill"
)

var builtIn = sync.OnceValues(func() (*rulebook.Rulebook, error) { return rulebook.BuiltIn() })

// whole goes the whole way with a text, by the small catalog and by the one that is built in: recognised, taken apart, read, settled. Nothing that a text can
// hold may break it or take more memory than a text of its length may; and it comes to the same twice.
func whole(f *testing.F, prefixes []string, seeds ...string) {
	small, err := book()
	if err != nil {
		f.Fatal(err)
	}
	big, err := builtIn()
	if err != nil {
		f.Fatal(err)
	}
	situations, err := filepath.Glob("testdata/s*/*.txtar") // and shapes
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range situations {
		for _, prefix := range prefixes {
			if !strings.HasPrefix(filepath.Base(name), prefix) {
				continue
			}
			ar, err := txtar.ParseFile(name)
			if err != nil {
				f.Fatal(err)
			}
			for _, in := range ar.Files {
				if in.Name != "want" && in.Name != "source" {
					f.Add(in.Data)
				}
			}
		}
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, b := range []*rulebook.Rulebook{small, big} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			first := come(t, b, text)
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20+4000*uint64(len(text)) {
				t.Errorf("%d bytes were allocated for %d of text", n, len(text))
			}
			if again := come(t, b, text); again != first {
				t.Errorf("first\n%s\nand then\n%s", first, again)
			}
		}
	})
}

func come(t *testing.T, b *rulebook.Rulebook, text []byte) string {
	store := spill.NewStore("", 1<<30)
	defer store.Close()
	inv := inventory.New(b, asOf, store)
	r := inv.Reader()
	var notes []demarc.Note
	src := file.Source{Input: file.Input{Path: "-", Source: &demarc.Source{Name: "-", Input: "-"}}, Stdin: bytes.NewReader(text), Envelopes: b.EnvelopeIndex()}
	if err := src.Collect(t.Context(), &reading{r, &notes}); err != nil {
		t.Fatal(err)
	}
	r.Flush()
	settled, err := inv.Settle(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range notes {
		if n.Message == "" || n.Pos.Offset > int64(len(text)) {
			t.Errorf("a note without a text or a place: %+v", n)
		}
		settled.Notes.Add(n)
	}
	return show(t, settled)
}

func FuzzAWSConfig(f *testing.F) {
	whole(f, []string{"awsconfig", "bad_values", "relation", "observed"},
		`{"configurationItems":[{"resourceType":"AWS::RDS::DBInstance","ARN":"arn:aws:rds:eu-west-1:111122223333:db:a","awsAccountId":"111122223333","awsRegion":"eu-west-1","configurationItemStatus":"OK","configuration":{"dBInstanceIdentifier":"a","autoMinorVersionUpgrade":false,"publiclyAccessible":true,"vpcSecurityGroups":[{"vpcSecurityGroupId":"sg-1"}]}}]}`,
		`{"invokingEvent":"{\"configurationItem\":{\"resourceType\":\"AWS::S3::Bucket\",\"resourceId\":\"a\",\"configuration\":{}}}"}`,
		`{"baseConfigurationItems":[{"resourceType":"AWS::IAM::Role","arn":"arn:aws:iam::111122223333:role/a","configuration":"{\"assumeRolePolicyDocument\":\"%7B%22Statement%22%3A%5B%5D%7D\"}"}]}`,
		`[{"resourceType":"AWS::EC2::SecurityGroup","resourceId":"sg-1","configuration":{"ipPermissions":[{"fromPort":0,"toPort":65535,"ipRanges":["0.0.0.0/0"],"ipv4Ranges":[{"cidrIp":"0.0.0.0/0"}]}]},"configurationItemStatus":"OK"}]`)
}

func FuzzAWSAPI(f *testing.F) {
	whole(f, []string{"awsapi", "node_is"},
		`{"DBInstances":[{"DBInstanceIdentifier":"a","DBInstanceArn":"arn:aws:rds:eu-west-1:111122223333:db:a","AutoMinorVersionUpgrade":true,"TagList":[{"Key":"a","Value":"b"}]}],"Marker":"x"}`,
		`{"SecurityGroups":[{"GroupId":"sg-1","OwnerId":"111122223333","IpPermissions":[{"FromPort":22,"IpRanges":[{"CidrIp":"0.0.0.0/0"}]}]}]}`,
		`{"Volumes":[{"VolumeId":"vol-1","Encrypted":false,"AvailabilityZone":"eu-west-1a"}]}{"Roles":[{"Arn":"arn:aws:iam::111122223333:role/a","RoleName":"a","AssumeRolePolicyDocument":{"Statement":[]}}]}`)
}

func FuzzCloudFormation(f *testing.F) {
	whole(f, []string{"cloudformation"},
		"Conditions:\n  A: !Not [!Condition B]\n  B: !Or [!Condition A, !Equals [!FindInMap [M, !Ref 'AWS::Region', k], x]]\nMappings: {M: {a: {k: x}}}\nResources:\n  D: {Type: AWS::RDS::DBInstance, Condition: A, Properties: {AutoMinorVersionUpgrade: !If [A, true, !Ref P], KmsKeyId: !Sub ['${K}-${!x}', {K: !GetAtt Key.Arn}]}}\n  'Fn::ForEach::x': [a, [b], {}]\n",
		`{"Resources":{"A":{"Type":"AWS::Lambda::Function","Properties":{"Runtime":{"Fn::Join":["",["py",{"Ref":"V"}]]},"Tags":{"Fn::If":["X",[],{"Ref":"AWS::NoValue"}]}}}},"Parameters":{"V":{"Type":"String","Default":"thon3.12"}}}`,
		`{"TypeName":"AWS::S3::Bucket","ResourceDescription":{"Identifier":"b","Properties":"{\"Arn\":\"arn:aws:s3:::b\",\"BucketName\":\"b\"}"}}`)
}

func FuzzARM(f *testing.F) {
	whole(f, []string{"arm"},
		`{"value":[{"id":"/subscriptions/1/resourceGroups/r/providers/Microsoft.Sql/servers/s/databases/d","type":"Microsoft.Sql/servers/databases","name":"s/d","properties":{"zoneRedundant":false}}],"nextLink":"x"}`,
		`{"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#","resources":{"a":{"type":"Microsoft.Compute/virtualMachines","name":"[concat('a', parameters('b'))]","copy":{"name":"c","count":2},"properties":"[variables('v')]"}},"variables":{"v":{"a":"[variables('v')]"}}}`)
}

func FuzzCAI(f *testing.F) {
	whole(f, []string{"cai"},
		`[{"name":"//compute.googleapis.com/projects/p/zones/z/instances/i","asset_type":"compute.googleapis.com/Instance","resource":{"data":{"networkInterfaces":[{"accessConfigs":[{"natIP":"192.0.2.1"}]}],"scheduling":{"automaticRestart":true}}}},{"name":"//k8s/x","assetType":"k8s.io/Pod"}]`,
		`{"name":"//cloudresourcemanager.googleapis.com/projects/1","assetType":"cloudresourcemanager.googleapis.com/Project","orgPolicy":[{"constraint":"constraints/x","booleanPolicy":{"enforced":true}}]}`)
}

func FuzzKubernetes(f *testing.F) {
	whole(f, []string{"kubernetes", "node_is"},
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"n","uid":"1"},"spec":{"template":{"spec":{"securityContext":{"runAsNonRoot":true},"containers":[{"image":"a@sha256:x","securityContext":{"privileged":true}}],"initContainers":[]}}}}`,
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}\nrules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: n, labels: {pod-security.kubernetes.io/enforce: restricted}}\n")
}

func FuzzOpenStack(f *testing.F) {
	whole(f, []string{"openstack"},
		`{"security_groups":[{"id":"g","name":"default","tenant_id":"p","security_group_rules":[{"direction":"ingress","remote_ip_prefix":"0.0.0.0/0","port_range_min":22,"port_range_max":22}]}]}`,
		`{"volumes":[{"id":"v","encrypted":false,"os-vol-tenant-attr:tenant_id":"p","attachments":[{"server_id":"u1"}]}]}{"image":{"id":"i","owner":"p","visibility":"public"}}`)
}

func FuzzGraph(f *testing.F) {
	whole(f, []string{"graph"},
		`{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#policies/authorizationPolicy/$entity","id":"authorizationPolicy","allowInvitesFrom":"everyone","defaultUserRolePermissions":{"allowedToCreateApps":true}}`,
		`{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#users(id,displayName)","value":[{"id":"u","accountEnabled":true,"signInActivity":null}],"@odata.nextLink":"x"}`)
}

func FuzzTerraform(f *testing.F) {
	whole(f, []string{"terraform", "observed", "unknown"},
		`{"format_version":"1.2","values":{"root_module":{"resources":[{"address":"aws_db_instance.a","mode":"managed","type":"aws_db_instance","name":"a","values":{"arn":"arn:aws:rds:eu-west-1:111122223333:db:a","auto_minor_version_upgrade":false,"tags":{"a":"b"}},"sensitive_values":{"password":true}}]}}}`)
}

func FuzzVSphere(f *testing.F) {
	whole(f, []string{"vsphere"},
		`{"virtualMachines":[{"self":{"type":"VirtualMachine","value":"vm-1"},"name":"a","config":{"uuid":"u","version":"vmx-19","bootOptions":{"efiSecureBootEnabled":true}},"runtime":{"powerState":"poweredOn","host":{"type":"HostSystem","value":"host-1"}}}],"hosts":[{"self":{"value":"host-1"},"name":"h","summary":{"config":{"product":{"version":"8.0.3"}}}}]}`)
}
