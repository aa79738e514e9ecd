// Command pack makes the table of R4's own StructureDefinitions of the published
// package.
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
	"log"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// kept are the members of a StructureDefinition that mean something for
// validation; those of its elements are all but dropped.
var (
	kept = []string{
		"resourceType", "url", "version", "name", "status", "kind", "abstract", "type", "baseDefinition", "derivation",
		"context", "contextInvariant", "snapshot", "differential",
	}
	dropped = []string{
		"definition", "comment", "requirements", "short", "alias", "mapping", "example", "isSummary", "meaningWhenMissing",
		"orderMeaning", "condition", "isModifierReason", "extension", "representation", "code",
	}
)

type object = map[string]any

func main() {
	log.SetFlags(0)
	in := flag.String("in", "", "the package hl7.fhir.r4.core (.tgz)")
	out := flag.String("out", "", "the table to write")
	flag.Parse()
	lines, err := read(*in)
	if err != nil {
		log.Fatal(err)
	}
	slices.Sort(lines)
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20))
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(*out, encoder.EncodeAll([]byte(strings.Join(lines, "\n")+"\n"), nil), 0o644); err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(lines), "definitions")
}

func read(name string) ([]string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	unzip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var lines []string
	files := tar.NewReader(unzip)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(path.Base(header.Name), "StructureDefinition-") {
			continue
		}
		text, err := io.ReadAll(files)
		if err != nil {
			return nil, err
		}
		line, err := line(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", header.Name, err)
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
}

// line is "url TAB json". Extensions keep the differential, of which their
// snapshots are made, and others the snapshot.
func line(text []byte) (string, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var d object
	if err := decoder.Decode(&d); err != nil {
		return "", err
	}
	if d["kind"] == "logical" {
		return "", nil
	}
	for name := range d {
		if !slices.Contains(kept, name) {
			delete(d, name)
		}
	}
	if d["type"] == "Extension" && d["derivation"] == "constraint" {
		delete(d, "snapshot")
	} else {
		delete(d, "differential")
	}
	for _, part := range []string{"snapshot", "differential"} {
		strip(d[part])
	}
	out, err := json.Marshal(d)
	return fmt.Sprintf("%s\t%s", d["url"], out), err
}

func strip(part any) {
	of, _ := part.(object)
	delete(of, "extension")
	elements, _ := of["element"].([]any)
	for _, e := range elements {
		element := e.(object)
		for _, name := range dropped {
			delete(element, name)
		}
		constraints, _ := element["constraint"].([]any)
		for _, c := range constraints {
			delete(c.(object), "xpath")
			delete(c.(object), "extension")
		}
		if b, ok := element["binding"].(object); ok {
			delete(b, "extension")
			delete(b, "description")
		}
	}
}
