package inventory

import (
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/jscan"
	"github.com/demarc/demarc/internal/rulebook"
)

// dialectPlan is every path that the types which a Reader has met ask for, as one set that a document is scanned for once:
// in many dialects a document says last what it is. A document of a type that is met for the first time is scanned again.
type dialectPlan struct {
	dialect      demarc.Dialect
	fold, single bool
	root         *jscan.Node // of the document
	base         *jscan.Node // where the paths of facts begin
	slots        int
	known        map[string]int         // slots of the dialect's own members, by their path
	tags         []int                  // slots where tags may be, in order
	sections     map[string]*jscan.Node // members that an export may leave out as a whole
	types        map[*rulebook.TypeRef]*typePlan
}

// typePlan is where the facts, relations and identity of one type are captured.
type typePlan struct {
	ref             *rulebook.TypeRef
	service         *servicePlan // nil until there is a document
	facts           []factPlan
	refs            []refPlan
	by              pathPlan
	id, name        templatePlan
	region, account templatePlan
	aliases         []templatePlan
}

type factPlan struct {
	fact      int
	path      pathPlan
	always    demarc.Value      // of a fact that the type tells
	numbers   map[string]uint32 // by what decides the value, of values that were met
	byDefault uint32            // of the default; 0 until it was met
}

type refPlan struct {
	relation int
	path     pathPlan
}

// pathPlan is a path whose plain keys have become slots.
type pathPlan []altPlan

type altPlan struct {
	slot  int
	above []int // the slots of what the keys lead through
	keys  []string
	rest  []rulebook.Step
	asked rulebook.Question
}

type templatePlan []struct {
	literal, surrounding string
	path                 pathPlan
}

// envelopes are the members of a document that say what it is, per dialect; "=" names where the facts begin.
var envelopes = map[demarc.Dialect]struct {
	base     [][]string
	own      [][]string
	tags     [][]string
	sections []string
}{
	demarc.AWSConfig: {
		own: [][]string{
			{"resourceType"},
			{"arn"},
			{"resourceId"},
			{"resourceName"},
			{"accountId"},
			{"awsAccountId"},
			{"awsRegion"},
			{"configurationItemStatus"},
			{"configurationItemCaptureTime"},
			{"configuration"},
			{"availabilityZone"},
			{"supplementaryConfiguration"},
		},
		tags:     [][]string{{"tags"}},
		sections: []string{"configuration", "supplementaryConfiguration"},
	},
	demarc.AWSAPI: {
		own:  [][]string{{"OwnerId"}, {"ImageOwnerAlias"}, {"Arn"}, {"AvailabilityZone"}, {"Placement", "AvailabilityZone"}, {"State", "Name"}, {"Status"}},
		tags: [][]string{{"Tags"}, {"TagSet"}, {"TagList"}},
	},
	demarc.CloudFormation: {
		own:  nil,
		tags: [][]string{{"Tags"}},
	},
	demarc.ARM: {
		own:  [][]string{{"id"}, {"name"}, {"type"}, {"location"}, {"subscriptionId"}, {"resourceGroup"}, {"provisioningState"}, {"properties", "provisioningState"}, {"properties"}, {"tags"}},
		tags: [][]string{{"tags"}},
	},
	demarc.CAI: {
		own: [][]string{
			{"name"},
			{"assetType"},
			{"asset_type"},
			{"resource", "data"},
			{"resource", "parent"},
			{"resource", "location"},
			{"ancestors"},
			{"ancestry_path"},
			{"updateTime"},
			{"update_time"},
			{"resource", "data", "name"},
			{"deleted"},
		},
		tags:     [][]string{{"resource", "data", "labels"}, {"resource", "data", "settings", "userLabels"}, {"resource", "data", "resourceLabels"}},
		sections: []string{"resource", "iamPolicy", "orgPolicy", "accessPolicy"},
	},
	demarc.Kubernetes: {
		own: [][]string{
			{"apiVersion"},
			{"kind"},
			{"metadata", "name"},
			{"metadata", "namespace"},
			{"metadata", "uid"},
			{"metadata", "ownerReferences"},
			{"metadata", "deletionTimestamp"},
			{"spec", "providerID"},
			{"metadata", "labels"},
		},
		tags: [][]string{{"metadata", "labels"}},
	},
	demarc.OpenStack: {
		own:  [][]string{{"id"}, {"name"}, {"tenant_id"}, {"project_id"}, {"os-vol-tenant-attr:tenant_id"}, {"owner"}, {"status"}, {"OS-EXT-AZ:availability_zone"}},
		tags: [][]string{{"metadata"}},
	},
	demarc.VSphere: {
		own: [][]string{{"name"}, {"config", "uuid"}, {"config", "instanceUuid"}, {"self", "value"}},
	},
	demarc.Graph: {
		own: [][]string{{"id"}, {"displayName"}},
	},
	demarc.Terraform: {
		base: [][]string{{"change", "after"}, {"values"}, {"attributes"}},
		own: [][]string{
			{"address"},
			{"mode"},
			{"type"},
			{"name"},
			{"provider_name"},
			{"deposed"},
			{"module_address"},
			{"module"},
			{"change", "actions"},
			{"change", "after"},
			{"change", "after_unknown"},
			{"change", "after_sensitive"},
			{"sensitive_values"},
			{"values"},
			{"attributes"},
			{"attributes_flat"},
			{"index"},
			{"index_key"},
			{"deposed"},
		},
		tags: [][]string{{"tags"}, {"tags_all"}, {"labels"}, {"effective_labels"}},
	},
}

