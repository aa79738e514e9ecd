//go:build !linux

package crypt

import "errors"

const keyringHint = "%s cannot be read from a key ring on this system; use a file or the environment"

func fromKeyring(string) ([]byte, error) {
	return nil, errors.New("key rings of this system are not read")
}
