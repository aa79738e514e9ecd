// Package crypt owns the sealing of secrets at rest with a server's master
// key.
//
// It leaves to others: which secrets there are, and where they are kept (kv).
package crypt
