package web

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// maxForm is the size of the largest form that is read, in bytes.
const maxForm = 64 << 10

// policy is the Content-Security-Policy of every answer: everything comes from here, and nothing is written into a page
// but what a template put there.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

type requestIDKey struct{}

// requestID returns the number of a request, by which the log and an error page tell of the same one.
func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// Guard is what is so for every request: a number, headers, limits, a line in the log, and an answer if we panic.
type Guard struct {
	Log     *slog.Logger
	MaxBody int64 // bytes; 0 for no limit here
	// Seen is told of every request that was answered, nil for nobody. The request has the pattern of its route.
	Seen func(r *http.Request, status int, took time.Duration)
}

// protect sets what keeps a browser from doing with an answer what it is not meant for.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// Handler wraps a handler.
func (g Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		id := rand.Text()[:12]
		r = r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
		if g.MaxBody > 0 {
			r.Body = http.MaxBytesReader(w, r.Body, g.MaxBody)
		}
		w.Header().Set("X-Request-Id", id)
		protect(w.Header())
		seen := &statusWriter{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // the value that net/http panics with
				g.Log.ErrorContext(r.Context(), "panic", "request_id", id, "path", r.URL.Path, "value", p, "stack", string(debug.Stack()))
				if seen.status == 0 {
					http.Error(w, "Something went wrong here: "+id, http.StatusInternalServerError)
				}
			} else if p != nil {
				panic(p)
			}
		}()
		next.ServeHTTP(seen, r)
		if g.Seen != nil {
			g.Seen(r, seen.status, time.Since(begin))
		}
		if !strings.HasPrefix(r.URL.Path, assetPrefix) {
			g.Log.InfoContext(r.Context(), "request", "request_id", id, "method", r.Method, "path", r.URL.Path, "status", seen.status, "bytes", seen.bytes, "took", time.Since(begin))
		}
	})
}

// statusWriter remembers what was answered.
type statusWriter struct {
	http.ResponseWriter
	status int
	bytes  int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += n
	return n, err
}

// Unwrap lets http.ResponseController through.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
