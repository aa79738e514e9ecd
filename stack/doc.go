// Package stack owns the declarative set-up of a server: a file says which data
// stores, identity providers, users, clients and keys there are to be, a Plan
// says what has to change for that, and applying it changes that and nothing
// else. Applied again, it changes nothing.
//
// It leaves to others: what each of the things means and which values are
// allowed (datastore, login, smart, sigv4, apikey), and the requests that change
// them (admin.Admin). What is in tarn.yaml is not its business.
package stack
