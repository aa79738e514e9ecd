package audit

import "sync/atomic"

// A Durability says when the record of an access that changed nothing is on disk:
// a read, a search, a history, refused or not, that no more is to be said of.
// All other records are on disk when Append returns.
type Durability string

const (
	// Disk is when Append returns.
	Disk Durability = "disk"
	// Process is Options.Checkpoint later at most, and with the next record that
	// has to be on disk. When Append returns the operating system has the record,
	// so that the end of the process loses none; the loss of power loses those
	// that were not on disk.
	//
	// Whoever appends such a record writes it, as a block of its own, and waits
	// for nobody.
	Process Durability = "process"
)

// early is the state of a log whose Durability is Process.
type early struct {
	// open is set while records may be written by those who append them.
	open atomic.Bool
	// written has an element where there is something for the writer to follow.
	written chan struct{}
	// window is set where they are written by way of Log.window.
	window bool
	// told is set where the writer knows of it. Log.tail guards it.
	told bool
}

// passive are the interactions that change nothing and give away no more than
// what was asked for.
var passive = map[string]bool{
	"read": true, "vread": true, "search-type": true, "search-system": true,
	"history-instance": true, "history-type": true, "history-system": true,
}

// mayWait reports whether a record need not be on disk at once. What has a detail
// is out of the ordinary: the glass was broken, a job was begun.
func (r *Record) mayWait() bool {
	return r.Class == ClassREST && passive[r.Action] && r.Detail == "" && r.Entry == 0
}

// appendEarly writes records, of which body is made, where they need not be on
// disk at once; done is false where they are to go the way of all others.
func (l *Log) appendEarly(records []Record, body []byte, told Expected) (first uint64, done bool, err error) {
	if !l.early.open.Load() {
		return 0, false, nil
	}
	for i := range records {
		if !records[i].mayWait() {
			return 0, false, nil
		}
	}
	if first, done, err = l.putEarly(uint32(len(records)), body); done && told != 0 {
		_ = l.AppendExpected(told) // none come
	}
	if err != nil {
		l.fail(err)
	}
	return first, done, err
}

func (l *Log) putEarly(count uint32, body []byte) (first uint64, done bool, err error) {
	l.tail.Lock()
	defer l.tail.Unlock()
	if !l.early.open.Load() { // it was closed, or failed, meanwhile
		return 0, false, nil
	}
	first = l.at.next
	l.buf = append(beginBlock(l.buf), body...)
	if l.buf, err = l.putBlock(kindRecords, count, l.buf); err != nil {
		return 0, true, err
	}
	if !l.early.told || l.at.size >= l.opt.SegmentSize {
		l.early.told = true
		select {
		case l.early.written <- struct{}{}:
		default:
		}
	}
	return first, true, nil
}

// Sync returns once all that was recorded before is on disk, and the number of
// the latest such record.
func (l *Log) Sync() (last uint64, err error) {
	last = l.written().next - 1
	if safe, _ := l.End(); safe < last {
		err = l.Checkpoint()
	}
	return last, err
}
