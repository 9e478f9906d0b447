package cli

import (
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"
)

// gzipTag marks the ETag of a compressed answer: its bytes are others.
const gzipTag = "-gzip"

// compressed sends answers compressed to who takes them so. The length of a compressed answer tells whether what a stranger put
// into a question is also in what must be kept from them (BREACH), so what another site asks for, and what a form or a program
// changes, goes out as it is.
func compressed(next http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(gzhttp.EnableZstd(false), gzhttp.SuffixETag(gzipTag))
	if err != nil {
		panic("cli: " + err.Error()) // a mistake in the line above
	}
	small := wrap(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Sec-Fetch-Site")
		if known := r.Header.Get("If-None-Match"); known != "" {
			r.Header.Set("If-None-Match", strings.ReplaceAll(known, gzipTag+`"`, `"`))
		}
		ours := false
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "none", "same-origin": // no browser, typed in, or from a page of ours
			ours = true
		}
		if ours && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			small.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
