package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/shelf"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/backups"
	"github.com/tarnhealth/tarn/server/contents"
	"github.com/tarnhealth/tarn/server/guides"
	"github.com/tarnhealth/tarn/server/notify"
	"github.com/tarnhealth/tarn/server/roles"
	"github.com/tarnhealth/tarn/server/vault"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/subscription"
)

// A folder is an open data folder with the data stores in it. While it is open
// no other process can open it.
type folder struct {
	dir     string
	log     *slog.Logger
	vault   *vault.Vault
	storage *storage
	catalog *datastore.Catalog
	admin   *admin.Socket
	jobs    *jobs
	// authority opens what says who callers are.
	authority func() (*authority, error)
	// audit opens the audit log, which is nil where it is off.
	audit func() (*auditLog, error)
	// recorder is what audit has opened, if anything.
	recorder *auditLog
	// guides administers implementation guides.
	guides *guides.Service
	// roles are those that callers may have, beside the built-in ones.
	roles *roles.Book
	// events are told of changes; nil where nobody is.
	events *notify.Teller
	// subscriptions sends notifications of changes.
	subscriptions *subscription.Service
	// apiKeys are the API keys, counted by this process.
	apiKeys *apikey.Keys
	// keeper keeps what is large of the resources.
	keeper *contents.Keeper
	// stages are its copies that are being backed up.
	stages *backups.Stages
	// untend end the work on it beside the requests.
	untend []func()
	// clientRoots are the authorities of clients' certificates; nil without.
	clientRoots func() *x509.CertPool
	// temporary folders are removed when they are closed.
	temporary bool
}

// openFolder opens the server's data folder, or a temporary one, with the data
// store "default" in it and the admin socket beside it. The caller closes what
// is returned, also after an error.
func (s *Server) openFolder(ctx context.Context) (*folder, error) {
	f := &folder{dir: s.cfg.Data, clientRoots: s.clientRoots, log: s.log}
	if f.dir == "" {
		dir, err := os.MkdirTemp("", "tarn-demo-")
		if err != nil {
			return nil, fmt.Errorf("a temporary data folder: %w", err)
		}
		f.dir, f.temporary = dir, true
	}
	if err := f.open(ctx, &s.cfg); err != nil {
		return f, err
	}
	var err error
	if err := checkNeeded(f.roles); err != nil {
		return f, err
	}
	f.audit = lazyAudit(&s.cfg, f, s.log)
	f.authority = lazyAuthority(&s.cfg, f, s.log)
	if f.admin, err = admin.Listen(f.administered(f.keyRole), s.log); err != nil {
		// The server is whole without it.
		s.log.Warn("no admin socket: tarn datastore will not work while the server runs", "error", err)
	}
	return f, ensureDefault(ctx, f.catalog)
}

func (f *folder) open(ctx context.Context, cfg *Config) (err error) {
	if f.vault, err = openVault(ctx, cfg, f.dir); err != nil {
		return err
	}
	if f.storage, err = openStorage(f.dir, cfg.CacheSize, f.vault); err != nil {
		return refusal(f.dir, keyRefusal(cfg, f.dir, err))
	}
	f.events = cfg.Events.Open(f.storage.Records(), cfg.BaseURL, cfg.Stdout, f.log)
	if f.events != nil {
		f.events.Region, f.events.Account = cfg.Control.Region, cfg.Control.Account
	}
	if err := backups.Sweep(f.dir); err != nil {
		return refusal(f.dir, err)
	}
	f.stages = f.newStages(cfg)
	f.apiKeys = apikey.NewKeys(f.storage.Records(), nil)
	if f.roles, err = cfg.openRoles(ctx, f.storage.Records()); err != nil {
		return refusal(f.dir, err)
	}
	books := shelf.New(f.storage.Records(), time.Now)
	if err := cfg.Guides.Share(ctx, books); err != nil {
		return err
	}
	f.subscriptions = cfg.subscriptions(f.log)
	f.catalog, err = datastore.Open(ctx, datastore.Options{Backend: f.storage, Guides: books, Terminologies: cfg.Terminology.Open(f.dir, nil), BaseURL: cfg.BaseURL, MaxIncludes: cfg.MaxIncludes, Changed: f.events.Store, Contents: f.contents(cfg), Subscriptions: f.subscriptions})
	f.guides = &guides.Service{Shelf: books, Catalog: f.catalog, Registry: cfg.Guides.Registry}
	return refusal(f.dir, keyRefusal(cfg, f.dir, err))
}

// contents keeps what is large of the data stores' resources.
func (f *folder) contents(cfg *Config) datastore.ContentKeeper {
	f.keeper = &contents.Keeper{Config: cfg.Contents, Data: f.dir, Records: f.storage.Records(), Keys: f.vault.StoreKeys, S3: cfg.Bulk.OpenBucket, Logger: f.log}
	return f.keeper
}

func ensureDefault(ctx context.Context, catalog *datastore.Catalog) error {
	record, err := catalog.Describe(ctx, DefaultStore)
	switch {
	case fhir.KindOf(err) == fhir.KindNotFound && err != nil:
		_, err = catalog.Create(ctx, DefaultStore, DefaultStore)
		return err
	case err != nil:
		return err
	case record.Status == datastore.StatusDeleted:
		return nil // somebody deleted it on purpose
	}
	return nil
}

