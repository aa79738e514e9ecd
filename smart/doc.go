// Package smart owns the authorization server of SMART App Launch: discovery,
// authorization requests, launch context, consent, tokens and their grants,
// introspection, revocation and registered clients.
// http://hl7.org/fhir/smart-app-launch/STU2.2/
//
// It leaves to others: signing (token), signing in (login), and what a token's
// bearer may see (authz, datastore).
package smart
