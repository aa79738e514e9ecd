//go:build linux && (amd64 || arm64)

package probe

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"
)

// Evict drops the files below dir from the operating system's cache.
func Evict(dir string) {
	_ = filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil // files come and go while a server runs
		}
		f, err := os.Open(name)
		if err != nil {
			return nil
		}
		defer f.Close()
		const dontNeed = 4 // POSIX_FADV_DONTNEED
		_, _, _ = syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, dontNeed, 0, 0)
		return nil
	})
}

// openDirect opens a file for reads that go past the cache, where the file
// system can do that.
func openDirect(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_DIRECT, 0)
	if err != nil {
		return os.Open(name)
	}
	return f, nil
}

// aligned makes a buffer as openDirect's files want it.
func aligned(size int) []byte {
	const page = 4096
	b := make([]byte, size+page)
	skip := page - int(uintptr(unsafe.Pointer(&b[0]))%page)
	return b[skip : skip+size]
}
