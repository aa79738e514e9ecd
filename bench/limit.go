package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The raw limits: what the machine can do when nothing of FHIR is done.

// serveEcho is the HTTP probe: it reads a request's body and answers with it,
// or, to GET /n, with n bytes. It prints its address.
func serveEcho() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr())
	payload := make([]byte, 1<<20)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/fhir+json")
		w.Write(body)
	})
	mux.HandleFunc("GET /{n}", func(w http.ResponseWriter, r *http.Request) {
		n := 0
		fmt.Sscan(r.PathValue("n"), &n)
		w.Header().Set("Content-Type", "application/fhir+json")
		w.Write(payload[:min(n, len(payload))])
	})
	fmt.Fprintln(os.Stderr, http.Serve(listener, mux))
}

// startEcho runs the HTTP probe in a process of its own, as the server is.
func startEcho() (addr string, cmd *exec.Cmd, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd = exec.Command(self, "--echo")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(line), cmd, err
}

// appendLimit measures group-committed, fsync'd appends of payloads to one
// file: the least that a durable store must do. It returns payloads a second.
func appendLimit(dir string, clients int, length time.Duration, payload func(c, i int) []byte) (float64, error) {
	file, err := os.Create(filepath.Join(dir, "append.probe"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	log := &appendLog{file: file, queue: make(chan waiting, clients)}
	go log.run()
	var group sync.WaitGroup
	var mu sync.Mutex
	total := 0
	var failed error
	begin := time.Now()
	for c := range clients {
		group.Go(func() {
			n := 0
			var err error
			for i := 0; time.Since(begin) < length && err == nil; i++ {
				err = log.append(payload(c, i))
				n++
			}
			mu.Lock()
			total += n
			failed = errors.Join(failed, err)
			mu.Unlock()
		})
	}
	group.Wait()
	close(log.queue)
	return float64(total) / time.Since(begin).Seconds(), failed
}

type appendLog struct {
	file  *os.File
	queue chan waiting
}

type waiting struct {
	payload []byte
	done    chan error
}

func (l *appendLog) append(payload []byte) error {
	done := make(chan error, 1)
	l.queue <- waiting{payload, done}
	return <-done
}

// run writes all that waits with one write and one fsync.
func (l *appendLog) run() {
	var buf []byte
	var group []chan error
	for first := range l.queue {
		buf, group = append(buf[:0], first.payload...), append(group[:0], first.done)
		for more := true; more && len(group) < 1024; {
			select {
			case w, ok := <-l.queue:
				if more = ok; ok {
					buf, group = append(buf, w.payload...), append(group, w.done)
				}
			default:
				more = false
			}
		}
		_, err := l.file.Write(buf)
		if err == nil {
			err = l.file.Sync()
		}
		for _, done := range group {
			done <- err
		}
	}
}
