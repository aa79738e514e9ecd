package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/subscribing"
	"github.com/tarnhealth/tarn/server/vault"
)

// administered is the folder as its administration sees it. role is as in
// admin.Folder.
func (f *folder) administered(role func(string) error) *admin.Folder {
	return &admin.Folder{
		Role: role, Roles: f.roles, Subscriptions: &subscribing.Applied{DB: f.storage.Records()},
		Dir: f.dir, Catalog: f.catalog, Guides: f.guides, APIKeys: f.apiKeys, Vault: f.vault, Stages: f.stages,
		Authority: sync.OnceValues(f.administeredAuthority), Record: f.recorded, Rewrite: f.rewrite, Adopt: f.storage.adopt,
		KeyRefusal: func(file string, err error) error { return keyRefusal(&Config{MasterKey: file}, f.dir, err) },
	}
}

func (f *folder) administeredAuthority() (*admin.Authority, error) {
	a, err := f.authority()
	if err != nil {
		return nil, err
	}
	return &admin.Authority{
		Users: a.login.Directory(), SMART: a.smart, Keys: a.keys, AccessKeys: f.accessKeys(a), Providers: a.providers, SAMLKeys: a.login.SAMLKeys(), Policy: a.policies.of,
	}, nil
}

// rewrite writes the files of a data store, or of vault.Records, anew.
func (f *folder) rewrite(ctx context.Context, owner string) error {
	if owner == vault.Records {
		return f.storage.RewriteRecords(ctx)
	}
	if s := f.storage.open(owner); s != nil {
		return s.Rewrite(ctx)
	}
	return fhir.Errorf(fhir.KindUnavailable, "the data store %q is not open", owner)
}

// OpenAdmin opens an existing data folder for administration. The error is a
// Refusal where it cannot be opened. The caller closes the Admin.
func OpenAdmin(ctx context.Context, dir string) (*admin.Admin, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, &Refusal{Text: fmt.Sprintf("there is no data folder %s; name the folder of the server with --data", dir), Cause: err}
	}
	if a := admin.Dial(ctx, dir); a != nil {
		return a, nil
	}
	f := &folder{dir: dir}
	cfg := offline()
	err := f.open(ctx, &cfg)
	if err == nil {
		quiet := slog.New(slog.DiscardHandler)
		f.audit = lazyAudit(&cfg, f, quiet)
		f.authority = lazyAuthority(&cfg, f, quiet)
		return admin.InProcess(admin.Handler(f.administered(nil), quiet), f.Close), nil
	}
	err = errors.Join(err, f.Close())
	if !errors.Is(err, pebble.ErrLocked) {
		return nil, err
	}
	// A server may have opened its socket meanwhile.
	if a := admin.Dial(ctx, dir); a != nil {
		return a, nil
	}
	return nil, &Refusal{Text: fmt.Sprintf("the data folder %s is in use, but %s in it does not answer; wait until the server is ready, or stop it", dir, admin.SocketName), Cause: err}
}

// offline is the configuration for administration without a server: what is
// kept does not depend on the base URL.
func offline() Config {
	c := Default()
	c.BaseURL = "http://" + c.Listen
	// What opens encrypted folders is where the server has it.
	c.MasterKey = os.Getenv("TARN_MASTER_KEY_FILE")
	c.Encryption.Endpoint, c.Encryption.Region = os.Getenv("TARN_ENCRYPTION_KMS_ENDPOINT"), os.Getenv("TARN_ENCRYPTION_KMS_REGION")
	// So is where large contents are, for backups.
	c.Contents.Bucket = os.Getenv("TARN_BINARY_BUCKET")
	c.Bulk.Endpoint, c.Bulk.Region = os.Getenv("TARN_BULK_S3_ENDPOINT"), os.Getenv("TARN_BULK_S3_REGION")
	return c
}
