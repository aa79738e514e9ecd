package codebook

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/tarnhealth/tarn/durable"
	"github.com/tarnhealth/tarn/terminology/concept"
)

// A Builder makes a book. It holds all concepts in memory until it is written.
type Builder struct {
	meta     Meta
	concepts []entry
	sets     map[string][]string
}

type entry struct {
	concept.Concept
	parents []string
}

// NewBuilder begins a book of what meta says; how many concepts, properties and
// sets there are, and whether there is a hierarchy, is found out.
func NewBuilder(meta Meta) *Builder {
	b := &Builder{sets: map[string][]string{}}
	b.Describe(meta)
	return b
}

// Describe says anew what the book is of.
func (b *Builder) Describe(meta Meta) {
	meta.Concepts, meta.Properties, meta.Sets, meta.Hierarchy = 0, nil, nil, false
	b.meta = meta
}

// Add adds a concept with the codes of those that subsume it directly.
func (b *Builder) Add(c concept.Concept, parents ...string) {
	b.concepts = append(b.concepts, entry{c, parents})
}

// AddTo puts the concept of a code into a set.
func (b *Builder) AddTo(set, code string) { b.sets[set] = append(b.sets[set], code) }

// Len is how many concepts were added.
func (b *Builder) Len() int { return len(b.concepts) }

// Write writes the book to a file, which it replaces at once when the new one is
// safe on disk. It is an error where codes occur twice, or concepts subsume each
// other in a circle; parents and members of sets that are no concepts are left
// out.
func (b *Builder) Write(path string) (Meta, error) {
	w, err := b.prepare()
	if err != nil {
		return Meta{}, err
	}
	return w.Meta, replace(path, w.write)
}

// replace writes a file beside another, and puts it in its place when it is safe
// on disk.
func replace(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".loading-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the error that it had is what counts
		}
	}()
	err = errors.Join(write(f), f.Chmod(0o640), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return durable.SyncFolder(filepath.Dir(path))
}

// A writer is a book ready to be written.
type writer struct {
	header
	sections []section
}

type section struct {
	name string
	data []byte
}

func (w *writer) add(name string, data []byte) { w.sections = append(w.sections, section{name, data}) }

func (w *writer) write(to io.Writer) error {
	w.Sections = map[string][2]int64{}
	at := int64(0)
	for _, s := range w.sections {
		w.Sections[s.name] = [2]int64{at, int64(len(s.data))}
		at += int64(len(s.data))
	}
	head, err := json.Marshal(w.header)
	if err != nil {
		return err
	}
	sum := xxhash.New()
	out := bufio.NewWriterSize(io.MultiWriter(to, sum), 1<<20)
	first := append([]byte(magic), 0, 0, 0, 0, 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(first[len(magic):], format)
	binary.LittleEndian.PutUint32(first[len(magic)+4:], uint32(len(head)))
	parts := [][]byte{first, head}
	for _, s := range w.sections {
		parts = append(parts, s.data)
	}
	for _, part := range parts {
		if _, err := out.Write(part); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err = to.Write(binary.LittleEndian.AppendUint64(nil, sum.Sum64()))
	return err
}

// prepare sorts the concepts and makes the sections.
func (b *Builder) prepare() (*writer, error) {
	slices.SortStableFunc(b.concepts, func(x, y entry) int { return strings.Compare(x.Code, y.Code) })
	codes := make([]string, len(b.concepts))
	for i := range b.concepts {
		codes[i] = b.concepts[i].Code
		switch {
		case codes[i] == "":
			return nil, errors.New("a concept has no code")
		case i > 0 && codes[i] == codes[i-1]:
			return nil, fmt.Errorf("the code %s is there twice", codes[i])
		}
	}
	w := &writer{header: header{Meta: b.meta}}
	w.Concepts = len(codes)
	find := func(code string) int {
		at, ok := slices.BinarySearch(codes, code)
		if !ok {
			return -1
		}
		return at
	}
	h, err := b.hierarchy(find)
	if err != nil {
		return nil, err
	}
	w.Hierarchy = h.any
	w.add("flags", b.flags())
	w.addTable("codes", codes)
	b.describe(w)
	w.addLists("parents", h.parents)
	w.addLists("children", h.children)
	w.addLists("ancestors", h.ancestors)
	b.index(w)
	b.addSets(w, find)
	for _, s := range w.sections {
		if int64(len(s.data)) > math.MaxUint32 {
			return nil, fmt.Errorf("the section %s would have %d bytes; it can have 4 GiB", s.name, len(s.data))
		}
	}
	return w, nil
}

func (b *Builder) flags() []byte {
	flags := make([]byte, len(b.concepts))
	for i := range b.concepts {
		if b.concepts[i].Inactive {
			flags[i] |= flagInactive
		}
		if b.concepts[i].Abstract {
			flags[i] |= flagAbstract
		}
	}
	return flags
}

func (w *writer) addTable(name string, texts []string) {
	data := binary.LittleEndian.AppendUint32(nil, uint32(len(texts)))
	var blocks []byte
	for i, text := range texts {
		if i%blockSize == 0 {
			data = binary.LittleEndian.AppendUint32(data, uint32(len(blocks)))
		} else {
			shared := shared(texts[i-1], text)
			blocks = binary.AppendUvarint(blocks, uint64(shared))
			text = text[shared:]
		}
		blocks = binary.AppendUvarint(blocks, uint64(len(text)))
		blocks = append(blocks, text...)
	}
	data = binary.LittleEndian.AppendUint32(data, uint32(len(blocks)))
	w.add(name, append(data, blocks...))
}

func shared(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// addLists adds lists of ascending places.
func (w *writer) addLists(name string, all [][]int32) {
	w.addBytes(name, len(all), func(to []byte, i int) []byte {
		before := int32(0)
		for _, place := range all[i] {
			to = binary.AppendUvarint(to, uint64(place-before))
			before = place
		}
		return to
	})
}

func (w *writer) addBytes(name string, n int, appendTo func(to []byte, i int) []byte) {
	data := binary.LittleEndian.AppendUint32(nil, uint32(n))
	var rest []byte
	for i := range n {
		data = binary.LittleEndian.AppendUint32(data, uint32(len(rest)))
		rest = appendTo(rest, i)
	}
	data = binary.LittleEndian.AppendUint32(data, uint32(len(rest)))
	w.add(name, append(data, rest...))
}
