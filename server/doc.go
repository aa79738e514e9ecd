// Package server assembles Tarn: configuration, the storage of a data folder,
// the data stores in it, the FHIR API, health, metrics, the local admin
// socket, and an orderly start and end.
//
// It leaves to others: everything that a request means. It holds no rule about
// FHIR; a change of behaviour that is seen over the API belongs elsewhere.
package server
