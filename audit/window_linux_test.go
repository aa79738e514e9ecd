package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestWindow writes records by way of memory, and tells what the file cannot
// take.
func TestWindow(t *testing.T) {
	l := openLog(t, t.TempDir(), process)
	appendAll(t, l, 1, 3)
	if l.window.mem == nil {
		t.Fatal("there is no window")
	}
	if file, err := os.ReadFile(l.segment(1)); err != nil || !bytes.Contains(file, []byte("Patient/3")) {
		t.Errorf("the file lacks what was written: %v", err)
	}
	name := filepath.Join(t.TempDir(), "file")
	write(t, name, make([]byte, 3*os.Getpagesize()))
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var w window
	w.open(f, int64(os.Getpagesize())+5, int64(3*os.Getpagesize()))
	defer w.close()
	at := int64(2*os.Getpagesize() - 2)
	if w.holds(at, 2*os.Getpagesize()) || w.holds(5, 1) || !w.holds(at, 4) {
		t.Error("it holds something else")
	}
	if err := w.put([]byte("text"), at); err != nil {
		t.Error(err)
	}
	if file, err := os.ReadFile(name); err != nil || string(file[at:at+4]) != "text" {
		t.Errorf("the file has %q, %v", file[at:at+4], err)
	}
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if err := w.put([]byte("text"), at); err == nil {
		t.Error("what is behind the end of the file was written")
	}
}
