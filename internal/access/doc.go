// Package access tests what a caller may reach, through the whole of the FHIR
// API on the real storage: every interaction and every way to a resource,
// against an evaluator of its own (naive_test.go) that knows nothing of package
// authz; random requests, of whose answers no byte may be another patient's;
// and that each line which enforces something is missed when it is gone
// (mutation_test.go).
package access