// Close closes the admin socket, ends the jobs, and closes the data stores and
// the files, in that order.
func (f *folder) Close() error {
	var errs []error
	if f.admin != nil {
		errs = append(errs, f.admin.Close())
	}
	if f.jobs != nil {
		errs = append(errs, f.jobs.close())
	}
	for _, end := range f.untend {
		end()
	}
	if f.stages != nil {
		errs = append(errs, f.stages.Close())
	}
	if f.apiKeys != nil {
		errs = append(errs, f.apiKeys.Flush(context.Background()))
	}
	f.recorder.closeFollowers()
	switch {
	case f.catalog != nil:
		errs = append(errs, f.catalog.Close())
	case f.storage != nil:
		errs = append(errs, f.storage.Close())
	}
	if f.recorder != nil {
		errs = append(errs, f.recorder.log.Close())
	}
	if f.temporary {
		errs = append(errs, os.RemoveAll(f.dir))
	}
	return errors.Join(errs...)
}

// tend runs work beside the requests until Close.
func (f *folder) tend(work func(context.Context, *slog.Logger), log *slog.Logger) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); work(ctx, log) }()
	f.untend = append(f.untend, func() { stop(); <-ended })
}

// A storage is the embedded backend, and remembers the data stores that are
// open, for metrics.
type storage struct {
	*pebble.Folder
	vault  *vault.Vault
	mu     sync.Mutex
	stores map[string]*pebble.Store
	// adopting puts storage that is there already into the place of that of a
	// data store that is about to be made.
	adopting map[string]func(context.Context) error
}

func openStorage(dir string, cache int64, keys *vault.Vault) (*storage, error) {
	f, err := pebble.OpenFolder(dir, pebble.FolderOptions{CacheBytes: cache, Seal: keys.FS})
	if err != nil {
		return nil, err
	}
	if _, err := keys.Settle(context.Background(), vault.Records); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &storage{Folder: f, vault: keys, stores: map[string]*pebble.Store{}}, nil
}

// PrepareStore implements datastore.Preparer.
func (s *storage) PrepareStore(ctx context.Context, id, keyID string) error {
	s.mu.Lock()
	adopt := s.adopting[id]
	s.mu.Unlock()
	if adopt != nil {
		return adopt(ctx)
	}
	return s.vault.Prepare(ctx, id, keyID)
}

// OpenStore implements datastore.Backend.
func (s *storage) OpenStore(ctx context.Context, id string, registry *search.Registry, candidate func(store.Version) (*search.Candidate, error)) (store.Store, error) {
	opened, err := s.Folder.OpenStore(ctx, id, registry, candidate)
	if err == nil {
		if _, err := s.vault.Settle(ctx, id); err != nil {
			return nil, errors.Join(err, opened.Close())
		}
	}
	if p, ok := opened.(*pebble.Store); ok && err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stores[id] = p
	}
	return opened, err
}

// open is the storage of a data store that is open; nil for none.
func (s *storage) open(id string) *pebble.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stores[id]
}

// all are the data stores that were opened.
func (s *storage) all() map[string]*pebble.Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.stores)
}

// RemoveStore implements datastore.Backend.
func (s *storage) RemoveStore(ctx context.Context, id string) error {
	s.mu.Lock()
	delete(s.stores, id)
	s.mu.Unlock()
	// The keys go first: what is left of the files is then unreadable.
	if err := s.vault.Destroy(id); err != nil {
		return err
	}
	return s.Folder.RemoveStore(ctx, id)
}

// A Refusal is why a data folder is not opened, in one line that says what to
// do.
type Refusal struct {
	Text  string
	Cause error
}

func (r *Refusal) Error() string { return r.Text }
func (r *Refusal) Unwrap() error { return r.Cause }

// refusal explains an error of opening dir; nil stays nil.
func refusal(dir string, err error) error {
	text := ""
	var refused *Refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return err
	case errors.Is(err, pebble.ErrLocked):
		text = fmt.Sprintf("the data folder %s is in use by another tarn; stop that one, or choose another folder with --data", dir)
	case errors.Is(err, pebble.ErrNewer):
		text = fmt.Sprintf("the data folder %s was written by a newer version of tarn than this one (%s); start that version, or choose another folder with --data", dir, Version())
	case errors.Is(err, pebble.ErrDamaged), errors.Is(err, datastore.ErrIncomplete):
		text = fmt.Sprintf("the data folder %s is damaged (%v); nothing was changed: restore it from a backup, or choose another folder with --data", dir, err)
	case errors.Is(err, fs.ErrPermission):
		text = fmt.Sprintf("the data folder %s may not be written by this user (%v); give it to the user, or choose another with --data", dir, err)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		text = fmt.Sprintf("the data folder %s is no folder (%v); choose another with --data", dir, err)
	case errors.Is(err, syscall.ENOSPC):
		text = fmt.Sprintf("the disk of the data folder %s is full; free some space and start again", dir)
	default:
		text = fmt.Sprintf("the data folder %s cannot be opened: %v", dir, err)
	}
	return &Refusal{Text: text, Cause: err}
}
