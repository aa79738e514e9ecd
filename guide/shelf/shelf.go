// Package shelf owns the implementation guides of a server's data stores: the
// bytes of their packages, kept in its records, and what they come to, made when
// it is first needed and shared by all data stores with the same guides.
//
// Its records are
//
//	guide-package 0x00 DIGEST            what is known of a package, and its index
//	guide-bytes   0x00 DIGEST / CHUNK    the package's own bytes
//	guide-body    0x00 DIGEST / PLACE    one resource, compressed
//	guide/STORE   0x00 NAME#VERSION      that a data store uses a package
//	guide-settings 0x00 STORE            how a data store uses its guides
//
// DIGEST is the SHA-256 of the package's bytes in hex. A package stays while a
// data store, or the server for all of them, uses it.
//
// It leaves to others: how packages are read (guide), what they mean
// (guide/conformance), and where they come from (guide/registry).
package shelf

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"weak"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/kv"
)

// A Shelf is the guides of a server. It is safe for concurrent use.
type Shelf struct {
	db       kv.DB
	now      func() time.Time
	packages kv.Table[record]
	settings kv.Table[conformance.Settings]

	// changing is held while guides are added and removed.
	changing sync.Mutex
	// common are the guides of every data store, as the configuration has them.
	common []use

	mu sync.Mutex // guards what follows
	// read are the packages that are in use, by digest.
	read map[string]*guide.Package
	// made are what sets of guides come to, by what they are made of.
	// What nobody uses any more goes.
	made map[string]weak.Pointer[conformance.Guides]
}

// maxMade is how many sets of guides are known by what they are made of.
const maxMade = 256

// A record is what is kept of a package.
type record struct {
	// Format is that of Index.
	Format int       `json:"format"`
	Name   string    `json:"name"`
	Size   int       `json:"size"`
	Chunks int       `json:"chunks"`
	Bodies int       `json:"bodies"`
	Added  time.Time `json:"added"`
	Index  []byte    `json:"index"`
}

// A use is that a data store uses a package.
type use struct {
	Digest string    `json:"digest"`
	Added  time.Time `json:"added"`
	// Incomplete is set where somebody decided to do without its dependencies.
	Incomplete bool `json:"incomplete,omitempty"`
	// common is set for guides of every data store.
	common bool
}

// New makes a shelf of a server's records. now is the clock.
func New(db kv.DB, now func() time.Time) *Shelf {
	return &Shelf{
		db: db, now: now, packages: kv.NewTable[record]("guide-package"),
		settings: kv.NewTable[conformance.Settings]("guide-settings"),
		read:     map[string]*guide.Package{}, made: map[string]weak.Pointer[conformance.Guides]{},
	}
}

func uses(storeID string) kv.Table[use] { return kv.NewTable[use]("guide/" + storeID) }

// Guides are those of a data store.
func (s *Shelf) Guides(ctx context.Context, storeID string) (*conformance.Guides, error) {
	used, settings, err := s.used(ctx, storeID)
	if err != nil {
		return nil, err
	}
	return s.make(ctx, used, settings)
}

// used is what a data store uses, and how.
func (s *Shelf) used(ctx context.Context, storeID string) (used []use, settings conformance.Settings, err error) {
	used = slices.Clone(s.common)
	err = s.db.View(ctx, func(tx kv.Tx) error {
		for k, err := range uses(storeID).All(tx) {
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(used, func(u use) bool { return u.Digest == k.Value.Digest }) {
				used = append(used, k.Value)
			}
		}
		settings, err = s.settings.Get(tx, storeID)
		if errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		return err
	})
	return used, settings, err
}

