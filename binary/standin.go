package binary

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
)

// A Form says what the bytes of a blob are.
type Form byte

// The forms.
const (
	// Octets are what the base64 stands for. It is in one spelling: the groups
	// without white space, the unused bits zero.
	Octets Form = 'b'
	// Spelled is the text as it stood in the JSON, without its quotes: base64
	// that is spelled in another way, or no base64.
	Spelled Form = 't'
)

// A StandIn is in the place of a content.
type StandIn struct {
	Form Form
	// Size is how many bytes the blob has, SHA256 their hash.
	Size   int64
	SHA256 [sha256.Size]byte
	mac    [macSize]byte
}

const (
	macSize   = 16
	plainSize = 1 + 8 + sha256.Size
	// beginning is how every stand-in begins. It is base64, as all of it.
	beginning = "+/tarn/content/+"
	// standInSize is the length of a stand-in's text.
	standInSize = len(beginning) + (plainSize+macSize)/3*4
)

// An Owner is the resource that a content belongs to: its type and id.
type Owner struct{ Type, ID string }

func (o Owner) String() string { return o.Type + "/" + o.ID }

// newStandIn makes the stand-in of a content.
func (c *Contents) newStandIn(of Owner, form Form, size int64, sum [sha256.Size]byte) StandIn {
	s := StandIn{Form: form, Size: size, SHA256: sum}
	copy(s.mac[:], c.mac(of, s.plain()))
	return s
}

func (s *StandIn) plain() []byte {
	b := append(make([]byte, 0, plainSize+macSize), byte(s.Form))
	b = binary.BigEndian.AppendUint64(b, uint64(s.Size))
	return append(b, s.SHA256[:]...)
}

func (c *Contents) mac(of Owner, plain []byte) []byte {
	m := hmac.New(sha256.New, c.standInKey)
	m.Write([]byte(of.String() + "\x00"))
	m.Write(plain)
	return m.Sum(nil)[:macSize]
}

// text is what is in the body.
func (s *StandIn) text() string {
	return beginning + base64.StdEncoding.EncodeToString(append(s.plain(), s.mac[:]...))
}

// key is the content's part of record keys.
func (s *StandIn) key() string { return hex.EncodeToString(s.mac[:]) }

// length is how long the text is that the stand-in is in the place of, in bytes.
func (s *StandIn) length() int64 {
	if s.Form == Spelled {
		return s.Size
	}
	return (s.Size + 2) / 3 * 4
}

// read reads a stand-in of a resource. ok is false for what only looks like
// one.
func (c *Contents) read(of Owner, text []byte) (s StandIn, ok bool) {
	var b [plainSize + macSize]byte
	if len(text) != standInSize || !bytes.HasPrefix(text, []byte(beginning)) {
		return s, false
	}
	if n, err := base64.StdEncoding.Strict().Decode(b[:], text[len(beginning):]); err != nil || n != len(b) {
		return s, false
	}
	if !hmac.Equal(c.mac(of, b[:plainSize]), b[plainSize:]) {
		return s, false
	}
	s.Form, s.Size = Form(b[0]), int64(binary.BigEndian.Uint64(b[1:]))
	copy(s.SHA256[:], b[9:])
	copy(s.mac[:], b[plainSize:])
	return s, true
}

// A place is a stand-in in a text, at the offset of its first byte.
type place struct {
	StandIn
	at int
}

// find finds the stand-ins of a resource in its stored body.
func (c *Contents) find(of Owner, json []byte) (found []place) {
	for from := 0; ; {
		i := bytes.Index(json[from:], []byte(beginning))
		if i < 0 {
			return found
		}
		at := from + i
		from = at + len(beginning)
		end := at + standInSize
		if at == 0 || end >= len(json) || json[at-1] != '"' || json[end] != '"' {
			continue
		}
		if s, ok := c.read(of, json[at:end]); ok {
			found, from = append(found, place{s, at}), end
		}
	}
}
