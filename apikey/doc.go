// Package apikey owns API keys: the header X-Api-Key, by which a client shows,
// beside its token, which agreement it calls under, and what that allows: so
// many requests a second, so many at once, so many in a day, a week or a month.
//
// Records, in kv:
//
//	"api-key" 0x00 id                    a key and the hash of its secret
//	"api-key-usage" 0x00 id " " period   how many requests it made, kept 400 days
//
// It leaves to others: which data stores ask for a key, and who the caller is
// otherwise (bearer, server).
package apikey
