package event

import (
	"context"
	"io"
	"log/slog"
	"sync"
)

// Lines writes each event as a line of JSON.
type Lines struct {
	To io.Writer
	mu sync.Mutex
}

// Deliver implements Sink.
func (l *Lines) Deliver(_ context.Context, _ string, body []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.To.Write(append(body[:len(body):len(body)], '\n'))
	return err
}

// Log writes events to a log, as information.
type Log struct{ To *slog.Logger }

// Deliver implements Sink.
func (l Log) Deliver(ctx context.Context, _ string, body []byte) error {
	l.To.InfoContext(ctx, "event", "event", string(body))
	return nil
}
