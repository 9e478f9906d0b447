package demarc

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Filter says which resources and which of their duties somebody wants to see. The zero Filter wants everything.
//
// Values of one field are alternatives; fields are all asked for. What is asked of a duty is asked of one and the same
// duty: gaps=failing with teams=payments wants what fails and is payments', not a resource with some failing duty and
// some duty of payments. A resource matches if any of its duties does.
//
// Its text form is a query string, in which a key may stand several times: "provider=aws&gap=failing&gap=blind". The
// command line has a flag of the same name for each key, so that command, page and API mean the same. The value "-"
// stands for the empty one: "team=-" is what no team does.
type Filter struct {
	// Of the resource.
	IDs        []ResourceID
	Names      []string
	Providers  []string
	Sources    []string
	Accounts   []string
	Regions    []string
	Models     []string // service models: iaas, caas, paas, faas, saas, managed, private
	Archetypes []string
	Services   []ServiceID // or globs: "aws/*"
	Types      []string
	Tags       []Tag
	Text       string // each of its words is somewhere in id, name or tags, whatever the case
	Implied    Choice // named by others, but not delivered itself
	Stale      Choice // its place was not looked at by the scan; what is shown is older
	Exposures  []Exposure

	// Of one and the same duty.
	Layers   []Layer
	Duties   []string // ids or globs: "runtime.*"
	Holders  []Holder
	Parties  []Party
	States   []State
	Gaps     []Gap
	Severity Severity // of the gap, this or worse
	Teams    []string
	Checks   []string // full ids, "aws/rds/public-access": what fails or cannot be told
	Assumed  Choice   // a missing fact would settle it
}

// Tag is a tag of a resource. An empty Value stands for any.
type Tag struct{ Key, Value string }

// ParseTag reads KEY=VALUE, or KEY for any value.
func ParseTag(s string) Tag {
	key, value, _ := strings.Cut(s, "=")
	return Tag{key, value}
}

// String is the tag as KEY=VALUE, or KEY for any value.
func (t Tag) String() string {
	if t.Value == "" {
		return t.Key
	}
	return t.Key + "=" + t.Value
}

// Choice is yes, no, or no matter.
type Choice int8

// The choices.
const (
	Either Choice = 0
	Yes    Choice = 1
	No     Choice = -1
)

// Allows reports whether b is what was chosen.
func (c Choice) Allows(b bool) bool { return c == Either || b == (c == Yes) }

// FilterKey is one key of the text form of a Filter.
type FilterKey struct {
	Key    string
	About  string
	Values []string // that there are; nil for any
	Once   bool     // later values replace earlier ones
	Duty   bool     // asks for a duty, not for a resource

	parse  func(f *Filter, value string) error
	format func(f *Filter) []string
}

