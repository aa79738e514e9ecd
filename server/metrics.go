package server

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what /metrics shows, in a registry of the server's own.
type metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec

	mu    sync.RWMutex
	known map[string]*series // by interaction
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		known:    map[string]*series{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tarn_requests_total",
			Help: "FHIR requests answered, by interaction and HTTP status.",
		}, []string{"interaction", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tarn_request_seconds",
			Help:    "Time from the request's header to the response's end, by interaction.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120},
		}, []string{"interaction"}),
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "tarn_build_info",
		Help:        "Always 1; the label has the program's version.",
		ConstLabels: prometheus.Labels{"version": Version()},
	}, func() float64 { return 1 })
	m.registry.MustRegister(m.requests, m.seconds, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
	return m
}

// observe counts one response; rest calls it.
func (m *metrics) observe(interaction string, status int, took time.Duration) {
	s := m.of(interaction)
	s.seconds.Observe(took.Seconds())
	if status < 0 || status >= len(s.requests) {
		m.requests.WithLabelValues(interaction, strconv.Itoa(status)).Inc()
		return
	}
	counter := s.requests[status].Load()
	if counter == nil {
		c := m.requests.WithLabelValues(interaction, strconv.Itoa(status))
		counter = &c
		s.requests[status].Store(counter)
	}
	(*counter).Inc()
}

// series are the metrics of one interaction: finding them by their labels costs
// half a microsecond each.
type series struct {
	seconds  prometheus.Observer
	requests [600]atomic.Pointer[prometheus.Counter] // by HTTP status
}

func (m *metrics) of(interaction string) *series {
	m.mu.RLock()
	s := m.known[interaction]
	m.mu.RUnlock()
	if s != nil {
		return s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s = m.known[interaction]; s == nil {
		s = &series{seconds: m.seconds.WithLabelValues(interaction)}
		m.known[interaction] = s
	}
	return s
}
