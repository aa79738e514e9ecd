// Package fhir owns the resource itself: the arena tree that JSON is read
// into, the schema that drives the reader, primitive values with their exact
// text, the splice that sets id and meta, and the error kinds with their
// OperationOutcome form.
//
// A resource is a tree, not a Go struct. Parse reads bytes once into a flat
// slice of nodes that point into those bytes, checking names, shapes and
// duplicate keys against a Schema as it goes; validation, index extraction and
// FHIRPath all walk the same tree. The bytes that the client sent are the
// bytes that are stored.
//
// It leaves to others: where a Schema comes from (package definition), rules
// beyond structure such as cardinality and bindings (package validate), and
// all storage and HTTP. It imports only the standard library.
package fhir
