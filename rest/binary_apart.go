package rest

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/fhir"
)

// fillContents lets the response have the large contents of what is read, which
// come into it as they are sent. Where the data store has none yet, only a write
// can bring one.
func (r *request) fillContents(res *response) {
	if c := r.store.Contents(); c == nil || r.method == http.MethodGet && !c.Some() {
		return
	}
	control := http.NewResponseController(res)
	r.fill = &binary.Filler{Progress: func() { _ = control.SetWriteDeadline(time.Now().Add(fileStall)) }} // fails only for what is no connection
	r.ctx = binary.With(r.ctx, r.fill)
	res.fill, res.ctx, r.control = r.fill, r.ctx, control
}

// discardUploads removes contents that came to be part of nothing.
func (r *request) discardUploads() {
	for _, u := range r.uploads {
		u.Discard(r.ctx)
	}
	r.uploads = nil
}

// contentData takes a body that is the content of a Binary, and returns what is
// to be its data. A large one is kept as it comes, however long that takes, as
// long as something comes.
func (r *request) contentData() (string, error) {
	contents := r.store.Contents()
	if contents == nil {
		body, err := r.readBody()
		return base64.StdEncoding.EncodeToString(body), err
	}
	expected, err := r.expectedContent()
	if err != nil {
		return "", err
	}
	if err := r.granted.Narrow(&expected); err != nil {
		return "", err
	}
	body, err := expand(r.http.Body, r.header.Get("Content-Encoding"))
	if err != nil {
		return "", err
	}
	r.ctx = context.WithoutCancel(r.ctx) // who goes away breaks the body off
	u, err := contents.Take(r.ctx, &arriving{from: body, r: r}, expected)
	if err != nil {
		r.drain()
		return "", err
	}
	r.uploads = append(r.uploads, u)
	if u.Size == 0 {
		return "", fhir.Errorf(fhir.KindInvalid, "the request has no body; send the content")
	}
	return u.Text(), nil
}

// drain reads what is left of a body that was refused, so that a client which
// does not read while it writes still gets the answer.
func (r *request) drain() {
	if r.header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.http.Body, maxDrain) // the answer is the same however it ends
	}
}

// expectedContent is what the head of a request says of the content: its length,
// and its hash by Content-Digest or Repr-Digest.
// https://www.rfc-editor.org/rfc/rfc9530
func (r *request) expectedContent() (binary.Expected, error) {
	e := binary.Expected{Size: -1}
	encoding := strings.ToLower(r.header.Get("Content-Encoding"))
	plain := encoding == "" || encoding == "identity"
	if plain {
		e.Size = r.http.ContentLength
	}
	for _, name := range []string{"Content-Digest", "Repr-Digest"} {
		for item := range strings.SplitSeq(strings.Join(r.header.Values(name), ","), ",") {
			algorithm, value, _ := strings.Cut(strings.TrimSpace(item), "=")
			if !strings.EqualFold(algorithm, "sha-256") {
				continue // of those that are sent, the receiver takes what it knows
			}
			sum, err := base64.StdEncoding.DecodeString(strings.Trim(value, ":"))
			if err != nil || len(sum) != 32 || !strings.HasPrefix(value, ":") || !strings.HasSuffix(value, ":") {
				return e, fhir.Errorf(fhir.KindInvalid, "%s: %q is no digest; write sha-256=:BASE64: of the content", name, item)
			}
			if !plain {
				return e, fhir.Errorf(fhir.KindUnsupportedMedia, "%s cannot be checked of content that is compressed on the way; send it without Content-Encoding", name)
			}
			e.SHA256 = sum
		}
	}
	return e, nil
}

// arriving reads a body, and gives the client time for each piece.
type arriving struct {
	from    io.Reader
	r       *request
	granted int64
}

// Read implements io.Reader.
func (a *arriving) Read(p []byte) (int, error) {
	if a.granted <= 0 && a.r.control != nil {
		a.granted = 1 << 20
		until := time.Now().Add(fileStall)
		_ = a.r.control.SetReadDeadline(until) // fails only for what is no connection
		_ = a.r.control.SetWriteDeadline(until.Add(fileStall))
	}
	n, err := a.from.Read(p)
	a.granted -= int64(n)
	return n, err
}

// paced is content on its way to a client, which gets time for each piece.
type paced struct {
	io.ReadSeeker
	r   *request
	err error
}

// Read implements io.Reader.
func (p *paced) Read(b []byte) (int, error) {
	if p.r.fill.Progress != nil {
		p.r.fill.Progress()
	}
	n, err := p.ReadSeeker.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		p.err = err
	}
	return n, err
}
