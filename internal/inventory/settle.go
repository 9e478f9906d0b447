package inventory

import (
	"context"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/spill"
)

// Item is one resource with its facts, ready to be judged. It is valid until another is made in its place.
type Item struct {
	Resource demarc.Resource
	Service  *rulebook.Service
	Facts    Row
	Roles    *ObservedRoles
	// Hidden lists the facts, by index, that a document itself calls sensitive: they are never shown.
	Hidden []int
	// Inside says that another resource that is present is the more specific one for this one's guest.* duties.
	Inside bool
}

// ObservedRoles is who plays the roles of a resource by what its surroundings tell, before the estate speaks.
type ObservedRoles struct {
	Host     demarc.Party
	Operator demarc.Party
	Assumed  bool
}

// Drifts counts disagreements and keeps the first of them, by resource and fact.
type Drifts struct {
	Count int
	Kept  []demarc.Drift
}

const keptDrifts = 1000

// Settled is what all documents of a run come to.
type Settled struct {
	Resources int // how many there are
	Drift     Drifts
	Notes     Notes
	// Parts counts the documents that became part of another resource.
	Parts int
	// Interrupted says that settling was told to end before all that was read was settled.
	Interrupted bool

	s *settler
}

// settler brings records together. Its stages are in the order of their files' names in Settle.
type settler struct {
	inv  *Inventory
	seen *seen
	out  *Settled
	memo *rulebook.Memo

	resources *spill.Selection // records, one for each resource, by id
	attached  *spill.Sorter    // what becomes part of which resource, or stands in its place
	found     *spill.Sorter    // what the references of which resource lead to
	encoder   *encoder
	*ledger   // what resources are called, and what others call them

	again    bool // records were put in another place: they must be gathered once more
	joined   bool // what is only partly named was joined
	renamed  bool // what has another's id was renamed
	dropped  int  // resources that have become part of another
	clusters clusters
	loose    map[looseParts]bool
	absent   map[string]absentWhole      // what parts are of by their ARN and was not delivered, by that
	targets  map[askedKey][]*servicePlan // where a relation leads that is asked for, nil for a service of which there is nothing
	hops     map[askedKey]*hop           // with which others a relation is followed
	named    map[*servicePlan]bool       // the services whose resources are asked for by name while records are gathered
	denied   map[deniedKey][]denial
}

// Settle brings the records together, with so many goroutines. When ctx ends, what comes first in the order of ids is
// settled, and the rest left out. The Inventory cannot be read into afterwards.
func (inv *Inventory) Settle(ctx context.Context, workers int) (*Settled, error) {
	if inv.err != nil {
		return nil, inv.err
	}
	s := &settler{
		inv: inv, encoder: inv.encoder(), seen: &inv.seen, memo: rulebook.NewMemo(inv.asOf),
		attached: inv.store.NewSorter(sortedSmall, inv.compareAttached), found: inv.store.NewSorter(sortedSmall, nil),
	}
	if err := s.settle(ctx, workers); err != nil {
		return nil, err
	}
	s.out.Resources = s.resources.Len() - s.dropped
	s.out.s = s
	return s.out, nil
}

// sortedSmall is how many bytes of what joins records are sorted at once.
const sortedSmall = 2 << 20

func (s *settler) settle(ctx context.Context, workers int) error {
	if err := s.tenants(); err != nil {
		return err
	}
	s.projects()
	s.seen.sortInstances()
	if err := s.imply(); err != nil {
		return err
	}
	for s.again = true; s.again; {
		s.begin()
		if err := s.gather(ctx); err != nil {
			return err
		}
		s.renamed = true
		if err := s.joinWeak(); err != nil {
			return err
		}
		if s.again {
			continue
		}
		if err := s.joinParts(); err != nil {
			return err
		}
	}
	s.inv.pieces.Release()
	s.clusters.settle()
	return s.relate(ctx, workers)
}

// begin forgets what an earlier round of gathering came to.
func (s *settler) begin() {
	notes := Notes{}
	notes.Merge(&s.inv.notes)
	s.again = false
	s.out = &Settled{Notes: notes}
	if s.resources != nil {
		s.resources.Release()
	}
	s.attached.Release()
	s.clusters = clusters{book: s.inv.book}
	s.loose = map[looseParts]bool{}
	s.named = map[*servicePlan]bool{}
	for svc := range s.seen.parts {
		s.named[svc] = true
	}
	if !s.joined {
		for svc := range s.seen.weak {
			s.named[svc] = true
		}
	}
	if s.ledger != nil {
		s.release()
	}
	s.ledger = s.inv.ledger()
	s.dropped = 0
}

func (s *settler) note(kind demarc.NoteKind, p demarc.Position, format string, args ...any) {
	s.out.Notes.Addf(kind, p, format, args...)
}

// Services returns the services of which there is something, in no order.
func (s *Settled) Services() []*rulebook.Service {
	var out []*rulebook.Service
	for plan := range s.s.seen.services {
		out = append(out, plan.Service)
	}
	return out
}

// Lifecycles returns the tables in which facts that are derived have looked versions up.
func (s *Settled) Lifecycles() []string { return s.s.memo.Lifecycles() }

// Spilled returns how many bytes did not fit in memory.
func (s *Settled) Spilled() int64 { return s.s.inv.store.Spilled() }
