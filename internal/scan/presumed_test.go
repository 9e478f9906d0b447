package scan_test

import (
	"slices"
	"testing"

	"github.com/demarc/demarc"
)

// An answer rests on what is presumed only where another value of that would change it: a database whose subnet is on an
// Outpost stands with the customer, whatever else would say so.
func TestPresumptionThatDoesNotMatter(t *testing.T) {
	database := func(subnet map[string]any) *demarc.Answer {
		document := map[string]any{"DBInstances": []any{map[string]any{
			"DBInstanceIdentifier": "a", "DBInstanceArn": "arn:aws:rds:eu-west-1:111122223333:db:a", "Engine": "mysql",
			"DBSubnetGroup": map[string]any{"VpcId": "vpc-0a1", "Subnets": []any{subnet}},
		}}}
		answers := answersOf(t, document)
		return answers[slices.IndexFunc(answers, func(a *demarc.Answer) bool { return a.Resource.Service == "aws/rds" })]
	}
	access := demarc.DutyIndex("facility.access")
	on := database(map[string]any{"SubnetIdentifier": "subnet-0a1", "SubnetOutpost": map[string]any{"Arn": "arn:aws:outposts:eu-west-1:111122223333:outpost/op-0a1"}})
	if got := on.Assignments[access]; got.Holder != demarc.HeldByCustomer || got.Assumed {
		t.Errorf("on an Outpost: facility.access is %s, assumed %v because of %v; want the customer, for certain", got.Holder, got.Assumed, got.Missing)
	}
	off := database(map[string]any{"SubnetIdentifier": "subnet-0a1"})
	if got := off.Assignments[access]; got.Holder != demarc.HeldByProvider || !got.Assumed {
		t.Errorf("in a subnet that names none: facility.access is %s, assumed %v; want the provider, as presumed", got.Holder, got.Assumed)
	}
}
