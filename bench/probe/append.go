package probe

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// An appendLog appends to one file. Appends that wait share one write and one
// fsync: the least that a durable store must do.
type appendLog struct {
	file  *os.File
	queue chan waiting
	ended chan struct{}
}

type waiting struct {
	payload []byte
	done    chan error
}

// maxGroup bounds how many appends share an fsync.
const maxGroup = 1024

func newAppendLog(file *os.File) *appendLog {
	l := &appendLog{file: file, queue: make(chan waiting, maxGroup), ended: make(chan struct{})}
	go l.run()
	return l
}

var answers = sync.Pool{New: func() any { return make(chan error, 1) }}

func (l *appendLog) append(payload []byte) error {
	done := answers.Get().(chan error)
	defer answers.Put(done)
	l.queue <- waiting{payload, done}
	return <-done
}

// close is called when nobody appends any more.
func (l *appendLog) close() {
	close(l.queue)
	<-l.ended
	_ = l.file.Close() // everything acknowledged is synced
}

func (l *appendLog) run() {
	defer close(l.ended)
	var buf []byte
	var group []chan error
	for first := range l.queue {
		buf, group = append(buf[:0], first.payload...), append(group[:0], first.done)
		for len(group) < maxGroup {
			w, more := l.next()
			if !more {
				break
			}
			buf, group = append(buf, w.payload...), append(group, w.done)
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

// next is another append that waits already.
func (l *appendLog) next() (waiting, bool) {
	select {
	case w, ok := <-l.queue:
		return w, ok
	default:
		return waiting{}, false
	}
}

// AppendLimit measures group-committed, fsync'd appends of payloads. It
// returns payloads a second.
func AppendLimit(ctx context.Context, dir string, writers int, length time.Duration, payload func(writer, i int) []byte) (float64, error) {
	file, err := os.Create(filepath.Join(dir, "limit.probe"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name())
	log := newAppendLog(file)
	var (
		group  sync.WaitGroup
		mu     sync.Mutex
		total  int
		failed error
	)
	begin := time.Now()
	for w := range writers {
		group.Go(func() {
			n := 0
			var err error
			for time.Since(begin) < length && err == nil && ctx.Err() == nil {
				err = log.append(payload(w, n))
				n++
			}
			mu.Lock()
			defer mu.Unlock()
			total += n
			failed = errors.Join(failed, err)
		})
	}
	group.Wait()
	log.close()
	return float64(total) / time.Since(begin).Seconds(), errors.Join(failed, ctx.Err())
}
