package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	a := []row{{CPU: 100}, {CPU: 110}, {CPU: 90}}
	b := []row{{CPU: 50}, {CPU: 110}, {CPU: 60}}
	s, ok := spreadOf(a, b, func(r *row) float64 { return r.CPU })
	if want := (spread{median: 60. / 90, least: .5, most: 1}); !ok || s != want {
		t.Errorf("%+v %v, want %+v", s, ok, want)
	}
	if _, ok := spreadOf(a, b, func(r *row) float64 { return r.P99 }); ok {
		t.Error("a figure that is always 0 has a ratio")
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		s      spread
		better int
		rounds int
		want   string
	}{
		{spread{1.2, 1.1, 1.3}, 1, 5, "better"},
		{spread{1.2, 1.1, 1.3}, -1, 5, "WORSE"},
		{spread{.8, .7, .9}, 1, 5, "WORSE"},
		{spread{.8, .7, .9}, -1, 5, "better"},
		{spread{.8, .7, 1.1}, -1, 5, ""},
		{spread{.8, .7, .9}, -1, 4, ""},
	} {
		if got := c.s.verdict(c.better, c.rounds); got != c.want {
			t.Errorf("%+v: %q, want %q", c, got, c.want)
		}
	}
}

func TestPrint(t *testing.T) {
	rows, err := readRows(strings.NewReader(`{"scenario":"read/warm","throughput":100,"cpu_us":10}
{"scenario":"search","throughput":10,"p99_ms":4}
`))
	if err != nil {
		t.Fatal(err)
	}
	c := newComparison()
	for round := range 5 {
		c.add(0, rows)
		faster := []row{{Scenario: "read/warm", Throughput: 150 + float64(round), CPU: 10}, rows[1]}
		c.add(1, faster)
	}
	var out bytes.Buffer
	c.print(&out)
	want := []string{
		"read/warm throughput 100.0 152.0 1.52 1.50 … 1.54 better",
		"read/warm cpu µs 10.0 10.0 1.00 1.00 … 1.00",
		"search throughput 10.0 10.0 1.00 1.00 … 1.00",
		"search p99 ms 4.0 4.0 1.00 1.00 … 1.00",
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")[1:]
	for i, line := range lines {
		if got := strings.Join(strings.Fields(line), " "); i >= len(want) || got != want[i] {
			t.Errorf("line %d: %q", i, got)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d lines, want %d", len(lines), len(want))
	}
}

func TestCommandLine(t *testing.T) {
	for args, want := range map[string]string{
		"--rounds 0": "--rounds must be 1 or more",
		"HEAD":       `unexpected argument "HEAD"`,
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	opt, err := parse([]string{"--seconds", "0.5", "--data", "d"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(opt.passed, " "); got != "--json --scenario crud,read,search,bundle --seconds 0.5 --patients 50 --clients 0 --data d" {
		t.Error(got)
	}
}
