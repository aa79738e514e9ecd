package crypt

import "os/exec"

// keyringHint is how a key gets into the key chain.
const keyringHint = `security add-generic-password -s tarn -a %s -w "$(openssl rand -base64 32)"`

// fromKeyring reads a password of the service "tarn" from the key chain.
func fromKeyring(name string) ([]byte, error) {
	return exec.Command("/usr/bin/security", "find-generic-password", "-s", "tarn", "-a", name, "-w").Output()
}
