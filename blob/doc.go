// Package blob owns the contract for files that are not resources: input and
// output of bulk jobs, and large binary content. A Bucket holds named blobs; it
// is a local folder (Dir, in this package) or a bucket of an S3-compatible
// service (package s3blob). The conformance suite is in blobtest.
//
// A blob is written as a whole: it is there, complete and durable, once Commit
// returns, and not at all before. Blobs are named by keys such as
// "export/1/Patient.ndjson": segments between slashes, compared byte by byte.
//
// A Place is where a caller asks for input or output, such as
// "s3://bucket/folder" or "file:///srv/input"; Places decides which of them may
// be used.
//
// It leaves to others: who may read and write what, and what the bytes are.
package blob
