// Package probe owns the raw limits that a server is measured beside: a process
// that answers as the server does with nothing of FHIR done, and appends that are
// made durable.
//
// It leaves to others: what is asked of it, and for how long (bench).
package probe

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// The probe is the raw limit: a process that answers as the server does with
// nothing of FHIR done. It takes the same requests from the same generator:
//
//	POST, PUT *   the body back, after a group-committed, fsync'd append of it
//	DELETE *      204 after an append of the path
//	GET /bytes/n  n bytes
//	GET /cold/n   n bytes after an uncached read of 4 KB at a random place
type probe struct {
	log     *appendLog
	payload []byte
	cold    *os.File
	blocks  int64
	buffers sync.Pool
}

// coldRead is the size of the read that a cold answer takes at least.
const coldRead = 4096

// newProbe makes a probe that keeps its files in dir.
func newProbe(dir string) (*probe, error) {
	file, err := os.Create(filepath.Join(dir, "append.probe"))
	if err != nil {
		return nil, err
	}
	p := &probe{log: newAppendLog(file), payload: make([]byte, 8<<20), blocks: 4096}
	p.buffers.New = func() any { b := aligned(coldRead); return &b }
	name := filepath.Join(dir, "cold.probe")
	if err := os.WriteFile(name, make([]byte, p.blocks*coldRead), 0o600); err != nil {
		return nil, err
	}
	p.cold, err = openDirect(name)
	return p, err
}

// ServeHTTP implements http.Handler.
func (p *probe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	switch r.Method {
	case http.MethodGet:
		err = p.get(w, r.URL.Path)
	case http.MethodDelete:
		if err = p.log.append([]byte(r.URL.Path)); err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
	default:
		err = p.echo(w, r)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

func (p *probe) echo(w http.ResponseWriter, r *http.Request) error {
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return err
	}
	if err := p.log.append(body); err != nil {
		return err
	}
	return answerBytes(w, body)
}

func (p *probe) get(w http.ResponseWriter, path string) error {
	kind, size, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if kind == "cold" {
		buf := p.buffers.Get().(*[]byte)
		defer p.buffers.Put(buf)
		if _, err := p.cold.ReadAt(*buf, rand.Int64N(p.blocks)*coldRead); err != nil {
			return err
		}
	}
	n, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	return answerBytes(w, p.payload[:min(n, len(p.payload))])
}

func answerBytes(w http.ResponseWriter, body []byte) error {
	w.Header().Set("Content-Type", "application/fhir+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, err := w.Write(body)
	return err
}

// Serve is what a process of its own does: it prints its address
// and serves until it is ended.
func Serve(dir string) error {
	p, err := newProbe(dir)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	return http.Serve(listener, p)
}

// Here serves the probe in this process, for tests.
func Here(ctx context.Context, dir string) (addr string, err error) {
	p, err := newProbe(dir)
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: p}
	go func() { _ = server.Serve(listener) }() // ends with ErrServerClosed
	context.AfterFunc(ctx, func() {
		_ = server.Close()
		p.close()
	})
	return listener.Addr().String(), nil
}

func (p *probe) close() {
	p.log.close()
	_ = p.cold.Close()
}
