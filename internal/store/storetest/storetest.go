package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/store"
)

// Database is a database for one test. Both may be called several times.
type Database struct {
	Open func(t testing.TB, o store.Options) *store.Store
	SQL  func(t testing.TB) *sql.DB // without a store between
	Try  func(ctx context.Context, o store.Options) (*store.Store, error)
}

// Open opens the store of a test.
type Open = func(t testing.TB, o store.Options) *store.Store

// Run holds a kind of database to what a store promises. fresh returns a new one.
func Run(t *testing.T, fresh func(t testing.TB) Database) {
	for _, story := range []struct {
		name string
		tell func(t *testing.T, open Open)
	}{
		{"an answer comes back as it was", roundTrip},
		{"a scan is counted", counted},
		{"what did not change is not written again", unchanged},
		{"a setting moves the line", moves},
		{"a new catalog moves the line", catalogMoves},
		{"findings have a history", findings},
		{"what was not looked at is not resolved", notLooked},
		{"what can no longer be told is not resolved", cannotTell},
		{"an older scan stays as it was", past},
		{"pages make up the list", pages},
		{"filters agree with the answers", filters},
		{"a scan is all there or not at all", allOrNothing},
		{"two scans at once", twoAtOnce},
		{"organizations share a store", organizations},
		{"a team accepts, and is asked again", acceptance},
		{"hostile texts", hostile},
		{"read only", readOnly},
	} {
		t.Run(story.name, func(t *testing.T) { story.tell(t, fresh(t).Open) })
	}
	t.Run("tokens without their secrets", func(t *testing.T) { tokens(t, fresh(t)) })
	t.Run("the audit log is only added to", func(t *testing.T) { audited(t, fresh(t)) })
}

func record(t testing.TB, s *store.Store, w *World, sources ...string) demarc.Scan {
	t.Helper()
	r := w.Recording()
	if len(sources) > 0 {
		r.Sources = slices.DeleteFunc(r.Sources, func(x demarc.SourceStatus) bool { return !slices.Contains(sources, x.Name) })
	}
	return recordAs(t, s, w, r, sources...)
}

func recordAs(t testing.TB, s *store.Store, w *World, r store.Recording, sources ...string) demarc.Scan {
	t.Helper()
	scan, err := s.Record(t.Context(), r, w.Answers(sources...))
	if err != nil {
		t.Fatal(err)
	}
	w.Day = w.Day.AddDate(0, 0, 1)
	return scan
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func latest(w *World) demarc.At { return demarc.At{Organization: w.Organization} }

func filter(t testing.TB, text string) demarc.Filter {
	t.Helper()
	values := map[string][]string{}
	for pair := range strings.SplitSeq(text, "&") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			values[k] = append(values[k], v)
		}
	}
	f, err := demarc.ParseFilter(values)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var valuesEqual = cmp.Comparer(func(a, b demarc.Value) bool { return a.Equal(b) })

func roundTrip(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 12)
	w.Things[w.ID(1)].Inside = true
	scan := record(t, s, w)
	var want []*demarc.Answer
	for a := range w.Answers() {
		c := a.Clone()
		for i := range c.Facts {
			c.Facts[i].Fact.Value = c.Facts[i].Shown() // a secret is only "set"
		}
		want = append(want, c)
	}
	i := 0
	for a, err := range s.Answers(t.Context(), latest(w), demarc.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[i], a, valuesEqual, cmp.Transformer("teams", func(s *demarc.Standing) []demarc.DutyAnswer {
			var out []demarc.DutyAnswer
			for d := range s.Duties {
				c := *d
				c.Unaccepted = false
				out = append(out, c)
			}
			return out
		})); diff != "" {
			t.Fatalf("answer %d (-recorded +stored):\n%s", i, diff)
		}
		i++
	}
	if i != len(want) {
		t.Errorf("%d answers, want %d", i, len(want))
	}
	one := must[demarc.StoredAnswer](t)(s.Answer(t.Context(), latest(w), w.ID(3)))
	if one.Answer.Resource.Name != "Orders-0003" || one.FirstSeen.Scan != scan.ID || !one.FirstSeen.At.Equal(scan.Finished) || one.Archetype != "managed-database" {
		t.Errorf("answer: %+v", one.StoredResource)
	}
	if _, err := s.Answer(t.Context(), latest(w), "nothing"); !errors.Is(err, demarc.ErrNotFound) {
		t.Errorf("what is not there: %v", err)
	}
	c := must[store.Content](t)(s.Content(t.Context(), w.Organization, "catalog-1"))
	if string(c.Data) != "the catalog" || c.Kind != store.ContentCatalog {
		t.Errorf("content: %+v", c)
	}
}

