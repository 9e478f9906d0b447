package scan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/rulebook"
)

// movers are the settings of AWS that move the demarcation line, and the lines that stand for them. What AWS says of each
// is cited in the service's file.
var movers = []struct {
	setting string
	lines   []string
}{
	{"RDS minor upgrades", []string{"aws/rds/minor-upgrades-on"}},
	{"RDS Custom", []string{"aws/rds/custom-oracle", "aws/rds/custom-sqlserver", "aws/rds/custom-sqlserver-own-version", "aws/rds/custom-backups"}},
	{"RDS automated backups", []string{"aws/rds/backups-on"}},
	{"RDS encryption key", []string{"aws/rds/not-encrypted", "aws/rds/provider-key", "aws/rds/key-held-outside"}},
	{"RDS or EC2 on Outposts", []string{"aws/rds/on-outpost", "aws/ec2/on-outpost"}},
	{"Lambda package", []string{"aws/lambda/container-image", "aws/lambda/zip-archive"}},
	{"Lambda runtime mode", []string{"aws/lambda/updates-manual", "aws/lambda/updates-with-function", "aws/lambda/updates-automatic"}},
	{"Lambda OS-only runtime", []string{"aws/lambda/os-only-runtime"}},
	{"ECS launch type", []string{"aws/ecs-service/fargate", "aws/ecs-service/external-instances", "aws/ecs-service/managed-instances"}},
	{"EKS Auto Mode", []string{"aws/eks/auto-mode", "aws/eks/auto-mode-beside-hybrid"}},
	{"EKS node group image", []string{"aws/eks-nodegroup/eks-image"}},
	{"EKS hybrid, Outposts, connector", []string{"aws/eks/hybrid-sites", "aws/eks/local-cluster", "aws/eks/registered-cluster"}},
	{"EKS support type", []string{"aws/eks/standard-support"}},
	{"EKS add-on", []string{"aws/eks-addon/aws-add-on"}},
	{"EKS node repair", []string{"aws/eks-nodegroup/node-repair"}},
	{"EC2 operated by a service", []string{"aws/ec2/managed-by-service"}},
	{"EC2 tenancy and metal", []string{"aws/ec2/bare-metal", "aws/ec2/dedicated-hardware"}},
	{"Beanstalk managed updates", []string{"aws/beanstalk/managed-updates"}},
	{"OpenSearch automatic update", []string{"aws/opensearch/automatic-updates"}},
	{"Redshift version upgrade", []string{"aws/redshift/version-upgrades"}},
	{"ElastiCache, MQ, DMS", []string{"aws/elasticache/automatic-updates", "aws/mq/automatic-updates", "aws/dms/automatic-updates"}},
	{"EMR", []string{"aws/emr/default-image", "aws/emr/updates-on-boot"}},
	{"KMS", []string{"aws/kms/provider-key", "aws/kms/external-key-store", "aws/kms/cloudhsm-key-store", "aws/kms/imported-material"}},
	{"WorkSpaces", []string{"aws/workspaces/monthly-maintenance", "aws/workspaces/weekly-window"}},
	{"SageMaker HyperPod", []string{"aws/sagemaker-hyperpod/published-image", "aws/sagemaker-hyperpod/automatic-patching", "aws/sagemaker-hyperpod/scheduled-updates"}},
	{"App Runner", []string{"aws/apprunner/built-from-code"}},
	{"S3 and DynamoDB", []string{"aws/s3/service-key", "aws/s3/provider-key", "aws/dynamodb/service-key", "aws/dynamodb/provider-key", "aws/dynamodb/point-in-time-recovery"}},
}

// impossible are the sides that documents of a dialect cannot show though they have a place for what decides the line.
var impossible = map[string]string{
	"aws/eks-addon/aws-add-on false awsconfig":               "only the API says who owns an add-on of another name",
	"aws/eks-addon/aws-add-on false cloudformation":          "only the API says who owns an add-on of another name",
	"aws/eks-addon/aws-add-on false terraform":               "only the API says who owns an add-on of another name",
	"aws/eks/registered-cluster true awsconfig":              "only the API shows a registered cluster",
	"aws/eks/registered-cluster true cloudformation":         "a template makes clusters of EKS",
	"aws/eks/registered-cluster true terraform":              "a plan makes clusters of EKS",
	"aws/emr/updates-on-boot true cloudformation":            "only the API says whether updates at boot are on",
	"aws/emr/updates-on-boot true terraform":                 "only the API says whether updates at boot are on",
	"aws/kms/cloudhsm-key-store true cloudformation":         "CloudFormation does not make keys in key stores",
	"aws/kms/external-key-store true cloudformation":         "CloudFormation does not make keys in key stores",
	"aws/kms/provider-key true cloudformation":               "a template makes keys of the customer",
	"aws/kms/provider-key true terraform":                    "a plan makes keys of the customer",
	"aws/workspaces/monthly-maintenance true awsconfig":      "AWS Config has no directories of WorkSpaces",
	"aws/workspaces/monthly-maintenance true cloudformation": "CloudFormation has no directories of WorkSpaces",
}

