package demarc

import "time"

// Part is what one party does for a duty.
type Part struct {
	Party Party  `json:"party"`
	Role  Role   `json:"role"`
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
	Kind    BasisKind `json:"kind"`
	ID      string    `json:"id"`
	Because string    `json:"because"`
	URL     string    `json:"url,omitempty"`
	Section string    `json:"section,omitempty"`
	Read    time.Time `json:"read,omitzero"` // the day on which the page was read; zero for what the estate declares
}

// String is the basis as "kind:id".
func (b Basis) String() string { return string(b.Kind) + ":" + b.ID }

// Assignment is the answer for one duty of one resource: the holders, each one's part, and the basis.
// It is shared by all resources whose answers are the same, and must not be changed.
type Assignment struct {
	Duty    DutyID   `json:"duty"`
	Holder  Holder   `json:"holder"`
	Roles   RoleSet  `json:"-"`
	Parties []Party  `json:"parties,omitempty"` // in the order of roles, each once
	Parts   []Part   `json:"parts,omitempty"`
	Why     string   `json:"why,omitempty"` // why the duty does not apply
	Basis   []Basis  `json:"basis,omitempty"`
	Reads   []string `json:"reads,omitempty"` // the facts that decided, by name
	Assumed bool     `json:"assumed,omitempty"`
	Missing []string `json:"missing,omitempty"` // the facts that would settle an assumed answer
	Engaged Party    `json:"engaged,omitempty"` // who has taken the tenant's part by an engagement in force; "" for nobody
	Lapsed  Party    `json:"lapsed,omitempty"`  // whose engagement for the tenant's part has ended without another; "" for nobody
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
	State       State          `json:"state"`
	Counterpart State          `json:"counterpart,omitempty"` // the other's, where a duty is shared; "" otherwise
	Checks      []CheckOutcome `json:"checks,omitempty"`
	Missing     []string       `json:"missing,omitempty"`     // of a blind duty: the facts that nobody could read
	Excepted    []string       `json:"excepted,omitempty"`    // ids of the exceptions that cover a failure
	Attestation string         `json:"attestation,omitempty"` // id of the attestation in force
	Assurance   string         `json:"assurance,omitempty"`   // id of the assurance in force
	Evidence    []string       `json:"evidence,omitempty"`    // ids of imported evidence
}

// CheckOutcome is one check and its result.
type CheckOutcome struct {
	ID       string      `json:"id"`
	Result   CheckResult `json:"result"`
	Severity Severity    `json:"severity"`
	Missing  []string    `json:"missing,omitempty"`
}
