package demarc

import "time"

// Part is what one party does for a duty.
type Part struct {
	Party Party  `json:"party"`
	Role  Role   `json:"-"`
	Text  string `json:"text"`
}

// BasisKind says what kind of step an answer rests on.
type BasisKind string

// The kinds of basis, in the order in which they act.
const (
	BasisArchetype  BasisKind = "archetype"
	BasisService    BasisKind = "service"
	BasisLine       BasisKind = "line"
	BasisNodes      BasisKind = "nodes"
	BasisBinding    BasisKind = "binding"
	BasisEngagement BasisKind = "engagement"
)

// Basis is one step that changed an answer: what decided, and where it says so.
type Basis struct {
	Kind    BasisKind
	ID      string
	Because string
	URL     string
	Section string
	Read    time.Time // the day on which the page was read; zero for what the estate declares
}

// String is the basis as "kind:id".
func (b Basis) String() string { return string(b.Kind) + ":" + b.ID }

// Assignment is the answer for one duty of one resource: the holders, each one's part, and the basis.
// It is shared by all resources whose answers are the same, and must not be changed.
type Assignment struct {
	Duty    DutyID
	Holder  Holder
	Roles   RoleSet
	Parties []Party // in the order of roles, each once
	Parts   []Part
	Why     string // why the duty does not apply
	Basis   []Basis
	Reads   []string // the facts that decided, by name
	Assumed bool
	Missing []string // the facts that would settle an assumed answer
	Engaged Party    // who has taken the tenant's part by an engagement in force; "" for nobody
	Lapsed  Party    // whose engagement for the tenant's part has ended without another; "" for nobody
}

// Tenant reports whether the organization itself has a part in the duty.
func (a *Assignment) Tenant() bool { return a.Holder == HeldByCustomer || a.Holder == HeldShared }

// State says whether a holder's part of a duty is done.
type State string

// The states. The first that applies of failing, excepted, lapsed, blind, delegated, met, attested, unverified
// is the tenant's; assured and unassured are those of others; unowned is nobody's.
const (
	Met         State = "met"
	Failing     State = "failing"
	Attested    State = "attested"
	Excepted    State = "excepted"
	Unverified  State = "unverified"
	Blind       State = "blind"
	Assured     State = "assured"
	Unassured   State = "unassured"
	Delegated   State = "delegated"
	Lapsed      State = "lapsed"
	NobodysDuty State = "unowned"
	NoState     State = "not-applicable"
)

// States lists every state, in the order of tables.
var States = []State{Met, Attested, Excepted, Delegated, Failing, Lapsed, Blind, Unverified, Assured, Unassured, NobodysDuty, NoState}

// CheckResult is what a check came to for one resource.
type CheckResult string

// The results of a check.
const (
	CheckPass          CheckResult = "pass"
	CheckFail          CheckResult = "fail"
	CheckUnknown       CheckResult = "unknown"
	CheckNotApplicable CheckResult = "not-applicable"
)

// Verdict is the state of one duty of one resource, and what it rests on.
type Verdict struct {
	State       State
	Counterpart State // the other's, where a duty is shared; "" otherwise
	Checks      []CheckOutcome
	Missing     []string // of a blind duty: the facts that nobody could read
	Excepted    []string // ids of the exceptions that cover a failure
	Attestation string   // id of the attestation in force
	Assurance   string   // id of the assurance in force
	Evidence    []string // ids of imported evidence
}

// CheckOutcome is one check and its result.
type CheckOutcome struct {
	ID       string
	Result   CheckResult
	Severity Severity
	Missing  []string
}

// Move is a duty of a resource whose holder changed.
type Move struct {
	Resource Resource
	Duty     DutyID
	From, To *Assignment
	Because  []Change
}

// Change is a fact that is not what it was.
type Change struct {
	Fact     string
	Old, New Fact
}
