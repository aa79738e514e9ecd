package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Sizes in bytes.
const (
	// KeySize is that of a data key.
	KeySize = 32
	// HeaderSize is that of the header of a sealed file.
	HeaderSize = 64
	tagSize    = 16
	nonceSize  = 12
)

// magic begins every sealed file. Its first byte begins no text.
const magic = "\x89TRNSEAL"

// A Form is how the bytes of a file are sealed.
type Form byte

// The forms.
const (
	Pages   Form = 1
	Frames  Form = 2
	Aligned Form = 3
)

var (
	// ErrAltered is the error for bytes that were not sealed as they are now, or
	// not in their place.
	ErrAltered = errors.New("seal: the file was altered or is damaged")
	// ErrKey is the error for a file whose data key is not there.
	ErrKey = errors.New("seal: the data key of the file is not there")
	// ErrPlain is the error for a file that is not sealed.
	ErrPlain = errors.New("seal: the file is not sealed")
)

// Keys are the data keys of one owner, of KeySize bytes, by number.
type Keys interface {
	// Current is the key for new files.
	Current() (number uint32, key []byte)
	// Key is the key of a number; false where there is none, or no longer.
	Key(number uint32) ([]byte, bool)
}

// A header is that of one file, with its cipher.
type header struct {
	form   Form
	number uint32
	aead   cipher.AEAD
	bytes  [HeaderSize]byte
}

// newHeader makes the header of a new file.
func newHeader(keys Keys, form Form) (*header, error) {
	h := &header{form: form}
	number, key := keys.Current()
	if len(key) != KeySize {
		return nil, fmt.Errorf("%w: there is none for new files", ErrKey)
	}
	h.number = number
	copy(h.bytes[:], magic)
	h.bytes[8] = byte(form)
	binary.BigEndian.PutUint32(h.bytes[12:], number)
	rand.Read(h.bytes[16:48]) // never fails
	if err := h.derive(key); err != nil {
		return nil, err
	}
	copy(h.bytes[48:], h.tag())
	return h, nil
}

// readHeader reads the header of a file: ErrPlain where it has none.
func readHeader(keys Keys, r io.ReaderAt) (*header, error) {
	h := &header{}
	n, err := r.ReadAt(h.bytes[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if n < HeaderSize || !IsSealed(h.bytes[:]) {
		return nil, ErrPlain
	}
	h.form, h.number = Form(h.bytes[8]), binary.BigEndian.Uint32(h.bytes[12:])
	key, found := keys.Key(h.number)
	if !found {
		return nil, fmt.Errorf("%w: it has the number %d", ErrKey, h.number)
	}
	if err := h.derive(key); err != nil {
		return nil, err
	}
	if !bytes.Equal(h.tag(), h.bytes[48:]) {
		return nil, fmt.Errorf("%w: its header does not belong to the data key %d", ErrAltered, h.number)
	}
	return h, nil
}

// IsSealed reports whether the first bytes of a file are those of a sealed one.
func IsSealed(start []byte) bool { return bytes.HasPrefix(start, []byte(magic)) }

// KeyNumber is the number of the data key in the first HeaderSize bytes of a
// sealed file.
func KeyNumber(start []byte) uint32 { return binary.BigEndian.Uint32(start[12:]) }

func (h *header) derive(key []byte) error {
	own, err := hkdf.Key(sha256.New, key, h.bytes[16:48], "tarn sealed file "+string(rune('0'+h.form)), KeySize)
	if err != nil {
		return err
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return err
	}
	h.aead, err = cipher.NewGCM(block)
	return err
}

// tag seals nothing, with the header beside it and a nonce that no page and no
// frame has.
func (h *header) tag() []byte {
	nonce := [nonceSize]byte{0: 0xff}
	return h.aead.Seal(nil, nonce[:], nil, h.bytes[:48])
}

// nonce is that of a page or a frame.
func nonce(kind byte, n int64) (b [nonceSize]byte) {
	b[0] = kind
	binary.BigEndian.PutUint64(b[4:], uint64(n))
	return b
}

// AEAD is AES-256-GCM with a key that is derived from a data key for a purpose.
// Who uses it gives each message a nonce of its own.
func AEAD(key []byte, purpose string) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, ErrKey
	}
	own, err := hkdf.Key(sha256.New, key, nil, "tarn "+purpose, KeySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
