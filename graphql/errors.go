package graphql

import (
	"errors"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/tarnhealth/tarn/fhir"
)

// maxErrors is how many errors of a document are listed.
const maxErrors = 20

// errorAt is an error in the document, of KindInvalid.
func errorAt(at *ast.Position, format string, args ...any) *Error {
	return wrap(fhir.Errorf(fhir.KindInvalid, format, args...), at, nil)
}

// costly is an error of KindTooCostly.
func costly(at *ast.Position, format string, args ...any) *Error {
	return wrap(fhir.Errorf(fhir.KindTooCostly, format, args...), at, nil)
}

// wrap gives an error its place in the document and in the answer; one that
// has a place keeps it. What went wrong inside is not shown.
func wrap(err error, at *ast.Position, path []any) *Error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Message: message(err), Cause: err}
	}
	if e.Line == 0 && at != nil {
		e.Line, e.Column = at.Line, at.Column
	}
	if e.Path == nil {
		e.Path = slices.Clone(path)
	}
	return e
}

func message(err error) string {
	var known *fhir.Error
	if !errors.As(err, &known) || known.Kind == fhir.KindInternal || len(known.Issues) == 0 {
		return "something went wrong inside the server; the request id leads to its log"
	}
	text := ""
	for i, issue := range known.Issues {
		if i > 0 {
			text += "; "
		}
		text += issue.Diagnostics
	}
	return text
}

// syntaxError is the parser's error.
func syntaxError(err error) *Error {
	e := &Error{Message: "the query is not GraphQL: " + err.Error()}
	var known *gqlerror.Error
	if errors.As(err, &known) {
		e.Message = "the query is not GraphQL: " + known.Message
		if len(known.Locations) > 0 {
			e.Line, e.Column = known.Locations[0].Line, known.Locations[0].Column
		}
	}
	e.Cause = fhir.Errorf(fhir.KindInvalid, "%s", e.Message)
	return e
}
