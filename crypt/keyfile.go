package crypt

// ReadKeyFile reads a key of KeySize bytes from a file that holds it as that of
// a master key does: in base64, readable by its owner alone. The environment is
// not looked at.
func ReadKeyFile(path string) ([]byte, error) { return readMaster(path) }
