package demarc

import "time"

// Declared is what an organization had declared of itself when a scan was made: its demarc.yaml, for people to read.
// Conditions are as they are written there; "" is everything.
type Declared struct {
	Parties      []DeclaredParty       `json:"parties"`
	Bindings     []DeclaredBinding     `json:"bindings"`
	Engagements  []DeclaredEngagement  `json:"engagements"`
	Assumptions  []DeclaredAssumption  `json:"assumptions"`
	Teams        []DeclaredTeam        `json:"teams"`
	Attestations []DeclaredAttestation `json:"attestations"`
	Assurances   []DeclaredAssurance   `json:"assurances"`
	Exceptions   []DeclaredException   `json:"exceptions"`
}

// DeclaredParty is somebody besides the providers that the catalog knows.
type DeclaredParty struct {
	ID    Party     `json:"id"`
	Title string    `json:"title"`
	Kind  PartyKind `json:"kind"`
}

// DeclaredBinding says who plays which roles, and where.
type DeclaredBinding struct {
	ID    string `json:"id"`
	Where string `json:"where"`
	Roles []Part `json:"roles,omitempty"` // role and party; no text
}

// DeclaredEngagement is a contract.
type DeclaredEngagement struct {
	ID       string    `json:"id"`
	Where    string    `json:"where"`
	Party    Party     `json:"party"`
	Takes    []string  `json:"takes,omitempty"`
	Excludes []string  `json:"excludes,omitempty"`
	From     time.Time `json:"from,omitzero"`  // days; zero is open
	Until    time.Time `json:"until,omitzero"` // days; zero is open
	Contract string    `json:"contract,omitempty"`
}

// DeclaredAssumption is a belief.
type DeclaredAssumption struct {
	ID     string `json:"id"`
	Where  string `json:"where"`
	Duty   string `json:"duty"`
	Holder Holder `json:"holder"`
}

// DeclaredTeam says what a team does.
type DeclaredTeam struct {
	ID     string   `json:"id"`
	Team   string   `json:"team"`
	Where  string   `json:"where"`
	Duties []string `json:"duties,omitempty"`
}

// DeclaredAttestation is a person's word.
type DeclaredAttestation struct {
	ID       string    `json:"id"`
	Duty     string    `json:"duty"`
	Where    string    `json:"where"`
	By       string    `json:"by,omitempty"`
	Evidence string    `json:"evidence,omitempty"`
	On       time.Time `json:"on,omitzero"`
	Until    time.Time `json:"until,omitzero"`
}

// DeclaredAssurance is an audit report.
type DeclaredAssurance struct {
	ID       string    `json:"id"`
	Party    Party     `json:"party"`
	Report   string    `json:"report,omitempty"`
	Services []string  `json:"services,omitempty"`
	Regions  []string  `json:"regions,omitempty"`
	Until    time.Time `json:"until,omitzero"`
}

// DeclaredException is a failure that is accepted for a time.
type DeclaredException struct {
	ID     string    `json:"id"`
	Check  string    `json:"check"`
	Where  string    `json:"where"`
	Reason string    `json:"reason,omitempty"`
	Owner  string    `json:"owner,omitempty"`
	Until  time.Time `json:"until,omitzero"`
}
