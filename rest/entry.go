package rest

import (
	"net/http"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
)

// An entry is one entry of a batch or transaction.
// http://hl7.org/fhir/R4/bundle.html
type entry struct {
	index   int
	fullURL string
	head    bool // a HEAD: the response has no resource
	req     *request
	op      datastore.Op // of a write
	err     error        // why the entry cannot be carried out
	// recalled is set where an attempt before has carried the entry out.
	recalled bool
	reply    reply
}

// A reply is an entry's response.
type reply struct {
	status   int
	fullURL  string
	outcome  []byte // an OperationOutcome
	resource []byte
	location string
	etag     string
	modified string // an instant
}

// phases are the methods in the order that FHIR processes them.
// http://hl7.org/fhir/R4/http.html#trules
var phases = []string{http.MethodDelete, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodGet}

// readEntries reads the entries of a Bundle. What is wrong with an entry is
// kept in it.
func (r *request) readEntries(bundle fhir.Node) ([]*entry, error) {
	var entries []*entry
	for node := range bundle.Each("entry") {
		if len(entries) == r.h.MaxEntries {
			return nil, fhir.Errorf(fhir.KindTooCostly, "the Bundle has more than %d entries, the most that one request may have; send it in parts", r.h.MaxEntries).At("Bundle.entry")
		}
		e := &entry{index: len(entries), fullURL: node.TextOf("fullUrl")}
		e.err = r.readEntry(e, node)
		entries = append(entries, e)
	}
	return entries, nil
}

// readEntry makes an entry's request, as if it had come by itself.
func (r *request) readEntry(e *entry, node fhir.Node) error {
	ask := node.Child("request")
	if !ask.Exists() {
		return fhir.Errorf(fhir.KindInvalid, "the entry has no request; it needs request.method and request.url").At("request")
	}
	method, url := ask.TextOf("method"), ask.TextOf("url")
	if method == "" || url == "" && method != http.MethodGet {
		return fhir.Errorf(fhir.KindInvalid, "the entry's request needs a method and a url").At("request")
	}
	e.req = &request{
		h: r.h, ctx: r.ctx, requestID: r.requestID, store: r.store, access: r.access,
		method: method, header: r.entryHeader(ask), prefer: r.prefer,
	}
	if method == http.MethodHead {
		e.req.method, e.head = http.MethodGet, true
	}
	if err := e.req.locateEntry(url); err != nil {
		return err
	}
	if e.req.level == levelSystem && e.req.method == http.MethodPost || e.req.level == levelTypeSearch || e.req.level == levelSystemSearch || e.req.level == levelCompartmentSearch {
		return fhir.Errorf(fhir.KindInvalid, "%s %q cannot be an entry: no Bundle in a Bundle, and a search is a GET entry", method, url).At("request")
	}
	if e.req.level == levelAsync || e.req.level == levelBulk || e.req.level == levelContent {
		return fhir.Errorf(fhir.KindNotSupported, "%s %s cannot be an entry; ask for it by itself", method, url).At("request")
	}
	if err := e.req.route(); err != nil {
		return err
	}
	if err := e.req.auditEvents(); err != nil {
		return err
	}
	if e.req.operation != "" {
		if o, err := e.req.findOperation(); err != nil || o.ownBody && e.req.method == http.MethodPost {
			return fhir.Errorf(fhir.KindNotSupported, "%s %s cannot be an entry; call it by itself", method, url).At("request")
		}
		e.req.tree = node.Child("resource").Detach()
		return nil
	}
	return e.readOp(node)
}

// readOp makes the op of an entry that writes.
func (e *entry) readOp(node fhir.Node) (err error) {
	resource := node.Child("resource")
	switch e.req.method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		if !resource.Exists() {
			return fhir.Errorf(fhir.KindInvalid, "a %s entry needs a resource", e.req.method).At("resource")
		}
		e.req.tree = resource.Detach()
	}
	switch e.req.method {
	case http.MethodPost:
		e.op, err = createOp(e.req)
	case http.MethodPut:
		e.op, err = updateOp(e.req)
	case http.MethodPatch:
		e.op, err = patchOp(e.req)
	case http.MethodDelete:
		e.op, err = deleteOp(e.req)
	}
	e.op.FullURL = e.fullURL
	return err
}

// entryHeader are the headers that a request's elements stand for, and those
// of the Bundle's request that hold for each entry.
func (r *request) entryHeader(ask fhir.Node) http.Header {
	var header http.Header
	set := func(name, value string) {
		if header == nil {
			header = http.Header{}
		}
		header.Set(name, value)
	}
	if level := r.header.Get(levelHeader); level != "" {
		set(levelHeader, level)
	}
	for n := ask.First(); n.Exists(); n = n.Next() {
		switch n.Name() {
		case "ifNoneMatch":
			set("If-None-Match", n.Text())
		case "ifModifiedSince":
			set("If-Modified-Since", n.Text())
		case "ifMatch":
			set("If-Match", n.Text())
		case "ifNoneExist":
			set("If-None-Exist", n.Text())
		}
	}
	return header
}

// locateEntry finds what an entry's url names: "Patient/1", "/Patient",
// "Patient?name=x", or the same with the data store's base URL before it.
func (r *request) locateEntry(url string) error {
	path, query, _ := strings.Cut(url, "?")
	if rest, ok := strings.CutPrefix(path, r.store.Base()); ok && (rest == "" || rest[0] == '/') {
		path = rest
	} else if strings.Contains(path, ":") {
		return fhir.Errorf(fhir.KindInvalid, "request.url %q is not below this data store's base URL %s; use a relative one, such as Patient/1", url, r.store.Base()).At("request.url")
	}
	parts, err := splitPath(path)
	if err != nil {
		return err
	}
	r.rawQuery = query
	return r.locate(parts)
}
