package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/tarnhealth/tarn/server"
)

// base is the path of the data store that is measured.
const base = "/datastore/" + server.DefaultStore + "/r4"

// An instance is a running server.
type instance struct {
	dir  string // the data folder
	addr string
	pid  int
	// ready is the time from the start of the process to the first answered
	// request.
	ready time.Duration
	stop  func() error
}

// A launcher starts a server on a data folder and waits until it answers.
type launcher func(ctx context.Context, dir string, env ...string) (*instance, error)

// startTimeout is how long a server may take to become ready: an index that is
// made anew takes its time.
const startTimeout = 10 * time.Minute

// process returns a launcher of a tarn binary.
func process(binary string) launcher {
	return func(ctx context.Context, dir string, env ...string) (*instance, error) {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		var log bytes.Buffer
		cmd := exec.Command(binary, "serve", "--data", dir, "--listen", addr)
		cmd.Env = append(append(os.Environ(), "TARN_AUTH="+server.AuthNone), env...) // the last counts
		cmd.Stdout, cmd.Stderr = io.Discard, &log
		begin := time.Now()
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }() // the state tells how it ended
		in := &instance{dir: dir, addr: addr, pid: cmd.Process.Pid, stop: func() error { return endProcess(cmd, ended) }}
		if err := in.waitAnswer(ctx, begin, ended); err != nil {
			_ = in.stop() // the first error counts
			return nil, fmt.Errorf("the server did not become ready: %w\n%s", err, log.Bytes())
		}
		return in, nil
	}
}

// endProcess tells a process to end and waits for it.
func endProcess(cmd *exec.Cmd, ended <-chan struct{}) error {
	_ = cmd.Process.Signal(syscall.SIGTERM) // fails where it has ended
	select {
	case <-ended:
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		<-ended
	}
	if !cmd.ProcessState.Success() {
		return fmt.Errorf("the server ended with %s", cmd.ProcessState)
	}
	return nil
}

// inProcess is a launcher of servers in this process, for tests.
func inProcess(ctx context.Context, dir string, env ...string) (*instance, error) {
	cfg := server.Default()
	cfg.Listen, cfg.Data, cfg.Auth = "127.0.0.1:0", dir, server.AuthNone
	if slices.Contains(env, "TARN_AUTH="+server.AuthSMART) {
		cfg.Auth = server.AuthSMART
	}
	if slices.Contains(env, "TARN_AUDIT_LOG="+server.AuditOff) {
		cfg.Audit.Mode = server.AuditOff
	}
	if slices.Contains(env, "TARN_ENCRYPTION_AT_REST=on") {
		cfg.Encryption.AtRest = "on"
	}
	cfg.Stdout, cfg.Stderr = io.Discard, io.Discard
	begin := time.Now()
	s, err := server.New(cfg)
	if err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { err = s.Run(run); close(ended) }()
	in := &instance{dir: dir, addr: s.Addr(), pid: os.Getpid(), stop: func() error {
		cancel()
		<-ended
		return err
	}}
	if failed := in.waitAnswer(ctx, begin, ended); failed != nil {
		return nil, errors.Join(failed, in.stop())
	}
	return in, nil
}

// waitAnswer asks for a resource's search until it is answered.
func (in *instance) waitAnswer(ctx context.Context, begin time.Time, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if in.answers() {
			in.ready = time.Since(begin)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			return errors.New("it ended")
		case <-tick.C:
		}
	}
}

func (in *instance) answers() bool {
	conn, err := dial(in.addr)
	if err != nil {
		return false
	}
	defer conn.close()
	status, _, err := conn.do("GET", base+"/Patient?_count=1&_total=none", nil)
	return err == nil && (status == 200 || status == 401) // where a token is wanted
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// socket is the path of the server's admin socket.
func (in *instance) socket() string { return filepath.Join(in.dir, "admin.sock") }
