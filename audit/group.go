package audit

import (
	"sync"
	"time"
)

// A group is records that are written together.
type group struct {
	block []byte // begun by beginBlock
	count uint32
	done  chan struct{}
	// first is the number of the first record, once it is written.
	first uint64
	err   error
}

// maxGroup bounds the bytes that wait for one write.
const maxGroup = 32 << 20

// maxSpare bounds the memory of a block that is kept for another one, and
// mostSpare how many are: one is written while the next is filled.
const (
	maxSpare  = 1 << 20
	mostSpare = 2
)

// usualPace is the default of Options.Pace.
const usualPace = 4 * time.Millisecond

// encoders hold the memory that records are encoded in.
var encoders = sync.Pool{New: func() any { return new(encoder) }}

type encoder struct{ body, text []byte }

// Append adds records and returns once they are durable, as Durability has it:
// nil, or why they are not. Records of one call stay together and in their order.
func (l *Log) Append(records ...Record) error {
	if len(records) == 0 {
		return nil
	}
	_, err := l.append(records, 0)
	return err
}

// AppendOne is Append of one record, and tells its number.
func (l *Log) AppendOne(record Record) (number uint64, err error) {
	return l.append([]Record{record}, 0)
}

// append returns the number of the first of the records. told is zero where
// nobody told of them.
func (l *Log) append(records []Record, told Expected) (first uint64, err error) {
	e := encoders.Get().(*encoder)
	e.body = e.body[:0]
	for i := range records {
		e.text = records[i].append(e.text[:0])
		e.body = appendRecord(e.body, e.text)
	}
	first, done, err := l.appendEarly(records, e.body, told)
	var g *group
	var before uint32
	if !done {
		g, before, err = l.join(e.body, len(records), told)
	}
	if cap(e.body) <= maxSpare {
		encoders.Put(e)
	}
	if done || err != nil {
		return first, err
	}
	<-g.done
	return g.first + uint64(before), g.err
}

// join puts records into the group that is written next; before is how many it
// had.
func (l *Log) join(body []byte, count int, told Expected) (g *group, before uint32, err error) {
	for {
		l.mu.Lock()
		l.crowd.arrive(told)
		told = 0
		if err = l.refuses(); err != nil {
			l.mu.Unlock()
			return nil, 0, err
		}
		g = l.waiting
		if g != nil && len(g.block)+len(body) > maxGroup {
			l.mu.Unlock()
			<-g.done // it is full: come again
			continue
		}
		if g == nil {
			g = &group{block: beginBlock(l.takeSpare()), done: make(chan struct{})}
			l.waiting = g
			l.wake <- struct{}{}
		}
		before = g.count
		g.block = append(g.block, body...)
		g.count += uint32(count)
		l.crowd.waiting++
		l.tell()
		l.mu.Unlock()
		return g, before, nil
	}
}

// refuses is why no record is taken. l.mu is held.
func (l *Log) refuses() error {
	switch {
	case l.failed != nil && (!l.passing || l.closed):
		return l.failed
	case l.closed:
		return ErrClosed
	}
	return nil
}

// writeGroup writes what waits.
func (l *Log) writeGroup() {
	l.begun = l.opt.Now()
	l.mu.Lock()
	g, writing := l.waiting, l.crowd.leave()
	l.waiting = nil
	l.mu.Unlock()
	if g.err = l.writable(); g.err == nil {
		g.err = l.writeRecords(g)
	}
	if g.err != nil {
		l.fail(g.err)
	}
	l.mu.Lock()
	l.keepSpare(g.block)
	l.crowd.away += writing
	l.mu.Unlock()
	close(g.done)
}

// writeRecords writes a group and makes it durable.
func (l *Log) writeRecords(g *group) (err error) {
	l.tail.Lock()
	g.first = l.at.next
	g.block, err = l.putBlock(kindRecords, g.count, g.block)
	to := l.at
	l.tail.Unlock()
	if err == nil {
		err = l.settle(to)
	}
	if err != nil {
		return err
	}
	l.well()
	l.rotateFull()
	return nil
}

// takeSpare is memory for a block, which may be none. l.mu is held.
func (l *Log) takeSpare() []byte {
	last := len(l.spare) - 1
	if last < 0 {
		return nil
	}
	block := l.spare[last]
	l.spare = l.spare[:last]
	return block
}

// keepSpare keeps the memory of a block that was written. l.mu is held.
func (l *Log) keepSpare(block []byte) {
	if cap(block) <= maxSpare && len(l.spare) < mostSpare {
		l.spare = append(l.spare, block)
	}
}
