package console

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/audit"
)

func TestWords(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1 000", 1234567: "1 234 567"} {
		if got := strings.ReplaceAll(countText(n), "\u202f", " "); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 9951: "10 kB", 999499: "999 kB", 999500: "1.0 MB", 5e15: "5.0 PB", 5e18: "5000 PB"} {
		if got := strings.ReplaceAll(bytesText(n), "\u202f", " "); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	for name, want := range map[string]string{`C:\x\a.tgz`: "a.tgz", "../../a.tgz": "a.tgz", "": ".", strings.Repeat("é", 200): strings.Repeat("é", 100) + "…"} {
		if got := fileName(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

// TestLines reads back what is written of settings.
func TestLines(t *testing.T) {
	list := listed(" a@1 \r\n\n http://x/y@z|2\n")
	if fmt.Sprint(list) != "[a#1 http://x/y@z|2]" || lines(list) != "a@1\nhttp://x/y@z|2" {
		t.Errorf("%q, %q", list, lines(list))
	}
}

// TestHere lets requests to this machine through, by whatever name.
func TestHere(t *testing.T) {
	s := &Console{host: "tarn.test"}
	for host, want := range map[string]bool{
		"127.0.0.1:8080": true, "localhost": true, "[::1]:80": true, "::1": true, "tarn.test": true, "tarn.test:8080": true, "127.9.9.9": true,
		"evil.example": false, "evil.example:8080": false, "localhost.evil.example": false, "10.0.0.1": false, "": false,
	} {
		if s.here(host) != want {
			t.Errorf("%q is here: %v", host, !want)
		}
	}
}

// TestTasks runs one task of a data store at a time, and forgets those of before.
func TestTasks(t *testing.T) {
	var all tasks
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	first, other, second := &task{Store: "a", What: "1"}, &task{Store: "b"}, &task{Store: "a", What: "2"}
	if !all.begin(first) || !all.begin(other) || all.begin(second) {
		t.Fatal("one at a time")
	}
	all.finish(first, now, []string{"why"}, false)
	if got := all.of("a", now); len(got) != 1 || got[0].Running() || got[0].Done() {
		t.Errorf("%+v", got)
	}
	if !all.begin(second) {
		t.Fatal("the next may begin")
	}
	all.finish(second, now, nil, false)
	if got := all.of("a", now); len(got) != 1 || got[0].What != "2" || !got[0].Done() {
		t.Errorf("%+v", got)
	}
	if got := all.of("a", now.Add(2*time.Hour)); len(got) != 0 {
		t.Errorf("shown for ever: %+v", got)
	}
	all.finish(other, now, nil, true)
	for i := range 3 * maxTasks {
		one := &task{Store: fmt.Sprint(i)}
		all.begin(one)
		all.finish(one, now, nil, false)
	}
	if len(all.list) != maxTasks || all.list[len(all.list)-1].Store != fmt.Sprint(3*maxTasks-1) {
		t.Errorf("%d tasks are remembered", len(all.list))
	}
	if all.close(); all.begin(&task{Store: "late"}) {
		t.Error("a task began after the end")
	}
}

// TestLookBack goes through a log from its end to its beginning, page by page,
// with filters: every record is on one page.
func TestLookBack(t *testing.T) {
	log, err := audit.Open(audit.Options{Dir: t.TempDir(), Key: audit.Key(make([]byte, 32))})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	const records = 2*auditWindow + 345
	all := make([]audit.Record, records)
	for i := range all {
		all[i] = audit.Record{Time: time.Unix(int64(i), 0).UTC(), Action: "read", Store: fmt.Sprint(i % 7), Patients: []string{fmt.Sprint(i % 11)}}
	}
	if err := log.Append(all...); err != nil {
		t.Fatal(err)
	}
	s := &Console{cfg: Config{Audit: log}}
	for _, f := range []auditFilter{{}, {Store: "3"}, {Store: "3", Patient: "5"}, {Store: "none"}} {
		want := 0
		for i := range all {
			if f.has(&audit.Stored{Record: all[i]}) {
				want++
			}
		}
		last, found, before := uint64(records+1), 0, uint64(0)
		for {
			page := auditPage{Filter: f}
			if err := s.lookBack(&page, before); err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				if r.Number >= last {
					t.Fatalf("%v: %d comes after %d", f, r.Number, last)
				}
				last = r.Number
			}
			found += len(page.Records)
			if before = page.From; page.Older == "" {
				break
			}
		}
		if found != want {
			t.Errorf("%+v: %d records, want %d", f, found, want)
		}
	}
}

// TestBrowsePage finds the next page, and nothing that leads elsewhere.
func TestBrowsePage(t *testing.T) {
	const base = "http://tarn.test/datastore/default/r4"
	for url, want := range map[string]string{
		base + "/Patient?_page=abc&x=1":       "/console/stores/default/browse?q=_page%3Dabc%26x%3D1&type=Patient",
		"http://evil.example/Patient?_page=a": "",
		base + "/../x":                        "",
	} {
		p := browsePage{ID: "default"}
		p.fill(base, []byte(`{"link":[{"relation":"self","url":"x"},{"relation":"next","url":"`+url+`"}]}`))
		if p.Next != want || !strings.Contains(p.JSON, "\n  \"link\"") {
			t.Errorf("%s leads to %q, want %q", url, p.Next, want)
		}
	}
	p := browsePage{}
	if p.fill(base, []byte("no \xff json")); p.JSON != "no \uFFFD json" {
		t.Errorf("%q", p.JSON)
	}
	short := &shortAnswer{}
	for range 3 {
		if n, err := short.Write(make([]byte, maxAnswer/2)); n != maxAnswer/2 || err != nil {
			t.Fatal(n, err)
		}
	}
	if !short.cut || short.body.Len() != maxAnswer {
		t.Errorf("%d bytes are kept", short.body.Len())
	}
}
