package auth

import (
	"encoding/json"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Failures that one address may have: so many at once, and one more each time that this has passed.
const (
	failuresAtOnce = 20
	failureEvery   = 6 * time.Second
	// maxAddresses are remembered. When there are more, all are forgotten, which lets some try again and none wait longer.
	maxAddresses = 1 << 14
)

// throttle slows down addresses from which logins and tokens fail. What succeeds costs nothing.
type throttle struct {
	mu  sync.Mutex
	of  map[netip.Addr]*rate.Limiter
	now func() time.Time
}

func newThrottle() *throttle { return &throttle{of: map[netip.Addr]*rate.Limiter{}, now: time.Now} }

// wait returns how long an address has to wait before its next try, 0 for not at all.
func (t *throttle) wait(from netip.Addr) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	limiter := t.of[network(from)]
	if limiter == nil {
		return 0
	}
	if left := limiter.TokensAt(t.now()); left < 1 {
		return time.Duration((1 - left) * float64(failureEvery))
	}
	return 0
}

// failed notes that something from an address failed.
func (t *throttle) failed(from netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.of) >= maxAddresses {
		clear(t.of)
	}
	limiter := t.of[network(from)]
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Every(failureEvery), failuresAtOnce)
		t.of[network(from)] = limiter
	}
	limiter.AllowN(t.now(), 1)
}

// network returns what counts as one address: with IPv6 one customer has a whole /64.
func network(a netip.Addr) netip.Addr {
	if p, err := a.Prefix(64); a.Is6() && err == nil {
		return p.Addr()
	}
	return a
}

// limited refuses addresses that have to wait.
func (g *Gate) limited(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if wait := g.slow.wait(g.from(r)); wait > 0 {
			tooMany(w, wait)
			return
		}
		next(w, r)
	}
}

func tooMany(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	problem(w, http.StatusTooManyRequests, "too many of your tries failed; wait a while")
}

// problem writes a problem document (RFC 9457).
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail}) // the reader has gone
}
