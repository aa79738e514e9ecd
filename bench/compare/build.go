package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// binary makes a tarn binary of a commit, of the working tree for ".", or
// takes the file that is named. dir is a folder for it, which is not there.
func binary(ctx context.Context, what, dir string) (string, error) {
	if info, err := os.Stat(what); err == nil && info.Mode().IsRegular() {
		return filepath.Abs(what)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	file, source := filepath.Join(dir, "tarn"), "."
	if what != "." {
		source = filepath.Join(dir, "source")
		if err := unpack(ctx, what, source); err != nil {
			return "", err
		}
	}
	return file, build(ctx, source, "./cmd/tarn", file)
}

// unpack writes the files of a commit to dir. It leaves the repository as it
// is.
func unpack(ctx context.Context, commit, dir string) error {
	archive := dir + ".tar"
	// --end-of-options keeps a name that begins with a dash from being one.
	if err := output(exec.CommandContext(ctx, "git", "archive", "--format=tar", "--output="+archive, "--end-of-options", commit)); err != nil {
		return fmt.Errorf("%s is no file and no commit: %w", commit, err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return output(exec.CommandContext(ctx, "tar", "-xf", archive, "-C", dir))
}

// build builds a package of the module in dir.
func build(ctx context.Context, dir, pkg, file string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", file, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return output(cmd)
}

// output runs a command; its error has what the command printed.
func output(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd.Args[0], err, bytes.TrimSpace(out))
	}
	return nil
}

// A row is what compare reads of a line of bench --json.
type row struct {
	Scenario   string  `json:"scenario"`
	Unit       string  `json:"unit"`
	Throughput float64 `json:"throughput"`
	Ratio      float64 `json:"ratio"` // to the limit of the same run
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	CPU        float64 `json:"cpu_us"`
	Allocs     float64 `json:"allocs"`
	Written    float64 `json:"written_bytes"`
	RSS        float64 `json:"rss_mb"`
	Failed     int     `json:"failed"`
	Failure    string  `json:"failure"`
}

// measure runs bench once with a binary.
func measure(ctx context.Context, bench, binary string, opt options, progress io.Writer) ([]row, error) {
	var out, log bytes.Buffer
	cmd := exec.CommandContext(ctx, bench, append([]string{"--binary", binary}, opt.passed...)...)
	cmd.Stdout, cmd.Stderr = &out, &log
	// bench cleans up after an interrupt.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	if err := cmd.Run(); err != nil {
		return nil, errors.Join(fmt.Errorf("bench: %w\n%s", err, bytes.TrimSpace(log.Bytes())), ctx.Err())
	}
	rows, err := readRows(&out)
	for _, r := range rows {
		if r.Failed > 0 {
			fmt.Fprintf(progress, "compare: %s: %d requests FAILED, the first: %s\n", r.Scenario, r.Failed, r.Failure)
		}
	}
	return rows, err
}

func readRows(in io.Reader) ([]row, error) {
	var rows []row
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("a line of bench: %w", err)
		}
		rows = append(rows, r)
	}
	return rows, lines.Err()
}
