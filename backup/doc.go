// Package backup owns backups: what a data folder held at a moment, kept in
// another place as files that never change, so that each backup costs what is
// new since the one before, and each can be restored by itself.
//
// The files of a place, which is a folder or a prefix of an S3 bucket:
//
//	tarn-backup.json      the format, and which key the rest is sealed with
//	pieces/ab/abcd…       pieces of files, by the SHA-256 of their content
//	backups/TIME-SUM.json one manifest for each backup, written last: its files,
//	                      their sizes and pieces; SUM is of the manifest itself
//	locks/…               who works on the place
//
// Pieces that are there are not written again, whichever file and backup they
// are of. A backup that is cut off leaves pieces that the next one finds, and no
// manifest; a manifest is there only when all of its pieces are durable.
//
// In a place with a key, pieces and manifests are sealed (crypt/seal), and the
// names of pieces are keyed sums, which tell nothing of the content. What is
// encrypted at rest in the data folder stays sealed with its own keys in any
// place.
//
// It leaves to others: how the files of a running server are had at one moment
// (pebble, server/backups), and how they become a data folder again
// (server/backups).
package backup
