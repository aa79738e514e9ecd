package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
	"unicode/utf8"
)

// A Bucket holds blobs. It is safe for concurrent use.
type Bucket interface {
	// Open reads a blob from a byte offset on, at most length bytes; a negative
	// length is all there is. It fails with ErrNotFound, and with ErrRange
	// where the offset lies beyond the blob's end.
	Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
	// Stat describes a blob, or fails with ErrNotFound.
	Stat(ctx context.Context, key string) (Info, error)
	// Create begins a blob. Another under that key stays until Commit replaces
	// it. It fails with ErrKey for a key that CheckKey refuses.
	Create(ctx context.Context, key string) (Writer, error)
	// List yields the blobs whose keys begin with prefix and come after the key
	// after, in the order of their bytes, without holding them all in memory.
	List(ctx context.Context, prefix, after string) iter.Seq2[Info, error]
	// Delete removes a blob. One that is not there is no error.
	Delete(ctx context.Context, key string) error
	// Presign returns a URL by which anybody may GET or PUT the blob for a
	// while. It fails with ErrNotSupported where the bucket has no such thing.
	Presign(ctx context.Context, method, key string, life time.Duration) (string, error)
}

// Info describes a blob.
type Info struct {
	Key string
	// Size is in bytes.
	Size int64
	// Modified is when it was written.
	Modified time.Time
	// ETag changes whenever the content does; it is opaque and may be "".
	ETag string
}

// A Writer writes one blob. Exactly one of Commit and Close ends it; Close after
// Commit does nothing, so that it can be deferred.
type Writer interface {
	io.Writer
	// Commit makes what was written the blob. It is durable then.
	Commit() error
	// Close gives up what was written.
	Close() error
}

// Errors that callers tell apart. Others are of the bucket: it cannot be
// reached, is full, and the like.
var (
	ErrNotFound     = errors.New("blob: no such blob")
	ErrRange        = errors.New("blob: the offset is beyond the blob's end")
	ErrKey          = errors.New("blob: not a key")
	ErrDenied       = errors.New("blob: access denied")
	ErrNoBucket     = errors.New("blob: no such bucket or folder")
	ErrNotSupported = errors.New("blob: not supported by this bucket")
	// ErrBusy is for a service that does not answer, or asks to come later, and
	// did so each time that it was asked.
	ErrBusy = errors.New("blob: the service does not answer, or asks to come back later")
)

// maxKey is the greatest length of a key in bytes, which S3 has.
const maxKey = 1024

// CheckKey refuses, with ErrKey, what cannot be a key everywhere: it must be
// UTF-8 of 1 to 1024 bytes, and its segments must not be empty, "." or "..", nor
// hold control characters or backslashes.
func CheckKey(key string) error {
	if key == "" || len(key) > maxKey || !utf8.ValidString(key) {
		return fmt.Errorf("%w: %.60q must be UTF-8 of 1 to %d bytes", ErrKey, key, maxKey)
	}
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment == "." || segment == ".." || len(segment) > 255 {
			return fmt.Errorf("%w: %.60q has a segment that is empty, a dot or two, or longer than 255 bytes", ErrKey, key)
		}
		if strings.HasPrefix(segment, partial) || strings.ContainsFunc(segment, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' }) {
			return fmt.Errorf("%w: %.60q has a character or a beginning that is not allowed", ErrKey, key)
		}
	}
	return nil
}

// DeleteAll removes all blobs whose keys begin with prefix.
func DeleteAll(ctx context.Context, b Bucket, prefix string) error {
	for info, err := range b.List(ctx, prefix, "") {
		if err != nil {
			return err
		}
		if err := b.Delete(ctx, info.Key); err != nil {
			return err
		}
	}
	return nil
}

// Write writes a whole blob.
func Write(ctx context.Context, b Bucket, key string, data []byte) error {
	w, err := b.Create(ctx, key)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Commit()
}

// Read reads a whole blob, of limit bytes at most.
func Read(ctx context.Context, b Bucket, key string, limit int64) ([]byte, error) {
	r, err := b.Open(ctx, key, 0, limit+1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("blob: %q has more than %d bytes", key, limit)
	}
	return data, err
}
