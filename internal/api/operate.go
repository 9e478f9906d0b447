package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/demarc/demarc"
)

// Operation is what those who run a server ask it: whether it lives, whether it can answer, and its metrics.
type Operation struct {
	registry *prometheus.Registry
	took     *prometheus.HistogramVec
	ready    func(context.Context) error
	log      *slog.Logger
}

// WaitError is why a server should be asked later. Its text is shown to whoever asks.
type WaitError string

func (w WaitError) Error() string { return string(w) }

// scrapeTime is how long a scrape, or a question whether the server is ready, may take.
const scrapeTime = 5 * time.Second

// NewOperation makes an Operation of a server on a history; ready returns why it cannot answer just now.
func NewOperation(history History, ready func(context.Context) error, log *slog.Logger) *Operation {
	o := &Operation{registry: prometheus.NewRegistry(), ready: ready, log: log}
	o.took = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "demarc_http_request_duration_seconds", Help: "How long requests took, by route.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
	}, []string{"route", "method", "code"})
	o.registry.MustRegister(o.took, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &latest{history: history, log: log})
	return o
}

// Seen counts a request that was answered, by the route that http.ServeMux found for it.
func (o *Operation) Seen(r *http.Request, status int, took time.Duration) {
	route := r.Pattern
	if route == "" || route == "/" {
		route = "other" // what is asked for must not make a series each
	}
	o.took.WithLabelValues(route, knownMethod(r.Method), strconv.Itoa(status)).Observe(took.Seconds())
}

func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete:
		return m
	default:
		return "other"
	}
}

// Routes adds /healthz and /readyz, which anybody may ask, and /metrics, which takes the right to read.
func (o *Operation) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), scrapeTime)
		defer cancel()
		err := o.ready(ctx)
		if wait, ok := errors.AsType[WaitError](err); ok {
			plain(w, http.StatusServiceUnavailable, wait.Error())
			return
		}
		if err != nil {
			o.log.WarnContext(ctx, "not ready", "error", err)
			plain(w, http.StatusServiceUnavailable, "the store does not answer")
			return
		}
		plain(w, http.StatusOK, "ready")
	})
	metrics := promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: scrapeTime})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		switch actor := demarc.ActorOf(r.Context()); {
		case actor.May(demarc.RightRead, ""):
			metrics.ServeHTTP(w, r)
		case actor.Name() == "":
			w.Header().Set("WWW-Authenticate", `Bearer realm="demarc"`)
			writeProblem(w, http.StatusUnauthorized, "metrics are for those who may read: send a token")
		default:
			writeProblem(w, http.StatusForbidden, actor.Name()+" may not read")
		}
	})
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the reader has gone
}

// latest collects what the latest scan of each organization comes to.
type latest struct {
	history History
	log     *slog.Logger
}

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("demarc_"+name, help, append([]string{"organization"}, labels...), nil)
}

var (
	scanTime      = gauge("scan_timestamp_seconds", "When the latest scan was finished, in seconds since 1970.")
	scanState     = gauge("scan_incomplete", "1 if something could not be read by the latest scan.")
	resourceCount = gauge("resources", "Resources that the latest scan shows.")
	staleCount    = gauge("resources_stale", "Of these, those whose place it did not look at.")
	yoursTotal    = gauge("duties_yours", "Duties with a part of the organization's.")
	yoursProven   = gauge("duties_yours_proven", "Of these, those that a check or evidence proves.")
	othersTotal   = gauge("duties_others", "Duties of providers and third parties.")
	othersAssured = gauge("duties_others_assured", "Of these, those that a report in date covers.")
	gapCount      = gauge("gaps", "Duties that need attention, each once by its worst gap.", "gap")
)

// Describe says which metrics there are.
func (l *latest) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{scanTime, scanState, resourceCount, staleCount, yoursTotal, yoursProven, othersTotal, othersAssured, gapCount} {
		to <- d
	}
}

// Collect asks the history.
func (l *latest) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime) // client_golang hands on no context
	defer cancel()
	organizations, err := l.history.Organizations(ctx)
	if err != nil {
		l.log.WarnContext(ctx, "metrics not collected", "error", err)
		return
	}
	for _, o := range organizations {
		view, err := l.history.Overview(ctx, demarc.At{Organization: o.Name}, demarc.Filter{})
		if err != nil {
			l.log.WarnContext(ctx, "metrics not collected", "organization", o.Name, "error", err)
			continue
		}
		send := func(d *prometheus.Desc, value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{o.Name}, labels...)...)
		}
		incomplete := 0.0
		if view.Scan.Incomplete {
			incomplete = 1
		}
		send(scanTime, float64(view.Scan.Finished.UnixMilli())/1000)
		send(scanState, incomplete)
		send(resourceCount, float64(view.Resources))
		send(staleCount, float64(view.Stale))
		send(yoursTotal, float64(view.Yours.Total))
		send(yoursProven, float64(view.Yours.Proven))
		send(othersTotal, float64(view.Others.Total))
		send(othersAssured, float64(view.Others.Proven))
		for _, gap := range demarc.Gaps {
			send(gapCount, float64(view.Gaps[gap]), string(gap))
		}
	}
}
