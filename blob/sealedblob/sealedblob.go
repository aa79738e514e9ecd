// Package sealedblob owns a bucket that seals what is written to it and keeps it
// in another bucket, whose blobs are then of no use to anybody without the keys.
//
// It leaves to others: where the blobs are (blob), the form of what is sealed
// (crypt/seal), and the keys (crypt/keyring).
package sealedblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/crypt/seal"
)

// New makes a bucket that keeps its blobs sealed in another. Blobs that are
// there from before and are not sealed are read as they are.
func New(in blob.Bucket, keys seal.Keys) blob.Bucket { return &bucket{in, keys} }

type bucket struct {
	in   blob.Bucket
	keys seal.Keys
}

// piece is a blob that is read piece by piece.
type piece struct {
	ctx context.Context
	in  blob.Bucket
	key string
}

// ReadAt implements io.ReaderAt.
func (p *piece) ReadAt(b []byte, off int64) (int, error) {
	r, err := p.in.Open(p.ctx, p.key, off, int64(len(b)))
	if errors.Is(err, blob.ErrRange) {
		return 0, io.EOF
	}
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n, err := io.ReadFull(r, b)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// attempts is how often a blob is read that seems to be altered: one that is
// replaced between two looks at it seems so too.
const attempts = 5

// open opens a blob; content is nil where it is not sealed.
func (b *bucket) open(ctx context.Context, key string) (content *seal.Reader, info blob.Info, err error) {
	for range attempts {
		if content, info, err = b.openOnce(ctx, key); !errors.Is(err, seal.ErrAltered) {
			break
		}
	}
	return content, info, err
}

func (b *bucket) openOnce(ctx context.Context, key string) (content *seal.Reader, info blob.Info, err error) {
	if info, err = b.in.Stat(ctx, key); err != nil {
		return nil, info, err
	}
	content, err = seal.NewReader(&piece{ctx, b.in, key}, info.Size, b.keys)
	if errors.Is(err, seal.ErrPlain) {
		return nil, info, nil
	}
	if err != nil {
		return nil, info, fmt.Errorf("blob %q: %w", key, err)
	}
	info.Size = content.Size()
	return content, info, nil
}

// Open implements blob.Bucket. The first piece is read at once, so that a blob
// that was replaced meanwhile is opened again.
func (b *bucket) Open(ctx context.Context, key string, offset, length int64) (r io.ReadCloser, err error) {
	for range attempts {
		if r, err = b.openAt(ctx, key, offset, length); !errors.Is(err, seal.ErrAltered) {
			break
		}
	}
	return r, err
}

func (b *bucket) openAt(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	content, info, err := b.open(ctx, key)
	if err != nil {
		return nil, err
	}
	if content == nil {
		return b.in.Open(ctx, key, offset, length)
	}
	if offset > info.Size {
		return nil, fmt.Errorf("%w: %q has %d bytes", blob.ErrRange, key, info.Size)
	}
	if length < 0 || length > info.Size-offset {
		length = info.Size - offset
	}
	pieces := &ahead{from: io.NewSectionReader(content, offset, length)}
	if err := pieces.fill(); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("blob %q: %w", key, err)
	}
	return io.NopCloser(pieces), nil
}

// ahead reads large pieces, whatever is asked of it: each opens the blob anew.
type ahead struct {
	from *io.SectionReader
	buf  []byte
	rest []byte
}

// Read implements io.Reader.
func (a *ahead) Read(p []byte) (int, error) {
	if len(a.rest) == 0 {
		if err := a.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// fill reads the next piece.
func (a *ahead) fill() error {
	if a.buf == nil {
		a.buf = make([]byte, min(readAhead, max(a.from.Size(), 1)))
	}
	n, err := io.ReadFull(a.from, a.buf)
	if n == 0 || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	a.rest = a.buf[:n]
	return nil
}

const readAhead = 16 * seal.PageSize

// Stat implements blob.Bucket.
func (b *bucket) Stat(ctx context.Context, key string) (blob.Info, error) {
	_, info, err := b.open(ctx, key)
	return info, err
}

// List implements blob.Bucket.
func (b *bucket) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		for info, err := range b.in.List(ctx, prefix, after) {
			if err == nil {
				info, err = b.Stat(ctx, info.Key)
			}
			if errors.Is(err, blob.ErrNotFound) {
				continue // deleted meanwhile
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

// Delete implements blob.Bucket.
func (b *bucket) Delete(ctx context.Context, key string) error { return b.in.Delete(ctx, key) }

// Presign implements blob.Bucket: nobody else can open what is sealed.
func (b *bucket) Presign(context.Context, string, string, time.Duration) (string, error) {
	return "", blob.ErrNotSupported
}

// Create implements blob.Bucket.
func (b *bucket) Create(ctx context.Context, key string) (blob.Writer, error) {
	to, err := b.in.Create(ctx, key)
	if err != nil {
		return nil, err
	}
	sealed, err := seal.NewWriter(to, b.keys)
	if err != nil {
		return nil, errors.Join(err, to.Close())
	}
	return &writer{sealed, to}, nil
}

type writer struct {
	*seal.Writer
	to blob.Writer
}

// Commit implements blob.Writer.
func (w *writer) Commit() error {
	if err := w.Writer.Close(); err != nil {
		return err
	}
	return w.to.Commit()
}

// Close implements blob.Writer.
func (w *writer) Close() error { return w.to.Close() }
