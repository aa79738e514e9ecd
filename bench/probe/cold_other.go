//go:build !linux || !(amd64 || arm64)

package probe

import "os"

// Evict can do nothing here: what is called cold is cold to the server alone.
func Evict(string) {}

func openDirect(name string) (*os.File, error) { return os.Open(name) }

func aligned(size int) []byte { return make([]byte, size) }
