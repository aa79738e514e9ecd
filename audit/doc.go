// Package audit owns the audit log: who did what to which resource, when, from
// where, and what came of it.
//
// A Log is a chain of blocks in the files of one folder, with signed
// checkpoints in it. Append returns when its records are on disk (see Durability
// for those of reads); what comes together is written together. Nothing in the
// files is ever changed. Verify proves that nothing was altered, removed or put
// elsewhere. A Follower hands the records on, as AuditEvent resources, to a Sink:
// a data store that makes them searchable, standard output, syslog, an OTLP
// collector. Archive keeps whole segments, compressed, elsewhere.
//
// The files, in the folder of the log:
//
//	00000001.log …  segments, of blocks one after the other
//	HEAD            the latest checkpoint
//
// A block, numbers big-endian:
//
//	"TAB1" kind(1) first(8) count(4) size(4) body(size) hash(32)
//
// where first is the number of its first record, count how many it has, and
// hash the SHA-256 of the hash of the block before and of this block up to the
// hash. The hash before the first block of all is zero. A body of records holds
// each as its length (uvarint) and its JSON; that of a checkpoint or of the
// start of a segment is one JSON object.
//
// It leaves to others: what is recorded (rest, and the events of login and
// smart), who may read it (authz), and where AuditEvents are kept (datastore).
package audit
