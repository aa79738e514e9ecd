// Package datastore owns the one door: a data store is definitions, validator,
// search parameters and a resource store, and only Store hands out views of it
// and takes commits, each under an authz.Access. The Catalog holds the data
// stores of a server.
//
// It leaves to others: HTTP (rest), the layout of versions and entries (the
// backends), and the decision itself (authz).
package datastore
