//go:build !linux

package blob

import "os"

// beginWriting leaves it to the system when it writes.
func beginWriting(*os.File, int64, int64) {}
