// Package graphql answers GraphQL queries over a data store, as FHIR R4
// defines it: http://hl7.org/fhir/R4/graphql.html.
//
// A query is parsed, its variables are read, and it is checked against the
// FHIR definitions as a whole (check.go) before anything of the store is read.
// Then it is walked over the resource trees (execute.go), and every value goes
// into the answer with the text that the resource has. There is no generated
// schema: schema.go finds the fields of a type in the definitions when it is
// asked, and introspection lists the same fields.
//
// Every read goes through the datastore.View that Execute is given, or through
// the same view as of another time, where a cursor asks for it. Queries are
// all there is; there are no mutations.
//
// It leaves to others: HTTP (rest), who may see what (datastore), what a
// search means (search) and FHIRPath (fhirpath).
package graphql

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// A Request is one query.
type Request struct {
	// Query is the document.
	Query string
	// OperationName chooses one of the document's operations; "" where it has
	// only one.
	OperationName string
	// Variables is a JSON object, or empty.
	Variables json.RawMessage
	// Focus is the resource that the query is about, at instance level; nil at
	// system level.
	Focus *store.Version
	// Limits bound the query; the zero value stands for DefaultLimits.
	Limits Limits
	// Now is the clock of FHIRPath's now() and today(); zero for the time of
	// the call.
	Now time.Time
}

// Limits bound the cost of a query. A query beyond one of them fails with
// KindTooCostly.
type Limits struct {
	// Length is the greatest length of the document in bytes.
	Length int
	// Depth is the greatest nesting of fields.
	Depth int
	// Fields is the greatest number of fields and fragments in the operation,
	// a fragment counted with its content wherever it is used.
	Fields int
	// Resources is the greatest number of resources read and searches made.
	Resources int
	// Output is the greatest size of the answer in bytes, about.
	Output int
}

// DefaultLimits suit interactive use.
var DefaultLimits = Limits{Length: 256 << 10, Depth: 25, Fields: 2000, Resources: 1000, Output: 64 << 20}

// A Response is what a query came to: Data, or Errors.
type Response struct {
	// Data is the JSON object of the answer; nil where there are errors.
	Data []byte
	// Executed is set where the query was found to be correct, so that errors
	// are of its execution.
	Executed bool
	// Requests is how many searches and reads of one resource were made.
	Requests int
	Errors   []*Error
}

// An Error is one entry of a response's errors.
// https://spec.graphql.org/October2021/#sec-Errors
type Error struct {
	Message string
	// Line and Column, from 1, locate the error in the document; 0 where
	// unknown.
	Line, Column int
	// Path is the place in the answer: strings and ints.
	Path []any
	// Cause has the kind and the issue, or is what went wrong inside.
	Cause error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Execute answers a query from a view of the data store ds. It never fails
// otherwise than by the response's errors.
func Execute(ctx context.Context, view *datastore.View, ds *datastore.Store, request Request) Response {
	if request.Limits == (Limits{}) {
		request.Limits = DefaultLimits
	}
	if request.Now.IsZero() {
		request.Now = time.Now()
	}
	s := &schema{set: ds.Definitions(), registry: ds.Registry()}
	doc, errs := parse(request, s)
	if errs != nil {
		return Response{Errors: errs}
	}
	x := newExecution(ctx, view, ds, request)
	x.doc, x.schema = doc, s
	defer x.close()
	root, err := x.start(request.Focus)
	if err != nil {
		return Response{Errors: []*Error{wrap(err, nil, nil)}}
	}
	if errs := x.check(root); len(errs) > 0 {
		return Response{Errors: errs}
	}
	data, err := x.run(root)
	if err != nil {
		return Response{Executed: true, Requests: x.requests, Errors: []*Error{wrap(err, nil, nil)}}
	}
	return Response{Data: data, Executed: true, Requests: x.requests}
}

// Status is the HTTP status of the response.
func (r Response) Status() int {
	if len(r.Errors) == 0 {
		return http.StatusOK
	}
	return fhir.KindOf(r.Errors[0].Cause).Status()
}

// Internal is the first error that is not the caller's fault, for logs; nil
// where there is none.
func (r Response) Internal() error {
	for _, e := range r.Errors {
		if fhir.KindOf(e.Cause) == fhir.KindInternal {
			return e.Cause
		}
	}
	return nil
}

// AppendJSON appends the response as JSON to b.
func (r Response) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	if len(r.Errors) > 0 {
		b = append(b, `"errors":[`...)
		for i, e := range r.Errors {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.appendJSON(b)
		}
		b = append(b, ']')
		if !r.Executed {
			return append(b, '}')
		}
		return append(b, `,"data":null}`...)
	}
	b = append(b, `"data":`...)
	b = append(b, r.Data...)
	return append(b, '}')
}

func (e *Error) appendJSON(b []byte) []byte {
	b = append(b, `{"message":`...)
	b = fhir.AppendString(b, e.Message)
	if e.Line > 0 {
		b = append(b, `,"locations":[{"line":`...)
		b = strconv.AppendInt(b, int64(e.Line), 10)
		b = append(b, `,"column":`...)
		b = strconv.AppendInt(b, int64(e.Column), 10)
		b = append(b, "}]"...)
	}
	if len(e.Path) > 0 {
		b = append(b, `,"path":`...)
		path, _ := json.Marshal(e.Path) // strings and ints only
		b = append(b, path...)
	}
	b = append(b, `,"extensions":{"resource":`...)
	b = fhir.AppendOutcome(b, e.issues())
	return append(b, "}}"...)
}

// issues are those of the cause; of an internal error nothing is shown.
func (e *Error) issues() []fhir.Issue {
	var known *fhir.Error
	if errors.As(e.Cause, &known) && known.Kind != fhir.KindInternal && len(known.Issues) > 0 {
		return known.Issues
	}
	return fhir.Errorf(fhir.KindInternal, "%s", e.Message).Issues
}
