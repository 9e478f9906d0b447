package client

import "github.com/demarc/demarc"

// Answer is everything that is known of one resource at one scan.
type Answer struct {
	demarc.StoredResource
	Scan   demarc.Scan           `json:"scan"`
	Inside bool                  `json:"inside,omitempty" doc:"The guest.* duties count at a more specific resource."`
	Duties []Duty                `json:"duties" doc:"One for each duty, in the order of the stack."`
	Checks []demarc.CheckOutcome `json:"checks"`
	Facts  []NamedFact           `json:"facts"`
}

// Duty is the answer for one duty.
type Duty struct {
	Assignment *demarc.Assignment `json:"assignment"`
	Verdict    *demarc.Verdict    `json:"verdict"`
	Gap        demarc.Gap         `json:"gap,omitempty"`
	Severity   *demarc.Severity   `json:"severity,omitempty" doc:"Of the gap."`
	Because    []NamedFact        `json:"because,omitempty" doc:"The settings that decided."`
	Believed   demarc.Holder      `json:"believed,omitempty" doc:"Whom the organization believes to hold what is its own."`
	Assumption string             `json:"assumption,omitempty" doc:"The id of that belief."`
	Team       string             `json:"team,omitempty" doc:"Who does the organization's part."`
	Teamless   bool               `json:"teamless,omitempty" doc:"Teams are declared, and none of them does it."`
	Unaccepted bool               `json:"unaccepted,omitempty" doc:"Its team has not accepted it, or has to again."`
}

// NamedFact is one setting as it may be shown: what is sensitive is only "set".
type NamedFact struct {
	Name   string        `json:"name"`
	Value  demarc.Value  `json:"value"`
	Origin demarc.Origin `json:"origin" doc:"How it came to be known, or why it is not."`
}

// Declaration is an acceptance, attestation or exception.
type Declaration struct {
	demarc.Declaration
	Scope string `json:"scope" doc:"Which resources, as the query string of a filter: service=aws/rds&tag=team=payments."`
}

// NewDeclaration is a declaration that is about to be made. Who makes it is who asks.
type NewDeclaration struct {
	Kind   demarc.DeclarationKind `json:"kind" enum:"acceptance,attestation,exception"`
	Scope  string                 `json:"scope" maxLength:"16384" doc:"Which resources, as the query string of a filter."`
	Duties []string               `json:"duties,omitempty" maxItems:"100" doc:"Ids or globs; of an acceptance none means all."`
	Check  string                 `json:"check,omitempty" doc:"Of an exception."`
	Team   string                 `json:"team,omitempty" doc:"That accepts; of an exception its owner."`
	On     string                 `json:"on,omitempty" format:"date" doc:"The first day; today where it is left out."`
	Until  string                 `json:"until,omitempty" format:"date" doc:"The last day; an exception needs one."`
	Text   string                 `json:"text,omitempty" maxLength:"8192" doc:"Evidence, reason or note."`
}

// Me is who asks, and what they may do.
type Me struct {
	Name       string `json:"name"`
	Read       bool   `json:"read"`
	Declare    bool   `json:"declare" doc:"For some team or for all."`
	Administer bool   `json:"administer"`
}

// NewToken is a token that is about to be made.
type NewToken struct {
	Name  string            `json:"name" minLength:"1" maxLength:"200" doc:"What it is for."`
	Role  demarc.AccessRole `json:"role" enum:"viewer,owner,admin"`
	Teams []string          `json:"teams,omitempty" maxItems:"100" doc:"Of an owner."`
	Days  int               `json:"days" minimum:"1" maximum:"366" doc:"How long it is good."`
}

// MadeToken is a token with its secret, which is shown this once.
type MadeToken struct {
	demarc.Token
	Secret string `json:"secret"`
}
