package backup

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/crypt/seal"
)

// Errors that callers tell apart.
var (
	// ErrNone: there are no backups at the place.
	ErrNone = errors.New("backup: there is no such backup")
	// ErrNewer: a newer version of the program made the place.
	ErrNewer = errors.New("backup: the place was made by a newer version")
	// ErrKey: the place is encrypted with another key than the one given, or is
	// encrypted and none is given.
	ErrKey = errors.New("backup: the key is not the one that the backups are encrypted with")
	// ErrDamaged: files of a backup are missing or do not hold what they should.
	ErrDamaged = errors.New("backup: the backup is damaged")
	// ErrOther: the place keeps backups of another data folder.
	ErrOther = errors.New("backup: the place keeps backups of another data folder")
	// ErrBusy: somebody else works on the place.
	ErrBusy = errors.New("backup: the place is in use")
)

// format is the newest layout of a place that this code reads, and the one that
// it makes.
const format = 1

const (
	headName     = "tarn-backup.json"
	piecePrefix  = "pieces/"
	backupPrefix = "backups/"
	lockPrefix   = "locks/"
)

// head is the content of headName.
type head struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	// Key names the key that the place is encrypted with; "" for none.
	Key string `json:"key,omitempty"`
}

// A Place keeps backups. It is safe for concurrent use.
type Place struct {
	bucket blob.Bucket
	prefix string
	head   head
	// box is there where the place is encrypted.
	box *crypt.Box
	now func() time.Time
}

// Options for Open and Make.
type Options struct {
	// Bucket and Prefix are where the place is; Prefix is "" or ends in a slash.
	Bucket blob.Bucket
	Prefix string
	// Key, of crypt.KeySize bytes, is what the place is encrypted with; nil
	// where it is not.
	Key []byte
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// Open opens a place that holds backups: ErrNone where there is none.
func Open(ctx context.Context, opt Options) (*Place, error) {
	p := &Place{bucket: opt.Bucket, prefix: opt.Prefix, now: opt.Now}
	if p.now == nil {
		p.now = time.Now
	}
	text, err := blob.Read(ctx, p.bucket, p.prefix+headName, 1<<16)
	if errors.Is(err, blob.ErrNotFound) {
		return nil, fmt.Errorf("%w: the place has no file %s", ErrNone, headName)
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &p.head); err != nil {
		return nil, fmt.Errorf("%w: %s cannot be read: %w", ErrDamaged, headName, err)
	}
	if p.head.Format > format {
		return nil, fmt.Errorf("%w: it has format %d, this program reads up to %d", ErrNewer, p.head.Format, format)
	}
	return p, p.unlock(opt.Key)
}

// unlock takes the key.
func (p *Place) unlock(key []byte) error {
	switch {
	case key == nil && p.head.Key == "":
		return nil
	case key == nil:
		return fmt.Errorf("%w: the place is encrypted, and no key is given", ErrKey)
	case p.head.Key == "":
		return fmt.Errorf("%w: a key is given, and the place is not encrypted", ErrKey)
	}
	box, err := crypt.NewBox(key)
	if err != nil {
		return err
	}
	if keyName(box) != p.head.Key {
		return ErrKey
	}
	p.box = box
	return nil
}

// keyName names a key without telling it.
func keyName(box *crypt.Box) string { return hex.EncodeToString(box.Key("name of a backup key")[:8]) }

// Make opens a place, and makes it where it is not there.
func Make(ctx context.Context, opt Options) (*Place, error) {
	p, err := Open(ctx, opt)
	if !errors.Is(err, ErrNone) {
		return p, err
	}
	now := opt.Now
	if now == nil {
		now = time.Now
	}
	for info, err := range opt.Bucket.List(ctx, opt.Prefix, "") {
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: the place holds something else, such as %s; name an empty one", ErrNone, strings.TrimPrefix(info.Key, opt.Prefix))
	}
	h := head{Format: format, ID: rand.Text(), Created: now().UTC()}
	if opt.Key != nil {
		box, err := crypt.NewBox(opt.Key)
		if err != nil {
			return nil, err
		}
		h.Key = keyName(box)
	}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if err := blob.Write(ctx, opt.Bucket, opt.Prefix+headName, append(text, '\n')); err != nil {
		return nil, err
	}
	return Open(ctx, opt)
}

// Encrypted reports whether the place has a key.
func (p *Place) Encrypted() bool { return p.box != nil }

// sum names content: its SHA-256, keyed where the place is encrypted.
func (p *Place) sum(content []byte) string {
	if p.box == nil {
		sum := sha256.Sum256(content)
		return hex.EncodeToString(sum[:])
	}
	mac := hmac.New(sha256.New, p.box.Key("names of pieces"))
	mac.Write(content)
	return hex.EncodeToString(mac.Sum(nil))
}

// sealKeys are the one key that a place is encrypted with.
type sealKeys []byte

func (k sealKeys) Current() (uint32, []byte) { return 1, k }

func (k sealKeys) Key(number uint32) ([]byte, bool) { return k, number == 1 }

func (p *Place) keys() seal.Keys { return sealKeys(p.box.Key("contents of backups")) }

// stored is content as it is written.
func (p *Place) stored(content []byte) ([]byte, error) {
	if p.box == nil {
		return content, nil
	}
	var out bytes.Buffer
	out.Grow(int(seal.SealedSize(int64(len(content)))))
	w, err := seal.NewWriter(&out, p.keys())
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

// storedSize is the size of stored content.
func (p *Place) storedSize(content int64) int64 {
	if p.box == nil {
		return content
	}
	return seal.SealedSize(content)
}

// opened is the content of what was stored.
func (p *Place) opened(text []byte) ([]byte, error) {
	if p.box == nil {
		return text, nil
	}
	r, err := seal.NewReader(bytes.NewReader(text), int64(len(text)), p.keys())
	if err != nil {
		return nil, err
	}
	content := make([]byte, r.Size())
	_, err = r.ReadAt(content, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return content, err
}

func pieceKey(name string) string { return piecePrefix + name[:2] + "/" + name }

// write stores a piece.
func (p *Place) write(ctx context.Context, name string, content []byte) error {
	text, err := p.stored(content)
	if err != nil {
		return err
	}
	return blob.Write(ctx, p.bucket, p.prefix+pieceKey(name), text)
}

// read returns a piece of so many bytes, or says why it is not there as it was
// written, by ErrDamaged.
func (p *Place) read(ctx context.Context, name string, size int64) ([]byte, error) {
	text, err := blob.Read(ctx, p.bucket, p.prefix+pieceKey(name), p.storedSize(size))
	if errors.Is(err, blob.ErrNotFound) {
		return nil, fmt.Errorf("%w: %s is missing", ErrDamaged, pieceKey(name))
	}
	if err != nil {
		return nil, err
	}
	content, err := p.opened(text)
	if err != nil || int64(len(content)) != size || p.sum(content) != name {
		return nil, fmt.Errorf("%w: %s was altered", ErrDamaged, pieceKey(name))
	}
	return content, nil
}

// pieces are the sizes of all pieces that are there, as they are stored, by
// their names.
func (p *Place) pieces(ctx context.Context) (map[string]int64, error) {
	have := map[string]int64{}
	for info, err := range p.bucket.List(ctx, p.prefix+piecePrefix, "") {
		if err != nil {
			return nil, err
		}
		have[info.Key[strings.LastIndexByte(info.Key, '/')+1:]] = info.Size
	}
	return have, nil
}
