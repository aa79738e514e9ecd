package crypt

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tarnhealth/tarn/durable"
)

// MasterKeyVariable names the environment variable that holds the master key
// in base64, for servers whose secrets come from outside.
const MasterKeyVariable = "TARN_MASTER_KEY"

// MasterKey returns the master key of a server: from the environment variable
// MasterKeyVariable where it is set, else from the file at path, which is made
// with a random key where it is not there. The file holds the key in base64 and
// a newline, and is refused where others than its owner may read or write it.
//
// Whoever loses the key loses what is sealed with it. Processes that start at
// once with no file yet agree on one key.
//
// A path "keyring:NAME" is the key of that name in the operating system's key
// ring, which is not made.
func MasterKey(path string) ([]byte, error) {
	key, err := ReadMasterKey(path)
	if inKeyring(path) || !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := makeMaster(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making the master key: %w", err)
	}
	return readMaster(path)
}

// ErrNoMasterKey says that there is no master key.
var ErrNoMasterKey = errors.New("crypt: there is no master key")

// ReadMasterKey is MasterKey, but makes nothing: ErrNoMasterKey where there is
// none.
func ReadMasterKey(path string) ([]byte, error) {
	if text := os.Getenv(MasterKeyVariable); text != "" {
		return decodeMaster([]byte(text), "the environment variable "+MasterKeyVariable)
	}
	if inKeyring(path) {
		return readKeyring(path)
	}
	key, err := readMaster(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrNoMasterKey, err)
	}
	return key, err
}

func readMaster(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the master key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading the master key: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the master key %s has mode %v; it must be a regular file that its owner alone may read: chmod 600", path, mode)
	}
	text := make([]byte, 200)
	n, err := f.Read(text)
	if err != nil && n == 0 {
		return nil, fmt.Errorf("the master key %s is empty", path)
	}
	return decodeMaster(text[:n], path)
}

// decodeMaster never puts the text into an error: it is a secret.
func decodeMaster(text []byte, source string) ([]byte, error) {
	text = bytes.TrimSpace(text)
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if key, err := encoding.DecodeString(string(text)); err == nil && len(key) == KeySize {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%s does not hold a master key: %d random bytes in base64, as `openssl rand -base64 %d` prints", source, KeySize, KeySize)
}

// makeMaster writes a new key to a file of its own and links it into place, so
// that no process ever sees half of one; fs.ErrExist where another was first.
func makeMaster(path string) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".master-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	key := make([]byte, KeySize)
	rand.Read(key) // never fails
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return durable.SyncFolder(dir)
}

// PreviousMasterKeyVariable names the environment variable that holds the master
// key from before, in base64, while MasterKeyVariable holds a new one.
const PreviousMasterKeyVariable = "TARN_MASTER_KEY_PREVIOUS"

// PreviousMasterKey returns the master key from before, nil where there is none.
func PreviousMasterKey() ([]byte, error) {
	text := os.Getenv(PreviousMasterKeyVariable)
	if text == "" {
		return nil, nil
	}
	return decodeMaster([]byte(text), "the environment variable "+PreviousMasterKeyVariable)
}