func counted(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 12)
	w.Things[w.ID(0)].Inside = true
	scan := record(t, s, w)
	if scan.Resources != 12 || scan.Added != 12 || scan.Moves != 0 || scan.ID != 1 {
		t.Errorf("scan: %+v", scan)
	}
	o := must[demarc.Overview](t)(s.Overview(t.Context(), latest(w), demarc.Filter{}))
	// 55 duties apply to each, but for the guest's of one of them, which are five of the provider's and one of ours.
	if o.Resources != 12 || o.Duties != 12*55-6 || o.Holders[demarc.HeldByCustomer] != 4+12+11+12+12 || o.Yours.Proven != 6 || o.Gaps[demarc.GapFailing] != 6 || o.Gaps[demarc.GapMisassumed] != 12 {
		t.Errorf("overview: %+v", o)
	}
	o = must[demarc.Overview](t)(s.Overview(t.Context(), latest(w), filter(t, "gap=failing&team=payments")))
	if o.Resources != 3 || o.Duties != 3 {
		t.Errorf("overview of what fails and is payments': %+v", o)
	}
	groups := must[[]demarc.Group](t)(s.Groups(t.Context(), latest(w), demarc.Filter{}, demarc.ByRegion))
	if len(groups) != 2 || groups[0].Value != "eu-west-1" || groups[0].Resources != 6 {
		t.Errorf("groups: %+v", groups)
	}
	for _, by := range demarc.DutyDimensions {
		sum := 0
		for _, g := range must[[]demarc.Group](t)(s.Groups(t.Context(), latest(w), demarc.Filter{}, by)) {
			sum += g.Duties
		}
		if whole := map[demarc.Dimension]bool{demarc.ByLayer: true, demarc.ByDuty: true, demarc.ByHolder: true, demarc.ByState: true}[by]; whole && sum != 12*55-6 {
			t.Errorf("by %s: %d duties in all", by, sum)
		}
	}
	line := must[demarc.Line](t)(s.Line(t.Context(), latest(w), demarc.Filter{}, demarc.ByAccount, 1))
	if len(line.Columns) != 1 || line.More != 1 || line.Columns[0].Resources != 6 {
		t.Errorf("columns: %+v", line.Columns)
	}
	var cells []string
	for _, c := range line.Cells {
		if c.Duty == "runtime.engine-patching" {
			cells = append(cells, fmt.Sprintf("%s %s %d", c.Holder, c.State, c.Count))
		}
	}
	if want := []string{"provider unassured 4", "customer unverified 2"}; !slices.Equal(cells, want) {
		t.Errorf("cells %q, want %q", cells, want)
	}
	gaps := must[[]demarc.FindingGroup](t)(s.FindingGroups(t.Context(), latest(w), filter(t, "gap=failing")))
	if len(gaps) != 1 || gaps[0].Count != 6 || gaps[0].Check != "aws/rds/public-access" || gaps[0].Severity != demarc.High || len(gaps[0].Examples) != 3 {
		t.Errorf("finding groups: %+v", gaps)
	}
	if scans := must[demarc.Paged[demarc.Scan]](t)(s.Scans(t.Context(), w.Organization, demarc.Page{})); scans.Total != 1 || !cmp.Equal(scans.Items[0], scan) {
		t.Errorf("scans: %s", cmp.Diff(scan, scans.Items[0]))
	}
}

func unchanged(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 40)
	record(t, s, w)
	before := must[store.Stats](t)(s.Stats(t.Context()))
	w.standings = map[string]*demarc.Standing{} // another run has other addresses
	scan := record(t, s, w)
	after := must[store.Stats](t)(s.Stats(t.Context()))
	if scan.Changed+scan.Added+scan.Removed+scan.Moves+scan.Stale != 0 || scan.Resources != 40 {
		t.Errorf("scan: %+v", scan)
	}
	if before.Versions != after.Versions || before.Standings != after.Standings || before.Assignments != after.Assignments || after.Scans != 2 {
		t.Errorf("rows before %+v, after %+v", before, after)
	}
	w.Things[w.ID(7)].Tags = demarc.TagsOf(map[string]string{"team": "shop"})
	if scan = record(t, s, w); scan.Changed != 1 || scan.Moves != 0 {
		t.Errorf("scan after a tag changed: %+v", scan)
	}
	if after := must[store.Stats](t)(s.Stats(t.Context())); after.Versions != before.Versions+1 {
		t.Errorf("%d versions, want %d", after.Versions, before.Versions+1)
	}
}

