// Package binary keeps the large contents of a data store's resources as blobs:
// what a Binary was made of, and base64 of any other resource that is too long
// to be read and written with it each time.
//
// In the stored body of the resource, a stand-in is in the place of such
// content: base64 too, so that the body is FHIR all the same, which says how
// long the content is and what its hash is. It is authenticated with a key of
// the data store and bound to the resource, so that nobody can make one, and
// clients never see one: whoever reads a version gets the content back, whole or
// as it is sent (Filler).
//
// A content belongs to one resource, and to all versions that have it. Records,
// by the data store, say where the blobs are:
//
//	binary         0x00 STORE 0x00 TYPE/ID 0x00 CONTENT   where the blob is
//	binary-doubt   0x00 STORE 0x00 TYPE/ID 0x00 CONTENT   whether a version has it is to be looked up
//	binary-upload  0x00 STORE 0x00 BLOB                   a blob that belongs to no resource yet
//
// A blob is recorded before it is written, and is durable before the version
// that refers to it is committed. What is in doubt or was uploaded in vain after
// a crash is found at the next start, and goes.
//
// It leaves to others: where blobs are (blob), how they are sealed
// (blob/sealedblob), when versions are written, read and erased (datastore), and
// HTTP (rest).
package binary
