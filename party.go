package demarc

import "fmt"

// Role is the part that a party plays for a resource.
type Role uint8

// The roles. Site holds the building, Host owns the machines, Operator runs the platform, Supplier publishes
// the software or image, Tenant is the customer.
const (
	Site Role = iota
	Host
	Operator
	Supplier
	Tenant
	NumRoles = 5
)

var roleNames = [NumRoles]string{"site", "host", "operator", "supplier", "tenant"}

func (r Role) String() string { return roleNames[r] }

// MarshalText writes the role's name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a role's name.
func (r *Role) UnmarshalText(text []byte) error {
	v, ok := ParseRole(string(text))
	if !ok {
		return fmt.Errorf("unknown role %q", text)
	}
	*r = v
	return nil
}

// ParseRole returns the role of that name, or false.
func ParseRole(s string) (Role, bool) {
	for i, n := range roleNames {
		if n == s {
			return Role(i), true
		}
	}
	return 0, false
}

// RoleSet is a set of roles, one bit each. The empty set holds a duty that does not apply.
type RoleSet uint8

// Has reports whether r is in the set.
func (s RoleSet) Has(r Role) bool { return s&(1<<r) != 0 }

// With returns the set with r in it.
func (s RoleSet) With(r Role) RoleSet { return s | 1<<r }

// TenantShare orders sets by how much they leave with the tenant: 2 the tenant alone, 1 the tenant with
// somebody else, 0 others or nobody.
func (s RoleSet) TenantShare() int {
	switch {
	case s == RoleSet(0).With(Tenant):
		return 2
	case s.Has(Tenant):
		return 1
	default:
		return 0
	}
}

// Party is somebody who plays a role: "aws", "platform9", "self".
type Party string

// Self is the organization itself; Nobody says openly that a role is not filled.
const (
	Self   Party = "self"
	Nobody Party = "nobody"
)

// PartyKind says what a party is to the organization.
type PartyKind string

// The kinds of party. Parties of kind provider read "provider" in holders, msp and vendor read "third-party".
const (
	KindProvider PartyKind = "provider"
	KindMSP      PartyKind = "msp"
	KindVendor   PartyKind = "vendor"
	KindSelf     PartyKind = "self"
	KindNobody   PartyKind = "nobody"
)

// Holder is the answer to "who holds this duty" in one word.
type Holder string

// The holders. Shared means that the tenant has a part and somebody else has one.
const (
	HeldByProvider   Holder = "provider"
	HeldByCustomer   Holder = "customer"
	HeldShared       Holder = "shared"
	HeldByThirdParty Holder = "third-party"
	Unowned          Holder = "unowned"
	NotApplicable    Holder = "not-applicable"
)

// Holders lists every holder, in the order of tables.
var Holders = []Holder{HeldByProvider, HeldShared, HeldByCustomer, HeldByThirdParty, Unowned, NotApplicable}

// HolderOf says in one word who holds a duty whose parts are held by parties of these kinds.
// No kind at all is a duty that does not apply.
func HolderOf(kinds []PartyKind) Holder {
	var self, provider, third, nobody bool
	for _, k := range kinds {
		switch k {
		case KindSelf:
			self = true
		case KindProvider:
			provider = true
		case KindMSP, KindVendor:
			third = true
		case KindNobody:
			nobody = true
		}
	}
	switch {
	case self && (provider || third):
		return HeldShared
	case self:
		return HeldByCustomer
	case third:
		return HeldByThirdParty
	case provider:
		return HeldByProvider
	case nobody:
		return Unowned
	default:
		return NotApplicable
	}
}