func moves(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 12)
	record(t, s, w)
	w.Things[w.ID(1)].Upgrades = false
	scan := record(t, s, w)
	if scan.Moves != 1 || scan.Changed != 1 || scan.Opened != 1 {
		t.Errorf("scan: %+v", scan)
	}
	list := must[demarc.Paged[demarc.Move]](t)(s.Moves(t.Context(), w.Organization, demarc.Filter{}, demarc.Period{}, demarc.Page{}))
	if list.Total != 1 || len(list.Items) != 1 {
		t.Fatalf("moves: %+v", list)
	}
	m := list.Items[0]
	if m.Resource.ID != w.ID(1) || m.Resource.Name != "Orders-0001" || m.Duty != "runtime.engine-patching" || m.From.Holder != demarc.HeldByProvider || m.To.Holder != demarc.HeldByCustomer || !m.ToUs ||
		m.Setting() != "auto_minor_upgrade: true → false" || m.Cause != demarc.CauseSetting || m.CatalogChanged || m.FirstSeen.Scan != 2 || m.To.Ground() != "Automatic minor upgrades are off." || m.Team != "shop" {
		t.Errorf("move: %+v", m)
	}
	groups := must[[]demarc.MoveGroup](t)(s.MoveGroups(t.Context(), w.Organization, demarc.Filter{}, demarc.Period{}))
	if len(groups) != 1 || groups[0].Count != 1 || groups[0].Rule != "line:minor-upgrades-off" {
		t.Errorf("groups: %+v", groups)
	}
	for text, want := range map[string]int{"provider=aws": 1, "account=111122223331": 1, "account=111122223330": 0, "holder=customer": 1, "holder=provider": 0, "q=orders-0001": 1, "q=orders-0002": 0, "tag=team=shop": 1, "id=" + string(w.ID(1)): 1, "id=x": 0} {
		if got := must[demarc.Paged[demarc.Move]](t)(s.Moves(t.Context(), w.Organization, filter(t, text), demarc.Period{}, demarc.Page{})); got.Total != want {
			t.Errorf("moves with %s: %d, want %d", text, got.Total, want)
		}
	}
	if got := must[demarc.Paged[demarc.Move]](t)(s.Moves(t.Context(), w.Organization, demarc.Filter{}, demarc.Period{Since: scan.Finished.Add(time.Second)}, demarc.Page{})); got.Total != 0 {
		t.Errorf("moves since then: %d", got.Total)
	}
	versions := must[[]demarc.Version](t)(s.Versions(t.Context(), w.Organization, w.ID(1)))
	if len(versions) != 2 || len(versions[0].Moves) != 1 || len(versions[0].Facts) != 1 || versions[0].Facts[0].String() != "auto_minor_upgrade: true → false" || versions[1].Until.Scan != 2 {
		t.Errorf("versions: %+v", versions)
	}
}

func catalogMoves(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 6)
	record(t, s, w)
	w.Catalog = "catalog-2"
	if scan := record(t, s, w); scan.Moves != 6 {
		t.Errorf("scan: %+v", scan)
	}
	for _, m := range must[demarc.Paged[demarc.Move]](t)(s.Moves(t.Context(), w.Organization, demarc.Filter{}, demarc.Period{}, demarc.Page{})).Items {
		if m.Cause != demarc.CauseCatalog || !m.CatalogChanged || len(m.Because) != 0 {
			t.Errorf("move: %+v", m)
		}
	}
}

func findings(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 8)
	first := record(t, s, w)
	of := func(status demarc.FindingStatus, text string) []demarc.Finding {
		t.Helper()
		return must[demarc.Paged[demarc.Finding]](t)(s.Findings(t.Context(), latest(w), filter(t, text), status, demarc.OrderWorst, demarc.Page{})).Items
	}
	if got := of(demarc.FindingsOpen, "gap=failing"); len(got) != 4 || got[0].Check != "aws/rds/public-access" || got[0].FirstSeen.Scan != first.ID || got[0].Severity != demarc.High || got[0].Exposure != demarc.Exposed {
		t.Errorf("open: %+v", got)
	}
	if got := of(demarc.FindingsOpen, "gap=failing&exposure=closed"); len(got) != 0 {
		t.Errorf("failing, and closed: %+v", got)
	}
	for _, g := range must[[]demarc.FindingGroup](t)(s.FindingGroups(t.Context(), latest(w), demarc.Filter{})) {
		if g.Check != "" && g.Exposed != g.Count || g.Exposed > g.Count {
			t.Errorf("%d of %+v are exposed", g.Exposed, g)
		}
	}
	w.Things[w.ID(0)].Public, w.Things[w.ID(2)].Public = Closed, Reachable
	second := record(t, s, w)
	if second.Resolved != 1 || second.Opened != 1 {
		t.Errorf("second scan: %+v", second)
	}
	got := of(demarc.FindingsResolved, "gap=failing")
	if len(got) != 1 || got[0].Resource.ID != w.ID(0) || got[0].FirstSeen.Scan != first.ID || got[0].LastSeen.Scan != first.ID || got[0].Resolved.Scan != second.ID || got[0].Resource.Name != "Orders-0000" {
		t.Errorf("resolved: %+v", got)
	}
	if got[0].Exposure != demarc.Exposed {
		t.Errorf("it was %s when it was last seen failing", got[0].Exposure)
	}
	if age := got[0].Age(time.Time{}); age != 24*time.Hour {
		t.Errorf("age %s", age)
	}
	if got := of(demarc.FindingsOpen, "gap=failing&id="+string(w.ID(2))); len(got) != 1 || got[0].FirstSeen.Scan != second.ID {
		t.Errorf("opened: %+v", got)
	}
	// It comes back: a new finding.
	w.Things[w.ID(0)].Public = Reachable
	third := record(t, s, w)
	if got := of(demarc.FindingsOpen, "gap=failing&id="+string(w.ID(0))); len(got) != 1 || got[0].FirstSeen.Scan != third.ID {
		t.Errorf("again: %+v", got)
	}
	// Oldest and newest first.
	oldest := must[demarc.Paged[demarc.Finding]](t)(s.Findings(t.Context(), latest(w), filter(t, "gap=failing"), demarc.FindingsOpen, demarc.OrderNewest, demarc.Page{}))
	var ages []demarc.ScanID
	for _, f := range oldest.Items {
		ages = append(ages, f.FirstSeen.Scan)
	}
	if want := []demarc.ScanID{3, 2, 1, 1, 1}; !slices.Equal(ages, want) {
		t.Errorf("first seen %v, want %v", ages, want)
	}
	all := must[demarc.Paged[demarc.Finding]](t)(s.Findings(t.Context(), latest(w), filter(t, "gap=failing"), demarc.FindingsAll, demarc.OrderWorst, demarc.Page{}))
	if all.Total != 6 || len(all.Items) != 6 {
		t.Errorf("all: %d of %d", len(all.Items), all.Total)
	}
	trend := must[[]demarc.TrendPoint](t)(s.Trend(t.Context(), w.Organization, filter(t, "duty=network.exposure"), demarc.Period{}))
	var failing []int
	for _, p := range trend {
		failing = append(failing, p.Gaps[demarc.GapFailing])
	}
	if want := []int{4, 4, 5}; !slices.Equal(failing, want) {
		t.Errorf("trend %v, want %v", failing, want)
	}
}

