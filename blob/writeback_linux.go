package blob

import (
	"os"
	"syscall"
)

// syncFileRangeWrite is SYNC_FILE_RANGE_WRITE of sync_file_range(2).
const syncFileRangeWrite = 2

// beginWriting has the system begin to write n bytes from at. It is no more than
// a hint: what goes wrong is told when the file is synced.
func beginWriting(f *os.File, at, n int64) {
	_ = syscall.SyncFileRange(int(f.Fd()), at, n, syncFileRangeWrite)
}
