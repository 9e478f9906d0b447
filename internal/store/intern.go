package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/demarc/demarc"
)

// interner gives numbers to what resources share, and writes what is new. A scan has one.
type interner struct {
	t   *tx
	org int64

	places  map[place]int64
	placeOf map[int64]place

	assignments map[[32]byte]int64
	verdicts    map[[32]byte]int64
	outcomes    map[outcomeKey]int64
	standings   map[[16]byte]int64
	names       map[string]int64 // by their JSON

	outcomeOf  map[int64]*demarc.DutyAnswer
	standingOf map[int64][]int64 // only those that were asked for
	namesOf    map[int64][]string

	// By address, as equal parts of answers mostly are one.
	assignmentAt map[*demarc.Assignment]int64
	verdictAt    map[*demarc.Verdict]int64
	outcomeAt    map[outcomeAt]int64
	standingAt   map[standingKey]standingKnown
	standingBy   [1 << 16]standingLast // by the last bits of its id: what a resource had before, it mostly still has
	namesAt      map[demarc.ServiceID][]namesKnown
	archetypeAt  map[*demarc.Assignment]string

	next                                                                        struct{ place, assignment, verdict, outcome, standing, names int64 }
	newPlaces, newAssignments, newVerdicts, newOutcomes, newStandings, newNames bulk
	facts, digested                                                             []byte
	digests                                                                     cipher.AEAD
	lastPlace                                                                   struct {
		raw place
		id  int64
	}
}

// interned is what an answer comes to: numbers, and bytes that are valid until the next.
type interned struct {
	place, standing, names int64
	inside                 bool
	name, tags             string
	facts                  []byte
}

const maxAddresses = 200_000

// outcomeKey is what an outcome is made of.
type outcomeKey struct {
	assignment, verdict int64
	team                string
	teamless            bool
	believed            demarc.Holder
	assumption          string
}

// standingKey tells standings apart by the addresses of their parts, which are kept.
type standingKey struct {
	assignments **demarc.Assignment
	verdicts    **demarc.Verdict
	teams       *string
	beliefs     *demarc.Belief
}

// outcomeAt tells outcomes without a belief apart by the addresses of their parts.
type outcomeAt struct {
	a        *demarc.Assignment
	v        *demarc.Verdict
	team     string
	teamless bool
}

// standingKnown is a standing and the archetype that it rests on.
type standingKnown struct {
	id        int64
	archetype string
}

// standingLast is a standing that was met, and the parts that it had.
type standingLast struct {
	key   standingKey
	known standingKnown
}

type namesKnown struct {
	names []string
	id    int64
}

func newInterner(ctx context.Context, s *Store, t *tx, org int64) (*interner, error) {
	in := &interner{
		t: t, org: org, places: map[place]int64{}, placeOf: map[int64]place{},
		assignments: map[[32]byte]int64{}, verdicts: map[[32]byte]int64{}, outcomes: map[outcomeKey]int64{}, standings: map[[16]byte]int64{}, names: map[string]int64{},
		outcomeOf: map[int64]*demarc.DutyAnswer{}, standingOf: map[int64][]int64{}, namesOf: map[int64][]string{},
		assignmentAt: map[*demarc.Assignment]int64{}, verdictAt: map[*demarc.Verdict]int64{}, outcomeAt: map[outcomeAt]int64{}, standingAt: map[standingKey]standingKnown{}, namesAt: map[demarc.ServiceID][]namesKnown{}, archetypeAt: map[*demarc.Assignment]string{},
		newPlaces:      bulk{table: "places", columns: []string{"id", "organization", "provider", "source", "account", "region", "type", "service", "model", "archetype", "implied"}},
		newAssignments: bulk{table: "assignments", columns: []string{"id", "organization", "body"}},
		newVerdicts:    bulk{table: "verdicts", columns: []string{"id", "organization", "body"}},
		newOutcomes:    bulk{table: "outcomes", columns: []string{"id", "organization", "assignment", "verdict", "team", "teamless", "believed", "assumption"}},
		newStandings:   bulk{table: "standings", columns: []string{"id", "organization", "outcomes"}},
		newNames:       bulk{table: "fact_names", columns: []string{"id", "organization", "names"}},
	}
	for _, n := range []struct {
		table string
		to    *int64
	}{
		{"places", &in.next.place},
		{"assignments", &in.next.assignment},
		{"verdicts", &in.next.verdict},
		{"outcomes", &in.next.outcome},
		{"standings", &in.next.standing},
		{"fact_names", &in.next.names},
	} {
		var err error
		if *n.to, err = t.next(ctx, n.table, "id"); err != nil {
			return nil, err
		}
	}
	if err := in.readKey(ctx); err != nil {
		return nil, err
	}
	return in, in.read(ctx, s)
}