func notLooked(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 8)
	record(t, s, w)
	overview := func() demarc.Overview {
		return must[demarc.Overview](t)(s.Overview(t.Context(), latest(w), demarc.Filter{}))
	}
	// Only one source is read: what the other had is carried over.
	scan := record(t, s, w, "east")
	if o := overview(); scan.Removed != 0 || scan.Resolved != 0 || scan.Stale != 4 || o.Resources != 8 || o.Stale != 4 {
		t.Errorf("a smaller scope: %+v, %+v", scan, o)
	}
	list := must[demarc.Paged[demarc.StoredResource]](t)(s.Resources(t.Context(), latest(w), filter(t, "stale=yes"), demarc.OrderID, demarc.Page{}))
	if list.Total != 4 || list.Items[0].Source != "west" || !list.Items[0].Stale || list.Items[0].LastSeen.Scan != 1 {
		t.Errorf("stale: %+v", list)
	}
	// A source that could not be read completely closes nothing, though resources are missing.
	gone := w.Things[w.ID(1)]
	delete(w.Things, w.ID(1))
	r := w.Recording()
	r.Sources[1].Complete, r.Incomplete = false, true
	if scan := recordAs(t, s, w, r); scan.Removed != 0 || scan.Stale != 1 {
		t.Errorf("a source that failed: %+v", scan)
	}
	// A source that was read, but nothing of the account and region.
	r = w.Recording()
	if scan := recordAs(t, s, w, r, "east"); scan.Removed != 0 || scan.Stale != 4 {
		t.Errorf("a source that delivered nothing: %+v", scan)
	}
	// Now it was looked at.
	scan = record(t, s, w)
	if o := overview(); scan.Removed != 1 || scan.Resolved == 0 || scan.Stale != 0 || o.Resources != 7 || o.Stale != 0 {
		t.Errorf("a complete scan: %+v, %+v", scan, o)
	}
	resolved := must[demarc.Paged[demarc.Finding]](t)(s.Findings(t.Context(), latest(w), filter(t, "gap=failing"), demarc.FindingsResolved, demarc.OrderWorst, demarc.Page{}))
	if resolved.Total != 1 || resolved.Items[0].Resource.ID != gone.ID {
		t.Errorf("resolved: %+v", resolved)
	}
	// What is everything there is says so.
	delete(w.Things, w.ID(3))
	delete(w.Things, w.ID(5))
	delete(w.Things, w.ID(7))
	if scan := record(t, s, w); scan.Removed != 0 || scan.Stale != 3 {
		t.Errorf("nothing is left in the account: %+v", scan)
	}
	r = w.Recording()
	r.Whole = true
	if scan := recordAs(t, s, w, r); scan.Removed != 3 || scan.Stale != 0 {
		t.Errorf("the whole: %+v", scan)
	}
	if v := must[[]demarc.Version](t)(s.Versions(t.Context(), w.Organization, gone.ID)); len(v) != 1 || !v[0].Gone {
		t.Errorf("versions: %+v", v)
	}
}

func cannotTell(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 4)
	record(t, s, w)
	w.Things[w.ID(0)].Public = Unreadable
	scan := record(t, s, w)
	if scan.Resolved != 0 || scan.Opened != 1 {
		t.Errorf("scan: %+v", scan)
	}
	of := func() []demarc.Finding {
		t.Helper()
		return must[demarc.Paged[demarc.Finding]](t)(s.Findings(t.Context(), latest(w), filter(t, "check=aws/rds/public-access&id="+string(w.ID(0))), demarc.FindingsOpen, demarc.OrderID, demarc.Page{})).Items
	}
	got := of()
	if len(got) != 2 || got[0].Gap != demarc.GapBlind || got[1].Gap != demarc.GapFailing || !got[1].Stale || got[1].LastSeen.Scan != 1 || got[1].FirstSeen.Scan != 1 {
		t.Errorf("findings: %+v", got)
	}
	blind := must[[]demarc.BlindSpot](t)(s.BlindSpots(t.Context(), latest(w), demarc.Filter{}))
	if len(blind) != 1 || blind[0].Fact != "public" || blind[0].Count != 1 || blind[0].Origin != demarc.Denied.String() {
		t.Errorf("blind spots: %+v", blind)
	}
	record(t, s, w) // still
	if got := of(); len(got) != 2 || got[1].LastSeen.Scan != 1 {
		t.Errorf("findings: %+v", got)
	}
	w.Things[w.ID(0)].Public = Reachable
	record(t, s, w)
	if got := of(); len(got) != 1 || got[0].Gap != demarc.GapFailing || got[0].Stale || got[0].FirstSeen.Scan != 1 {
		t.Errorf("seen again: %+v", got)
	}
	w.Things[w.ID(0)].Public = Unreadable
	record(t, s, w)
	w.Things[w.ID(0)].Public = Closed
	if scan := record(t, s, w); scan.Resolved != 2 {
		t.Errorf("scan: %+v", scan)
	}
	if got := of(); len(got) != 0 {
		t.Errorf("resolved: %+v", got)
	}
}

