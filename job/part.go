package job

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/tarnhealth/tarn/kv"
)

// partSize is the size of a part's chunks, in bytes: each is one record.
const partSize = 256 << 10

// partPrefix is the beginning of the keys of a job's parts. No table has this
// name.
func partPrefix(id string) []byte { return append([]byte("job_part\x00"+id), 0) }

func partKey(id, name string, chunk uint32) []byte {
	key := append(append(partPrefix(id), name...), 0)
	return binary.BigEndian.AppendUint32(key, chunk)
}

// after is the first key that does not begin with prefix, which ends in a
// zero byte.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	end[len(end)-1]++
	return end
}

// writePart writes a whole part.
func (q *Queue) writePart(ctx context.Context, id, name string, data []byte) error {
	w := &PartWriter{ctx: ctx, queue: q, id: id, name: name, limit: int64(len(data))}
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Close()
}

// removeParts removes all parts of a job, some chunks at a time.
func (q *Queue) removeParts(ctx context.Context, id string) error {
	return q.removeRange(ctx, partPrefix(id), after(partPrefix(id)))
}

const removeAtOnce = 16

func (q *Queue) removeRange(ctx context.Context, from, to []byte) error {
	for {
		var keys [][]byte
		err := q.DB.Update(ctx, func(tx kv.Tx) error {
			keys = keys[:0]
			for r, err := range tx.Scan(from, to) {
				if err != nil {
					return err
				}
				if keys = append(keys, r.Key); len(keys) == removeAtOnce {
					break
				}
			}
			for _, key := range keys {
				if err := tx.Delete(key); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(keys) < removeAtOnce {
			return err
		}
	}
}

// A PartWriter writes a part. What was written is durable after Close.
type PartWriter struct {
	ctx      context.Context
	queue    *Queue
	id, name string
	buf      []byte
	chunk    uint32
	size     int64
	limit    int64
}

// Size is how many bytes were written.
func (w *PartWriter) Size() int64 { return w.size }

// Write adds bytes. It fails with ErrTooLarge beyond the part's limit.
func (w *PartWriter) Write(b []byte) (int, error) {
	if w.size += int64(len(b)); w.size > w.limit {
		return 0, ErrTooLarge
	}
	w.buf = append(w.buf, b...)
	for len(w.buf) >= partSize {
		if err := w.flush(w.buf[:partSize]); err != nil {
			return 0, err
		}
		w.buf = append(w.buf[:0], w.buf[partSize:]...)
	}
	return len(b), nil
}

func (w *PartWriter) flush(b []byte) error {
	q := w.queue
	err := q.DB.Update(w.ctx, func(tx kv.Tx) error {
		return tx.Set(partKey(w.id, w.name, w.chunk), b, q.Now().Add(q.Keep))
	})
	w.chunk++
	return err
}

// Close writes what is left.
func (w *PartWriter) Close() error {
	if len(w.buf) == 0 && w.chunk > 0 {
		return nil
	}
	err := w.flush(w.buf)
	w.buf = nil
	return err
}

// Part reads a part of a job. Reading fails with ErrNotFound where there is no
// such part, or it has expired.
func (q *Queue) Part(ctx context.Context, id, name string) io.Reader {
	return &partReader{ctx: ctx, queue: q, id: id, name: name}
}

type partReader struct {
	ctx      context.Context
	queue    *Queue
	id, name string
	chunk    uint32
	rest     []byte
	last     bool
}

func (r *partReader) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.last {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// next reads a chunk. All but the last have partSize bytes.
func (r *partReader) next() error {
	err := r.queue.DB.View(r.ctx, func(tx kv.Tx) (err error) {
		r.rest, err = tx.Get(partKey(r.id, r.name, r.chunk))
		return err
	})
	switch {
	case errors.Is(err, kv.ErrNotFound) && r.chunk > 0:
		r.last = true
		return nil
	case errors.Is(err, kv.ErrNotFound):
		return ErrNotFound
	}
	r.chunk++
	r.last = len(r.rest) < partSize
	return err
}
