package demarc

import "strings"

// Layer is a floor of the stack, such as "guest" or "data".
type Layer string

// Layers lists the layers, from the ground up. The order is that of every table and picture.
var Layers = []Layer{
	"facility", "hardware", "host", "platform", "guest", "runtime", "application",
	"network", "identity", "data", "resilience", "operations", "endpoint", "governance",
}

// DutyID names one atomic security obligation, such as "guest.patching". The part before the dot is its layer.
type DutyID string

// Layer returns the layer of the duty.
func (d DutyID) Layer() Layer {
	layer, _, _ := strings.Cut(string(d), ".")
	return Layer(layer)
}

// Duties lists every duty, ordered by layer. The catalog describes each of them and no other; ids are never reused.
var Duties = []DutyID{
	"facility.access", "facility.environment",
	"hardware.lifecycle", "hardware.network", "hardware.firmware",
	"host.patching", "host.isolation", "host.durability",
	"platform.patching", "platform.upgrade", "platform.backup", "platform.addon-publication", "platform.addon-update",
	"guest.image-publication", "guest.patching", "guest.hardening", "guest.agent-patching", "guest.replacement", "guest.malware-protection",
	"runtime.patching", "runtime.engine-patching", "runtime.engine-upgrade", "runtime.base-image",
	"application.code", "application.dependencies", "application.delivery", "application.configuration",
	"network.fabric", "network.firewall", "network.exposure", "network.ddos", "network.waf", "network.encryption", "network.plugin",
	"identity.service", "identity.access-policy", "identity.accounts", "identity.in-service", "identity.provider-staff",
	"data.classification", "data.encryption-mechanism", "data.encryption-configuration", "data.key-custody", "data.sharing", "data.downloads",
	"resilience.backup-configuration", "resilience.backup-execution", "resilience.restore-testing",
	"operations.audit-logging", "operations.monitoring", "operations.incident-response", "operations.infrastructure-monitoring",
	"endpoint.devices",
	"governance.compliance", "governance.training", "governance.third-parties",
}

var dutyIndex = func() map[DutyID]int {
	m := make(map[DutyID]int, len(Duties))
	for i, d := range Duties {
		m[d] = i
	}
	return m
}()

// DutyIndex returns the place of d in Duties, or -1 if there is no such duty.
func DutyIndex(d DutyID) int {
	if i, ok := dutyIndex[d]; ok {
		return i
	}
	return -1
}

// MatchDuty reports whether d is matched by a duty id or by a glob such as "identity.*" or "*".
func MatchDuty(glob string, d DutyID) bool {
	if prefix, ok := strings.CutSuffix(glob, "*"); ok {
		return strings.HasPrefix(string(d), prefix)
	}
	return glob == string(d)
}

// DutySet is a set of duties by their place in Duties, a bit each.
type DutySet uint64

// Has reports whether the duty at i of Duties is in the set.
func (s DutySet) Has(i int) bool { return s>>i&1 != 0 }
