// Package ndjson reads files of one JSON text a line, plain or compressed, in
// chunks of whole lines, from any line on.
// https://github.com/ndjson/ndjson-spec
//
// It leaves to others: what the lines are (bulk).
package ndjson

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
	// MaxLine is the greatest line, in bytes. It is that of large attachments.
	MaxLine = 256 << 20
)

// A Line is one line.
type Line struct {
	// Number counts from 1.
	Number int
	Text   []byte
	// Long is set where the line was beyond MaxLine; Text is empty then.
	Long bool
}

// A Mark is a place in a file: behind so many lines and bytes of what it holds
// when it is decompressed.
type Mark struct {
	Line   int
	Offset int64
}

// A Reader reads chunks of whole lines.
type Reader struct {
	from  io.Reader
	at    Mark
	carry []byte
	eof   bool
	// skipping is set within a line that is too long.
	skipping bool
}

// NewReader reads text that begins at a mark of its file.
func NewReader(text io.Reader, at Mark) *Reader { return &Reader{from: text, at: at} }

// At is where the next chunk begins.
func (l *Reader) At() Mark { return l.at }

// Ended reports whether there is no further chunk.
func (l *Reader) Ended() bool { return l.eof && len(l.carry) == 0 }

// Next reads a chunk: lines that are not blank, with where the chunk ends.
// At the end it returns io.EOF, with no lines.
func (l *Reader) Next() ([]Line, error) {
	if l.Ended() {
		return nil, io.EOF
	}
	buf := append(make([]byte, 0, max(chunkSize, len(l.carry))+4096), l.carry...)
	l.carry = nil
	var found []Line
	searched := 0
	for !l.eof {
		if len(buf) >= chunkSize {
			if bytes.IndexByte(buf[searched:], '\n') >= 0 {
				break
			}
			searched = len(buf)
			if len(buf) > MaxLine {
				found = append(found, Line{Number: l.at.Line + 1, Long: true})
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
func (l *Reader) fill(buf []byte) ([]byte, error) {
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
func (l *Reader) split(found []Line, text []byte) []Line {
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
			found = append(found, Line{Number: l.at.Line, Text: raw})
		}
	}
	return found
}

// Decompressed reads a file that is plain, gzip or zstd, as its first bytes
// say, from a place on. The place counts decompressed bytes; free frees
// what reading takes.
func Decompressed(r io.Reader, from int64) (plain io.Reader, free func(), err error) {
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), r)
	plain, free = whole, func() {}
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
