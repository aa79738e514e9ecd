package binary

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
)

// An Upload is content that was taken as it is, for a resource to come. Either
// Discard or Contents.Keep, by way of Part, ends it.
type Upload struct {
	// Size is in bytes.
	Size   int64
	SHA1   [sha1.Size]byte
	SHA256 [sha256.Size]byte
	// Small is the content itself where it is to stay in its resource; there is
	// no blob then.
	Small []byte

	contents *Contents
	blob     string
	text     string
	// placed is where the blob went that the upload had.
	placed *source
}

// Expected is what is known of a content before it comes.
type Expected struct {
	// Size is in bytes; negative where it is not known.
	Size int64
	// SHA256 is nil where it is not known.
	SHA256 []byte
}

// Text is what is to be in the place of the content, as base64Binary, in the
// resource that Part is given. It means nothing to anybody else.
func (u *Upload) Text() string {
	if u.text == "" {
		return base64.StdEncoding.EncodeToString(u.Small)
	}
	return u.text
}

// piece is how much is read at a time: a multiple of three, so that base64 of
// pieces is base64 of the whole.
const piece = 192 << 10

// Take reads content to its end and keeps it durably. What is wrong with it is a
// KindTooLarge, KindInvalid or KindUnprocessable; KindUnavailable where it
// cannot be kept. Nothing is left of it after an error.
func (c *Contents) Take(ctx context.Context, from io.Reader, expected Expected) (*Upload, error) {
	if expected.Size > c.opt.Max {
		return nil, c.tooLarge()
	}
	start := make([]byte, c.opt.Inline+1)
	n, err := io.ReadFull(from, start)
	u := &Upload{contents: c}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		if err := ended(from); err != nil {
			return nil, err
		}
		u.Small, u.Size = start[:n], int64(n)
		u.SHA1, u.SHA256 = sha1.Sum(u.Small), sha256.Sum256(u.Small)
		return u, expected.check(u)
	}
	if err != nil {
		return nil, cutShort(err)
	}
	if err := c.takeLarge(ctx, u, io.MultiReader(bytes.NewReader(start), from), expected); err != nil {
		return nil, err
	}
	return u, nil
}

// ended tells the end of a body from one that was cut off, which some readers
// report as an unexpected end as well.
func ended(from io.Reader) error {
	var b [1]byte
	if _, err := from.Read(b[:]); err != nil && !errors.Is(err, io.EOF) {
		return cutShort(err)
	}
	return nil
}

// takeLarge makes a blob of content.
func (c *Contents) takeLarge(ctx context.Context, u *Upload, from io.Reader, expected Expected) error {
	sums := newSums()
	blob, size, err := c.write(ctx, io.TeeReader(from, sums))
	if err != nil {
		return err
	}
	u.blob, u.Size, u.text = blob, size, placeholder()
	sums.sum(u)
	if err := expected.check(u); err != nil {
		u.Discard(ctx)
		return err
	}
	return nil
}

// write makes a blob of what is read, and records it before. It is busy until
// somebody says what becomes of it.
func (c *Contents) write(ctx context.Context, from io.Reader) (key string, size int64, err error) {
	key = newBlob()
	c.mu.Lock()
	c.busy[key] = true
	c.mu.Unlock()
	err = c.records.db.Update(ctx, func(tx kv.Tx) error {
		return c.records.uploads.Put(tx, c.records.uploadKey(key), upload{Begun: c.opt.Now().UTC()}, time.Time{})
	})
	if err != nil {
		c.idle(key)
		return "", 0, err
	}
	if size, err = c.copy(ctx, key, from); err != nil {
		c.discard(ctx, key)
		return "", 0, err
	}
	return key, size, nil
}

func (c *Contents) copy(ctx context.Context, key string, from io.Reader) (size int64, err error) {
	w, err := c.opt.Bucket.Create(ctx, c.opt.Prefix+key)
	if err != nil {
		return 0, unwritable(err)
	}
	defer func() { _ = w.Close() }() // after Commit it does nothing; before, the error is another
	buf := make([]byte, piece)
	for {
		n, err := io.ReadFull(from, buf)
		if size += int64(n); size > c.opt.Max {
			return 0, c.tooLarge()
		}
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return 0, unwritable(err)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
		case errors.Is(err, io.ErrUnexpectedEOF):
			if err := ended(from); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, cutShort(err)
		default:
			continue
		}
		if err := w.Commit(); err != nil {
			return 0, unwritable(err)
		}
		return size, nil
	}
}

// sums are the hashes of a content.
type sums struct{ sha1, sha256 hash.Hash }

func newSums() *sums { return &sums{sha1.New(), sha256.New()} }

// Write implements io.Writer.
func (s *sums) Write(p []byte) (int, error) {
	s.sha1.Write(p)
	return s.sha256.Write(p)
}

func (s *sums) sum(u *Upload) {
	s.sha1.Sum(u.SHA1[:0])
	s.sha256.Sum(u.SHA256[:0])
}

// placeholder is a text that nobody has used.
func placeholder() string {
	var b [24]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return "+/tarn/upload//+" + base64.StdEncoding.EncodeToString(b[:])
}

// check compares what came with what was to come.
func (e *Expected) check(u *Upload) error {
	switch {
	case e.Size >= 0 && u.Size != e.Size:
		return fhir.Errorf(fhir.KindInvalid, "the content has %d bytes where %d were announced; nothing was stored, send it again", u.Size, e.Size)
	case e.SHA256 != nil && !bytes.Equal(e.SHA256, u.SHA256[:]):
		return fhir.Errorf(fhir.KindUnprocessable, "the content is not the one that was announced: its SHA-256 is %s and not %s; nothing was stored, send it again",
			base64.StdEncoding.EncodeToString(u.SHA256[:]), base64.StdEncoding.EncodeToString(e.SHA256))
	}
	return nil
}

// Discard removes the content, unless it has become part of a resource.
func (u *Upload) Discard(ctx context.Context) {
	if u == nil || u.blob == "" {
		return
	}
	u.contents.discard(ctx, u.blob)
	u.blob = ""
}

// discard removes a blob that belongs to no resource. What cannot be removed now
// is tried again.
func (c *Contents) discard(ctx context.Context, key string) {
	defer c.idle(key)
	if err := c.removeBlob(context.WithoutCancel(ctx), key); err != nil {
		c.opt.Logger.Error("an upload that came to nothing could not be removed; it is tried again", "store", c.opt.Store, "error", err)
		c.again()
	}
}

func (c *Contents) removeBlob(ctx context.Context, key string) error {
	if err := c.remove(ctx, key); err != nil {
		return err
	}
	return c.records.db.Update(ctx, func(tx kv.Tx) error {
		return c.records.uploads.Delete(tx, c.records.uploadKey(key))
	})
}

// idle ends that a blob is being written.
func (c *Contents) idle(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.busy, key)
}

func (c *Contents) tooLarge() error {
	return fhir.Errorf(fhir.KindTooLarge, "the content is larger than %d bytes, the most that is stored of one", c.opt.Max)
}

// cutShort is the error of a body that broke off. One that says itself what is
// wrong keeps its words.
func cutShort(err error) error {
	var known *fhir.Error
	if errors.As(err, &known) {
		return err
	}
	return fhir.CutShort("nothing was stored: the content", err)
}
