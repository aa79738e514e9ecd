//go:build !linux

package audit

import (
	"errors"
	"os"
)

// A window is for systems where what is copied into it is as good as written;
// others write.
type window struct{}

func (w *window) open(*os.File, int64, int64) {}
func (w *window) holds(int64, int) bool       { return false }
func (w *window) put([]byte, int64) error     { return errors.ErrUnsupported }
func (w *window) close()                      {}
