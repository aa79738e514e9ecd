package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A blockKind says what a block holds.
type blockKind byte

const (
	kindRecords    blockKind = 1
	kindCheckpoint blockKind = 2
	kindSegment    blockKind = 3
)

// A hash is that of a block, and by it of all before.
type hash [sha256.Size]byte

const (
	magic     = "TAB1"
	headSize  = len(magic) + 1 + 8 + 4 + 4
	hashSize  = sha256.Size
	maxBody   = 256 << 20
	bodyStart = headSize
)

// A block is one write of the log.
type block struct {
	kind  blockKind
	first uint64
	count uint32
	body  []byte
	hash  hash
}

// next is the number of the first record after the block.
func (b *block) next() uint64 { return b.first + uint64(b.count) }

// beginBlock makes room for the head in an empty buffer.
func beginBlock(buf []byte) []byte { return append(buf[:0], make([]byte, headSize)...) }

// sealBlock writes the head into a buffer that beginBlock began, and appends
// the hash.
func sealBlock(buf []byte, kind blockKind, first uint64, count uint32, before hash) ([]byte, hash) {
	copy(buf, magic)
	buf[4] = byte(kind)
	binary.BigEndian.PutUint64(buf[5:], first)
	binary.BigEndian.PutUint32(buf[13:], count)
	binary.BigEndian.PutUint32(buf[17:], uint32(len(buf)-headSize))
	h := chain(before, buf)
	return append(buf, h[:]...), h
}

func chain(before hash, block []byte) (h hash) {
	s := sha256.New()
	s.Write(before[:])
	s.Write(block)
	s.Sum(h[:0])
	return h
}

// What can be wrong with a block.
var (
	// errCut is for a block whose end is not there.
	errCut = errors.New("audit: the file ends inside a block")
	// errBlock is for bytes that are no block.
	errBlock = errors.New("audit: there is no block here")
	// errChain is for a block whose hash does not follow from what is before.
	errChain = errors.New("audit: the hash does not follow from what is before")
)

// A blockReader reads the blocks of a segment and checks the chain.
type blockReader struct {
	r io.Reader
	// before is the hash of the block before.
	before hash
	// offset is where the next block begins.
	offset int64
	buf    []byte
}

// next reads a block, whose body is valid until the call after. io.EOF is the
// end. After errChain the block is returned as well.
func (r *blockReader) next() (b block, err error) {
	r.buf = append(r.buf[:0], make([]byte, headSize)...)
	if n, err := io.ReadFull(r.r, r.buf); err != nil {
		if n == 0 && errors.Is(err, io.EOF) {
			return b, io.EOF
		}
		return b, cutOr(err)
	}
	size := binary.BigEndian.Uint32(r.buf[17:])
	if string(r.buf[:4]) != magic || size > maxBody {
		return b, errBlock
	}
	body := bytes.NewBuffer(r.buf)
	if _, err := io.CopyN(body, r.r, int64(size)+int64(hashSize)); err != nil {
		return b, cutOr(err)
	}
	r.buf = body.Bytes()
	end := headSize + int(size)
	b = block{
		kind: blockKind(r.buf[4]), first: binary.BigEndian.Uint64(r.buf[5:]),
		count: binary.BigEndian.Uint32(r.buf[13:]), body: r.buf[bodyStart:end],
	}
	b.hash = hash(r.buf[end:])
	r.offset += int64(len(r.buf))
	if chain(r.before, r.buf[:end]) != b.hash {
		return b, errChain
	}
	r.before = b.hash
	return b, nil
}

func cutOr(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return err
}

// appendRecord appends a record to a block's body.
func appendRecord(body []byte, text []byte) []byte {
	return append(binary.AppendUvarint(body, uint64(len(text))), text...)
}

// texts yields the JSON of the records of a block with their numbers.
func (b *block) texts(yield func(number uint64, text []byte) error) error {
	rest := b.body
	for i := range uint64(b.count) {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return fmt.Errorf("audit: record %d cannot be read: its length is wrong", b.first+i)
		}
		if err := yield(b.first+i, rest[n:n+int(size)]); err != nil {
			return err
		}
		rest = rest[n+int(size):]
	}
	if len(rest) > 0 {
		return fmt.Errorf("audit: the block at record %d has %d bytes more than its records", b.first, len(rest))
	}
	return nil
}

// decode reads a record.
func decode(number uint64, text []byte) (Stored, error) {
	s := Stored{Number: number}
	if err := json.Unmarshal(text, &s.Record); err != nil {
		return s, fmt.Errorf("audit: record %d cannot be read: %w", number, err)
	}
	return s, nil
}
