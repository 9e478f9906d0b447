package web

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/demarc/demarc"
)

// Request is a request that knows where in which history it looks, and with which filter.
type Request struct {
	*http.Request
	Actor         demarc.Actor
	At            demarc.At   // names its scan, also where that is the latest: a page is of one scan
	Scan          demarc.Scan // that it looks at
	Filter        demarc.Filter
	Organizations []demarc.Organization
	Nothing       bool // nothing was ever scanned

	site  *Site
	route *Route
	asked demarc.ScanID // by the query string; 0 for the latest
	at    time.Time     // of the request; zero until somebody asks
	timed bool          // somebody asked
	kept  url.Values    // the filter and the place, for links
}

// keys of the query string that every page understands, besides those of a filter.
var everywhere = []string{"org", "scan"}

// tidy returns the address of a GET request without what a form left empty, and whether that is another one.
func tidy(r *http.Request) (string, bool) {
	if r.Method != http.MethodGet || r.URL.RawQuery == "" {
		return "", false
	}
	q := r.URL.Query()
	changed := false
	for key, values := range q {
		kept := slices.DeleteFunc(slices.Clone(values), func(v string) bool { return strings.TrimSpace(v) == "" })
		if len(kept) == len(values) {
			continue
		}
		changed = true
		if q[key] = kept; len(kept) == 0 {
			delete(q, key)
		}
	}
	return join(r.URL.Path, q), changed
}

func join(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// locate reads the query string.
func (r *Request) locate() error {
	q := r.URL.Query()
	var err error
	r.Filter, err = demarc.ParseFilter(q, append(slices.Clone(everywhere), r.route.Keys...)...)
	if err != nil {
		return MistakeError{err}
	}
	if r.route.Takes != nil { // what has no effect must not look as if it had one
		for key := range r.Filter.Values() {
			if !slices.Contains(r.route.Takes, key) {
				return Mistake("%q has no effect on this page", key)
			}
		}
	}
	if r.Organizations, err = r.site.config.History.Organizations(r.Context()); err != nil {
		return err
	}
	r.Nothing = len(r.Organizations) == 0
	if r.Nothing {
		return nil
	}
	if q.Has("org") {
		r.At.Organization = q.Get("org")
		if !slices.ContainsFunc(r.Organizations, func(o demarc.Organization) bool { return o.Name == r.At.Organization }) {
			return Mistake("there is no organization %q in this store", r.At.Organization)
		}
	} else {
		newest := slices.MaxFunc(r.Organizations, func(a, b demarc.Organization) int { return a.Latest.Finished.Compare(b.Latest.Finished) })
		r.At.Organization = newest.Name
	}
	if text := q.Get("scan"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 {
			return Mistake("scan %q: expected a number", text)
		}
		r.asked = demarc.ScanID(n)
	}
	r.Scan, err = r.site.config.History.Scan(r.Context(), demarc.At{Organization: r.At.Organization, Scan: r.asked})
	if errors.Is(err, demarc.ErrNotFound) {
		return Mistake("there is no scan %d of this organization", r.asked)
	}
	r.At.Scan = r.Scan.ID
	return err
}

// Now is the time of the request; of one that only reads, to the minute. A page that asks for it is not kept for longer.
func (r *Request) Now() time.Time {
	r.timed = true
	return r.now()
}

func (r *Request) now() time.Time {
	if r.at.IsZero() {
		if r.at = r.site.config.Now(); r.Method == http.MethodGet {
			r.at = r.at.Truncate(time.Minute)
		}
	}
	return r.at
}

// minute numbers the minute of the request.
func (r *Request) minute() int64 { return r.now().Unix() / 60 }

// Latest reports whether the newest scan is shown.
func (r *Request) Latest() bool { return r.asked == 0 }

// Example reports whether what is shown is the example estate.
func (r *Request) Example() bool { return r.site.config.Example }

// Logout is where a form that ends the session is sent to; "" where there is none to end.
func (r *Request) Logout() string {
	if r.Actor.Name() == "" {
		return ""
	}
	return r.site.config.Logout
}

// Version is the version of demarc.
func (r *Request) Version() string { return r.site.config.Version }

// Value returns what the query string says of a key.
func (r *Request) Value(key string) string { return r.URL.Query().Get(key) }

// Choice returns what the query string says of a key, which must be one of a few; the first is the default.
func (r *Request) Choice(key string, options ...string) (string, error) {
	v := r.Value(key)
	if v == "" {
		return options[0], nil
	}
	if !slices.Contains(options, v) {
		return "", Mistake("%s %q: expected one of %s", key, v, strings.Join(options, ", "))
	}
	return v, nil
}

// Page returns the part of a list that the query string asks for.
func (r *Request) Page(size int) demarc.Page {
	return demarc.Page{After: demarc.Cursor(r.Value("after")), Limit: size}
}

// Place returns where in which history the request looks, as a query string.
func (r *Request) Place() url.Values {
	q := url.Values{}
	if len(r.Organizations) > 1 {
		q.Set("org", r.At.Organization)
	}
	if r.asked != 0 {
		q.Set("scan", strconv.FormatInt(int64(r.asked), 10))
	}
	return q
}

// Link returns the address of another page about the same scan, with some keys and their values.
func (r *Request) Link(path string, pairs ...any) string {
	return join(path, set(r.Place(), pairs))
}

// To returns the address of another page about the same scan with the same filter, and some keys and their values. Those
// of one key replace what the filter has.
func (r *Request) To(path string, pairs ...any) string {
	if r.kept == nil { // a page has hundreds of links
		r.kept = r.Filter.Values()
		maps.Copy(r.kept, r.Place())
	}
	return join(path, set(maps.Clone(r.kept), pairs))
}

// With returns the address of this page with some keys and their values. A list begins from its start again.
func (r *Request) With(pairs ...any) string {
	q := r.URL.Query()
	q.Del("after")
	return join(r.URL.Path, set(q, pairs))
}

// Next returns the address of the next page of this list.
func (r *Request) Next(after demarc.Cursor) string { return r.With("after", string(after)) }

// Without returns the address of this page without one value of a key.
func (r *Request) Without(key, value string) string {
	q := r.URL.Query()
	q.Del("after")
	var kept []string
	for _, v := range q[key] {
		for one := range strings.SplitSeq(v, ",") {
			if one != value {
				kept = append(kept, one)
			}
		}
	}
	if q[key] = kept; len(kept) == 0 || key == "q" {
		delete(q, key)
	}
	return join(r.URL.Path, q)
}

// set puts pairs of keys and values into a query: an empty value removes its key, a value that is a group without a name
// is "-".
func set(q url.Values, pairs []any) url.Values {
	for i := 0; i+1 < len(pairs); i += 2 {
		key, value := fmt.Sprint(pairs[i]), fmt.Sprint(pairs[i+1])
		if value == "" {
			q.Del(key)
		} else {
			q.Set(key, value)
		}
	}
	return q
}

// Placed reports whether the request has found the scan that it looks at. That of an error page may not have.
func (r *Request) Placed() bool { return r.Scan.ID != 0 }

// Scans returns the newest scans of the organization, for somebody to choose from.
func (r *Request) Scans() ([]demarc.Scan, error) {
	if !r.Placed() {
		return nil, nil
	}
	p, err := r.site.config.History.Scans(r.Context(), r.At.Organization, demarc.Page{Limit: 30})
	return p.Items, err
}

// ID returns the number of the request in the log.
func (r *Request) ID() string { return requestID(r.Context()) }

// Ago says in a word or two how long ago something was.
func (r *Request) Ago(t time.Time) string { return Span(r.Now().Sub(t)) }

// Span says in a word or two how long something lasts.
func Span(d time.Duration) string {
	count := func(n int, unit string) string {
		if n == 1 {
			return "1 " + unit
		}
		return strconv.Itoa(n) + " " + unit + "s"
	}
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return "a moment"
	case d < time.Hour:
		return count(int(d/time.Minute), "minute")
	case d < 2*day:
		return count(int(d/time.Hour), "hour")
	case d < 60*day:
		return count(int(d/day), "day")
	case d < 730*day:
		return count(int(d/(30*day)), "month")
	default:
		return count(int(d/(365*day)), "year")
	}
}

