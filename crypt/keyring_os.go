package crypt

import (
	"fmt"
	"strings"
)

// keyringPrefix begins the path of a master key in the operating system's key
// ring.
const keyringPrefix = "keyring:"

func inKeyring(path string) bool { return strings.HasPrefix(path, keyringPrefix) }

// readKeyring reads the master key from the operating system's key ring.
func readKeyring(path string) ([]byte, error) {
	name := strings.TrimPrefix(path, keyringPrefix)
	if name == "" {
		return nil, fmt.Errorf("the master key %q has no name; write %sNAME", path, keyringPrefix)
	}
	text, err := fromKeyring(name)
	if err != nil {
		return nil, fmt.Errorf("there is no master key %q in the key ring of the operating system (%v): %w; add it with: %s", name, err, ErrNoMasterKey, fmt.Sprintf(keyringHint, name))
	}
	return decodeMaster(text, path)
}
