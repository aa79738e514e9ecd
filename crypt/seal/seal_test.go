package seal_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/tarnhealth/tarn/crypt/seal"
	"github.com/tarnhealth/tarn/crypt/seal/sealtest"
	_ "github.com/tarnhealth/tarn/internal/seeded"
)

var one = sealtest.Of(1)

// writers make the writers of the forms that have pages.
var writers = map[string]func(io.Writer, seal.Keys) (*seal.Writer, error){"pages": seal.NewWriter, "aligned": seal.NewAlignedWriter}

func sealed(t interface{ Fatal(...any) }, keys seal.Keys, content []byte) []byte {
	return sealedBy(t, seal.NewWriter, keys, content)
}

func sealedBy(t interface{ Fatal(...any) }, newWriter func(io.Writer, seal.Keys) (*seal.Writer, error), keys seal.Keys, content []byte) []byte {
	var out bytes.Buffer
	w, err := newWriter(&out, keys)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func open(t interface{ Fatal(...any) }, keys seal.Keys, file []byte) *seal.Reader {
	r, err := seal.NewReader(bytes.NewReader(file), int64(len(file)), keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func content(size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(size)})
	r.Read(b)
	return b
}

// TestPagesReadWhatWasWritten writes in pieces of any size and reads at any
// place.
func TestPagesReadWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.SampledFrom([]int{0, 1, 4015, 4016, 4017, 4095, 4096, 4097, 8192, 16 * 4096, 17 * 4096, 17*4096 + 1, 4016 + 15*4080, 4017 + 15*4080}), rapid.IntRange(0, 300_000)).Draw(t, "size")
		form := rapid.SampledFrom([]string{"pages", "aligned"}).Draw(t, "form")
		want := content(size)
		var out bytes.Buffer
		w, err := writers[form](&out, one)
		if err != nil {
			t.Fatal(err)
		}
		for rest := want; len(rest) > 0; {
			n := min(len(rest), rapid.IntRange(1, 50_000).Draw(t, "piece"))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if form == "pages" && int64(out.Len()) != seal.SealedSize(int64(size)) {
			t.Fatalf("%d bytes became %d, want %d", size, out.Len(), seal.SealedSize(int64(size)))
		}
		r := open(t, one, out.Bytes())
		if r.Size() != int64(size) {
			t.Fatalf("size %d, want %d", r.Size(), size)
		}
		for range 10 {
			at := rapid.IntRange(0, size+10).Draw(t, "at")
			p := make([]byte, rapid.IntRange(1, 100_000).Draw(t, "length"))
			n, err := r.ReadAt(p, int64(at))
			expected := want[min(at, size):min(at+len(p), size)]
			if !bytes.Equal(p[:n], expected) || (err == io.EOF) != (n < len(p)) || err != nil && err != io.EOF {
				t.Fatalf("ReadAt(%d bytes, %d) = %d, %v; want %d", len(p), at, n, err, len(expected))
			}
		}
	})
}

// TestSpansOfAlignedPages counts the disk's pages that content is in: no more
// than without sealing, but for what the tags move to the next.
func TestSpansOfAlignedPages(t *testing.T) {
	r := open(t, one, sealedBy(t, seal.NewAlignedWriter, one, content(100_000)))
	for _, c := range [][4]int64{ // off, length, and where the pages are and how many bytes they have
		{0, 1, 64, 4032}, {4015, 1, 64, 4032}, {4015, 2, 64, 8128}, {4016, 0, 4096, 4096},
		{4016, 4080, 4096, 4096}, {8095, 2, 4096, 8192}, {50_000, 5000, 49_152, 8192},
	} {
		if at, size := r.Span(c[0], c[1]); at != c[2] || size != c[3] {
			t.Errorf("%d bytes at %d are in %d at %d; want %d at %d", c[1], c[0], size, at, c[3], c[2])
		}
	}
}

