package rest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// A Binary is a resource to those who ask for one, and its content to others:
// what the Accept header names decides. http://hl7.org/fhir/R4/binary.html#rest

// servesBinary reports whether a path is that of a Binary or of a version of
// one, which may be answered in any media type.
func servesBinary(method string, parts []string) bool {
	if len(parts) == 3 && parts[0] == binary.Segment {
		return true
	}
	return method == http.MethodGet && len(parts) >= 2 && parts[0] == "Binary" && (len(parts) == 2 || len(parts) == 4 && parts[2] == "_history")
}

// writeContent answers a read of a Binary with its content where the client asks
// for that and not for a resource; done is false where it does not.
func (r *request) writeContent(w http.ResponseWriter, v *store.Version) (done bool, err error) {
	if r.http == nil || r.resourceType != "Binary" || r.asksForFHIR() {
		return false, nil
	}
	tree, err := r.store.Parse(v.Body.JSON)
	if err != nil {
		return true, err
	}
	contentType := tree.Root().TextOf("contentType")
	if !accepts(r.header.Values("Accept"), contentType) {
		if r.format.mime != "" {
			return false, nil
		}
		return true, fhir.Errorf(fhir.KindNotAcceptable, "the Binary %s is %q, which the Accept header does not take; ask for that, or for application/fhir+json", v.ID, contentType)
	}
	return true, r.sendData(w, v, contentType, tree.Root().TextOf("data"))
}

// sendContent answers with the content of a Binary, whatever the client asks
// for.
func (r *request) sendContent(w http.ResponseWriter, v *store.Version, contentType string) error {
	tree, err := r.store.Parse(v.Body.JSON)
	if err != nil {
		return err
	}
	return r.sendData(w, v, contentType, tree.Root().TextOf("data"))
}

// sendData answers with what the data of a Binary stands for.
func (r *request) sendData(w http.ResponseWriter, v *store.Version, contentType, data string) error {
	if apart := r.fill.Content(r.ctx, data); apart != nil {
		defer apart.Close()
		if err := apart.Open(); err != nil {
			return err
		}
		return r.serveContent(w, v, contentType, &paced{ReadSeeker: apart, r: r})
	}
	content, err := decodeBase64(data)
	if err != nil {
		return err
	}
	return r.serveContent(w, v, contentType, bytes.NewReader(content))
}

// serveContent answers ranges and conditional requests too. The content is
// somebody's upload: a browser is to save it and never to run it.
func (r *request) serveContent(w http.ResponseWriter, v *store.Version, contentType string, content io.ReadSeeker) error {
	if res, ok := w.(*response); ok {
		// The bytes are to arrive as they are, and ranges are counted in them.
		res.acceptGzip, res.pretty, res.schema, res.seen, res.fill = false, false, nil, nil, nil
	}
	header := w.Header()
	setVersionHeaders(header, v)
	header.Set("Etag", `"`+versionID(v)+`"`) // strong, so that a range can be asked for on condition
	header.Set("Content-Type", contentType)
	header.Set("Content-Disposition", "attachment")
	header.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	r.touched(v.Body.JSON)
	if err := binary.Serve(w, r.http, v.LastUpdated, content); err != nil {
		return err
	}
	if sent, ok := content.(*paced); ok {
		return sent.err
	}
	return nil
}

// asksForFHIR reports whether a client wants a Binary as a resource: it says
// nothing, or names a media type of FHIR, or _format does.
func (r *request) asksForFHIR() bool {
	if name, _ := r.formatParameters(); name != "" {
		return true
	}
	accept := r.header.Values("Accept")
	if len(accept) == 0 {
		return true
	}
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		base, params, err := mime.ParseMediaType(part)
		// A browser asks for anything, XML before that.
		if err == nil && mediaTypes[base] != "" && quality(params) == 1 {
			return true
		}
	}
	return false
}

// accepts reports whether an Accept header takes a media type.
// https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
func accepts(header []string, contentType string) bool {
	base, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		base = contentType
	}
	kind, _, _ := strings.Cut(base, "/")
	best, taken := -1, false
	for part := range strings.SplitSeq(strings.Join(header, ","), ",") {
		accepted, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		precise := map[string]int{"*/*": 0, kind + "/*": 1, base: 2}
		if p, fits := precise[accepted]; fits && p > best {
			best, taken = p, quality(params) > 0
		}
	}
	return taken
}

// decodeBase64 reads a base64Binary, which may hold white space.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, " \t") {
		text = strings.NewReplacer(" ", "", "\t", "").Replace(text)
	}
	content, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "the data of the Binary is not base64, so its content cannot be given; ask for application/fhir+json").Because(err)
	}
	return content, nil
}

// sendsContent reports whether the body of a write is the content of a Binary
// and not a resource.
func (r *request) sendsContent() bool {
	if r.resourceType != "Binary" || r.http == nil || r.tree != nil || r.header.Get("Content-Type") == "" {
		return false
	}
	base, _, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	return err != nil || mediaTypes[base] == ""
}

// content makes a Binary of a body that is its content. The header
// X-Security-Context refers to the resource that decides who may read it.
// http://hl7.org/fhir/R4/binary.html#security
func (r *request) content() (*fhir.Tree, error) {
	contentType := r.header.Get("Content-Type")
	if base, _, err := mime.ParseMediaType(contentType); err != nil || !strings.Contains(base, "/") {
		return nil, fhir.Errorf(fhir.KindUnsupportedMedia, "the Content-Type %q is no media type, and the Binary is to have it; write one such as application/pdf", contentType)
	}
	data, err := r.contentData()
	if err != nil {
		return nil, err
	}
	type reference struct {
		Reference string `json:"reference"`
	}
	binary := struct {
		ResourceType    string     `json:"resourceType"`
		ID              string     `json:"id,omitempty"`
		ContentType     string     `json:"contentType"`
		SecurityContext *reference `json:"securityContext,omitempty"`
		Data            string     `json:"data"`
	}{ResourceType: "Binary", ID: r.id, ContentType: contentType, Data: data}
	if context := r.header.Get("X-Security-Context"); context != "" {
		if ref := fhir.ParseReference(context, r.store.Base()); ref.Kind != fhir.RefRelative && ref.Kind != fhir.RefAbsolute {
			return nil, fhir.Errorf(fhir.KindInvalid, "X-Security-Context %q does not refer to a resource; write a reference such as Patient/1", context).At("http.X-Security-Context")
		}
		binary.SecurityContext = &reference{context}
	}
	text, err := json.Marshal(binary)
	if err != nil {
		return nil, err
	}
	return r.store.Parse(text)
}
