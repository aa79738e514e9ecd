// Package distribution reads the files in which publishers give out their code
// systems (LOINC, SNOMED CT RF2, RxNorm RRF, ICD-10-CM, CVX, UCUM) into
// codebooks. None of these contents is part of the program: who has a licence
// brings the files.
//
// It leaves to others: the form of a codebook (terminology/codebook), and where
// it is kept (terminology/shelf).
package distribution

import (
	"archive/zip"
	"bufio"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology/codebook"
)

// Options say how files are read.
type Options struct {
	// Version is the code system's version, where the files do not tell it or
	// another is right.
	Version string
	// Language is the id of the language reference set of SNOMED CT that chooses
	// displays; "" for US English.
	Language string
}

// A system is a code system whose files are known.
type system struct {
	name, url, title string
	read             func(in *files, b *book) error
}

var systems = []system{
	{"loinc", "http://loinc.org", "LOINC", readLOINC},
	{"snomed", "http://snomed.info/sct", "SNOMED CT", readSNOMED},
	{"rxnorm", "http://www.nlm.nih.gov/research/umls/rxnorm", "RxNorm", readRxNorm},
	{"icd-10-cm", "http://hl7.org/fhir/sid/icd-10-cm", "ICD-10-CM", readICD10CM},
	{"cvx", "http://hl7.org/fhir/sid/cvx", "CVX", readCVX},
	{"ucum", "http://unitsofmeasure.org", "UCUM", readUCUM},
}

// Systems are the names of the code systems that can be read.
func Systems() (names []string) {
	for _, s := range systems {
		names = append(names, s.name)
	}
	return names
}

// Read reads a code system from a file, a folder or a .zip of them. Errors say
// which file is not as it should be.
func Read(name, from string, opt Options) (codebook.Meta, *codebook.Builder, error) {
	at := slices.IndexFunc(systems, func(s system) bool { return s.name == name })
	if at < 0 {
		return codebook.Meta{}, nil, fhir.Errorf(fhir.KindInvalid, "the code system %q cannot be loaded; known are %s", name, strings.Join(Systems(), ", "))
	}
	in, done, err := openFiles(from)
	if err != nil {
		return codebook.Meta{}, nil, err
	}
	defer done()
	s := &systems[at]
	b := &book{opt: opt, meta: codebook.Meta{URL: s.url, Name: strings.ReplaceAll(strings.ReplaceAll(s.title, " ", ""), "-", ""), Title: s.title, Source: s.name, Version: opt.Version, CaseSensitive: true}}
	b.Builder = codebook.NewBuilder(b.meta)
	if err := s.read(in, b); err != nil {
		return codebook.Meta{}, nil, err
	}
	switch {
	case b.Len() == 0:
		return codebook.Meta{}, nil, fmt.Errorf("%s has no concepts of %s", from, s.title)
	case b.meta.Version == "":
		return codebook.Meta{}, nil, fmt.Errorf("the files do not tell which version of %s they are; say so with --version", s.title)
	}
	b.Describe(b.meta)
	return b.meta, b.Builder, nil
}

// A book is one as it is read.
type book struct {
	*codebook.Builder
	opt  Options
	meta codebook.Meta
}

// version sets the version that the files tell, unless another was asked for.
func (b *book) version(v string) { b.meta.Version = cmp.Or(b.meta.Version, v) }

// files are those of a distribution.
type files struct {
	fs.FS
	// name is that of the file, folder or archive.
	name string
	all  []string
}

func openFiles(from string) (in *files, done func(), err error) {
	in = &files{name: filepath.Base(from)}
	done = func() {}
	info, err := os.Stat(from)
	switch {
	case err != nil:
		return nil, nil, err
	case info.IsDir():
		in.FS = os.DirFS(from)
	case strings.EqualFold(filepath.Ext(from), ".zip"):
		archive, err := zip.OpenReader(from)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", from, err)
		}
		in.FS, done = archive, func() { _ = archive.Close() } // it was only read
	default:
		in.FS, in.all = os.DirFS(filepath.Dir(from)), []string{filepath.Base(from)}
		return in, done, nil
	}
	err = fs.WalkDir(in.FS, ".", func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			in.all = append(in.all, p)
		}
		return err
	})
	if err != nil {
		done()
		return nil, nil, err
	}
	return in, done, nil
}

// named are the files whose own name matches.
func (in *files) named(form *regexp.Regexp) (found []string) {
	for _, name := range in.all {
		if form.MatchString(path.Base(name)) {
			found = append(found, name)
		}
	}
	return found
}

// one is the file whose name matches; there must be one.
func (in *files) one(form *regexp.Regexp, what string) (string, error) {
	switch found := in.named(form); len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("%s has no %s", in.name, what)
	default:
		return "", fmt.Errorf("%s has several files that may be %s: %s", in.name, what, strings.Join(found, ", "))
	}
}

// read reads a file as UTF-8, whatever its byte order mark says it is in.
func (in *files) read(name string, do func(io.Reader) error) error {
	f, err := in.Open(name)
	if err != nil {
		return err
	}
	decoder := unicode.BOMOverride(transform.Nop)
	err = errors.Join(do(bufio.NewReaderSize(transform.NewReader(f, decoder), 1<<18)), f.Close())
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// readXML reads a document, whose bytes are UTF-8 by now whatever it says: the
// declared encodings that are none of ASCII, UTF-8, UTF-16 are refused.
func readXML(from io.Reader, into any) error {
	d := xml.NewDecoder(from)
	d.CharsetReader = func(charset string, r io.Reader) (io.Reader, error) {
		switch strings.ToLower(charset) {
		case "ascii", "us-ascii", "utf-16", "utf-16le", "utf-16be":
			return r, nil
		}
		return nil, fmt.Errorf("the encoding %s is not known", charset)
	}
	return d.Decode(into)
}

// maxLine is how long a line of a file may be.
const maxLine = 1 << 22

// lines reads the lines of a file, without their ends.
func (in *files) lines(name string, do func(line string) error) error {
	return in.read(name, func(r io.Reader) error {
		s := bufio.NewScanner(r)
		s.Buffer(make([]byte, 1<<16), maxLine)
		for at := 1; s.Scan(); at++ {
			line := strings.TrimSuffix(s.Text(), "\r")
			if line == "" {
				continue
			}
			if err := do(line); err != nil {
				return fmt.Errorf("line %d: %w", at, err)
			}
		}
		return s.Err()
	})
}

// fields reads lines of fields with a separator; each line must have at least n.
func (in *files) fields(name, separator string, n int, do func(f []string) error) error {
	return in.lines(name, func(line string) error {
		f := strings.Split(line, separator)
		if len(f) < n {
			return fmt.Errorf("it has %d fields; there should be at least %d", len(f), n)
		}
		return do(f)
	})
}
