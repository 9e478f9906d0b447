package demarc

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// DeclarationKind says what a Declaration declares.
type DeclarationKind string

// The kinds of declaration.
const (
	Acceptance  DeclarationKind = "acceptance"  // a team has taken the duties
	Attestation DeclarationKind = "attestation" // a person says that they are done
	Exception   DeclarationKind = "exception"   // the failure of a check is accepted for a time
	TeamWork    DeclarationKind = "assignment"  // the duties are a team's to do
)

// DeclarationKinds lists every kind.
var DeclarationKinds = []DeclarationKind{Acceptance, Attestation, Exception, TeamWork}

// Declaration is an acceptance, attestation, exception or assignment that is recorded in a store. Acceptances count at once, the others
// from the next scan on, beside what the estate declares; an assignment goes before the teams of the estate, the newest first.
type Declaration struct {
	ID       string          `json:"id"` // given by the store
	Kind     DeclarationKind `json:"kind"`
	Scope    Filter          `json:"-"`                // which resources, as Where can say it; with teams, only the duties that one of them does
	Duties   []string        `json:"duties,omitempty"` // ids or globs; of an acceptance or assignment none means all
	Check    string          `json:"check,omitempty"`  // of an exception
	Team     string          `json:"team,omitempty"`   // that has accepted, or is assigned; the owner of an exception; who may take it back
	By       string          `json:"by"`               // who says so
	On       time.Time       `json:"on"`               // a day
	Until    time.Time       `json:"until,omitzero"`   // the last day; zero is open, but not of an exception
	Text     string          `json:"text,omitempty"`   // evidence, reason or note
	Recorded time.Time       `json:"recorded"`         // by the store
	// Withdrawn is when it was taken back; zero while it stands.
	Withdrawn   time.Time `json:"withdrawn,omitzero"`
	WithdrawnBy string    `json:"withdrawn_by,omitempty"`
}

// Validate returns everything that is wrong with d.
func (d *Declaration) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if _, err := d.Where(); err != nil {
		faults = append(faults, err)
	}
	if d.Kind == Acceptance && len(d.Scope.Teams) > 0 {
		fault("an acceptance is of what its team does: its scope asks for no team")
	}
	for _, glob := range d.Duties {
		if !slices.ContainsFunc(Duties, func(id DutyID) bool { return MatchDuty(glob, id) }) {
			fault("there is no duty %q", glob)
		}
	}
	if d.By == "" {
		fault("it must say who says so")
	}
	if d.On.IsZero() {
		fault("it must say on which day")
	}
	if !d.Until.IsZero() && d.Until.Before(d.On) {
		fault("it ends on %s, before it begins on %s", d.Until.Format(time.DateOnly), d.On.Format(time.DateOnly))
	}
	switch d.Kind {
	case Acceptance:
		if d.Team == "" {
			fault("an acceptance must say which team accepts")
		}
	case TeamWork:
		if d.Team == "" {
			fault("an assignment must say to which team")
		}
	case Attestation:
		if len(d.Duties) == 0 {
			fault("an attestation must say of which duty")
		}
	case Exception:
		if d.Check == "" {
			fault("an exception must say of which check")
		}
		if d.Until.IsZero() {
			fault("an exception needs a last day")
		}
		if d.Text == "" {
			fault("an exception needs a reason")
		}
		if d.Team == "" {
			fault("an exception needs an owner")
		}
	default:
		fault("unknown kind %q", d.Kind)
	}
	return errors.Join(faults...)
}

// Covers reports whether d is about a duty.
func (d *Declaration) Covers(id DutyID) bool {
	return len(d.Duties) == 0 || slices.ContainsFunc(d.Duties, func(glob string) bool { return MatchDuty(glob, id) })
}

// Where returns which resources d is about, as the where of an estate; the teams of its scope are left out.
func (d *Declaration) Where() (string, error) {
	f := d.Scope
	f.Teams = nil
	return f.Where()
}

// Bind keeps d to the duties that its team does, also those that a later scan finds, unless the actor may declare for
// everybody. What no team does may be assigned too. An acceptance is bound anyway.
func (d *Declaration) Bind(actor Actor) {
	if d.Kind == Acceptance || actor.May(RightAdminister, "") {
		return
	}
	d.Scope.Teams = []string{d.Team}
	if d.Kind == TeamWork {
		d.Scope.Teams = append(d.Scope.Teams, "")
	}
}

// Reach is what d is about: the duties of the resources of its scope.
func (d *Declaration) Reach() Filter {
	f := d.Scope
	f.Duties = d.Duties
	if d.Check != "" {
		f.Checks = []string{d.Check}
	}
	return f
}

// Beyond names the teams whose duties d would settle though the actor may not declare for them, given what the latest scan counts of
// the Reach of d by team. What no team does may be assigned by who may declare for the team; the rest is an administrator's. An
// acceptance is only ever of what its team does.
func (d *Declaration) Beyond(actor Actor, byTeam []Group) []string {
	var out []string
	if d.Kind == Acceptance || actor.May(RightAdminister, "") {
		return nil
	}
	for i := range byTeam {
		switch team := byTeam[i].Value; {
		case byTeam[i].Yours.Total == 0 || team != "" && actor.May(RightDeclare, team) || team == "" && d.Kind == TeamWork:
		case team == "":
			out = append(out, "no team")
		default:
			out = append(out, "team "+team)
		}
	}
	return out
}

// InForce reports whether d counts on a day; the last day counts.
func (d *Declaration) InForce(on time.Time) bool {
	return d.Withdrawn.IsZero() && !on.Before(d.On) && (d.Until.IsZero() || on.Before(d.Until.AddDate(0, 0, 1)))
}

// AuditEntry is one change that somebody made. Entries are only ever added. Each holds the hash of the one before it, so
// that a change of an old one shows.
type AuditEntry struct {
	Sequence     int64     `json:"sequence"` // from 1, without a hole
	At           time.Time `json:"at"`
	Organization string    `json:"organization"`
	Actor        string    `json:"actor"`
	Action       string    `json:"action"`           // "scan", "accept", "withdraw", "prune"
	Subject      string    `json:"subject"`          // what it was done to
	Detail       string    `json:"detail,omitempty"` // JSON
	Hash         string    `json:"hash"`             // SHA-256 of the hash before it and of all the above, in hex
}
