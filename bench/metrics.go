package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// counters are what a server tells of itself at /metrics, since it began.
type counters struct {
	allocs     float64 // objects
	allocBytes float64
	disk       float64 // size of all files
	resources  float64 // that exist
	fsyncs     float64
}

// scrape reads /metrics.
// https://prometheus.io/docs/instrumenting/exposition_formats/
func scrape(addr string) (counters, error) {
	var c counters
	conn, err := dial(addr)
	if err != nil {
		return c, err
	}
	defer conn.close()
	status, body, err := conn.do("GET", "/metrics", nil)
	if err != nil {
		return c, err
	}
	if status != 200 {
		return c, fmt.Errorf("GET /metrics: status %d", status)
	}
	to := map[string]*float64{
		"go_memstats_mallocs_total":     &c.allocs,
		"go_memstats_alloc_bytes_total": &c.allocBytes,
		"tarn_store_bytes":              &c.disk,
		"tarn_resources":                &c.resources,
		"tarn_fsyncs_total":             &c.fsyncs,
	}
	for line := range bytes.Lines(body) {
		space := bytes.LastIndexByte(line, ' ')
		if line[0] == '#' || space < 0 {
			continue
		}
		name, _, _ := bytes.Cut(line[:space], []byte("{"))
		if sum := to[string(name)]; sum != nil {
			value, err := strconv.ParseFloat(string(bytes.TrimSpace(line[space:])), 64)
			if err != nil {
				return c, fmt.Errorf("/metrics: %w", err)
			}
			*sum += value
		}
	}
	return c, nil
}
