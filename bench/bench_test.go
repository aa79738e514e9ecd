package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestScenarios runs every scenario for a moment, in this process, and looks
// at everything but the time.
func TestScenarios(t *testing.T) {
	var out bytes.Buffer
	began := time.Now()
	progress := writerFunc(func(b []byte) (int, error) {
		t.Logf("%6.2f s %s", time.Since(began).Seconds(), b)
		return len(b), nil
	})
	opt := options{
		length: 30 * time.Millisecond, patients: 1, sizes: []int{1}, resources: 400, starts: 1, temp: t.TempDir(), clients: 3,
		json: true, here: true,
	}
	for _, s := range scenarios {
		opt.scenarios = append(opt.scenarios, s.name)
	}
	if err := run(t.Context(), opt, &out, progress); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(out.String()) {
		r := checkRow(t, line)
		name, _, _ := strings.Cut(r.Scenario, "/")
		seen[name]++
	}
	for _, s := range scenarios {
		if seen[s.name] == 0 {
			t.Errorf("scenario %s printed no row", s.name)
		}
	}
	if left, err := os.ReadDir(opt.temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// checkRow reads one line of --json and asks for the keys that every line has.
func checkRow(t *testing.T, line string) result {
	t.Helper()
	var keys map[string]any
	var r result
	if err := errors.Join(json.Unmarshal([]byte(line), &keys), json.Unmarshal([]byte(line), &r)); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	for _, key := range []string{"scenario", "throughput", "unit", "p50_ms", "p95_ms", "p99_ms", "limit", "ratio", "cpu_us"} {
		if _, there := keys[key]; !there {
			t.Errorf("%s: no %s", r.Scenario, key)
		}
	}
	if r.Failed > 0 {
		t.Errorf("%s: %d failed: %s", r.Scenario, r.Failed, r.Failure)
	}
	if r.Throughput <= 0 {
		t.Errorf("%s: nothing was done", r.Scenario)
	}
	if r.Limit <= 0 && !strings.Contains(r.Scenario, "start") && !strings.HasSuffix(r.Scenario, "/fill") {
		t.Errorf("%s: no limit", r.Scenario)
	}
	return r
}

// TestFiles fills from Synthea's own files.
func TestFiles(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "data", "synthea", "dev")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("../shared/data is absent")
	}
	from := files{dir}
	shared, each := 0, 0
	err := from.shared(t.Context(), func(bundle []byte) error {
		if !bytes.Contains(bundle, []byte("Bundle")) {
			t.Error("no Bundle")
		}
		shared++
		return nil
	})
	if err = errors.Join(err, upTo(t.Context(), from, 3, func([]byte) error { each++; return nil })); err != nil {
		t.Fatal(err)
	}
	if shared != 2 || each != 3 {
		t.Errorf("%d shared Bundles and %d others, want 2 and 3", shared, each)
	}
	err = from.each(t.Context(), true, func(bundle []byte) error {
		if conditional.Match(bundle) {
			t.Error("a Bundle with conditional references comes late")
		}
		return errEnough
	})
	if !errors.Is(err, errEnough) {
		t.Errorf("no late Bundles: %v", err)
	}
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--scenario crud,rad", `there is no scenario "rad"; choose from read, search,`},
		{"--seconds 0", "--seconds must be more than 0"},
		{"--patients 0", "--patients must be 1 or more"},
		{"--resources 0", "--resources must be 1 or more"},
		{"--clients -1", "--clients must be 1 or more"},
		{"--sizes 10,x", `--sizes: "x" is no number of patients`},
		{"crud", `unexpected argument "crud"`},
	} {
		err := command(t.Context(), strings.Fields(c.args), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.args, err, c.want)
		}
	}
	var help bytes.Buffer
	if err := command(t.Context(), []string{"--help"}, io.Discard, &help); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
	for _, want := range []string{"go run ./bench --scenario", "everything", "-profile"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("--help does not show %q", want)
		}
	}
}

// TestInterrupt stops a run in its middle, and looks at what it leaves.
func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	opt := options{scenarios: []string{"read"}, length: time.Hour, patients: 1, temp: t.TempDir(), clients: 2, here: true}
	progress := writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("read/warm")) {
			cancel()
		}
		return len(b), nil
	})
	if err := run(ctx, opt, io.Discard, progress); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want it canceled", err)
	}
	if left, err := os.ReadDir(opt.temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
