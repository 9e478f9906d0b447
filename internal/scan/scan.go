// Package scan runs the pipeline: documents in, judged resources out.
package scan

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/assess"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/responsibility"
	"github.com/demarc/demarc/internal/rulebook"
)

// Source brings documents. It is collect.Source by another name: this package does not know where they come from.
type Source interface {
	Collect(ctx context.Context, to Sink) error
}

// Sink is what a Source is given.
type Sink = interface {
	Document(ctx context.Context, d demarc.Document) error
	Note(n demarc.Note)
}

// Config is what a run needs.
type Config struct {
	Book    *rulebook.Rulebook
	Estate  *estate.Estate
	AsOf    time.Time
	Sources []Source
	Workers int // 0: as many as there are processors
	// Progress is called now and then with how many documents were read, from one goroutine; nil for nobody.
	Progress func(documents int64)
}

// Finding is one judged resource. It is valid until the next one is asked for.
type Finding struct {
	Item *inventory.Item
	*demarc.Standing
}

// Result is what a run came to.
type Result struct {
	Resources   int // how many there are
	Drift       inventory.Drifts
	Notes       inventory.Notes
	Documents   int64
	Parts       int
	Interrupted bool
	// Late ends a moment after the run was told to end: what is written by then is all that will be.
	Late context.Context //nolint:containedctx // it outlives the run, for those who write its result

	findings []Finding // sorted by id
}

// Close gives back what the result holds outside of memory. Its findings cannot be gone through afterwards.
func (r *Result) Close() error { return nil }

// Findings goes through the judged resources in the order of their ids, from the first each time it is called. When the
// run was told to end, it stops a moment later.
func (r *Result) Findings() iter.Seq[*Finding] {
	return func(yield func(*Finding) bool) {
		for i := range r.findings {
			if i%64 == 0 && r.Late.Err() != nil {
				r.Interrupted = true
				return
			}
			if !yield(&r.findings[i]) {
				return
			}
		}
	}
}

// Answers is Findings in the words of the domain. An Answer is valid until the next one is asked for; its Standing stays.
func (r *Result) Answers() iter.Seq[*demarc.Answer] {
	return func(yield func(*demarc.Answer) bool) {
		for f := range r.Findings() {
			if !yield(r.answer(f)) {
				return
			}
		}
	}
}

// Incomplete reports whether something could not be read.
func (r *Result) Incomplete() bool {
	if r.Interrupted {
		return true
	}
	for kind, n := range r.Notes.Count {
		if n > 0 && kind.Incomplete() {
			return true
		}
	}
	return false
}

const (
	batchBytes     = 1 << 20 // of documents that a reader is handed at once
	batchDocuments = 4096
)

// batch is documents on their way to a reader, with their bodies in one piece of memory.
type batch struct {
	docs  []demarc.Document
	ends  []int
	bytes []byte
	notes inventory.Notes
}

// Run collects, settles, resolves and judges. When ctx ends, what was read by then is still judged, and the result says
// that it was interrupted.
func Run(ctx context.Context, c Config) (*Result, error) {
	workers := c.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	inv := inventory.New(c.Book, c.AsOf)
	out := &Result{Late: after(ctx)}
	notes, err := read(ctx, c, inv, workers, out)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	out.Interrupted = ctx.Err() != nil
	settled := inv.Settle()
	out.Drift, out.Parts, out.Notes = settled.Drift, settled.Parts, settled.Notes
	out.Notes.Merge(notes)
	if err := judge(out.Late, c, settled, workers, out); err != nil {
		return nil, err
	}
	out.Notes.Sort()
	return out, nil
}

// patience is how long what was read is still judged and written after a run was told to end.
const patience = 700 * time.Millisecond

// after returns a context that ends a moment after ctx does: the time to bring what was done into the open.
func after(ctx context.Context) context.Context {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(patience, cancel) }) // a timer: nobody waits
	return late
}

// read passes every document of every source to a reader of the inventory. When ctx ends it comes back at once, though
// a source may still wait for a file that does not answer.
func read(ctx context.Context, c Config, inv *inventory.Inventory, workers int, out *Result) (*inventory.Notes, error) {
	batches := make(chan *batch, workers)
	finished := make(chan struct{}) // no source will send again
	free := sync.Pool{New: func() any { return &batch{} }}
	var mu sync.Mutex
	notes := &inventory.Notes{}
	var readers errgroup.Group
	for range workers {
		readers.Go(func() error {
			r := inv.Reader()
			defer r.Flush()
			for {
				select {
				case b := <-batches:
					take(r, b, &mu, notes, out, c.Progress)
					free.Put(b)
				case <-finished:
					for {
						select {
						case b := <-batches:
							take(r, b, &mu, notes, out, c.Progress)
							free.Put(b)
						default:
							return nil
						}
					}
				}
			}
		})
	}
	collected := make(chan error, 1)
	go func() { collected <- collectAll(ctx, c.Sources, workers, batches, &free) }()
	var err error
	select {
	case err = <-collected:
	case <-ctx.Done():
		select {
		case err = <-collected:
		case <-time.After(patience / 7):
			err = ctx.Err()
		}
	}
	close(finished)
	return notes, errors.Join(err, readers.Wait())
}

