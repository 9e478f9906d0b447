package demarc

import "slices"

// Exposure says whether the internet reaches a resource, as far as the checks of its duty network.exposure tell.
type Exposure string

// The exposures.
const (
	Exposed         Exposure = "exposed" // a check fails, or a finding says so; an exception does not change that
	Closed          Exposure = "closed"  // proven, or attested
	ExposureUnknown Exposure = "unknown" // nobody has looked, or could tell
	NothingToReach  Exposure = "none"    // the duty does not apply
)

// Exposures lists every exposure, the worst first.
var Exposures = []Exposure{Exposed, ExposureUnknown, Closed, NothingToReach}

// ExposureDuty is the duty whose checks tell the exposure of a resource.
const ExposureDuty DutyID = "network.exposure"

// Exposure returns the exposure of a resource from the answer for its ExposureDuty.
func (d *DutyAnswer) Exposure() Exposure {
	switch {
	case d.Holder == NotApplicable:
		return NothingToReach
	case d.State == Failing || slices.ContainsFunc(d.Checks, func(c CheckOutcome) bool { return c.Result == CheckFail }):
		return Exposed
	case d.State == Met || d.State == Attested:
		return Closed
	default:
		return ExposureUnknown
	}
}

// Exposure returns the exposure of a resource from all its answers.
func (s *Standing) Exposure() Exposure {
	d := s.Duty(DutyIndex(ExposureDuty))
	return d.Exposure()
}
