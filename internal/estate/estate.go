// Package estate reads what an organization declares about itself.
//
// That is one file, demarc.yaml, of which every part is optional:
//
//	organization: Northwind
//	sources:      [{name: dc1, path: exports/dc1, provider: openstack}]
//	parties:      {platform9: {title: Platform9 Systems, kind: msp}}
//	bindings:     [{where: provider == 'openstack' && source == 'dc1', host: self, operator: platform9}]
//	engagements:  [{party: nightwatch, where: provider == 'aws', takes: [operations.*], from: 2026-01-01, until: 2026-12-31}]
//	assumptions:  [{where: service == 'aws/rds', duty: resilience.backup-configuration, holder: provider}]
//	teams:        [{team: payments, where: tags.team == 'payments', duties: [application.*]}]
//	attestations: [{duty: resilience.restore-testing, by: Ada, on: 2026-10-01, until: 2027-04-01}]
//	assurances:   [{party: aws, report: SOC 2 Type II, until: 2027-03-31}]
//	exceptions:   [{check: aws/rds/public-access, where: tags.team == 'web', reason: ..., owner: ..., until: 2027-01-31}]
//
// A where is a condition of package rule; an entry without one is about everything. A duty is an id, or a prefix of
// ids and a star. Dates are days, yyyy-mm-dd, and the last day counts. Assumptions can come from a CSV file as well.
package estate

import (
	"slices"
	"strings"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
	"github.com/demarc/demarc/internal/strictyaml"
)

// Estate is what an organization declares. The zero Estate declares nothing.
type Estate struct {
	Organization string
	Sources      []Source
	Parties      map[demarc.Party]PartyInfo // those that the file declares
	Bindings     []Binding                  // the first that matches decides, for each role
	Engagements  []Engagement
	Assumptions  []Assumption
	Teams        []Team
	Attestations []Attestation
	Assurances   []Assurance
	Exceptions   []Exception
	Digest       string // SHA-256, in hex, of the content, whatever its layout and comments; empty for the zero Estate
}

// PartyInfo is a party that the organization declares.
type PartyInfo struct {
	Title string
	Kind  demarc.PartyKind // provider, msp or vendor
}

// Kind returns what p is to the organization, or false if the file does not declare it. Self and nobody always are.
func (e *Estate) Kind(p demarc.Party) (demarc.PartyKind, bool) {
	switch p {
	case demarc.Self:
		return demarc.KindSelf, true
	case demarc.Nobody:
		return demarc.KindNobody, true
	default:
		info, ok := e.Parties[p]
		return info.Kind, ok
	}
}

// Source is something to read documents from, and what is so of all that do not say it themselves.
type Source struct {
	Name     string
	Path     string // relative to the working directory, or absolute; empty if the source is no file
	Provider string
	Account  string
	Region   string
	Pos      strictyaml.Pos
}

// Binding says who plays some roles for the resources that it matches.
type Binding struct {
	ID    string
	Where *rule.Where
	Roles map[demarc.Role]demarc.Party
	Pos   strictyaml.Pos
}

// Engagement is a contract by which a party takes over the organization's part of some duties.
type Engagement struct {
	ID          string
	Party       demarc.Party // neither self nor nobody
	Where       *rule.Where
	Takes       []string  // duties, or globs
	Excludes    []string  // duties, or globs, that Takes would cover
	From, Until time.Time // days; zero is open
	Contract    string
	Pos         strictyaml.Pos
}

// Covers reports whether the engagement takes d.
func (e *Engagement) Covers(d demarc.DutyID) bool {
	return matchAny(e.Takes, d) && !matchAny(e.Excludes, d)
}

// InForce reports whether the contract runs on a day.
func (e *Engagement) InForce(on time.Time) bool { return inForce(e.From, e.Until, on) }

// Ended reports whether the contract has run out.
func (e *Engagement) Ended(on time.Time) bool { return ended(e.Until, on) }

// Assumption is what the organization believes about a duty. It changes no assignment.
type Assumption struct {
	ID     string
	Where  *rule.Where
	Duty   string // a duty, or a glob
	Holder demarc.Holder
	Pos    strictyaml.Pos
}

// Covers reports whether the assumption is about d.
func (a *Assumption) Covers(d demarc.DutyID) bool { return demarc.MatchDuty(a.Duty, d) }

// Team does the organization's part of some duties.
type Team struct {
	ID     string
	Team   string
	Where  *rule.Where
	Duties []string // duties, or globs; none means all
	Teams  []string // it takes over only what one of these would do, "" being none of them; none means all
	Pos    strictyaml.Pos
}

// Covers reports whether d is the team's.
func (t *Team) Covers(d demarc.DutyID) bool { return len(t.Duties) == 0 || matchAny(t.Duties, d) }

// Attestation is a person's word that a duty is done.
type Attestation struct {
	ID        string
	Duty      string // a duty, or a glob
	Where     *rule.Where
	By        string
	On, Until time.Time // days; a zero Until is open
	Evidence  string
	Teams     []string // only of what one of these teams does, "" being none of them; none means all
	Pos       strictyaml.Pos
}

// Covers reports whether the attestation is about d.
func (a *Attestation) Covers(d demarc.DutyID) bool { return demarc.MatchDuty(a.Duty, d) }

// InForce reports whether the attestation counts on a day.
func (a *Attestation) InForce(on time.Time) bool { return inForce(a.On, a.Until, on) }

// Assurance is an audit report about a party's part.
type Assurance struct {
	ID       string
	Party    demarc.Party
	Report   string
	Services []string  // service ids, or globs such as aws/*; none means all
	Regions  []string  // none means all
	Until    time.Time // a day; zero is open
	Pos      strictyaml.Pos
}

// Covers reports whether the report is about a service in a region. A resource that is in no region is in all.
func (a *Assurance) Covers(service demarc.ServiceID, region string) bool {
	inService := func(glob string) bool {
		prefix, all := strings.CutSuffix(glob, "*")
		return glob == string(service) || all && strings.HasPrefix(string(service), prefix)
	}
	return (len(a.Services) == 0 || slices.ContainsFunc(a.Services, inService)) &&
		(len(a.Regions) == 0 || region == "" || slices.Contains(a.Regions, region))
}

// InForce reports whether the report counts on a day.
func (a *Assurance) InForce(on time.Time) bool { return !ended(a.Until, on) }

// Exception is a failure that the organization accepts for a time.
type Exception struct {
	ID     string
	Check  string
	Where  *rule.Where
	Reason string
	Owner  string
	Until  time.Time // a day; never zero
	Teams  []string  // only where one of these teams does the duty, "" being none of them; none means all
	Pos    strictyaml.Pos
}

// InForce reports whether the exception counts on a day.
func (x *Exception) InForce(on time.Time) bool { return !ended(x.Until, on) }

// Among reports whether a team is one of some, which none are all of.
func Among(teams []string, team string) bool { return len(teams) == 0 || slices.Contains(teams, team) }

func matchAny(globs []string, d demarc.DutyID) bool {
	return slices.ContainsFunc(globs, func(glob string) bool { return demarc.MatchDuty(glob, d) })
}

// inForce reports whether on lies in the days from the first to the last; a zero day is open.
func inForce(from, until, on time.Time) bool { return !on.Before(from) && !ended(until, on) }

func ended(until, on time.Time) bool { return !until.IsZero() && !on.Before(until.AddDate(0, 0, 1)) }
