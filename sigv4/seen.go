package sigv4

import (
	"sync"
	"time"
)

// seen remembers signatures until they expire, by the minute of that: a
// signature's own time says where to look. A signature takes some 30 bytes.
type seen struct {
	mu      sync.Mutex
	minutes map[int64]map[[16]byte]struct{}
}

// before records a signature that is good until a time, and reports whether it
// was there already.
func (s *seen) before(signature []byte, until, now time.Time) bool {
	minute := until.Unix() / 60
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.minutes == nil {
		s.minutes = map[int64]map[[16]byte]struct{}{}
	}
	used := s.minutes[minute]
	if used == nil {
		used = map[[16]byte]struct{}{}
		s.minutes[minute] = used
		s.sweep(now)
	}
	key := [16]byte(signature)
	_, there := used[key]
	used[key] = struct{}{}
	return there
}

func (s *seen) sweep(now time.Time) {
	for minute := range s.minutes {
		if minute < now.Unix()/60 {
			delete(s.minutes, minute)
		}
	}
}
