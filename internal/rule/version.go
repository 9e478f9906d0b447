package rule

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// version is a version as clouds write it: a name that belongs to the product, numbers joined by dots, and a rest
// that tells builds apart.
//
//	1.30   v1.30.2-gke.100   16.3   python3.12   OpenSearch_2.11   8.0.mysql_aurora.3.04.0
type version struct {
	name    string
	numbers []string // decimal, without leading zeros
	pre     bool     // comes before the release of the same numbers: 1.30.0-rc.1
}

var (
	versionForm = regexp.MustCompile(`^([A-Za-z][A-Za-z _-]*)?([0-9]+(?:\.[0-9]+)*)(.*)$`)
	preRelease  = regexp.MustCompile(`^[.-]?(?i:alpha|beta|rc|preview|pre|dev)(?:$|[^A-Za-z])`)
)

func parseVersion(s string) (version, error) {
	m := versionForm.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return version{}, fmt.Errorf("%q is no version", s)
	}
	v := version{name: lowerASCII(m[1]), pre: preRelease.MatchString(m[3])}
	if v.name == "v" {
		v.name = ""
	}
	for n := range strings.SplitSeq(m[2], ".") {
		v.numbers = append(v.numbers, strings.TrimLeft(n, "0"))
	}
	return v, nil
}

// versionAtLeast reports whether v is least or a later version. Numbers that are not written count as 0. A name
// before the numbers must be the same in both: Elasticsearch_7.10 is neither before nor after OpenSearch_2.11.
func versionAtLeast(v, least string) (bool, error) {
	a, err := parseVersion(v)
	if err != nil {
		return false, err
	}
	b, err := parseVersion(least)
	if err != nil {
		return false, err
	}
	if a.name != b.name {
		return false, fmt.Errorf("versions %q and %q are of different things", v, least)
	}
	for i := range max(len(a.numbers), len(b.numbers)) {
		var x, y string
		if i < len(a.numbers) {
			x = a.numbers[i]
		}
		if i < len(b.numbers) {
			y = b.numbers[i]
		}
		if c := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); c != 0 {
			return c > 0, nil
		}
	}
	return !a.pre || b.pre, nil
}
