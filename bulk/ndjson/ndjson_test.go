package ndjson_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tarnhealth/tarn/bulk/ndjson"
)

// read reads all lines, and the mark behind each chunk.
func read(t *testing.T, r *ndjson.Reader) (all []string, marks []ndjson.Mark) {
	t.Helper()
	for {
		lines, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, marks
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			all = append(all, fmt.Sprintf("%d %s", l.Number, l.Text))
		}
		marks = append(marks, r.At())
	}
}

func TestLines(t *testing.T) {
	text := "\xef\xbb\xbf{\"a\":1}\r\n\n  \n{\"b\":2}\n{\"c\":3}"
	got, _ := read(t, ndjson.NewReader(strings.NewReader(text), ndjson.Mark{}))
	if want := `1 {"a":1}, 4 {"b":2}, 5 {"c":3}`; strings.Join(got, ", ") != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestMarks goes on behind each chunk, in each form of the file.
func TestMarks(t *testing.T) {
	var text bytes.Buffer
	for i := range 60_000 {
		fmt.Fprintf(&text, "{\"number\":%d,\"filling\":%q}\n", i, strings.Repeat("x", i%80))
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(text.Bytes())
	_ = z.Close()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"plain": text.Bytes(), "gzip": zipped.Bytes(), "zstd": encoder.EncodeAll(text.Bytes(), nil)} {
		from := func(at ndjson.Mark) ([]string, []ndjson.Mark) {
			plain, free, err := ndjson.Decompressed(bytes.NewReader(file), at.Offset)
			if err != nil {
				t.Fatal(name, err)
			}
			defer free()
			return read(t, ndjson.NewReader(plain, at))
		}
		all, marks := from(ndjson.Mark{})
		if len(all) != 60_000 || len(marks) < 3 {
			t.Fatalf("%s: %d lines in %d chunks", name, len(all), len(marks))
		}
		for _, at := range marks {
			rest, _ := from(at)
			if len(rest) != len(all)-at.Line || len(rest) > 0 && rest[0] != all[at.Line] {
				t.Errorf("%s: %d lines behind %+v", name, len(rest), at)
			}
		}
		if _, _, err := ndjson.Decompressed(bytes.NewReader(file), int64(text.Len())+1); err == nil {
			t.Errorf("%s: read beyond its end", name)
		}
	}
	if _, _, err := ndjson.Decompressed(strings.NewReader("\x1f\x8b"), 0); err == nil {
		t.Error("a broken gzip file")
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("{}\n\n{}"), 3)
	f.Fuzz(func(t *testing.T, text []byte, step int) {
		got, _ := read(t, ndjson.NewReader(&stepped{text, max(1, step)}, ndjson.Mark{}))
		var want []string
		for i, l := range bytes.Split(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), []byte("\n")) {
			if l = bytes.TrimSpace(l); len(l) > 0 {
				want = append(want, fmt.Sprintf("%d %s", i+1, l))
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	})
}

// stepped yields few bytes at a time.
type stepped struct {
	rest []byte
	step int
}

func (s *stepped) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest[:min(s.step, len(s.rest))])
	s.rest = s.rest[n:]
	return n, nil
}
