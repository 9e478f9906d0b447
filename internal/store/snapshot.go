package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"

	"github.com/demarc/demarc"
)

// snapshot is a scan in numbers: for each resource, in the order of their ids, where it is and how its duties stand.
// That is 53 bytes a resource; filters, counts and orders are worked out over it without asking the database.
type snapshot struct {
	scan    demarc.Scan
	org     int64
	view    view
	moments map[int64]demarc.Moment
	names   func(id int64) []string // of facts

	rids      []int64
	lineages  []int64 // their first versions
	places    []uint32
	standings []uint32 // the highest bit says that the guest's duties count at another resource
	born      []uint32 // scans
	first     []uint32
	stale     []int64 // by place: the scan since which it was not looked at, 0 for looked at

	// What is read when it is asked for.
	teams    lazy[[]uint64] // of each standing, the duties that a team does; nil where no teams are declared
	texts    lazy[*texts]
	history  lazy[*histories]
	log      lazy[*moveLog]
	resolved lazy[[]resolvedNumbers]
	past     lazy[[]pastVersion]
	pastText lazy[*texts]
	moved    lazy[map[int64][]movedDuty]

	// What is remembered: a snapshot does not change, and the same pages are asked for again and again.
	found    memo[string, []bool]
	selected memo[question, *selection]
	answers  memo[question, any]

	mu       sync.Mutex // guards what follows
	classes  *classes
	accepted string // of what classes were made
	standing map[uint32]*demarc.Standing
	ids      map[int64]string // of resources that are named as examples, by rid
}

func newSnapshot(org int64, scan demarc.Scan) *snapshot {
	return &snapshot{
		scan: scan, org: org, standing: map[uint32]*demarc.Standing{}, ids: map[int64]string{},
		found: memo[string, []bool]{most: 8}, selected: memo[question, *selection]{most: 16}, answers: memo[question, any]{most: 512},
	}
}

// lazy is something that is made when it is first asked for; who asks meanwhile waits.
type lazy[T any] struct {
	mu    sync.Mutex
	made  bool
	value T
}

// ifMade returns what was made, if it was.
func (l *lazy[T]) ifMade() (value T, ok bool) {
	if !l.mu.TryLock() {
		return value, false
	}
	defer l.mu.Unlock()
	return l.value, l.made
}

func (l *lazy[T]) get(make func() (T, error)) (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made {
		return l.value, nil
	}
	v, err := make()
	if err == nil {
		l.value, l.made = v, true
	}
	return v, err
}

// question is what was asked of a snapshot, with the classes that it was answered from.
type question struct {
	classes      *classes
	what, filter string
}

// ask answers a question about what a filter leaves of a snapshot once. The answer is shared and must not be changed.
func ask[T any](ctx context.Context, s *Store, n *snapshot, what string, f demarc.Filter, answer func(*selection) (T, error)) (T, error) {
	var none T
	cs, err := s.classesOf(ctx, n)
	if err != nil {
		return none, err
	}
	a, err := n.answers.get(ctx, question{cs, what, f.String()}, func() (any, error) {
		sel, err := s.selectsFrom(ctx, n, cs, f)
		if err != nil {
			return none, err
		}
		return answer(sel)
	})
	if err != nil {
		return none, err
	}
	return a.(T), nil //nolint:forcetypeassert // what is asked says of which type its answer is
}

const insideBit = 1 << 31

// histories are the findings of the resources of a snapshot whose history is not that of their resource.
type histories struct {
	rows    map[int64][]findingRow // by rid
	special []bool                 // by position: it has such findings
	lapsed  []bool                 // by position: it has some that can no longer be told
}

// findingRow is a finding whose history is not that of its resource.
type findingRow struct {
	duty  int
	of    findingOf
	out   *outcome // when it was last seen
	first int64
	last  int64 // 0 while it is seen
}

// maxSnapshots is how many are kept, those that were asked for last.
const maxSnapshots = 4

// snapshotAt returns a scan in numbers. It is read once; who comes meanwhile waits.
func (s *Store) snapshotAt(ctx context.Context, at demarc.At) (*snapshot, error) {
	org, err := s.organization(ctx, at.Organization)
	if err != nil {
		return nil, err
	}
	scan, err := s.scan(ctx, org, at)
	if err != nil {
		return nil, err
	}
	return s.snapshotOf(ctx, org, scan)
}

func (s *Store) snapshotOf(ctx context.Context, org int64, scan demarc.Scan) (*snapshot, error) {
	return s.snapshots.get(ctx, demarc.At{Organization: scan.Organization, Scan: scan.ID}, func() (*snapshot, error) { return s.load(ctx, org, scan) })
}

