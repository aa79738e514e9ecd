package seal

import "testing"

// TestSizesOfSealedFiles checks that a size belongs to one content, or none.
func TestSizesOfSealedFiles(t *testing.T) {
	for form, l := range layouts {
		known := map[int64]int64{}
		for n := range 3*l.page + 10 {
			known[l.sealed(n)] = n
		}
		for n := range l.sealed(3 * l.page) {
			got, ok := l.content(n)
			if want, is := known[n]; is != ok || ok && got != want {
				t.Fatalf("form %d: content(%d) = %d, %v; want %d, %v", form, n, got, ok, want, is)
			}
		}
	}
}

// TestAlignedPages are the disk's.
func TestAlignedPages(t *testing.T) {
	for page := range int64(100) {
		l := layouts[Aligned]
		if at := l.place(page); page > 0 && at != page*PageSize || page == 0 && at != HeaderSize {
			t.Errorf("page %d is at %d", page, at)
		}
		if start := l.start(page); l.pageOf(start) != page || l.pageOf(start+l.size(page)-1) != page {
			t.Errorf("page %d is not where its content is", page)
		}
	}
}
