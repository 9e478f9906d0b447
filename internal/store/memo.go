package store

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
)

// memo remembers what was made for keys, most of them at a time: those that were asked for last. It is made once, however
// many ask at the same time. The zero memo remembers nothing and must not be used.
type memo[K comparable, V any] struct {
	most int

	mu    sync.Mutex
	clock int64
	made  map[K]*making[V]
}

// making is something that is there or is being made.
type making[V any] struct {
	done  chan struct{}
	value V
	err   error
	used  int64
}

var errGaveUp = errors.New("who made it gave up")

// get returns what there is for a key, and makes it if it is not there. Who asks meanwhile waits; if making it failed,
// perhaps because the context of who made it ended, they make it themselves.
func (m *memo[K, V]) get(ctx context.Context, key K, make func() (V, error)) (V, error) {
	for {
		x, mine := m.entry(key)
		if mine {
			return m.make(key, x, make)
		}
		select {
		case <-x.done:
			if x.err == nil {
				return x.value, nil
			}
			if ctx.Err() != nil {
				return x.value, ctx.Err()
			}
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
	}
}

// entry returns the entry of a key, and whether the caller has to make what belongs in it.
func (m *memo[K, V]) entry(key K) (x *making[V], mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.clock++
	x = m.made[key]
	if x == nil {
		x, mine = &making[V]{done: make(chan struct{}), err: errGaveUp}, true
		for len(m.made) >= m.most {
			m.evict()
		}
		if m.made == nil {
			m.made = map[K]*making[V]{}
		}
		m.made[key] = x
	}
	x.used = m.clock
	return x, mine
}

// evict forgets what nobody asked for lately. The caller holds the lock.
func (m *memo[K, V]) evict() {
	var oldest K
	least := int64(-1)
	for k, x := range m.made {
		if least < 0 || x.used < least {
			oldest, least = k, x.used
		}
	}
	delete(m.made, oldest)
}

func (m *memo[K, V]) make(key K, x *making[V], make func() (V, error)) (V, error) {
	defer func() {
		if x.err != nil {
			m.mu.Lock()
			if m.made[key] == x {
				delete(m.made, key)
			}
			m.mu.Unlock()
		}
		close(x.done)
	}()
	x.value, x.err = make()
	return x.value, x.err
}

// has returns what was made for a key, if it is there.
func (m *memo[K, V]) has(key K) (value V, ok bool) {
	m.mu.Lock()
	x := m.made[key]
	m.mu.Unlock()
	if x == nil {
		return value, false
	}
	select {
	case <-x.done:
		return x.value, x.err == nil
	default:
		return value, false
	}
}

// all returns what is there.
func (m *memo[K, V]) all() []V {
	m.mu.Lock()
	keys := slices.Collect(maps.Keys(m.made))
	m.mu.Unlock()
	var out []V
	for _, k := range keys {
		if v, ok := m.has(k); ok {
			out = append(out, v)
		}
	}
	return out
}

// forget forgets what was made for some keys.
func (m *memo[K, V]) forget(which func(K) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.made, func(k K, _ *making[V]) bool { return which(k) })
}
