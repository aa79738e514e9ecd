package audit

import "time"

// Expected is a call of AppendExpected that Expect told of; the zero Expected
// was not told of.
type Expected uint64

// A crowd is who could share the next write. Making a block durable costs as
// much for one record as for fifty, and more than reading a resource: on the
// other hand nobody shall wait for somebody who does not come.
type crowd struct {
	// turn counts writes, from 1.
	turn uint64
	// coming are those on their way who were told of in this turn and in the one
	// before. Who was told of earlier takes long, and is not waited for.
	coming [2]int
	// waiting are those whose records are in the next write.
	waiting int
	// away are those who were answered and may come again, as clients do that
	// send one request after the other.
	away int
}

// expect tells of somebody, perhaps one who was away.
func (c *crowd) expect() Expected {
	c.coming[c.turn%2]++
	c.away = max(0, c.away-1)
	return Expected(c.turn)
}

// arrive ends the wait for somebody who was told of.
func (c *crowd) arrive(told Expected) {
	if told != 0 && uint64(told)+1 >= c.turn {
		c.coming[told%2]--
	}
}

// fewAway is how many who may come again are never waited for: where requests are
// few, a write costs nothing that anybody lacks.
const fewAway = 4

// complete reports whether nobody has to be waited for: nobody is on the way,
// and of those who send one request after the other most are here. While these
// are answered, the others share the write after.
func (c *crowd) complete() bool {
	return c.coming[0]+c.coming[1] == 0 && c.waiting >= 3*(c.away-fewAway)
}

// leave begins a write, and returns how many it is for.
func (c *crowd) leave() (writing int) {
	writing, c.waiting = c.waiting, 0
	c.turn++
	c.coming[c.turn%2] = 0
	return writing
}

// Expect tells that a call of AppendExpected is on its way. A write waits for
// it, though not for long: see Options.Pace.
func (l *Log) Expect() Expected {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.crowd.expect()
}

// AppendExpected is Append of records that Expect told of; without any it tells
// that none come.
func (l *Log) AppendExpected(told Expected, records ...Record) error {
	if len(records) > 0 {
		_, err := l.append(records, told)
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.crowd.arrive(told)
	l.tell()
	return nil
}

// tell ends the wait of gather where nobody is waited for any more. l.mu is held.
func (l *Log) tell() {
	if l.gathering && l.crowd.complete() {
		l.gathering = false
		l.enough <- struct{}{}
	}
}

// gather waits, after a write, until those who could share the next one have
// come, or its time has.
func (l *Log) gather() {
	wait := l.opt.Pace - l.opt.Now().Sub(l.begun)
	if wait <= 0 {
		return
	}
	l.mu.Lock()
	l.gathering = !l.crowd.complete() && !l.closed
	gathering := l.gathering
	l.mu.Unlock()
	if !gathering {
		return
	}
	over, stop := l.opt.after(wait)
	defer stop()
	select {
	case <-l.enough:
		return
	case <-over:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.gathering {
		<-l.enough // it came with the time
	}
	l.gathering = false
	l.crowd.away = 0 // they do not come again so soon
}

// after is the clock of gather.
func after(d time.Duration) (over <-chan time.Time, stop func() bool) {
	t := time.NewTimer(d)
	return t.C, t.Stop
}
