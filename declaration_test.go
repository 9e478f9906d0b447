package demarc

import (
	"slices"
	"testing"
)

// person declares for some teams.
type person []string

func (person) Name() string { return "olga" }
func (p person) May(right Right, team string) bool {
	return right == RightDeclare && (team == "" || slices.Contains(p, team))
}

// An owner settles nothing of other teams, takes what no team does, and accepts what their team does wherever that is.
func TestWhatAnOwnerMayNotSettle(t *testing.T) {
	count := func(team string, yours int) Group {
		return Group{Value: team, Tally: Tally{Yours: Score{Total: yours}}}
	}
	groups := []Group{count("", 3), count("payments", 2), count("shop", 1), count("data", 0)}
	for _, c := range []struct {
		kind  DeclarationKind
		actor Actor
		want  []string
	}{
		{Attestation, person{"payments"}, []string{"no team", "team shop"}},
		{Exception, person{"payments", "shop"}, []string{"no team"}},
		{TeamWork, person{"payments"}, []string{"team shop"}},
		{TeamWork, person{"payments", "shop"}, nil},
		{Acceptance, person{"payments"}, nil},
		{Attestation, LocalActor("root"), nil},
	} {
		d := Declaration{Kind: c.kind, Team: "payments"}
		if got := d.Beyond(c.actor, groups); !slices.Equal(got, c.want) {
			t.Errorf("%s by %v: %v, want %v", c.kind, c.actor, got, c.want)
		}
	}
}

// What an owner declares is bound to their team for as long as it stands: a later scan may find what is others'.
func TestAnOwnersDeclarationIsBound(t *testing.T) {
	for _, c := range []struct {
		kind  DeclarationKind
		actor Actor
		want  []string
	}{
		{Attestation, person{"payments"}, []string{"payments"}},
		{Exception, person{"payments", "shop"}, []string{"payments"}},
		{TeamWork, person{"payments"}, []string{"payments", ""}},
		{Acceptance, person{"payments"}, nil},
		{Exception, LocalActor("root"), nil},
	} {
		d := Declaration{Kind: c.kind, Team: "payments", Scope: Filter{Providers: []string{"aws"}}}
		d.Bind(c.actor)
		if where, err := d.Where(); !slices.Equal(d.Scope.Teams, c.want) || where != "provider == 'aws'" || err != nil {
			t.Errorf("%s by %v: teams %q, where %s, %v", c.kind, c.actor, d.Scope.Teams, where, err)
		}
	}
}

func TestReach(t *testing.T) {
	d := Declaration{Kind: Exception, Scope: Filter{Providers: []string{"aws"}}, Check: "aws/s3/public"}
	if got := d.Reach().String(); got != "check=aws%2Fs3%2Fpublic&provider=aws" {
		t.Errorf("reach %q", got)
	}
}
