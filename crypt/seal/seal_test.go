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
)

var one = sealtest.Of(1)

func sealed(t interface{ Fatal(...any) }, keys seal.Keys, content []byte) []byte {
	var out bytes.Buffer
	w, err := seal.NewWriter(&out, keys)
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
		size := rapid.OneOf(rapid.SampledFrom([]int{0, 1, 4095, 4096, 4097, 8192, 16 * 4096, 17 * 4096, 17*4096 + 1}), rapid.IntRange(0, 300_000)).Draw(t, "size")
		want := content(size)
		var out bytes.Buffer
		w, err := seal.NewWriter(&out, one)
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
		if int64(out.Len()) != seal.SealedSize(int64(size)) {
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

// TestSizesOfSealedFiles checks that a size belongs to one content, or none.
func TestSizesOfSealedFiles(t *testing.T) {
	known := map[int64]int64{}
	for n := range int64(3*4096 + 10) {
		known[seal.SealedSize(n)] = n
	}
	for n := range seal.SealedSize(3 * 4096) {
		got, ok := seal.ContentSize(n)
		if want, is := known[n]; is != ok || ok && got != want {
			t.Fatalf("ContentSize(%d) = %d, %v; want %d, %v", n, got, ok, want, is)
		}
	}
}

// TestAlteredPages alters each byte, cuts the file anywhere, and moves pages.
func TestAlteredPages(t *testing.T) {
	want := content(2*4096 + 100)
	file := sealed(t, one, want)
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
	page := seal.SealedPage
	swapped := bytes.Clone(file)
	copy(swapped[seal.HeaderSize:], file[seal.HeaderSize+page:seal.HeaderSize+2*page])
	copy(swapped[seal.HeaderSize+page:], file[seal.HeaderSize:seal.HeaderSize+page])
	refused("pages changed places", swapped)
	other := sealed(t, one, want)
	copy(other[seal.HeaderSize:], file[seal.HeaderSize:seal.HeaderSize+page])
	refused("a page of another file", other)
	refused("whole pages only", sealed(t, one, want[:8192])[:seal.HeaderSize+page])
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
	file := sealed(b, one, content(1<<20))
	for name, step := range map[string]int{"following": 5000, "anywhere": 77_777} {
		b.Run(name, func(b *testing.B) {
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

// TestReadsThatFollow reads one block after the other, of any size, from several
// goroutines, and sometimes elsewhere.
func TestReadsThatFollow(t *testing.T) {
	plain := content(100_000)
	r := open(t, one, sealed(t, one, plain))
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
