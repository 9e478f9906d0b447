package web

import "time"

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
