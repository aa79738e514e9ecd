package datastore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/tarnhealth/tarn/authz"
)

// Cursors seals the places at which pages begin, which clients carry around.
// They are unreadable, for a place tells of what the caller may not see (how
// many versions there are, and where in the order), and good for one search of
// one caller. The same place is sealed alike.
type Cursors struct {
	seal, mac [sha256.Size]byte
	caller    string
}

// NewCursors makes the Cursors of a caller ("" for nobody in particular) from
// a secret.
func NewCursors(key []byte, caller string) Cursors {
	return Cursors{seal: derived(key, "seal cursors"), mac: derived(key, "sign cursors"), caller: caller}
}

// Cursors are those of a caller of the data store.
func (s *Store) Cursors(access authz.Access) Cursors {
	c := s.cursors
	c.caller = access.Identity()
	return c
}

// Cursors are those of the view's caller.
func (v *View) Cursors() Cursors { return v.store.Cursors(v.access) }

func derived(key []byte, purpose string) [sha256.Size]byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(purpose))
	return [sha256.Size]byte(m.Sum(nil))
}

var (
	// ErrCursor says that a cursor was not made by Seal for this search.
	ErrCursor = errors.New("datastore: no such cursor")
	// ErrCursorCaller says that it was made for another caller.
	ErrCursorCaller = errors.New("datastore: a cursor of another caller")
)

// callerSize is the length of the tag of a caller.
const callerSize = 8

// Seal makes the text of a place. of names the search that it belongs to.
//
// It is AES-256 in counter mode, whose initial counter is a MAC of what is
// sealed: the synthetic IV of RFC 5297.
func (c Cursors) Seal(of string, place []byte) string {
	plain := append(c.tag(), place...)
	iv := c.iv(of, plain)
	return base64.RawURLEncoding.EncodeToString(append(iv, c.crypt(iv, plain)...))
}

// Open is the place that Seal was given: ErrCursor where the text is not one
// for this search, ErrCursorCaller where it is another caller's.
func (c Cursors) Open(of, text string) (place []byte, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	// The decoder passes over ends of lines.
	if err != nil || strings.ContainsAny(text, "\r\n") || len(b) < aes.BlockSize+callerSize {
		return nil, ErrCursor
	}
	iv := b[:aes.BlockSize]
	plain := c.crypt(iv, b[aes.BlockSize:])
	if !hmac.Equal(iv, c.iv(of, plain)) {
		return nil, ErrCursor
	}
	if !hmac.Equal(plain[:callerSize], c.tag()) {
		return nil, ErrCursorCaller
	}
	return plain[callerSize:], nil
}

func (c Cursors) tag() []byte {
	m := hmac.New(sha256.New, c.mac[:])
	m.Write([]byte("caller\x00" + c.caller))
	return m.Sum(nil)[:callerSize]
}

func (c Cursors) iv(of string, plain []byte) []byte {
	m := hmac.New(sha256.New, c.mac[:])
	m.Write(binary.BigEndian.AppendUint32([]byte("place\x00"), uint32(len(plain))))
	m.Write(plain)
	m.Write([]byte(of))
	return m.Sum(nil)[:aes.BlockSize]
}

func (c Cursors) crypt(iv, text []byte) []byte {
	block, err := aes.NewCipher(c.seal[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	out := make([]byte, len(text))
	cipher.NewCTR(block, iv).XORKeyStream(out, text)
	return out
}
