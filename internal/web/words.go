package web

import (
	"fmt"
	"strconv"
	"time"

	"github.com/demarc/demarc"
)

// HolderName is a holder as people read it.
func HolderName(h demarc.Holder) string {
	switch h {
	case demarc.HeldByProvider:
		return "Provider"
	case demarc.HeldShared:
		return "Shared"
	case demarc.HeldByCustomer:
		return "Yours"
	case demarc.HeldByThirdParty:
		return "Third party"
	case demarc.Unowned:
		return "Nobody"
	case demarc.NotApplicable:
		return "Does not apply"
	default:
		return string(h)
	}
}

// holderLetter is a holder in one letter, for those who do not tell colours apart.
func holderLetter(h demarc.Holder) string {
	switch h {
	case demarc.HeldByProvider:
		return "P"
	case demarc.HeldShared:
		return "S"
	case demarc.HeldByCustomer:
		return "Y"
	case demarc.HeldByThirdParty:
		return "T"
	case demarc.Unowned:
		return "N"
	default:
		return "–"
	}
}

// StateName is a state as people read it.
func StateName(s demarc.State) string {
	switch s {
	case demarc.NobodysDuty:
		return "nobody's"
	case demarc.NoState:
		return "does not apply"
	default:
		return string(s)
	}
}

// GapName is a gap as people read it.
func GapName(g demarc.Gap) string {
	switch g {
	case demarc.GapUnowned:
		return "Nobody's"
	case "":
		return "None"
	default:
		return capital(string(g))
	}
}

// gapAbout says what a gap is.
func gapAbout(g demarc.Gap) string {
	switch g {
	case demarc.GapMisassumed:
		return "You believe that somebody else does it, and it is yours."
	case demarc.GapFailing:
		return "A check or a finding says that it is not done."
	case demarc.GapUnowned:
		return "A role is filled by nobody, so nobody does it."
	case demarc.GapLapsed:
		return "The contract under which somebody did it for you has ended."
	case demarc.GapBlind:
		return "A setting that would tell could not be read."
	case demarc.GapUnverified:
		return "Nobody has looked: no check, no evidence."
	case demarc.GapUnaccepted:
		return "Its team has not accepted it, or has to again since it moved."
	default:
		return ""
	}
}

// ExposureName is an exposure as people read it.
func ExposureName(e demarc.Exposure) string {
	switch e {
	case demarc.Exposed:
		return "Exposed"
	case demarc.Closed:
		return "Closed"
	case demarc.NothingToReach:
		return "Nothing to reach"
	default:
		return "Unknown"
	}
}

func modelName(m string) string {
	switch m {
	case "iaas", "caas", "saas":
		return map[string]string{"iaas": "IaaS", "caas": "CaaS", "saas": "SaaS"}[m]
	case "paas":
		return "PaaS"
	case "faas":
		return "FaaS"
	default:
		return capital(m)
	}
}

// DimensionName is what a grouping is called.
func DimensionName(d demarc.Dimension) string {
	switch d {
	case demarc.ByProvider:
		return "Cloud"
	case demarc.ByModel:
		return "Service model"
	default:
		return capital(string(d))
	}
}

func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

// Number is a count with its thousands apart: "12,345".
func Number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// short is a count in at most four characters: "12", "3.4k", "120k", "1.2M".
func short(n int) string {
	switch {
	case n < 1000:
		return strconv.Itoa(n)
	case n < 9950:
		return fmt.Sprintf("%.1fk", float64(n)/1e3)
	case n < 999_500:
		return fmt.Sprintf("%.0fk", float64(n)/1e3)
	case n < 9_950_000:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.0fM", float64(n)/1e6)
	}
}

// Count is a number and what it counts: "1 resource", "12,345 resources".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// Day is a date: "23 Nov 2026".
func Day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 2006")
}

// clock is a moment: "23 Nov 2026, 10:05 UTC".
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 Jan 2006, 15:04 UTC")
}