// TestAlteredPages alters each byte, cuts the file anywhere, and moves pages.
func TestAlteredPages(t *testing.T) {
	for form, first := range map[string]int{"pages": 4096, "aligned": 4016} {
		t.Run(form, func(t *testing.T) {
			page := first + 16
			if form == "aligned" {
				page = 4096
			}
			alterPages(t, writers[form], seal.HeaderSize+first+16, page)
		})
	}
}

// alterPages is TestAlteredPages for a form whose second page is at an offset,
// and takes so many bytes.
func alterPages(t *testing.T, newWriter func(io.Writer, seal.Keys) (*seal.Writer, error), second, page int) {
	want := content(3*4096 + 100)
	file := sealedBy(t, newWriter, one, want)
	refused := func(name string, file []byte) {
		t.Helper()
		r, err := seal.NewReader(bytes.NewReader(file), int64(len(file)), one)
		if err == nil {
			_, err = io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		}
		if !errors.Is(err, seal.ErrAltered) && !errors.Is(err, seal.ErrPlain) && !errors.Is(err, seal.ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := 0; i < len(file); i += 1 + i/100 {
		altered := bytes.Clone(file)
		altered[i] ^= 1
		refused("an altered byte", altered)
		refused("cut off", file[:i])
	}
	refused("cut off at a page", file[:second])
	refused("cut off at another page", file[:second+page])
	swapped := bytes.Clone(file)
	copy(swapped[second:], file[second+page:second+2*page])
	copy(swapped[second+page:], file[second:second+page])
	refused("pages changed places", swapped)
	other := sealedBy(t, newWriter, one, want)
	copy(other[second:], file[second:second+page])
	refused("a page of another file", other)
	changed := bytes.Clone(file)
	changed[8] ^= byte(seal.Pages) ^ byte(seal.Aligned)
	refused("another form", changed)
}

func TestKeysByNumber(t *testing.T) {
	two := sealtest.Of(1, 2)
	old, recent := sealed(t, one, []byte("old")), sealed(t, two, []byte("new"))
	for _, file := range [][]byte{old, recent} {
		r := open(t, two, file)
		got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
		if err != nil || len(got) != 3 {
			t.Errorf("%q, %v", got, err)
		}
	}
	if seal.KeyNumber(old) != 1 || seal.KeyNumber(recent) != 2 || !seal.IsSealed(old) || seal.IsSealed([]byte("{}")) {
		t.Error("the header's number is wrong")
	}
	if _, err := seal.NewReader(bytes.NewReader(recent), int64(len(recent)), one); !errors.Is(err, seal.ErrKey) {
		t.Errorf("a key that is gone: %v", err)
	}
	if _, err := seal.NewReader(bytes.NewReader(old), int64(len(old)), sealtest.Of(9)); !errors.Is(err, seal.ErrAltered) {
		t.Errorf("a wrong key: %v", err)
	}
}

func TestNothingBehindTheLastPage(t *testing.T) {
	w, err := seal.NewWriter(io.Discard, one)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, seal.ErrEnded) {
		t.Errorf("writing behind the last page: %v", err)
	}
}

// frames seals each text as a frame, all but the last durable.
func frames(t *testing.T, texts ...string) (file []byte, ends []int) {
	t.Helper()
	var out bytes.Buffer
	w, err := seal.NewFrameWriter(&out, one)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		w.Synced(w.At())
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, out.Len())
	}
	return out.Bytes(), ends
}

