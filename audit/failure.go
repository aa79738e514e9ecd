package audit

import (
	"errors"
	"fmt"

	"github.com/tarnhealth/tarn/durable"
)

// fail ends writing: after an error nobody knows what is on disk behind the end.
// Where the disk is full that passes, since what is there can be cut off: nothing
// of it was acknowledged.
func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil && (!l.passing || durable.Full(err)) {
		return
	}
	l.early.open.Store(false)
	l.failed, l.passing = fmt.Errorf("audit: the log cannot be written: %w", err), durable.Full(err)
	if l.passing {
		l.opt.Logger.Error("the disk of the audit log is full; requests are refused until it has space", "error", err)
		return
	}
	l.opt.Logger.Error("the audit log cannot be written; requests are refused until the server is started again", "error", err)
}

// Failed is why nothing can be recorded now, nil where all is well. Where it is
// that the disk is full (syscall.ENOSPC), each record tries again.
func (l *Log) Failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// writable is why the writer cannot write. Where the disk was full it can try,
// once what is behind the end of the log is cut off.
func (l *Log) writable() error {
	l.mu.Lock()
	err, passing := l.failed, l.passing
	l.mu.Unlock()
	if err == nil || !passing {
		return err
	}
	l.tail.Lock()
	defer l.tail.Unlock()
	if err := errors.Join(l.cutBehind(), l.file.Sync(), durable.SyncFolder(l.opt.Dir)); err != nil {
		l.fail(err)
		return l.Failed()
	}
	l.reserved = l.at.size
	return nil
}

// cutBehind cuts off what is behind the end of the log: of what was
// acknowledged. l.tail is held.
func (l *Log) cutBehind() error {
	if l.opt.Durability != Process {
		l.at = l.safe // a block may have been written and not made durable
	}
	l.window.close()
	return l.file.Truncate(l.at.size)
}

// well notes that a block was written.
func (l *Log) well() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		return
	}
	l.failed, l.passing = nil, false
	l.early.open.Store(l.opt.Durability == Process && !l.closed)
	l.opt.Logger.Info("the audit log can be written again")
}
