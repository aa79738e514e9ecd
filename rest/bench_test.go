package rest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/rest"
)

// BenchmarkHandler measures the handler without the network.
func BenchmarkHandler(b *testing.B) {
	s := newServer(b)
	store := s.create(b, "bench")
	h := rest.New(rest.Options{Stores: s.catalog, Authorize: func(*http.Request, *datastore.Store) (authz.Access, error) {
		return authz.Unrestricted(), nil
	}})
	path := strings.TrimPrefix(store.Base(), "http://example.org")
	serve := func(b *testing.B, method, url, body string) {
		req := httptest.NewRequest(method, path+url, strings.NewReader(body))
		if w := httptest.NewRecorder(); true {
			if h.ServeHTTP(w, req); w.Code >= 300 {
				b.Fatalf("%d %s", w.Code, w.Body)
			}
		}
	}
	patient := `{"resourceType":"Patient","id":"%d","gender":"male","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">` + strings.Repeat("x", 2000) + `</div>"}}`
	for i := range 100 {
		serve(b, "PUT", fmt.Sprintf("/Patient/%d", i), fmt.Sprintf(patient, i))
	}
	for _, c := range []struct{ name, method, url, body string }{
		{"read", "GET", "/Patient/7", ""},
		{"search20", "GET", "/Patient?gender=male", ""},
		{"update", "PUT", "/Patient/7", fmt.Sprintf(patient, 7)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				serve(b, c.method, c.url, c.body)
			}
		})
	}
}

// BenchmarkAudit measures what the audit log costs: requests over the network
// from 64 clients, without the log and with it.
func BenchmarkAudit(b *testing.B) {
	for _, audited := range []bool{false, true} {
		s := openServer(b, vfs.NewMem(), &clock{now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}, func(o *rest.Options) {
			if !audited {
				return
			}
			log, err := audit.Open(audit.Options{Dir: b.TempDir(), Key: audit.Key(make([]byte, 32))})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { log.Close() })
			o.Audit = &rest.Audit{Log: log}
		})
		base := s.url + strings.TrimPrefix(s.create(b, "audited").Base(), "http://example.org")
		for i := range 100 {
			exchange(b, base, fmt.Sprintf("PUT /Observation/%d\n\n", i)+strings.Replace(observationOf1, `"o"`, fmt.Sprintf(`"%d"`, i), 1))
		}
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
		for name, path := range map[string]string{"read": "/Observation/7", "search20": "/Observation?_count=20"} {
			b.Run(fmt.Sprintf("%s/audited=%v", name, audited), func(b *testing.B) {
				b.SetParallelism(32)
				before := cpuTime(b)
				defer func() { b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op") }()
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						res, err := client.Get(base + path)
						if err != nil {
							b.Error(err)
							return
						}
						if _, err := io.Copy(io.Discard, res.Body); err != nil {
							b.Error(err)
						}
						res.Body.Close()
					}
				})
			})
		}
	}
}

// cpuTime is what the process has used of the processors. Beside other work on
// the machine it tells more than the time that passed.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
