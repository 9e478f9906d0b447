package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/demarc/demarc"
)

// made is a page that was made.
type made struct {
	tag  string // its ETag
	body []byte
	at   int64 // the minute for which it holds; 0 for any
}

func newMade(body []byte) *made {
	sum := sha256.Sum256(body)
	return &made{tag: `"` + hex.EncodeToString(sum[:12]) + `"`, body: body}
}

// send answers with the page, unless the reader has it.
func (m *made) send(w http.ResponseWriter, r *Request) {
	h := w.Header()
	h.Set("Content-Type", pageType)
	h.Add("Vary", pageVary)
	h.Set("Cache-Control", "private, no-cache") // asked for again each time, and sent only when it is another
	h.Set("Etag", m.tag)
	if r.Header.Get("If-None-Match") == m.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(m.body)))
	_, _ = w.Write(m.body) // the reader has gone
}

const (
	pageType = "text/html; charset=utf-8"
	pageVary = "Cookie, Authorization"
)

// shelfSize is how many bytes of pages are kept at most.
const shelfSize = 32 << 20

// shelf keeps pages that were made: what a page shows of a scan stays so until something is recorded. It forgets those that nobody
// has asked for lately: young holds those of late, and becomes old when it is half of what there is room for.
type shelf struct {
	mu         sync.Mutex
	young, old map[string]*made
	size       int // bytes in young
}

func (s *shelf) take(key string, minute int64) *made {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.young[key]
	if m == nil {
		if m = s.old[key]; m != nil {
			s.put(key, m)
		}
	}
	if m != nil && m.at != 0 && m.at != minute {
		return nil
	}
	return m
}

func (s *shelf) keep(key string, m *made) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(key, m)
}

func (s *shelf) put(key string, m *made) {
	size := len(key) + len(m.body)
	if s.young == nil || s.size+size > shelfSize/2 {
		s.old, s.young, s.size = s.young, map[string]*made{}, 0
	}
	if had := s.young[key]; had != nil {
		s.size -= len(key) + len(had.body)
	}
	s.young[key] = m
	s.size += size
}

// shelved returns by what a page is known: all that it may depend on but the time. "" if it is not kept.
func (s *Site) shelved(r *Request, route *Route) (string, error) {
	if s.config.Mark == nil || r.Method != http.MethodGet || route.Needs != demarc.RightRead || route.Personal || r.Nothing {
		return "", nil
	}
	mark, err := s.config.Mark(r.Context(), r.At.Organization)
	if err != nil || mark == "" {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s?%s\n%s %d %s\n", r.URL.Path, r.URL.Query().Encode(), r.At.Organization, r.Scan.ID, mark)
	for _, right := range []demarc.Right{demarc.RightDeclare, demarc.RightAdminister} {
		fmt.Fprintf(&b, "%t ", r.Actor.May(right, ""))
	}
	if s.config.Logout != "" {
		b.WriteString(r.Actor.Name()) // is shown
	}
	for i := range r.Organizations {
		fmt.Fprintf(&b, "\n%s %d", r.Organizations[i].Name, r.Organizations[i].Latest.ID)
	}
	return b.String(), nil
}
