// Package backups owns how a data folder becomes a backup, and a backup a data
// folder.
//
// A folder that is in use is staged first (Stage): the records and each data
// store are copied at one moment, as links in a folder beside them, so that
// requests wait for milliseconds. What is staged is then taken at leisure
// (Staged.Snapshot), by the server or by another process.
//
// It leaves to others: places, pieces and manifests (backup), how storage is
// copied (pebble), and keys (server/vault).
package backups
