// Command pack makes the packed table of code systems, value sets and concept
// maps from a release's published package. The same package always gives the
// same table. It is run by "go generate ./terminology/release".
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

func main() {
	in := flag.String("in", "", "the package's archive")
	out := flag.String("out", "r4.bin", "table to write")
	flag.Parse()
	if err := run(*in, *out); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	archive, err := os.Open(in)
	if err != nil {
		return err
	}
	defer archive.Close()
	lines, err := pack(archive)
	if err != nil {
		return err
	}
	data, err := compress([]byte(strings.Join(lines, "\n")))
	if err != nil {
		return err
	}
	return os.WriteFile(out, data, 0o644)
}

// kept are the elements that terminology operations need, by resource type.
var kept = map[string][]string{
	"CodeSystem": {"resourceType", "id", "url", "version", "name", "title", "status", "caseSensitive", "valueSet",
		"hierarchyMeaning", "content", "supplements", "property", "concept"},
	"ValueSet":   {"resourceType", "id", "url", "version", "name", "title", "status", "compose"},
	"ConceptMap": {"resourceType", "id", "url", "version", "name", "title", "status", "sourceUri", "targetUri", "sourceCanonical", "targetCanonical", "group"},
}

// pack makes the lines of the table, in order.
func pack(archive io.Reader) ([]string, error) {
	unzip, err := gzip.NewReader(archive)
	if err != nil {
		return nil, err
	}
	var lines []string
	files := tar.NewReader(unzip)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if of, _, _ := strings.Cut(path.Base(header.Name), "-"); kept[of] == nil || path.Ext(header.Name) != ".json" {
			continue
		}
		line, err := packFile(files)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, err)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines, nil
}

func packFile(file io.Reader) (string, error) {
	var resource map[string]any
	decoder := json.NewDecoder(file)
	decoder.UseNumber()
	if err := decoder.Decode(&resource); err != nil {
		return "", err
	}
	of, _ := resource["resourceType"].(string)
	facts := map[string]any{}
	for _, name := range kept[of] {
		if value, ok := resource[name]; ok {
			facts[name] = withoutExtensions(value)
		}
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(facts); err != nil {
		return "", err
	}
	url, _ := resource["url"].(string)
	version, _ := resource["version"].(string)
	return strings.Join([]string{of, url, version, strings.TrimSpace(b.String())}, "\t"), nil
}

// withoutExtensions drops what guides and publishing add.
func withoutExtensions(value any) any {
	switch value := value.(type) {
	case []any:
		for i := range value {
			value[i] = withoutExtensions(value[i])
		}
	case map[string]any:
		for name, inner := range value {
			if name == "extension" || strings.HasPrefix(name, "_") {
				delete(value, name)
				continue
			}
			value[name] = withoutExtensions(inner)
		}
	}
	return value
}

// compress is zstd at its best, in one thread so that the bytes do not depend
// on the machine.
func compress(data []byte) ([]byte, error) {
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
