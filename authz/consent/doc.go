// Package consent owns what Consent resources mean for access: it reads them
// into rules, and rules with a caller into a condition on resources under which
// they are hidden. It is pure: no I/O.
//
// What it cannot evaluate counts against access: a rule that denies holds, one
// that permits does not. Of several rules and Consents that fit, a denial wins.
//
// It leaves to others: which Consents there are now (datastore/consented), who
// the caller is (authz), and enforcing the condition (datastore).
//
// http://hl7.org/fhir/R4/consent.html
package consent
