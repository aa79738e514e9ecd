package pebble

import (
	"strings"

	"github.com/tarnhealth/tarn/pebble/internal/hot"
	"github.com/tarnhealth/tarn/store"
)

// What is read by id, or is on a page, is found in memory where it was read or
// written lately: which version is the newest, and versions with their bodies. A
// look-up of the engine takes 6 to 13 µs for each of the two, and unpacking 3,
// one here a quarter of a microsecond.
//
// A version never changes. Which version is the newest does: the entry goes, or
// becomes the new one, before the version is visible. So what a view finds here
// is either newer than its time, and then it follows the versions back, or the
// newest at its time.
type hotCache struct {
	newest hot.Cache[resource, current]
	// versions have bodies: none is a deletion. Nobody may change a body.
	versions hot.Cache[doc, store.Version]
}

// limit gives most of the bytes to versions.
func (c *hotCache) limit(bytes int) {
	c.newest.Limit(bytes / 5)
	c.versions.Limit(bytes - bytes/5)
}

// versionSize is about what a version takes beside its strings and its body.
const versionSize = 160

// hold keeps a version that was looked for with a ticket.
func (c *hotCache) hold(d doc, v *store.Version, ticket hot.Ticket) {
	if !v.Deleted() {
		c.versions.Put(d, *v, versionSize+len(v.Type)+len(v.ID)+cap(v.Body.JSON), ticket)
	}
}

// currentSize is about what a current and the header of its key's strings take.
const currentSize = 128

func (k resource) size() int { return currentSize + len(k.resourceType) + len(k.id) }

// clone is k without the memory that it was cut from.
func (k resource) clone() resource {
	return resource{strings.Clone(k.resourceType), strings.Clone(k.id)}
}

// hotCurrent is Store.current, but that it need not know of versions that are
// not visible yet.
func (s *Store) hotCurrent(resourceType, id string) (current, error) {
	key := resource{resourceType, id}
	c, ticket, ok := s.hot.newest.Get(key)
	if ok {
		return c, nil
	}
	c, err := s.current(resourceType, id)
	if err == nil && c.doc != 0 {
		s.hot.newest.Put(key.clone(), c, key.size(), ticket)
	}
	return c, err
}

// hotVersion is a version with its body.
func (s *Store) hotVersion(c *current, resourceType, id string) (v store.Version, err error) {
	if c.deleted() {
		return c.version(resourceType, id, nil), nil
	}
	v, ticket, ok := s.hot.versions.Get(c.doc)
	if ok {
		return v, nil
	}
	json, err := s.body(c.doc, c.codec)
	if err != nil {
		return v, err
	}
	own := resource{resourceType, id}.clone()
	v = c.version(own.resourceType, own.id, json)
	s.hot.hold(c.doc, &v, ticket)
	return v, nil
}

// A warm is a version of a group that is to be held, or with no doc, a resource
// of which nothing may be held any more.
type warm struct {
	resource
	current current
	json    []byte
}

// warm notes an op of a group for the cache: what is written by itself is often
// read next, what is loaded is not.
func (g *group) warm(r *request, i int, c *current) {
	op := &r.ops[i]
	w := warm{resource: resource{op.Type, op.ID}}
	if len(r.ops) == 1 && !r.load {
		w.current, w.json = *c, op.Body.JSON
	} else if c.prev == 0 {
		return
	}
	g.warmed = append(g.warmed, w)
}

// publish follows a group that is durable and not visible yet.
func (c *hotCache) publish(warmed []warm) {
	for i := range warmed {
		w := &warmed[i]
		if w.current.doc == 0 {
			c.newest.Remove(w.resource)
			continue
		}
		own := w.resource.clone()
		c.newest.Set(own, w.current, w.size())
		if w.json != nil {
			v := w.current.version(own.resourceType, own.id, w.json)
			c.versions.Set(w.current.doc, v, versionSize+w.size()+cap(w.json))
		}
	}
}

// erase forgets what was erased.
func (c *hotCache) erase(e *eraser) {
	for r := range e.whole {
		c.newest.Remove(r)
	}
	for r := range e.parts {
		c.newest.Remove(r)
	}
	for _, d := range e.order {
		c.versions.Remove(d)
	}
}
