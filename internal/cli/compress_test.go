package cli

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What people and programs read is compressed, what another site asks for and what answers a change is not; and a page that a
// browser has in its compressed form is not sent again.
func TestCompressed(t *testing.T) {
	text := strings.Repeat("who holds each duty ", 500)
	server := httptest.NewServer(compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"one"`)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.Header.Get("If-None-Match") == `"one"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, text)
	})))
	defer server.Close()
	ask := func(method string, headers ...string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "gzip") // so that the client leaves it alone
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer, string(body)
	}
	for _, c := range []struct {
		name, method string
		headers      []string
		small        bool
	}{
		{"a program", http.MethodGet, nil, true},
		{"a page of ours", http.MethodGet, []string{"Sec-Fetch-Site", "same-origin"}, true},
		{"an address that was typed in", http.MethodGet, []string{"Sec-Fetch-Site", "none"}, true},
		{"another site", http.MethodGet, []string{"Sec-Fetch-Site", "cross-site"}, false},
		{"another host of the same site", http.MethodGet, []string{"Sec-Fetch-Site", "same-site"}, false},
		{"a change", http.MethodPost, nil, false},
		{"who takes none", http.MethodGet, []string{"Accept-Encoding", "identity"}, false},
	} {
		answer, body := ask(c.method, c.headers...) //nolint:bodyclose // ask has closed it
		if small := answer.Header.Get("Content-Encoding") == "gzip"; small != c.small || small && len(body) > len(text)/10 {
			t.Errorf("%s: compressed %t, %d bytes", c.name, small, len(body))
		}
		if c.small {
			z, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if whole, err := io.ReadAll(z); err != nil || string(whole) != text {
				t.Errorf("%s: %d bytes, %v", c.name, len(whole), err)
			}
			if again, _ := ask(http.MethodGet, "If-None-Match", answer.Header.Get("Etag")); again.StatusCode != http.StatusNotModified || answer.Header.Get("Etag") == `"one"` { //nolint:bodyclose // as above
				t.Errorf("%s: what has the tag %s is answered %d", c.name, answer.Header.Get("Etag"), again.StatusCode)
			}
		}
		if vary := strings.Join(answer.Header.Values("Vary"), ", "); c.method == http.MethodGet && !strings.Contains(vary, "Sec-Fetch-Site") {
			t.Errorf("%s: Vary %q", c.name, vary)
		}
	}
}
