package binary

import (
	"context"
	"encoding/base64"
	"errors"
	"io"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// Restore gives a version that was read its contents back, as ctx asks: in
// memory, or with a Filler when it is sent. It is KindTooCostly for more than
// Options.Whole, KindUnavailable where a content cannot be read.
func (c *Contents) Restore(ctx context.Context, v *store.Version) error {
	if !c.Some() || len(v.Body.JSON) == 0 {
		return nil
	}
	of := Owner{v.Type, v.ID}
	found := c.find(of, v.Body.JSON)
	if len(found) == 0 {
		return nil
	}
	if f := fillerOf(ctx); f != nil {
		f.know(c, of, found)
		return nil
	}
	return c.restore(ctx, of, &v.Body, found)
}

// restore puts contents into a body in memory.
func (c *Contents) restore(ctx context.Context, of Owner, body *fhir.Body, found []place) error {
	total := int64(0)
	for i := range found {
		total += found[i].length()
	}
	if total > c.opt.Whole/3*4 {
		return fhir.Errorf(fhir.KindTooCostly, "the contents of %s have more than %d bytes, too many for this; read it by itself", of, c.opt.Whole)
	}
	out := make([]byte, 0, int64(len(body.JSON))+total)
	from, at := 0, body.At
	for i := range found {
		p := &found[i]
		out = append(out, body.JSON[from:p.at]...)
		if p.at < body.At {
			at += int(p.length()) - standInSize
		}
		from = p.at + standInSize
		w := appender{out}
		if err := c.spellOut(ctx, &w, of, &p.StandIn); err != nil {
			return err
		}
		out = w.b
	}
	body.JSON, body.At = append(out, body.JSON[from:]...), at
	return nil
}

// appender is a slice that can be written to.
type appender struct{ b []byte }

// Write implements io.Writer.
func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// spellOut writes the text that a stand-in is in the place of, and checks its
// hash.
func (c *Contents) spellOut(ctx context.Context, to io.Writer, of Owner, s *StandIn) error {
	from, err := c.open(ctx, of, s, 0, -1)
	if err != nil {
		return err
	}
	defer from.Close()
	sums := newSums256()
	buf := make([]byte, piece)
	var text []byte
	if s.Form == Octets {
		text = make([]byte, base64.StdEncoding.EncodedLen(piece))
	}
	size := int64(0)
	for {
		n, err := io.ReadFull(from, buf)
		size += int64(n)
		sums.Write(buf[:n])
		out := buf[:n]
		if text != nil {
			out = text[:base64.StdEncoding.EncodedLen(n)]
			base64.StdEncoding.Encode(out, buf[:n])
		}
		if n > 0 {
			if _, err := to.Write(out); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return unreadable(of, err)
		}
	}
	if size != s.Size || [32]byte(sums.Sum(nil)) != s.SHA256 {
		return unreadable(of, errAltered)
	}
	return nil
}

var errAltered = errors.New("binary: the blob is not what was stored: its hash is another")

// open reads the blob of a content.
func (c *Contents) open(ctx context.Context, of Owner, s *StandIn, offset, length int64) (io.ReadCloser, error) {
	known, err := c.recordOf(ctx, c.records.contentKey(of, s))
	if err != nil {
		return nil, unreadable(of, err)
	}
	r, err := c.opt.Bucket.Open(ctx, c.opt.Prefix+known.Blob, offset, length)
	if err != nil {
		return nil, unreadable(of, err)
	}
	return r, nil
}

// Content is what the element data of a Binary stands for, apart: nil where it
// is in the resource itself. data is the element's text in a version that was
// read with ctx's Filler.
func (f *Filler) Content(ctx context.Context, data string) *Content {
	from, ok := f.source([]byte(data))
	if !ok {
		return nil
	}
	return &Content{ctx: ctx, source: from}
}

// A Content can be read from any place on.
type Content struct {
	ctx context.Context
	source
	at int64
	// from, where not nil, stands at next.
	from io.ReadCloser
	next int64
	size int64 // of one that is Spelled, once it is known
}

// Size is in bytes. KindUnprocessable where the content is no base64.
func (r *Content) Size() (int64, error) {
	if r.Form == Octets || r.size > 0 {
		return max(r.size, r.StandIn.Size), nil
	}
	from, err := r.open(0)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	r.size, err = io.Copy(io.Discard, from)
	if err != nil {
		return 0, notBase64(r.of, err)
	}
	return r.size, nil
}

func notBase64(of Owner, err error) error {
	var known *fhir.Error
	if errors.As(err, &known) {
		return err
	}
	return fhir.Errorf(fhir.KindUnprocessable, "the data of %s is not base64, so its content cannot be given; ask for application/fhir+json", of).Because(err)
}

// Open fails where the content cannot be read.
func (r *Content) Open() (err error) {
	if r.from != nil && r.next == r.at {
		return nil
	}
	_ = r.Close() // it stands elsewhere
	if r.from, err = r.open(r.at); err != nil {
		r.from = nil
	}
	r.next = r.at
	return err
}

// open reads from a place on.
func (r *Content) open(at int64) (io.ReadCloser, error) {
	if r.Form == Octets {
		return r.contents.open(r.ctx, r.of, &r.StandIn, at, -1)
	}
	from, err := r.contents.open(r.ctx, r.of, &r.StandIn, 0, -1)
	if err != nil {
		return nil, err
	}
	decoded := base64.NewDecoder(base64.StdEncoding, &unspelled{from: from})
	if _, err := io.CopyN(io.Discard, decoded, at); err != nil {
		from.Close()
		return nil, notBase64(r.of, err)
	}
	return struct {
		io.Reader
		io.Closer
	}{decoded, from}, nil
}

// Read implements io.Reader.
func (r *Content) Read(p []byte) (int, error) {
	if err := r.Open(); err != nil {
		return 0, err
	}
	n, err := r.from.Read(p)
	r.at, r.next = r.at+int64(n), r.next+int64(n)
	return n, err
}

// Seek implements io.Seeker.
func (r *Content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		size, err := r.Size()
		if err != nil {
			return 0, err
		}
		offset += size
	}
	if offset < 0 {
		return 0, errors.New("binary: a place before the beginning")
	}
	r.at = offset
	return offset, nil
}

// Close frees what is open.
func (r *Content) Close() error {
	if r.from == nil {
		return nil
	}
	err := r.from.Close()
	r.from = nil
	return err
}