// Warm reads what queries about the latest scan of an organization need, so that the first of them need not wait. Until it
// is done the scan that was read before it stays the latest one for whoever asks: they wait for nothing.
func (s *Store) Warm(ctx context.Context, organization string) error {
	org, err := s.organization(ctx, organization)
	if err != nil {
		return err
	}
	scan, err := s.newest(ctx, org, organization)
	if err != nil {
		return err
	}
	n, err := s.snapshotOf(ctx, org, scan)
	if err != nil {
		return err
	}
	_, err = s.classesOf(ctx, n)
	for _, read := range []func() error{
		func() error { _, err := s.historiesOf(ctx, n); return err },
		func() error { _, err := s.pastVersions(ctx, n); return err },
		func() error { _, err := s.movesUntil(ctx, n); return err },
		func() error { _, err := s.resolvedLog(ctx, n); return err },
		func() error { _, err := s.textsOf(ctx, n); return err },
		func() error { _, err := s.pastTexts(ctx, n); return err },
	} {
		if err == nil {
			err = read()
		}
	}
	if err == nil {
		s.mu.Lock()
		s.ready[organization] = scan.ID
		s.mu.Unlock()
	}
	return err
}

// readyScan returns the scan of an organization that Warm read last, 0 for none or for one that was forgotten since.
func (s *Store) readyScan(organization string) demarc.ScanID {
	s.mu.Lock()
	id := s.ready[organization]
	s.mu.Unlock()
	if _, ok := s.snapshots.has(demarc.At{Organization: organization, Scan: id}); !ok {
		return 0
	}
	return id
}

func (s *Store) load(ctx context.Context, org int64, scan demarc.Scan) (*snapshot, error) {
	snap := newSnapshot(org, scan)
	v := s.vocabulary(org)
	err := s.reading(ctx, func(conn *sql.Conn) error {
		var err error
		if snap.moments, err = moments(ctx, conn, org); err != nil {
			return err
		}
		if snap.view, err = v.refresh(ctx, conn); err != nil {
			return err
		}
		if err := snap.readResources(ctx, conn, v); err != nil {
			return err
		}
		return snap.readStale(ctx, conn, v)
	})
	if err != nil {
		return nil, fmt.Errorf("read scan %d from %s: %w", scan.ID, s.name, err)
	}
	snap.names = v.factNames
	return snap, nil
}

// versionsAt asks for columns of the versions of organization $1 that were so at scan $2. Those that have not ended and
// those that have are found by an index each.
func versionsAt(columns, and string) string {
	if and != "" {
		and = " AND " + and
	}
	query := "SELECT " + columns + " FROM resources WHERE organization = $1 AND first <= $2 AND ended "
	return query + "IS NULL" + and + " UNION ALL " + query + "> $2" + and
}

