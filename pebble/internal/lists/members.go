package lists

import "github.com/tarnhealth/tarn/pebble/internal/posting"

// Members tells single docs of a query for single keys. It reads the lists of a
// segment when a doc of it is asked for, and so none where nobody asks.
type Members struct {
	Reader *Reader
	Query  Query
	// Err is the first error of reading; what is told after it is of no use.
	Err error

	segments map[uint16]*posting.Part
	last     *posting.Part
	at       uint16
}

// Has implements posting.Member.
func (m *Members) Has(d posting.Doc) bool {
	segment := d.Segment()
	if m.last == nil || m.at != segment {
		m.last, m.at = m.part(segment), segment
	}
	return m.last.Has(d)
}

func (m *Members) part(segment uint16) *posting.Part {
	if p := m.segments[segment]; p != nil {
		return p
	}
	if m.segments == nil {
		m.segments = map[uint16]*posting.Part{}
	}
	p := &posting.Part{Segment: segment}
	if err := m.Reader.GatherSegment(p, &m.Query, segment); err != nil && m.Err == nil {
		m.Err = err
	}
	m.segments[segment] = p
	return p
}

// Free gives memory back. The members are not used any more.
func (m *Members) Free() {
	for _, p := range m.segments {
		p.Free()
	}
	m.segments, m.last = nil, nil
}
