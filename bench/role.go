package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/tarnhealth/tarn/bench/probe"
)

// A deed is what a process of bench's own did, and what that took.
type deed struct {
	Units      int           `json:"units"` // resources
	Bytes      int64         `json:"bytes"`
	Took       time.Duration `json:"took"`
	CPU        time.Duration `json:"cpu"`
	Allocs     uint64        `json:"allocs"`
	AllocBytes uint64        `json:"alloc_bytes"`
	Written    int64         `json:"written"`
	RSS        float64       `json:"rss_mb"`
}

// add makes d the two deeds one after the other.
func (d *deed) add(next deed) {
	d.Units += next.Units
	d.Bytes += next.Bytes
	d.Took += next.Took
	d.CPU += next.CPU
	d.Allocs += next.Allocs
	d.AllocBytes += next.AllocBytes
	d.Written += next.Written
	d.RSS = max(d.RSS, next.RSS)
}

// result is the deed as a row.
func (d *deed) result(name string) result {
	return result{
		Scenario: name, Unit: "resources/s", Throughput: float64(d.Units) / d.Took.Seconds(),
		CPU:    per(float64(d.CPU.Microseconds()), d.Units),
		Allocs: per(float64(d.Allocs), d.Units), AllocBytes: per(float64(d.AllocBytes), d.Units),
		Written: per(float64(d.Written), d.Units), RSS: d.RSS,
	}
}

// role has a role played by a process of its own, so that what it takes is
// seen apart from the load generator.
func (b *bench) role(ctx context.Context, role string, args ...string) (deed, error) {
	if b.self == "" {
		return deedOf(ctx, role, args)
	}
	var d deed
	if b.opt.profile != "" {
		if err := os.MkdirAll(b.opt.profile, 0o777); err != nil {
			return d, err
		}
	}
	cmd := exec.CommandContext(ctx, b.self, append([]string{"--role", role, "--profile", b.opt.profile}, args...)...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	out, err := cmd.Output()
	if err != nil {
		return d, errors.Join(fmt.Errorf("%s: %w", role, err), ctx.Err())
	}
	return d, json.Unmarshal(out, &d)
}

// play is the process's side of role.
func play(ctx context.Context, role string, opt *options, args []string, out io.Writer) error {
	switch role {
	case roleProbe:
		return probe.Serve(opt.temp)
	case roleEvict:
		evictUntil(ctx, opt.temp)
		return nil
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(roleMemory)
	}
	ended, err := profileSelf(opt.profile, role)
	if err != nil {
		return err
	}
	d, err := deedOf(ctx, role, args)
	if err = errors.Join(err, ended()); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(d)
}

// profileSelf writes profiles of this process to DIR/ROLE.N.cpu.pprof and
// DIR/ROLE.N.allocs.pprof, where N is the first number that is free, until what
// it returns is called. It does nothing where dir is "".
func profileSelf(dir, role string) (end func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	create := func(n int, kind string) (*os.File, error) {
		return os.OpenFile(filepath.Join(dir, fmt.Sprintf("%s.%d.%s.pprof", role, n, kind)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	}
	for n := 1; ; n++ {
		cpu, err := create(n, "cpu")
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return func() error {
			pprof.StopCPUProfile()
			allocs, err := create(n, "allocs")
			if err != nil {
				return errors.Join(err, cpu.Close())
			}
			return errors.Join(pprof.Lookup("allocs").WriteTo(allocs, 0), allocs.Close(), cpu.Close())
		}, pprof.StartCPUProfile(cpu)
	}
}

// roleMemory is what a process of bench's own may take, as GOMEMLIMIT says it
// for a server. GOMEMLIMIT, where it is set, decides instead.
const roleMemory = 352 << 20

// deedOf does a role's work on the data folder args[0]: it loads the NDJSON
// files of the folder args[1], or exports to it.
func deedOf(ctx context.Context, role string, args []string) (d deed, err error) {
	if len(args) != 2 {
		return d, fmt.Errorf("role %s takes two folders", role)
	}
	b, err := openBulk(ctx, args[0])
	if err != nil {
		return d, err
	}
	var before, after runtime.MemStats
	pid := os.Getpid()
	runtime.ReadMemStats(&before)
	resetPeak(pid)
	cpu, written, begin := ownCPU(), usageOf(pid).written, time.Now()
	switch role {
	case roleLoad:
		d.Units, err = b.load(ctx, args[1])
	case roleExport:
		d.Units, d.Bytes, err = b.export(ctx, args[1])
	default:
		err = fmt.Errorf("there is no role %q", role)
	}
	d.Took, d.CPU, d.Written = time.Since(begin), ownCPU()-cpu, usageOf(pid).written-written
	runtime.ReadMemStats(&after)
	d.Allocs, d.AllocBytes, d.RSS = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc, peakRSS(pid)
	return d, errors.Join(err, b.close())
}
