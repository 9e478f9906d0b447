package file

import (
	"encoding/json"

	"github.com/demarc/demarc"
)

// prior makes of what a Terraform plan is read by what is read of it by a source that asks for what was there before: the
// before of each of its changes or, where it has none, its prior state.
func prior(p *plan) *plan {
	if p.refuse != "" || p.dialect != demarc.Terraform || p.members["resource_changes"].form != demarc.FormPlanChange {
		return &plan{refuse: noPlan}
	}
	own := *p
	own.members = map[string]member{
		"resource_changes": {form: demarc.FormPlanChange, each: true, prior: true},
		"prior_state":      {form: demarc.FormStateValues, prior: true},
		"configuration":    p.members["configuration"],
	}
	return &own
}

const noPlan = "expected a Terraform plan, as `terraform show -json` writes it, to compare with what was there before it; or name two things to compare"

// sameIdentity are the members by which a resource is found again. Where a plan does not know one, because it replaces
// the resource, it is left out of what was there before too, so that both are found by their address.
var sameIdentity = []string{"arn", "id", "self_link"}

// beforeChange returns the element of resource_changes that would leave a resource as it is before the plan; nil if there
// is none. Source: https://developer.hashicorp.com/terraform/internals/json-format, change representation, read 2026-11-29.
func beforeChange(raw []byte) []byte {
	var element, change, before, unknown map[string]json.RawMessage
	if json.Unmarshal(raw, &element) != nil || json.Unmarshal(element["change"], &change) != nil || json.Unmarshal(change["before"], &before) != nil || before == nil {
		return nil
	}
	left := map[string]json.RawMessage{}
	if json.Unmarshal(change["after_unknown"], &unknown) == nil {
		for _, name := range sameIdentity {
			if string(unknown[name]) == "true" {
				delete(before, name)
				left[name] = unknown[name]
			}
		}
	}
	own := map[string]any{"actions": []string{"no-op"}, "before": before, "after": before, "after_unknown": left}
	if mask := change["before_sensitive"]; mask != nil {
		own["before_sensitive"], own["after_sensitive"] = mask, mask
	}
	text, err := json.Marshal(own)
	if err != nil {
		return nil
	}
	element["change"] = text
	out, err := json.Marshal(element)
	if err != nil {
		return nil
	}
	return out
}
