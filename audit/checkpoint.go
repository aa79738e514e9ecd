package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tarnhealth/tarn/durable"
)

// A Checkpoint is a signed statement that the log had a hash after a number of
// records. One that is kept elsewhere, too, shows later that the log was not
// made anew with the same key.
type Checkpoint struct {
	// Records is how many records the log had.
	Records uint64 `json:"records"`
	// Hash is that of the block before the checkpoint, in hex.
	Hash string    `json:"hash"`
	Time time.Time `json:"time"`
	// Segment and Size are where the log ended, before the checkpoint.
	Segment uint64 `json:"segment"`
	Size    int64  `json:"size"`
	// Key names the key: see KeyID.
	Key string `json:"key"`
	// Durability is Process where it was in force; "" otherwise.
	Durability Durability `json:"durability,omitempty"`
	// Signature is Ed25519 over what signed returns.
	Signature []byte `json:"signature"`
}

// signed is what is signed.
func (c *Checkpoint) signed() []byte {
	b := []byte("tarn audit checkpoint\n" + c.Hash + "\n" + c.Key + "\n")
	b = binary.BigEndian.AppendUint64(b, c.Records)
	b = binary.BigEndian.AppendUint64(b, c.Segment)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Size))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Time.UnixNano()))
	return append(b, c.Durability...)
}

// Check reports whether one of the keys signed the checkpoint.
func (c *Checkpoint) Check(keys ...ed25519.PublicKey) bool {
	for _, key := range keys {
		if KeyID(key) == c.Key && ed25519.Verify(key, c.signed(), c.Signature) {
			return true
		}
	}
	return false
}

// covers reports whether the checkpoint tells of something at or behind a place.
func (c *Checkpoint) covers(segment uint64, at int64) bool {
	return c != nil && (c.Segment > segment || c.Segment == segment && at < c.Size)
}

// durability is what is known of the records after the checkpoint.
func (c *Checkpoint) durability() Durability {
	if c == nil {
		return ""
	}
	return c.Durability
}

// KeyID names a key: the first 8 bytes of its SHA-256, in hex.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// Key is the signing key of a server: purpose-bound key material of 32 bytes,
// such as crypt.Box.Key(KeyPurpose) returns, makes it.
func Key(seed []byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(seed) }

// KeyPurpose is the purpose of the key material for Key.
const KeyPurpose = "audit checkpoints"

const headName = "HEAD"

// writeHead replaces HEAD.
func writeHead(dir string, c *Checkpoint) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return durable.ReplaceWith(filepath.Join(dir, headName), 0o600, append(text, '\n'))
}

// readHead reads HEAD; nil where there is none.
func readHead(dir string) (*Checkpoint, error) {
	text, err := os.ReadFile(filepath.Join(dir, headName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var c Checkpoint
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, &Damage{File: headName, Text: fmt.Sprintf("cannot be read: %v", err)}
	}
	return &c, nil
}
