package binary

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
)

// Parts are the contents of a resource that is to be written, which are not in
// it any more.
type Parts struct {
	of     Owner
	pieces []part
}

// A part is one content. At most one of spelled, upload and copied is set; none
// where the resource has it already.
type part struct {
	StandIn
	sha1 []byte
	// spelled is what stood in the resource, as Form says; for Octets still in
	// base64.
	spelled []byte
	upload  *Upload
	// copied is the stand-in of a content of another resource.
	copied *source
}

// A source is a content that somebody may read.
type source struct {
	StandIn
	of       Owner
	contents *Contents
}

// Part takes the large contents out of a resource that is to be stored under an
// id. With stand-ins for them it is the resource's new tree; it is the same, and
// the parts nil, where there are none. uploads are those whose Text is in it.
// Stand-ins of contents that ctx's Filler knows, for the request has read them,
// are followed; what else looks like one is content like any other.
func (c *Contents) Part(ctx context.Context, tree *fhir.Tree, id string, uploads []*Upload) (*fhir.Tree, *Parts, error) {
	if c == nil {
		return tree, nil, nil
	}
	root := tree.Root()
	if int64(len(root.Raw())) <= c.opt.Inline && len(uploads) == 0 && !bytes.Contains(root.Raw(), []byte(beginning)) {
		return tree, nil, nil
	}
	x := &parting{contents: c, filler: fillerOf(ctx), uploads: uploads, parts: &Parts{of: Owner{root.Type().Name, id}}}
	x.walk(root)
	if len(x.edits) == 0 {
		return tree, nil, nil
	}
	// The edits are replaced as they stand in the source of the whole.
	return fhir.Rewrite(root, x.edits), x.parts, nil
}

type parting struct {
	contents *Contents
	filler   *Filler
	uploads  []*Upload
	edits    []fhir.Edit
	parts    *Parts
}

const base64Binary = "base64Binary"

func (x *parting) walk(n fhir.Node) {
	for child := n.First(); child.Exists(); child = child.Next() {
		if child.HasValue() && child.Type().Name == base64Binary {
			x.value(child)
		}
		x.walk(child)
	}
}

// value takes a value out where that is to be.
func (x *parting) value(n fhir.Node) {
	raw := n.Raw()
	p, ok := x.uploaded(raw)
	if !ok {
		p, ok = x.known(raw)
	}
	if !ok && (int64(len(raw)) > (x.contents.opt.Inline+2)/3*4 || bytes.HasPrefix(raw, []byte(beginning))) {
		p, ok = x.contents.spell(x.parts.of, raw), true
	}
	if !ok {
		return
	}
	start, end := n.Span()
	x.edits = append(x.edits, fhir.Edit{Start: start, End: end, Text: p.text()})
	if !slices.ContainsFunc(x.parts.pieces, func(other part) bool { return other.mac == p.mac }) {
		x.parts.pieces = append(x.parts.pieces, p)
	}
}

// uploaded finds the upload that a value stands for.
func (x *parting) uploaded(raw []byte) (p part, ok bool) {
	for _, u := range x.uploads {
		if u.text != "" && string(raw) == u.text {
			return part{StandIn: x.contents.newStandIn(x.parts.of, Octets, u.Size, u.SHA256), sha1: u.SHA1[:], upload: u}, true
		}
	}
	return p, false
}

// known finds the content that a value which was read stands for.
func (x *parting) known(raw []byte) (p part, ok bool) {
	from, ok := x.filler.source(raw)
	if !ok {
		return p, false
	}
	p.StandIn = x.contents.newStandIn(x.parts.of, from.Form, from.Size, from.SHA256)
	if p.StandIn != from.StandIn {
		p.copied = &from
	}
	return p, true
}

// spell finds out how a value is to be kept, and its hashes.
func (c *Contents) spell(of Owner, raw []byte) part {
	s := newSums()
	form, size := Octets, int64(0)
	if bytes.IndexByte(raw, '\\') < 0 {
		n, err := io.Copy(s, base64.NewDecoder(base64.StdEncoding.Strict(), bytes.NewReader(raw)))
		if size = n; err != nil || (size+2)/3*4 != int64(len(raw)) {
			form = Spelled
		}
	} else {
		form = Spelled
	}
	if form == Spelled {
		s, size = newSums(), int64(len(raw))
		s.Write(raw)
	}
	return part{
		StandIn: c.newStandIn(of, form, size, [sha256.Size]byte(s.sha256.Sum(nil))),
		sha1:    s.sha1.Sum(make([]byte, 0, sha1.Size)), spelled: raw,
	}
}

// open reads what is to become the blob.
func (p *part) open(ctx context.Context) (io.ReadCloser, error) {
	from := p.copied
	if p.upload != nil {
		from = p.upload.placed
	}
	switch {
	case from != nil:
		return from.contents.open(ctx, from.of, &from.StandIn, 0, -1)
	case p.Form == Octets:
		return io.NopCloser(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(p.spelled))), nil
	}
	return io.NopCloser(bytes.NewReader(p.spelled)), nil
}
