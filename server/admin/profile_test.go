package admin

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestProfiles asks for every profile; each is gzip around a protocol buffer.
func TestProfiles(t *testing.T) {
	mux := http.NewServeMux()
	mountProfiles(mux)
	for _, kind := range []string{"cpu", "allocs", "heap", "block", "mutex", "goroutine"} {
		path := "/profile/" + kind
		if kind == "cpu" {
			path += "?seconds=1"
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", kind, w.Code, w.Body)
			continue
		}
		unpacked, err := gzip.NewReader(bytes.NewReader(w.Body.Bytes()))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if text, err := io.ReadAll(unpacked); err != nil || len(text) == 0 {
			t.Errorf("%s: %d bytes, %v", kind, len(text), err)
		}
	}
}

// TestProfilesOfTwo asks for a profile twice at a time: the recording ends
// with the last of them.
func TestProfilesOfTwo(t *testing.T) {
	var on []bool
	p := &profiler{recording: map[string]int{}}
	mux := http.NewServeMux()
	p.mount(mux, "block", func(is bool) { on = append(on, is) })
	p.change("block", 1, func(is bool) { on = append(on, is) })
	mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/profile/block", nil))
	p.change("block", -1, func(is bool) { on = append(on, is) })
	if want := []bool{true, true, true, false}; len(on) != 4 || on[2] != want[2] || on[3] != want[3] {
		t.Errorf("recording was %v, want %v", on, want)
	}
}
