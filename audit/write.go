package audit

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// put adds a block that has a body to the end of the log. l.tail is held.
func (l *Log) put(kind blockKind, body []byte) (err error) {
	l.buf = append(beginBlock(l.buf), body...)
	l.buf, err = l.putBlock(kind, 0, l.buf)
	return err
}

// putBlock adds a block that beginBlock began, and returns its memory. The
// operating system has it then, the disk not yet. l.tail is held.
func (l *Log) putBlock(kind blockKind, count uint32, block []byte) ([]byte, error) {
	if kind == kindRecords && l.sealed.keys != nil {
		sealed, err := l.sealed.seal(l.at.segment, block, l.at.next, count)
		if err != nil {
			return block, err
		}
		kind, block = kindSealed, sealed
	}
	block, h := sealBlock(block, kind, l.at.next, count, l.at.hash)
	l.reserve(int64(len(block)))
	if err := l.store(block); err != nil {
		return block, err
	}
	l.at.hash, l.at.size, l.at.next = h, l.at.size+int64(len(block)), l.at.next+uint64(count)
	return block, nil
}

// store writes a block behind the end of the log. l.tail is held.
func (l *Log) store(block []byte) error {
	if l.window.holds(l.at.size, len(block)) {
		if l.window.put(block, l.at.size) == nil {
			return nil
		}
		l.window.close() // writing tells why
	}
	_, err := l.opt.writeAt(l.file, block, l.at.size)
	return err
}

// written is where the log ends.
func (l *Log) written() end {
	l.tail.Lock()
	defer l.tail.Unlock()
	return l.at
}

// settle makes the log durable up to a place that it was written to, and tells
// those who wait for more. Only the writer does.
func (l *Log) settle(to end) error {
	if err := l.opt.sync(l.file); err != nil {
		if l.opt.Durability == Process {
			// It does not pass, even where the disk was only full: nobody knows what
			// became of records that were acknowledged.
			return fmt.Errorf("records that were acknowledged may not be on disk: %v", err)
		}
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.safe = to
	close(l.grown)
	l.grown = make(chan struct{})
	return nil
}

// checkpoint signs the end of the log, and makes it durable.
func (l *Log) checkpoint() error {
	l.tail.Lock()
	c, err := l.putCheckpoint()
	to := l.at
	l.tail.Unlock()
	if err != nil {
		return err
	}
	return l.signedTo(c, to)
}

// putCheckpoint adds a checkpoint to the end of the log. l.tail is held.
func (l *Log) putCheckpoint() (*Checkpoint, error) {
	c := &Checkpoint{
		Records: l.at.next - 1, Hash: hex.EncodeToString(l.at.hash[:]), Time: l.opt.Now().UTC().Round(0),
		Segment: l.at.segment, Size: l.at.size, Key: KeyID(l.opt.Key.Public().(ed25519.PublicKey)),
	}
	if l.opt.Durability == Process {
		c.Durability = Process
	}
	c.Signature = ed25519.Sign(l.opt.Key, c.signed())
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return c, l.put(kindCheckpoint, text)
}

// signedTo makes a checkpoint durable, which ends at a place, and then HEAD.
func (l *Log) signedTo(c *Checkpoint, to end) error {
	if err := l.settle(to); err != nil {
		return err
	}
	l.signed = c.Records
	return writeHead(l.opt.Dir, c)
}

// rotateFull begins another segment where the newest one is full.
func (l *Log) rotateFull() {
	if l.written().size < l.opt.SegmentSize {
		return
	}
	if err := l.rotate(); err != nil {
		l.fail(err)
	}
}
