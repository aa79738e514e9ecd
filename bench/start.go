package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// runStart measures the time from the start of the process to the first
// answered search, on an empty and on the filled store, and the memory of a
// server that does nothing. The limit is the probe's process.
func runStart(ctx context.Context, b *bench) error {
	empty := b.newFolder()
	defer os.RemoveAll(empty)
	in, err := b.launch(ctx, empty) // makes the store
	if err != nil {
		return err
	}
	if err := in.stop(); err != nil {
		return err
	}
	if _, err := b.filled(ctx); err != nil {
		return err
	}
	if err := b.stopMain(); err != nil {
		return err
	}
	for _, s := range []struct{ name, dir string }{{"start/empty", empty}, {"start/filled", b.mainDir()}} {
		r, err := b.starts(ctx, s.name, s.dir)
		if err != nil {
			return err
		}
		if err := b.report.print(r); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) starts(ctx context.Context, name, dir string) (result, error) {
	r := result{Scenario: name, Unit: "starts/s"}
	b.say("%s: %d times", name, b.opt.starts)
	var took []time.Duration
	var total, cpu time.Duration
	for range b.opt.starts {
		in, err := b.launch(ctx, dir)
		if err != nil {
			return r, err
		}
		took = append(took, in.ready)
		total += in.ready
		cpu += cpuTime(in.pid)
		r.RSS = peakRSS(in.pid)
		err = b.idle(ctx, in, &r)
		if err := errors.Join(err, in.stop()); err != nil {
			return r, err
		}
	}
	r.P50, r.P95, r.P99 = percentiles(took)
	r.Throughput = float64(b.opt.starts) / total.Seconds()
	r.CPU = per(float64(cpu.Microseconds()), b.opt.starts)
	raw, err := b.rawStart(ctx)
	if raw > 0 {
		r.limit(1/raw.Seconds(), "a process that does nothing but answer")
	}
	return r, err
}

// idle notes the memory of a server that has had time to settle.
func (b *bench) idle(ctx context.Context, in *instance, r *result) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(b.seconds(.1)):
	}
	r.Note = fmt.Sprintf("idle RSS %.0f MB", nowRSS(in.pid))
	return nil
}

// rawStart is the time from the start of a probe's process to its first
// answer; 0 where there are no processes.
func (b *bench) rawStart(ctx context.Context) (time.Duration, error) {
	if b.self == "" {
		return 0, nil
	}
	dir, err := os.MkdirTemp(b.temp, "probe-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, b.self, "--role", roleProbe, "--temp", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return 0, err
	}
	conn, err := dial(strings.TrimSpace(line))
	if err != nil {
		return 0, err
	}
	defer conn.close()
	_, _, err = conn.do("GET", "/"+kindBytes+"/1", nil)
	return time.Since(begin), err
}