// TestMoversInEachDialect holds that the proofs show each setting that moves the line on both sides and unknown, in every dialect
// that has a place for what decides it.
func TestMoversInEachDialect(t *testing.T) {
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	proofs, err := rulebook.Proofs(catalog.Files)
	if err != nil {
		t.Error(err)
	}
	seen := map[demarc.ServiceID]map[string]bool{} // "minor-upgrades-on true terraform" of a service
	for _, m := range movers {
		for _, id := range m.lines {
			at := strings.LastIndexByte(id, '/')
			svc := b.Service(demarc.ServiceID(id[:at]))
			k := slices.IndexFunc(svc.Lines, func(l *rulebook.Line) bool { return l.ID == id[at+1:] })
			if k < 0 {
				t.Errorf("%s: no line %s", m.setting, id)
				continue
			}
			if seen[svc.ID] == nil {
				seen[svc.ID] = sides(t, svc, proofs)
			}
			line := svc.Lines[k]
			for d, want := range decided(svc, line) {
				for _, side := range want {
					if key := id + " " + side + " " + string(d); impossible[key] != "" {
						if seen[svc.ID][line.ID+" "+side+" "+string(d)] {
							t.Errorf("%s, though %s", key, impossible[key])
						}
						continue
					}
					if !seen[svc.ID][line.ID+" "+side+" "+string(d)] {
						t.Errorf("%s: line %s is never %s in %s", m.setting, id, side, d)
					}
				}
			}
		}
	}
}

// sides returns what each line of a service comes to in the cases of its proof, by dialect: true, false or unknown, and unknown as
// well where it rests on what is presumed of a fact that is not known.
func sides(t *testing.T, svc *rulebook.Service, proofs []rulebook.Proof) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, p := range proofs {
		if p.Service != string(svc.ID) {
			continue
		}
		for i := range p.Cases {
			c := &p.Cases[i]
			answers, result := run(t, c)
			a, why := find(answers, svc.ID, c.Resource)
			if a == nil {
				t.Errorf("%s: %s", c.Pos, why)
				continue
			}
			facts := &findingOf(result, a).Item.Facts
			for _, line := range svc.Lines {
				r := line.When.Eval(svc, facts, asOf)
				side := map[rulebook.Tri]string{rulebook.True: "true", rulebook.False: "false", rulebook.Unknown: "unknown"}[r.Truth]
				out[line.ID+" "+side+" "+c.Dialect] = true
				if len(r.Presumed) > 0 {
					out[line.ID+" unknown "+c.Dialect] = true
				}
			}
		}
	}
	return out
}

// decided returns, for each dialect in which some fact that the line reads has a place, the sides that documents of it can show.
// An answer of an API that leaves out what has a default says the default, so that its fact is not unknown.
func decided(svc *rulebook.Service, line *rulebook.Line) map[demarc.Dialect][]string {
	var facts []int
	var add func(reads []int)
	add = func(reads []int) {
		for _, i := range reads {
			if slices.Contains(facts, i) {
				continue
			}
			facts = append(facts, i)
			if d := svc.Facts[i].Derive; d != nil {
				add(d.Reads)
			}
		}
	}
	add(line.When.Reads)
	out := map[demarc.Dialect][]string{}
	for _, typ := range svc.Types {
		for _, p := range typ.Facts {
			if !slices.Contains(facts, p.Fact) {
				continue
			}
			if out[typ.Dialect] == nil {
				out[typ.Dialect] = []string{"true", "false"}
			}
			_, defaulted := svc.Facts[p.Fact].Defaults[typ.Dialect]
			if mayHide := typ.Dialect == demarc.CloudFormation || typ.Dialect == demarc.Terraform; (mayHide || !defaulted) && !slices.Contains(out[typ.Dialect], "unknown") {
				out[typ.Dialect] = append(out[typ.Dialect], "unknown")
			}
		}
	}
	return out
}
