package estate_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/rule"
)

var asOf = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// A Selector answers what asking every declaration would, whatever it remembers.
func TestSelector(t *testing.T) {
	e := &estate.Estate{}
	for _, text := range []string{
		"", "provider == 'aws'", "provider == 'gcp'", "name == 'a'", "name in ['a', 'b', 'a']", "name != 'a'", "tags.team == 'web'", "tags.team == ''",
		"tags.team == 'web' && tags.env == 'prod'", "tags['team'] == 'web' || name == 'a'", "provider == 'aws' && name.startsWith('a')",
		"id == 'x' || id == 'y'", "service == 'aws/rds' && tags.exists(k, k == 'env')", "account == '1' && region == 'r' && type == 'T' && source == 's' && name != ''",
		"tags.team.matches('^w')", "name.matches('a|b')", "name == tags.team", "provider.endsWith('s')",
	} {
		w := (*rule.Where)(nil)
		if text != "" {
			w = where(text)
		}
		n := len(e.Exceptions)
		until := asOf.AddDate(0, 0, n%3-1)
		duty := []string{"guest.*", "data.sharing", "*"}[n%3]
		e.Bindings = append(e.Bindings, estate.Binding{Where: w, Roles: map[demarc.Role]demarc.Party{demarc.Role(n % 5): "p"}})
		e.Engagements = append(e.Engagements, estate.Engagement{Where: w, Takes: []string{duty}, Until: until})
		e.Assumptions = append(e.Assumptions, estate.Assumption{Where: w, Duty: duty, Holder: demarc.Holders[n%4]})
		e.Teams = append(e.Teams, estate.Team{Team: text, Where: w, Duties: []string{duty}})
		e.Attestations = append(e.Attestations, estate.Attestation{Where: w, Duty: duty, Until: until})
		e.Exceptions = append(e.Exceptions, estate.Exception{Where: w, Until: until})
	}
	e.Assurances = []estate.Assurance{
		{}, {Until: asOf.AddDate(0, 0, -1)}, {Services: []string{"aws/*"}}, {Services: []string{"gcp/rds", "gcp/x"}, Regions: []string{"r", "q"}}, {Regions: []string{"q"}}, {Regions: []string{"*"}},
	}
	duties := len(demarc.Duties)
	for _, memory := range []int{0, 1, 1 << 20} {
		bound := make([]atomic.Bool, len(e.Bindings))
		s := estate.NewSelector(e, asOf, bound, memory)
		rapid.Check(t, func(t *rapid.T) {
			draw := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
			provider := draw("provider", "aws", "gcp")
			tags := map[string]string{}
			for _, key := range []string{"team", "env"} {
				if v := draw(key, "", "web", "prod", "a"); v != "" {
					tags[key] = v
				}
			}
			r := &demarc.Resource{
				ID: demarc.ResourceID(draw("id", "x", "y", "z")), Provider: provider, Source: draw("source", "s", ""), Account: draw("account", "1", "2"),
				Region: draw("region", "r", "q", ""), Type: "T", Service: demarc.ServiceID(provider + "/" + draw("service", "rds", "x")),
				Name: draw("name", "a", "b", "c", ""), Tags: demarc.TagsOf(tags),
			}
			got := s.Match(r)
			same := func(what string, got *estate.Places, want []int) {
				if !slices.ContainsFunc(want, func(i int) bool { return i >= 0 }) {
					want = nil
				}
				if diff := cmp.Diff(want, got.All()); diff != "" {
					t.Errorf("with a memory of %d, %s of %+v (-want +got):\n%s", memory, what, r, diff)
				}
			}
			same("bindings", got.Bindings, first(demarc.NumRoles, e.Bindings, func(x *estate.Binding, role int) bool {
				_, ok := x.Roles[demarc.Role(role)]
				return ok && x.Where.Match(r)
			}))
			ended := first(duties, e.Engagements, func(x *estate.Engagement, d int) bool {
				return x.Covers(demarc.Duties[d]) && x.Ended(asOf) && x.Where.Match(r)
			})
			engaged := first(duties, e.Engagements, func(x *estate.Engagement, d int) bool {
				return x.Covers(demarc.Duties[d]) && x.InForce(asOf) && x.Where.Match(r)
			})
			for d := range engaged {
				if engaged[d] < 0 {
					engaged[d] = ended[d]
				}
			}
			same("engagements", got.Engagements, engaged)
			same("assumptions", got.Assumptions, first(duties, e.Assumptions, func(x *estate.Assumption, d int) bool {
				return x.Covers(demarc.Duties[d]) && x.Holder != demarc.HeldByCustomer && x.Holder != demarc.HeldShared && x.Where.Match(r)
			}))
			for d, i := range first(duties, e.Teams, func(x *estate.Team, d int) bool { return x.Covers(demarc.Duties[d]) && x.Where.Match(r) }) {
				want := ""
				if i >= 0 {
					want = e.Teams[i].Team
				}
				if got.Teams[d] != want {
					t.Errorf("with a memory of %d, %s of %+v is of team %q, want %q", memory, demarc.Duties[d], r, got.Teams[d], want)
				}
			}
			same("attestations", got.Attestations, first(duties, e.Attestations, func(x *estate.Attestation, d int) bool {
				return x.Covers(demarc.Duties[d]) && x.InForce(asOf) && x.Where.Match(r)
			}))
			same("assurances", got.Assurances, matching(e.Assurances, func(x *estate.Assurance) bool { return x.Covers(r.Service, r.Region) && x.InForce(asOf) }))
			same("exceptions", got.Exceptions, matching(e.Exceptions, func(x *estate.Exception) bool { return x.InForce(asOf) && x.Where.Match(r) }))
			for i := range e.Bindings {
				if e.Bindings[i].Where.Match(r) && !bound[i].Load() {
					t.Errorf("binding %d is about %+v, and is not marked", i, r)
				}
			}
			if again := s.Match(r); memory > 1 && again != got {
				t.Error("the same resource has another Declared the second time")
			}
		})
	}
	if got := estate.NewSelector(&estate.Estate{}, asOf, nil, 1).Match(&demarc.Resource{}); !cmp.Equal(got, &estate.Declared{}) {
		t.Errorf("nothing declared, and %v match", got)
	}
}

// first returns for each of n roles or duties the first declaration that is about it, -1 for none.
func first[T any](n int, list []T, is func(*T, int) bool) []int {
	out := make([]int, n)
	for at := range out {
		out[at] = slices.IndexFunc(list, func(x T) bool { return is(&x, at) })
	}
	return out
}

func matching[T any](list []T, is func(*T) bool) []int {
	var out []int
	for i := range list {
		if is(&list[i]) {
			out = append(out, i)
		}
	}
	return out
}

func BenchmarkSelector(b *testing.B) {
	e := &estate.Estate{}
	for i := range 100 {
		e.Exceptions = append(e.Exceptions, estate.Exception{Where: where(fmt.Sprintf("provider == 'aws' && tags.team == 'team%d'", i))})
	}
	s := estate.NewSelector(e, asOf, nil, 1<<20)
	r := &demarc.Resource{Provider: "aws", Tags: demarc.TagsOf(map[string]string{"team": "team7"})}
	b.ReportAllocs()
	for b.Loop() {
		s.Match(r)
	}
}