// newDialectPlan returns the plan of a dialect that has met no type yet.
func newDialectPlan(d demarc.Dialect) *dialectPlan {
	env := envelopes[d]
	plan := &dialectPlan{dialect: d, fold: d.FoldsKeys(), single: d == demarc.Terraform, known: map[string]int{}, types: map[*rulebook.TypeRef]*typePlan{}}
	plan.root = jscan.NewNode(plan.fold, false)
	plan.base = plan.root
	if len(env.base) > 0 {
		plan.base = jscan.NewNode(plan.fold, plan.single)
		for _, at := range env.base {
			plan.root.At(at[:len(at)-1]...).Attach(at[len(at)-1], plan.base)
		}
	}
	for _, keys := range env.own {
		plan.known[strings.Join(keys, ".")] = plan.slotAt(plan.root, keys)
	}
	for _, keys := range env.tags {
		plan.tags = append(plan.tags, plan.slotAt(plan.base, keys))
	}
	if d == demarc.CAI { // exports of older tools and client libraries write snake case
		for camel, snake := range map[string]string{"iamPolicy": "iam_policy", "orgPolicy": "org_policy", "accessPolicy": "access_policy", "accessLevel": "access_level", "servicePerimeter": "service_perimeter"} {
			plan.root.Attach(snake, plan.root.At(camel))
		}
	}
	for _, section := range env.sections {
		if plan.sections == nil {
			plan.sections = map[string]*jscan.Node{}
		}
		plan.slotAt(plan.root, []string{section})
		plan.sections[section] = plan.root.At(section)
	}
	return plan
}

// learn adds the paths of a type. It reports whether some of them are new: what c holds then lacks them.
func (plan *dialectPlan) learn(ref *rulebook.TypeRef, c *jscan.Captures) bool {
	if plan.types[ref] != nil {
		return false
	}
	before := plan.slots
	plan.types[ref] = plan.typePlan(ref)
	c.Grow(plan.slots)
	return plan.slots > before
}

func (plan *dialectPlan) slotAt(from *jscan.Node, keys []string) int {
	n := from.At(keys...)
	if n.Slot < 0 {
		n.Slot = plan.slots
		plan.slots++
	}
	return n.Slot
}

func (plan *dialectPlan) path(p rulebook.Path) pathPlan {
	var out pathPlan
	for _, a := range p {
		alt := altPlan{slot: plan.slotAt(plan.base, a.Keys), keys: a.Keys, rest: a.Rest, asked: a.Asked}
		for i := 1; i < len(a.Keys); i++ {
			alt.above = append(alt.above, plan.slotAt(plan.base, a.Keys[:i]))
		}
		out = append(out, alt)
	}
	return out
}

func (plan *dialectPlan) template(t rulebook.Template) templatePlan {
	out := make(templatePlan, len(t))
	for i, part := range t {
		out[i].literal, out[i].surrounding = part.Literal, part.Surrounding
		if part.Path != nil {
			out[i].path = plan.path(part.Path)
		}
	}
	return out
}

func (plan *dialectPlan) typePlan(ref *rulebook.TypeRef) *typePlan {
	t := &typePlan{ref: ref}
	for _, f := range ref.Facts {
		t.facts = append(t.facts, factPlan{fact: f.Fact, path: plan.path(f.Path), always: f.Always})
	}
	for _, r := range ref.Refs {
		t.refs = append(t.refs, refPlan{r.Relation, plan.path(r.Path)})
	}
	if ref.Part != nil && ref.Part.By != nil {
		t.by = plan.path(ref.Part.By)
	}
	if id := ref.Identity; id != nil && ref.Part == nil {
		t.id, t.name = plan.template(id.ID), plan.template(id.Name)
		t.region, t.account = plan.template(id.Region), plan.template(id.Account)
		for _, a := range id.Aliases {
			t.aliases = append(t.aliases, plan.template(a))
		}
	}
	return t
}
