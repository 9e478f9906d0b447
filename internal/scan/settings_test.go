package scan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/catalog"
	"github.com/demarc/demarc/internal/rulebook"
)

// movers are the settings that move the demarcation line, and the lines that stand for them. What the provider says of each
// is cited in the service's file. A dialect is asked for where it has a place for what decides: Cloud Asset lists no settings
// of machine pools elsewhere, API bodies of Azure are read as arm, those of Google not at all. Three settings have no line:
// no API tells yet that a managed HSM has its keys outside (the duties of azure/managed-hsm and the assumption of the estate
// remain), a job's runner is named in a workflow and not in an inventory, and the site of a managed service provider is
// declared in the estate.
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
	{"RDS Extended Support", []string{"aws/rds/upgraded-after-standard-support"}},
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
	{"Azure VM patch mode", []string{"azure/vm/patched-by-platform"}},
	{"Azure scale set image upgrades", []string{"azure/vmss/automatic-image-upgrade", "azure/vmss/patched-by-platform"}},
	{"AKS node channel", []string{
		"azure/aks/nodes-kept-current", "azure/aks/nodes-by-hand", "azure/aks/security-patches", "azure/aks/security-patches-without-windows", "azure/aks/unattended-upgrades", "azure/aks/runtime-by-image",
		"azure/aks-node-pool/nodes-kept-current", "azure/aks-node-pool/unattended-upgrades",
	}},
	{"AKS version channel", []string{"azure/aks/version-by-channel", "azure/aks/patch-versions-by-channel", "azure/aks/kubelet-by-channel"}},
	{"AKS Automatic", []string{"azure/aks/automatic-mode"}},
	{"AKS network plugin", []string{"azure/aks/provided-network-plugin", "azure/aks/own-network-plugin"}},
	{"AKS key for secrets", []string{"azure/aks/platform-key", "azure/aks/own-key"}},
	{"AKS node group lockdown", []string{"azure/aks/locked-node-group"}},
	{"App Service stack", []string{"azure/app-service/custom-container", "azure/app-service/built-in-stack", "azure/app-service/built-in-windows-stack"}},
	{"App Service Environment upgrades", []string{"azure/app-service-environment/automatic-upgrades"}},
	{"SQL Server on a machine", []string{"azure/sql-vm/automated-patching", "azure/sql-vm/automated-backup"}},
	{"Azure Storage and SQL key", []string{"azure/storage/microsoft-managed-key", "azure/storage/customer-managed-key", "azure/sql-server/service-managed-key", "azure/sql-server/customer-managed-key", "azure/sql-managed-instance/service-managed-key", "azure/sql-managed-instance/customer-managed-key"}},
	{"Arc extension", []string{"azure/arc-extension/upgraded-automatically"}},
	{"GKE mode", []string{"gcp/gke/autopilot"}},
	{"GKE upgrades", []string{"gcp/gke/nodes-upgraded", "gcp/gke-node-pool/auto-upgrade", "gcp/gke/alpha-cluster"}},
	{"GKE repair", []string{"gcp/gke/nodes-repaired", "gcp/gke-node-pool/auto-repair"}},
	{"Cloud Functions updates", []string{"gcp/cloud-functions/automatic-updates", "gcp/cloud-functions/automatic-updates-of-compiled-code"}},
	{"Cloud Run base image", []string{"gcp/cloud-run/base-image-updates"}},
	{"Cloud SQL", []string{"gcp/cloud-sql/automated-backups", "gcp/cloud-sql/minor-version-of-the-customer"}},
	{"Google customer managed keys", []string{"gcp/kms-key/held-outside", "gcp/kms-key/imported", "gcp/storage/customer-key", "gcp/storage/key-held-outside", "gcp/cloud-sql/customer-key", "gcp/bigquery-dataset/customer-key", "gcp/disk/customer-key", "gcp/disk/supplied-key"}},
	{"Arc extension of a cluster", []string{"azure/kubernetes-extension/upgraded-automatically"}},
	{"ROSA network plugin", []string{"saas/rosa/own-network-plugin"}},
	{"IBM Cloud Databases key", []string{"saas/ibm-database/no-own-key"}},
	{"OVHcloud update policy", []string{"saas/ovh-kubernetes/updates-installed"}},
	{"GitHub runners", []string{"saas/github-hosted-runner/image-of-github"}},
	{"Databricks compute", []string{"azure/databricks/automatic-update"}},
	{"Atlas key", []string{"saas/mongodb-atlas/no-own-key"}},
}

// impossible are the sides that documents of a dialect cannot show though they have a place for what decides the line.
var impossible = map[string]string{
	"aws/eks-addon/aws-add-on false awsconfig":                  "only the API says who owns an add-on of another name",
	"aws/eks-addon/aws-add-on false cloudformation":             "only the API says who owns an add-on of another name",
	"aws/eks-addon/aws-add-on false terraform":                  "only the API says who owns an add-on of another name",
	"aws/eks/registered-cluster true awsconfig":                 "only the API shows a registered cluster",
	"aws/eks/registered-cluster true cloudformation":            "a template makes clusters of EKS",
	"aws/eks/registered-cluster true terraform":                 "a plan makes clusters of EKS",
	"aws/emr/updates-on-boot true cloudformation":               "only the API says whether updates at boot are on",
	"aws/emr/updates-on-boot true terraform":                    "only the API says whether updates at boot are on",
	"aws/kms/cloudhsm-key-store true cloudformation":            "CloudFormation does not make keys in key stores",
	"aws/kms/external-key-store true cloudformation":            "CloudFormation does not make keys in key stores",
	"aws/kms/provider-key true cloudformation":                  "a template makes keys of the customer",
	"aws/kms/provider-key true terraform":                       "a plan makes keys of the customer",
	"aws/rds/upgraded-after-standard-support true awsconfig":    "AWS Config does not tell of Extended Support",
	"aws/workspaces/monthly-maintenance true awsconfig":         "AWS Config has no directories of WorkSpaces",
	"aws/workspaces/monthly-maintenance true cloudformation":    "CloudFormation has no directories of WorkSpaces",
	"azure/aks/security-patches-without-windows true terraform": "Terraform makes Windows pools in resources of their own",
	"azure/sql-vm/automated-patching false terraform":           "a plan turns it on with a block, and no page says what leaving it out means",
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
			if !slices.Contains(facts, p.Fact) || !p.Always.IsZero() { // the type tells one side alone
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
