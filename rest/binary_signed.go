package rest

import (
	"bytes"
	"encoding/base64"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// With Prefer: presigned, a Binary is written and read without its content, and
// the answer has a URL by which that is uploaded or downloaded: presignedPutUrl,
// presignedGetUrl. Who has the URL needs no token.

// offers reports whether the answer is to have a signed URL in the content's
// place.
func (r *request) offers() bool {
	return r.prefer.presigned && r.resourceType == "Binary" && r.http != nil && r.store.Contents() != nil
}

// checkOffer refuses what could not be answered once the Binary is written.
func (r *request) checkOffer() error {
	if !r.offers() {
		return nil
	}
	_, err := r.prefer.expected()
	if err == nil {
		err = r.inJSON()
	}
	return err
}

func (r *request) inJSON() error {
	if strings.HasSuffix(r.format.mime, "xml") {
		return fhir.Errorf(fhir.KindNotAcceptable, "a Binary with a signed URL is written in JSON only; ask for application/fhir+json")
	}
	return nil
}

// offerUpload answers a write of a Binary without content with the URL for that.
func (r *request) offerUpload(w http.ResponseWriter, o *datastore.Outcome) error {
	tree, err := r.store.Parse(o.Version.Body.JSON)
	if err != nil {
		return err
	}
	if tree.Root().Child("data").Exists() {
		return r.writeWritten(w, o, nil) // there is nothing to upload
	}
	expected, err := r.prefer.expected()
	if err != nil {
		return err
	}
	r.touched(o.Version.Body.JSON)
	setVersionHeaders(w.Header(), &o.Version)
	w.Header().Set("Location", r.url(versionPath(&o.Version)))
	return r.writeOffer(w, o.Status, &o.Version, tree, "presignedPutUrl", r.sign(http.MethodPut, &o.Version, tree, expected))
}

// offerDownload answers a read of a Binary with the URL of its content.
func (r *request) offerDownload(w http.ResponseWriter, v *store.Version) error {
	tree, err := r.store.Parse(v.Body.JSON)
	if err != nil {
		return err
	}
	setVersionHeaders(w.Header(), v)
	data := tree.Root().Child("data")
	if !data.HasValue() {
		return r.writeOffer(w, http.StatusOK, v, tree, "", "")
	}
	url := ""
	if apart := r.fill.Content(r.ctx, data.Text()); apart != nil {
		url = apart.Direct()
	}
	if url == "" {
		url = r.sign(http.MethodGet, v, tree, binary.Expected{Size: -1})
	}
	return r.writeOffer(w, http.StatusOK, v, tree, "presignedGetUrl", url)
}

func (r *request) sign(method string, v *store.Version, tree *fhir.Tree, expected binary.Expected) string {
	g := binary.Grant{Method: method, ID: v.ID, Version: v.Number, ContentType: tree.Root().TextOf("contentType"), Expected: expected, From: r.requestID}
	return r.url(g.Path()) + "?" + r.store.Contents().Sign(g)
}

// writeOffer writes a Binary without its data, and with a URL.
func (r *request) writeOffer(w http.ResponseWriter, status int, v *store.Version, tree *fhir.Tree, name, url string) error {
	if err := r.inJSON(); err != nil {
		return err
	}
	body := v.Body.Append(nil, versionID(v), v.LastUpdated)
	if tree.Root().Child("data").Exists() {
		var err error
		if body, err = fhir.AppendSubset(nil, body, tree.Root().Type(), func(e *fhir.Element) fhir.Keep { return wholeIf(e.Name != "data") }); err != nil {
			return err
		}
	}
	if name != "" {
		body = withMember(body, name, url)
	}
	w.Header().Set("Preference-Applied", "presigned")
	w.Header().Set("Cache-Control", "no-store")
	return r.writeJSON(w, status, body)
}

// withMember is a resource with one more member that is a string.
func withMember(resource []byte, name, value string) []byte {
	resource = bytes.TrimSuffix(bytes.TrimRight(resource, " \t\r\n"), []byte("}"))
	resource = append(resource, `,"`+name+`":`...)
	return append(fhir.AppendString(resource, value), '}')
}

// signedTarget reads content/{id}/{version}.
func (r *request) signedTarget(parts []string) (target, bool) {
	if len(parts) != 3 || parts[0] != binary.Segment || r.store.Contents() == nil {
		return target{}, false
	}
	return target{level: levelContent, resourceType: "Binary", id: parts[1], version: parts[2]}, true
}

// admitSigned lets a request in by its URL.
func (r *request) admitSigned() (err error) {
	if r.granted, err = r.store.Contents().Check(r.method, r.id, r.version, r.http.URL.Query()); err != nil {
		return err
	}
	r.asked, r.access = true, authz.Unrestricted() // to what was granted: nothing else is done
	return nil
}

// download answers with the content that a signed URL is for.
func download(w http.ResponseWriter, r *request) error {
	view, done, err := r.openView(0)
	if err != nil {
		return err
	}
	defer done()
	v, err := view.VRead(r.ctx, "Binary", r.id, r.version)
	if err != nil {
		return err
	}
	return r.sendContent(w, &v, r.granted.ContentType)
}

// takeUpload takes the content that a signed URL is for: the next version of the
// Binary has it, provided that there is none yet.
func takeUpload(w http.ResponseWriter, r *request) error {
	g := r.granted
	done, err := r.store.Contents().Spend(g)
	if err != nil {
		return err
	}
	defer done()
	if !sameMediaType(r.header.Get("Content-Type"), g.ContentType) {
		return fhir.Errorf(fhir.KindUnsupportedMedia, "the URL is for content of the type %q, and this is %q", g.ContentType, r.header.Get("Content-Type"))
	}
	view, closeView, err := r.openView(0)
	if err != nil {
		return err
	}
	v, err := view.Read(r.ctx, "Binary", g.ID)
	closeView()
	if err == nil && v.Number != g.Version || fhir.KindOf(err) == fhir.KindGone && err != nil {
		return usedUp(g)
	}
	if err != nil {
		return err
	}
	defer r.discardUploads()
	data, err := r.contentData()
	if err != nil {
		return err
	}
	tree, err := r.store.Parse(withMember(v.Body.Append(nil, versionID(&v), v.LastUpdated), "data", data))
	if err != nil {
		return err
	}
	outcomes, err := r.store.Commit(r.ctx, r.access, []datastore.Op{{
		Interaction: authz.Update, Type: "Binary", ID: g.ID, IfMatch: strconv.FormatUint(g.Version, 10), Resource: tree, Contents: r.uploads,
	}}, nil)
	if fhir.KindOf(err) == fhir.KindPrecondition && err != nil {
		return usedUp(g)
	}
	if err != nil {
		return err
	}
	made := &outcomes[0].Version
	r.touched(made.Body.JSON)
	setVersionHeaders(w.Header(), made)
	w.Header().Set("Location", r.url(versionPath(made)))
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

func usedUp(g binary.Grant) error {
	return fhir.Errorf(fhir.KindGone, "the URL has been used, or Binary/%s was changed since it was made; ask for a new one", g.ID)
}

func sameMediaType(a, b string) bool {
	x, p, err1 := mime.ParseMediaType(a)
	y, q, err2 := mime.ParseMediaType(b)
	return err1 == nil && err2 == nil && mime.FormatMediaType(x, p) == mime.FormatMediaType(y, q) || a == b
}

// expected reads what Prefer: presigned says of the content to come:
// presigned; length=1000; sha256="BASE64".
func (p *preference) expected() (binary.Expected, error) {
	e := binary.Expected{Size: -1}
	var err error
	if p.length != "" {
		if e.Size, err = strconv.ParseInt(p.length, 10, 64); err != nil || e.Size < 1 {
			return e, fhir.Errorf(fhir.KindInvalid, "Prefer: length=%q is no number of bytes", p.length)
		}
	}
	if p.sha256 != "" {
		if e.SHA256, err = base64.StdEncoding.DecodeString(p.sha256); err != nil || len(e.SHA256) != 32 {
			return e, fhir.Errorf(fhir.KindInvalid, "Prefer: sha256=%q is no SHA-256 in base64", p.sha256)
		}
	}
	return e, nil
}
