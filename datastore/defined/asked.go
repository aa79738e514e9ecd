package defined

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// changes are the writes that may matter and were not looked at yet.
type changes struct {
	// writes counts them all.
	writes atomic.Uint64
	// structures counts those of StructureDefinitions.
	structures atomic.Uint64
	mu         sync.Mutex
	written    []name
}

// A name is a resource's.
type name struct{ resourceType, id string }

// maxWritten is how many writes are looked at one by one: where there are more,
// whatever was known is found again.
const maxWritten = 1000

func (c *changes) notice(resourceType, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.written) <= maxWritten {
		c.written = append(c.written, name{resourceType, strings.Clone(id)})
	}
	if resourceType == structure {
		c.structures.Add(1)
	}
	c.writes.Add(1)
}

// take are the writes since it was called before, and how many there were ever.
func (c *changes) take() (writes uint64, written []name) {
	c.mu.Lock()
	defer c.mu.Unlock()
	written, c.written = c.written, nil
	return c.writes.Load(), written
}

// maxAsked is how many names are remembered that were looked for.
const maxAsked = 5000

// asked is what a turn has looked for and found. A write that is about none of it
// leaves the turn as it is.
type asked struct {
	// doubtful is set where something that was found may be older than a write
	// that was looked at.
	doubtful atomic.Bool
	mu       sync.Mutex
	// more is set where not all is remembered: then each write matters.
	more bool
	// urls are types with the canonical URLs that were looked for, without version.
	urls map[string]bool
	// names are the resources that were found, and those that were looked for by
	// their names.
	names map[name]bool
}

// of remembers that a resource is looked for, before that is done.
func (a *asked) of(resourceType, canonical string) {
	url, _, _ := strings.Cut(canonical, "|")
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(canonical) > longest || len(a.urls) >= maxAsked {
		a.more = true
		return
	}
	if a.urls == nil {
		a.urls, a.names = map[string]bool{}, map[name]bool{}
	}
	a.urls[resourceType+" "+url] = true
	if rest, id, ok := cutLast(url); ok {
		if _, of, _ := cutLast("/" + rest); of == resourceType {
			a.names[name{resourceType, strings.Clone(id)}] = true
		}
	}
}

// cutLast cuts at the last slash.
func cutLast(s string) (before, after string, ok bool) {
	at := strings.LastIndexByte(s, '/')
	if at < 0 {
		return "", s, false
	}
	return s[:at], s[at+1:], true
}

// found remembers a resource.
func (a *asked) found(resourceType, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.more {
		a.names[name{resourceType, strings.Clone(id)}] = true
	}
}

// isAbout reports whether something was looked for that a written resource is, or
// was: root is what it says now, absent where it was deleted.
func (a *asked) isAbout(n name, root fhir.Node) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.more || a.names[n] || root.Exists() && a.urls[n.resourceType+" "+root.TextOf("url")]
}

// matters reports whether something that was written may change what the turn
// found.
func (t *turn) matters(written []name) bool {
	if t.asked.doubtful.Load() || len(written) > maxWritten {
		return true
	}
	for _, n := range written {
		if t.guides == nil { // there was no StructureDefinition
			if n.resourceType == structure {
				return true
			}
			continue
		}
		root, err := t.all.current(n)
		if err != nil || t.asked.isAbout(n, root) {
			return true
		}
	}
	return false
}

// current is a resource as it is; absent where it was deleted.
func (d *Definitions) current(n name) (none fhir.Node, err error) {
	ctx := context.Background()
	view, err := d.store.View(ctx, 0)
	if err != nil {
		return none, err
	}
	defer view.Close()
	v, err := view.Read(ctx, n.resourceType, n.id)
	if errors.Is(err, store.ErrNotFound) || err == nil && v.Deleted() {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	tree, err := d.opt.Read(v)
	if err != nil {
		return none, err
	}
	return tree.Root(), nil
}
