package stack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/shelf"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/guides"
)

// A Guide is an implementation guide that a data store uses. Either File or
// Package names it.
type Guide struct {
	// File is a package (.tgz), by its path from the folder of the file.
	File string `json:"file,omitempty"`
	// Package is name@version of a package that a data store of the server uses
	// already, or that Registry, or the registry of the server, has.
	Package  string `json:"package,omitempty"`
	Registry string `json:"registry,omitempty"`
	// Incomplete takes it although packages that it needs are missing. It is about
	// the adding alone.
	Incomplete bool `json:"incomplete,omitempty"`

	// digest is that of the file's bytes, and needs are the packages that it
	// names as its dependencies, name@version.
	digest string
	needs  []string
}

// GuideSettings are how a data store uses its guides; see package
// guide/conformance.
type GuideSettings struct {
	// Default are the versions that count where none is named: name@version of a
	// package, or url|version of a profile.
	Default []string `json:"default,omitempty"`
	// Demand are the profiles that every resource of their type conforms to.
	Demand []string `json:"demand,omitempty"`
	// RefuseUnknown refuses resources that declare a profile that is not known.
	RefuseUnknown bool `json:"refuseUnknown,omitempty"`
}

// Locate reads what guides in files are called, the values of headers, and other
// secrets. dir is the folder that paths are in. It is called once, before Make.
func (f *File) Locate(dir string) error {
	var errs []error
	for i := range f.IdentityProviders {
		errs = append(errs, f.IdentityProviders[i].locate(dir))
	}
	for i := range f.DataStores {
		seen := map[string]bool{}
		for j := range f.DataStores[i].Guides {
			g := &f.DataStores[i].Guides[j]
			err := g.locate(dir)
			if err == nil && seen[g.Package] {
				err = fmt.Errorf("%s is there twice", g.Package)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("data store %s, guide %d: %w", f.DataStores[i].ID, j+1, err))
			}
			seen[g.Package] = true
		}
		seen = map[string]bool{}
		for j := range f.DataStores[i].Subscriptions {
			s := &f.DataStores[i].Subscriptions[j]
			err := s.locate(dir)
			if s.ID == "" || seen[s.ID] {
				err = errors.Join(err, fmt.Errorf("subscription %d has no id, or one that is there twice", j+1))
			}
			if seen[s.ID] = true; err != nil {
				errs = append(errs, fmt.Errorf("data store %s: %w", f.DataStores[i].ID, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (g *Guide) locate(dir string) error {
	g.Package = strings.Replace(g.Package, "#", "@", 1)
	switch name, version, _ := strings.Cut(g.Package, "@"); {
	case g.File == "" && g.Package == "":
		return errors.New("it has neither a file nor a package; write file: PATH, or package: NAME@VERSION")
	case g.File == "" && (name == "" || version == ""):
		return fmt.Errorf("%q is no package; write NAME@VERSION", g.Package)
	case g.File == "":
		return nil
	case g.Registry != "":
		return errors.New("a file is of no registry; leave one out")
	}
	if !filepath.IsAbs(g.File) {
		g.File = filepath.Join(dir, g.File)
	}
	data, err := os.ReadFile(g.File)
	if err != nil {
		return err
	}
	read, err := guide.Manifest(bytes.NewReader(data), guide.DefaultLimits)
	if err != nil {
		return fmt.Errorf("%s: %w", g.File, err)
	}
	sum := sha256.Sum256(data)
	name := read.Name + "@" + read.Version
	if g.Package != "" && g.Package != name {
		return fmt.Errorf("%s is %s, not %s", g.File, name, g.Package)
	}
	g.Package, g.digest = name, hex.EncodeToString(sum[:])
	for name, version := range read.Dependencies {
		g.needs = append(g.needs, name+"@"+version)
	}
	return nil
}

// guideOf is a guide of a data store as a file names it.
func guideOf(g shelf.Guide) Guide {
	needs := make([]string, len(g.Needs))
	for i, n := range g.Needs {
		needs[i] = strings.Replace(n, "#", "@", 1)
	}
	return Guide{Package: g.Name + "@" + g.Version, digest: g.Digest, needs: needs}
}

// readGuides reads the guides that a data store has of its own, and how it uses
// all of them.
func (d *DataStore) readGuides(ctx context.Context, a *admin.Admin) error {
	list, err := a.Guides(ctx, d.ID)
	if err != nil {
		return err
	}
	for _, g := range list {
		if !g.Common {
			d.Guides = append(d.Guides, guideOf(g))
		}
	}
	s, err := a.GuideSettings(ctx, d.ID)
	if now := (GuideSettings{settingNames(s.Defaults, "#", "@"), s.Demanded, s.RefuseUnknown}); len(now.Default)+len(now.Demand) > 0 || now.RefuseUnknown {
		d.GuideSettings = &now
	}
	return err
}

// settingNames writes packages with another sign before the version, and leaves
// profiles as they are.
func settingNames(list []string, from, to string) []string {
	all := slices.Clone(list)
	for i, text := range all {
		if !strings.Contains(text, "://") {
			all[i] = strings.Replace(text, from, to, 1)
		}
	}
	return all
}

// planGuides plans the guides of the data stores that the file speaks of, those
// that are needed before those that need them.
func (p *planner) planGuides(wanted, there []DataStore) {
	for _, w := range wanted {
		now := DataStore{ID: w.ID}
		if at := slices.IndexFunc(there, func(d DataStore) bool { return d.ID == w.ID }); at >= 0 {
			now = there[at]
		}
		if w.Guides != nil {
			p.planGuidesOf(w.ID, neededFirst(w.Guides), neededFirst(now.Guides))
		}
		if w.GuideSettings == nil {
			continue
		}
		from := GuideSettings{}
		if now.GuideSettings != nil {
			from = *now.GuideSettings
		}
		p.change("guide settings", w.ID, differences(from, *w.GuideSettings, nil), func([]string) (step, error) {
			return silent(func(ctx context.Context, a *admin.Admin) error { return w.GuideSettings.set(ctx, a, w.ID) }), nil
		}, nil)
	}
}

func (p *planner) planGuidesOf(store string, wanted, there []Guide) {
	for _, w := range wanted {
		at := slices.IndexFunc(there, func(g Guide) bool { return g.Package == w.Package })
		switch {
		case at < 0:
			p.changes = append(p.changes, Change{Action: Create, Kind: "guide", Name: store + "/" + w.Package, run: addGuide(store, w)})
		case w.digest != "" && w.digest != there[at].digest:
			p.changes = append(p.changes, Change{
				Action: Replace, Kind: "guide", Name: store + "/" + w.Package, Differences: []string{"the file has other content"},
				run: both(removeGuide(store, w), addGuide(store, w)),
			})
		}
	}
	for _, t := range there {
		if p.prune && !slices.ContainsFunc(wanted, func(w Guide) bool { return w.Package == t.Package }) {
			p.deletes = append(p.deletes, Change{Action: Delete, Kind: "guide", Name: store + "/" + t.Package, run: removeGuide(store, t)})
		}
	}
}

// neededFirst puts guides behind those that they need, as far as those are among
// them.
func neededFirst(list []Guide) (ordered []Guide) {
	left := slices.Clone(list)
	for len(left) > 0 {
		at := slices.IndexFunc(left, func(g Guide) bool {
			return !slices.ContainsFunc(g.needs, func(need string) bool {
				name, _, _ := strings.Cut(need, "@")
				return slices.ContainsFunc(left, func(other Guide) bool {
					return other.Package != g.Package && strings.HasPrefix(other.Package, name+"@")
				})
			})
		})
		at = max(at, 0) // a circle is refused when it is added
		ordered, left = append(ordered, left[at]), slices.Delete(left, at, at+1)
	}
	return ordered
}

func addGuide(store string, g Guide) step {
	return silent(func(ctx context.Context, a *admin.Admin) error {
		if g.File == "" {
			_, err := a.FetchGuide(ctx, store, guides.Addition{Package: g.Package, Registry: g.Registry, Incomplete: g.Incomplete, Loaded: true})
			return err
		}
		file, err := os.Open(g.File)
		if err != nil {
			return err
		}
		defer file.Close()
		_, err = a.AddGuide(ctx, store, file, g.Incomplete)
		return err
	})
}

func removeGuide(store string, g Guide) step {
	return silent(func(ctx context.Context, a *admin.Admin) error {
		_, err := a.RemoveGuide(ctx, store, g.Package)
		return err
	})
}

func (s *GuideSettings) set(ctx context.Context, a *admin.Admin, store string) error {
	now, err := a.GuideSettings(ctx, store)
	if err != nil {
		return err
	}
	now.Defaults, now.Demanded, now.RefuseUnknown = settingNames(s.Default, "@", "#"), s.Demand, s.RefuseUnknown
	_, err = a.SetGuideSettings(ctx, store, now)
	return err
}
