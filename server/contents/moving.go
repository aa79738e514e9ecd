package contents

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tarnhealth/tarn/blob"
)

// A moving is a bucket of which some blobs lie in the data folder still, as after
// a restore: there they are read, while they are moved to the bucket one by one.
// What is there already is left as it is, so that a move that is cut off goes on
// where it was. No key of theirs is ever written again.
type moving struct {
	blob.Bucket // where they go
	// prefix is that of their keys in the bucket; dir is the folder that has them.
	prefix, dir string
	store       string
	log         *slog.Logger
	// wait returns a channel that has an element after a time.
	wait func(time.Duration) <-chan time.Time
	// moved is called once when all are there.
	moved func() error

	// open is held for reading while from is used; from is nil in the end.
	open sync.RWMutex
	from *blob.Dir

	// mu guards under.
	mu    sync.Mutex
	under map[string]*upload
	// blobs and bytes are still to be moved, as far as they were counted.
	blobs, bytes atomic.Int64

	cancel context.CancelFunc
	ended  chan struct{}
}

// An upload is a blob on its way. Whoever removes it meanwhile cancels it, and
// waits until it has ended.
type upload struct {
	cancel  context.CancelFunc
	removed bool
	ended   chan struct{}
}

// How long a move that failed waits before it goes on, at first and at most, and
// how many blobs are moved at a time.
const (
	firstWait = 5 * time.Second
	mostWait  = 5 * time.Minute
	movers    = 4
	// toldEvery is how often the log has how far it is.
	toldEvery = time.Minute
)

func (m *moving) start() {
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel, m.ended, m.under = cancel, make(chan struct{}), map[string]*upload{}
	go func() {
		defer close(m.ended)
		for pause := firstWait; ; pause = min(2*pause, mostWait) {
			err := m.pass(ctx)
			if err == nil {
				err = m.finish()
			}
			if err == nil || ctx.Err() != nil {
				return
			}
			m.log.Error("contents in the data folder cannot be moved to the bucket; they are read from the folder, and it is tried again", "store", m.store, "left", m.blobs.Load(), "in", pause, "error", err)
			select {
			case <-ctx.Done():
				return
			case <-m.wait(pause):
			}
		}
	}()
}

// close ends the moving, for the next start.
func (m *moving) close() error {
	m.cancel()
	<-m.ended
	m.open.Lock()
	defer m.open.Unlock()
	if m.from == nil {
		return nil
	}
	err := m.from.Close()
	m.from = nil
	return err
}

// pass moves what lies in the folder. Where one cannot be moved the others are,
// and the first error is returned.
func (m *moving) pass(ctx context.Context) error {
	blobs, bytes := int64(0), int64(0)
	for info, err := range m.from.List(ctx, "", "") {
		if err != nil {
			return err
		}
		blobs, bytes = blobs+1, bytes+info.Size
	}
	m.blobs.Store(blobs)
	m.bytes.Store(bytes)
	m.log.Info("contents in the data folder are moved to the bucket", "store", m.store, "contents", blobs, "bytes", bytes)
	group := errgroup.Group{}
	group.SetLimit(movers)
	told := time.Now()
	for info, err := range m.from.List(ctx, "", "") {
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		group.Go(func() error { return m.move(ctx, info) })
		if time.Since(told) >= toldEvery {
			told = time.Now()
			m.log.Info("contents in the data folder are being moved to the bucket", "store", m.store, "left", m.blobs.Load(), "bytes", m.bytes.Load())
		}
	}
	return group.Wait()
}

// move moves one blob, unless it is removed meanwhile.
func (m *moving) move(ctx context.Context, info blob.Info) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m.mu.Lock()
	if _, err := m.from.Stat(ctx, info.Key); err != nil {
		m.mu.Unlock()
		m.count(info)
		return ignoreMissing(err)
	}
	u := &upload{cancel: cancel, ended: make(chan struct{})}
	m.under[info.Key] = u
	m.mu.Unlock()
	err := m.upload(ctx, info)

	m.mu.Lock()
	defer m.mu.Unlock()
	defer close(u.ended)
	delete(m.under, info.Key)
	if u.removed {
		m.count(info)
		return nil
	}
	if err == nil {
		err = m.from.Delete(ctx, info.Key)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", info.Key, err)
	}
	m.count(info)
	return nil
}

func (m *moving) count(info blob.Info) {
	m.blobs.Add(-1)
	m.bytes.Add(-info.Size)
}

func ignoreMissing(err error) error {
	if errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	return err
}

