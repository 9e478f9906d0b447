package storetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/store"
)

// Said returns everything that a store says of an organization, at each of its scans, as lines of text.
func Said(t testing.TB, s *store.Store, organization string) string {
	t.Helper()
	var b strings.Builder
	say := func(what string, v any, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		fmt.Fprintf(&b, "%s: %s\n", what, text)
	}
	ctx, all := t.Context(), demarc.Page{Limit: demarc.MaxLimit}
	scans, err := s.Scans(ctx, organization, all)
	say("scans", scans, err)
	ids := map[demarc.ResourceID]bool{}
	for _, scan := range scans.Items {
		at := demarc.At{Organization: organization, Scan: scan.ID}
		overview, err := s.Overview(ctx, at, demarc.Filter{})
		say(fmt.Sprintf("overview at %d", scan.ID), overview, err)
		resources, err := s.Resources(ctx, at, demarc.Filter{}, demarc.OrderID, all)
		for i := range resources.Items {
			say(fmt.Sprintf("resource at %d", scan.ID), resources.Items[i], err)
		}
		for _, status := range []demarc.FindingStatus{demarc.FindingsOpen, demarc.FindingsResolved} {
			findings, err := s.Findings(ctx, at, demarc.Filter{}, status, demarc.OrderID, all)
			for i := range findings.Items {
				f := &findings.Items[i]
				say(fmt.Sprintf("%s finding at %d of %s", status, scan.ID, f.Resource.ID), []any{f.Duty, f.Gap, f.Check, f.Severity, f.Holder, f.State, f.Team, f.FirstSeen.Scan, f.LastSeen.Scan, f.Resolved.Scan, f.Stale}, err)
			}
		}
		for a, err := range s.Answers(ctx, at, demarc.Filter{}) {
			ids[a.Resource.ID] = true
			var facts []string
			for _, f := range a.Facts {
				facts = append(facts, fmt.Sprintf("%s=%s (%s)", f.Name, f.Fact.Value, f.Fact.Origin))
			}
			say(fmt.Sprintf("facts of %s at %d", a.Resource.ID, scan.ID), facts, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		versions, err := s.Versions(ctx, organization, id)
		say("versions of "+string(id), versions, err)
	}
	moves, err := s.Moves(ctx, organization, demarc.Filter{}, demarc.Period{}, all)
	for i := range moves.Items {
		say("move", moves.Items[i], err)
	}
	groups, err := s.MoveGroups(ctx, organization, demarc.Filter{}, demarc.Period{})
	say("groups of moves", groups, err)
	trend, err := s.Trend(ctx, organization, demarc.Filter{}, demarc.Period{})
	say("trend", trend, err)
	return b.String()
}
