package demarc_test

import (
	"context"
	"testing"
	"time"

	"github.com/demarc/demarc"
)

func TestGrantAllows(t *testing.T) {
	owner := demarc.Grant{Role: demarc.Owner, Teams: []string{"payments"}}
	for _, tt := range []struct {
		name  string
		grant demarc.Grant
		right demarc.Right
		team  string
		want  bool
	}{
		{"a viewer reads", demarc.Grant{Role: demarc.Viewer}, demarc.RightRead, "", true},
		{"a viewer declares nothing", demarc.Grant{Role: demarc.Viewer}, demarc.RightDeclare, "", false},
		{"an owner declares for somebody", owner, demarc.RightDeclare, "", true},
		{"an owner declares for their team", owner, demarc.RightDeclare, "payments", true},
		{"an owner does not declare for another team", owner, demarc.RightDeclare, "web", false},
		{"an owner does not administer", owner, demarc.RightAdminister, "", false},
		{"an admin declares for every team", demarc.Grant{Role: demarc.Admin}, demarc.RightDeclare, "web", true},
		{"an admin administers", demarc.Grant{Role: demarc.Admin}, demarc.RightAdminister, "", true},
		{"no role does nothing", demarc.Grant{}, demarc.RightRead, "", false},
		{"an unknown right is nobody's", demarc.Grant{Role: demarc.Admin}, "fly", "", false},
	} {
		if got := tt.grant.May(tt.right, tt.team); got != tt.want {
			t.Errorf("%s: May(%q, %q) = %t, want %t", tt.name, tt.right, tt.team, got, tt.want)
		}
	}
}

type holder struct{ demarc.Grant }

func (holder) Name() string { return "holder" }

func TestNobodyGrantsMoreThanTheyHave(t *testing.T) {
	viewer, owner, admin := holder{demarc.Grant{Role: demarc.Viewer}}, holder{demarc.Grant{Role: demarc.Owner, Teams: []string{"payments", "web"}}}, holder{demarc.Grant{Role: demarc.Admin}}
	of := func(teams ...string) demarc.Grant { return demarc.Grant{Role: demarc.Owner, Teams: teams} }
	for _, tt := range []struct {
		grant demarc.Grant
		by    demarc.Actor
		want  bool
	}{
		{demarc.Grant{Role: demarc.Viewer}, viewer, true},
		{of("payments"), viewer, false},
		{of("payments"), owner, true},
		{of("payments", "web"), owner, true},
		{of("payments", "data"), owner, false},
		{demarc.Grant{Role: demarc.Admin}, owner, false},
		{demarc.Grant{Role: demarc.Admin}, admin, true},
		{of("data"), admin, true},
	} {
		if got := tt.grant.Within(tt.by); got != tt.want {
			t.Errorf("%s within %s = %t, want %t", tt.grant, tt.by.(holder).Grant, got, tt.want)
		}
	}
}

func TestTokensEnd(t *testing.T) {
	made := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	good := demarc.Token{Name: "nightly export", Grant: demarc.Grant{Role: demarc.Viewer}, Made: made, Expires: made.AddDate(0, 3, 0)}
	if err := good.Validate(); err != nil {
		t.Errorf("Validate() = %v", err)
	}
	for name, change := range map[string]func(*demarc.Token){
		"no name":          func(t *demarc.Token) { t.Name = " " },
		"no role":          func(t *demarc.Token) { t.Grant.Role = "" },
		"an owner of none": func(t *demarc.Token) { t.Grant.Role = demarc.Owner },
		"no end":           func(t *demarc.Token) { t.Expires = time.Time{} },
		"two years":        func(t *demarc.Token) { t.Expires = made.AddDate(2, 0, 0) },
	} {
		bad := good
		change(&bad)
		if err := bad.Validate(); err == nil {
			t.Errorf("%s: no mistake", name)
		}
	}
	if !good.Good(made) || good.Good(good.Expires) {
		t.Error("a token is good from when it is made until it expires")
	}
	good.Revoked = made
	if good.Good(made) {
		t.Error("a revoked token is good")
	}
}

func TestWithoutAnActorNothingIsAllowed(t *testing.T) {
	nobody := demarc.ActorOf(context.Background())
	if nobody.Name() != "" || nobody.May(demarc.RightRead, "") {
		t.Errorf("%q may read", nobody.Name())
	}
	ctx := demarc.WithActor(context.Background(), demarc.LocalActor("ada"))
	if a := demarc.ActorOf(ctx); a.Name() != "ada" || !a.May(demarc.RightAdminister, "web") {
		t.Errorf("%q may not administer", a.Name())
	}
}
