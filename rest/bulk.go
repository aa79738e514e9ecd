package rest

import (
	"net/http"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/fhir"
)

// bulkCapability is what the CapabilityStatement says it has.
// https://hl7.org/fhir/uv/bulkdata/STU2/CapabilityStatement-bulk-data.html
const bulkCapability = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"

// bulkOperations are $export at its three levels, and $import. Package bulk
// carries them out. https://hl7.org/fhir/uv/bulkdata/STU2/export.html
func bulkOperations() []operation {
	const definitions = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
	// No type is named "": these are offered on the whole data store alone.
	whole := []string{""}
	return []operation{
		{code: "export", on: []string{"Patient"}, levels: []level{levelType}, definition: definitions + "patient-export", ownBody: true, begins: true, serve: startExport},
		{code: "export", on: []string{"Group"}, levels: []level{levelInstance}, definition: definitions + "group-export", ownBody: true, begins: true, serve: startExport},
		{code: "export", on: whole, levels: []level{levelSystem}, definition: definitions + "export", ownBody: true, begins: true, serve: startExport},
		{code: "import", on: whole, levels: []level{levelSystem}, affectsState: true, ownBody: true, serve: func(w http.ResponseWriter, r *request, _ *arguments) error {
			c, err := r.bulkCall()
			if err != nil {
				return err
			}
			return r.h.Bulk.Import(w, c)
		}},
	}
}

func startExport(w http.ResponseWriter, r *request, _ *arguments) error {
	c, err := r.bulkCall()
	if err != nil {
		return err
	}
	if c.Of, c.Group = r.resourceType, r.id; r.id != "" && !fhir.ValidID(r.id) {
		return r.noSuchID()
	}
	return r.h.Bulk.Export(w, c)
}

// bulkCall is the request as package bulk takes it.
func (r *request) bulkCall() (*bulk.Call, error) {
	if r.http == nil {
		return nil, fhir.Errorf(fhir.KindNotSupported, "%s cannot be an entry of a Bundle", r.interaction)
	}
	url := r.store.Base()
	for _, s := range r.segments {
		url += "/" + s
	}
	if r.rawQuery != "" {
		url += "?" + r.rawQuery
	}
	return &bulk.Call{
		Request: r.http, Store: r.store, Access: r.access, Query: r.query, Body: r.readFHIR, Parse: r.parse, Lenient: r.prefer.lenient, URL: url,
	}, nil
}

// bulkTarget reads export/{id}, import/{id}, and what is below.
func (r *request) bulkTarget(parts []string) (target, bool) {
	if r.h.Bulk == nil || len(parts) < 2 || !slices.Contains(bulk.Segments, parts[0]) {
		return target{}, false
	}
	return target{level: levelBulk}, true
}

// servesFile reports whether a path is one of package bulk, whose media types
// are others.
func servesFile(parts []string) bool {
	return len(parts) > 1 && slices.Contains(bulk.Segments, parts[0])
}

// serveBulk answers what is asked of a bulk job that was begun.
func serveBulk(w http.ResponseWriter, r *request) error {
	name, ok := bulk.Route(r.method, r.segments)
	if !ok {
		return fhir.Errorf(fhir.KindNotFound, "nothing is at this path for %s", r.method)
	}
	r.interaction = name
	c, err := r.bulkCall()
	if err != nil {
		return err
	}
	c.Path = r.segments[1:]
	if res, ok := w.(*response); ok && len(c.Path) > 1 {
		res.sendsFile(r)
		control := http.NewResponseController(w)
		c.Progress = func() { _ = control.SetWriteDeadline(time.Now().Add(fileStall)) } // fails only for what is no connection
	}
	return r.h.Bulk.Serve(w, c, name)
}

// fileStall is how long a client may take for each piece of a file.
const fileStall = time.Minute

// sendsFile leaves the bytes of a file as they are; a part of it is not
// compressed. Who is in the file is not looked at: it is recorded as a whole.
func (w *response) sendsFile(r *request) {
	w.pretty, w.seen = false, nil
	w.acceptGzip = w.acceptGzip && r.header.Get("Range") == ""
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Unwrap is for http.ResponseController.
func (w *held) Unwrap() http.ResponseWriter { return w.ResponseWriter }
