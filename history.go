package demarc

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrNotFound says that a store does not have what was asked for: a scan, a resource, a declaration.
var ErrNotFound = errors.New("not found")

// ScanID numbers the scans of a store from 1, in the order in which they were finished. 0 stands for the latest.
type ScanID int64

// Scan is one finished reading of an estate, or of a part of it. What it shows is what was known when it was finished:
// a resource whose place it did not look at is carried over from before, and is stale.
type Scan struct {
	ID           ScanID         `json:"id"`
	Organization string         `json:"organization"` // "" for one that has no name
	Finished     time.Time      `json:"finished"`
	AsOf         time.Time      `json:"as_of"`
	Catalog      string         `json:"catalog"` // digest
	Estate       string         `json:"estate"`  // digest; "" for none
	Documents    int64          `json:"documents"`
	Incomplete   bool           `json:"incomplete"` // something could not be read
	Sources      []SourceStatus `json:"sources,omitempty"`

	Resources int `json:"resources"` // that it shows, the stale ones among them
	Stale     int `json:"stale"`
	Added     int `json:"added"`
	Changed   int `json:"changed"` // in identity, facts, holders or states
	Removed   int `json:"removed"`
	Moves     int `json:"moves"`    // duties that changed hands
	Opened    int `json:"opened"`   // findings of resources that were known before
	Resolved  int `json:"resolved"` // findings
}

// SourceStatus says how the reading of one source went.
type SourceStatus struct {
	Name      string `json:"name"`
	Complete  bool   `json:"complete"` // nothing of it was refused or denied, so that what it no longer has is gone
	Documents int64  `json:"documents,omitempty"`
	Resources int    `json:"resources"`
	Problems  int    `json:"problems"`          // that stood in the way
	Message   string `json:"message,omitempty"` // the first of them
}

// Moment is a scan and when it was.
type Moment struct {
	Scan ScanID    `json:"scan"`
	At   time.Time `json:"at"`
}

// At names a place in the history of an organization.
type At struct {
	Organization string // "" is a name too
	Scan         ScanID // 0 for the latest
}

// Organization is one whose history a store has.
type Organization struct {
	Name   string `json:"name"`
	Latest Scan   `json:"latest"`
	Scans  int    `json:"scans"`
}

// Cursor is where a page of a list ends; "" is the beginning. It holds for the list and the filter that it came from,
// and stays good when a new scan comes.
type Cursor string

// Page says which part of a list somebody wants.
type Page struct {
	After Cursor
	Limit int // 0 for DefaultLimit; at most MaxLimit
}

// The limits of a page.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
)

// Size returns how many items the page may have.
func (p Page) Size() int {
	if p.Limit <= 0 {
		return DefaultLimit
	}
	return min(p.Limit, MaxLimit)
}

// Paged is a part of a list.
type Paged[T any] struct {
	Items []T    `json:"items"`
	Next  Cursor `json:"next,omitempty"` // "" where this is the end
	Total int    `json:"total"`          // in the whole list
}

// Order is the order of a list.
type Order string

// The orders. By id is the order of everything else; worst first is by severity, then by id; oldest and newest are by
// when it was first seen.
const (
	OrderID     Order = "id"
	OrderWorst  Order = "worst"
	OrderOldest Order = "oldest"
	OrderNewest Order = "newest"
)

// StoredResource is a resource in a list: itself, and what its duties come to.
type StoredResource struct {
	Resource
	Archetype string         `json:"archetype"`
	FirstSeen Moment         `json:"first_seen"`
	Changed   Moment         `json:"changed"` // when it became what it is
	LastSeen  Moment         `json:"last_seen"`
	Stale     bool           `json:"stale,omitempty"`
	Gone      bool           `json:"gone,omitempty"` // a later scan looked at its place and did not find it
	Exposure  Exposure       `json:"exposure"`
	Worst     Severity       `json:"worst"`   // of its gaps; informational for none
	Gaps      map[Gap]int    `json:"gaps"`    // duties, by their worst gap
	Holders   map[Holder]int `json:"holders"` // duties that apply
}

// StoredAnswer is everything that a store knows of one resource at one scan.
type StoredAnswer struct {
	StoredResource
	Answer Answer `json:"-"` // from stored facts; values of sensitive ones are only "set"
	Scan   Scan   `json:"scan"`
}

// Version is a stretch of scans in which a resource stayed as it was.
type Version struct {
	From  Moment   `json:"from"`
	Until Moment   `json:"until,omitzero"` // the scan that found it changed or gone; zero for what is still so
	Gone  bool     `json:"gone,omitempty"`
	Facts []Change `json:"facts,omitempty"` // that are not what they were before
	Moves []Move   `json:"moves,omitempty"`
}

// Change is a fact that is not what it was. Values are as they may be shown: what is sensitive is only set.
type Change struct {
	Fact string `json:"fact"`
	Old  Fact   `json:"old"`
	New  Fact   `json:"new"`
}

// Cause says what made a duty change hands.
type Cause string

