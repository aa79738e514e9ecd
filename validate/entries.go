package validate

import (
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// Entries are the resources of a Bundle by what they are referred to by.
// http://hl7.org/fhir/R4/bundle.html#references
type Entries struct {
	byURL map[string]fhir.Node
	// byName finds by Type/id what has no RESTful fullUrl.
	byName map[string]fhir.Node
}

// EntriesOf are the entries of a Bundle. Of several versions of a resource the
// first counts.
func EntriesOf(bundle fhir.Node) *Entries {
	e := &Entries{byURL: map[string]fhir.Node{}, byName: map[string]fhir.Node{}}
	put := func(in map[string]fhir.Node, key string, n fhir.Node) {
		if _, there := in[key]; !there {
			in[key] = n
		}
	}
	for entry := range bundle.Each("entry") {
		resource := entry.Child("resource")
		if !resource.Exists() {
			continue
		}
		if url := entry.TextOf("fullUrl"); url != "" {
			put(e.byURL, url, resource)
		}
		if id := resource.TextOf("id"); id != "" {
			put(e.byName, resource.Type().Name+"/"+id, resource)
		}
	}
	return e
}

// Resolve is the resource of an entry that a reference, written in the entry
// with a fullUrl, refers to; absent where none of the Bundle is meant. The
// reference may name a version or a contained resource: that of the entry is
// told.
func (e *Entries) Resolve(fullURL, reference string) fhir.Node {
	reference, _, _ = strings.Cut(reference, "#")
	reference, _, _ = strings.Cut(reference, "/_history/")
	if reference == "" || strings.Contains(reference, "?") {
		return fhir.Node{}
	}
	if found := e.byURL[reference]; found.Exists() {
		return found
	}
	if strings.Contains(reference, ":") {
		return fhir.Node{}
	}
	if base, ok := restBase(fullURL); ok {
		return e.byURL[base+reference]
	}
	return e.byName[reference]
}

// restBase is the base of a fullUrl that looks like one of a RESTful server.
func restBase(fullURL string) (string, bool) {
	r := fhir.ParseReference(fullURL, "")
	if r.Kind != fhir.RefAbsolute || r.Type == "" || r.ID == "" {
		return "", false
	}
	return strings.CutSuffix(fullURL, r.Type+"/"+r.ID)
}

// entry checks an entry of a Bundle: its fullUrl says what the resource says of
// itself. http://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.fullUrl
func (w *walker) entry(resource fhir.Node) {
	entry := resource.Parent()
	url := entry.Child("fullUrl")
	if !url.Exists() {
		return
	}
	ref := fhir.ParseReference(url.View(), "")
	name, id := resource.Type().Name, resource.TextOf("id")
	switch {
	case ref.Kind != fhir.RefAbsolute && ref.Kind != fhir.RefURN:
		if strings.Contains(url.View(), ":") {
			return // a URI of another kind
		}
		w.report(url, "value", "%q is not absolute; write an absolute URL, or a urn:uuid:", url.View())
	case ref.Kind == fhir.RefURN || ref.ID == "" || w.v.schema.Resource(ref.Type) == nil:
	case ref.Type != name && w.bundleType() != "batch-response" && w.bundleType() != "transaction-response":
		w.report(url, "value", "%q names a %s, but the resource is a %s", url.View(), ref.Type, name)
	case id != "" && id != ref.ID && entry.Child("request").TextOf("method") != "POST":
		w.report(url, "value", "%q ends with the id %s, but that of the resource is %s", url.View(), ref.ID, id)
	}
}

// bundleType is the type of the Bundle being checked.
func (w *walker) bundleType() string { return w.bundle.TextOf("type") }

// entries are those of the Bundle being checked, gathered when they are first
// needed.
func (w *walker) entriesOf() *Entries {
	if w.entries == nil {
		w.entries = EntriesOf(w.bundle)
	}
	return w.entries
}

// inBundle is the type of what a reference refers to within the Bundle; ""
// where it is not in there. A URN that is not leads nowhere at all; what a
// document refers to can be gone when it is made, which is worth a warning.
func (w *walker) inBundle(literal fhir.Node) string {
	if !w.bundle.Exists() {
		return ""
	}
	reference := literal.View()
	fullURL := ""
	if w.holder.Name() == "resource" {
		fullURL = w.holder.Parent().TextOf("fullUrl")
	}
	if found := w.entriesOf().Resolve(fullURL, reference); found.Exists() {
		return found.Type().Name
	}
	switch kind := w.bundleType(); {
	case kind != "document" && kind != "message":
	case strings.HasPrefix(reference, "urn:uuid:") || strings.HasPrefix(reference, "urn:oid:"):
		w.report(literal, "not-found", "%q is no entry of the bundle, and nothing else can be meant by it", reference)
	case w.direct(literal):
		w.warn(literal, "not-found", "%q is no entry of the bundle; a %s has what its first resource refers to", reference, kind)
	}
	return ""
}

// carried are the elements of a Composition and of a MessageHeader whose
// resources are part of the document or message.
// http://hl7.org/fhir/R4/documents.html#bundle, http://hl7.org/fhir/R4/messageheader-definitions.html#MessageHeader.focus
var carried = map[string]bool{
	"Composition.subject": true, "Composition.encounter": true, "Composition.author": true, "Composition.attester.party": true,
	"Composition.custodian": true, "Composition.event.detail": true, "Composition.section.author": true,
	"Composition.section.focus": true, "Composition.section.entry": true, "MessageHeader.focus": true,
}

// direct reports whether a reference is one that the first resource of a
// document or message brings with it.
func (w *walker) direct(literal fhir.Node) bool {
	reference := literal.Parent()
	if w.holder.Name() != "resource" || reference.Property() == nil || w.holder.Parent() != w.bundle.Child("entry") {
		return false
	}
	path := reference.Property().Owner.Name + "." + reference.Name()
	return carried[path]
}
