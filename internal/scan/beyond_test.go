package scan_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/demarc/demarc"
)

// beyond are the kinds of resource that a tenant has in its account and cannot change, of which other scanners' users say that
// they drown what they can. Each would fail the checks that it names if it were the tenant's own.
var beyond = []struct {
	name     string
	document string
	service  demarc.ServiceID
	own      string // the same thing as the tenant's own
	check    string
}{
	{
		name:     "role that is linked to a service",
		service:  "aws/iam-role",
		document: `{"Role":{"RoleId":"AROA0A","RoleName":"AWSServiceRoleForX","Path":"/aws-service-role/x.amazonaws.com/","Arn":"arn:aws:iam::111122223333:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]},"RolePolicyList":[],"AttachedManagedPolicies":[{"PolicyName":"AdministratorAccess","PolicyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}]}}`,
		own:      `{"Role":{"RoleId":"AROA0A","RoleName":"x","Path":"/","Arn":"arn:aws:iam::111122223333:role/x","AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]},"RolePolicyList":[],"AttachedManagedPolicies":[{"PolicyName":"AdministratorAccess","PolicyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}]}}`,
		check:    "aws/iam-role/trust-not-public",
	},
	{
		name:     "key that AWS manages",
		service:  "aws/kms",
		document: `{"KeyMetadata":{"AWSAccountId":"111122223333","KeyId":"0f6d2c1a-7b3e-4c58-9a41-2d8e5f60b703","Arn":"arn:aws:kms:eu-west-1:111122223333:key/0f6d2c1a-7b3e-4c58-9a41-2d8e5f60b703","KeyManager":"AWS","Origin":"AWS_KMS","KeySpec":"SYMMETRIC_DEFAULT","Enabled":false,"KeyState":"Disabled"}}`,
		own:      `{"KeyMetadata":{"AWSAccountId":"111122223333","KeyId":"0f6d2c1a-7b3e-4c58-9a41-2d8e5f60b703","Arn":"arn:aws:kms:eu-west-1:111122223333:key/0f6d2c1a-7b3e-4c58-9a41-2d8e5f60b703","KeyManager":"CUSTOMER","Origin":"AWS_KMS","KeySpec":"SYMMETRIC_DEFAULT","Enabled":false,"KeyState":"Disabled"}}`,
		check:    "aws/kms/enabled",
	},
	{
		name:     "image that AWS shares with everybody",
		service:  "aws/ami",
		document: `{"Images":[{"ImageId":"ami-0a","ImageOwnerAlias":"amazon","OwnerId":"137112412989","Public":true,"CreationDate":"2020-01-01T00:00:00Z","BlockDeviceMappings":[{"Ebs":{"Encrypted":false}}]}]}`,
		own:      `{"Images":[{"ImageId":"ami-0a","OwnerId":"111122223333","Public":true,"CreationDate":"2020-01-01T00:00:00Z","BlockDeviceMappings":[{"Ebs":{"Encrypted":false}}]}]}`,
		check:    "aws/ami/not-public",
	},
	{
		name:     "Auto Scaling group that EKS made for a node group",
		service:  "aws/auto-scaling-group",
		document: `{"AutoScalingGroups":[{"AutoScalingGroupName":"eks-n-0a","AutoScalingGroupARN":"arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:0a:autoScalingGroupName/eks-n-0a","HealthCheckType":"EC2","LoadBalancerNames":["n"],"Tags":[{"Key":"eks:nodegroup-name","Value":"n"}]}]}`,
		own:      `{"AutoScalingGroups":[{"AutoScalingGroupName":"n-0a","AutoScalingGroupARN":"arn:aws:autoscaling:eu-west-1:111122223333:autoScalingGroup:0a:autoScalingGroupName/n-0a","HealthCheckType":"EC2","LoadBalancerNames":["n"],"Tags":[]}]}`,
		check:    "aws/auto-scaling-group/balancer-health",
	},
	{
		name:     "instance that EKS Auto Mode operates",
		service:  "aws/ec2",
		document: `{"Reservations":[{"OwnerId":"111122223333","Instances":[{"InstanceId":"i-0a","Placement":{"AvailabilityZone":"eu-west-1a"},"State":{"Name":"running"},"IamInstanceProfile":{"Arn":"arn:aws:iam::111122223333:instance-profile/eks-0a"},"Operator":{"Managed":true,"Principal":"eks.amazonaws.com"}}]}],"InstancePatchStates":[{"InstanceId":"i-0a","MissingCount":5,"FailedCount":0}]}`,
		own:      `{"Reservations":[{"OwnerId":"111122223333","Instances":[{"InstanceId":"i-0a","Placement":{"AvailabilityZone":"eu-west-1a"},"State":{"Name":"running"},"Operator":{"Managed":false}}]}],"InstancePatchStates":[{"InstanceId":"i-0a","MissingCount":5,"FailedCount":0}]}`,
		check:    "aws/ec2/patches-installed",
	},
	{
		name:     "registry of schemas that AWS provides",
		service:  "aws/schema-registry",
		document: `{"format_version":"1.0","terraform_version":"1.9.8","values":{"root_module":{"resources":[{"address":"aws_schemas_registry.a","mode":"managed","type":"aws_schemas_registry","name":"a","provider_name":"registry.terraform.io/hashicorp/aws","values":{"name":"aws.events"}},{"address":"aws_schemas_registry_policy.a","mode":"managed","type":"aws_schemas_registry_policy","name":"a","provider_name":"registry.terraform.io/hashicorp/aws","values":{"registry_name":"aws.events","policy":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"schemas:*\",\"Resource\":\"*\"}]}"}}]}}}`,
		own:      `{"format_version":"1.0","terraform_version":"1.9.8","values":{"root_module":{"resources":[{"address":"aws_schemas_registry.a","mode":"managed","type":"aws_schemas_registry","name":"a","provider_name":"registry.terraform.io/hashicorp/aws","values":{"name":"shop"}},{"address":"aws_schemas_registry_policy.a","mode":"managed","type":"aws_schemas_registry_policy","name":"a","provider_name":"registry.terraform.io/hashicorp/aws","values":{"registry_name":"shop","policy":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"schemas:*\",\"Resource\":\"*\"}]}"}}]}}}`,
		check:    "aws/schema-registry/not-public",
	},
	{
		name:     "web ACL whose rules Firewall Manager sets",
		service:  "aws/waf",
		document: `{"WebACL":{"Name":"FMManagedWebACLV2-a","ARN":"arn:aws:wafv2:eu-west-1:111122223333:regional/webacl/a/0a","DefaultAction":{"Allow":{}},"Rules":[],"PreProcessFirewallManagerRuleGroups":[{"Name":"first","Priority":1}],"ManagedByFirewallManager":true,"VisibilityConfig":{"CloudWatchMetricsEnabled":true}}}`,
		own:      `{"WebACL":{"Name":"a","ARN":"arn:aws:wafv2:eu-west-1:111122223333:regional/webacl/a/0a","DefaultAction":{"Allow":{}},"Rules":[],"ManagedByFirewallManager":false,"VisibilityConfig":{"CloudWatchMetricsEnabled":true}}}`,
		check:    "aws/waf/has-rules",
	},
	{
		name:     "part of a managed cluster that EKS publishes",
		service:  "kubernetes/workload",
		document: `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Node","metadata":{"name":"n","labels":{"eks.amazonaws.com/nodegroup":"n"}},"spec":{"providerID":"aws:///eu-west-1a/i-0a"}},{"apiVersion":"apps/v1","kind":"DaemonSet","metadata":{"name":"kube-proxy","namespace":"kube-system"},"spec":{"template":{"spec":{"serviceAccountName":"kube-proxy","hostNetwork":true,"containers":[{"name":"kube-proxy","image":"602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/kube-proxy:v1.33.0-eksbuild.2","securityContext":{"privileged":true}}]}}}}]}`,
		own:      `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Node","metadata":{"name":"n","labels":{"eks.amazonaws.com/nodegroup":"n"}},"spec":{"providerID":"aws:///eu-west-1a/i-0a"}},{"apiVersion":"apps/v1","kind":"DaemonSet","metadata":{"name":"proxy","namespace":"kube-system"},"spec":{"template":{"spec":{"serviceAccountName":"proxy","hostNetwork":true,"containers":[{"name":"proxy","image":"docker.io/shop/proxy:1","securityContext":{"privileged":true}}]}}}}]}`,
		check:    "kubernetes/workload/no-privileged-container",
	},
}

// TestBeyondTheTenant holds that what a tenant cannot change never fails, and that the same thing of its own does.
func TestBeyondTheTenant(t *testing.T) {
	for _, tt := range beyond {
		t.Run(tt.name, func(t *testing.T) {
			for document, own := range map[string]bool{tt.document: false, tt.own: true} {
				path := filepath.Join(t.TempDir(), "document.json")
				if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
					t.Fatal(err)
				}
				answers, result := assess(t, nil, path)
				a, why := find(answers, tt.service, "")
				if a == nil {
					t.Fatal(why, told(result))
				}
				failed := false
				for _, c := range a.Checks {
					failed = failed || c.ID == tt.check && c.Result == demarc.CheckFail
				}
				if own && !failed {
					t.Errorf("check %s does not fail on the tenant's own", tt.check)
				}
				failing := false
				for i, v := range a.Verdicts {
					if failing = failing || v.State == demarc.Failing; !own && v.State == demarc.Failing {
						t.Errorf("duty %s is failing", demarc.Duties[i])
					}
				}
				if own && !failing {
					t.Error("no duty is failing on the tenant's own")
				}
			}
		})
	}
}
