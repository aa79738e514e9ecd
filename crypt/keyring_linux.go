package crypt

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// keyringHint is how a key gets into the key ring. The server's user may read it
// where it runs in another session, so the key is in the ring of the user.
const keyringHint = "openssl rand -base64 32 | keyctl padd user %s @u"

// fromKeyring reads a key of type "user" from the kernel's ring of the user, or
// from those that are linked to the process.
// https://www.kernel.org/doc/html/latest/security/keys/core.html
func fromKeyring(name string) ([]byte, error) {
	// A key may be read by who possesses it: whose thread, process or session
	// has a ring that leads to it. Services have a session of their own, from
	// which the user's ring is not reached; the thread's then leads there.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, err := unix.KeyctlInt(unix.KEYCTL_LINK, unix.KEY_SPEC_USER_KEYRING, unix.KEY_SPEC_THREAD_KEYRING, 0, 0); err == nil {
		defer unix.KeyctlInt(unix.KEYCTL_UNLINK, unix.KEY_SPEC_USER_KEYRING, unix.KEY_SPEC_THREAD_KEYRING, 0, 0)
	}
	id, err := unix.KeyctlSearch(unix.KEY_SPEC_USER_KEYRING, "user", name, 0)
	if err != nil {
		if id, err = unix.RequestKey("user", name, "", 0); err != nil {
			return nil, err
		}
	}
	buf := make([]byte, 200)
	n, err := unix.KeyctlBuffer(unix.KEYCTL_READ, id, buf, 0)
	if err != nil {
		return nil, err
	}
	return buf[:min(n, len(buf))], nil
}
