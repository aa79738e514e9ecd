//go:build unix

package codebook

import (
	"fmt"
	"os"
	"syscall"
)

// mapFile maps a file into memory; release ends that.
func mapFile(path string) (data []byte, release func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if size := info.Size(); size < int64(fixed+8) || size != int64(int(size)) {
		return nil, nil, fmt.Errorf("%s: %w: it has %d bytes", path, ErrDamaged, size)
	}
	data, err = syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	return data, func() { _ = syscall.Munmap(data) }, nil // it was mapped: nothing is left to do about an error
}
