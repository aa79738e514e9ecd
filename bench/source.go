package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/synth"
)

// A source is the data that the servers are filled with.
type source interface {
	// shared calls f with the Bundles that the others refer to, and each with
	// the other ones, one patient each: first those that refer to shared
	// resources by a search, then, where late, those that may bring copies of
	// them, which would make the search ambiguous. A Bundle is valid until f
	// returns.
	shared(ctx context.Context, f func(bundle []byte) error) error
	each(ctx context.Context, late bool, f func(bundle []byte) error) error
	// ndjson writes the data as one file for each type into dir; another
	// generation is other patients. It returns the bytes and resources.
	ndjson(ctx context.Context, dir string, generation int) (size int64, resources int, err error)
	// name says what it is.
	name() string
}

func newSource(opt options) source {
	if opt.data != "" {
		return files{opt.data}
	}
	return population{opt.patients}
}

// errEnough ends a walk through a source.
var errEnough = errors.New("enough")

// upTo calls f with at most n of the source's patients: late ones only where
// there are no others.
func upTo(ctx context.Context, s source, n int, f func(bundle []byte) error) error {
	for _, late := range []bool{false, true} {
		found := 0
		err := s.each(ctx, late, func(bundle []byte) error {
			if found++; found > n {
				return errEnough
			}
			return f(bundle)
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
		if found > 0 {
			break
		}
	}
	return nil
}

// population is the built-in synthetic population.
type population struct{ patients int }

func (p population) name() string {
	return fmt.Sprintf("%d patients of the built-in synthetic population", p.patients)
}

func (p population) shared(ctx context.Context, f func([]byte) error) error {
	for bundle := range synth.New(synth.Options{Seed: 1}).Bundles(ctx) {
		return f(bundle)
	}
	return ctx.Err()
}

func (p population) each(ctx context.Context, late bool, f func([]byte) error) error {
	if late {
		return nil
	}
	first := true
	for bundle := range synth.New(synth.Options{Patients: p.patients, Seed: 1}).Bundles(ctx) {
		if first {
			first = false
			continue
		}
		if err := f(bundle); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (p population) ndjson(ctx context.Context, dir string, generation int) (int64, int, error) {
	made := synth.New(synth.Options{Patients: p.patients, Seed: 100 + uint64(generation)})
	sum, err := made.WriteNDJSON(ctx, dir, false, nil)
	return sum.Bytes, sum.Total(), err
}

// files are Synthea's: Bundles and NDJSON, plain or gzip, below a folder.
type files struct{ dir string }

func (s files) name() string { return "the files below " + s.dir }

// isShared tells Synthea's Bundles of organizations and practitioners, which
// come in this order.
func isShared(name string) bool {
	lower := strings.ToLower(filepath.Base(name))
	return strings.Contains(lower, "hospitalinformation") || strings.Contains(lower, "practitionerinformation")
}

func (s files) shared(ctx context.Context, f func([]byte) error) error {
	return s.walk(ctx, ".json", func(name string, read func() ([]byte, error)) error {
		return s.pass(isShared(name), read, f)
	})
}

func (s files) each(ctx context.Context, late bool, f func([]byte) error) error {
	return s.walk(ctx, ".json", func(name string, read func() ([]byte, error)) error {
		return s.pass(!isShared(name), read, func(bundle []byte) error {
			if conditional.Match(bundle) == late {
				return nil
			}
			return f(bundle)
		})
	})
}

// conditional matches a reference by a search.
// http://hl7.org/fhir/R4/http.html#trules
var conditional = regexp.MustCompile(`"reference"\s*:\s*"[A-Za-z]+\?`)

func (s files) pass(wanted bool, read func() ([]byte, error), f func([]byte) error) error {
	if !wanted {
		return nil
	}
	text, err := read()
	if err != nil {
		return err
	}
	return f(text)
}

// ndjson unpacks the files. There is but one generation of them: loading it
// again would change nothing.
func (s files) ndjson(ctx context.Context, dir string, generation int) (size int64, resources int, err error) {
	if generation > 0 {
		return 0, 0, nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return 0, 0, err
	}
	err = s.walk(ctx, ".ndjson", func(name string, read func() ([]byte, error)) error {
		text, err := read()
		if err != nil {
			return err
		}
		size += int64(len(text))
		resources += bytes.Count(text, []byte("\n"))
		return os.WriteFile(filepath.Join(dir, strings.TrimSuffix(filepath.Base(name), ".gz")), text, 0o600)
	})
	return size, resources, err
}

// walk calls f with the files of a kind, in the order of their names, shared
// ones first.
func (s files) walk(ctx context.Context, ending string, f func(name string, read func() ([]byte, error)) error) error {
	var names []string
	err := filepath.WalkDir(s.dir, func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(strings.TrimSuffix(name, ".gz"), ending) {
			names = append(names, name)
		}
		return err
	})
	slices.SortFunc(names, func(a, b string) int {
		if x, y := isShared(a), isShared(b); x != y {
			return cmp.Compare(b2i(y), b2i(x))
		}
		return cmp.Compare(a, b)
	})
	for _, name := range names {
		if err != nil || ctx.Err() != nil {
			break
		}
		err = f(name, func() ([]byte, error) { return readFile(name) })
	}
	return cmp.Or(err, ctx.Err())
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// readFile reads a file, unpacking gzip.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !strings.HasSuffix(name, ".gz") {
		return io.ReadAll(f)
	}
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return io.ReadAll(unpacked)
}
