package binary

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/kv"
)

// A label lies beside each blob that is a content, and says of which. A data
// store that was restored from a backup may have records that are older than its
// versions, or none: what is missing in them, the labels tell.
type label struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Content string `json:"content"`
	SHA1    []byte `json:"sha1,omitempty"`
}

// labelSuffix is what the key of a blob's label ends in, after the blob's.
const labelSuffix = ".of"

// maxLabel bounds a label in bytes.
const maxLabel = 4 << 10

// writeLabel makes a blob's label durable.
func (c *Contents) writeLabel(ctx context.Context, blobKey string, of Owner, p *part) error {
	text, err := json.Marshal(label{of.Type, of.ID, p.StandIn.key(), p.sha1})
	if err == nil {
		err = blob.Write(ctx, c.opt.Bucket, c.opt.Prefix+blobKey+labelSuffix, text)
	}
	if err != nil {
		return unwritable(err)
	}
	return nil
}

// readLabel reads a blob's label; blob.ErrNotFound where it has none.
func (c *Contents) readLabel(ctx context.Context, blobKey string) (l label, err error) {
	text, err := blob.Read(ctx, c.opt.Bucket, c.opt.Prefix+blobKey+labelSuffix, maxLabel)
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	return l, err
}

// remove removes a blob and its label.
func (c *Contents) remove(ctx context.Context, blobKey string) error {
	if err := c.opt.Bucket.Delete(ctx, c.opt.Prefix+blobKey); err != nil {
		return err
	}
	return c.opt.Bucket.Delete(ctx, c.opt.Prefix+blobKey+labelSuffix)
}

// recover makes the records that are missing, once in the life of the process.
// Whether versions have what it finds is in doubt, unless the bucket is Shared:
// then it may be another's, and stays until its resource is erased. It reports whether there may
// be new ones.
func (c *Contents) recover(ctx context.Context) (bool, error) {
	c.recovering.Lock()
	defer c.recovering.Unlock()
	if c.recovered {
		return false, nil
	}
	for info, err := range c.opt.Bucket.List(ctx, c.opt.Prefix, "") {
		if err != nil {
			return false, err
		}
		key := strings.TrimPrefix(info.Key, c.opt.Prefix)
		if blobKey, ok := strings.CutSuffix(key, labelSuffix); ok && !c.isBusy(blobKey) {
			if err := c.adopt(ctx, blobKey, !c.opt.Shared); err != nil {
				return false, err
			}
		}
	}
	c.recovered = true
	c.opt.Logger.Info("records of contents were made again from what lies beside them", "store", c.opt.Store)
	c.again()
	return true, nil
}

// adopt makes the record of a blob by its label, where there is none. doubted
// says that it is removed where no version has it.
func (c *Contents) adopt(ctx context.Context, blobKey string, doubted bool) error {
	l, err := c.readLabel(ctx, blobKey)
	if errors.Is(err, blob.ErrNotFound) {
		return nil // removed meanwhile
	}
	if err != nil {
		return err
	}
	key := c.records.ownerKey(Owner{l.Type, l.ID}) + l.Content
	return c.records.db.Update(ctx, func(tx kv.Tx) error {
		err := c.records.uploads.Delete(tx, c.records.uploadKey(blobKey))
		if _, missing := c.records.known.Get(tx, key); errors.Is(missing, kv.ErrNotFound) {
			err = errors.Join(err, c.records.known.Put(tx, key, record{Blob: blobKey, SHA1: l.SHA1, Stored: true}, time.Time{}))
			if doubted {
				err = errors.Join(err, c.records.doubts.Put(tx, key, struct{}{}, time.Time{}))
			}
		}
		return err
	})
}

func (c *Contents) isBusy(blobKey string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy[blobKey]
}

// recordOf is a content's record, made again where it is missing.
func (c *Contents) recordOf(ctx context.Context, key string) (record, error) {
	known, err := c.records.get(ctx, key)
	if !errors.Is(err, kv.ErrNotFound) {
		return known, err
	}
	if more, failed := c.recover(ctx); failed != nil || !more {
		return known, errors.Join(err, failed)
	}
	return c.records.get(ctx, key)
}

// anyBlob reports whether there is a blob at all.
func (c *Contents) anyBlob(ctx context.Context) (bool, error) {
	for _, err := range c.opt.Bucket.List(ctx, c.opt.Prefix, "") {
		return err == nil, err
	}
	return false, nil
}