// Duty is the title of a duty.
func (r *Request) Duty(id demarc.DutyID) string {
	title, _ := r.site.config.Words.Duty(id)
	if title == "" {
		return string(id)
	}
	return title
}

// DutyAbout is one sentence about a duty.
func (r *Request) DutyAbout(id demarc.DutyID) string {
	_, about := r.site.config.Words.Duty(id)
	return about
}

// Layer is the title of a layer.
func (r *Request) Layer(id demarc.Layer) string {
	return or(r.site.config.Words.Layer(id), string(id))
}

// Service is the title of a service.
func (r *Request) Service(id demarc.ServiceID) string {
	return or(r.site.config.Words.Service(id), string(id))
}

// Provider is the title of a provider or of another party.
func (r *Request) Provider(id any) string {
	text := fmt.Sprint(id)
	switch demarc.Party(text) {
	case demarc.Self:
		return "you"
	case demarc.Nobody:
		return "nobody"
	}
	return or(r.site.config.Words.Provider(text), text)
}

// Check is the title of a check.
func (r *Request) Check(id string) string { return or(r.site.config.Words.Check(id), id) }

// Named is a value of a dimension as people call it.
func (r *Request) Named(by demarc.Dimension, value string) string {
	if value == "" {
		switch by {
		case demarc.ByTeam:
			return "no team"
		case demarc.ByRegion:
			return "no region"
		default:
			return "not named"
		}
	}
	switch by {
	case demarc.ByProvider, demarc.ByParty:
		return r.Provider(value)
	case demarc.ByService:
		return r.Service(demarc.ServiceID(value))
	case demarc.ByLayer:
		return r.Layer(demarc.Layer(value))
	case demarc.ByDuty:
		return r.Duty(demarc.DutyID(value))
	case demarc.ByModel:
		return modelName(value)
	case demarc.ByHolder:
		return HolderName(demarc.Holder(value))
	case demarc.ByState:
		return StateName(demarc.State(value))
	case demarc.ByGap:
		return GapName(demarc.Gap(value))
	default:
		return value
	}
}

// Key is a value of a dimension as a filter writes it.
func Key(value string) string { return or(value, "-") }

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
