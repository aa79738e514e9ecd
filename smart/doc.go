// Package smart owns the authorization server of SMART App Launch: discovery,
// authorization requests, launch context, consent, tokens and their grants,
// introspection, revocation and registered clients.
// http://hl7.org/fhir/smart-app-launch/STU2.2/
//
// There is one file per endpoint and per grant. The steps that a person walks
// through in a browser (sign in, choose a patient, consent) do not know each
// other: each returns to the dispatcher (dispatch.go), which reads the stored
// AuthRequest and sends the browser to the next one.
//
// It leaves to others: signing (token), signing in (login), and what a token's
// bearer may see (authz, datastore).
package smart
