package crypt_test

import (
	"encoding/base64"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tarnhealth/tarn/crypt"
)

// addKey puts a key into a ring of the kernel, for as long as the test runs.
func addKey(t *testing.T, ring int, name, payload string) {
	t.Helper()
	id, err := unix.AddKey("user", name, []byte(payload), ring)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EACCES) {
		t.Skipf("this system lets nobody use the kernel's key rings: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := unix.KeyctlInt(unix.KEYCTL_UNLINK, id, ring, 0, 0); err != nil {
			t.Error(err)
		}
	})
}

// TestMasterKeyInTheKernelsRing reads keys that the kernel holds.
func TestMasterKeyInTheKernelsRing(t *testing.T) {
	t.Setenv(crypt.MasterKeyVariable, "")
	secret := slices.Repeat([]byte{9}, crypt.KeySize)
	text := base64.StdEncoding.EncodeToString(secret) + "\n" // as openssl writes it
	addKey(t, unix.KEY_SPEC_USER_KEYRING, "tarn-test-user", text)
	if got, err := crypt.MasterKey("keyring:tarn-test-user"); err != nil || !slices.Equal(got, secret) {
		t.Errorf("%x, %v", got, err)
	}
	addKey(t, unix.KEY_SPEC_PROCESS_KEYRING, "tarn-test-process", text)
	if got, err := crypt.ReadMasterKey("keyring:tarn-test-process"); err != nil || !slices.Equal(got, secret) {
		t.Errorf("in the process's own ring: %x, %v", got, err)
	}
	addKey(t, unix.KEY_SPEC_USER_KEYRING, "tarn-test-broken", "short")
	if _, err := crypt.MasterKey("keyring:tarn-test-broken"); err == nil || strings.Contains(err.Error(), "short") {
		t.Error(err)
	}
	if _, err := crypt.MasterKey("keyring:tarn-test-none"); !errors.Is(err, crypt.ErrNoMasterKey) || !strings.Contains(err.Error(), "keyctl padd user tarn-test-none") {
		t.Error(err)
	}
	if _, err := crypt.MasterKey("keyring:"); err == nil {
		t.Error("a key without a name")
	}
}

// TestMasterKeyInAnotherSession reads the user's ring from a session that does
// not lead there, as services have one.
func TestMasterKeyInAnotherSession(t *testing.T) {
	t.Setenv(crypt.MasterKeyVariable, "")
	secret := slices.Repeat([]byte{8}, crypt.KeySize)
	addKey(t, unix.KEY_SPEC_USER_KEYRING, "tarn-test-session", base64.StdEncoding.EncodeToString(secret))
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and not unlocked: the thread ends, with its session
		if _, err := unix.KeyctlJoinSessionKeyring("tarn-test"); err != nil {
			t.Error(err)
			return
		}
		if got, err := crypt.ReadMasterKey("keyring:tarn-test-session"); err != nil || !slices.Equal(got, secret) {
			t.Errorf("%x, %v", got, err)
		}
	}()
	<-done
}
