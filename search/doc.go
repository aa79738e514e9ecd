// Package search owns what a FHIR search means: which entries a resource has
// (Extract), what a query string asks for (Parse), the plan between the two,
// and Match, which evaluates a plan against one resource in memory. Match is
// the oracle that every backend is tested against.
//
// An entry is a key: bytes whose order is the order of the values. Keys of one
// parameter are prefix-free (no key is a proper prefix of another), so a
// backend may append to them. A query's predicate is a set of key spans, so a
// backend only scans; it needs to know nothing of dates or tokens.
//
// It leaves to others: reading resources (fhir), expressions (fhirpath),
// scanning, visibility and paging (store and its backends), and which includes
// a caller may see (datastore). It does no I/O.
package search
