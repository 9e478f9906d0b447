package auth

import (
	"sync"
	"time"
)

// maxSessions are kept at once; logins that were only begun are among them for as long as beginLife.
const (
	maxSessions = 1 << 16
	beginLife   = 10 * time.Minute
)

// sessions keeps sessions in memory, by the hash of what is in the cookie. They end with the process: whoever is logged
// in at the provider is let in again without noticing. Where there is no room, the one that would end first goes, which
// is a login that was begun and not finished.
type sessions struct {
	mu  sync.Mutex
	of  map[string]session
	now func() time.Time
}

type session struct {
	data []byte
	end  time.Time
}

func newSessions() *sessions { return &sessions{of: map[string]session{}, now: time.Now} }

// Find, Commit and Delete are those of scs.Store.

// Find returns a session that has not ended.
func (s *sessions) Find(key string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.of[key]
	if !ok || !s.now().Before(found.end) {
		return nil, false, nil
	}
	return found.data, true, nil
}

// Commit keeps a session.
func (s *sessions) Commit(key string, data []byte, end time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.of[key]; !known && len(s.of) >= maxSessions {
		s.makeRoom()
	}
	s.of[key] = session{data, end}
	return nil
}

// makeRoom drops what has ended; if nothing has, the session that would end first.
func (s *sessions) makeRoom() {
	now := s.now()
	var first string
	for key, one := range s.of {
		if !now.Before(one.end) {
			delete(s.of, key)
		} else if first == "" || one.end.Before(s.of[first].end) {
			first = key
		}
	}
	if len(s.of) >= maxSessions {
		delete(s.of, first)
	}
}

// Delete ends a session.
func (s *sessions) Delete(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, key)
	return nil
}
