// Package packed owns the form in which tables of a release of FHIR are built
// into the program: compressed, and where a table is a list of resources a line
// for each, its facts and its JSON between tabs. It makes such tables of
// published packages, for the commands of go generate, and reads them.
//
// It leaves to others: which facts a table has (definition, guide/release,
// terminology/release).
package packed

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Compress is zstd at its best, in one thread so that the bytes do not depend
// on the machine.
func Compress(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Decompress gives back what was compressed.
func Decompress(compressed []byte) ([]byte, error) {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.DecodeAll(compressed, nil)
}

// WriteLines makes the file out of the package's archive in: line says what
// becomes of a file of the package, of the given name, or "" for one that the
// table does not have. Lines are in their order, so that the same package
// always gives the same table.
func WriteLines(in, out string, line func(name string, content []byte) (string, error)) error {
	archive, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	files, err := Files(archive)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	var lines []string
	for name, content := range files {
		made, err := line(name, content)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if made != "" {
			lines = append(lines, made+"\n")
		}
	}
	slices.Sort(lines)
	data, err := Compress([]byte(strings.Join(lines, "")))
	if err != nil {
		return err
	}
	return os.WriteFile(out, data, 0o644)
}

// ReadLines calls take with the parts of each line, in the table's order. A line
// of another number of parts than n is an error.
func ReadLines(compressed []byte, n int, take func(parts [][]byte)) error {
	data, err := Decompress(compressed)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(data) {
		parts := bytes.SplitN(bytes.TrimSuffix(line, []byte("\n")), []byte("\t"), n)
		if len(parts) != n {
			return fmt.Errorf("a line of the table has %d parts and not %d", len(parts), n)
		}
		take(parts)
	}
	return nil
}
