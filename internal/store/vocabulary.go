package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/demarc/demarc"
)

// querier is a database, or one connection to it.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// place is where resources are and what they are.
type place struct {
	provider, source, account, region, typ string
	service                                demarc.ServiceID
	model, archetype                       string
	implied                                bool
}

// outcome is the answer for one duty, as thousands of resources have it.
type outcome struct {
	id     int64
	duty   int
	answer demarc.DutyAnswer
	counts counts      // what it adds to a tally
	gaps   []findingOf // what it is findings of
}

// findingOf is what tells the findings of one duty apart.
type findingOf struct {
	gap      demarc.Gap
	check    string
	severity demarc.Severity
}

const numDuties = 56

// The duties must fit the table of columns.
var _ = [1]struct{}{}[len([numDuties]struct{}{})-56]

// vocabulary is what the resources of an organization share, in memory. Everything in it is only ever added to, so that
// what a view sees stays.
type vocabulary struct {
	organization int64

	mu          sync.Mutex
	assignments map[int64]*demarc.Assignment
	verdicts    map[int64]*demarc.Verdict
	outcomeOf   map[int64]*outcome
	placeAt     map[int64]uint32 // id to index
	standingAt  map[int64]uint32
	last        struct{ place, assignment, verdict, outcome, standing, names int64 }
	names       map[int64][]string
	numberOf    map[int64]uint16 // of an outcome among those of its duty
	view        view
}

// view is a vocabulary at a moment. It never changes.
type view struct {
	places    []place
	placeIDs  []int64
	standings int
	columns   [numDuties][]uint16   // for each duty and standing: the number of its outcome among those of the duty
	outcomes  [numDuties][]*outcome // by that number
	gapped    []uint64              // of each standing, the duties that are findings
	summaries [][2]counts           // of each standing; the second without the guest's duties
}

func (s *Store) vocabulary(organization int64) *vocabulary {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.vocabs[organization]
	if v == nil {
		v = &vocabulary{
			organization: organization, assignments: map[int64]*demarc.Assignment{}, verdicts: map[int64]*demarc.Verdict{}, outcomeOf: map[int64]*outcome{},
			placeAt: map[int64]uint32{}, standingAt: map[int64]uint32{}, names: map[int64][]string{}, numberOf: map[int64]uint16{},
		}
		s.vocabs[organization] = v
	}
	return v
}

// refresh reads what was added since the last time, and returns how things are now.
func (v *vocabulary) refresh(ctx context.Context, db querier) (view, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, read := range []func(context.Context, querier) error{v.readPlaces, v.readAssignments, v.readVerdicts, v.readNames, v.readOutcomes, v.readStandings} {
		if err := read(ctx, db); err != nil {
			return view{}, fmt.Errorf("read what resources share: %w", err)
		}
	}
	return v.view, nil
}

func (v *vocabulary) readPlaces(ctx context.Context, db querier) error {
	rows, err := db.QueryContext(ctx, `SELECT id, provider, source, account, region, type, service, model, archetype, implied FROM places WHERE organization = $1 AND id > $2 ORDER BY id`, v.organization, v.last.place)
	return each(rows, err, func(r *sql.Rows) error {
		var p place
		var id, implied int64
		if err := r.Scan(&id, &p.provider, &p.source, &p.account, &p.region, &p.typ, &p.service, &p.model, &p.archetype, &implied); err != nil {
			return err
		}
		p.implied = implied != 0
		v.placeAt[id] = uint32(len(v.view.places))
		v.view.places, v.view.placeIDs, v.last.place = append(v.view.places, p), append(v.view.placeIDs, id), id
		return nil
	})
}

func (v *vocabulary) readAssignments(ctx context.Context, db querier) error {
	rows, err := db.QueryContext(ctx, `SELECT id, body FROM assignments WHERE organization = $1 AND id > $2 ORDER BY id`, v.organization, v.last.assignment)
	return each(rows, err, func(r *sql.Rows) error {
		var id int64
		var body []byte
		if err := r.Scan(&id, &body); err != nil {
			return err
		}
		a := &demarc.Assignment{}
		if err := json.Unmarshal(body, a); err != nil {
			return fmt.Errorf("assignment %d: %w", id, err)
		}
		for _, p := range a.Parts {
			a.Roles = a.Roles.With(p.Role)
		}
		v.assignments[id], v.last.assignment = a, id
		return nil
	})
}

func (v *vocabulary) readVerdicts(ctx context.Context, db querier) error {
	rows, err := db.QueryContext(ctx, `SELECT id, body FROM verdicts WHERE organization = $1 AND id > $2 ORDER BY id`, v.organization, v.last.verdict)
	return each(rows, err, func(r *sql.Rows) error {
		var id int64
		var body []byte
		if err := r.Scan(&id, &body); err != nil {
			return err
		}
		x := &demarc.Verdict{}
		if err := json.Unmarshal(body, x); err != nil {
			return fmt.Errorf("verdict %d: %w", id, err)
		}
		v.verdicts[id], v.last.verdict = x, id
		return nil
	})
}

func (v *vocabulary) readNames(ctx context.Context, db querier) error {
	rows, err := db.QueryContext(ctx, `SELECT id, names FROM fact_names WHERE organization = $1 AND id > $2 ORDER BY id`, v.organization, v.last.names)
	return each(rows, err, func(r *sql.Rows) error {
		var id int64
		var body []byte
		if err := r.Scan(&id, &body); err != nil {
			return err
		}
		var names []string
		if err := json.Unmarshal(body, &names); err != nil {
			return fmt.Errorf("names of facts %d: %w", id, err)
		}
		v.names[id], v.last.names = names, id
		return nil
	})
}