func past(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 10)
	first := record(t, s, w)
	was := must[demarc.Overview](t)(s.Overview(t.Context(), latest(w), demarc.Filter{}))
	gaps := must[demarc.Paged[demarc.Finding]](t)(s.Findings(t.Context(), latest(w), demarc.Filter{}, demarc.FindingsOpen, demarc.OrderWorst, demarc.Page{}))
	w.Things[w.ID(0)].Public, w.Things[w.ID(1)].Upgrades = Unreadable, false
	delete(w.Things, w.ID(4))
	w.Add(11)
	record(t, s, w)
	w.Things[w.ID(0)].Public = Closed
	record(t, s, w)
	at := demarc.At{Organization: w.Organization, Scan: first.ID}
	if diff := cmp.Diff(was, must[demarc.Overview](t)(s.Overview(t.Context(), at, demarc.Filter{}))); diff != "" {
		t.Errorf("overview of the first scan (-then +now):\n%s", diff)
	}
	again := must[demarc.Paged[demarc.Finding]](t)(s.Findings(t.Context(), at, demarc.Filter{}, demarc.FindingsOpen, demarc.OrderWorst, demarc.Page{}))
	if diff := cmp.Diff(gaps, again); diff != "" {
		t.Errorf("findings of the first scan (-then +now):\n%s", diff)
	}
	if a := must[demarc.StoredAnswer](t)(s.Answer(t.Context(), at, w.ID(4))); a.Answer.Resource.Name != "Orders-0004" {
		t.Errorf("answer: %+v", a)
	}
	trend := must[[]demarc.TrendPoint](t)(s.Trend(t.Context(), w.Organization, demarc.Filter{}, demarc.Period{}))
	for i, p := range trend {
		o := must[demarc.Overview](t)(s.Overview(t.Context(), demarc.At{Organization: w.Organization, Scan: p.Scan}, demarc.Filter{}))
		o.Unaccepted = 0
		if diff := cmp.Diff(o.Tally, p.Tally); diff != "" || o.Resources != p.Resources {
			t.Errorf("trend at %d (-overview +trend):\n%s", i, diff)
		}
	}
	// What asks for names, tags or words has a trend too, of versions that have ended as of those that have not.
	w.Things[w.ID(0)].Tags = demarc.TagsOf(map[string]string{"team": "shop"})
	record(t, s, w)
	for text, want := range map[string][]int{
		"q=orders-0004": {1, 0, 0, 0}, "name=Orders-0000": {1, 1, 1, 1}, "name=orders-0000": {0, 0, 0, 0}, "id=" + string(w.ID(11)): {0, 1, 1, 1},
		"tag=team=shop": {5, 6, 6, 7}, "tag=Name=Orders 0": {1, 1, 1, 0}, "q=orders payments&check=aws/rds/public-access&gap=failing": {3, 1, 1, 1},
	} {
		var got []int
		for _, p := range must[[]demarc.TrendPoint](t)(s.Trend(t.Context(), w.Organization, filter(t, text), demarc.Period{})) {
			got = append(got, p.Resources)
			if o := must[demarc.Overview](t)(s.Overview(t.Context(), demarc.At{Organization: w.Organization, Scan: p.Scan}, filter(t, text))); o.Resources != p.Resources || o.Duties != p.Duties {
				t.Errorf("%s at %d: the trend has %d resources with %d duties, the overview %d with %d", text, p.Scan, p.Resources, p.Duties, o.Resources, o.Duties)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("trend of %s: %v, want %v", text, got, want)
		}
	}
	for text, want := range map[string]int{"q=orders-0004": 1, "name=Orders-0004": 1, "id=" + string(w.ID(4)): 1, "q=orders-0001": 0, "tag=team=payments": 3} {
		got := must[demarc.Paged[demarc.Finding]](t)(s.Findings(t.Context(), latest(w), filter(t, text+"&check=aws/rds/public-access"), demarc.FindingsResolved, demarc.OrderWorst, demarc.Page{}))
		if got.Total != want {
			t.Errorf("resolved findings with %s: %d, want %d: %+v", text, got.Total, want, got.Items)
		}
	}
}

