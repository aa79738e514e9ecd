package posting

// Newest keeps a value for each key that was written last, in two generations.
// It is for one goroutine.
type Newest[K comparable, V any] struct {
	young, old map[K]V
	// floor is the doc from which on all that was written is here, next the
	// one from which on it is among the young.
	floor, next Doc
}

// NewestKeys is how many keys a generation has: as many that were written last
// are here at least.
const NewestKeys = 8192

// Reset forgets everything: only what is written behind last is here then.
func (n *Newest[K, V]) Reset(last Doc) {
	n.young, n.old = map[K]V{}, nil
	n.floor, n.next = last+1, last+1
}

// Add notes that d wrote a key.
func (n *Newest[K, V]) Add(key K, value V, d Doc) {
	if len(n.young) >= NewestKeys {
		n.old, n.young = n.young, make(map[K]V, NewestKeys)
		n.floor, n.next = n.next, d
	}
	n.young[key] = value
}

// Get is the newest value of a key, where it is here.
func (n *Newest[K, V]) Get(key K) (value V, ok bool) {
	if value, ok = n.young[key]; !ok {
		value, ok = n.old[key]
	}
	return value, ok
}

// Covers reports whether everything that was written behind d is here.
func (n *Newest[K, V]) Covers(d Doc) bool { return d+1 >= n.floor }
