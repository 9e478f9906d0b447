package estate_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/rule"
)

// A Selector answers what asking every declaration would.
func TestSelector(t *testing.T) {
	var wheres []*rule.Where
	for _, text := range []string{
		"", "provider == 'aws'", "provider == 'gcp'", "name == 'a'", "name in ['a', 'b', 'a']", "name != 'a'", "tags.team == 'web'", "tags.team == ''",
		"tags.team == 'web' && tags.env == 'prod'", "tags['team'] == 'web' || name == 'a'", "provider == 'aws' && name.startsWith('a')",
		"id == 'x' || id == 'y'", "service == 'aws/rds' && tags.exists(k, k == 'env')", "account == '1' && region == 'r' && type == 'T' && source == 's' && name != ''",
	} {
		if text == "" {
			wheres = append(wheres, nil)
			continue
		}
		wheres = append(wheres, where(text))
	}
	s := estate.NewSelector(wheres)
	for _, provider := range []string{"aws", "gcp"} {
		for _, name := range []string{"a", "b", "c", ""} {
			for _, tags := range []map[string]string{nil, {"team": "web"}, {"team": "web", "env": "prod"}, {"env": "prod"}} {
				for _, id := range []demarc.ResourceID{"x", "y", "z"} {
					r := &demarc.Resource{
						ID: id, Provider: provider, Source: "s", Account: "1", Region: "r", Type: "T", Service: demarc.ServiceID(provider + "/rds"),
						Name: name, Tags: demarc.TagsOf(tags),
					}
					var want []int
					for i, w := range wheres {
						if w.Match(r) {
							want = append(want, i)
						}
					}
					if got := s.Match(r); !slices.Equal(got, want) {
						t.Errorf("Match(%s %q %v %s) = %v, want %v", provider, name, tags, id, got, want)
					}
				}
			}
		}
	}
	if got := estate.NewSelector(nil).Match(&demarc.Resource{}); len(got) != 0 {
		t.Errorf("nothing declared, and %v match", got)
	}
}

func BenchmarkSelector(b *testing.B) {
	var wheres []*rule.Where
	for i := range 100 {
		wheres = append(wheres, where(fmt.Sprintf("provider == 'aws' && tags.team == 'team%d'", i)))
	}
	s := estate.NewSelector(wheres)
	r := &demarc.Resource{Provider: "aws", Tags: demarc.TagsOf(map[string]string{"team": "team7"})}
	b.ReportAllocs()
	for b.Loop() {
		s.Match(r)
	}
}
