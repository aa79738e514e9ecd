package seal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	frameHead = 4 + 8
	// maxFrame bounds the content of a frame.
	maxFrame = 64 << 10
)

// A FrameWriter seals each Write as a frame of its own, and hands it on at once.
// It is for one goroutine.
type FrameWriter struct {
	to     io.Writer
	h      *header
	at     int64
	synced int64
	out    []byte
}

// NewFrameWriter makes a FrameWriter of a file whose header it writes: a new
// file, or one that is written over from its start. What such a file held
// before cannot be opened behind the new frames.
func NewFrameWriter(to io.Writer, keys Keys) (*FrameWriter, error) {
	h, err := newHeader(keys, Frames)
	if err != nil {
		return nil, err
	}
	if _, err := to.Write(h.bytes[:]); err != nil {
		return nil, err
	}
	return &FrameWriter{to: to, h: h, at: HeaderSize}, nil
}

// Write implements io.Writer. After an error the file must not be written on.
func (w *FrameWriter) Write(p []byte) (int, error) {
	w.out = w.out[:0]
	at := w.at
	for rest := p; len(rest) > 0; {
		n := min(len(rest), maxFrame)
		begin := len(w.out)
		w.out = binary.BigEndian.AppendUint32(w.out, uint32(n))
		w.out = binary.BigEndian.AppendUint64(w.out, uint64(w.synced))
		number := nonce(nonceFrame, at)
		w.out = w.h.aead.Seal(w.out, number[:], rest[:n], w.out[begin:begin+frameHead])
		at += int64(frameHead + n + tagSize)
		rest = rest[n:]
	}
	if _, err := w.to.Write(w.out); err != nil {
		return 0, err
	}
	w.at = at
	return len(p), nil
}

// At is the size of the file so far.
func (w *FrameWriter) At() int64 { return w.at }

// Synced is told that the file is durable as far as At was.
func (w *FrameWriter) Synced(at int64) { w.synced = max(w.synced, at) }

// A FrameReader reads a sealed file of frames from its start.
type FrameReader struct {
	from  io.ReaderAt
	size  int64
	in    *bufio.Reader
	h     *header
	at    int64
	buf   []byte
	plain []byte
	err   error
}

// NewFrameReader opens a sealed file of so many bytes: ErrPlain where it is not
// sealed.
func NewFrameReader(from io.ReaderAt, sealedSize int64, keys Keys) (*FrameReader, error) {
	h, err := readHeader(keys, from)
	if err != nil {
		return nil, err
	}
	if h.form != Frames {
		return nil, fmt.Errorf("%w: it is no log", ErrAltered)
	}
	in := bufio.NewReaderSize(io.NewSectionReader(from, HeaderSize, max(sealedSize-HeaderSize, 0)), 256<<10)
	return &FrameReader{from: from, size: sealedSize, in: in, h: h, at: HeaderSize}, nil
}

// Read implements io.Reader. The file ends where a power failure cut it off.
func (r *FrameReader) Read(p []byte) (int, error) {
	for len(r.plain) == 0 {
		if r.err == nil {
			r.err = r.next()
		}
		if r.err != nil {
			return 0, r.err
		}
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}

// next opens a frame.
func (r *FrameReader) next() error {
	r.buf = append(r.buf[:0], make([]byte, frameHead)...)
	if n, err := io.ReadFull(r.in, r.buf); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return io.EOF
		}
		return r.end(err)
	}
	length := binary.BigEndian.Uint32(r.buf)
	if length == 0 || length > maxFrame {
		return r.end(nil)
	}
	r.buf = append(r.buf, make([]byte, int(length)+tagSize)...)
	if _, err := io.ReadFull(r.in, r.buf[frameHead:]); err != nil {
		return r.end(err)
	}
	plain, _, ok := r.open(r.at, r.buf)
	if !ok {
		return r.end(nil)
	}
	r.at += int64(len(r.buf))
	r.plain = plain
	return nil
}

// open opens a frame in place. What cannot be opened stays as it is only where
// there is no tag for it: the bytes are of no use after that.
func (r *FrameReader) open(at int64, frame []byte) (plain []byte, synced int64, ok bool) {
	number := nonce(nonceFrame, at)
	plain, err := r.h.aead.Open(frame[frameHead:frameHead], number[:], frame[frameHead:], frame[:frameHead])
	return plain, int64(binary.BigEndian.Uint64(frame[4:])), err == nil
}

// end says why the file ends at r.at: io.EOF where nothing shows that more of
// it was durable, as after a power failure or in a file that was written over,
// ErrAltered where a later frame says so.
func (r *FrameReader) end(err error) error {
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	durable, err := r.durableBehind()
	if err != nil {
		return err
	}
	if durable {
		return fmt.Errorf("%w: the frame at byte %d", ErrAltered, r.at)
	}
	return io.EOF
}

// durableBehind looks for a frame behind r.at, at any place, that was written
// when what is at r.at was durable.
func (r *FrameReader) durableBehind() (bool, error) {
	const window = 1 << 20
	buf := make([]byte, window+frameHead+maxFrame+tagSize)
	frame := make([]byte, 0, frameHead+maxFrame+tagSize)
	for base := r.at + 1; base < r.size; base += window {
		n, err := r.from.ReadAt(buf[:min(int64(len(buf)), r.size-base)], base)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		for i := 0; i < min(window, n-frameHead-tagSize); i++ {
			length := int(binary.BigEndian.Uint32(buf[i:]))
			if length == 0 || length > maxFrame || i+frameHead+length+tagSize > n {
				continue
			}
			if int64(binary.BigEndian.Uint64(buf[i+4:])) <= r.at {
				continue
			}
			frame = append(frame[:0], buf[i:i+frameHead+length+tagSize]...)
			if _, _, ok := r.open(base+int64(i), frame); ok {
				return true, nil
			}
		}
	}
	return false, nil
}
