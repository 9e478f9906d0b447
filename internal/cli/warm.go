package cli

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/api"
	"github.com/demarc/demarc/internal/store"
)

// warmer has the latest scan of each organization read before somebody asks for it.
type warmer struct {
	store *store.Store
	log   *slog.Logger
	done  atomic.Bool // once through all of them
	ended chan struct{}
}

// betweenLooks is how long a new scan may wait to be read, unless somebody asks first.
const betweenLooks = 2 * time.Second

// warm begins to read, until ctx ends; then wait for ended.
func warm(ctx context.Context, st *store.Store, log *slog.Logger) *warmer {
	w := &warmer{store: st, log: log, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		read := map[string]demarc.ScanID{}
		tick := time.NewTicker(betweenLooks)
		defer tick.Stop()
		for {
			w.look(ctx, read)
			w.done.Store(true)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return w
}

// look reads the latest scans that were not read yet. What cannot be read is told, and left to who asks for it.
func (w *warmer) look(ctx context.Context, read map[string]demarc.ScanID) {
	list, err := w.store.Organizations(ctx)
	for i := range list {
		name, id := list[i].Name, list[i].Latest.ID
		if err != nil || read[name] == id {
			continue
		}
		begin := time.Now()
		if err = w.store.Warm(ctx, name); err == nil {
			read[name] = id
			w.log.InfoContext(ctx, "scan read", "organization", name, "scan", id, "resources", list[i].Latest.Resources, "took", time.Since(begin))
		}
	}
	if err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "scan not read", "error", err)
	}
}

// ready returns why the server should be asked later.
func (w *warmer) ready(ctx context.Context) error {
	if !w.done.Load() {
		return api.WaitError("the latest scan is still being read")
	}
	_, err := w.store.Organizations(ctx)
	return err
}
