package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
)

// maxTagged is the size of the largest answer that is held back to be given an ETag. What is longer streams without one.
const maxTagged = 4 << 20

// tagged gives every answer to a GET an ETag, the digest of its text, and answers 304 to who has it already.
func tagged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		held := &heldWriter{to: w, status: http.StatusOK}
		next.ServeHTTP(held, r)
		held.finish(r)
	})
}

// heldWriter holds an answer back until it ends or grows too large.
type heldWriter struct {
	to     http.ResponseWriter
	status int
	body   bytes.Buffer
	passed bool // too large: what comes goes through
}

func (w *heldWriter) Header() http.Header { return w.to.Header() }

func (w *heldWriter) WriteHeader(status int) { w.status = status }

func (w *heldWriter) Write(b []byte) (int, error) {
	if w.passed {
		return w.to.Write(b)
	}
	if w.body.Len()+len(b) <= maxTagged {
		return w.body.Write(b)
	}
	w.passed = true
	w.to.WriteHeader(w.status)
	if _, err := w.to.Write(w.body.Bytes()); err != nil {
		return 0, err
	}
	w.body = bytes.Buffer{}
	return w.to.Write(b)
}

// Unwrap lets http.ResponseController through.
func (w *heldWriter) Unwrap() http.ResponseWriter { return w.to }

func (w *heldWriter) finish(r *http.Request) {
	if w.passed {
		return
	}
	h := w.to.Header()
	if w.status == http.StatusOK {
		sum := sha256.Sum256(w.body.Bytes())
		tag := `"` + hex.EncodeToString(sum[:12]) + `"`
		h.Set("ETag", tag)
		h.Set("Cache-Control", "private, no-cache")
		h.Add("Vary", "Authorization, Cookie")
		if matches(r.Header.Get("If-None-Match"), tag) {
			h.Del("Content-Type")
			w.to.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Length", strconv.Itoa(w.body.Len()))
	}
	w.to.WriteHeader(w.status)
	if r.Method != http.MethodHead {
		_, _ = w.to.Write(w.body.Bytes()) // the reader has gone
	}
}

// matches reports whether a tag is among those of an If-None-Match header; a weak one is as good (RFC 9110, 13.1.2).
func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
			return true
		}
	}
	return false
}
