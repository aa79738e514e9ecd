package audit

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tarnhealth/tarn/crypt/seal"
)

// kindSealed is a block of records whose body is sealed: the number of the data
// key (4), a nonce (12), and the body of a block of records under AES-256-GCM
// with the number and the count of its records beside it. The chain is over the
// sealed bytes, so that it can be verified without the keys.
const kindSealed blockKind = 4

const sealedHead = 4 + 12

// ErrSealed is the error of reading sealed records without their keys.
var ErrSealed = errors.New("audit: the records are sealed, and their keys are not there")

// A cabinet has the ciphers of a segment, by the numbers of their data keys.
type cabinet struct {
	keys    seal.Keys
	segment uint64
	ciphers map[uint32]cipher.AEAD
}

func (c *cabinet) cipher(segment uint64, number uint32, key []byte) (cipher.AEAD, error) {
	if c.segment != segment || c.ciphers == nil {
		c.segment, c.ciphers = segment, map[uint32]cipher.AEAD{}
	}
	if a := c.ciphers[number]; a != nil {
		return a, nil
	}
	a, err := seal.AEAD(key, fmt.Sprintf("audit segment %d", segment))
	if err == nil {
		c.ciphers[number] = a
	}
	return a, err
}

// besides is what is authenticated with a body.
func besides(first uint64, count uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, first), count)
}

// seal seals the body of a block that beginBlock began.
func (c *cabinet) seal(segment uint64, block []byte, first uint64, count uint32) ([]byte, error) {
	number, key := c.keys.Current()
	a, err := c.cipher(segment, number, key)
	if err != nil {
		return nil, err
	}
	out := beginBlock(make([]byte, 0, len(block)+sealedHead+a.Overhead()+hashSize))
	out = binary.BigEndian.AppendUint32(out, number)
	out = append(out, make([]byte, sealedHead-4)...)
	nonce := out[len(out)-(sealedHead-4):]
	rand.Read(nonce) // never fails
	return a.Seal(out, nonce, block[headSize:], besides(first, count)), nil
}

// open makes a sealed block one of records, where the keys are there.
func (c *cabinet) open(segment uint64, b *block) error {
	if b.kind != kindSealed || c.keys == nil {
		return nil
	}
	if len(b.body) < sealedHead {
		return errBlock
	}
	number := binary.BigEndian.Uint32(b.body)
	key, found := c.keys.Key(number)
	if !found {
		return fmt.Errorf("%w: the key %d", ErrSealed, number)
	}
	a, err := c.cipher(segment, number, key)
	if err != nil {
		return err
	}
	plain, err := a.Open(nil, b.body[4:sealedHead], b.body[sealedHead:], besides(b.first, b.count))
	if err != nil {
		return errBlock
	}
	b.kind, b.body = kindRecords, plain
	return nil
}

// A Folder is the files of a log: what Each and Verify read, with the keys of
// the records where they are sealed.
type Folder struct {
	// Dir is the folder of the log, Archive that of archived segments; "" for
	// none. Vault is where they are otherwise.
	Dir, Archive string
	Vault        Vault
	// Keys open sealed records; nil for none. Verify does without, and then
	// checks all but whether the records can be read.
	Keys seal.Keys
}

// vault is the archive, nil for none.
func (f *Folder) vault() Vault {
	if f.Vault == nil && f.Archive != "" {
		return FolderVault(f.Archive)
	}
	return f.Vault
}
