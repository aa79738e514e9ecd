// Package blobtest is the conformance suite of package blob, and starts the S3
// server that tests run against.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/blob"
)

// Test runs the suite; open makes an empty bucket.
func Test(t *testing.T, open func(t *testing.T) blob.Bucket) {
	for name, test := range map[string]func(*testing.T, blob.Bucket){
		"write and read": testWriteRead, "ranges": testRanges, "large": testLarge, "given up": testGivenUp,
		"replace": testReplace, "list": testList, "delete": testDelete, "keys": testKeys, "absence": testAbsence,
		"presign": testPresign, "together": testTogether,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func put(t *testing.T, b blob.Bucket, key, content string) {
	t.Helper()
	if err := blob.Write(t.Context(), b, key, []byte(content)); err != nil {
		t.Fatalf("write %s: %v", key, err)
	}
}

func get(t *testing.T, b blob.Bucket, key string, offset, length int64) string {
	t.Helper()
	r, err := b.Open(t.Context(), key, offset, length)
	if err != nil {
		t.Fatalf("open %s: %v", key, err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %s: %v", key, err)
	}
	return string(content)
}

func testWriteRead(t *testing.T, b blob.Bucket) {
	for _, content := range []string{"", "a", strings.Repeat("line\n", 1000), "\x00\xff\x80"} {
		put(t, b, "one", content)
		if got := get(t, b, "one", 0, -1); got != content {
			t.Errorf("%q came back as %q", content, got)
		}
		info, err := b.Stat(t.Context(), "one")
		if err != nil || info.Key != "one" || info.Size != int64(len(content)) || time.Since(info.Modified).Abs() > time.Hour {
			t.Errorf("described as %+v, %v", info, err)
		}
	}
}

func testRanges(t *testing.T, b blob.Bucket) {
	put(t, b, "a/b", "0123456789")
	for _, test := range []struct {
		offset, length int64
		want           string
	}{{0, -1, "0123456789"}, {0, 0, ""}, {0, 3, "012"}, {4, 2, "45"}, {7, 100, "789"}, {9, -1, "9"}, {10, -1, ""}, {10, 5, ""}} {
		if got := get(t, b, "a/b", test.offset, test.length); got != test.want {
			t.Errorf("%d+%d: %q, want %q", test.offset, test.length, got, test.want)
		}
	}
	if _, err := b.Open(t.Context(), "a/b", 11, -1); !errors.Is(err, blob.ErrRange) {
		t.Errorf("beyond the end: %v", err)
	}
}

// testLarge is larger than the parts of an upload.
func testLarge(t *testing.T, b blob.Bucket) {
	random := rand.New(rand.NewPCG(1, 2))
	want := make([]byte, 20<<20+12345)
	for i := range want {
		want[i] = byte(random.Uint32())
	}
	w, err := b.Create(t.Context(), "large")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for rest := want; len(rest) > 0; {
		n := min(len(rest), 1+random.IntN(1<<20))
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if _, err := b.Stat(t.Context(), "large"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("there before it was committed: %v", err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, b, "large", 0, -1); got != string(want) {
		t.Error("came back altered")
	}
	if got := get(t, b, "large", 9<<20, 12); got != string(want[9<<20:9<<20+12]) {
		t.Error("a range came back altered")
	}
}

func testGivenUp(t *testing.T, b blob.Bucket) {
	for _, size := range []int{10, 17 << 20} {
		w, err := b.Create(t.Context(), "folder/one")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte("x"), size)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if _, err := b.Open(t.Context(), "folder/one", 0, -1); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("is there although it was given up: %v", err)
		}
		if err := w.Commit(); err == nil {
			t.Error("committed after it was given up")
		}
	}
	checkList(t, b, "", "")
}

func testReplace(t *testing.T, b blob.Bucket) {
	put(t, b, "one", "before")
	before, err := b.Stat(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	w, err := b.Create(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "after it"); err != nil {
		t.Fatal(err)
	}
	if got := get(t, b, "one", 0, -1); got != "before" {
		t.Errorf("while it is written: %q", got)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("close after commit: %v", err)
	}
	if got := get(t, b, "one", 0, -1); got != "after it" {
		t.Errorf("replaced by %q", got)
	}
	if after, err := b.Stat(t.Context(), "one"); err != nil || after.ETag == before.ETag && after.ETag != "" {
		t.Errorf("the ETag stayed %q, %v", after.ETag, err)
	}
}

func checkList(t *testing.T, b blob.Bucket, prefix, after string, want ...string) {
	t.Helper()
	var got []string
	for info, err := range b.List(t.Context(), prefix, after) {
		if err != nil {
			t.Fatal(err)
		}
		if info.Size != int64(len(info.Key)) {
			t.Errorf("%s has %d bytes", info.Key, info.Size)
		}
		got = append(got, info.Key)
	}
	if !slices.Equal(got, want) {
		t.Errorf("list %q after %q: %q, want %q", prefix, after, got, want)
	}
}

func testList(t *testing.T, b blob.Bucket) {
	keys := []string{"a-b", "a.b", "a/1", "a/2", "a/b/3", "a0", "ab", "ac", "b/1", "c d", "é/ü"}
	for _, i := range rand.Perm(len(keys)) {
		put(t, b, keys[i], keys[i])
	}
	checkList(t, b, "", "", keys...)
	checkList(t, b, "a", "", keys[:8]...)
	checkList(t, b, "a/", "", keys[2:5]...)
	checkList(t, b, "a/b", "", "a/b/3")
	checkList(t, b, "", "a/1", keys[3:]...)
	checkList(t, b, "a/", "a/1", keys[3:5]...)
	checkList(t, b, "a", "a/b/3", keys[5:8]...)
	checkList(t, b, "none", "")
	checkList(t, b, "b", "c")
	for info, err := range b.List(t.Context(), "", "") {
		if err != nil || info.Key != "a-b" {
			t.Errorf("first is %s, %v", info.Key, err)
		}
		break // may stop
	}
	if err := blob.DeleteAll(t.Context(), b, "a/"); err != nil {
		t.Fatal(err)
	}
	checkList(t, b, "a", "", "a-b", "a.b", "a0", "ab", "ac")
}

func testDelete(t *testing.T, b blob.Bucket) {
	put(t, b, "x/y/z", "x/y/z")
	put(t, b, "x/a", "x/a")
	for range 2 {
		if err := b.Delete(t.Context(), "x/y/z"); err != nil {
			t.Error(err)
		}
	}
	checkList(t, b, "", "", "x/a")
	put(t, b, "x/y", "x/y") // a blob where a folder was
	checkList(t, b, "", "", "x/a", "x/y")
}

func testKeys(t *testing.T, b blob.Bucket) {
	for _, key := range []string{"", "/a", "a/", "a//b", ".", "..", "a/../b", "../b", "a\\b", "a\x00b", "a\nb", "\xff", strings.Repeat("a/", 600) + "b", strings.Repeat("a", 256)} {
		if w, err := b.Create(t.Context(), key); !errors.Is(err, blob.ErrKey) {
			t.Errorf("%.20q: %v, %v", key, w, err)
		}
	}
	for _, key := range []string{"a", "a b/ü+%20&?#.txt", "…", strings.Repeat("a", 255), ".hidden"} {
		put(t, b, key, key)
		if got := get(t, b, key, 0, -1); got != key {
			t.Errorf("%q came back as %q", key, got)
		}
	}
}

func testAbsence(t *testing.T, b blob.Bucket) {
	if _, err := b.Open(t.Context(), "none", 0, -1); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("open: %v", err)
	}
	if _, err := b.Stat(t.Context(), "none"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("stat: %v", err)
	}
	if err := b.Delete(t.Context(), "none"); err != nil {
		t.Errorf("delete: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range b.List(ended, "", "") {
		if err == nil {
			t.Error("listed after the context ended")
		}
		break
	}
}

// testPresign is for buckets that sign URLs.
func testPresign(t *testing.T, b blob.Bucket) {
	ask := func(method, body string) (int, string) {
		t.Helper()
		url, err := b.Presign(t.Context(), method, "signed", time.Minute)
		if errors.Is(err, blob.ErrNotSupported) {
			t.Skip("this bucket does not sign URLs")
		}
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		got, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(got)
	}
	if status, _ := ask(http.MethodPut, "content"); status != 200 {
		t.Errorf("PUT: %d", status)
	}
	if status, got := ask(http.MethodGet, ""); status != 200 || got != "content" {
		t.Errorf("GET: %d %s", status, got)
	}
	if _, err := b.Presign(t.Context(), http.MethodDelete, "signed", time.Minute); !errors.Is(err, blob.ErrNotSupported) {
		t.Errorf("DELETE: %v", err)
	}
}

// testTogether writes and reads from many goroutines.
func testTogether(t *testing.T, b blob.Bucket) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 5 {
				key := fmt.Sprintf("k/%d/%d", i%4, j)
				if err := blob.Write(t.Context(), b, key, []byte(key)); err != nil {
					t.Error(err)
				}
				if got, err := blob.Read(t.Context(), b, key, 100); err != nil || string(got) != key {
					t.Errorf("%s: %q, %v", key, got, err)
				}
			}
		})
	}
	all.Wait()
	n := 0
	for range b.List(t.Context(), "k/", "") {
		n++
	}
	if n != 20 {
		t.Errorf("%d blobs", n)
	}
}
