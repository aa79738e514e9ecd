// Command bench measures a Tarn server under load and the raw limits of the
// machine in the same run, so that a figure is a ratio and not a property of
// the machine that it was taken on.
//
//	go run ./bench                            every scenario, ten seconds each
//	go run ./bench --scenario create,read     some of them
//	go run ./bench --clients 64 --seconds 30 --patients 1000 --json
//
// It builds the tarn command, starts it on an empty folder and a loopback
// port, and fills it with the built-in synthetic population. The load comes
// from a lean HTTP client in this process; the server's CPU time is read from
// the operating system.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	scenarios string
	seconds   int
	clients   int
	patients  int
	data      string
	json      bool
	echo      bool
}

// A result is one scenario's figures.
type result struct {
	Scenario   string  `json:"scenario"`
	Throughput float64 `json:"throughput"`
	Unit       string  `json:"unit"`
	P50        float64 `json:"p50_ms"`
	P95        float64 `json:"p95_ms"`
	P99        float64 `json:"p99_ms"`
	Limit      float64 `json:"limit"`
	Ratio      float64 `json:"ratio"`
	CPU        float64 `json:"cpu_us"`
	RSS        float64 `json:"rss_mb"`
	LimitIs    string  `json:"limit_is"`
	Errors     int     `json:"errors"`
}

// scenarios in the order they run: later ones read what earlier ones loaded.
var scenarios = []struct {
	name string
	run  func(*bench) (result, error)
}{
	{"bundle", runBundle},
	{"create", runCreate},
	{"read", runRead},
	{"search", runSearch},
}

func main() {
	var opt options
	flag.StringVar(&opt.scenarios, "scenario", "", "comma-separated scenarios: bundle, create, read, search (default all)")
	flag.IntVar(&opt.seconds, "seconds", 10, "length of each timed part")
	flag.IntVar(&opt.clients, "clients", 64, "concurrent clients")
	flag.IntVar(&opt.patients, "patients", 200, "synthetic patients to load")
	flag.StringVar(&opt.data, "data", "", "data folder (default a temporary one, removed at the end)")
	flag.BoolVar(&opt.json, "json", false, "print one JSON object a line")
	flag.BoolVar(&opt.echo, "echo", false, "serve as the HTTP echo probe (used by bench itself)")
	flag.Parse()
	if opt.echo {
		serveEcho()
		return
	}
	if err := run(opt); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(opt options) error {
	wanted, err := choose(opt.scenarios)
	if err != nil {
		return err
	}
	b, err := start(opt)
	if err != nil {
		return err
	}
	defer b.stop()
	if !opt.json {
		fmt.Printf("%-8s %12s %-12s %8s %8s %8s %12s %6s %8s %7s %s\n", "scenario", "throughput", "unit", "p50 ms", "p95 ms", "p99 ms", "limit", "ratio", "cpu µs", "RSS MB", "limit is")
	}
	for _, s := range scenarios {
		if s.name != "bundle" && !slices.Contains(wanted, s.name) {
			continue // bundle always runs: it loads the data
		}
		r, err := s.run(b)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		r.Scenario = s.name
		if r.Limit > 0 {
			r.Ratio = r.Throughput / r.Limit
		}
		print(opt, r)
	}
	return nil
}

func choose(list string) ([]string, error) {
	var all []string
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	if list == "" {
		return all, nil
	}
	wanted := strings.Split(list, ",")
	for _, w := range wanted {
		if !slices.Contains(all, w) {
			return nil, fmt.Errorf("there is no scenario %q; choose from %s", w, strings.Join(all, ", "))
		}
	}
	return wanted, nil
}

func print(opt options, r result) {
	if opt.json {
		line, _ := json.Marshal(r)
		fmt.Println(string(line))
		return
	}
	fmt.Printf("%-8s %12.0f %-12s %8.2f %8.2f %8.2f %12.0f %6.2f %8.1f %7.0f %s\n",
		r.Scenario, r.Throughput, r.Unit, r.P50, r.P95, r.P99, r.Limit, r.Ratio, r.CPU, r.RSS, r.LimitIs)
	if r.Errors > 0 {
		fmt.Printf("         %d requests failed\n", r.Errors)
	}
}

// duration is the length of a timed part.
func (o options) duration() time.Duration { return time.Duration(o.seconds) * time.Second }
