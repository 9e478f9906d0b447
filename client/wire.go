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
	Kind   demarc.DeclarationKind `json:"kind" enum:"acceptance,attestation,exception,assignment"`
	Scope  string                 `json:"scope" maxLength:"16384" doc:"Which resources, as the query string of a filter."`
	Duties []string               `json:"duties,omitempty" maxItems:"100" doc:"Ids or globs; of an acceptance or assignment none means all."`
	Check  string                 `json:"check,omitempty" doc:"Of an exception."`
	Team   string                 `json:"team,omitempty" doc:"That accepts, or is assigned; of an exception its owner. Who is no administrator must name one of their own."`
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

// ServiceEntry is a service of the catalog in a list.
type ServiceEntry struct {
	ID         demarc.ServiceID `json:"id"`
	Title      string           `json:"title"`
	Provider   string           `json:"provider"`
	Model      string           `json:"model"`
	Archetype  string           `json:"archetype"`
	LineCount  int              `json:"line_count"`
	CheckCount int              `json:"check_count"`
}

// Service is everything that the catalog knows of one kind of resource.
type Service struct {
	ServiceEntry
	About  string         `json:"about,omitempty"`
	Types  []ServiceType  `json:"types"`
	Duties []ServiceDuty  `json:"duties"`
	Lines  []ServiceLine  `json:"lines" doc:"In the order in which they are asked."`
	Checks []ServiceCheck `json:"checks"`
	Facts  []ServiceFact  `json:"facts"`
}

// ServiceType is a type of document.
type ServiceType struct {
	Dialect demarc.Dialect `json:"dialect"`
	Name    string         `json:"name"`
}

// ServiceDuty says who holds a duty before any setting moves it.
type ServiceDuty struct {
	ID      demarc.DutyID `json:"id"`
	Holder  demarc.Holder `json:"holder"`
	Parts   []demarc.Part `json:"parts,omitempty" doc:"By role, with what it does."`
	Why     string        `json:"why,omitempty" doc:"Why it does not apply."`
	Movers  []string      `json:"movers,omitempty" doc:"The lines that move it."`
	URL     string        `json:"url,omitempty"`
	Section string        `json:"section,omitempty"`
}

// ServiceLine is a rule on facts that moves duties.
type ServiceLine struct {
	ID      string   `json:"id"`
	When    string   `json:"when"`
	Because string   `json:"because"`
	Moves   []string `json:"moves"`
	URL     string   `json:"url,omitempty"`
	Section string   `json:"section,omitempty"`
}

// ServiceCheck is a test on facts.
type ServiceCheck struct {
	ID       string          `json:"id"`
	Title    string          `json:"title"`
	Duty     demarc.DutyID   `json:"duty"`
	Severity demarc.Severity `json:"severity"`
	Pass     string          `json:"pass"`
	Proves   bool            `json:"proves"`
	Fix      string          `json:"fix,omitempty"`
	// How to mend it at a command line and in Terraform, and the page that the check rests on.
	CLI       string `json:"fix_cli,omitempty"`
	Terraform string `json:"fix_terraform,omitempty"`
	URL       string `json:"url,omitempty"`
	Section   string `json:"section,omitempty"`
}

// ServiceFact is a setting that is read.
type ServiceFact struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	About    string   `json:"about"`
	Settable bool     `json:"settable" doc:"What-if can try another value."`
	Options  []string `json:"options,omitempty" doc:"The values that it may have; any of its type where there are none."`
	Lines    []string `json:"lines,omitempty" doc:"The lines that read it."`
}

// Framework is a framework, with the duties that have a place in each of its controls.
type Framework struct {
	ID       string                     `json:"id"`
	Title    string                     `json:"title"`
	Controls map[string][]demarc.DutyID `json:"controls"`
}

// FrameworkStanding is how the duties of each control of a framework stand.
type FrameworkStanding struct {
	ID       string            `json:"id"`
	Title    string            `json:"title"`
	Controls []ControlStanding `json:"controls"`
}

// ControlStanding is a control, and what each of its duties comes to. The value of a group is the duty.
type ControlStanding struct {
	ID     string         `json:"id"`
	Duties []demarc.Group `json:"duties"`
}

// WhatIf is what another setting would change of a resource.
type WhatIf struct {
	Setting string         `json:"setting"`
	Value   string         `json:"value"`
	Changes []WhatIfChange `json:"changes"`
	Checks  []WhatIfCheck  `json:"checks" doc:"Those that would come to something else."`
}

// WhatIfCheck is a check that would come to something else.
type WhatIfCheck struct {
	ID    string             `json:"id"`
	Is    demarc.CheckResult `json:"is"`
	Would demarc.CheckResult `json:"would"`
}

// WhatIfChange is a duty that would be held or done otherwise.
type WhatIfChange struct {
	Duty    demarc.DutyID      `json:"duty"`
	Is      *demarc.Assignment `json:"is"`
	IsState demarc.State       `json:"is_state"`
	Would   *demarc.Assignment `json:"would"`
	State   demarc.State       `json:"would_state"`
}
