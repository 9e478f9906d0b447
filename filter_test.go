package demarc_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rule"
)

// TestFilterText holds a Filter to its text form and back.
func TestFilterText(t *testing.T) {
	for _, text := range []string{
		"",
		"provider=aws&provider=azure",
		"gap=failing&gap=blind&severity=high&team=payments",
		"region=-&tag=env&tag=team%3Dweb%3D1&q=two+words",
		"assumed=no&implied=yes&stale=no",
		"check=aws%2Frds%2Fpublic-access&duty=runtime.%2A&holder=customer&layer=runtime&model=paas&party=self&service=aws%2F%2A&state=failing",
		"account=1%2C2&archetype=managed-database&id=arn%3Aaws%3As3%3A%3A%3Aa&name=a%2Cb&source=dc1&type=AWS%3A%3AS3%3A%3ABucket",
	} {
		values, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		f, err := demarc.ParseFilter(values)
		if err != nil {
			t.Errorf("ParseFilter(%q): %v", text, err)
			continue
		}
		if diff := cmp.Diff(values, f.Values()); diff != "" {
			t.Errorf("ParseFilter(%q).Values() (-want +got):\n%s", text, diff)
		}
		again, err := demarc.ParseFilter(f.Values())
		if diff := cmp.Diff(f, again); diff != "" || err != nil {
			t.Errorf("ParseFilter of the values of %q: %v\n%s", text, err, diff)
		}
	}
}

func TestFilterForm(t *testing.T) {
	// A form sends empty inputs, and closed sets may be joined by commas.
	f, err := demarc.ParseFilter(url.Values{"provider": {""}, "gap": {"failing,blind"}, "severity": {"low", "high"}, "by": {"account"}}, "by")
	want := demarc.Filter{Gaps: []demarc.Gap{demarc.GapFailing, demarc.GapBlind}, Severity: demarc.High}
	if diff := cmp.Diff(want, f); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestFilterMistakes(t *testing.T) {
	_, err := demarc.ParseFilter(url.Values{"gap": {"fialing"}, "severity": {"bad"}, "servce": {"aws/rds"}, "duty": {"nothing.*"}, "assumed": {"maybe"}, "tag": {"=x"}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`gap "fialing": expected one of misassumed`, `unknown severity "bad"`, `unknown filter "servce"`, `duty "nothing.*"`, `assumed "maybe"`, `tag "=x"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not tell %q", err, want)
		}
	}
}

// TestFilterWhere holds the condition that a scope becomes to what the filter itself matches.
func TestFilterWhere(t *testing.T) {
	words := rapid.SampledFrom([]string{"", "aws", "a'b", `a\b`, "x y", "é", "a\nb", "aws/rds", "aws/*"})
	list := rapid.SliceOfN(words, 0, 2)
	rapid.Check(t, func(t *rapid.T) {
		f := demarc.Filter{
			Providers: list.Draw(t, "providers"), Accounts: list.Draw(t, "accounts"), Regions: list.Draw(t, "regions"),
			Sources: list.Draw(t, "sources"), Types: list.Draw(t, "types"), Names: list.Draw(t, "names"),
		}
		for _, s := range list.Draw(t, "services") {
			f.Services = append(f.Services, demarc.ServiceID(s))
		}
		for _, s := range list.Draw(t, "tags") {
			f.Tags = append(f.Tags, demarc.Tag{Key: "k" + s, Value: words.Draw(t, "value")})
		}
		r := demarc.Resource{
			ID: "id", Provider: words.Draw(t, "provider"), Account: words.Draw(t, "account"), Region: words.Draw(t, "region"), Source: words.Draw(t, "source"),
			Type: words.Draw(t, "type"), Name: words.Draw(t, "name"), Service: demarc.ServiceID(words.Draw(t, "service")),
			Tags: demarc.TagsOf(map[string]string{"kaws": words.Draw(t, "tag"), "k": words.Draw(t, "tag")}),
		}
		text, err := f.Where()
		if err != nil {
			t.Fatal(err)
		}
		if text == "" {
			if !f.MatchResource(&r) {
				t.Fatalf("%+v does not match %+v, and its condition does", f, r)
			}
			return
		}
		where, err := rule.CompileWhere(rule.Source{Text: text})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got, want := where.Match(&r), f.MatchResource(&r); got != want {
			t.Fatalf("%s is %t of %+v, the filter says %t", text, got, r, want)
		}
	})
	for _, f := range []demarc.Filter{{Text: "x"}, {Gaps: demarc.Gaps}, {Models: []string{"paas"}}, {Stale: demarc.Yes}} {
		if text, err := f.Where(); err == nil {
			t.Errorf("%v may be a scope: %s", f, text)
		}
	}
}
