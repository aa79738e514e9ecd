package shelf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/kv"
)

// A Guide is one package that a data store uses.
type Guide struct {
	Name      string    `json:"name"`
	Version   string    `json:"version"`
	Title     string    `json:"title,omitempty"`
	Canonical string    `json:"canonical,omitempty"`
	Digest    string    `json:"digest"`
	Added     time.Time `json:"added,omitzero"`
	// Common is set for guides that the configuration gives every data store.
	Common bool `json:"common,omitempty"`
	// Holds is how many resources of each type it has.
	Holds map[string]int `json:"holds"`
	// Needs are the packages that it depends on, name#version, in order.
	Needs []string `json:"needs,omitempty"`
	// Missing are those that are not there, Skipped its files that
	// cannot be used, with the reason.
	Missing []string `json:"missing,omitempty"`
	Skipped []string `json:"skipped,omitempty"`
	// Unused are its search parameters that are not used, with the reason, where
	// the data store is open.
	Unused []string `json:"unused,omitempty"`
}

// An Addition is packages to be used by a data store.
type Addition struct {
	// Packages are the bytes of each (.tgz).
	Packages [][]byte
	// Incomplete takes them although dependencies are missing.
	Incomplete bool
}

// A pack is a package that was just read.
type pack struct {
	digest string
	data   []byte
	guide  *guide.Package
}

