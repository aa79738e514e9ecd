// Package guides owns the administration of implementation guides: which
// packages a configuration gives to all data stores, and what an operator adds
// to one and takes from it while the server runs.
//
// It leaves to others: HTTP and the audit of what operators do (server), the
// packages (guide/shelf), and where they are fetched (guide/registry).
package guides

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/guide/registry"
	"github.com/tarnhealth/tarn/guide/shelf"
)

// Config is what a server is told of guides.
type Config struct {
	// Paths are packages (.tgz), and folders of them, that every data store uses.
	Paths []string
	// Incomplete takes those although dependencies are missing.
	Incomplete bool
	// Registry is the URL of the package registry that packages are fetched of by
	// name; "" for none.
	Registry string
}

// MaxPackage is the greatest package, in bytes.
const MaxPackage = 256 << 20

// Share gives the packages of a configuration to all data stores.
func (c *Config) Share(ctx context.Context, s *shelf.Shelf) error {
	var packages [][]byte
	for _, path := range c.Paths {
		files, err := filesAt(path)
		if err != nil {
			return fmt.Errorf("the guide %s: %w", path, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("the guide %s: %w", path, err)
			}
			packages = append(packages, data)
		}
	}
	if err := s.Share(ctx, packages, c.Incomplete); err != nil {
		return fmt.Errorf("the setting guides.load: %w", err)
	}
	return nil
}

// filesAt is a file, or the packages in a folder.
func filesAt(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".tgz") {
			files = append(files, name)
		}
		return err
	})
	slices.Sort(files)
	return files, err
}

// A Catalog has the data stores. datastore.Catalog is one.
type Catalog interface {
	Describe(ctx context.Context, id string) (datastore.Record, error)
	Store(id string) (*datastore.Store, error)
}

// A Service administers the guides of data stores. It is safe for concurrent
// use.
type Service struct {
	Shelf   *shelf.Shelf
	Catalog Catalog
	// Registry is Config.Registry.
	Registry string
	// uploading is held while a package comes over HTTP.
	uploading sync.Mutex
}

// An Addition asks for a package by its name.
type Addition struct {
	// Package is name@version, or name for the latest version.
	Package string `json:"package"`
	// Registry is the URL of the registry; "" for that of the configuration.
	Registry string `json:"registry,omitempty"`
	// Incomplete takes it although dependencies are missing.
	Incomplete bool `json:"incomplete,omitempty"`
	// Loaded takes it, where a data store of the server uses it already, from
	// there, and asks the registry only else.
	Loaded bool `json:"loaded,omitempty"`
}

// List describes the guides of a data store.
func (s *Service) List(ctx context.Context, storeID string) ([]shelf.Guide, error) {
	if err := s.exists(ctx, storeID); err != nil {
		return nil, err
	}
	return s.list(ctx, storeID)
}

func (s *Service) list(ctx context.Context, storeID string) ([]shelf.Guide, error) {
	list, err := s.Shelf.List(ctx, storeID)
	if err != nil {
		return nil, err
	}
	if store, err := s.Catalog.Store(storeID); err == nil {
		unused := store.UnusedGuideParams()
		for i := range list {
			list[i].Unused = unused[list[i].Name+"#"+list[i].Version+" "+list[i].Digest]
		}
	}
	return list, nil
}

// Add makes a data store use packages of which the bytes are given. It returns
// all guides that it uses then.
func (s *Service) Add(ctx context.Context, storeID string, a shelf.Addition) ([]shelf.Guide, error) {
	if err := s.exists(ctx, storeID); err != nil {
		return nil, err
	}
	return s.use(ctx, storeID, func() (*conformance.Guides, error) { return s.Shelf.Add(ctx, storeID, a) })
}

