package demarc

import "testing"

// An exception covers a failure and closes nothing; a pass that proves nothing leaves the exposure unknown.
func TestExposure(t *testing.T) {
	for _, c := range []struct {
		holder Holder
		state  State
		check  CheckResult
		want   Exposure
	}{
		{HeldByCustomer, Failing, CheckFail, Exposed},
		{HeldByCustomer, Excepted, CheckFail, Exposed},
		{HeldByCustomer, Met, CheckPass, Closed},
		{HeldByCustomer, Attested, CheckUnknown, Closed},
		{HeldByCustomer, Unverified, CheckPass, ExposureUnknown},
		{HeldByCustomer, Blind, CheckUnknown, ExposureUnknown},
		{NotApplicable, NoState, CheckUnknown, NothingToReach},
	} {
		d := DutyAnswer{Assignment: &Assignment{Duty: ExposureDuty, Holder: c.holder}, Verdict: &Verdict{State: c.state, Checks: []CheckOutcome{{ID: "aws/rds/public-access", Result: c.check}}}}
		if got := d.Exposure(); got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.state, c.check, got, c.want)
		}
	}
}
