// Package page owns what the server-rendered pages share: layout, style,
// translated messages, the Content-Security-Policy, and protection of forms
// against forged requests.
//
// It leaves to others: what each page shows (login, smart).
package page
