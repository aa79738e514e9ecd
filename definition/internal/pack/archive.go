package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/tarnhealth/tarn/definition/internal/table"
	"github.com/tarnhealth/tarn/definition/packed"
)

// archive is a published package in memory: its manifest and its JSON files.
type archive struct {
	source table.Source
	files  map[string][]byte // by file name
}

func openArchive(dir, name string) (*archive, error) {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	files, err := packed.Files(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var manifest struct{ Name, Version string }
	if err := json.Unmarshal(files["package.json"], &manifest); err != nil {
		return nil, fmt.Errorf("%s: package.json: %w", name, err)
	}
	sum := sha256.Sum256(data)
	return &archive{
		source: table.Source{Name: manifest.Name, Version: manifest.Version, SHA256: hex.EncodeToString(sum[:])},
		files:  files,
	}, nil
}

// read decodes every resource of a type, by URL. The map's order does not
// matter: callers sort.
func read[T interface{ url() string }](a *archive, resourceType string) (map[string]T, error) {
	all := map[string]T{}
	for name, data := range a.files {
		if !strings.HasPrefix(name, resourceType+"-") {
			continue
		}
		var v T
		if err := json.Unmarshal(data, &v); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if _, twice := all[v.url()]; twice {
			return nil, fmt.Errorf("%s: %s is defined twice", name, v.url())
		}
		all[v.url()] = v
	}
	return all, nil
}

// readReal is read without the definitions that are examples.
func readReal[T interface{ url() string }](a *archive, resourceType string) (map[string]T, error) {
	all, err := read[T](a, resourceType)
	maps.DeleteFunc(all, func(url string, _ T) bool { return isExample(url) })
	return all, err
}

// isExample reports whether a definition is one of those that the package
// carries to show what such a resource looks like; they define nothing.
func isExample(url string) bool {
	name := lastSegment(url)
	return name == "example" || strings.HasPrefix(name, "example-")
}

func lastSegment(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }
