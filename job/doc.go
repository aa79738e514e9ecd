// Package job owns durable background work: a job is a record that survives
// restarts, is leased by one process at a time, tells its progress, and can be
// cancelled.
//
// It leaves to others: what a job does.
package job
