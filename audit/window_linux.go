package audit

import (
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
)

// A window is a part of a file in memory. What is copied into it the operating
// system has, as after a write, without a call of it: the end of the process does
// not lose it, and fdatasync makes it durable.
// https://man7.org/linux/man-pages/man2/mmap.2.html
type window struct {
	mem  []byte
	from int64 // where in the file it begins
}

// open makes the window one of a part of a file, which has that much.
func (w *window) open(f *os.File, from, to int64) {
	w.close()
	from -= from % int64(os.Getpagesize())
	mem, err := syscall.Mmap(int(f.Fd()), from, int(to-from), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err == nil { // otherwise what is written is written otherwise
		w.mem, w.from = mem, from
	}
}

// holds reports whether n bytes at a place of the file are in the window.
func (w *window) holds(at int64, n int) bool {
	return at >= w.from && at+int64(n) <= w.from+int64(len(w.mem))
}

// put copies a block into the window, which holds it. A disk that is broken or
// full may be noticed only by that: it is an error then, not the end of the
// process.
func (w *window) put(block []byte, at int64) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("audit: a file in memory: %v", fault)
		}
	}()
	copy(w.mem[at-w.from:], block)
	return nil
}

// close frees the window. It must be closed before the file is made shorter.
func (w *window) close() {
	if w.mem != nil {
		_ = syscall.Munmap(w.mem) // nothing is lost by it
	}
	*w = window{}
}
