package guide

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Reread reads a package that was accepted before, maybe by an earlier version
// of the program: files that Read refuses are Skipped.
func Reread(r io.Reader, limits Limits) (*Package, error) {
	p, err := read(r, limits, true)
	if err == nil {
		p.Skipped = append(p.Skipped, p.malformed()...)
	}
	return p, err
}

// indexFile is the file of a package that lists the others.
// https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
const indexFile = ".index.json"

// bom may stand before the text of a file.
var bom = []byte("\xef\xbb\xbf")

// listed takes the types of files from a package's own index. It is optional:
// one that cannot be read is as none, but said.
func (p *Package) listed(data []byte) {
	var index struct {
		Files []struct{ Filename, ResourceType string }
	}
	if err := json.Unmarshal(bytes.TrimPrefix(data, bom), &index); err != nil {
		p.Skipped = append(p.Skipped, Skipped{indexFile, err.Error()})
		return
	}
	p.types = make(map[string]string, len(index.Files))
	for _, f := range index.Files {
		p.types[f.Filename] = f.ResourceType
	}
}

// malformed are the broken files that by their names or by the index are
// resources that the guide is read for. Nothing is kept of the others.
func (p *Package) malformed() (all []Skipped) {
	for _, f := range p.broken {
		if slices.Contains(kept, p.types[f.File]) || byName(f.File) && !about(f.File) {
			all = append(all, f)
		}
	}
	p.broken, p.types = nil, nil
	return all
}

// byName reports whether a file has the name of a resource that guides are read
// for: Type-id.json.
func byName(file string) bool {
	of, _, _ := strings.Cut(file, "-")
	return slices.Contains(kept, of)
}

// about reports whether a file has the name of the description of an API, or of
// a JSON schema, of the resource that it begins with.
func about(file string) bool {
	return strings.HasSuffix(file, ".openapi.json") || strings.HasSuffix(file, ".schema.json")
}

// broken says why the text of a file is no resource of any release; "" where it
// may be one.
func broken(data []byte) string {
	var head struct{ ResourceType string }
	err := json.Unmarshal(bytes.TrimPrefix(data, bom), &head)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("it is not JSON: %v, after %d of %d bytes", err, syntax.Offset, len(data))
	case err != nil || head.ResourceType == "":
		return "it has no resourceType"
	}
	return ""
}