// readKey takes the key of the organization's digests, or makes one.
func (in *interner) readKey(ctx context.Context) error {
	var key []byte
	if err := in.t.conn.QueryRowContext(ctx, `SELECT digest_key FROM organizations WHERE id = $1`, in.org).Scan(&key); err != nil {
		return err
	}
	if key == nil {
		key = make([]byte, 16)
		_, _ = rand.Read(key) // never fails
		if err := in.t.exec(ctx, `UPDATE organizations SET digest_key = $1 WHERE id = $2`, key, in.org); err != nil {
			return err
		}
	}
	var err error
	in.digests, err = digestsUnder(key)
	return err
}

func digestsUnder(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// read takes what is there already.
func (in *interner) read(ctx context.Context, s *Store) error {
	v := s.vocabulary(in.org)
	if _, err := v.refresh(ctx, s.read); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, p := range v.view.places {
		in.places[p], in.placeOf[v.view.placeIDs[i]] = v.view.placeIDs[i], p
	}
	assignmentOf, verdictOf := map[*demarc.Assignment]int64{}, map[*demarc.Verdict]int64{}
	for id, a := range v.assignments {
		sum, _, err := contentOf(a)
		if err != nil {
			return err
		}
		in.assignments[sum], assignmentOf[a] = id, id
	}
	for id, x := range v.verdicts {
		sum, _, err := contentOf(x)
		if err != nil {
			return err
		}
		in.verdicts[sum], verdictOf[x] = id, id
	}
	for id, o := range v.outcomeOf {
		d := &o.answer
		in.outcomes[outcomeKey{assignmentOf[d.Assignment], verdictOf[d.Verdict], d.Team, d.Teamless, d.Believed, d.Assumption}] = id
		in.outcomeOf[id] = d
	}
	ids := make([]int64, numDuties)
	for id, at := range v.standingAt {
		for i := range numDuties {
			ids[i] = v.view.outcome(i, at).id
		}
		in.standings[sumOf(appendIDs(nil, ids))] = id
	}
	for id, names := range v.names {
		text, err := json.Marshal(names)
		if err != nil {
			return err
		}
		in.names[string(text)], in.namesOf[id] = id, names
	}
	return nil
}

// contentOf is a value as it is stored, and the digest of that.
func contentOf(v any) ([32]byte, []byte, error) {
	text, err := json.Marshal(v)
	return sha256.Sum256(text), text, err
}

func sumOf(b []byte) [16]byte {
	sum := sha256.Sum256(b)
	return [16]byte(sum[:16])
}

// answer returns an answer as numbers; before is the standing that its resource had, 0 for none.
func (in *interner) answer(ctx context.Context, a *demarc.Answer, before int64) (interned, error) {
	out := interned{inside: a.Inside, name: clean(a.Resource.Name), tags: string(a.Resource.Tags)}
	standing, err := in.standing(ctx, a.Standing, before)
	if err != nil {
		return out, err
	}
	out.standing = standing.id
	if out.place, err = in.place(ctx, &a.Resource, standing.archetype); err != nil {
		return out, err
	}
	if out.names, err = in.factNames(ctx, a); err != nil {
		return out, err
	}
	in.facts = appendFacts(in.facts[:0], a.Facts)
	out.facts = in.facts
	return out, nil
}

// digest is that of everything that makes a version of a resource, but for its id: GMAC under the organization's key.
// Nothing is encrypted, so one nonce serves.
func (in *interner) digest(x *interned) (out [16]byte) {
	b := in.digested[:0]
	for _, n := range []int64{x.place, x.standing, x.names, bit(x.inside)} {
		b = binary.AppendVarint(b, n)
	}
	b = appendText(b, x.name)
	b = appendText(b, x.tags)
	b = append(b, x.facts...)
	in.digested = b
	var nonce [12]byte
	in.digests.Seal(out[:0], nonce[:], nil, b)
	return out
}

// place returns the number of where a resource is. Neighbours are mostly in one place.
func (in *interner) place(ctx context.Context, r *demarc.Resource, archetype string) (int64, error) {
	raw := place{r.Provider, r.Source, r.Account, r.Region, r.Type, r.Service, r.Model, archetype, r.Implied}
	if raw == in.lastPlace.raw && in.lastPlace.id != 0 {
		return in.lastPlace.id, nil
	}
	id, err := in.placeOfKind(ctx, place{clean(r.Provider), clean(r.Source), clean(r.Account), clean(r.Region), clean(r.Type), r.Service, r.Model, archetype, r.Implied})
	in.lastPlace.raw, in.lastPlace.id = raw, id
	return id, err
}

func (in *interner) placeOfKind(ctx context.Context, p place) (int64, error) {
	if id, ok := in.places[p]; ok {
		return id, nil
	}
	id := in.next.place
	in.next.place++
	in.places[p], in.placeOf[id] = id, p
	return id, in.newPlaces.add(ctx, in.t, id, in.org, p.provider, p.source, p.account, p.region, p.typ, string(p.service), p.model, p.archetype, bit(p.implied))
}

// archetype returns the archetype that the answers rest on.
func (in *interner) archetype(s *demarc.Standing) string {
	for _, a := range s.Assignments {
		known, ok := in.archetypeAt[a]
		if !ok {
			for _, b := range a.Basis {
				if b.Kind == demarc.BasisArchetype {
					known = b.ID
				}
			}
			in.archetypeAt[a] = known
		}
		if known != "" {
			return known
		}
	}
	return ""
}

// standing returns the number of a standing; before is the one that the resource had.
func (in *interner) standing(ctx context.Context, s *demarc.Standing, before int64) (standingKnown, error) {
	key := standingKey{assignments: &s.Assignments[0], verdicts: &s.Verdicts[0]}
	if len(s.Teams) > 0 {
		key.teams = &s.Teams[0]
	}
	if len(s.Beliefs) > 0 {
		key.beliefs = &s.Beliefs[0]
	}
	if last := &in.standingBy[before%int64(len(in.standingBy))]; last.key == key {
		return last.known, nil
	}
	if known, ok := in.standingAt[key]; ok {
		in.standingBy[known.id%int64(len(in.standingBy))] = standingLast{key, known}
		return known, nil
	}
	ids := make([]int64, numDuties)
	for i, a := range s.Assignments {
		at := outcomeAt{a: a, v: s.Verdicts[i]}
		if s.Teams != nil && a.Tenant() {
			at.team, at.teamless = s.Teams[i], s.Teams[i] == ""
		}
		believed := slices.ContainsFunc(s.Beliefs, func(b demarc.Belief) bool { return b.Duty == i })
		id, ok := in.outcomeAt[at]
		if !ok || believed {
			d := s.Duty(i)
			var err error
			if id, err = in.outcome(ctx, &d); err != nil {
				return standingKnown{}, err
			}
			if !believed {
				if len(in.outcomeAt) >= maxAddresses {
					clear(in.outcomeAt)
				}
				in.outcomeAt[at] = id
			}
		}
		ids[i] = id
	}
	body := appendIDs(nil, ids)
	sum := sumOf(body)
	id, ok := in.standings[sum]
	if !ok {
		id = in.next.standing
		in.next.standing++
		in.standings[sum], in.standingOf[id] = id, ids
		if err := in.newStandings.add(ctx, in.t, id, in.org, body); err != nil {
			return standingKnown{}, err
		}
	}
	if len(in.standingAt) >= maxAddresses { // most resources may have one of their own
		clear(in.standingAt)
	}
	known := standingKnown{id, in.archetype(s)}
	in.standingAt[key] = known
	in.standingBy[known.id%int64(len(in.standingBy))] = standingLast{key, known}
	return known, nil
}

func (in *interner) outcome(ctx context.Context, d *demarc.DutyAnswer) (int64, error) {
	key := outcomeKey{team: clean(d.Team), teamless: d.Teamless, believed: d.Believed, assumption: clean(d.Assumption)}
	var err error
	var ok bool
	if key.assignment, ok = in.assignmentAt[d.Assignment]; !ok {
		if key.assignment, err = intern(ctx, in, d.Assignment, in.assignments, &in.next.assignment, &in.newAssignments); err != nil {
			return 0, err
		}
		in.assignmentAt[d.Assignment] = key.assignment
	}
	if key.verdict, ok = in.verdictAt[d.Verdict]; !ok {
		if key.verdict, err = intern(ctx, in, d.Verdict, in.verdicts, &in.next.verdict, &in.newVerdicts); err != nil {
			return 0, err
		}
		in.verdictAt[d.Verdict] = key.verdict
	}
	if id, ok := in.outcomes[key]; ok {
		return id, nil
	}
	id := in.next.outcome
	in.next.outcome++
	own := *d
	in.outcomes[key], in.outcomeOf[id] = id, &own
	return id, in.newOutcomes.add(ctx, in.t, id, in.org, key.assignment, key.verdict, key.team, bit(key.teamless), string(key.believed), key.assumption)
}

// intern returns the number of a value by its content.
func intern(ctx context.Context, in *interner, v any, known map[[32]byte]int64, next *int64, to *bulk) (int64, error) {
	sum, text, err := contentOf(v)
	if err != nil {
		return 0, err
	}
	if id, ok := known[sum]; ok {
		return id, nil
	}
	id := *next
	*next++
	known[sum] = id
	return id, to.add(ctx, in.t, id, in.org, string(text))
}

// factNames returns the number of the names of an answer's facts. Those of a service are nearly always the same.
func (in *interner) factNames(ctx context.Context, a *demarc.Answer) (int64, error) {
	for _, k := range in.namesAt[a.Resource.Service] {
		if sameNames(k.names, a.Facts) {
			return k.id, nil
		}
	}
	names := make([]string, len(a.Facts))
	for i := range a.Facts {
		names[i] = a.Facts[i].Name
	}
	text, err := json.Marshal(names)
	if err != nil {
		return 0, err
	}
	id, ok := in.names[string(text)]
	if !ok {
		id = in.next.names
		in.next.names++
		in.names[string(text)], in.namesOf[id] = id, names
		if err := in.newNames.add(ctx, in.t, id, in.org, string(text)); err != nil {
			return 0, err
		}
	}
	in.namesAt[a.Resource.Service] = append(in.namesAt[a.Resource.Service], namesKnown{names: names, id: id})
	return id, nil
}

func sameNames(names []string, facts []demarc.NamedFact) bool {
	if len(names) != len(facts) {
		return false
	}
	for i, n := range names {
		if facts[i].Name != n {
			return false
		}
	}
	return true
}

// flush writes what is new and was not written yet.
func (in *interner) flush(ctx context.Context) error {
	for _, b := range []*bulk{&in.newPlaces, &in.newAssignments, &in.newVerdicts, &in.newOutcomes, &in.newStandings, &in.newNames} {
		if err := b.flush(ctx, in.t); err != nil {
			return err
		}
	}
	return nil
}