// readResources reads the versions of the scan: from blocks if it is the one that they are of.
func (n *snapshot) readResources(ctx context.Context, conn *sql.Conn, v *vocabulary) error {
	v.mu.Lock()
	placeAt, standingAt := v.placeAt, v.standingAt
	defer v.mu.Unlock() // the maps change only under it
	size := n.scan.Resources
	n.rids, n.places, n.standings = make([]int64, 0, size), make([]uint32, 0, size), make([]uint32, 0, size)
	n.born, n.first, n.lineages = make([]uint32, 0, size), make([]uint32, 0, size), make([]int64, 0, size)
	take := func(e *entry) error {
		p, known := placeAt[e.place]
		at, ok := standingAt[e.standing]
		if !known || !ok {
			return fmt.Errorf("resource %d speaks of what is not there", e.rid)
		}
		if e.inside {
			at |= insideBit
		}
		n.rids, n.places, n.standings = append(n.rids, e.rid), append(n.places, p), append(n.standings, at)
		n.born, n.first, n.lineages = append(n.born, uint32(e.born)), append(n.first, uint32(e.first)), append(n.lineages, e.lineage)
		return nil
	}
	if isLatest, err := n.isInBlocks(ctx, conn); err != nil {
		return err
	} else if isLatest {
		return eachBlock(ctx, conn, n.org, func(list []entry) error {
			for i := range list {
				if err := take(&list[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	const columns = "rid, lineage, place, standing, inside, born, first"
	rows, err := conn.QueryContext(ctx, `SELECT `+columns+` FROM (`+versionsAt("id, "+columns, "")+`) AS versions ORDER BY id`, n.org, int64(n.scan.ID))
	return each(rows, err, func(r *sql.Rows) error {
		var e entry
		var inside int64
		if err := r.Scan(&e.rid, &e.lineage, &e.place, &e.standing, &inside, &e.born, &e.first); err != nil {
			return err
		}
		e.inside = inside != 0
		return take(&e)
	})
}

// isInBlocks reports whether what blocks say is of the scan.
func (n *snapshot) isInBlocks(ctx context.Context, conn *sql.Conn) (bool, error) {
	var of int64
	err := conn.QueryRowContext(ctx, `SELECT blocks FROM organizations WHERE id = $1`, n.org).Scan(&of)
	return of == int64(n.scan.ID), err
}

func (n *snapshot) readStale(ctx context.Context, conn *sql.Conn, v *vocabulary) error {
	n.stale = make([]int64, len(n.view.places))
	rows, err := conn.QueryContext(ctx, `SELECT place, first FROM unlooked WHERE organization = $1 AND first <= $2 AND (ended IS NULL OR ended > $2)`, n.org, int64(n.scan.ID))
	return each(rows, err, func(r *sql.Rows) error {
		var p, first int64
		if err := r.Scan(&p, &first); err != nil {
			return err
		}
		v.mu.Lock()
		at, ok := v.placeAt[p]
		v.mu.Unlock()
		if ok && int(at) < len(n.stale) {
			n.stale[at] = first
		}
		return nil
	})
}

// historiesOf reads the histories of findings when they are first asked for.
func (s *Store) historiesOf(ctx context.Context, n *snapshot) (*histories, error) {
	return n.history.get(func() (h *histories, err error) {
		err = s.reading(ctx, func(conn *sql.Conn) error {
			v := s.vocabulary(n.org)
			if _, err := v.refresh(ctx, conn); err != nil { // a later scan may have been written to the rows
				return err
			}
			h, err = n.readHistories(ctx, conn, v)
			return err
		})
		return h, err
	})
}

func (n *snapshot) readHistories(ctx context.Context, conn *sql.Conn, v *vocabulary) (*histories, error) {
	h := &histories{rows: map[int64][]findingRow{}, special: make([]bool, len(n.rids)), lapsed: make([]bool, len(n.rids))}
	byLineage := map[int64][]findingRow{}
	texts := map[string]string{} // gaps and checks, of which there are few
	text := func(b sql.RawBytes) string {
		t, ok := texts[string(b)]
		if !ok {
			t = string(b)
			texts[t] = t
		}
		return t
	}
	rows, err := conn.QueryContext(ctx, `SELECT lineage, outcome, gap, check_id, severity, first, last FROM findings WHERE organization = $1 AND first <= $2 AND (resolved IS NULL OR resolved > $2)`, n.org, int64(n.scan.ID))
	err = each(rows, err, func(r *sql.Rows) error {
		var f findingRow
		var lineage, outcome, severity int64
		var gap, check sql.RawBytes
		var last sql.NullInt64
		if err := r.Scan(&lineage, &outcome, &gap, &check, &severity, &f.first, &last); err != nil {
			return err
		}
		v.mu.Lock()
		f.out = v.outcomeOf[outcome]
		v.mu.Unlock()
		if f.out == nil {
			return fmt.Errorf("a finding speaks of outcome %d, which is not there", outcome)
		}
		f.of, f.duty = findingOf{demarc.Gap(text(gap)), text(check), demarc.Severity(severity)}, f.out.duty
		if last.Valid && last.Int64 < int64(n.scan.ID) {
			f.last = last.Int64
		}
		byLineage[lineage] = append(byLineage[lineage], f)
		return nil
	})
	if err != nil || len(byLineage) == 0 {
		return h, err
	}
	for pos, lineage := range n.lineages {
		if list := byLineage[lineage]; list != nil {
			h.rows[n.rids[pos]], h.special[pos] = list, true
			h.lapsed[pos] = slices.ContainsFunc(list, func(f findingRow) bool { return f.last != 0 })
		}
	}
	return h, nil
}

func (v *vocabulary) factNames(id int64) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.names[id]
}

// standingOf returns the answers for all duties of the resource at a place of the snapshot, and whether its guest's
// duties count elsewhere.
func (n *snapshot) standingOf(pos int) (*demarc.Standing, bool) {
	at := n.standings[pos] &^ insideBit
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.standing[at]
	if s == nil {
		s = n.view.standing(at)
		n.standing[at] = s
	}
	return s, n.standings[pos]&insideBit != 0
}

// moment returns a scan and when it was. One that was pruned has no time.
func (n *snapshot) moment(scan int64) demarc.Moment {
	if m, ok := n.moments[scan]; ok {
		return m
	}
	return demarc.Moment{Scan: demarc.ScanID(scan)}
}
