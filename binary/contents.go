package binary

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/store"
)

// The usual limits.
const (
	// DefaultInline is how long content may be that stays in its resource.
	DefaultInline = 1 << 20
	// DefaultMax is how long content may be at all: what one object of S3 may
	// have been uploaded as at once.
	DefaultMax = 5 << 30
	// DefaultWhole is how much content of a version is put together in memory.
	DefaultWhole = 64 << 20
	// DefaultLife is how long a signed URL is good.
	DefaultLife = 5 * time.Minute
	// DefaultRetry is how long what could not be removed is left before it is
	// tried again.
	DefaultRetry = time.Minute
)

// Options for Open. Bucket, Records, Store, Key and Backend are required.
type Options struct {
	// Bucket takes the blobs, below Prefix, which is "" or ends in a slash.
	Bucket blob.Bucket
	Prefix string
	// Shared is set where a copy of the data folder, such as one that was restored
	// from a backup, may have contents in the same place.
	Shared bool
	// Records are the server's own records, Store the id of the data store.
	Records kv.DB
	Store   string
	// Key is a secret of the data store, of 32 bytes.
	Key []byte
	// Backend is the storage of its versions.
	Backend store.Store
	// Inline is how many bytes of content stay in their resource; 0 is
	// DefaultInline.
	Inline int64
	// Max is how many bytes a content may have; 0 is DefaultMax.
	Max int64
	// Whole is how many bytes of content a version may have that is put together
	// in memory; 0 is DefaultWhole. What is sent as it is read has no such limit.
	Whole int64
	// Life is how long a signed URL is good; 0 is DefaultLife.
	Life time.Duration
	// Retry is how long what could not be removed is left; 0 is DefaultRetry.
	Retry time.Duration
	// Logger is nil for slog.Default, Now nil for time.Now.
	Logger *slog.Logger
	Now    func() time.Time
	// Release, where not nil, is called by Close.
	Release func() error
}

// Contents are those of one data store. It is safe for concurrent use.
type Contents struct {
	opt        Options
	records    *records
	standInKey []byte
	urlKey     []byte
	// some is set where there is any content: without, no body is looked at.
	some atomic.Bool

	mu sync.Mutex
	// held are the contents that are being written or erased, by their keys.
	held map[string]*hold
	// busy are the blobs that are being uploaded or wait for their resource.
	busy map[string]bool
	// spent are the URLs that are being uploaded by.
	spent map[string]bool

	// recovering is held while records are made again; recovered is set then.
	recovering sync.Mutex
	recovered  bool

	// sweeping is held by the one sweep at a time.
	sweeping sync.Mutex

	wake  chan struct{}
	stop  context.CancelFunc
	ended chan struct{}
}

// Open opens the contents of a data store, and begins to remove what a crash
// left.
func Open(ctx context.Context, opt Options) (*Contents, error) {
	orElse(&opt.Inline, DefaultInline)
	orElse(&opt.Max, DefaultMax)
	orElse(&opt.Whole, DefaultWhole)
	orElse(&opt.Life, DefaultLife)
	orElse(&opt.Retry, DefaultRetry)
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	c := &Contents{
		opt: opt, records: newRecords(opt.Records, opt.Store),
		standInKey: derive(opt.Key, "stand-in"), urlKey: derive(opt.Key, "url"),
		held: map[string]*hold{}, busy: map[string]bool{}, spent: map[string]bool{},
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	some, err := c.records.any(ctx)
	if err == nil && !some {
		some, err = c.anyBlob(ctx)
	}
	if err != nil {
		return nil, err
	}
	c.some.Store(some)
	// What there is now is of a process before this one.
	doubts, uploads, err := c.records.left(ctx)
	if err != nil {
		return nil, err
	}
	work, stop := context.WithCancel(context.Background())
	c.stop = stop
	go c.tend(work, doubts, uploads)
	return c, nil
}

func orElse[T comparable](at *T, otherwise T) {
	var zero T
	if *at == zero {
		*at = otherwise
	}
}

// derive makes a key for one purpose. HKDF's second step, RFC 5869 section 2.3
func derive(key []byte, purpose string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("tarn binary " + purpose + "\x01"))
	return m.Sum(nil)
}

// Some reports whether there is any content.
func (c *Contents) Some() bool { return c != nil && c.some.Load() }

// Close ends what goes on beside the requests. The storage must be open still.
func (c *Contents) Close() error {
	if c == nil {
		return nil
	}
	c.stop()
	<-c.ended
	if c.opt.Release == nil {
		return nil
	}
	return c.opt.Release()
}

// Remove removes all contents and records of a data store that is deleted. A nil
// bucket is one that is gone.
func Remove(ctx context.Context, db kv.DB, store string, bucket blob.Bucket, prefix string) error {
	if bucket != nil {
		if err := blob.DeleteAll(ctx, bucket, prefix); err != nil && !errors.Is(err, blob.ErrNoBucket) {
			return err
		}
	}
	return newRecords(db, store).forget(ctx)
}

// newBlob is a key that was never used.
func newBlob() string {
	name := strings.ToLower(rand.Text())
	return name[:2] + "/" + name[2:]
}

// unreadable is the error of a content that cannot be read now.
func unreadable(of Owner, err error) error {
	return fhir.Errorf(fhir.KindUnavailable, "the content of %s cannot be read now; what keeps it does not answer as it should. Try again, or tell the server's operator", of).Because(fmt.Errorf("content of %s: %w", of, err))
}

// unwritable is the error of a content that cannot be stored now.
func unwritable(err error) error {
	return fhir.Errorf(fhir.KindUnavailable, "the content cannot be stored now: what keeps large contents is full or does not answer; nothing was stored. Try again later").Because(err)
}