// Add makes a data store use packages. They are durable when it returns, and the
// result is what the data store's guides come to then. Packages that cannot be
// used, by themselves or beside the others, are refused with the reason; adding
// one again that is there changes nothing.
func (s *Shelf) Add(ctx context.Context, storeID string, a Addition) (*conformance.Guides, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	packs, err := readAll(a.Packages)
	if err != nil {
		return nil, err
	}
	before, settings, err := s.used(ctx, storeID)
	if err != nil {
		return nil, err
	}
	if packs, err = s.fresh(ctx, before, packs); err != nil {
		return nil, err
	}
	if err := s.fit(ctx, before, packs, a.Incomplete); err != nil {
		return nil, err
	}
	err = s.db.Update(ctx, func(tx kv.Tx) error {
		for _, p := range packs {
			if err := s.keep(tx, p); err != nil {
				return err
			}
			u := use{Digest: p.digest, Added: s.now().UTC(), Incomplete: a.Incomplete}
			if err := uses(storeID).Put(tx, p.guide.String(), u, time.Time{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	after, _, err := s.used(ctx, storeID)
	if err != nil {
		return nil, err
	}
	return s.make(ctx, after, settings)
}

func readAll(packages [][]byte) ([]pack, error) {
	if len(packages) == 0 {
		return nil, fhir.Errorf(fhir.KindInvalid, "there is no package to add")
	}
	packs := make([]pack, len(packages))
	for i, data := range packages {
		p, err := guide.Read(bytes.NewReader(data), guide.DefaultLimits)
		if err != nil {
			return nil, err
		}
		packs[i] = pack{digestOf(data), data, p}
	}
	return packs, nil
}

// keep writes a package's records where they are not there.
func (s *Shelf) keep(tx kv.Tx, p pack) error {
	_, err := s.packages.Get(tx, p.digest)
	if errors.Is(err, kv.ErrNotFound) {
		_, err = s.put(tx, p.digest, p.data, p.guide)
	}
	return err
}

// fresh leaves out what is used already, and refuses other bytes under a name
// and version that are in use.
func (s *Shelf) fresh(ctx context.Context, before []use, packs []pack) ([]pack, error) {
	var fresh []pack
	for _, p := range packs {
		known := false
		for _, u := range before {
			old, err := s.open(ctx, u.Digest)
			if err != nil {
				return nil, err
			}
			if u.Digest == p.digest {
				known = true
			} else if old.String() == p.guide.String() {
				return nil, fhir.Errorf(fhir.KindConflict, "the data store has %s with other content; remove that first", p.guide)
			}
		}
		if !known {
			fresh = append(fresh, p)
		}
	}
	return fresh, nil
}

// fit refuses packages that cannot be used beside those that are there.
func (s *Shelf) fit(ctx context.Context, before []use, packs []pack, incomplete bool) error {
	missing, err := s.missing(ctx, before, packs, incomplete)
	if err == nil && missing != "" {
		err = fhir.Errorf(fhir.KindUnprocessable, "dependencies are missing: %s; add them first, or say that the guide is to be used without them (what refers to them is then not checked)", missing)
	}
	return err
}

// missing names the dependencies that packages lack; those that somebody decided
// to do without do not count.
func (s *Shelf) missing(ctx context.Context, before []use, packs []pack, incomplete bool) (string, error) {
	var packages []*guide.Package
	lax := map[*guide.Package]bool{}
	for _, u := range before {
		p, err := s.open(ctx, u.Digest)
		if err != nil {
			return "", err
		}
		packages, lax[p] = append(packages, p), u.Incomplete
	}
	for _, p := range packs {
		packages, lax[p.guide] = append(packages, p.guide), incomplete
	}
	set, err := guide.NewSetOf(packages, func(p *guide.Package) bool { return lax[p] })
	if err != nil {
		return "", err
	}
	var missing []string
	for _, d := range set.Missing {
		if !lax[d.Of] {
			missing = append(missing, d.String())
		}
	}
	return strings.Join(missing, "; "), nil
}

// Remove ends that a data store uses a package, named name#version, or name
// where there is one version. One that another guide of the data store needs
// stays, with an error of KindConflict.
func (s *Shelf) Remove(ctx context.Context, storeID, text string) (*conformance.Guides, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	used, settings, err := s.used(ctx, storeID)
	if err != nil {
		return nil, err
	}
	at, err := s.find(ctx, used, storeID, text)
	if err != nil {
		return nil, err
	}
	gone, err := s.open(ctx, used[at].Digest)
	if err != nil {
		return nil, err
	}
	rest := slices.Delete(slices.Clone(used), at, at+1)
	missing, err := s.missing(ctx, rest, nil, false)
	if err != nil || missing != "" {
		return nil, fhir.Errorf(fhir.KindConflict, "%s is needed: without it, there would be missing %s", gone, missing).Because(err)
	}
	after, err := s.make(ctx, rest, settings)
	if err != nil {
		return nil, fhir.Errorf(fhir.KindConflict, "%s cannot be removed: %v", gone, err)
	}
	err = s.db.Update(ctx, func(tx kv.Tx) error {
		if err := uses(storeID).Delete(tx, gone.String()); err != nil {
			return err
		}
		return s.sweep(tx, used[at].Digest)
	})
	s.mu.Lock()
	delete(s.read, used[at].Digest)
	clear(s.made)
	s.mu.Unlock()
	return after, err
}

// find is the place of the one use that a name is of.
func (s *Shelf) find(ctx context.Context, used []use, storeID, text string) (int, error) {
	name, version := splitName(text)
	at, others := -1, []string(nil)
	for i, u := range used {
		p, err := s.open(ctx, u.Digest)
		if err != nil {
			return 0, err
		}
		if p.Name != name || version != "" && p.Version != version {
			continue
		}
		if u.common {
			return 0, fhir.Errorf(fhir.KindConflict, "%s is given to every data store by the configuration; take it out of the setting guides", p)
		}
		at, others = i, append(others, p.String())
	}
	switch len(others) {
	case 0:
		return 0, noGuide(storeID, text)
	case 1:
		return at, nil
	}
	return 0, fhir.Errorf(fhir.KindInvalid, "the data store has several versions: %s; name one", strings.Join(others, ", "))
}

// sweep removes a package that nobody uses any more.
func (s *Shelf) sweep(tx kv.Tx, digest string) error {
	for _, u := range s.common {
		if u.Digest == digest {
			return nil
		}
	}
	for r, err := range tx.Scan([]byte("guide/"), []byte("guide0")) {
		if err != nil {
			return err
		}
		if bytes.Contains(r.Value, []byte(digest)) {
			return nil
		}
	}
	r, err := s.packages.Get(tx, digest)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.drop(tx, digest, r)
}

// Forget removes what is kept for a data store that is gone.
func (s *Shelf) Forget(ctx context.Context, storeID string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	return s.db.Update(ctx, func(tx kv.Tx) error {
		digests := map[string]string{}
		for k, err := range uses(storeID).All(tx) {
			if err != nil {
				return err
			}
			digests[k.Key] = k.Value.Digest
		}
		for name, digest := range digests {
			if err := uses(storeID).Delete(tx, name); err != nil {
				return err
			}
			if err := s.sweep(tx, digest); err != nil {
				return err
			}
		}
		return s.settings.Delete(tx, storeID)
	})
}

// Set changes how a data store uses its guides. The result is what they come to
// then.
func (s *Shelf) Set(ctx context.Context, storeID string, settings conformance.Settings) (*conformance.Guides, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	used, _, err := s.used(ctx, storeID)
	if err != nil {
		return nil, err
	}
	after, err := s.make(ctx, used, settings)
	if err != nil {
		return nil, err
	}
	return after, s.db.Update(ctx, func(tx kv.Tx) error {
		if len(settings.Defaults)+len(settings.Demanded) == 0 && !settings.RefuseUnknown {
			return s.settings.Delete(tx, storeID)
		}
		return s.settings.Put(tx, storeID, settings, time.Time{})
	})
}

// Share gives packages to every data store for as long as the shelf is open. It
// is called before Guides is.
func (s *Shelf) Share(ctx context.Context, packages [][]byte, incomplete bool) error {
	if len(packages) == 0 {
		return nil
	}
	var common []use
	var packs []pack
	for _, data := range packages {
		p := pack{digest: digestOf(data), data: data}
		known, err := s.known(ctx, p.digest)
		if err != nil {
			return err
		}
		if known {
			common = append(common, use{Digest: p.digest, Incomplete: incomplete, common: true})
			continue
		}
		if p.guide, err = guide.Read(bytes.NewReader(data), guide.DefaultLimits); err != nil {
			return err
		}
		packs = append(packs, p)
	}
	if err := s.fit(ctx, common, packs, incomplete); err != nil {
		return err
	}
	for _, p := range packs {
		common = append(common, use{Digest: p.digest, Incomplete: incomplete, common: true})
	}
	s.common = common
	return s.db.Update(ctx, func(tx kv.Tx) error {
		for _, p := range packs {
			if err := s.keep(tx, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Shelf) known(ctx context.Context, digest string) (bool, error) {
	err := s.db.View(ctx, func(tx kv.Tx) error {
		_, err := s.packages.Get(tx, digest)
		return err
	})
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// List describes the guides of a data store, by name, the newest version first.
func (s *Shelf) List(ctx context.Context, storeID string) ([]Guide, error) {
	used, settings, err := s.used(ctx, storeID)
	if err != nil {
		return nil, err
	}
	g, err := s.make(ctx, used, settings)
	if err != nil {
		return nil, err
	}
	byPackage := map[*guide.Package]use{}
	for _, u := range used {
		p, err := s.open(ctx, u.Digest)
		if err != nil {
			return nil, err
		}
		byPackage[p] = u
	}
	list := make([]Guide, 0, len(used))
	for _, p := range g.Packages() {
		u := byPackage[p]
		list = append(list, describe(g, p, u))
	}
	return list, nil
}

func describe(g *conformance.Guides, p *guide.Package, u use) Guide {
	d := Guide{
		Name: p.Name, Version: p.Version, Title: p.Title, Canonical: p.Canonical, Digest: u.Digest, Added: u.Added,
		Common: u.common, Holds: map[string]int{},
	}
	for _, name := range slices.Sorted(maps.Keys(p.Dependencies)) {
		d.Needs = append(d.Needs, name+"#"+p.Dependencies[name])
	}
	for i := range p.Entries {
		d.Holds[p.Entries[i].Type]++
	}
	for _, m := range g.Missing() {
		if m.Of == p {
			d.Missing = append(d.Missing, m.Name+"#"+m.Version)
		}
	}
	for _, f := range p.Skipped {
		d.Skipped = append(d.Skipped, fmt.Sprintf("%s: %s", f.File, f.Reason))
	}
	return d
}
