package policy

import (
	"slices"
	"strings"
	"sync"
)

// Admin reports whether the policy allows every action on every resource, without a condition that limits it. An Allow
// of everything but some actions counts as well unless IAM is among them: who may use all of IAM can take the rest.
func (p *Policy) Admin(limits ...*Policy) (bool, error) {
	s := newSteps()
	ok := s.admin(p) && !slices.ContainsFunc(limits, func(l *Policy) bool { return !s.admin(l) })
	return ok && s.left > 0, s.err()
}

func (s *steps) admin(p *Policy) bool {
	return slices.ContainsFunc(p.statements, func(st statement) bool {
		return !st.deny && st.unconditional(s, nil) && st.everywhere &&
			(s.coversAction(&st, "*") || st.notAction && !s.anyGlob(st.actions, "iam:*"))
	}) && !s.denies(p, "*")
}

// Allows reports whether the policy allows an action on every resource, without a condition that limits it. The action
// may be a pattern such as s3:*, all of which must be allowed. So must each of the limits: a permissions boundary, or the
// service control policies of one level.
func (p *Policy) Allows(action string, limits ...*Policy) (bool, error) {
	s := newSteps()
	action = strings.ToLower(action)
	ok := s.allows(p, action, nil) && !slices.ContainsFunc(limits, func(l *Policy) bool { return !s.allows(l, action, nil) })
	return ok && s.left > 0, s.err()
}

func (s *steps) allows(p *Policy, action string, ctx Context) bool {
	return slices.ContainsFunc(p.statements, func(st statement) bool {
		return !st.deny && st.everywhere && s.coversAction(&st, action) && st.unconditional(s, ctx)
	}) && !s.denies(p, action)
}