func readFrames(file []byte) (string, error) {
	r, err := seal.NewFrameReader(bytes.NewReader(file), int64(len(file)), one)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

// TestFramesCutOff cuts a log anywhere: what is whole is read, and the rest is
// the end.
func TestFramesCutOff(t *testing.T) {
	file, ends := frames(t, "first ", string(content(100_000)), "third")
	whole, err := readFrames(file)
	if err != nil || len(whole) != 6+100_000+5 {
		t.Fatalf("%d bytes, %v", len(whole), err)
	}
	for cut := seal.HeaderSize; cut < len(file); cut += 1 + cut/50 {
		got, err := readFrames(file[:cut])
		if err != nil || cut >= ends[0] && len(got) < 6 || cut < ends[0] && got != "" || whole[:len(got)] != got {
			t.Fatalf("cut at %d: %d bytes, %v", cut, len(got), err)
		}
		zeros := append(bytes.Clone(file[:cut]), make([]byte, 5000)...)
		if again, err := readFrames(zeros); err != nil || again != got {
			t.Fatalf("zeros from %d: %d bytes, %v", cut, len(again), err)
		}
	}
}

// TestAlteredFrames alters each byte: of the last frame, which is what a power
// failure may do, and of one that is followed by a frame written after it was
// durable.
func TestAlteredFrames(t *testing.T) {
	file, ends := frames(t, "first ", "second ", "third")
	for i := seal.HeaderSize; i < len(file); i++ {
		altered := bytes.Clone(file)
		altered[i] ^= 0x40
		got, err := readFrames(altered)
		if i < ends[1] {
			if !errors.Is(err, seal.ErrAltered) {
				t.Fatalf("byte %d: %q, %v; want ErrAltered", i, got, err)
			}
		} else if got != "first second " || err != nil {
			t.Fatalf("byte %d: %q, %v; want the first two", i, got, err)
		}
	}
}

// TestFramesWrittenOver writes a log over an old, longer one.
func TestFramesWrittenOver(t *testing.T) {
	old, _ := frames(t, "old 1 ", "old 2 ", "old 3 ", string(content(5000)))
	recent, _ := frames(t, "new 1 ", "new 2")
	file := append(bytes.Clone(recent), old[len(recent):]...)
	if got, err := readFrames(file); err != nil || got != "new 1 new 2" {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x05"))
	f.Fuzz(func(t *testing.T, garbage []byte) {
		file, _ := frames(t, "first ", "second")
		file = append(file, garbage...)
		got, err := readFrames(file)
		if err != nil || got != "first second" {
			t.Fatalf("%q, %v", got, err)
		}
	})
}

// BenchmarkReadAt reads blocks of a table: one after the other, as scans and
// compactions do, and anywhere.
func BenchmarkReadAt(b *testing.B) {
	for form, newWriter := range writers {
		file := sealedBy(b, newWriter, one, content(1<<20))
		for name, step := range map[string]int{"following": 5000, "anywhere": 77_777} {
			b.Run(form+"/"+name, func(b *testing.B) {
				r := open(b, one, file)
				p := make([]byte, 5000)
				b.SetBytes(int64(len(p)))
				for i := 0; b.Loop(); i++ {
					if _, err := r.ReadAt(p, int64(i*step%(1<<20-5000))); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// TestReadsThatFollow reads one block after the other, of any size, from several
// goroutines, and sometimes elsewhere.
func TestReadsThatFollow(t *testing.T) {
	plain := content(100_000)
	for _, newWriter := range writers {
		readsThatFollow(t, open(t, one, sealedBy(t, newWriter, one, plain)), plain)
	}
}

func readsThatFollow(t *testing.T, r *seal.Reader, plain []byte) {
	var all sync.WaitGroup
	for seed := range uint64(4) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, 1))
			at := 0
			for range 2000 {
				if random.IntN(10) == 0 {
					at = random.IntN(len(plain))
				}
				p := make([]byte, random.IntN(9000)+1)
				n, err := r.ReadAt(p, int64(at))
				if want := plain[at:min(at+len(p), len(plain))]; !bytes.Equal(p[:n], want) || (err != nil) != (len(want) < len(p)) {
					t.Errorf("%d bytes at %d: %d, %v", len(p), at, n, err)
					return
				}
				if at += n; at == len(plain) {
					at = 0
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkFrame(b *testing.B) {
	w, err := seal.NewFrameWriter(io.Discard, one)
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 2000)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if _, err := w.Write(p); err != nil {
			b.Fatal(err)
		}
	}
}
