//go:build unix

package main

import (
	"os"
	"syscall"
)

// pause stops a process where it is until resume; not this one, which the
// servers of tests are part of.
func pause(pid int) error {
	if pid == os.Getpid() {
		return nil
	}
	return syscall.Kill(pid, syscall.SIGSTOP)
}

func resume(pid int) error {
	if pid == os.Getpid() {
		return nil
	}
	return syscall.Kill(pid, syscall.SIGCONT)
}
