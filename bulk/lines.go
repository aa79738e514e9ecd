package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// chunkSize is how much is handed on together, in bytes.
	chunkSize = 1 << 20
	// maxLine is the greatest line, in bytes. It is that of large attachments.
	maxLine = 256 << 20
)

// A line is one line of NDJSON.
type line struct {
	// number counts from 1.
	number int
	text   []byte
	// long is set where the line was beyond maxLine; text is empty then.
	long bool
}

// A mark is a place in a file: behind so many lines and bytes of what it holds
// when it is decompressed.
type mark struct {
	Line   int
	Offset int64
}

// lines reads NDJSON in chunks of whole lines.
type lines struct {
	from  io.Reader
	at    mark
	carry []byte
	eof   bool
	// skipping is set within a line that is too long.
	skipping bool
}

// next reads a chunk: lines that are not blank, with where the chunk ends.
// At the end it returns io.EOF, with no lines.
func (l *lines) next() ([]line, error) {
	if l.eof && len(l.carry) == 0 {
		return nil, io.EOF
	}
	buf := append(make([]byte, 0, max(chunkSize, len(l.carry))+4096), l.carry...)
	l.carry = nil
	var found []line
	searched := 0
	for !l.eof {
		if len(buf) >= chunkSize {
			if bytes.IndexByte(buf[searched:], '\n') >= 0 {
				break
			}
			searched = len(buf)
			if len(buf) > maxLine {
				found = append(found, line{number: l.at.Line + 1, long: true})
				l.skipping = true
			}
			if l.skipping {
				l.at.Offset += int64(len(buf))
				buf, searched = buf[:0], 0
			}
		}
		var err error
		if buf, err = l.fill(buf); err != nil {
			return nil, err
		}
	}
	end := len(buf)
	if !l.eof {
		end = bytes.LastIndexByte(buf, '\n') + 1
	}
	l.carry = append(l.carry, buf[end:]...)
	return l.split(found, buf[:end]), nil
}

// fill reads once.
func (l *lines) fill(buf []byte) ([]byte, error) {
	if cap(buf)-len(buf) < 4096 {
		buf = append(buf, make([]byte, len(buf))...)[:len(buf)]
	}
	n, err := l.from.Read(buf[len(buf):cap(buf)])
	buf = buf[:len(buf)+n]
	if errors.Is(err, io.EOF) {
		l.eof, err = true, nil
	}
	return buf, err
}

// split takes whole lines apart and moves on behind them.
func (l *lines) split(found []line, text []byte) []line {
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n') + 1
		if end == 0 {
			end = len(text)
		}
		l.at.Line++
		raw := text[:end]
		if l.at.Offset == 0 {
			raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
		}
		l.at.Offset += int64(end)
		text = text[end:]
		if l.skipping {
			l.skipping = false // its end
			continue
		}
		if raw = bytes.TrimSpace(raw); len(raw) > 0 {
			found = append(found, line{number: l.at.Line, text: raw})
		}
	}
	return found
}

// decompressed reads a file that is plain, gzip or zstd, as its first bytes
// say, from a place on. The place counts decompressed bytes.
func decompressed(r io.Reader, from int64) (io.Reader, func(), error) {
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), r)
	plain, free := whole, func() {}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		if plain, err = gzip.NewReader(whole); err != nil {
			return nil, nil, fmt.Errorf("it is no whole gzip file: %w", err)
		}
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(whole, zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, err
		}
		plain, free = z, z.Close
	}
	if _, err := io.CopyN(io.Discard, plain, from); err != nil {
		free()
		if errors.Is(err, io.EOF) {
			err = errors.New("it is shorter than it was when the job began")
		}
		return nil, nil, err
	}
	return plain, free, nil
}
