// Package login owns how a person proves who they are: the directory of users,
// passwords, second factors, passkeys, upstream OpenID Connect providers,
// sessions, and the pages for them.
//
// It leaves to others: what a signed-in person may do (authz), and which
// applications they use (smart).
package login