func collectAll(ctx context.Context, list []Source, workers int, batches chan<- *batch, free *sync.Pool) error {
	sources, sctx := errgroup.WithContext(ctx)
	sources.SetLimit(workers)
	for _, src := range list {
		sources.Go(func() error {
			s := &sink{out: batches, free: free}
			err := src.Collect(sctx, s)
			if ferr := s.flush(ctx); err == nil {
				err = ferr
			}
			return err
		})
	}
	return sources.Wait()
}

// take reads the documents of a batch and leaves it empty.
func take(r *inventory.Reader, b *batch, mu *sync.Mutex, notes *inventory.Notes, out *Result, progress func(int64)) {
	start := 0
	for i := range b.docs {
		b.docs[i].Body = b.bytes[start:b.ends[i]]
		start = b.ends[i]
		r.Read(b.docs[i])
	}
	mu.Lock()
	notes.Merge(&b.notes)
	out.Documents += int64(len(b.docs))
	if progress != nil {
		progress(out.Documents)
	}
	mu.Unlock()
	b.docs, b.ends, b.bytes, b.notes = b.docs[:0], b.ends[:0], b.bytes[:0], inventory.Notes{}
}

// sink gathers documents into batches.
type sink struct {
	out  chan<- *batch
	free *sync.Pool
	b    *batch
}

func (s *sink) batch() *batch {
	if s.b == nil {
		s.b = s.free.Get().(*batch)
	}
	return s.b
}

func (s *sink) Document(ctx context.Context, d demarc.Document) error {
	b := s.batch()
	b.bytes = append(b.bytes, d.Body...)
	d.Body = nil
	b.docs, b.ends = append(b.docs, d), append(b.ends, len(b.bytes))
	if len(b.bytes) >= batchBytes || len(b.docs) >= batchDocuments {
		return s.flush(ctx)
	}
	return nil
}

func (s *sink) Note(n demarc.Note) { s.batch().notes.Add(n) }

func (s *sink) flush(ctx context.Context) error {
	if s.b == nil {
		return nil
	}
	select {
	case s.out <- s.b:
		s.b = nil
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// judge resolves and assesses every resource, in parallel, keeping their order. When ctx ends, those that were judged by
// then without a hole are the result.
func judge(ctx context.Context, c Config, settled *inventory.Settled, workers int, out *Result) error {
	assessor := assess.New(responsibility.New(c.Book, c.Estate, c.AsOf), c.Estate, c.AsOf)
	out.Resources = len(settled.Items)
	out.findings = make([]Finding, len(settled.Items))
	const chunk = 256
	var group errgroup.Group
	group.SetLimit(workers)
	free := sync.Pool{New: func() any { return assessor.Worker() }}
	begun := 0
	for ; begun < len(settled.Items) && ctx.Err() == nil; begun += chunk {
		start := begun
		group.Go(func() error {
			worker := free.Get().(*assess.Worker)
			defer free.Put(worker)
			for i := start; i < min(start+chunk, len(settled.Items)); i++ {
				standing, err := worker.Assess(&settled.Items[i])
				if err != nil {
					return err
				}
				out.findings[i] = Finding{&settled.Items[i], standing}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if begun < len(settled.Items) {
		out.findings, out.Resources, out.Interrupted = out.findings[:begun], begun, true
		return nil // what the estate declares in vain cannot be told from a part
	}
	for _, n := range assessor.Notes() {
		out.Notes.Add(n)
	}
	stale(c, settled, &out.Notes)
	return nil
}

// stale tells which tables that versions were looked up in were read too long ago.
func stale(c Config, settled *inventory.Settled, notes *inventory.Notes) {
	seen := map[*rulebook.Service]bool{}
	told := map[string]bool{}
	for i := range settled.Items {
		svc := settled.Items[i].Service
		if seen[svc] {
			continue
		}
		seen[svc] = true
		for _, table := range svc.Lifecycles() {
			if told[table.ID] || !table.Stale(c.AsOf) {
				continue
			}
			told[table.ID] = true
			notes.Add(demarc.Note{Kind: demarc.NoteStale, Message: fmt.Sprintf("lifecycle %s was read on %s: versions and days may have changed since, see %s",
				table.ID, table.Source.Read.Format(time.DateOnly), table.Source.URL)})
		}
	}
}

func (r *Result) answer(f *Finding) *demarc.Answer {
	a := &demarc.Answer{Resource: f.Item.Resource, Standing: f.Standing, Inside: f.Item.Inside}
	for i := range f.Item.Service.Facts {
		fact := &f.Item.Service.Facts[i]
		a.Facts = append(a.Facts, demarc.NamedFact{Name: fact.Name, Fact: f.Item.Facts.At(i), Sensitive: fact.Sensitive || slices.Contains(f.Item.Hidden, i)})
	}
	return a
}
