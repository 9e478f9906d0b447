// Package scan runs the pipeline: documents in, judged resources out.
package scan

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/assess"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/inventory"
	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/spill"
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
	// Memory is how many bytes of records are held in memory, beside what is needed to read and judge them; 0 is
	// DefaultMemory. What does not fit is written to temporary files.
	Memory int64
	// Progress is called now and then with how many documents were read, from one goroutine; nil for nobody.
	Progress func(documents int64)
}

// Result is what a run came to. It must be closed. What there is to tell of judging, and whether it came to its end, is
// known once all findings were gone through: see Finish.
type Result struct {
	Resources   int // how many there are
	Drift       inventory.Drifts
	Notes       inventory.Notes
	Documents   int64
	Inputs      map[string]int64 // documents by input
	Parts       int
	Spilled     int64 // bytes that did not fit in memory, and were written to temporary files
	Interrupted bool
	// Late ends a moment after the run was told to end: what is written by then is all that will be.
	Late context.Context //nolint:containedctx // it outlives the run, for those who write its result

	settled  *inventory.Settled
	book     *rulebook.Rulebook
	asOf     time.Time
	finished bool // all findings were gone through once
	store    *spill.Store
	workers  int
	assessor *assess.Assessor
	judges   chan *assess.Worker // who judged, for when findings are gone through
}

// Close gives back what the result holds outside of memory. Its findings cannot be gone through afterwards.
func (r *Result) Close() error { return r.store.Close() }

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
	// DefaultMemory is how many bytes of records a run holds in memory.
	DefaultMemory = 4 << 20
	// MemoryLimit is what a program that does nothing else gives the Go runtime as its soft limit, so that it collects
	// garbage before it asks for more.
	MemoryLimit = 93 << 20

	batchBytes     = 256 << 10 // of documents that a reader is handed at once
	firstBytes     = 8 << 10   // of those of the first batch; each is twice as large as the one before
	batchDocuments = 1024
)

// batch is documents on their way to a reader, with their bodies in one piece of memory.
type batch struct {
	docs  []demarc.Document
	ends  []int
	bytes []byte
	notes inventory.Notes
}

// Run collects and settles, so that resources can be judged as somebody goes through them. When ctx ends, what was read by
// then is still judged, and the result says that it was interrupted.
func Run(ctx context.Context, c Config) (*Result, error) {
	workers := c.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	budget := c.Memory
	if budget == 0 {
		budget = DefaultMemory
	}
	out := &Result{Late: after(ctx, patience), workers: workers, store: spill.NewStore("", budget), Inputs: map[string]int64{}}
	if err := out.run(ctx, c); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}

func (r *Result) run(ctx context.Context, c Config) error {
	inv := inventory.New(c.Book, c.AsOf, r.store)
	notes, err := read(ctx, c, inv, r.workers, r)
	if err != nil && ctx.Err() == nil {
		return err
	}
	r.Interrupted = ctx.Err() != nil
	if r.settled, err = inv.Settle(after(ctx, patience/3), r.workers); err != nil {
		return err
	}
	r.Drift, r.Parts, r.Notes = r.settled.Drift, r.settled.Parts, r.settled.Notes
	r.Interrupted = r.Interrupted || r.settled.Interrupted
	r.Notes.Merge(notes)
	r.Notes.Sort() // where nothing could be read nobody goes through findings
	r.Resources = r.settled.Resources
	r.Spilled = r.store.Spilled()
	return r.ready(c)
}

// patience is how long what was read is still judged and written after a run was told to end.
const patience = 700 * time.Millisecond

// after returns a context that ends a moment after ctx does: the time to bring what was done into the open.
func after(ctx context.Context, moment time.Duration) context.Context {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(moment, cancel) }) // a timer: nobody waits
	return late
}

// read passes every document of every source to a reader of the inventory. When ctx ends it comes back at once, though
// a source may still wait for a file that does not answer.
func read(ctx context.Context, c Config, inv *inventory.Inventory, workers int, out *Result) (*inventory.Notes, error) {
	told := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
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
					if err := r.Err(); err != nil {
						stop(err) // there is no room for more
					}
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
	if cause := context.Cause(ctx); cause != nil && told.Err() == nil {
		err = cause // why there is no room, which sources know nothing of
	}
	close(finished)
	return notes, errors.Join(err, readers.Wait())
}

// waiter is a Source that may wait for somebody who does not come. It takes no place of those that have something to read.
type waiter interface{ Waits() bool }

func collectAll(ctx context.Context, list []Source, workers int, batches chan<- *batch, free *sync.Pool) error {
	sources, sctx := errgroup.WithContext(ctx)
	places := make(chan struct{}, workers)
	for _, src := range list {
		w, ok := src.(waiter)
		takes := !ok || !w.Waits()
		if takes {
			places <- struct{}{}
		}
		sources.Go(func() error {
			if takes {
				defer func() { <-places }()
			}
			s := &sink{out: batches, free: free, full: firstBytes}
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
	for i, last := 0, 0; i < len(b.docs); last = i { // a batch has few inputs, mostly one
		for i++; i < len(b.docs) && b.docs[i].Pos.Input == b.docs[last].Pos.Input; i++ {
		}
		out.Inputs[b.docs[last].Pos.Input] += int64(i - last)
	}
	if progress != nil {
		progress(out.Documents)
	}
	mu.Unlock()
	b.docs, b.ends, b.bytes, b.notes = b.docs[:0], b.ends[:0], b.bytes[:0], inventory.Notes{}
}

// sink gathers documents into batches. The first are small, so that the services of a small file are decoded side by side.
type sink struct {
	out  chan<- *batch
	free *sync.Pool
	b    *batch
	full int // bytes
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
	if len(b.bytes) >= s.full || len(b.docs) >= batchDocuments {
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
		s.b, s.full = nil, min(2*s.full, batchBytes)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
