package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tarnhealth/tarn/pebble"
)

// storageMetric is one number of every data store.
type storageMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*pebble.Stats) float64
}

func perStore(name, help string, kind prometheus.ValueType, value func(*pebble.Stats) float64) storageMetric {
	return storageMetric{prometheus.NewDesc(name, help, []string{"store"}, nil), kind, value}
}

var storageMetrics = []storageMetric{
	perStore("tarn_commits_total", "Commits that wrote something.", prometheus.CounterValue,
		func(s *pebble.Stats) float64 { return float64(s.Commits) }),
	perStore("tarn_versions_total", "Versions of resources written.", prometheus.CounterValue,
		func(s *pebble.Stats) float64 { return float64(s.Versions) }),
	perStore("tarn_fsyncs_total", "Waits for the disk; commits share them.", prometheus.CounterValue,
		func(s *pebble.Stats) float64 { return float64(s.Syncs) }),
	perStore("tarn_fsync_seconds_total", "Time spent waiting for the disk.", prometheus.CounterValue,
		func(s *pebble.Stats) float64 { return s.SyncTime.Seconds() }),
	perStore("tarn_index_seals_total", "Times that index terms in memory were written to a file.", prometheus.CounterValue,
		func(s *pebble.Stats) float64 { return float64(s.Seals) }),
	perStore("tarn_index_unsealed_bytes", "Index terms that are in memory only.", prometheus.GaugeValue,
		func(s *pebble.Stats) float64 { return float64(s.UnsealedBytes) }),
	perStore("tarn_store_bytes", "Size of all files.", prometheus.GaugeValue,
		func(s *pebble.Stats) float64 { return float64(s.DiskBytes) }),
	perStore("tarn_views", "Open views.", prometheus.GaugeValue,
		func(s *pebble.Stats) float64 { return float64(s.Views) }),
	perStore("tarn_store_read_only", "1 since the disk failed or was full, until the data store is opened again.", prometheus.GaugeValue,
		func(s *pebble.Stats) float64 { return float64(s.ReadOnly) }),
}

var resourcesDesc = prometheus.NewDesc("tarn_resources", "Resources that exist, by type.", []string{"store", "type"}, nil)

// Describe implements prometheus.Collector.
func (s *storage) Describe(descs chan<- *prometheus.Desc) {
	for _, m := range storageMetrics {
		descs <- m.desc
	}
	descs <- resourcesDesc
}

// Collect implements prometheus.Collector: it asks every open data store.
func (s *storage) Collect(out chan<- prometheus.Metric) {
	for id, p := range s.all() {
		stats := p.Stats()
		for _, m := range storageMetrics {
			out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&stats), id)
		}
		for typ, n := range stats.Live {
			out <- prometheus.MustNewConstMetric(resourcesDesc, prometheus.GaugeValue, float64(n), id, typ)
		}
	}
}