func pages(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 30)
	record(t, s, w)
	w.Things[w.ID(4)].Public, w.Things[w.ID(5)].Public = Unreadable, Unreadable
	w.Things[w.ID(6)].Upgrades = false
	record(t, s, w)
	for _, order := range []demarc.Order{demarc.OrderID, demarc.OrderWorst, demarc.OrderOldest, demarc.OrderNewest} {
		whole := must[demarc.Paged[demarc.StoredResource]](t)(s.Resources(t.Context(), latest(w), filter(t, "gap=failing"), order, demarc.Page{Limit: 1000}))
		var got []demarc.StoredResource
		page := demarc.Page{Limit: 4}
		for {
			p := must[demarc.Paged[demarc.StoredResource]](t)(s.Resources(t.Context(), latest(w), filter(t, "gap=failing"), order, page))
			got = append(got, p.Items...)
			if page.After = p.Next; p.Next == "" || len(p.Items) == 0 {
				break
			}
		}
		if diff := cmp.Diff(whole.Items, got); diff != "" || whole.Total != len(got) {
			t.Errorf("resources by %s (-whole +pages):\n%s", order, diff)
		}
		list := must[demarc.Paged[demarc.Finding]](t)(s.Findings(t.Context(), latest(w), demarc.Filter{}, demarc.FindingsOpen, order, demarc.Page{Limit: 1000}))
		var found []demarc.Finding
		for page = (demarc.Page{Limit: 7}); ; {
			p := must[demarc.Paged[demarc.Finding]](t)(s.Findings(t.Context(), latest(w), demarc.Filter{}, demarc.FindingsOpen, order, page))
			found = append(found, p.Items...)
			if page.After = p.Next; p.Next == "" || len(p.Items) == 0 {
				break
			}
		}
		if diff := cmp.Diff(list.Items, found); diff != "" || list.Total != len(found) {
			t.Errorf("findings by %s: %d in pages, total %d (-whole +pages):\n%s", order, len(found), list.Total, diff)
		}
	}
	for _, bad := range []demarc.Cursor{"x", "!!", "MCB4eHg"} {
		if _, err := s.Moves(t.Context(), w.Organization, demarc.Filter{}, demarc.Period{}, demarc.Page{After: bad}); err == nil {
			t.Errorf("cursor %q was taken", bad)
		}
	}
}

// filters holds every filter to what the answers themselves say.
func filters(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 24)
	w.Things[w.ID(3)].Public = Unreadable
	w.Things[w.ID(9)].Implied = true
	record(t, s, w)
	var texts []string
	for i := range demarc.FilterKeys {
		k := &demarc.FilterKeys[i]
		for _, v := range k.Values {
			if k.Key != "stale" && v != string(demarc.GapUnaccepted) {
				texts = append(texts, k.Key+"="+v)
			}
		}
	}
	texts = append(texts, "provider=aws", "provider=azure", "account=111122223330", "region=eu-west-2", "source=west", "archetype=managed-database", "service=aws/*", "service=aws/s3", "type=AWS::RDS::DBInstance",
		"id="+string(w.ID(3)), "name=Orders-0003", "name=orders-0003", "tag=team=shop", "tag=team", "tag=TEAM", "q=ORDERS-000", "q=orders shop", "q=eu-west-1:", "duty=network.exposure", "duty=runtime.*", "party=self", "party=aws",
		"team=payments", "team=-", "check=aws/rds/public-access")
	rapid.Check(t, func(rt *rapid.T) {
		text := strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(texts), 1, 4, rapid.ID[string]).Draw(rt, "filter"), "&")
		f := filter(t, text)
		var want []demarc.ResourceID
		duties := 0
		for a := range w.Answers() {
			if !f.MatchResource(&a.Resource) || !f.MatchExposure(a.Standing) || len(f.Archetypes) > 0 && !slices.Contains(f.Archetypes, "managed-database") {
				continue
			}
			n := 0
			for d := range a.Duties {
				if f.MatchDuty(d) {
					n++
				}
			}
			if n > 0 || !f.OfDuties() {
				want = append(want, a.Resource.ID)
			}
			for d := range a.Duties {
				if f.MatchDuty(d) && d.Holder != demarc.NotApplicable {
					duties++
				}
			}
		}
		list, err := s.Resources(context.Background(), latest(w), f, demarc.OrderID, demarc.Page{Limit: 100})
		if err != nil {
			rt.Fatal(err)
		}
		var got []demarc.ResourceID
		for _, r := range list.Items {
			got = append(got, r.ID)
		}
		if !slices.Equal(got, want) || list.Total != len(want) {
			rt.Fatalf("%s: %d resources %v, want %d %v", text, list.Total, got, len(want), want)
		}
		o, err := s.Overview(context.Background(), latest(w), f)
		if err != nil {
			rt.Fatal(err)
		}
		if o.Resources != len(want) || o.Duties != duties {
			rt.Fatalf("%s: overview has %d resources with %d duties, want %d with %d", text, o.Resources, o.Duties, len(want), duties)
		}
	})
}

