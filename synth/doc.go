// Package synth owns Tarn's built-in synthetic population: invented people
// with coherent medical records, for demonstrations, tests and load runs. No
// real person's data is in it.
//
// A population is a function of its seed. Patient k has a random stream of its
// own, so the record of patient k is the same in a population of ten and in
// one of a million, and the same seed always gives the same bytes. Records are
// made one after another and never kept: memory use does not grow with the
// population.
//
// The first bundle is the shared infrastructure (organizations, locations,
// practitioners, payers), the same for every seed, with fixed ids. Each
// further bundle is one patient's record. Resources are base R4 and, where
// their shape fits, name a US Core profile in meta.profile
// (http://hl7.org/fhir/us/core/).
//
// How a record comes about, and where to change it:
//
//	names.go places.go person.go     who the patient is
//	course.go conditions.go          which conditions come when
//	plan.go                          which visits follow from that
//	visit.go                         what happens at one visit
//	physiology.go observations.go …  the values and the resources
//
// It leaves to others: loading what it makes (server, cmd/tarn) and checking
// it (validate). Times are in the patient's local time zone.
package synth
