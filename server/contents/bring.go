package contents

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"

	"github.com/tarnhealth/tarn/blob"
)

// bring moves the contents of a data store that are in the data folder, as after
// a restore, to the bucket. What is there is left as it is. The files go when all
// of them are there.
func (k *Keeper) bring(ctx context.Context, id string, to blob.Bucket, prefix string) error {
	dir := k.dir(id)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	from, err := blob.OpenDir(dir)
	if err != nil {
		return err
	}
	defer from.Close()
	moved := 0
	for info, err := range from.List(ctx, "", "") {
		if err == nil {
			err = upload(ctx, from, info, to, prefix)
		}
		if err != nil {
			return fmt.Errorf("the contents of data store %s in the data folder cannot be moved to the bucket %s; they are moved when it can be written: %w", id, k.Config.Bucket, err)
		}
		moved++
	}
	if moved > 0 {
		logger := k.Logger
		if logger == nil {
			logger = slog.Default()
		}
		logger.Info("contents in the data folder were moved to the bucket", "store", id, "contents", moved)
	}
	return os.RemoveAll(dir)
}

// upload copies one blob, unless one of its size is there.
func upload(ctx context.Context, from blob.Bucket, info blob.Info, to blob.Bucket, prefix string) error {
	there, err := to.Stat(ctx, prefix+info.Key)
	if err == nil && there.Size == info.Size {
		return nil
	}
	if err != nil && !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	r, err := from.Open(ctx, info.Key, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := to.Create(ctx, prefix+info.Key)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	return w.Commit()
}
