package audit

import (
	"context"
	"io"
)

// A Sink takes AuditEvents, in their order. Write returns nil once they are
// where they are to go; after an error the same ones come again. After a crash
// some may come twice: an Event's ID tells.
type Sink interface {
	Write(ctx context.Context, events []Event) error
}

// NDJSON is a Sink that writes AuditEvents to a stream, one in a line.
type NDJSON struct{ To io.Writer }

var _ Sink = NDJSON{}

// Write writes the events at once.
func (n NDJSON) Write(_ context.Context, events []Event) error {
	var b []byte
	for i := range events {
		b = append(append(b, events[i].JSON...), '\n')
	}
	_, err := n.To.Write(b)
	return err
}
