// Package browser tests sign-in and the launch of SMART apps in a real browser:
// headless Chromium, the npm package fhirclient as the app, accessibility rules
// on each page, and an OpenID Connect provider of another maker upstream.
//
// setup.sh installs what it needs; without it the tests are skipped, saying so.
// The tests leave a screenshot of each page in the folder screenshots, which git
// ignores. Clauses that they name are those of the standards, as the transcripts
// of package smart name them.
package browser
