package rest

import (
	"bytes"
	"encoding/base64"
	"mime"
	"net/http"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/patch"
)

// patchFormats are the media types of PATCH, by which a client says which of
// the patch formats it sends.
const (
	mimeJSONPatch  = "application/json-patch+json"
	mimeMergePatch = "application/merge-patch+json"
)

var patchFormats = []string{mimeFHIR, mimeXML, mimeJSONPatch, mimeMergePatch}

// patchResource answers PATCH [base]/[type]/[id] and the conditional
// PATCH [base]/[type]?criteria. http://hl7.org/fhir/R4/http.html#patch
func patchResource(w http.ResponseWriter, r *request) error {
	w.Header().Set("Accept-Patch", strings.Join(patchFormats, ", ")) // RFC 5789 section 3.1
	return r.write(w, patchOp)
}

func patchOp(r *request) (op datastore.Op, err error) {
	op = datastore.Op{Interaction: authz.Patch, Type: r.resourceType, ID: r.id}
	if r.level == levelType {
		if op.Criteria = r.criteria(); len(op.Criteria) == 0 {
			return op, fhir.Errorf(fhir.KindInvalid, "a patch needs an id (PATCH [base]/%s/[id]) or search criteria (PATCH [base]/%[1]s?identifier=…)", r.resourceType)
		}
	} else if !fhir.ValidID(r.id) {
		return op, r.noSuchID()
	} else if err := r.onlyShaping(); err != nil {
		return op, err
	}
	if err := r.noIfNoneMatch(); err != nil {
		return op, err
	}
	if op.IfMatch, err = r.ifMatch(); err != nil {
		return op, err
	}
	if op.Level, err = r.validationLevel(); err != nil {
		return op, err
	}
	if r.tree != nil {
		op.Patch, err = patchOfEntry(r.tree.Root())
	} else {
		op.Patch, err = r.patchOfBody()
	}
	return op, err
}

type patchFunc = func(current *fhir.Tree) ([]byte, error)

// patchOfBody reads the patch of a request.
func (r *request) patchOfBody() (patchFunc, error) {
	contentType := r.header.Get("Content-Type")
	base, params, err := mime.ParseMediaType(contentType)
	if err != nil || !rightCharset(params["charset"]) {
		return nil, unknownPatch(contentType)
	}
	if _, isFHIR := mediaTypes[base]; !isFHIR && base != mimeJSONPatch && base != mimeMergePatch {
		return nil, unknownPatch(contentType)
	}
	src, err := r.readBody()
	if err != nil {
		return nil, err
	}
	if base == mimeJSONPatch || base == mimeMergePatch {
		return patchOfBytes(base, src), nil
	}
	if src := bytes.TrimLeft(src, " \t\r\n"); len(src) > 0 && src[0] == '[' {
		return nil, fhir.Errorf(fhir.KindUnsupportedMedia, "the body is a list, as of JSON Patch, and its Content-Type is %q; send it as %s", contentType, mimeJSONPatch)
	}
	tree, err := r.parse(src)
	if err != nil {
		return nil, err
	}
	return patchOfParameters(tree.Root()), nil
}

func unknownPatch(contentType string) error {
	return fhir.Errorf(fhir.KindUnsupportedMedia, "Content-Type %q is no patch format that is read here; send %s or %s (a Parameters resource), %s or %s",
		contentType, patchFormats[0], patchFormats[1], patchFormats[2], patchFormats[3])
}

func patchOfBytes(format string, src []byte) patchFunc {
	apply := patch.JSON
	if format == mimeMergePatch {
		apply = patch.Merge
	}
	return func(current *fhir.Tree) ([]byte, error) { return apply(current.Root().Raw(), src) }
}

func patchOfParameters(parameters fhir.Node) patchFunc {
	return func(current *fhir.Tree) ([]byte, error) { return patch.FHIRPath(current, parameters) }
}

// patchOfEntry reads the patch of a Bundle entry: a FHIRPath Patch as
// Parameters, another one inside a Binary.
// http://hl7.org/fhir/R4/http.html#trules
func patchOfEntry(resource fhir.Node) (patchFunc, error) {
	switch name := resource.Type().Name; name {
	case "Parameters":
		return patchOfParameters(resource), nil
	case "Binary":
		base, _, err := mime.ParseMediaType(resource.TextOf("contentType"))
		if err != nil || base != mimeJSONPatch && base != mimeMergePatch {
			return nil, fhir.Errorf(fhir.KindUnsupportedMedia, "the contentType of the Binary is %q; a patch is %s or %s", resource.TextOf("contentType"), mimeJSONPatch, mimeMergePatch).At("resource")
		}
		src, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(resource.TextOf("data")), ""))
		if err != nil || len(src) == 0 {
			return nil, fhir.Errorf(fhir.KindInvalid, "the data of the Binary is not a patch in base64").At("resource")
		}
		return patchOfBytes(base, src), nil
	default:
		return nil, fhir.Errorf(fhir.KindInvalid, "the resource of a PATCH entry is a %s; it must be Parameters (a FHIRPath Patch) or a Binary (that holds a JSON Patch)", name).At("resource")
	}
}