// The causes of a move. A setting goes before the others: where a deciding fact and the catalog changed together, the
// move says both, by CatalogChanged.
const (
	CauseSetting     Cause = "setting"     // a fact that decided is not what it was
	CauseDeclaration Cause = "declaration" // the estate says something else
	CauseCatalog     Cause = "catalog"     // the catalog does; nothing at the organization changed
	CauseTime        Cause = "time"        // a date has passed: an engagement began or ended
)

// Move is a duty of a resource that changed hands between two scans, or between two inputs.
type Move struct {
	ID             int64       `json:"id,omitempty"` // in a store
	Resource       Resource    `json:"resource"`
	Duty           DutyID      `json:"duty"`
	From           *Assignment `json:"from"`
	To             *Assignment `json:"to"`
	ToUs           bool        `json:"to_us"`             // the organization has more of it than before
	Because        []Change    `json:"because,omitempty"` // the deciding facts that changed
	Cause          Cause       `json:"cause"`
	CatalogChanged bool        `json:"catalog_changed,omitempty"`
	Team           string      `json:"team,omitempty"` // who does the organization's part now
	FirstSeen      Moment      `json:"first_seen"`
}

// MoveGroup is moves of one duty for the same reason, for all resources of a service.
type MoveGroup struct {
	Duty      DutyID       `json:"duty"`
	Service   ServiceID    `json:"service"`
	From      Holder       `json:"from"`
	To        Holder       `json:"to"`
	ToUs      bool         `json:"to_us"`
	Setting   string       `json:"setting,omitempty"` // "minor_upgrades: true → false"
	Because   string       `json:"because"`
	Rule      string       `json:"rule,omitempty"` // what made the difference: "line:minor-upgrades-off", or "no longer line:..."
	URL       string       `json:"source,omitempty"`
	Cause     Cause        `json:"cause"`
	Count     int          `json:"resources"`
	Examples  []ResourceID `json:"examples"`
	FirstSeen Moment       `json:"first_seen"` // the earliest
}

// Period is a stretch of time in a history. A zero end is open.
type Period struct{ Since, Until time.Time }

// ParseMoment reads a moment: a day as 2026-11-23, a time of RFC 3339, or how long before now, as 7d, 2w, 36h.
func ParseMoment(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if n := len(text) - 1; n > 0 {
		if count, err := strconv.Atoi(text[:n]); err == nil && count >= 0 && count < 100_000 {
			switch text[n] {
			case 'd':
				return now.AddDate(0, 0, -count), nil
			case 'w':
				return now.AddDate(0, 0, -7*count), nil
			case 'h':
				return now.Add(-time.Duration(count) * time.Hour), nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q: expected 7d, 2w, 36h, a day as 2026-11-23, or a time as 2026-11-23T09:00:00Z", text)
}

// FindingStatus says which findings somebody wants.
type FindingStatus string

// The statuses of findings.
const (
	FindingsOpen     FindingStatus = "open"
	FindingsResolved FindingStatus = "resolved"
	FindingsAll      FindingStatus = "all"
)

// Finding is a gap of one duty of one resource, with its history. A duty that is failing or blind has one for each
// check that makes it so.
type Finding struct {
	Resource  Resource `json:"resource"`
	Duty      DutyID   `json:"duty"`
	Gap       Gap      `json:"gap"`
	Check     string   `json:"check,omitempty"`
	Severity  Severity `json:"severity"`
	Holder    Holder   `json:"holder"`
	State     State    `json:"state"`
	Believed  Holder   `json:"believed,omitempty"`
	Missing   []string `json:"missing,omitempty"` // facts that nobody could read
	Because   string   `json:"because"`           // why the duty is held as it is
	Exposure  Exposure `json:"exposure"`          // of the resource
	Team      string   `json:"team,omitempty"`
	FirstSeen Moment   `json:"first_seen"`
	LastSeen  Moment   `json:"last_seen"`         // the last scan that looked and found it
	Resolved  Moment   `json:"resolved,omitzero"` // zero while it is open
	Stale     bool     `json:"stale,omitempty"`   // the last scan did not look, or could not tell any more
}

// Age returns how long the finding has been open at a time, or was until it was resolved.
func (f *Finding) Age(now time.Time) time.Duration {
	if !f.Resolved.At.IsZero() {
		now = f.Resolved.At
	}
	return now.Sub(f.FirstSeen.At)
}

// FindingGroup is findings of one kind, for all resources of a service.
type FindingGroup struct {
	Gap      Gap          `json:"gap"`
	Severity Severity     `json:"severity"`
	Duty     DutyID       `json:"duty"`
	Service  ServiceID    `json:"service"`
	Check    string       `json:"check,omitempty"`
	Count    int          `json:"resources"`
	Exposed  int          `json:"exposed"` // of them, those that the internet reaches
	Examples []ResourceID `json:"examples"`
}

// BlindSpot is a fact that could not be read, for all resources of a service.
type BlindSpot struct {
	Service  ServiceID    `json:"service"`
	Fact     string       `json:"fact"`
	Origin   string       `json:"origin"` // why, of the first example
	Count    int          `json:"resources"`
	Duties   int          `json:"duties"` // that it hides
	Examples []ResourceID `json:"examples"`
}
