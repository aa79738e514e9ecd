package rest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A request is one FHIR interaction: an HTTP request, or one entry of a batch
// or transaction.
type request struct {
	h           *handler
	http        *http.Request // nil for a Bundle entry
	ctx         context.Context
	requestID   string
	idHeader    [1]string // the value of X-Request-Id
	interaction string    // the FHIR code, for metrics and logs
	serve       serveFunc

	store  *datastore.Store
	access authz.Access
	// asked is set where it was asked who calls; credentials may be good once.
	asked bool

	method string // GET for a HEAD request too: the response drops the body
	header http.Header
	target
	segments []string // of the path, below the base URL
	rawQuery string
	query    []search.Pair
	format   format
	prefer   preference

	// tree is the resource of a Bundle entry.
	tree *fhir.Tree
	// view is what the reads of a transaction share, or of an operation.
	view *datastore.View
	// attempt is set where the request is a job.
	attempt *attempt
	// trail is what is recorded of the request; nil where nothing is.
	trail *trail
	// fill puts large contents into the response; nil where it has none.
	fill *binary.Filler
	// control moves the deadlines of the connection; nil without fill.
	control *http.ResponseController
	// granted is what a signed URL allows.
	granted binary.Grant
	// uploads are contents that were sent as they are.
	uploads []*binary.Upload
}

// isHead reports whether the request is one for the header of an answer alone.
func (r *request) isHead() bool { return r.http != nil && r.http.Method == http.MethodHead }

// openView opens the data store as of t (0: now). done frees it.
func (r *request) openView(t store.T) (view *datastore.View, done func(), err error) {
	if r.view != nil && t == 0 {
		return r.view, func() {}, nil
	}
	v, err := r.store.View(r.ctx, r.access, t)
	if err != nil {
		return nil, nil, err
	}
	return v, v.Close, nil
}

// url is the absolute URL of something below the data store's base.
func (r *request) url(path string) string {
	if path == "" {
		return r.store.Base()
	}
	return r.store.Base() + "/" + path
}

// without is the query without the parameters of HTTP itself.
func without(pairs []search.Pair, names ...string) []search.Pair {
	kept := make([]search.Pair, 0, len(pairs))
	for _, p := range pairs {
		if !slices.Contains(names, p.Name) {
			kept = append(kept, p)
		}
	}
	return kept
}

// resource reads the submitted resource, which must be of the URL's type.
func (r *request) resource() (*fhir.Tree, error) {
	tree := r.tree
	if r.sendsContent() {
		return r.content()
	}
	if tree == nil {
		src, err := r.readFHIR()
		if err != nil {
			return nil, err
		}
		if tree, err = r.parse(src); err != nil {
			return nil, err
		}
	}
	if got := tree.Root().Type().Name; r.resourceType != "" && got != r.resourceType {
		return nil, fhir.Errorf(fhir.KindInvalid, "the body is of type %s, but the URL names %s; they must be the same", got, r.resourceType)
	}
	return tree, nil
}

// readFHIR reads a body that must be FHIR, in JSON or XML.
func (r *request) readFHIR() ([]byte, error) {
	if err := requireFHIR(r.header.Get("Content-Type")); err != nil {
		return nil, err
	}
	return r.readBody()
}

// parse reads a resource as the request's Content-Type says.
func (r *request) parse(src []byte) (*fhir.Tree, error) {
	if isXML(r.header.Get("Content-Type")) {
		return r.store.ParseXML(src)
	}
	return r.store.Parse(src)
}

// readBody reads the request body, expanded, up to the limit.
func (r *request) readBody() ([]byte, error) {
	limit := r.h.MaxBody
	if r.http.ContentLength > limit {
		return nil, r.tooLarge()
	}
	body, err := expand(r.http.Body, r.header.Get("Content-Encoding"))
	if err != nil {
		return nil, err
	}
	if n := r.http.ContentLength; n > 0 && n <= believed && body == r.http.Body {
		whole := make([]byte, n)
		if _, err := io.ReadFull(body, whole); err != nil {
			return nil, cutShort(err)
		}
		// Closed now, net/http need not look for more of it.
		_ = r.http.Body.Close()
		return r.received(whole), nil
	}
	// The claimed length is believed up to a point only: it costs a client
	// nothing to claim 50 MB.
	buf := bytes.NewBuffer(make([]byte, 0, min(max(r.http.ContentLength+bytes.MinRead, 2048), believed)))
	n, err := buf.ReadFrom(io.LimitReader(body, limit+1))
	switch {
	case n > limit:
		return nil, r.tooLarge()
	case err != nil:
		return nil, cutShort(err)
	case n == 0:
		return nil, fhir.Errorf(fhir.KindInvalid, "the request has no body; send a resource")
	}
	return r.received(buf.Bytes()), nil
}

// received notes what was sent, for the audit.
func (r *request) received(body []byte) []byte {
	if r.trail != nil {
		r.trail.sent = body
	}
	return body
}

// believed is the length that a client may claim a body to have, for which
// memory is taken before the body comes.
const believed = 1 << 20

func cutShort(err error) error {
	return fhir.CutShort("the request body", err)
}

// maxDrain bounds what is read and thrown away of a body that is too large, so
// that a client which does not read while it writes still gets the answer.
const maxDrain = 64 << 20

func (r *request) tooLarge() error {
	if r.header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.http.Body, maxDrain) // the answer is the same however it ends
	}
	return fhir.Errorf(fhir.KindTooLarge, "the body is larger than %d bytes, the most that is read (after decompression)", r.h.MaxBody)
}

// requestID is the client's X-Request-Id where that can safely be echoed and
// logged, otherwise a new one.
func requestID(req *http.Request) string {
	id := req.Header.Get("X-Request-Id")
	if len(id) == 0 || len(id) > 128 {
		return newRequestID()
	}
	for i := range len(id) {
		if c := id[i]; !isAlphanumeric(c) && !strings.ContainsRune("-._:/+=", rune(c)) {
			return newRequestID()
		}
	}
	return id
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
