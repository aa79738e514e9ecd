package binary

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

// A record says where a content is.
type record struct {
	// Blob is its key in the bucket.
	Blob string `json:"blob"`
	// SHA1 is the hash that Attachment.hash has.
	SHA1 []byte `json:"sha1,omitempty"`
	// Stored is set once a version was committed that has the content: the blob
	// is whole.
	Stored bool `json:"stored,omitempty"`
}

// An upload is a blob that belongs to no resource yet.
type upload struct {
	Begun time.Time `json:"begun"`
}

// records are those of one data store.
type records struct {
	db      kv.DB
	store   string
	known   kv.Table[record]
	doubts  kv.Table[struct{}]
	uploads kv.Table[upload]
}

func newRecords(db kv.DB, store string) *records {
	return &records{db, store, kv.NewTable[record]("binary"), kv.NewTable[struct{}]("binary-doubt"), kv.NewTable[upload]("binary-upload")}
}

// contentKey is the key of a content's records.
func (r *records) contentKey(of Owner, s *StandIn) string {
	return r.ownerKey(of) + s.key()
}

func (r *records) ownerKey(of Owner) string { return r.store + "\x00" + of.String() + "\x00" }

func (r *records) uploadKey(blob string) string { return r.store + "\x00" + blob }

// ownerOf takes a content's key apart.
func (r *records) ownerOf(key string) (of Owner, ok bool) {
	rest, ok := strings.CutPrefix(key, r.store+"\x00")
	name, _, found := strings.Cut(rest, "\x00")
	resourceType, id, named := strings.Cut(name, "/")
	return Owner{resourceType, id}, ok && found && named
}

// get is a content's record; kv.ErrNotFound where there is none.
func (r *records) get(ctx context.Context, key string) (known record, err error) {
	err = r.db.View(ctx, func(tx kv.Tx) (err error) {
		known, err = r.known.Get(tx, key)
		return err
	})
	return known, err
}

// owned are the contents of a resource.
func (r *records) owned(ctx context.Context, of Owner) (found []kv.Keyed[record], err error) {
	err = r.db.View(ctx, func(tx kv.Tx) error {
		found, err = gather(r.known.Below(tx, r.ownerKey(of)))
		return err
	})
	return found, err
}

// left are the contents that are in doubt, and the blobs that belong to nobody.
func (r *records) left(ctx context.Context) (doubts, uploads []string, err error) {
	err = r.db.View(ctx, func(tx kv.Tx) error {
		inDoubt, err := gather(r.doubts.Below(tx, r.store+"\x00"))
		if err != nil {
			return err
		}
		begun, err := gather(r.uploads.Below(tx, r.store+"\x00"))
		doubts, uploads = nil, nil
		for _, d := range inDoubt {
			doubts = append(doubts, d.Key)
		}
		for _, u := range begun {
			uploads = append(uploads, strings.TrimPrefix(u.Key, r.store+"\x00"))
		}
		return err
	})
	return doubts, uploads, err
}

// any reports whether the data store has contents.
func (r *records) any(ctx context.Context) (found bool, err error) {
	err = r.db.View(ctx, func(tx kv.Tx) error {
		for _, err := range r.known.Below(tx, r.store+"\x00") {
			found = true
			return err
		}
		return nil
	})
	return found, err
}

// Any reports whether records speak of contents of a data store.
func Any(ctx context.Context, db kv.DB, store string) (bool, error) {
	return newRecords(db, store).any(ctx)
}

// forget removes all records of the data store.
func (r *records) forget(ctx context.Context) error {
	return r.db.Update(ctx, func(tx kv.Tx) error {
		known, err1 := gather(r.known.Below(tx, r.store+"\x00"))
		doubts, err2 := gather(r.doubts.Below(tx, r.store+"\x00"))
		begun, err3 := gather(r.uploads.Below(tx, r.store+"\x00"))
		err := errors.Join(err1, err2, err3)
		for _, k := range known {
			err = errors.Join(err, r.known.Delete(tx, k.Key))
		}
		for _, k := range doubts {
			err = errors.Join(err, r.doubts.Delete(tx, k.Key))
		}
		for _, k := range begun {
			err = errors.Join(err, r.uploads.Delete(tx, k.Key))
		}
		return err
	})
}

func gather[T any](all func(yield func(kv.Keyed[T], error) bool)) (found []kv.Keyed[T], err error) {
	for k, err := range all {
		if err != nil {
			return nil, err
		}
		found = append(found, k)
	}
	return found, nil
}