// Fetch makes a data store use a package of a registry, and those that it needs
// and the data store has not.
func (s *Service) Fetch(ctx context.Context, storeID string, a Addition) ([]shelf.Guide, error) {
	if err := s.exists(ctx, storeID); err != nil {
		return nil, err
	}
	if a.Loaded {
		data, err := s.Shelf.Loaded(ctx, a.Package)
		if err != nil {
			return nil, err
		}
		if data != nil {
			return s.Add(ctx, storeID, shelf.Addition{Packages: [][]byte{data}, Incomplete: a.Incomplete})
		}
	}
	url := a.Registry
	if url == "" {
		url = s.Registry
	}
	if url == "" {
		return nil, fhir.Errorf(fhir.KindInvalid, "there is no registry to fetch %s from: name one, or set guides.registry to the URL of one that speaks the protocol of NPM", a.Package)
	}
	client, err := registry.New(url, registry.Options{MaxPackage: MaxPackage})
	if err != nil {
		return nil, err
	}
	there, err := s.Shelf.List(ctx, storeID)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(there))
	for i, g := range there {
		names[i] = g.Name + "#" + g.Version
	}
	packages, err := client.Fetch(ctx, a.Package, names, a.Incomplete)
	if err != nil {
		return nil, err
	}
	return s.Add(ctx, storeID, shelf.Addition{Packages: packages, Incomplete: a.Incomplete})
}

// Remove ends that a data store uses a package, name@version, or name where it
// has one version. It returns the guides that are left.
func (s *Service) Remove(ctx context.Context, storeID, name string) ([]shelf.Guide, error) {
	if err := s.exists(ctx, storeID); err != nil {
		return nil, err
	}
	return s.use(ctx, storeID, func() (*conformance.Guides, error) { return s.Shelf.Remove(ctx, storeID, name) })
}

// Settings are how a data store uses its guides.
func (s *Service) Settings(ctx context.Context, storeID string) (conformance.Settings, error) {
	if err := s.exists(ctx, storeID); err != nil {
		return conformance.Settings{}, err
	}
	g, err := s.Shelf.Guides(ctx, storeID)
	if err != nil {
		return conformance.Settings{}, err
	}
	return g.Settings(), nil
}

// Set changes how a data store uses its guides.
func (s *Service) Set(ctx context.Context, storeID string, settings conformance.Settings) (conformance.Settings, error) {
	if err := s.exists(ctx, storeID); err != nil {
		return settings, err
	}
	_, err := s.use(ctx, storeID, func() (*conformance.Guides, error) { return s.Shelf.Set(ctx, storeID, settings) })
	return settings, err
}

// Defaults are the versions that count where none is named, as Settings has
// them. The data store need not exist yet.
func (s *Service) Defaults(ctx context.Context, storeID string) ([]string, error) {
	g, err := s.Shelf.Guides(ctx, storeID)
	if err != nil {
		return nil, err
	}
	return g.Settings().Defaults, nil
}

// SetDefaults changes them. The data store need not exist yet.
func (s *Service) SetDefaults(ctx context.Context, storeID string, defaults []string) error {
	g, err := s.Shelf.Guides(ctx, storeID)
	if err != nil {
		return err
	}
	settings := g.Settings()
	settings.Defaults = defaults
	_, err = s.use(ctx, storeID, func() (*conformance.Guides, error) { return s.Shelf.Set(ctx, storeID, settings) })
	return err
}

func (s *Service) exists(ctx context.Context, storeID string) error {
	r, err := s.Catalog.Describe(ctx, storeID)
	if err == nil && r.Status != datastore.StatusActive {
		err = fhir.Errorf(fhir.KindConflict, "the data store %q is in state %s", storeID, r.Status)
	}
	return err
}

// use changes the guides of a data store. What was begun is ended, also where the
// caller has gone.
func (s *Service) use(ctx context.Context, storeID string, change func() (*conformance.Guides, error)) ([]shelf.Guide, error) {
	g, err := change()
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	if store, err := s.Catalog.Store(storeID); err == nil { // one that is suspended takes them when it comes back
		if err := store.SetGuides(ctx, g); err != nil {
			return nil, err
		}
	}
	return s.list(ctx, storeID)
}