// make puts packages together, unless that was done before.
func (s *Shelf) make(ctx context.Context, used []use, settings conformance.Settings) (*conformance.Guides, error) {
	how, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	key := string(how)
	packages := make([]*guide.Package, len(used))
	incomplete := map[*guide.Package]bool{}
	for i, u := range used {
		p, err := s.open(ctx, u.Digest)
		if err != nil {
			return nil, err
		}
		packages[i], incomplete[p] = p, u.Incomplete
		key += fmt.Sprintf(" %s %v", u.Digest, u.Incomplete)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.made[key].Value(); g != nil {
		return g, nil
	}
	set, err := guide.NewSetOf(packages, func(p *guide.Package) bool { return incomplete[p] })
	if err != nil {
		return nil, err
	}
	g, err := conformance.New(set, settings)
	if err != nil {
		return nil, err
	}
	if len(s.made) >= maxMade {
		clear(s.made)
	}
	s.made[key] = weak.Make(g)
	return g, nil
}

// open reads the index of a package, unless that was done before.
func (s *Shelf) open(ctx context.Context, digest string) (*guide.Package, error) {
	s.mu.Lock()
	p := s.read[digest]
	s.mu.Unlock()
	if p != nil {
		return p, nil
	}
	var r record
	err := s.db.View(ctx, func(tx kv.Tx) (err error) {
		r, err = s.packages.Get(tx, digest)
		return err
	})
	if err == nil && r.Format != guide.IndexFormat {
		r, err = s.readAgain(ctx, digest, r)
	}
	if err == nil {
		p, err = guide.Open(r.Index, func(place int) ([]byte, error) { return s.body(digest, place) })
	}
	if err != nil {
		return nil, fmt.Errorf("guide/shelf: the package %s %s: %w", r.Name, digest, err)
	}
	p.Digest = digest
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read[digest] = p
	return p, nil
}

func (s *Shelf) body(digest string, place int) (body []byte, err error) {
	err = s.db.View(context.Background(), func(tx kv.Tx) error {
		body, err = tx.Get(bodyKey(digest, place))
		return err
	})
	return body, err
}

func bodyKey(digest string, place int) []byte {
	return fmt.Appendf(nil, "guide-body\x00%s/%08d", digest, place)
}

func chunkKey(digest string, chunk int) []byte {
	return fmt.Appendf(nil, "guide-bytes\x00%s/%08d", digest, chunk)
}

// readAgain makes the index anew that an earlier version of the program made.
func (s *Shelf) readAgain(ctx context.Context, digest string, r record) (record, error) {
	var all []byte
	err := s.db.View(ctx, func(tx kv.Tx) (err error) {
		all, err = bytesOf(tx, digest, r)
		return err
	})
	if err != nil {
		return r, err
	}
	p, err := guide.Reread(bytes.NewReader(all), guide.DefaultLimits)
	if err != nil {
		return r, err
	}
	err = s.db.Update(ctx, func(tx kv.Tx) error {
		if err := s.drop(tx, digest, r); err != nil {
			return err
		}
		r, err = s.put(tx, digest, all, p)
		return err
	})
	return r, err
}

// chunkSize is how many bytes of a package one record has.
const chunkSize = 256 << 10

// put writes the records of a package.
func (s *Shelf) put(tx kv.Tx, digest string, data []byte, p *guide.Package) (record, error) {
	text, bodies, err := p.Index()
	if err != nil {
		return record{}, err
	}
	r := record{
		Format: guide.IndexFormat, Name: p.String(), Size: len(data), Bodies: len(bodies), Index: text, Added: s.now().UTC(),
		Chunks: (len(data) + chunkSize - 1) / chunkSize,
	}
	for i := range r.Chunks {
		if err := tx.Set(chunkKey(digest, i), data[i*chunkSize:min((i+1)*chunkSize, len(data))], time.Time{}); err != nil {
			return r, err
		}
	}
	for i, b := range bodies {
		if err := tx.Set(bodyKey(digest, i), b, time.Time{}); err != nil {
			return r, err
		}
	}
	return r, s.packages.Put(tx, digest, r, time.Time{})
}

// drop removes the records of a package.
func (s *Shelf) drop(tx kv.Tx, digest string, r record) error {
	for i := range r.Chunks {
		if err := tx.Delete(chunkKey(digest, i)); err != nil {
			return err
		}
	}
	for i := range r.Bodies {
		if err := tx.Delete(bodyKey(digest, i)); err != nil {
			return err
		}
	}
	return s.packages.Delete(tx, digest)
}

// digestOf names a package by its bytes.
func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// splitName takes apart name#version, or name@version.
func splitName(text string) (name, version string) {
	name, version, _ = strings.Cut(strings.Replace(text, "@", "#", 1), "#")
	return name, version
}

func noGuide(storeID, name string) error {
	return fhir.Errorf(fhir.KindNotFound, "the data store %q has no guide %s of its own", storeID, name)
}
