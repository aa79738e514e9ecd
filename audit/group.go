package audit

import (
	"sync"
	"time"
)

// A group is records that are written together.
type group struct {
	block []byte // begun by beginBlock
	count uint32
	// callers is how many calls of Append wait for it.
	callers int64
	done    chan struct{}
	// first is the number of the first record, once it is written.
	first uint64
	err   error
}

// maxGroup bounds the bytes that wait for one write.
const maxGroup = 32 << 20

// maxSpare bounds the memory that is kept for the next group.
const maxSpare = 1 << 20

// usualPace is the default of Options.Pace.
const usualPace = 4 * time.Millisecond

// encoders hold the memory that records are encoded in.
var encoders = sync.Pool{New: func() any { return new(encoder) }}

type encoder struct{ body, text []byte }

// Append adds records and returns once they are durable: nil, or why they are
// not. Records of one call stay together and in their order.
func (l *Log) Append(records ...Record) error {
	if len(records) == 0 {
		return nil
	}
	_, err := l.append(records)
	return err
}

// AppendOne is Append of one record, and tells its number.
func (l *Log) AppendOne(record Record) (number uint64, err error) {
	return l.append([]Record{record})
}

// append returns the number of the first of the records.
func (l *Log) append(records []Record) (first uint64, err error) {
	e := encoders.Get().(*encoder)
	e.body = e.body[:0]
	for i := range records {
		e.text = records[i].append(e.text[:0])
		e.body = appendRecord(e.body, e.text)
	}
	g, before, err := l.join(e.body, len(records))
	if cap(e.body) <= maxSpare {
		encoders.Put(e)
	}
	if err != nil {
		return 0, err
	}
	<-g.done
	return g.first + uint64(before), g.err
}

// Expect tells that n more calls of Append are on their way, and with a
// negative n that so many are less: because they come now, or not at all. A
// write waits for them, though not for long: see Options.Pace.
func (l *Log) Expect(n int) { l.coming.Add(int64(n)) }

// join puts records into the group that is written next; before is how many it
// had.
func (l *Log) join(body []byte, count int) (g *group, before uint32, err error) {
	for {
		l.mu.Lock()
		if l.closed || l.failed != nil {
			err = l.failed
			l.mu.Unlock()
			if err == nil {
				err = ErrClosed
			}
			return nil, 0, err
		}
		g = l.waiting
		if g != nil && len(g.block)+len(body) > maxGroup {
			l.mu.Unlock()
			<-g.done // it is full: come again
			continue
		}
		if g == nil {
			g = &group{block: beginBlock(l.spare), done: make(chan struct{})}
			l.waiting, l.spare = g, nil
			l.wake <- struct{}{}
		}
		before = g.count
		g.block = append(g.block, body...)
		g.count += uint32(count)
		g.callers++
		if l.gathering && g.callers >= l.coming.Load() {
			l.gathering = false
			l.enough <- struct{}{}
		}
		l.mu.Unlock()
		return g, before, nil
	}
}

// gather waits, after a write, until as many calls of Append wait for the next
// one as are on their way, or its time has come. Making a block durable costs
// the same for one record and for fifty: about as much as reading a resource.
func (l *Log) gather() {
	wait := l.opt.Pace - time.Since(l.begun)
	if wait <= 0 {
		return
	}
	l.mu.Lock()
	l.gathering = l.waiting.callers < l.coming.Load() && !l.closed
	gathering := l.gathering
	l.mu.Unlock()
	if !gathering {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-l.enough:
		return
	case <-timer.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.gathering {
		<-l.enough // it came with the time
	}
	l.gathering = false
}

// writeGroup writes what waits.
func (l *Log) writeGroup() {
	l.begun = time.Now()
	l.mu.Lock()
	g := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	g.first = l.at.next
	if g.err = l.failed; g.err == nil {
		if g.block, g.err = l.writeBlock(kindRecords, g.count, g.block); g.err == nil && l.at.size >= l.opt.SegmentSize {
			if err := l.rotate(); err != nil {
				l.fail(err)
			}
		}
	}
	if g.err != nil {
		l.fail(g.err)
	}
	if cap(g.block) <= maxSpare {
		l.mu.Lock()
		l.spare = g.block
		l.mu.Unlock()
	}
	close(g.done)
}