func allOrNothing(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 9000)
	record(t, s, w)
	before := must[store.Stats](t)(s.Stats(t.Context()))
	for _, x := range w.Things {
		x.Upgrades = !x.Upgrades
	}
	// The run was interrupted: its answers ended early, and Check says so.
	r := w.Recording()
	told := errors.New("interrupted")
	r.Check = func() error { return told }
	if _, err := s.Record(t.Context(), r, w.Answers("east")); !errors.Is(err, told) {
		t.Errorf("interrupted: %v", err)
	}
	// The context ends while answers come.
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	_, err := s.Record(ctx, w.Recording(), func(yield func(*demarc.Answer) bool) {
		for a := range w.Answers() {
			if n++; n == 6000 {
				cancel()
			}
			if !yield(a) {
				return
			}
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	after := must[store.Stats](t)(s.Stats(t.Context()))
	if before.Scans != after.Scans || before.Versions != after.Versions || before.Moves != after.Moves {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if o := must[demarc.Overview](t)(s.Overview(t.Context(), latest(w), demarc.Filter{})); o.Resources != 9000 {
		t.Errorf("%d resources", o.Resources)
	}
	if scan := record(t, s, w); scan.ID != 2 || scan.Changed != 9000 || scan.Moves != 9000 {
		t.Errorf("the next scan: %+v", scan)
	}
}

func twoAtOnce(t *testing.T, open Open) {
	one, two := open(t, store.Options{}), open(t, store.Options{})
	a, b := NewWorld("Northwind", 500), NewWorld("Northwind", 500)
	for _, x := range b.Things {
		x.Upgrades = true
	}
	var group sync.WaitGroup
	for i, s := range []*store.Store{one, two, one, two} {
		w := []*World{a, b, NewWorld("Southwind", 300), NewWorld("Southwind", 300)}[i]
		group.Go(func() {
			if _, err := s.Record(t.Context(), w.Recording(), w.Answers()); err != nil {
				t.Error(err)
			}
		})
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if o, err := two.Overview(t.Context(), latest(a), demarc.Filter{}); err != nil && !errors.Is(err, demarc.ErrNotFound) || err == nil && o.Resources != 500 {
				t.Errorf("a reader meanwhile: %d resources, %v", o.Resources, err)
				return
			}
		}
	})
	group.Wait()
	close(stop)
	readers.Wait()
	scans := must[demarc.Paged[demarc.Scan]](t)(one.Scans(t.Context(), "Northwind", demarc.Page{}))
	if scans.Total != 2 || scans.Items[1].Added != 500 || scans.Items[0].Added != 0 || scans.Items[0].Moves == 0 {
		t.Errorf("scans: %+v", scans)
	}
	if _, err := one.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

func organizations(t *testing.T, open Open) {
	s := open(t, store.Options{})
	a, b := NewWorld("", 4), NewWorld("Südwind", 6)
	record(t, s, a)
	record(t, s, b)
	a.Things[a.ID(0)].Upgrades = true
	record(t, s, a)
	list := must[[]demarc.Organization](t)(s.Organizations(t.Context()))
	if len(list) != 2 || list[0].Name != "" || list[0].Scans != 2 || list[1].Name != "Südwind" || list[1].Latest.Resources != 6 {
		t.Errorf("organizations: %+v", list)
	}
	if o := must[demarc.Overview](t)(s.Overview(t.Context(), latest(b), demarc.Filter{})); o.Resources != 6 {
		t.Errorf("overview: %+v", o)
	}
	if m := must[demarc.Paged[demarc.Move]](t)(s.Moves(t.Context(), "Südwind", demarc.Filter{}, demarc.Period{}, demarc.Page{})); m.Total != 0 {
		t.Errorf("moves: %+v", m)
	}
	if _, err := s.Overview(t.Context(), demarc.At{Organization: "nobody"}, demarc.Filter{}); !errors.Is(err, demarc.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

func acceptance(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 4)
	record(t, s, w)
	overview := func() demarc.Overview {
		return must[demarc.Overview](t)(s.Overview(t.Context(), latest(w), demarc.Filter{}))
	}
	// Of each database: network.exposure, guest.patching and resilience.backup-configuration, and engine patching of the two that do not upgrade.
	if o := overview(); o.Unaccepted != 4*3+2 {
		t.Errorf("unaccepted: %d", o.Unaccepted)
	}
	now := w.Day.Add(-time.Hour)
	d := demarc.Declaration{Kind: demarc.Acceptance, Scope: filter(t, "tag=team=payments"), Duties: []string{"runtime.*", "network.*"}, Team: "payments", By: "Ada", On: w.Day.AddDate(0, 0, -1)}
	made := must[demarc.Declaration](t)(s.Declare(t.Context(), w.Organization, "ada", d, now))
	if o := overview(); made.ID == "" || o.Unaccepted != 4*3+2-2-1 {
		t.Errorf("after an acceptance: %d", o.Unaccepted)
	}
	if list := must[demarc.Paged[demarc.Finding]](t)(s.Findings(t.Context(), latest(w), filter(t, "gap=unaccepted&team=payments"), demarc.FindingsOpen, demarc.OrderWorst, demarc.Page{})); list.Total != 4 {
		t.Errorf("unaccepted of payments: %+v", list.Total)
	}
	if list := must[demarc.Paged[demarc.StoredResource]](t)(s.Resources(t.Context(), latest(w), filter(t, "gap=unaccepted&duty=network.exposure"), demarc.OrderID, demarc.Page{})); list.Total != 2 {
		t.Errorf("resources with an unaccepted duty: %d", list.Total)
	}
	// The line moves: its team is asked again.
	w.Things[w.ID(2)].Upgrades = false
	record(t, s, w)
	if list := must[demarc.Paged[demarc.Finding]](t)(s.Findings(t.Context(), latest(w), filter(t, "gap=unaccepted&duty=runtime.engine-patching"), demarc.FindingsOpen, demarc.OrderWorst, demarc.Page{})); list.Total != 2 || list.Items[0].Resource.ID != w.ID(2) {
		t.Errorf("after the line moved: %+v", list)
	}
	// Accepted again; another ends, and is due again.
	d.Until = time.Now().UTC().Truncate(24 * time.Hour)
	d.On = w.Day.AddDate(0, 0, -2)
	must[demarc.Declaration](t)(s.Declare(t.Context(), w.Organization, "ada", d, w.Day.Add(time.Hour)))
	if o := overview(); o.Unaccepted != 4*3+3-2-2 {
		t.Errorf("accepted again: %d", o.Unaccepted)
	}
	for _, x := range must[[]demarc.Declaration](t)(s.Declarations(t.Context(), w.Organization)) {
		if err := s.Withdraw(t.Context(), w.Organization, "bob", x.ID, now); err != nil {
			t.Error(err)
		}
	}
	if o := overview(); o.Unaccepted != 4*3+3 {
		t.Errorf("withdrawn: %d", o.Unaccepted)
	}
	if err := s.Withdraw(t.Context(), w.Organization, "bob", made.ID, now); !errors.Is(err, demarc.ErrNotFound) {
		t.Errorf("withdrawn twice: %v", err)
	}
	if _, err := s.Declare(t.Context(), w.Organization, "bob", demarc.Declaration{Kind: demarc.Exception, By: "x", On: w.Day, Check: "c"}, now); err == nil || !strings.Contains(err.Error(), "needs a reason") {
		t.Errorf("an exception without a reason: %v", err)
	}
}

func audited(t *testing.T, db Database) {
	s, w := db.Open(t, store.Options{}), NewWorld("Northwind", 2)
	record(t, s, w)
	record(t, s, w)
	if n := must[int64](t)(s.VerifyAudit(t.Context())); n != 2 {
		t.Errorf("%d entries", n)
	}
	list := must[demarc.Paged[demarc.AuditEntry]](t)(s.Audit(t.Context(), w.Organization, demarc.Page{Limit: 1}))
	if list.Total != 2 || list.Next == "" || list.Items[0].Action != "scan" || list.Items[0].Actor != "test" || list.Items[0].Subject != "scan 2" {
		t.Errorf("log: %+v", list)
	}
	for _, q := range []string{`UPDATE audit SET actor = 'nobody'`, `DELETE FROM audit`} {
		if _, err := db.SQL(t).ExecContext(t.Context(), q); err == nil || !strings.Contains(err.Error(), "only ever added to") {
			t.Errorf("%s: %v", q, err)
		}
	}
}

func hostile(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("North'; DROP TABLE scans; --\x00\xff", 0)
	for i, id := range []string{"a\x00b", "a\x01b", "a\xffb", "a\xf0b", "ä", "%", "_", "'", `"`, strings.Repeat("x", 3000), "a\ufffdb"} {
		x := w.Add(i)
		delete(w.Things, x.ID)
		x.ID, x.Name, x.Account = demarc.ResourceID(id), "\x00"+id, id
		x.Tags = demarc.TagsOf(map[string]string{id: "\x00\xff" + id})
		w.Things[x.ID] = x
	}
	scan := record(t, s, w)
	// Three ids read alike once they are clean: the first counts.
	if scan.Resources != len(w.Things)-3 {
		t.Errorf("scan: %+v", scan)
	}
	if scan := record(t, s, w); scan.Changed+scan.Added+scan.Removed != 0 {
		t.Errorf("again: %+v", scan)
	}
	for _, text := range []string{"q=%", "q=_", "q='", "name=%"} {
		f := filter(t, text)
		if list := must[demarc.Paged[demarc.StoredResource]](t)(s.Resources(t.Context(), latest(w), f, demarc.OrderID, demarc.Page{})); list.Total > 2 {
			t.Errorf("%s: %d resources", text, list.Total)
		}
	}
}

func readOnly(t *testing.T, open Open) {
	s, w := open(t, store.Options{}), NewWorld("Northwind", 3)
	record(t, s, w)
	r := open(t, store.Options{ReadOnly: true})
	if o := must[demarc.Overview](t)(r.Overview(t.Context(), latest(w), demarc.Filter{})); o.Resources != 3 {
		t.Errorf("overview: %+v", o)
	}
	if _, err := r.Record(t.Context(), w.Recording(), w.Answers()); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("record: %v", err)
	}
	w.Add(7)
	record(t, s, w)
	if o := must[demarc.Overview](t)(r.Overview(t.Context(), latest(w), demarc.Filter{})); o.Resources != 4 {
		t.Errorf("after another scan: %+v", o)
	}
}
