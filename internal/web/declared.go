package web

import (
	"time"

	"github.com/demarc/demarc"
)

// Declared is what an organization had declared of itself when a scan was made: its demarc.yaml, for people to read.
// Conditions are as they are written there; "" is everything.
type Declared struct {
	Parties      []DeclaredParty
	Bindings     []DeclaredBinding
	Engagements  []DeclaredEngagement
	Assumptions  []DeclaredAssumption
	Teams        []DeclaredTeam
	Attestations []DeclaredAttestation
	Assurances   []DeclaredAssurance
	Exceptions   []DeclaredException
}

// DeclaredParty is somebody besides the providers that the catalog knows.
type DeclaredParty struct {
	ID    demarc.Party
	Title string
	Kind  demarc.PartyKind
}

// DeclaredBinding says who plays which roles, and where.
type DeclaredBinding struct {
	ID, Where string
	Roles     []demarc.Part // role and party; no text
}

// DeclaredEngagement is a contract.
type DeclaredEngagement struct {
	ID, Where       string
	Party           demarc.Party
	Takes, Excludes []string
	From, Until     time.Time // days; zero is open
	Contract        string
}

// DeclaredAssumption is a belief.
type DeclaredAssumption struct {
	ID, Where, Duty string
	Holder          demarc.Holder
}

// DeclaredTeam says what a team does.
type DeclaredTeam struct {
	ID, Team, Where string
	Duties          []string
}

// DeclaredAttestation is a person's word.
type DeclaredAttestation struct {
	ID, Duty, Where, By, Evidence string
	On, Until                     time.Time
}

// DeclaredAssurance is an audit report.
type DeclaredAssurance struct {
	ID                string
	Party             demarc.Party
	Report            string
	Services, Regions []string
	Until             time.Time
}

// DeclaredException is a failure that is accepted for a time.
type DeclaredException struct {
	ID, Check, Where, Reason, Owner string
	Until                           time.Time
}

// Standing says how something with an end stands on a day: "ended", "ends soon" within 60 days, "not yet", or "in force".
func Standing(from, until, on time.Time) string {
	switch {
	case !until.IsZero() && !on.Before(until.AddDate(0, 0, 1)):
		return "ended"
	case on.Before(from):
		return "not yet"
	case !until.IsZero() && until.Sub(on) < 60*24*time.Hour:
		return "ends soon"
	default:
		return "in force"
	}
}
