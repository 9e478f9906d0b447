package cli

import (
	"flag"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/store"
	"github.com/demarc/demarc/internal/web"
)

var pagesOf = flag.Int("pages-of", 2_000, "measure pages over a store of `N` resources")

// many makes an estate of n resources out of a small one, over and over, in accounts of their own.
func many(small iter.Seq[*demarc.Answer], n int) iter.Seq[*demarc.Answer] {
	return func(yield func(*demarc.Answer) bool) {
		for i, made := 0, 0; made < n; i++ {
			for a := range small {
				b := *a
				b.Resource.ID = demarc.ResourceID(fmt.Sprintf("%06d/%s", i, a.Resource.ID))
				b.Resource.Account = fmt.Sprintf("%s-%d", a.Resource.Account, i%200)
				if !yield(&b) {
					return
				}
				if made++; made == n {
					return
				}
			}
		}
	}
}

// BenchmarkPages measures every page over a store, as a reader waits for it: -pages-of says over how many resources.
func BenchmarkPages(b *testing.B) {
	ctx := b.Context()
	a := &app{Streams: Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, getenv: func(string) string { return "" }, log: slog.New(slog.DiscardHandler)}
	to, err := a.recorder(ctx, &storeFlags{place: filepath.Join(b.TempDir(), "many.db")}, true)
	if err != nil {
		b.Fatal(err)
	}
	defer to.store.Close()
	r, err := a.pipeline(ctx, &inputFlags{recorder: to}, []string{"../../examples/northwind"})
	if err != nil {
		b.Fatal(err)
	}
	defer r.close()
	begin := time.Now()
	_, err = to.store.Record(ctx, store.Recording{Run: r.about(), Finished: time.Now(), Actor: "bench", Whole: true, Catalog: a.catalogContent, Estate: func() ([]byte, error) { return []byte(`{}`), nil }}, many(r.Answers(), *pagesOf))
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("recorded %d resources in %s", *pagesOf, time.Since(begin).Round(time.Millisecond))
	site := newSite(to.store, newKnowledge(r.book, to.store), web.Config{Log: a.log})
	get := func(path string) time.Duration {
		w := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(demarc.WithActor(ctx, demarc.LocalActor("bench")), http.MethodGet, path, nil)
		begin := time.Now()
		site.ServeHTTP(w, request)
		if took := time.Since(begin); w.Code == http.StatusOK {
			return took
		}
		b.Fatalf("%s: status %d", path, w.Code)
		return 0
	}
	for _, path := range []string{
		"/", "/?provider=aws", "/?account=444455556666-7", "/line", "/line?by=account", "/line?by=service&provider=aws", "/resources", "/resources?q=ledger", "/resources?gap=failing&team=payments", "/resources?by=account",
		"/resource?id=000001/arn%3Aaws%3Ards%3Aeu-west-1%3A444455556666%3Adb%3Areviews", "/gaps", "/gaps?view=each", "/gaps?view=each&gap=failing&severity=high", "/moves", "/assumptions", "/parties", "/sources", "/frameworks", "/catalog",
	} {
		b.Run(strings.ReplaceAll(path, "/", "·"), func(b *testing.B) {
			first := get(path)
			var all []time.Duration
			for b.Loop() {
				all = append(all, get(path))
			}
			slices.Sort(all)
			b.ReportMetric(float64(first.Microseconds())/1000, "first-ms")
			b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(all[len(all)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}
