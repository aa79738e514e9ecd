package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// A result is one row: a scenario's figures. What does not apply is 0.
type result struct {
	// Scenario is the scenario's name and, behind a slash, what was varied.
	Scenario   string  `json:"scenario"`
	Throughput float64 `json:"throughput"`
	// Unit of Throughput; the figures "per unit" below are for one of it.
	Unit string  `json:"unit"`
	P50  float64 `json:"p50_ms"`
	P95  float64 `json:"p95_ms"`
	P99  float64 `json:"p99_ms"`
	// Limit is what the machine does in the same run where nothing of FHIR is
	// done, in Unit; Ratio is Throughput to it.
	Limit   float64 `json:"limit"`
	Ratio   float64 `json:"ratio"`
	LimitIs string  `json:"limit_is"`
	// CPU is the server's, in µs per unit.
	CPU float64 `json:"cpu_us"`
	// Allocs and AllocBytes are the server's heap allocations per unit.
	Allocs     float64 `json:"allocs"`
	AllocBytes float64 `json:"alloc_bytes"`
	// Written is what the server wrote to disk, in bytes per unit.
	Written float64 `json:"written_bytes"`
	// RSS is the greatest resident size of the server during the scenario, MB.
	RSS float64 `json:"rss_mb"`
	// Disk is the size of the data folder per resource, bytes.
	Disk float64 `json:"disk_bytes,omitzero"`
	// Generator is the CPU of the load generator, in µs per request.
	Generator float64 `json:"generator_us"`
	Failed    int     `json:"failed"`
	Failure   string  `json:"failure,omitzero"`
	// Note says what a reader must know.
	Note  string `json:"note,omitzero"`
	Parts []part `json:"parts,omitzero"`
}

// A part is one kind of request of a mix.
type part struct {
	Name  string  `json:"name"`
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
}

// fill sets what a timed part shows.
func (r *result) fill(t *timed) {
	var all []time.Duration
	for i, latencies := range t.latencies {
		all = append(all, latencies...)
		if len(t.latencies) > 1 {
			p := part{Name: t.work.parts[i], Count: len(latencies)}
			p.P50, p.P95, p.P99 = percentiles(latencies)
			r.Parts = append(r.Parts, p)
		}
	}
	r.P50, r.P95, r.P99 = percentiles(all)
	r.Throughput, r.Failed, r.Failure = t.rate(), t.failed, t.failure
	r.Generator = per(float64(t.generator.Nanoseconds())/1e3, t.requests)
}

func (r *result) limit(rate float64, what string, args ...any) {
	r.Limit, r.LimitIs = rate, fmt.Sprintf(what, args...)
	if rate > 0 {
		r.Ratio = r.Throughput / rate
	}
}

// per is a total for each of n, 0 where there are none.
func per[N int | int64](total float64, n N) float64 {
	if n <= 0 {
		return 0
	}
	return total / float64(n)
}

// A report prints results as they come.
type report struct {
	out    io.Writer
	json   bool
	detail bool
	header bool
}

func (p *report) print(r result) error {
	if p.json {
		return json.NewEncoder(p.out).Encode(r)
	}
	if !p.header {
		p.header = true
		fmt.Fprintf(p.out, "%-20s %10s %-11s %8s %8s %8s %10s %6s %8s %7s %8s %8s %7s %6s  %s\n", "scenario", "throughput", "unit", "p50 ms", "p95 ms", "p99 ms",
			"limit", "ratio", "cpu µs", "allocs", "alloc B", "write B", "RSS MB", "gen µs", "limit is")
	}
	fmt.Fprintf(p.out, "%-20s %10.0f %-11s %8.2f %8.2f %8.2f %10.0f %6.2f %8.1f %7.0f %8.0f %8.0f %7.0f %6.1f  %s\n", r.Scenario, r.Throughput, r.Unit,
		r.P50, r.P95, r.P99, r.Limit, r.Ratio, r.CPU, r.Allocs, r.AllocBytes, r.Written, r.RSS, r.Generator, r.LimitIs)
	if r.Note != "" || r.Disk > 0 {
		fmt.Fprintf(p.out, "    %s\n", p.note(&r))
	}
	if r.Failed > 0 {
		fmt.Fprintf(p.out, "    %d requests FAILED, the first: %s\n", r.Failed, r.Failure)
	}
	if p.detail {
		for _, part := range r.Parts {
			fmt.Fprintf(p.out, "    %-66s %8d × %8.2f %8.2f %8.2f\n", part.Name, part.Count, part.P50, part.P95, part.P99)
		}
	}
	return nil
}

func (p *report) note(r *result) string {
	var notes []string
	if r.Disk > 0 {
		notes = append(notes, fmt.Sprintf("%.0f B of data folder per resource", r.Disk))
	}
	if r.Note != "" {
		notes = append(notes, r.Note)
	}
	return strings.Join(notes, "; ")
}
