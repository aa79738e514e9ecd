// Package job owns durable background work: a job is a record that survives
// restarts, is leased by one process at a time, tells its progress, and can be
// cancelled.
//
// A job goes from Queued through Running to Done, Failed or Cancelled. Who
// runs it holds a Lease, which must be renewed before it ends; a job whose
// process died is taken over when its lease has run out, with the checkpoint
// that was saved last. So a handler may begin a job that another began: what
// must not happen twice has to be told from the checkpoint. Saving, renewing
// and ending fail with ErrLost for a lease that was taken over, so that two
// processes never both end a job.
//
// Large inputs and results are parts: named bytes beside the record, kept in
// chunks. Jobs that ended, and their parts, expire.
//
// It leaves to others: what a job does, and who may see it.
package job
