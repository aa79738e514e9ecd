// Package shelf owns the folder of loaded terminologies: the codebooks that a
// data folder holds for all its data stores, and those for one.
//
//	terminology/loinc-2.77.book                 for all
//	terminology/stores/ID/icd-10-cm-2024.book   for one data store
//
// A file appears and disappears as a whole, so a running server sees what is
// loaded and removed beside it, within a second. It leaves to others: the form
// of a book (terminology/codebook) and what is asked about codes (terminology).
package shelf

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology/codebook"
)

const suffix = ".book"

// lookAgain is how old what is known of the folder may be.
const lookAgain = time.Second

// A Shelf is a folder of books. It is safe for concurrent use.
type Shelf struct {
	dir string
	log *slog.Logger
	now func() time.Time

	looking sync.Mutex
	state   atomic.Pointer[state]
}

// A state is the folder as it was found: the books by data store, "" for all,
// those that were loaded last first.
type state struct {
	looked time.Time
	books  map[string][]*Volume
}

// A Volume is one file.
type Volume struct {
	// Name is the file's, without its ending; Store the data store that it is
	// for, "" for all.
	Name, Store string
	Bytes       int64
	Loaded      time.Time
	// Book is nil where the file cannot be used; Problem says why.
	Book    *codebook.Book
	Problem error
}

// Open makes a shelf of the terminologies of a data folder. There need not be
// any. A nil clock is time.Now, a nil logger slog.Default.
func Open(data string, log *slog.Logger, now func() time.Time) *Shelf {
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = slog.Default()
	}
	return &Shelf{dir: filepath.Join(data, "terminology"), log: log, now: now}
}

// Book is the book of a code system for a data store, by canonical URL with or
// without a |version; nil where there is none. The data store's own come before
// those for all. Without a version it is the one that was loaded last. The
// version of an edition of SNOMED CT stands for its versions.
func (s *Shelf) Book(store, canonical string) *codebook.Book {
	books := s.look().books
	if len(books) == 0 {
		return nil
	}
	url, version, _ := strings.Cut(canonical, "|")
	for _, of := range []string{store, ""} {
		for _, v := range books[of] {
			if v.Book != nil && v.Book.URL == url && (version == "" || v.Book.Version == version || strings.HasPrefix(v.Book.Version, version+"/")) {
				return v.Book
			}
		}
	}
	return nil
}

// List are the files for a data store and those for all.
func (s *Shelf) List(store string) []*Volume {
	books := s.refresh().books
	if store == "" {
		return books[""]
	}
	return slices.Concat(books[store], books[""])
}

// All are all files, of whatever data store.
func (s *Shelf) All() []*Volume {
	var all []*Volume
	for _, list := range s.refresh().books {
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b *Volume) int { return strings.Compare(a.Store+"/"+a.Name, b.Store+"/"+b.Name) })
	return all
}

// Add writes a book to the shelf, in the place of one of the same system and
// version.
func (s *Shelf) Add(store string, meta codebook.Meta, b *codebook.Builder) (codebook.Meta, error) {
	dir, err := s.folder(store)
	if err != nil {
		return codebook.Meta{}, err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return codebook.Meta{}, err
	}
	return b.Write(filepath.Join(dir, fileName(meta)+suffix))
}

// Remove deletes a file by its name. It is an error of KindNotFound where there
// is none.
func (s *Shelf) Remove(store, name string) error {
	dir, err := s.folder(store)
	if err != nil {
		return err
	}
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return fhir.Errorf(fhir.KindInvalid, "%q is not the name of a loaded terminology", name)
	}
	err = os.Remove(filepath.Join(dir, name+suffix))
	if errors.Is(err, fs.ErrNotExist) {
		return fhir.Errorf(fhir.KindNotFound, "no terminology %q is loaded there; tarn terminology list shows what is", name)
	}
	return err
}

// RemoveStore deletes all that is for one data store.
func (s *Shelf) RemoveStore(store string) error {
	dir, err := s.folder(store)
	if err != nil || store == "" {
		return err
	}
	return os.RemoveAll(dir)
}

// folder is where the files for a data store are.
func (s *Shelf) folder(store string) (string, error) {
	if store == "" {
		return s.dir, nil
	}
	if store != filepath.Base(store) || strings.HasPrefix(store, ".") {
		return "", fhir.Errorf(fhir.KindInvalid, "%q is not the id of a data store", store)
	}
	return filepath.Join(s.dir, "stores", store), nil
}

// fileName names a book by what it was read from and its version.
func fileName(m codebook.Meta) string {
	version := strings.TrimPrefix(m.Version, m.URL)
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '-'
	}, m.Source+"-"+strings.Trim(strings.Replace(version, "/version/", "-", 1), "/"))
	return strings.TrimRight(name, "-.")
}

// look is the folder as it was at most a second ago.
func (s *Shelf) look() *state {
	known := s.state.Load()
	if known != nil && s.now().Sub(known.looked) < lookAgain {
		return known
	}
	if known != nil && !s.looking.TryLock() {
		return known // somebody looks
	}
	if known == nil {
		s.looking.Lock()
	}
	defer s.looking.Unlock()
	return s.read()
}

// refresh is the folder as it is now.
func (s *Shelf) refresh() *state {
	s.looking.Lock()
	defer s.looking.Unlock()
	return s.read()
}

// read reads the folder. Files that are as they were stay open. s.looking is
// held.
func (s *Shelf) read() *state {
	before := s.state.Load()
	now := &state{looked: s.now(), books: map[string][]*Volume{}}
	s.readFolder(now, before, "", s.dir)
	stores, err := os.ReadDir(filepath.Join(s.dir, "stores"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Error("the folder of loaded terminologies cannot be read", "error", err)
	}
	for _, e := range stores {
		if e.IsDir() {
			s.readFolder(now, before, e.Name(), filepath.Join(s.dir, "stores", e.Name()))
		}
	}
	s.state.Store(now)
	return now
}

func (s *Shelf) readFolder(now, before *state, store, dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Error("the folder of loaded terminologies cannot be read", "error", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		info, err := e.Info()
		if !ok || err != nil {
			continue
		}
		v := &Volume{Name: name, Store: store, Bytes: info.Size(), Loaded: info.ModTime()}
		if same := before.find(v); same != nil {
			v = same
		} else if v.Book, v.Problem = codebook.Open(filepath.Join(dir, e.Name())); v.Problem != nil {
			s.log.Error("a loaded terminology cannot be used", "error", v.Problem)
			v.Problem = fmt.Errorf("it cannot be used: %w", v.Problem)
		}
		now.books[store] = append(now.books[store], v)
	}
	slices.SortFunc(now.books[store], func(a, b *Volume) int {
		if n := b.Loaded.Compare(a.Loaded); n != 0 {
			return n
		}
		return strings.Compare(b.Name, a.Name)
	})
}

// find is a file that is as it was; nil where there is none.
func (s *state) find(v *Volume) *Volume {
	if s == nil {
		return nil
	}
	for _, known := range s.books[v.Store] {
		if known.Name == v.Name && known.Bytes == v.Bytes && known.Loaded.Equal(v.Loaded) {
			return known
		}
	}
	return nil
}