// FilterKeys lists the keys of a Filter, in the order of forms and of help.
var FilterKeys = []FilterKey{
	list("provider", "cloud or platform", nil, func(f *Filter) *[]string { return &f.Providers }),
	list("source", "where it was read, as the estate names it", nil, func(f *Filter) *[]string { return &f.Sources }),
	list("account", "account, subscription, project, cluster or tenant", nil, func(f *Filter) *[]string { return &f.Accounts }),
	list("region", "region", nil, func(f *Filter) *[]string { return &f.Regions }),
	list("model", "service model", []string{"iaas", "caas", "paas", "faas", "saas", "managed", "private"}, func(f *Filter) *[]string { return &f.Models }),
	list("archetype", "archetype", nil, func(f *Filter) *[]string { return &f.Archetypes }),
	list("service", "service, or a glob such as aws/*", nil, func(f *Filter) *[]ServiceID { return &f.Services }),
	list("type", "native type", nil, func(f *Filter) *[]string { return &f.Types }),
	list("id", "id of a resource", nil, func(f *Filter) *[]ResourceID { return &f.IDs }),
	list("name", "name of a resource", nil, func(f *Filter) *[]string { return &f.Names }),
	{
		Key: "tag", About: "tag, as KEY=VALUE, or KEY for any value",
		parse: func(f *Filter, s string) error {
			if s == "" || s[0] == '=' {
				return fmt.Errorf("tag %q: expected KEY=VALUE or KEY", s)
			}
			f.Tags = append(f.Tags, ParseTag(s))
			return nil
		},
		format: func(f *Filter) []string { return texts(f.Tags) },
	},
	{
		Key: "q", About: "words in id, name or tags", Once: true,
		parse:  func(f *Filter, s string) error { f.Text = strings.TrimSpace(s); return nil },
		format: func(f *Filter) []string { return nonEmpty(f.Text) },
	},
	choice("implied", "only named by others", false, func(f *Filter) *Choice { return &f.Implied }),
	choice("stale", "not looked at by the scan", false, func(f *Filter) *Choice { return &f.Stale }),
	list("exposure", "whether the internet reaches it", texts(Exposures), func(f *Filter) *[]Exposure { return &f.Exposures }),
	ofDuty(list("layer", "layer of the stack", texts(Layers), func(f *Filter) *[]Layer { return &f.Layers })),
	ofDuty(FilterKey{
		Key: "duty", About: "duty, or a glob such as network.*",
		parse: func(f *Filter, s string) error {
			if !slices.ContainsFunc(Duties, func(d DutyID) bool { return MatchDuty(s, d) }) {
				return fmt.Errorf("duty %q: there is none", s)
			}
			f.Duties = append(f.Duties, s)
			return nil
		},
		format: func(f *Filter) []string { return f.Duties },
	}),
	ofDuty(list("holder", "who holds the duty", texts(Holders), func(f *Filter) *[]Holder { return &f.Holders })),
	ofDuty(list("party", "a party with a part in the duty", nil, func(f *Filter) *[]Party { return &f.Parties })),
	ofDuty(list("state", "state of the duty", texts(States), func(f *Filter) *[]State { return &f.States })),
	ofDuty(list("gap", "kind of gap", texts(Gaps), func(f *Filter) *[]Gap { return &f.Gaps })),
	ofDuty(FilterKey{
		Key: "severity", About: "gaps of this severity or worse", Values: severityNames[:], Once: true,
		parse: func(f *Filter, s string) error { return f.Severity.UnmarshalText([]byte(s)) },
		format: func(f *Filter) []string {
			return nonEmpty(map[bool]string{true: f.Severity.String()}[f.Severity > Informational])
		},
	}),
	ofDuty(list("team", "team that does the organization's part", nil, func(f *Filter) *[]string { return &f.Teams })),
	ofDuty(list("check", "check that fails or cannot be told", nil, func(f *Filter) *[]string { return &f.Checks })),
	choice("assumed", "a missing fact would settle it", true, func(f *Filter) *Choice { return &f.Assumed }),
}

// list is a key whose values are alternatives, and any of a closed set if there is one.
func list[T ~string](key, about string, values []string, field func(*Filter) *[]T) FilterKey {
	return FilterKey{
		Key: key, About: about, Values: values,
		parse: func(f *Filter, s string) error {
			if values != nil && !slices.Contains(values, s) {
				return fmt.Errorf("%s %q: expected one of %s", key, s, strings.Join(values, ", "))
			}
			switch s {
			case "-":
				s = ""
			case "":
				return nil // an input of a form that was left empty
			}
			if to := field(f); !slices.Contains(*to, T(s)) {
				*to = append(*to, T(s))
			}
			return nil
		},
		format: func(f *Filter) []string {
			out := texts(*field(f))
			for i := range out {
				out[i] = cmp.Or(out[i], "-")
			}
			return out
		},
	}
}

func choice(key, about string, duty bool, field func(*Filter) *Choice) FilterKey {
	return FilterKey{
		Key: key, About: about, Values: []string{"yes", "no"}, Once: true, Duty: duty,
		parse: func(f *Filter, s string) error {
			switch s {
			case "yes", "true", "1":
				*field(f) = Yes
			case "no", "false", "0":
				*field(f) = No
			case "":
				*field(f) = Either
			default:
				return fmt.Errorf("%s %q: expected yes or no", key, s)
			}
			return nil
		},
		format: func(f *Filter) []string {
			return nonEmpty(map[Choice]string{Yes: "yes", No: "no"}[*field(f)])
		},
	}
}

