package server

import (
	"os"
	"os/exec"
	"strings"
)

// program is how the running program, which was started by a name or path, is
// called in another shell: its name where the shell finds it by that.
func program(started string) string {
	const name = "tarn"
	if strings.Contains(started, "go-build") { // by "go run", from a folder that goes
		return "go run ./cmd/tarn"
	}
	if !strings.ContainsRune(started, os.PathSeparator) {
		return started
	}
	if found, err := exec.LookPath(name); err == nil && sameFile(found, started) {
		return name
	}
	return started
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
