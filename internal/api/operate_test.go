package api_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/api"
)

func TestAServerTellsHowItIs(t *testing.T) {
	var away error
	o := api.NewOperation(&memory{}, func(context.Context) error { return away }, slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	o.Routes(mux)
	mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r)
		o.Seen(r, w.(*httptest.ResponseRecorder).Code, 3*time.Millisecond)
	})
	get := func(actor demarc.Actor, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "GET", path, http.NoBody)
		if actor != nil {
			r = r.WithContext(demarc.WithActor(r.Context(), actor))
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	if w := get(nil, "/healthz"); w.Code != http.StatusOK {
		t.Errorf("healthz: %d", w.Code)
	}
	if w := get(nil, "/readyz"); w.Code != http.StatusOK {
		t.Errorf("readyz: %d", w.Code)
	}
	away = errors.New("dial tcp 10.0.0.7:5432: refused")
	if w := get(nil, "/readyz"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Errorf("readyz without its store: %d %s", w.Code, w.Body)
	}
	away = api.WaitError("the latest scan is still being read")
	if w := get(nil, "/readyz"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "still being read") {
		t.Errorf("readyz of a server that is not: %d %s", w.Code, w.Body)
	}
	get(nil, "/things/1")
	get(nil, "/things/2")
	get(nil, "/nowhere/3")
	for name, tt := range map[string]struct {
		actor demarc.Actor
		code  int
	}{"nobody": {nil, 401}, "viewer": {viewer, 200}, "somebody without a role": {person{name: "eve"}, 403}} {
		if w := get(tt.actor, "/metrics"); w.Code != tt.code {
			t.Errorf("metrics as %s: %d, want %d", name, w.Code, tt.code)
		}
	}
	text := get(viewer, "/metrics").Body.String()
	for _, want := range []string{
		`demarc_http_request_duration_seconds_count{code="418",method="GET",route="GET /things/{id}"} 2`,
		`demarc_http_request_duration_seconds_count{code="404",method="GET",route="other"} 1`,
		`demarc_resources{organization="Northwind"} 7`,
		`demarc_gaps{gap="failing",organization="Southwind"} 0`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(text, "nowhere") {
		t.Error("what somebody asked for became a series")
	}
}
