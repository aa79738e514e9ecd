// Package bulk owns what moves many resources at once: import jobs, which read
// NDJSON files into a data store, export jobs, which write a data store's
// resources as of one logical time into files, and the jobs that fill a new
// data store. It speaks HealthLake's words for jobs, and the operations of FHIR
// Bulk Data Access over HTTP. https://hl7.org/fhir/uv/bulkdata/
//
// A job is a record of package job. What it has done stands in its checkpoint:
// an import job goes on there after a crash, with what it had not noted yet
// coming to nothing new, since each line is an update by id; an export job keeps
// its logical time, and writes what it had begun anew.
//
// Files are read and written through package blob; resources through the bulk
// reader and writer of package datastore, with the access of whoever asked.
//
// It leaves to others: who the caller is (rest, healthlake), the storage
// (datastore), and which places are allowed (server).
package bulk