// upload copies one blob, unless one of its size is there.
func (m *moving) upload(ctx context.Context, info blob.Info) error {
	there, err := m.Bucket.Stat(ctx, m.prefix+info.Key)
	if err == nil && there.Size == info.Size {
		return nil
	}
	if err := ignoreMissing(err); err != nil {
		return err
	}
	r, err := m.from.Open(ctx, info.Key, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := m.Bucket.Create(ctx, m.prefix+info.Key)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err // removed, or told to end
	}
	return w.Commit()
}

// finish removes the folder.
func (m *moving) finish() error {
	m.open.Lock()
	err := m.from.Close()
	m.from = nil
	m.open.Unlock()
	if err = errors.Join(err, os.RemoveAll(m.dir)); err == nil {
		err = m.moved()
	}
	if err != nil {
		m.log.Error("contents were moved to the bucket, and what is left of their folder is removed at the next start", "store", m.store, "error", err)
		return nil
	}
	m.log.Info("contents in the data folder were moved to the bucket", "store", m.store)
	return nil
}

// here does something with the folder; false where it has nothing any more, or
// not that.
func (m *moving) here(do func(from *blob.Dir) error) (bool, error) {
	m.open.RLock()
	defer m.open.RUnlock()
	if m.from == nil {
		return false, nil
	}
	err := do(m.from)
	return !errors.Is(err, blob.ErrNotFound), err
}

// Open implements blob.Bucket.
func (m *moving) Open(ctx context.Context, key string, offset, length int64) (r io.ReadCloser, err error) {
	found, err := m.here(func(from *blob.Dir) error {
		r, err = from.Open(ctx, strings.TrimPrefix(key, m.prefix), offset, length)
		return err
	})
	if found {
		return r, err
	}
	return m.Bucket.Open(ctx, key, offset, length)
}

// Stat implements blob.Bucket.
func (m *moving) Stat(ctx context.Context, key string) (info blob.Info, err error) {
	found, err := m.here(func(from *blob.Dir) error {
		info, err = from.Stat(ctx, strings.TrimPrefix(key, m.prefix))
		return err
	})
	if found {
		info.Key = key
		return info, err
	}
	return m.Bucket.Stat(ctx, key)
}

// Presign implements blob.Bucket. What lies in the folder is not the service's to
// give.
func (m *moving) Presign(ctx context.Context, method, key string, life time.Duration) (string, error) {
	found, err := m.here(func(from *blob.Dir) error {
		_, err := from.Stat(ctx, strings.TrimPrefix(key, m.prefix))
		return err
	})
	if found {
		return "", errors.Join(err, blob.ErrNotSupported)
	}
	return m.Bucket.Presign(ctx, method, key, life)
}

// Delete implements blob.Bucket: in both, and so that no upload brings it back.
func (m *moving) Delete(ctx context.Context, key string) error {
	_, err := m.here(func(from *blob.Dir) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		name := strings.TrimPrefix(key, m.prefix)
		if u := m.under[name]; u != nil {
			u.removed = true
			u.cancel()
			m.mu.Unlock()
			<-u.ended
			m.mu.Lock()
		}
		return from.Delete(ctx, name)
	})
	if err != nil {
		return err
	}
	return m.Bucket.Delete(ctx, key)
}

// List implements blob.Bucket. What lies in the folder is looked at first, so
// that nothing is missed that is moved meanwhile.
func (m *moving) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		here, err := m.listed(ctx, prefix, after)
		if err != nil {
			yield(blob.Info{}, err)
			return
		}
		for info, err := range m.Bucket.List(ctx, prefix, after) {
			for err == nil && len(here) > 0 && here[0].Key <= info.Key {
				if here[0].Key < info.Key && !yield(here[0], nil) {
					return
				}
				here = here[1:]
			}
			if !yield(info, err) || err != nil {
				return
			}
		}
		for _, info := range here {
			if !yield(info, nil) {
				return
			}
		}
	}
}

// listed are the blobs in the folder, by the keys that they are to have.
func (m *moving) listed(ctx context.Context, prefix, after string) (list []blob.Info, err error) {
	_, err = m.here(func(from *blob.Dir) error {
		for info, err := range from.List(ctx, "", "") {
			if err != nil {
				return err
			}
			if info.Key = m.prefix + info.Key; strings.HasPrefix(info.Key, prefix) && info.Key > after {
				list = append(list, info)
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b blob.Info) int { return strings.Compare(a.Key, b.Key) })
	return list, err
}
