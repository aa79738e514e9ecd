package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/bench/probe"
)

// A bench is one run: its servers, its probe and its data.
type bench struct {
	opt    options
	temp   string // removed at the end
	launch launcher
	source source
	// self starts roles of bench's own in other processes; "" runs them here,
	// for tests.
	self   string
	probe  string // the probe's address
	closed []func() error
	folder int // numbers the data folders

	// main is the server that is filled with all data, once something needs
	// it; sample is what is known of that data.
	main   *instance
	sample *sample

	report   *report
	progress io.Writer
}

// start builds tarn where no binary is given, and starts the probe.
func start(ctx context.Context, opt options, out, progress io.Writer) (*bench, error) {
	temp, err := os.MkdirTemp(opt.temp, "tarn-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{
		opt: opt, temp: temp, progress: progress,
		report: &report{out: out, json: opt.json, detail: opt.detail},
		source: newSource(opt),
	}
	b.atEnd(func() error { return os.RemoveAll(temp) })
	if err := b.prepare(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) prepare(ctx context.Context) (err error) {
	if b.opt.here {
		b.launch = inProcess
		probing, cancel := context.WithCancel(context.Background())
		b.atEnd(func() error { cancel(); return nil })
		b.probe, err = probe.Here(probing, b.temp)
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	binary := b.opt.binary
	if binary == "" {
		b.say("building tarn")
		if binary, err = b.build(ctx); err != nil {
			return err
		}
	}
	b.launch = process(binary)
	return b.startProbe()
}

func (b *bench) build(ctx context.Context) (string, error) {
	binary := filepath.Join(b.temp, "tarn")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/tarnhealth/tarn/cmd/tarn")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, nil
}

// startProbe runs the probe in a process of its own, as the server is.
func (b *bench) startProbe() error {
	cmd := exec.Command(b.self, "--role", roleProbe, "--temp", b.temp)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	b.atEnd(func() error {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		return nil
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	b.probe = strings.TrimSpace(line)
	return err
}

// atEnd has f called by close, the last first.
func (b *bench) atEnd(f func() error) { b.closed = append(b.closed, f) }

// close ends what runs and removes what was written.
func (b *bench) close() error {
	err := b.stopMain()
	for i := len(b.closed) - 1; i >= 0; i-- {
		err = errors.Join(err, b.closed[i]())
	}
	return err
}

// say tells a person what is going on.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "bench: "+format+"\n", args...)
}

// newFolder names a data folder that is not there yet.
func (b *bench) newFolder() string {
	b.folder++
	return filepath.Join(b.temp, fmt.Sprintf("data-%d", b.folder))
}

// fresh starts a server on an empty folder. end stops it and removes the
// folder.
func (b *bench) fresh(ctx context.Context) (in *instance, end func() error, err error) {
	dir := b.newFolder()
	in, err = b.launch(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	return in, func() error { return errors.Join(in.stop(), os.RemoveAll(dir)) }, nil
}

// mainDir is the folder of the main server.
func (b *bench) mainDir() string { return filepath.Join(b.temp, "main") }

// filled returns the main server, started and filled.
func (b *bench) filled(ctx context.Context) (*instance, error) {
	if b.main != nil {
		return b.main, nil
	}
	in, err := b.launch(ctx, b.mainDir())
	if err != nil {
		return nil, err
	}
	b.main = in
	if b.sample == nil {
		b.sample, _, err = b.fillAll(ctx, in, b.source)
	}
	return in, err
}

// stopMain stops the main server; filled starts it again on the same data.
func (b *bench) stopMain() error {
	if b.main == nil {
		return nil
	}
	in := b.main
	b.main = nil
	return in.stop()
}

// seconds is a share of the length of a timed part.
func (b *bench) seconds(share float64) time.Duration {
	return time.Duration(float64(b.opt.length) * share)
}
