// Package keyring owns data keys: one file for each owner, in a folder of their
// own, that holds the owner's keys, each wrapped by a key that is kept
// elsewhere. Whoever has the folder without that key has nothing, and an owner
// whose file was destroyed has lost all that was sealed for it.
//
// An owner has several keys at a time while one follows another: new files are
// sealed with the newest, and a key goes when no file needs it.
//
// It leaves to others: the form of sealed files (crypt/seal), and the keys that
// wrap (crypt, crypt/awskms).
package keyring
