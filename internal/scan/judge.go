package scan

import (
	"context"
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
	batch     inventory.Batch
	items     []inventory.Item
	standings []*demarc.Standing
	err       error
	done      chan struct{} // gets something when the batch is judged
}

// ready prepares the judging. Services whose expressions are wrong are told before anything is.
func (r *Result) ready(c Config) error {
	for _, svc := range r.settled.Services() {
		if err := svc.Compile(); err != nil {
			return err
		}
	}
	r.book, r.asOf = c.Book, c.AsOf
	r.assessor = assess.New(responsibility.New(c.Book, c.Estate, c.AsOf), c.Estate, c.AsOf)
	r.judges = make(chan *assess.Worker, r.workers)
	return nil
}

// Finish goes through the findings if nobody has gone through all of them: then Resources, Notes and Interrupted are what
// they stay.
func (r *Result) Finish() {
	if r.settled == nil || r.finished {
		return
	}
	for range r.Findings() { // until it is at the end
	}
}

// finish ends the first time that findings are gone through, up to resources of them.
func (r *Result) finish(notes []inventory.Notes, resources int) {
	r.finished = true
	for i := range notes {
		r.Notes.Merge(&notes[i])
	}
	r.Interrupted = r.Interrupted || resources < r.settled.Resources
	r.Resources = resources
	if !r.Interrupted { // what the estate declares in vain cannot be told from a part
		for _, n := range r.assessor.Notes() {
			r.Notes.Add(n)
		}
		r.stale()
	}
	r.Notes.Sort()
	r.Spilled = r.store.Spilled()
}

// stale tells which tables that versions were looked up in were read too long ago.
func (r *Result) stale() {
	ids := append(r.assessor.Lifecycles(), r.settled.Lifecycles()...)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if table := r.book.Lifecycle(id); table.Stale(r.asOf) {
			r.Notes.Addf(demarc.NoteStale, demarc.Position{Offset: -1}, "lifecycle %s was read on %s: days may have moved since",
				id, table.Source.Read.Format(time.DateOnly))
		}
	}
}

// Findings goes through the judged resources in the order of their ids, from the first each time it is called: they are
// judged as they are gone through, several batches side by side. The first time it comes to the end it adds what there is to
// tell of them to Notes. When the run was told to end, it stops a moment later, and what was judged by then is the result.
func (r *Result) Findings() iter.Seq[*Finding] {
	return func(yield func(*Finding) bool) {
		var notes []inventory.Notes
		first := !r.finished
		if first {
			notes = make([]inventory.Notes, r.workers)
		}
		var f Finding
		n, stopped := 0, false
		err := r.inOrder(notes, func(d *desk) bool {
			for i := range d.items {
				if n == r.Resources {
					return false // judging was told to end here
				}
				if late := n%64 == 0 && r.Late.Err() != nil; late {
					r.Interrupted = true
					return false
				}
				n++
				f = Finding{&d.items[i], d.standings[i]}
				if stopped = !yield(&f); stopped {
					return false
				}
				if spoils {
					f.Item.Spoil()
				}
			}
			return true
		})
		if err != nil {
			r.Interrupted = true
			r.Notes.Addf(demarc.NoteRefused, demarc.Position{Offset: -1}, "%v", err)
		}
		if first && !stopped {
			r.finish(notes, n)
		}
	}
}

// inOrder judges all resources in batches, several side by side, and hands each batch on in their order until take returns
// false. What is to be told of resources goes to notes, one for each worker; nil if it was told before. A desk is not
// used again before take has returned.
func (r *Result) inOrder(notes []inventory.Notes, take func(*desk) bool) error {
	batches, err := r.settled.Batches()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	desks := 2 * r.workers
	free, jobs, order := make(chan *desk, desks), make(chan *desk, desks), make(chan *desk, desks)
	for range desks {
		free <- &desk{done: make(chan struct{}, 1)}
	}
	for w := range r.workers {
		var own *inventory.Notes
		if notes != nil {
			own = &notes[w]
		}
		group.Go(func() {
			maker, judge := r.settled.Maker(own), r.hireJudge()
			for d := range jobs {
				if ctx.Err() == nil {
					d.judge(maker, judge)
				}
				d.done <- struct{}{}
			}
			select {
			case r.judges <- judge:
			default: // findings are gone through by several at once
			}
		})
	}
	group.Go(func() {
		defer close(order)
		defer close(jobs)
		for {
			select {
			case d := <-free:
				if !batches.Next(&d.batch) {
					return
				}
				jobs <- d // there is room for as many as there are desks
				order <- d
			case <-ctx.Done():
				return
			}
		}
	})
	for d := range order {
		<-d.done
		if d.err != nil {
			return d.err
		}
		if !take(d) {
			return nil
		}
		free <- d
	}
	return batches.Err()
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

func (d *desk) judge(maker *inventory.Maker, judge *assess.Worker) {
	d.items, d.standings = maker.Items(&d.batch, d.items), d.standings[:0]
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
