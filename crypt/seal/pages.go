package seal

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// PageSize is how many bytes of content a page of the form Pages has.
const PageSize = 4096

// largestPage is how many bytes of a file a page takes at most.
const largestPage = PageSize + tagSize

// A layout says where the pages of a file are: how many bytes of content the
// first page has, and each of the others but the last.
type layout struct{ first, page int64 }

// layouts are those of the forms that have pages. With its tag, an Aligned page
// is one of the disk's, and the first shares its own with the header.
var layouts = map[Form]layout{
	Pages:   {PageSize, PageSize},
	Aligned: {PageSize - HeaderSize - tagSize, PageSize - tagSize},
}

// size is how many bytes of content a page has that is not the last.
func (l layout) size(page int64) int64 {
	if page == 0 {
		return l.first
	}
	return l.page
}

// pageOf is the number of the page that a byte of content is in.
func (l layout) pageOf(off int64) int64 {
	if off < l.first {
		return 0
	}
	return 1 + (off-l.first)/l.page
}

// start is where the content of a page begins in that of the file.
func (l layout) start(page int64) int64 {
	if page == 0 {
		return 0
	}
	return l.first + (page-1)*l.page
}

// place is where a page begins in the sealed file.
func (l layout) place(page int64) int64 { return HeaderSize + l.start(page) + page*tagSize }

// last is the number of the last page of so many bytes of content.
func (l layout) last(content int64) int64 { return l.pageOf(max(content-1, 0)) }

// sealed is the size of the sealed file of so many bytes of content.
func (l layout) sealed(content int64) int64 {
	return HeaderSize + content + (l.last(content)+1)*tagSize
}

// content is the opposite of sealed; false where no sealed file has that size.
func (l layout) content(sealed int64) (int64, bool) {
	rest := max(sealed-HeaderSize-l.first-tagSize, 0)
	pages := 1 + (rest+l.page+tagSize-1)/(l.page+tagSize)
	content := sealed - HeaderSize - pages*tagSize
	return content, content >= 0 && l.last(content) == pages-1
}

// The first bytes of nonces: whole pages, and the last one.
const (
	noncePage = 1
	nonceLast = 2
	// nonceFrame is for frames.
	nonceFrame = 3
)

// batch is how many pages are written, and read, at once.
const batch = 16

// A Writer seals what is written to it, in pages. It is for one goroutine.
type Writer struct {
	to     io.Writer
	h      *header
	layout layout
	page   int64
	plain  []byte
	out    []byte
	size   int64
	closed bool
}

// NewWriter makes a Writer of a new file of the form Pages.
func NewWriter(to io.Writer, keys Keys) (*Writer, error) { return newWriter(to, keys, Pages) }

// NewAlignedWriter makes a Writer of a new file of the form Aligned, for one
// that is on a disk and read anywhere.
func NewAlignedWriter(to io.Writer, keys Keys) (*Writer, error) { return newWriter(to, keys, Aligned) }

func newWriter(to io.Writer, keys Keys, form Form) (*Writer, error) {
	h, err := newHeader(keys, form)
	if err != nil {
		return nil, err
	}
	l := layouts[form]
	w := &Writer{to: to, h: h, layout: l, plain: make([]byte, 0, PageSize), out: make([]byte, 0, batch*(l.page+tagSize))}
	w.out = append(w.out, h.bytes[:]...)
	return w, nil
}

// ErrEnded is the error of writing behind the last page.
var ErrEnded = errors.New("seal: the file has its last page; nothing can be written behind it")

// Write implements io.Writer. The last page of a file stays in memory until
// Close, so that a page is written once.
func (w *Writer) Write(p []byte) (int, error) {
	if w.closed {
		return 0, ErrEnded
	}
	for rest := p; len(rest) > 0; {
		room := int(w.layout.size(w.page)) - len(w.plain)
		if room == 0 {
			if err := w.add(noncePage); err != nil {
				return len(p) - len(rest), err
			}
			continue
		}
		n := min(room, len(rest))
		w.plain = append(w.plain, rest[:n]...)
		rest = rest[n:]
	}
	w.size += int64(len(p))
	return len(p), nil
}

// add seals the page in the making, and writes a batch that is full.
func (w *Writer) add(kind byte) error {
	n := nonce(kind, w.page)
	w.out = w.h.aead.Seal(w.out, n[:], w.plain, nil)
	w.page++
	w.plain = w.plain[:0]
	if len(w.out)+int(w.layout.page)+tagSize > cap(w.out) {
		return w.Flush()
	}
	return nil
}

// Flush writes the pages that are sealed.
func (w *Writer) Flush() error {
	_, err := w.to.Write(w.out)
	w.out = w.out[:0]
	return err
}

// Size is how many bytes of content were written.
func (w *Writer) Size() int64 { return w.size }

// Close writes the last page. It does not close what it writes to, and closing
// again is nothing.
func (w *Writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	if err := w.add(nonceLast); err != nil {
		return err
	}
	if len(w.out) == 0 {
		return nil
	}
	return w.Flush()
}

// SealedSize is the size of the sealed file of so many bytes of content, of the
// form Pages.
func SealedSize(content int64) int64 { return layouts[Pages].sealed(content) }

// A Reader reads a sealed file of pages anywhere. It is safe for concurrent
// use.
type Reader struct {
	from   io.ReaderAt
	h      *header
	layout layout
	size   int64
	last   int64 // number of the last page
	edge   edge
}

