// Package storetest holds every database to what a store promises, with a small invented world.
package storetest

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/store"
)

// World is what an organization runs, as far as a store can tell: databases that upgrade by themselves or not, and that
// are public or not.
type World struct {
	Organization string
	Things       map[demarc.ResourceID]*Thing
	Catalog      string
	Estate       string
	Day          time.Time
	standings    map[string]*demarc.Standing
}

// Thing is one database.
type Thing struct {
	demarc.Resource
	Upgrades bool        // minor versions install themselves: engine patching is the provider's
	Public   demarc.Fact // whether the internet can reach it: network.exposure fails, passes or is blind
	Secret   string      // a sensitive fact
	Inside   bool
}

// Reachable, Closed and Unreadable are what is known of Thing.Public.
var (
	Reachable  = demarc.Fact{Value: demarc.Bool(true)}
	Closed     = demarc.Fact{Value: demarc.Bool(false)}
	Unreadable = demarc.Fact{Origin: demarc.Denied}
)

// NewWorld returns a world of n databases in two accounts of two sources, half of them public, a third not upgrading.
func NewWorld(organization string, n int) *World {
	w := &World{
		Organization: organization, Things: map[demarc.ResourceID]*Thing{}, Catalog: "catalog-1", Estate: "estate-1",
		Day: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), standings: map[string]*demarc.Standing{},
	}
	for i := range n {
		w.Add(i)
	}
	return w
}

// Add adds the database of a number and returns it.
func (w *World) Add(i int) *Thing {
	side := i % 2
	t := &Thing{Upgrades: i%3 != 0, Public: Closed, Secret: fmt.Sprintf("hunter%d", i)}
	if i%4 < 2 {
		t.Public = Reachable
	}
	team := []string{"payments", "shop"}[side]
	t.Resource = demarc.Resource{
		ID: demarc.ResourceID(fmt.Sprintf("arn:aws:rds:eu-west-%d:11112222333%d:db:Orders-%04d", side+1, side, i)), Provider: "aws", Source: []string{"east", "west"}[side],
		Account: fmt.Sprintf("11112222333%d", side), Region: fmt.Sprintf("eu-west-%d", side+1), Type: "AWS::RDS::DBInstance", Service: "aws/rds", Model: "paas",
		Name: fmt.Sprintf("Orders-%04d", i), Tags: demarc.TagsOf(map[string]string{"team": team, "Name": fmt.Sprintf("Orders %d", i)}),
	}
	w.Things[t.ID] = t
	return t
}

// ID returns the id of the database of a number.
func (w *World) ID(i int) demarc.ResourceID {
	return (&World{Things: map[demarc.ResourceID]*Thing{}}).Add(i).ID
}

// Recording is what a scan of all sources says of itself.
func (w *World) Recording() store.Recording {
	return store.Recording{
		Run:      demarc.Run{Organization: w.Organization, Catalog: w.Catalog, Estate: w.Estate, AsOf: w.Day, Documents: int64(len(w.Things))},
		Finished: w.Day.Add(6 * time.Hour), Actor: "test",
		Sources: []demarc.SourceStatus{{Name: "east", Complete: true}, {Name: "west", Complete: true}},
		Catalog: func() ([]byte, error) { return []byte("the catalog"), nil },
		Estate:  func() ([]byte, error) { return []byte("the estate"), nil },
	}
}

// Answers goes through the answers for all databases, or those of one source, by id. Like those of a scan, an answer is
// valid until the next, and standings are shared.
func (w *World) Answers(sources ...string) iter.Seq[*demarc.Answer] {
	return func(yield func(*demarc.Answer) bool) {
		var a demarc.Answer
		for _, id := range slices.Sorted(maps.Keys(w.Things)) {
			t := w.Things[id]
			if len(sources) > 0 && !slices.Contains(sources, t.Source) {
				continue
			}
			a = demarc.Answer{Resource: t.Resource, Standing: w.standing(t), Inside: t.Inside, Facts: append(a.Facts[:0],
				demarc.NamedFact{Name: "auto_minor_upgrade", Fact: demarc.Fact{Value: demarc.Bool(t.Upgrades)}},
				demarc.NamedFact{Name: "password", Fact: demarc.Fact{Value: demarc.String(t.Secret)}, Sensitive: true},
				demarc.NamedFact{Name: "public", Fact: t.Public},
				demarc.NamedFact{Name: "retention", Fact: demarc.Fact{Value: demarc.Int(7), Origin: demarc.Defaulted}},
			)}
			if !yield(&a) {
				return
			}
		}
	}
}