func ofDuty(k FilterKey) FilterKey {
	k.Duty = true
	return k
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// texts returns the text of each of a list.
func texts[T any](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

// ParseFilter reads the text form of a Filter. Keys that are not a filter's are mistakes unless they are among others,
// such as the page and the order of a list. All mistakes are told.
func ParseFilter(values url.Values, others ...string) (Filter, error) {
	var f Filter
	var faults []string
	known := map[string]bool{}
	for i := range FilterKeys {
		k := &FilterKeys[i]
		known[k.Key] = true
		for _, v := range values[k.Key] {
			for _, one := range k.split(v) {
				if err := k.parse(&f, one); err != nil {
					faults = append(faults, err.Error())
				}
			}
		}
	}
	for key := range values {
		if !known[key] && !slices.Contains(others, key) {
			faults = append(faults, fmt.Sprintf("unknown filter %q", key))
		}
	}
	if len(faults) > 0 {
		slices.Sort(faults)
		return Filter{}, fmt.Errorf("%s", strings.Join(faults, "; "))
	}
	return f, nil
}

// split returns the values of one: what a closed set offers may be joined by commas.
func (k *FilterKey) split(v string) []string {
	if k.Values == nil || k.Once {
		return []string{v}
	}
	return strings.Split(v, ",")
}

// Values returns the text form of f. ParseFilter of it is f.
func (f Filter) Values() url.Values {
	out := url.Values{}
	for i := range FilterKeys {
		if v := FilterKeys[i].format(&f); len(v) > 0 {
			out[FilterKeys[i].Key] = v
		}
	}
	return out
}

// String is the text form of f as a query string, its keys in alphabetical order.
func (f Filter) String() string { return f.Values().Encode() }

// IsZero reports whether f wants everything.
func (f Filter) IsZero() bool { return len(f.Values()) == 0 }

// OfDuties reports whether f asks for something of duties.
func (f Filter) OfDuties() bool {
	for i := range FilterKeys {
		if k := &FilterKeys[i]; k.Duty && len(k.format(&f)) > 0 {
			return true
		}
	}
	return false
}

// Where returns f as a condition of an estate, "" for everything. It fails for what such a condition cannot ask:
// anything of duties, words, models, archetypes, whether something is implied or stale.
func (f Filter) Where() (string, error) {
	for _, k := range FilterKeys {
		switch k.Key {
		case "provider", "source", "account", "region", "service", "type", "id", "name", "tag":
		default:
			if len(k.format(&f)) > 0 {
				return "", fmt.Errorf("a scope cannot ask for %s: it is about provider, source, account, region, service, type, id, name and tag", k.Key)
			}
		}
	}
	var all []string
	add := func(alternatives []string) {
		switch len(alternatives) {
		case 0:
		case 1:
			all = append(all, alternatives[0])
		default:
			all = append(all, "("+strings.Join(alternatives, " || ")+")")
		}
	}
	for _, k := range []struct {
		name   string
		values []string
	}{
		{"provider", f.Providers},
		{"source", f.Sources},
		{"account", f.Accounts},
		{"region", f.Regions},
		{"service", texts(f.Services)},
		{"type", f.Types},
		{"id", texts(f.IDs)},
		{"name", f.Names},
	} {
		var alternatives []string
		for _, v := range k.values {
			if prefix, glob := strings.CutSuffix(v, "*"); glob && k.name == "service" {
				alternatives = append(alternatives, k.name+".startsWith("+quote(prefix)+")")
			} else {
				alternatives = append(alternatives, k.name+" == "+quote(v))
			}
		}
		add(alternatives)
	}
	for key, values := range f.tagsByKey() {
		var alternatives []string
		for _, v := range values {
			if v == "" {
				alternatives = append(alternatives, "tags["+quote(key)+"] != ''")
			} else {
				alternatives = append(alternatives, "tags["+quote(key)+"] == "+quote(v))
			}
		}
		add(alternatives)
	}
	return strings.Join(all, " && "), nil
}

// tagsByKey goes through the wanted values of each key, in the order of the keys: values of one key are alternatives.
func (f Filter) tagsByKey() func(yield func(string, []string) bool) {
	return func(yield func(string, []string) bool) {
		by := map[string][]string{}
		for _, t := range f.Tags {
			by[t.Key] = append(by[t.Key], t.Value)
		}
		for _, key := range slices.Sorted(mapKeys(by)) {
			if !yield(key, by[key]) {
				return
			}
		}
	}
}

func mapKeys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// quote writes a string constant of a condition.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range s {
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// MatchResource reports whether r is one that f wants, as far as a resource itself can tell: not what is asked of duties,
// nor the archetype, the exposure, or whether it is stale.
func (f *Filter) MatchResource(r *Resource) bool {
	return among(f.IDs, r.ID) && among(f.Names, r.Name) && among(f.Providers, r.Provider) && among(f.Sources, r.Source) &&
		among(f.Accounts, r.Account) && among(f.Regions, r.Region) && among(f.Models, r.Model) && f.matchService(r.Service) &&
		among(f.Types, r.Type) && f.Implied.Allows(r.Implied) && f.matchTags(r.Tags) && f.matchText(r)
}

// MatchExposure reports whether f wants resources with these answers, as far as it asks for their exposure.
func (f *Filter) MatchExposure(s *Standing) bool {
	return len(f.Exposures) == 0 || slices.Contains(f.Exposures, s.Exposure())
}

func among[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

func (f *Filter) matchService(id ServiceID) bool {
	return len(f.Services) == 0 || slices.ContainsFunc(f.Services, func(glob ServiceID) bool {
		prefix, all := strings.CutSuffix(string(glob), "*")
		return glob == id || all && strings.HasPrefix(string(id), prefix)
	})
}

func (f *Filter) matchTags(tags Tags) bool {
	if len(f.Tags) == 0 {
		return true
	}
	for key, values := range f.tagsByKey() {
		v := tags.Get(key) // a tag that is not there reads as the empty string, as in a condition
		if !slices.ContainsFunc(values, func(want string) bool { return v != "" && (want == v || want == "") }) {
			return false
		}
	}
	return true
}

func (f *Filter) matchText(r *Resource) bool {
	for word := range strings.FieldsSeq(strings.ToLower(f.Text)) {
		found := strings.Contains(strings.ToLower(string(r.ID)), word) || strings.Contains(strings.ToLower(r.Name), word)
		for k, v := range r.Tags.All() {
			found = found || strings.Contains(strings.ToLower(k+"="+v), word)
		}
		if !found {
			return false
		}
	}
	return true
}

// MatchDuty reports whether d is a duty that f wants. A duty that does not apply is wanted only by its holder or state.
func (f *Filter) MatchDuty(d *DutyAnswer) bool {
	return (d.Holder != NotApplicable || len(f.Holders) > 0 || len(f.States) > 0) &&
		among(f.Layers, d.Duty.Layer()) &&
		(len(f.Duties) == 0 || slices.ContainsFunc(f.Duties, func(glob string) bool { return MatchDuty(glob, d.Duty) })) &&
		among(f.Holders, d.Holder) && among(f.States, d.State) &&
		(len(f.Parties) == 0 || slices.ContainsFunc(d.Parties, func(p Party) bool { return slices.Contains(f.Parties, p) })) &&
		(len(f.Gaps) == 0 || slices.ContainsFunc(f.Gaps, d.HasGap)) &&
		(f.Severity == Informational || d.Gap() != "" && d.Severity() >= f.Severity) &&
		among(f.Teams, d.Team) && (len(f.Teams) == 0 || d.Tenant()) && f.matchChecks(d) && f.Assumed.Allows(d.Assumed)
}

func (f *Filter) matchChecks(d *DutyAnswer) bool {
	return len(f.Checks) == 0 || slices.ContainsFunc(d.Checks, func(c CheckOutcome) bool {
		return (c.Result == CheckFail || c.Result == CheckUnknown) && slices.Contains(f.Checks, c.ID)
	})
}
