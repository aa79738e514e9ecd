// Package contents owns what a server is told about the large contents of
// resources, and opens the places where those of each data store are: a folder
// beside its other files, or a bucket.
//
// It leaves to others: what is kept there (binary), the bucket's form (blob), and
// the keys (server/vault).
package contents

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/blob/sealedblob"
	"github.com/tarnhealth/tarn/crypt/seal"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/store"
)

// folder is the folder of contents in that of a data store. There it counts
// when keys are retired, and goes when the data store does.
const folder = "content"

// A Keeper opens the contents of the data stores of a data folder. It is a
// datastore.ContentKeeper.
type Keeper struct {
	// Config is what the server was told.
	Config Config
	// Data is the data folder, Records its records.
	Data    string
	Records kv.DB
	// Keys are those that a data store is sealed with; nil where it is not.
	Keys func(ctx context.Context, id string) (seal.Keys, error)
	// S3 opens a bucket of the S3-compatible service.
	S3 func(ctx context.Context, bucket string) (blob.Bucket, error)
	// Logger is nil for slog.Default.
	Logger *slog.Logger
	// Wait returns a channel that has an element after a time; nil is time.After.
	Wait func(time.Duration) <-chan time.Time

	mu sync.Mutex
	// movings are the data stores whose contents are being moved to the bucket.
	movings map[string]*moving
}

// OpenContents opens the contents of a data store.
func (k *Keeper) OpenContents(ctx context.Context, id string, backend store.Store, key []byte) (*binary.Contents, error) {
	bucket, prefix, release, err := k.open(ctx, id)
	if err != nil {
		return nil, err
	}
	keys, err := k.Keys(ctx, id)
	if err == nil {
		if keys != nil {
			bucket = sealedblob.New(bucket, keys)
		}
		var opened *binary.Contents
		opened, err = binary.Open(ctx, binary.Options{
			Bucket: bucket, Prefix: prefix, Shared: k.Config.Bucket != "", Records: k.Records, Store: id, Key: key, Backend: backend,
			Inline: k.Config.Inline, Max: k.Config.Max, Life: k.Config.Life, Logger: k.Logger, Release: release,
		})
		if err == nil {
			return opened, nil
		}
	}
	return nil, errors.Join(err, release())
}

// open opens where the contents of a data store are.
func (k *Keeper) open(ctx context.Context, id string) (b blob.Bucket, prefix string, release func() error, err error) {
	if k.Config.Bucket != "" {
		name, below, _ := strings.Cut(k.Config.Bucket, "/")
		if b, err = k.S3(ctx, name); err != nil {
			return nil, "", nil, err
		}
		if below = strings.Trim(below, "/"); below != "" {
			below += "/"
		}
		prefix = below + id + "/"
		b, release, err = k.bring(id, b, prefix)
		return b, prefix, release, err
	}
	dir := k.dir(id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", nil, err
	}
	local, err := blob.OpenDir(dir)
	if err == nil {
		err = local.Sweep()
	}
	if err != nil {
		return nil, "", nil, err
	}
	return local, "", local.Close, nil
}

func (k *Keeper) dir(id string) string { return filepath.Join(k.Data, "stores", id, folder) }

// RemoveContents removes the contents of a data store, and what is known of
// them.
func (k *Keeper) RemoveContents(ctx context.Context, id string) error {
	if _, err := os.Stat(k.dir(id)); k.Config.Bucket == "" && errors.Is(err, fs.ErrNotExist) {
		return binary.Remove(ctx, k.Records, id, nil, "")
	}
	if k.Config.Bucket != "" { // what was not moved yet goes where it is
		if err := os.RemoveAll(k.dir(id)); err != nil {
			return err
		}
	}
	bucket, prefix, release, err := k.open(ctx, id)
	if err != nil {
		return err
	}
	return errors.Join(binary.Remove(ctx, k.Records, id, bucket, prefix), release())
}
