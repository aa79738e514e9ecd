package rest

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"slices"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// documentOperation is Composition/$document: the composition and all that it
// refers to, directly or by what it refers to of its sections' entries, as a
// Bundle of type document; with persist=true it is stored.
// http://hl7.org/fhir/R4/composition-operation-document.html
func documentOperation() operation {
	return operation{
		code: "document", on: []string{"Composition"}, levels: []level{levelInstance},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			if err := in.only("persist"); err != nil {
				return err
			}
			persist, err := in.flag("persist")
			if err != nil {
				return err
			}
			if persist && r.method != http.MethodPost {
				return fhir.Errorf(fhir.KindMethodNotAllowed, "a document is stored by POST, not by GET")
			}
			resources, err := r.document()
			if err != nil {
				return err
			}
			body := r.documentBundle(resources)
			if !persist {
				return r.writeJSON(w, http.StatusOK, body)
			}
			tree, err := r.store.Parse(body)
			if err != nil {
				return err
			}
			outcomes, err := r.store.Commit(r.ctx, r.access, []datastore.Op{{Interaction: authz.Create, Type: "Bundle", Resource: tree}}, nil)
			if err != nil {
				return err
			}
			outcomes[0].Status = http.StatusOK // of the operation
			return r.writeWritten(w, &outcomes[0], nil)
		},
	}
}

// maxDocument is how many resources one document may have.
const maxDocument = 10_000

// document reads a composition and what belongs to it: what it refers to, and
// what that refers to of people, places and the like.
func (r *request) document() ([]store.Version, error) {
	if !fhir.ValidID(r.id) {
		return nil, r.noSuchID()
	}
	view, done, err := r.openView(0)
	if err != nil {
		return nil, err
	}
	defer done()
	composition, err := view.Read(r.ctx, "Composition", r.id)
	if err != nil {
		return nil, err
	}
	all := []store.Version{composition}
	seen := map[string]bool{"Composition/" + r.id: true}
	for i := 0; i < len(all); i++ {
		tree, err := r.store.Read(all[i])
		if err != nil {
			return nil, err
		}
		for _, ref := range r.references(tree.Root()) {
			key := ref.Type + "/" + ref.ID
			if seen[key] || i > 0 && !slices.Contains(supporting, ref.Type) {
				continue
			}
			seen[key] = true
			v, ok, err := r.readReferred(view, ref)
			if err != nil {
				return nil, err
			}
			if ok {
				all = append(all, v)
			}
		}
		if len(all) > maxDocument {
			return nil, fhir.Errorf(fhir.KindTooCostly, "the document has more than %d resources", maxDocument)
		}
	}
	return all, nil
}

// documentBundle writes a Bundle of type document.
func (r *request) documentBundle(resources []store.Version) []byte {
	b := []byte(`{"resourceType":"Bundle","identifier":{"system":"urn:ietf:rfc:3986","value":"urn:uuid:` + newUUID() + `"},"type":"document","timestamp":`)
	b = appendInstant(b, r.h.Now())
	for i := range resources {
		v := &resources[i]
		if i == 0 {
			b = append(b, `,"entry":[`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, `{"fullUrl":`...)
		b = fhir.AppendString(b, r.url(v.Type+"/"+v.ID))
		b = append(b, `,"resource":`...)
		b = append(append(b, representation(v)...), '}')
	}
	return append(b, "]}"...)
}

// newUUID makes a random (version 4) UUID. RFC 9562 section 5.4
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