func (w *World) standing(t *Thing) *demarc.Standing {
	team := t.Tags.Get("team")
	key := fmt.Sprint(t.Upgrades, t.Public, team, w.Catalog)
	if s := w.standings[key]; s != nil {
		return s
	}
	s := &demarc.Standing{}
	read := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for _, duty := range demarc.Duties {
		a := &demarc.Assignment{
			Duty: duty, Holder: demarc.HeldByProvider, Roles: demarc.RoleSet(0).With(demarc.Operator), Parties: []demarc.Party{"aws"},
			Parts: []demarc.Part{{Party: "aws", Role: demarc.Operator, Text: "Does it."}},
			Basis: []demarc.Basis{{Kind: demarc.BasisArchetype, ID: "managed-database", Because: "This is how managed databases are shared.", URL: "https://docs.aws.amazon.com/x", Section: "Y", Read: read}},
		}
		v := &demarc.Verdict{State: demarc.Unassured}
		ours := func(text string) {
			a.Holder, a.Parties, a.Roles = demarc.HeldByCustomer, []demarc.Party{demarc.Self}, demarc.RoleSet(0).With(demarc.Tenant)
			a.Parts = []demarc.Part{{Party: demarc.Self, Role: demarc.Tenant, Text: text}}
			v.State = demarc.Unverified
		}
		switch {
		case duty.Layer() == "endpoint":
			*a = demarc.Assignment{Duty: duty, Holder: demarc.NotApplicable, Why: "It has no endpoints.", Basis: a.Basis}
			v.State = demarc.NoState
		case duty == "runtime.engine-patching":
			a.Reads = []string{"auto_minor_upgrade"}
			if !t.Upgrades {
				ours("Apply minor versions.")
				a.Basis = append(a.Basis, demarc.Basis{Kind: demarc.BasisLine, ID: "minor-upgrades-off", Because: "Automatic minor upgrades are off.", URL: "https://docs.aws.amazon.com/upgrades", Section: "Z", Read: read})
			}
		case duty == "network.exposure":
			ours("Decide who can reach it.")
			c := demarc.CheckOutcome{ID: "aws/rds/public-access", Severity: demarc.High}
			switch {
			case !t.Public.Known():
				c.Result, c.Missing = demarc.CheckUnknown, []string{"public"}
				v.State, v.Missing = demarc.Blind, c.Missing
			case t.Public.Value.AsBool():
				c.Result, v.State = demarc.CheckFail, demarc.Failing
			default:
				c.Result, v.State = demarc.CheckPass, demarc.Met
			}
			v.Checks = []demarc.CheckOutcome{c}
			s.Checks = v.Checks
		case duty == "guest.patching", duty == "data.classification":
			ours("Do it.")
		case duty == "resilience.backup-configuration":
			ours("Say how long backups are kept.")
			s.Beliefs = append(s.Beliefs, demarc.Belief{Duty: demarc.DutyIndex(duty), Holder: demarc.HeldByProvider, Assumption: "rds-backups"})
		}
		if w.Catalog != "catalog-1" && duty == "data.key-custody" {
			ours("Keep the key.")
		}
		s.Assignments, s.Verdicts, s.Teams = append(s.Assignments, a), append(s.Verdicts, v), append(s.Teams, map[bool]string{true: team}[duty.Layer() != "data"])
	}
	w.standings[key] = s
	return s
}