// Services returns the services of which the policy allows everything on every resource, without a condition that limits it:
// "s3", and "*" for all. It is sorted, each once.
func (p *Policy) Services() []string {
	s := newSteps()
	var out []string
	for i := range p.statements {
		st := &p.statements[i]
		if st.deny || !st.everywhere || !st.unconditional(s, nil) {
			continue
		}
		if st.notAction {
			out = append(out, "*")
			continue
		}
		for _, a := range st.actions {
			service, rest, _ := strings.Cut(a, ":")
			if strings.Trim(a, "*:") == "" {
				service, rest = "*", "*"
			}
			if rest == "*" && !s.denies(p, a) {
				out = append(out, service)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// denies reports whether an action is denied to everybody, everywhere, without a condition.
func (s *steps) denies(p *Policy, action string) bool {
	return slices.ContainsFunc(p.statements, func(st statement) bool {
		return st.deny && len(st.conditions) == 0 && (st.principal == nil || st.principal.everybody && !st.notPrincipal) &&
			!st.notResource && st.everywhere && s.coversAction(&st, action)
	})
}

// everyResource reports whether the statement is about every resource, or every one of a kind: * or an ARN of any
// resource or of any role, everything but some, or no resource at all, which is how a resource's own policy says "this one".
func (st *statement) everyResource() bool {
	if st.notResource {
		return !slices.ContainsFunc(st.resources, func(r string) bool { return strings.Trim(r, "*") == "" })
	}
	if len(st.resources) == 0 {
		return true
	}
	return slices.ContainsFunc(st.resources, func(r string) bool {
		parts, n := splitARN(r)
		if n != 1 && n != len(parts) {
			return false
		}
		last := parts[n-1]
		if n == len(parts) && strings.Trim(parts[3], "*") == "" { // of every region
			for _, kind := range []string{"role/", "user/", "group/", "policy/", "function:", "project/", "instance/", "stack/", "key/"} {
				last = strings.TrimPrefix(last, kind)
			}
		}
		return strings.Trim(last, "*/:") == "" && strings.Contains(r, "*")
	})
}

// unconditional reports whether conditions leave the statement to whoever carries the policy: they are met by what is
// in the context, or by everybody, or exclude no more than something.
func (st *statement) unconditional(s *steps, ctx Context) bool {
	return !slices.ContainsFunc(st.conditions, func(c condition) bool { return !c.idle(s, ctx, st.variables) })
}

// avoidable holds the keys that a request is without if he who asks wants it: a session or key without MFA, a way that is no
// endpoint. IfExists and ForAllValues are true then.
var avoidable = []string{"aws:multifactorauthpresent", "aws:multifactorauthage", "aws:sourcevpc", "aws:sourcevpce", "aws:tagkeys"}

func (c *condition) idle(s *steps, ctx Context, variables bool) bool {
	if _, ok := ctx[c.key]; ok {
		return ctx.holds(s, c, variables) == yes
	}
	switch {
	case c.op.name == "null":
		return false
	case c.op.negated:
		return len(c.values) == 0 || !slices.ContainsFunc(c.values, func(v string) bool { return strings.Trim(v, "*:/0.") == "" })
	case (c.op.ifExists || c.op.set == "forallvalues") && slices.Contains(avoidable, c.key):
		return true
	case slices.Contains([]string{"aws:securetransport", "aws:useragent", "aws:referer"}, c.key):
		return true // he who asks says so himself
	case c.op.name == "ipaddress":
		return slices.ContainsFunc(c.values, func(v string) bool { return !c.fixes(v, variables) })
	default:
		return c.op.name == "stringlike" && slices.ContainsFunc(c.values, func(v string) bool { return strings.Trim(v, "*") == "" && v != "" })
	}
}

// escalation is a way from some permissions to more: who may take all the actions can get what he was not given. Where a
// role is passed, it goes to the service.
type escalation struct {
	name    string
	actions []string // in lower case
	service string
}

// escalations are ways that others have published:
//
//   - Spencer Gietzen, "AWS IAM Privilege Escalation - Methods and Mitigation", Rhino Security Labs, 2018;
//   - Gerben Kleijn, "Well, That Escalated Quickly", Bishop Fox, 2019;
//   - pathfinding.cloud, Datadog, a library of such ways with their sources (read 2026-11-29, as of 2025-12-17), and those that
//     Prowler's check iam_policy_allows_privilege_escalation took from it since (read 2026-11-29, as of 2026-08-21).
//
// Whether there is a role worth having behind them no policy says.
var escalations = []escalation{
	{"change a policy that is attached", []string{"iam:createpolicyversion"}, ""},
	{"bring back an earlier version of a policy", []string{"iam:setdefaultpolicyversion"}, ""},
	{"make access keys for somebody else", []string{"iam:createaccesskey"}, ""},
	{"give somebody else a password", []string{"iam:createloginprofile"}, ""},
	{"change somebody else's password", []string{"iam:updateloginprofile"}, ""},
	{"attach a policy to a user", []string{"iam:attachuserpolicy"}, ""},
	{"attach a policy to a group", []string{"iam:attachgrouppolicy"}, ""},
	{"attach a policy to a role", []string{"iam:attachrolepolicy"}, ""},
	{"write a policy into a user", []string{"iam:putuserpolicy"}, ""},
	{"write a policy into a group", []string{"iam:putgrouppolicy"}, ""},
	{"write a policy into a role", []string{"iam:putrolepolicy"}, ""},
	{"join a group", []string{"iam:addusertogroup"}, ""},
	{"change who may assume a role", []string{"iam:updateassumerolepolicy"}, ""},
	{"replace the code of a function", []string{"lambda:updatefunctioncode"}, ""},
	{"put a layer of code into a function", []string{"lambda:updatefunctionconfiguration"}, ""},
	{"change a development endpoint of Glue", []string{"glue:updatedevendpoint"}, ""},
	{"open a notebook of SageMaker", []string{"sagemaker:createpresignednotebookinstanceurl"}, ""},
	{"run a build with another specification", []string{"codebuild:startbuild"}, ""},
	{"run a batch of builds with another specification", []string{"codebuild:startbuildbatch"}, ""},
	{"change a stack that has a role", []string{"cloudformation:updatestack"}, ""},
	{"change a stack that has a role, by a change set", []string{"cloudformation:createchangeset", "cloudformation:executechangeset"}, ""},
	{"replace the start script of an instance", []string{"ec2:modifyinstanceattribute", "ec2:stopinstances", "ec2:startinstances"}, ""},
	{"change the template that instances are launched from", []string{"ec2:createlaunchtemplateversion", "ec2:modifylaunchtemplate"}, ""},
	{"run a command on any instance", []string{"ssm:sendcommand"}, ""},
	{"open a session on any instance", []string{"ssm:startsession"}, ""},
	{"log in to any instance with a key of one's own", []string{"ec2-instance-connect:sendsshpublickey"}, ""},
	{"assume any role that trusts the account", []string{"sts:assumerole"}, ""},
	{"change a service of App Runner", []string{"apprunner:updateservice"}, ""},
	{"take the boundary off a user", []string{"iam:deleteuserpermissionsboundary"}, ""},
	{"attach a policy to a permission set", []string{"sso:attachmanagedpolicytopermissionset"}, ""},
	{"write a policy into a permission set", []string{"sso:putinlinepolicytopermissionset"}, ""},
	{"change a state machine that has a role", []string{"states:updatestatemachine", "states:startexecution"}, ""},
	{"run a command in a task that runs", []string{"ecs:executecommand"}, ""},
	{"deploy another revision to instances", []string{"codedeploy:createdeployment", "codedeploy:registerapplicationrevision"}, ""},
	{"run a command in an agent of Bedrock", []string{"bedrock-agentcore:invokeagentruntimecommand"}, ""},
	{"use an interpreter of Bedrock", []string{"bedrock-agentcore:startcodeinterpretersession", "bedrock-agentcore:invokecodeinterpreter"}, ""},
	{"replace the start script of a notebook of SageMaker", []string{"sagemaker:createnotebookinstancelifecycleconfig", "sagemaker:stopnotebookinstance", "sagemaker:updatenotebookinstance", "sagemaker:startnotebookinstance"}, ""},

	{"pass a role to a new function and invoke it", []string{"iam:passrole", "lambda:createfunction", "lambda:invokefunction"}, "lambda.amazonaws.com"},
	{"pass a role to a new function and let others invoke it", []string{"iam:passrole", "lambda:createfunction", "lambda:addpermission"}, "lambda.amazonaws.com"},
	{"pass a role to a new function and trigger it", []string{"iam:passrole", "lambda:createfunction", "lambda:createeventsourcemapping"}, "lambda.amazonaws.com"},
	{"pass a role to a new instance", []string{"iam:passrole", "ec2:runinstances"}, "ec2.amazonaws.com"},
	{"pass a role to an instance that runs", []string{"iam:passrole", "ec2:associateiaminstanceprofile"}, "ec2.amazonaws.com"},
	{"pass a role to instances that are bid for", []string{"iam:passrole", "ec2:requestspotinstances"}, "ec2.amazonaws.com"},
	{"pass a role to a new stack", []string{"iam:passrole", "cloudformation:createstack"}, "cloudformation.amazonaws.com"},
	{"pass a role to a set of stacks", []string{"iam:passrole", "cloudformation:createstackset", "cloudformation:createstackinstances"}, "cloudformation.amazonaws.com"},
	{"pass a role to a changed set of stacks", []string{"iam:passrole", "cloudformation:updatestackset"}, "cloudformation.amazonaws.com"},
	{"pass a role to a new task", []string{"iam:passrole", "ecs:registertaskdefinition", "ecs:runtask"}, "ecs-tasks.amazonaws.com"},
	{"pass a role to a task on an instance of one's own", []string{"iam:passrole", "ecs:registertaskdefinition", "ecs:starttask"}, "ecs-tasks.amazonaws.com"},
	{"pass a role to a new service of tasks", []string{"iam:passrole", "ecs:registertaskdefinition", "ecs:createservice"}, "ecs-tasks.amazonaws.com"},
	{"pass a role to a new build", []string{"iam:passrole", "codebuild:createproject", "codebuild:startbuild"}, "codebuild.amazonaws.com"},
	{"pass a role to a new batch of builds", []string{"iam:passrole", "codebuild:createproject", "codebuild:startbuildbatch"}, "codebuild.amazonaws.com"},
	{"pass a role to a development endpoint of Glue", []string{"iam:passrole", "glue:createdevendpoint"}, "glue.amazonaws.com"},
	{"pass a role to a new job of Glue", []string{"iam:passrole", "glue:createjob", "glue:startjobrun"}, "glue.amazonaws.com"},
	{"pass a role to a new job of Glue and trigger it", []string{"iam:passrole", "glue:createjob", "glue:createtrigger"}, "glue.amazonaws.com"},
	{"pass a role to a changed job of Glue", []string{"iam:passrole", "glue:updatejob", "glue:startjobrun"}, "glue.amazonaws.com"},
	{"pass a role to a changed job of Glue and trigger it", []string{"iam:passrole", "glue:updatejob", "glue:createtrigger"}, "glue.amazonaws.com"},
	{"pass a role to a pipeline of data", []string{"iam:passrole", "datapipeline:createpipeline", "datapipeline:putpipelinedefinition", "datapipeline:activatepipeline"}, "datapipeline.amazonaws.com"},
	{"pass a role to a notebook of SageMaker", []string{"iam:passrole", "sagemaker:createnotebookinstance"}, "sagemaker.amazonaws.com"},
	{"pass a role to a training job of SageMaker", []string{"iam:passrole", "sagemaker:createtrainingjob"}, "sagemaker.amazonaws.com"},
	{"pass a role to a processing job of SageMaker", []string{"iam:passrole", "sagemaker:createprocessingjob"}, "sagemaker.amazonaws.com"},
	{"pass a role to a new service of App Runner", []string{"iam:passrole", "apprunner:createservice"}, "tasks.apprunner.amazonaws.com"},
	{"pass a role to instances of a new group", []string{"iam:passrole", "autoscaling:createautoscalinggroup", "autoscaling:createlaunchconfiguration"}, "ec2.amazonaws.com"},
	{"pass a role to instances of a changed group", []string{"iam:passrole", "autoscaling:updateautoscalinggroup", "autoscaling:createlaunchconfiguration"}, "ec2.amazonaws.com"},
	{"pass a role to a task of an existing definition", []string{"iam:passrole", "ecs:runtask"}, "ecs-tasks.amazonaws.com"},
	{"pass a role to a batch job", []string{"iam:passrole", "batch:registerjobdefinition", "batch:submitjob"}, "ecs-tasks.amazonaws.com"},
	{"pass a role to a job of Braket", []string{"iam:passrole", "braket:createjob"}, "braket.amazonaws.com"},
	{"pass a role to the guests of an identity pool", []string{"iam:passrole", "cognito-identity:setidentitypoolroles"}, "cognito-identity.amazonaws.com"},
	{"pass a role to a cluster of EMR", []string{"iam:passrole", "elasticmapreduce:runjobflow"}, "ec2.amazonaws.com"},
	{"pass a role to a job of EMR Serverless", []string{"iam:passrole", "emr-serverless:createapplication", "emr-serverless:startjobrun"}, "emr-serverless.amazonaws.com"},
	{"pass a role to a fleet of GameLift", []string{"iam:passrole", "gamelift:createbuild", "gamelift:createfleet", "gamelift:requestuploadcredentials"}, "gamelift.amazonaws.com"},
	{"pass a role to a session of Glue", []string{"iam:passrole", "glue:createsession", "glue:runstatement"}, "glue.amazonaws.com"},
	{"pass a role to a build of an image", []string{"iam:passrole", "imagebuilder:createcomponent", "imagebuilder:createimagerecipe", "imagebuilder:createinfrastructureconfiguration", "imagebuilder:createimage"}, "ec2.amazonaws.com"},
	{"pass a role to an analysis of streams", []string{"iam:passrole", "kinesisanalytics:createapplication", "kinesisanalytics:startapplication"}, "kinesisanalytics.amazonaws.com"},
	{"pass a role to a schedule", []string{"iam:passrole", "scheduler:createschedule"}, "scheduler.amazonaws.com"},
	{"pass a role to an automation of Systems Manager", []string{"iam:passrole", "ssm:createdocument", "ssm:startautomationexecution"}, "ssm.amazonaws.com"},
	{"pass a role to a state machine", []string{"iam:passrole", "states:createstatemachine", "states:startexecution"}, "states.amazonaws.com"},
	{"pass a role to an interpreter of Bedrock", []string{"iam:passrole", "bedrock-agentcore:createcodeinterpreter", "bedrock-agentcore:startcodeinterpretersession", "bedrock-agentcore:invokecodeinterpreter"}, "bedrock-agentcore.amazonaws.com"},
}

// passedTo is the context of each of the escalations: the service that a role is passed to.
var passedTo = sync.OnceValue(func() []Context {
	out := make([]Context, len(escalations))
	for i := range escalations {
		out[i] = Context{"iam:passedtoservice": {escalations[i].service}}
	}
	return out
})

// Escalations returns, in words and in a fixed order, the published ways in which whoever carries all of the policies can
// get permissions that they do not give him: "pass a role to a new function and invoke it". Each action of a way must be
// allowed on every resource of its kind. An administrator has nothing more to get: for him there are none.
func Escalations(policies []*Policy, limits ...*Policy) ([]string, error) {
	s := newSteps()
	var all Policy
	for _, p := range policies {
		all.statements = append(all.statements, p.statements...)
	}
	if s.admin(&all) && !slices.ContainsFunc(limits, func(l *Policy) bool { return !s.admin(l) }) {
		return nil, s.err()
	}
	var out []string
	for i := range escalations {
		way, ctx := &escalations[i], passedTo()[i]
		if s.allowAll(&all, way.actions, ctx) && !slices.ContainsFunc(limits, func(l *Policy) bool { return !s.allowAll(l, way.actions, ctx) }) {
			out = append(out, way.name)
		}
	}
	return out, s.err()
}

// allowAll reports whether a policy allows every one of some actions.
func (s *steps) allowAll(p *Policy, actions []string, ctx Context) bool {
	for _, action := range actions {
		if !s.allows(p, action, ctx) {
			return false
		}
	}
	return true
}
