package demarc

import "time"

// Score counts duties: how many there are, and how many of them are proven.
type Score struct {
	Total    int `json:"total"`
	Proven   int `json:"proven"`
	Attested int `json:"attested"`
}

// Percent returns the share that is proven, rounded down, so that 100 means all.
func (s Score) Percent() int {
	if s.Total == 0 {
		return 0
	}
	return 100 * s.Proven / s.Total
}

// Tally counts duties that apply, each once: a guest.* duty counts at the most specific resource. Yours, others',
// nobody's and what is unknown are separate numbers and are never mixed.
type Tally struct {
	Duties     int            `json:"duties"`
	Yours      Score          `json:"yours"`   // with a part of the organization's; proven is met
	Others     Score          `json:"others"`  // of providers and third parties; proven is assured
	Nobodys    int            `json:"nobodys"` // bound to nobody
	Unknown    int            `json:"unknown"` // of yours: blind
	Delegated  int            `json:"delegated"`
	Assumed    int            `json:"assumed"`    // a missing fact would settle it
	Teamless   int            `json:"teamless"`   // teams are declared, and none does it
	Unaccepted int            `json:"unaccepted"` // its team has not accepted it, or has to again
	Holders    map[Holder]int `json:"holders"`
	States     map[State]int  `json:"states"` // of yours
	Gaps       map[Gap]int    `json:"gaps"`   // by the worst of each duty
}

// Overview is what an estate, or what a filter leaves of it, comes to at a scan.
type Overview struct {
	Scan         Scan `json:"scan"`
	Resources    int  `json:"resources"`
	Implied      int  `json:"implied"`
	Unclassified int  `json:"unclassified"`
	Stale        int  `json:"stale"`
	Tally
}

// Dimension is what resources, or their duties, are grouped by.
type Dimension string

// The dimensions. The later ones are of duties: a resource may be in several of their groups.
const (
	ByProvider  Dimension = "provider"
	BySource    Dimension = "source"
	ByAccount   Dimension = "account"
	ByRegion    Dimension = "region"
	ByModel     Dimension = "model"
	ByArchetype Dimension = "archetype"
	ByService   Dimension = "service"
	ByType      Dimension = "type"

	ByLayer  Dimension = "layer"
	ByDuty   Dimension = "duty"
	ByHolder Dimension = "holder"
	ByState  Dimension = "state"
	ByGap    Dimension = "gap"
	ByTeam   Dimension = "team"
	ByParty  Dimension = "party"
)

// Dimensions lists the dimensions of resources, DutyDimensions those of duties.
var (
	Dimensions     = []Dimension{ByProvider, BySource, ByAccount, ByRegion, ByModel, ByArchetype, ByService, ByType}
	DutyDimensions = []Dimension{ByLayer, ByDuty, ByHolder, ByState, ByGap, ByTeam, ByParty}
)

// Group is what all resources, or duties, with one value of a dimension come to.
type Group struct {
	Value     string `json:"value"` // "" is a value too
	Resources int    `json:"resources"`
	Tally
}

// Line is the demarcation line of an estate: for each duty and each column, who holds it and whether it is done.
type Line struct {
	Scan    Scan         `json:"scan"`
	By      Dimension    `json:"by"`
	Columns []LineColumn `json:"columns"` // most resources first
	More    int          `json:"more"`    // columns that are left out
	Cells   []LineCell   `json:"cells"`   // by duty, then column
}

// LineColumn is a column of a Line.
type LineColumn struct {
	Value     string `json:"value"`
	Resources int    `json:"resources"`
}

// LineCell counts the resources of a column whose duty has one holder and one state. Those that it does not apply to are
// counted too.
type LineCell struct {
	Duty        DutyID `json:"duty"`
	Column      int    `json:"column"` // in Columns
	Holder      Holder `json:"holder"`
	State       State  `json:"state"`
	Counterpart State  `json:"counterpart,omitempty"` // of the other's part, where the duty is shared
	Count       int    `json:"resources"`
	Assumed     int    `json:"assumed"`
}

// TrendPoint is what a filter came to at one scan.
type TrendPoint struct {
	Scan      ScanID    `json:"scan"`
	At        time.Time `json:"at"`
	AsOf      time.Time `json:"as_of"`
	Resources int       `json:"resources"`
	Tally
}
