package web

import (
	"net/url"
	"slices"
	"strings"

	"github.com/demarc/demarc"
)

// FilterForm is the filter of a page as people change it.
type FilterForm struct {
	Action string
	Chips  []Chip
	Search string
	Hidden []Pair // what the form does not show and must keep
	Sets   []FilterSet
	Fields []FilterField
	Clear  string // address without any filter
	Duty   bool   // the page can filter duties
}

// Pair is a key and its value.
type Pair struct{ Key, Value string }

// Chip is one value that the filter asks for.
type Chip struct{ Key, Label, Without string }

// FilterSet is a key whose values are few.
type FilterSet struct {
	Key, Title string
	Options    []FilterOption
}

// FilterOption is one of its values.
type FilterOption struct {
	Value, Label string
	Chosen       bool
	Holder       demarc.Holder // for its mark; "" for none
}

// FilterField is a key whose value is written.
type FilterField struct {
	Key, Title, Hint string
	Values           []string
}

var (
	filterSets   = []string{"holder", "gap", "exposure", "state", "model", "layer"}
	filterFields = []struct{ key, hint string }{
		{"provider", "aws"}, {"account", "444455556666"}, {"region", "eu-west-1"}, {"service", "aws/rds or aws/*"}, {"tag", "team=payments"}, {"team", "payments, or - for none"}, {"duty", "guest.patching or network.*"},
	}
)

// FilterForm returns the filter of the page as a form. What else the query string says is kept.
func (r *Request) FilterForm() FilterForm {
	q := r.URL.Query()
	wanted := r.Filter.Values()
	f := FilterForm{Action: r.URL.Path, Search: r.Filter.Text}
	bare := url.Values{}
	shown := map[string]bool{"q": true, "after": true, "severity": true}
	for i := range demarc.FilterKeys {
		key := demarc.FilterKeys[i].Key
		for _, v := range wanted[key] {
			f.Chips = append(f.Chips, Chip{Key: key, Label: r.chip(key, v), Without: r.Without(key, v)})
		}
	}
	for _, key := range filterSets {
		shown[key] = true
		f.Sets = append(f.Sets, r.filterSet(key, wanted[key]))
	}
	severities := FilterSet{Key: "severity", Title: "Severity, at least"}
	for _, s := range []demarc.Severity{demarc.Critical, demarc.High, demarc.Medium, demarc.Low} {
		severities.Options = append(severities.Options, FilterOption{Value: s.String(), Label: capital(s.String()), Chosen: r.Filter.Severity == s})
	}
	f.Sets = append(f.Sets, severities)
	for _, field := range filterFields {
		shown[field.key] = true
		values := wanted[field.key]
		if len(values) == 0 {
			values = []string{""}
		}
		f.Fields = append(f.Fields, FilterField{Key: field.key, Title: filterTitle(field.key), Hint: field.hint, Values: values})
	}
	for key, values := range q {
		isFilter := wanted.Has(key)
		if !isFilter && key != "after" {
			bare[key] = values
		}
		if !shown[key] {
			for _, v := range values {
				f.Hidden = append(f.Hidden, Pair{key, v})
			}
		}
	}
	slices.SortFunc(f.Hidden, func(a, b Pair) int { return strings.Compare(a.Key+"\x00"+a.Value, b.Key+"\x00"+b.Value) })
	f.Clear = join(r.URL.Path, bare)
	return f
}

func (r *Request) filterSet(key string, chosen []string) FilterSet {
	set := FilterSet{Key: key, Title: filterTitle(key)}
	for i := range demarc.FilterKeys {
		k := &demarc.FilterKeys[i]
		if k.Key != key {
			continue
		}
		for _, v := range k.Values {
			o := FilterOption{Value: v, Label: r.value(key, v), Chosen: slices.Contains(chosen, v)}
			if key == "holder" {
				o.Holder = demarc.Holder(v)
			}
			set.Options = append(set.Options, o)
		}
	}
	return set
}

func filterTitle(key string) string {
	switch key {
	case "q":
		return "Words"
	case "holder":
		return "Held by"
	default:
		return DimensionName(demarc.Dimension(key))
	}
}

func (r *Request) value(key, v string) string {
	if v == "-" {
		v = ""
	}
	switch key {
	case "exposure":
		return ExposureName(demarc.Exposure(v))
	case "check":
		return r.Check(v)
	case "q", "tag", "id", "name", "severity", "implied", "stale", "assumed":
		return v
	case "service", "duty":
		if strings.HasSuffix(v, "*") {
			return v
		}
	}
	return capital(r.Named(demarc.Dimension(key), v))
}

func (r *Request) chip(key, v string) string {
	switch key {
	case "q":
		return "“" + v + "”"
	case "severity":
		return v + " or worse"
	case "implied":
		return map[string]string{"yes": "implied", "no": "not implied"}[v]
	case "stale":
		return map[string]string{"yes": "not looked at by this scan", "no": "looked at by this scan"}[v]
	case "assumed":
		return map[string]string{"yes": "assumed", "no": "not assumed"}[v]
	default:
		return strings.ToLower(filterTitle(key)) + ": " + r.value(key, v)
	}
}
