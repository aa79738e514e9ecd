// Package token owns signed tokens: the server's signing keys and their
// rotation, minting and verifying access tokens (RFC 9068), client assertions
// (RFC 7523), proofs of possession (RFC 9449), and verifying the tokens of
// external issuers.
//
// It leaves to others: who gets which token (smart), and what a token's bearer
// may do (authz).
package token
