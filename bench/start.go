package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// base is the path of the data store that is measured.
const base = "/datastore/default/r4"

// A bench is a running server with its probes.
type bench struct {
	opt    options
	dir    string // the data folder
	temp   string // removed at the end
	addr   string
	server *exec.Cmd
	echo   *exec.Cmd
	probe  string // the echo's address
	sample sample
}

// start builds tarn, starts it, and waits until it is ready.
func start(opt options) (*bench, error) {
	temp, err := os.MkdirTemp("", "tarn-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{opt: opt, temp: temp, dir: opt.data}
	if b.dir == "" {
		b.dir = filepath.Join(temp, "data")
	}
	if err := b.launch(); err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

func (b *bench) launch() error {
	binary := filepath.Join(b.temp, "tarn")
	build := exec.Command("go", "build", "-o", binary, "github.com/tarnhealth/tarn/cmd/tarn")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %v\n%s", err, out)
	}
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	b.addr = addr
	log, err := os.Create(filepath.Join(b.temp, "server.log"))
	if err != nil {
		return err
	}
	b.server = exec.Command(binary, "serve", "--auth", "none", "--data", b.dir, "--listen", addr)
	b.server.Stdout, b.server.Stderr = log, log
	if err := b.server.Start(); err != nil {
		return err
	}
	if err := b.waitReady(log.Name()); err != nil {
		return err
	}
	b.probe, b.echo, err = startEcho()
	return err
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (b *bench) waitReady(log string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		resp, err := http.Get("http://" + b.addr + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(log)
	return fmt.Errorf("the server did not become ready:\n%s", text)
}

func (b *bench) stop() {
	for _, cmd := range []*exec.Cmd{b.server, b.echo} {
		if cmd != nil && cmd.Process != nil {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}
	}
	os.RemoveAll(b.temp)
}

func (b *bench) pid() int { return b.server.Process.Pid }