func (v *vocabulary) readOutcomes(ctx context.Context, db querier) error {
	rows, err := db.QueryContext(ctx, `SELECT id, assignment, verdict, team, teamless, believed, assumption FROM outcomes WHERE organization = $1 AND id > $2 ORDER BY id`, v.organization, v.last.outcome)
	return each(rows, err, func(r *sql.Rows) error {
		o := &outcome{}
		var assignment, verdict, teamless int64
		if err := r.Scan(&o.id, &assignment, &verdict, &o.answer.Team, &teamless, &o.answer.Believed, &o.answer.Assumption); err != nil {
			return err
		}
		o.answer.Assignment, o.answer.Verdict, o.answer.Teamless = v.assignments[assignment], v.verdicts[verdict], teamless != 0
		if o.answer.Assignment == nil || o.answer.Verdict == nil {
			return fmt.Errorf("outcome %d speaks of what is not there", o.id)
		}
		if o.duty = demarc.DutyIndex(o.answer.Duty); o.duty < 0 {
			return fmt.Errorf("outcome %d is of duty %q, which this demarc does not know", o.id, o.answer.Duty)
		}
		o.counts, o.gaps = countsOf(&o.answer), findingsOf(&o.answer)
		v.numberOf[o.id] = uint16(len(v.view.outcomes[o.duty]))
		v.view.outcomes[o.duty] = append(v.view.outcomes[o.duty], o)
		v.outcomeOf[o.id], v.last.outcome = o, o.id
		return nil
	})
}

func (v *vocabulary) readStandings(ctx context.Context, db querier) error {
	rows, err := db.QueryContext(ctx, `SELECT id, outcomes FROM standings WHERE organization = $1 AND id > $2 ORDER BY id`, v.organization, v.last.standing)
	var raw sql.RawBytes
	return each(rows, err, func(r *sql.Rows) error {
		var id int64
		if err := r.Scan(&id, &raw); err != nil {
			return err
		}
		d := decoder{b: raw}
		var sums [2]counts
		var gapped uint64
		for i := range numDuties {
			o := v.outcomeOf[int64(d.uvarint())]
			if o == nil || o.duty != i {
				return fmt.Errorf("standing %d speaks of what is not there", id)
			}
			v.view.columns[i] = append(v.view.columns[i], v.numberOf[o.id])
			sums[0].add(&o.counts)
			if len(o.gaps) > 0 {
				gapped |= 1 << i
			}
			if !isGuest[i] {
				sums[1].add(&o.counts)
			}
		}
		v.standingAt[id] = uint32(v.view.standings)
		v.view.standings++
		v.view.gapped = append(v.view.gapped, gapped)
		v.view.summaries, v.last.standing = append(v.view.summaries, sums), id
		return nil
	})
}

// isGuest tells the duties of the guest layer by index: they count once, at the most specific resource.
var isGuest = func() (out [numDuties]bool) {
	for i, d := range demarc.Duties {
		out[i] = d.Layer() == "guest"
	}
	return out
}()

// findingsOf returns what a duty is findings of: a duty that is failing or blind once for each check that makes it so.
func findingsOf(d *demarc.DutyAnswer) []findingOf {
	var out []findingOf
	if d.Holder == demarc.NotApplicable {
		return nil
	}
	if d.Believed != "" {
		out = append(out, findingOf{demarc.GapMisassumed, "", demarc.High})
	}
	gap := d.State.Gap()
	switch gap {
	case "":
	case demarc.GapFailing, demarc.GapBlind:
		want := demarc.CheckFail
		if gap == demarc.GapBlind {
			want = demarc.CheckUnknown
		}
		for _, c := range d.Checks {
			if c.Result == want {
				out = append(out, findingOf{gap, c.ID, c.Severity})
			}
		}
	default:
		out = append(out, findingOf{gap, "", severityOf(gap)})
	}
	return out
}

func severityOf(g demarc.Gap) demarc.Severity {
	switch g {
	case demarc.GapMisassumed, demarc.GapUnowned, demarc.GapLapsed:
		return demarc.High
	default:
		return demarc.Low
	}
}

// standing returns the answers for all duties of a standing.
func (w *view) standing(at uint32) *demarc.Standing {
	s := &demarc.Standing{Assignments: make([]*demarc.Assignment, numDuties), Verdicts: make([]*demarc.Verdict, numDuties)}
	teams := false
	names := make([]string, numDuties)
	for i := range numDuties {
		o := w.outcome(i, at)
		s.Assignments[i], s.Verdicts[i] = o.answer.Assignment, o.answer.Verdict
		names[i] = o.answer.Team
		teams = teams || o.answer.Team != "" || o.answer.Teamless
		if o.answer.Believed != "" {
			s.Beliefs = append(s.Beliefs, demarc.Belief{Duty: i, Holder: o.answer.Believed, Assumption: o.answer.Assumption})
		}
		s.Checks = append(s.Checks, o.answer.Checks...)
	}
	if teams {
		s.Teams = names
	}
	slices.SortFunc(s.Checks, func(a, b demarc.CheckOutcome) int { return strings.Compare(a.ID, b.ID) })
	return s
}

func (w *view) outcome(duty int, standing uint32) *outcome {
	return w.outcomes[duty][w.columns[duty][standing]]
}
