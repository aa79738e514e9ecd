// Package sigv4 owns requests that are signed with AWS Signature Version 4:
// the access keys that a server issues for that, and the check of signatures,
// in the Authorization header and in the query of presigned URLs.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
//
// Records, in kv:
//
//	"access-key" 0x00 id       a key and its sealed secret
//	"access-key-used" 0x00 id  when it was last used
//
// It leaves to others: what the bearer of a key may do (healthlake, bearer),
// and how an error is written (healthlake: as JSON of AWS).
package sigv4