// NewReader opens a sealed file of so many bytes: ErrPlain where it is not
// sealed, ErrAltered where its last page is not there.
func NewReader(from io.ReaderAt, sealedSize int64, keys Keys) (*Reader, error) {
	h, err := readHeader(keys, from)
	if err != nil {
		return nil, err
	}
	l, paged := layouts[h.form]
	if !paged {
		return nil, fmt.Errorf("%w: it has no pages", ErrAltered)
	}
	size, whole := l.content(sealedSize)
	if !whole {
		return nil, fmt.Errorf("%w: it was cut off", ErrAltered)
	}
	r := &Reader{from: from, h: h, layout: l, size: size, last: l.last(size)}
	return r, r.whole()
}

// whole checks that the last page is the last one: the file was not cut off.
func (r *Reader) whole() error {
	sealed := make([]byte, r.size-r.layout.start(r.last)+tagSize)
	if n, err := r.from.ReadAt(sealed, r.layout.place(r.last)); n < len(sealed) {
		return err
	}
	_, err := r.open(nil, sealed, r.last, new([nonceSize]byte))
	return err
}

// Size is the size of the content in bytes.
func (r *Reader) Size() int64 { return r.size }

// Span is where the pages of some content begin in the sealed file, and how many
// bytes they have.
func (r *Reader) Span(off, length int64) (at, size int64) {
	first, last := r.layout.pageOf(off), r.layout.pageOf(off+max(length-1, 0))
	at = r.layout.place(first)
	return at, r.layout.place(last+1) - at
}

// An edge is the page in which the last read ended, where reads follow each
// other: the next one begins in it. Blocks of a table share their pages so.
type edge struct {
	mu sync.Mutex
	// end is where the last read ended.
	end int64
	// page is the number of the page that plain has, counted from 1; 0 for none.
	page  int64
	plain []byte
}

// follows reports whether a read begins where the last one ended, and notes where
// it ends. Reads at the same time do not wait for each other.
func (e *edge) follows(off, end int64) bool {
	if !e.mu.TryLock() {
		return false
	}
	defer e.mu.Unlock()
	follows := off == e.end
	e.end = end
	return follows
}

// read copies from the page, where that is the one.
func (e *edge) read(p []byte, page int64, skip int) int {
	if !e.mu.TryLock() {
		return 0
	}
	defer e.mu.Unlock()
	if e.page != page+1 || skip >= len(e.plain) {
		return 0
	}
	return copy(p, e.plain[skip:])
}

// keep remembers a page.
func (e *edge) keep(page int64, plain []byte) {
	if e.mu.TryLock() {
		defer e.mu.Unlock()
		e.page, e.plain = page+1, append(e.plain[:0], plain...)
	}
}

// scratch is what one ReadAt works in.
type scratch struct {
	sealed [batch * largestPage]byte
	plain  [PageSize]byte
	nonce  [nonceSize]byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// ReadAt implements io.ReaderAt. ErrAltered is the error for a page that was
// altered, and for one that is not there.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= r.size {
		return 0, io.EOF
	}
	want := min(int64(len(p)), r.size-off)
	buf := scratches.Get().(*scratch)
	defer scratches.Put(buf)
	done := int64(0)
	follows := r.edge.follows(off, off+want)
	if follows {
		page := r.layout.pageOf(off)
		done = int64(r.edge.read(p[:want], page, int(off-r.layout.start(page))))
	}
	for done < want {
		n, err := r.read(p[done:want], off+done, buf, follows)
		done += int64(n)
		if err != nil {
			return int(done), err
		}
	}
	if want < int64(len(p)) {
		return int(done), io.EOF
	}
	return int(done), nil
}

// read reads a batch of pages, and opens those that p has room for right there.
// keep is set where the next read may begin in the last of them.
func (r *Reader) read(p []byte, off int64, buf *scratch, keep bool) (int, error) {
	first := r.layout.pageOf(off)
	last := min(r.layout.pageOf(off+int64(len(p))-1), first+batch-1)
	at, end := r.layout.place(first), r.layout.place(last+1)
	if last == r.last {
		end = r.layout.place(last) + r.size - r.layout.start(last) + tagSize
	}
	sealed := buf.sealed[:end-at]
	if n, err := r.from.ReadAt(sealed, at); n < len(sealed) {
		if err == nil || errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: it was cut off", ErrAltered)
		}
		return 0, err
	}
	done, skip := 0, int(off-r.layout.start(first))
	for page := first; page <= last; page++ {
		one := sealed[:min(int(r.layout.size(page))+tagSize, len(sealed))]
		sealed = sealed[len(one):]
		size := len(one) - tagSize
		to := buf.plain[:0]
		direct := skip == 0 && len(p)-done >= size
		if direct {
			to = p[done : done : done+size]
		}
		plain, err := r.open(to, one, page, &buf.nonce)
		if err != nil {
			return done, err
		}
		if direct {
			done += size
			continue
		}
		done += copy(p[done:], plain[skip:])
		if skip = 0; keep && done == len(p) {
			r.edge.keep(page, plain)
		}
	}
	return done, nil
}

func (r *Reader) open(to, sealed []byte, page int64, n *[nonceSize]byte) ([]byte, error) {
	kind := byte(noncePage)
	if page == r.last {
		kind = nonceLast
	}
	*n = nonce(kind, page)
	plain, err := r.h.aead.Open(to, n[:], sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: page %d", ErrAltered, page)
	}
	return plain, nil
}
