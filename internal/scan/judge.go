package scan

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/assess"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/responsibility"
)

// Finding is one judged resource. It is valid until the next one is asked for; its Standing stays.
type Finding struct {
	Item *inventory.Item
	*demarc.Standing
}

// desk is where a batch of resources is judged.
type desk struct {
	items     []inventory.Item
	standings []*demarc.Standing
	err       error
}

// judge goes through all findings once, to see what there is to tell. When the run was told to end, what was judged a
// moment later without a hole is the result.
func (r *Result) judge(c Config) error {
	r.assessor = assess.New(responsibility.New(c.Book, c.Estate, c.AsOf), c.Estate, c.AsOf)
	r.judges = make(chan *assess.Worker, r.workers)
	notes := make([]inventory.Notes, r.workers)
	resources := 0
	err := r.inOrder(notes, func(d *desk) (bool, error) {
		late := r.Late.Err() != nil
		if !late {
			resources += len(d.items)
		}
		return !late, nil
	})
	if err != nil {
		return err
	}
	for i := range notes {
		r.Notes.Merge(&notes[i])
	}
	r.Resources = resources
	if resources < r.settled.Resources {
		r.Interrupted = true
		return nil // what the estate declares in vain cannot be told from a part
	}
	for _, n := range r.assessor.Notes() {
		r.Notes.Add(n)
	}
	r.stale(c)
	return nil
}

// stale tells which tables that versions were looked up in were read too long ago.
func (r *Result) stale(c Config) {
	told := map[string]bool{}
	for _, svc := range r.settled.Services() {
		for _, table := range svc.Lifecycles() {
			if told[table.ID] || !table.Stale(c.AsOf) {
				continue
			}
			told[table.ID] = true
			r.Notes.Add(demarc.Note{Kind: demarc.NoteStale, Message: fmt.Sprintf("lifecycle %s was read on %s: days may have moved since",
				table.ID, table.Source.Read.Format(time.DateOnly))})
		}
	}
}

// Findings goes through the judged resources in the order of their ids, from the first each time it is called. When the
// run was told to end, it stops a moment later.
func (r *Result) Findings() iter.Seq[*Finding] {
	return func(yield func(*Finding) bool) {
		var f Finding
		n := 0
		err := r.inOrder(nil, func(d *desk) (bool, error) {
			for i := range d.items {
				if n == r.Resources {
					return false, nil // judging was told to end here
				}
				n++
				if late := n%64 == 0 && r.Late.Err() != nil; late {
					r.Interrupted = true
					return false, nil
				}
				f = Finding{&d.items[i], d.standings[i]}
				if !yield(&f) {
					return false, nil
				}
			}
			return true, nil
		})
		if err != nil {
			r.Interrupted = true
			r.Notes.Addf(demarc.NoteRefused, demarc.Position{Offset: -1}, "%v", err)
		}
	}
}

// inOrder judges all resources in batches, several side by side, and hands each batch on in their order until take returns
// false. What is to be told of resources goes to notes, one for each worker; nil if it was told before. A desk is not
// used again before take has returned.
func (r *Result) inOrder(notes []inventory.Notes, take func(*desk) (bool, error)) error {
	type job struct {
		*desk
		batch *inventory.Batch
		done  chan struct{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	desks := 2 * r.workers
	free, jobs, order := make(chan *desk, desks), make(chan job, desks), make(chan job, desks)
	for range desks {
		free <- &desk{}
	}
	for w := range r.workers {
		var own *inventory.Notes
		if notes != nil {
			own = &notes[w]
		}
		group.Go(func() {
			maker, judge := r.settled.Maker(own), r.hireJudge()
			for j := range jobs {
				if ctx.Err() == nil {
					j.judge(maker, judge, j.batch)
				}
				close(j.done)
			}
			select {
			case r.judges <- judge:
			default: // findings are gone through by several at once
			}
		})
	}
	var failed error // good once order is closed
	group.Go(func() {
		defer close(order)
		defer close(jobs)
		failed = r.settled.Batches(func(b *inventory.Batch) bool {
			select {
			case d := <-free:
				j := job{d, b, make(chan struct{})}
				jobs <- j // there is room for as many as there are desks
				order <- j
				return ctx.Err() == nil
			case <-ctx.Done():
				return false
			}
		})
	})
	for j := range order {
		<-j.done
		if j.err != nil {
			return j.err
		}
		if more, err := take(j.desk); err != nil || !more {
			return err
		}
		free <- j.desk
	}
	return failed
}

// hireJudge returns a worker who may have judged before, and remembers.
func (r *Result) hireJudge() *assess.Worker {
	select {
	case judge := <-r.judges:
		return judge
	default:
		return r.assessor.Worker()
	}
}

func (d *desk) judge(maker *inventory.Maker, judge *assess.Worker, b *inventory.Batch) {
	d.items, d.standings = maker.Items(b, d.items), d.standings[:0]
	for i := range d.items {
		s, err := judge.Assess(&d.items[i])
		if err != nil {
			d.err = err
			return
		}
		d.standings = append(d.standings, s)
	}
}

// Answers is Findings in the words of the domain. An Answer is valid until the next one is asked for; its Standing stays.
func (r *Result) Answers() iter.Seq[*demarc.Answer] {
	return func(yield func(*demarc.Answer) bool) {
		var a demarc.Answer
		for f := range r.Findings() {
			f.fill(&a)
			if !yield(&a) {
				return
			}
		}
	}
}

// fill makes a the answer of a finding.
func (f *Finding) fill(a *demarc.Answer) {
	*a = demarc.Answer{Resource: f.Item.Resource, Standing: f.Standing, Inside: f.Item.Inside, Facts: a.Facts[:0]}
	for i := range f.Item.Service.Facts {
		fact := &f.Item.Service.Facts[i]
		a.Facts = append(a.Facts, demarc.NamedFact{Name: fact.Name, Fact: f.Item.Facts.At(i), Sensitive: fact.Sensitive || slices.Contains(f.Item.Hidden, i)})
	}
}
