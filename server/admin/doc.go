// Package admin administers a data folder: its data stores, users, clients,
// keys, guides, encryption and copies for backups.
//
// It is JSON over HTTP on a Unix socket in the data folder, which only the
// folder's owner can open, or the same in one process where no server runs.
// Handler answers the requests, and Admin makes them. Errors are
// {"error": text} with the HTTP status of their kind.
package admin
