package audit

import (
	"context"
	"time"
)

// A Record is one thing that was done, or refused.
type Record struct {
	Time time.Time `json:"t"`
	// Action is a FHIR interaction ("read", "search-type", "transaction",
	// "$everything"), or what happened beside the FHIR API ("sign-in",
	// "token-refused", "datastore-created").
	Action string `json:"a"`
	// Class says what kind of thing Action is.
	Class Class `json:"c,omitempty"`
	// Store is the id of the data store; "" for what is of no data store.
	Store string `json:"s,omitempty"`
	// Request is the X-Request-Id, the same in all records of one request.
	Request string `json:"q,omitempty"`
	// Entry is the place in the Bundle, from 1, of a Bundle's entry.
	Entry int `json:"e,omitempty"`
	// Status is the HTTP status; 0 where there is none.
	Status int `json:"st,omitempty"`
	// Refused is set where Status is 0 and what was tried failed.
	Refused bool `json:"no,omitempty"`
	// Agent is who did it.
	Agent Agent `json:"by,omitzero"`
	// Entities are what it was done to: "Patient/1", "Patient/1/_history/2".
	Entities []string `json:"on,omitempty"`
	// Patients are the ids of the patients whose data was touched.
	Patients []string `json:"p,omitempty"`
	// Query is the search: the URL below the base, and the form after it.
	Query string `json:"qy,omitempty"`
	// Detail says more, in words of the program: a scope, a provider.
	Detail string `json:"d,omitempty"`
}

// A Class groups actions by where they happen.
type Class string

// The classes.
const (
	// ClassREST is for requests to the FHIR API.
	ClassREST Class = ""
	// ClassSignIn is for people who sign in and out, and their credentials.
	ClassSignIn Class = "auth"
	// ClassGrant is for tokens, launches and clients.
	ClassGrant Class = "grant"
	// ClassAdmin is for what administrators do to the server.
	ClassAdmin Class = "admin"
	// ClassLog is for what happens to the audit log itself.
	ClassLog Class = "log"
	// ClassErasure is for what is about to be erased for good: its Entities.
	ClassErasure Class = "erase"
)

// An Agent is who does something.
type Agent struct {
	// User is the subject of the credential; "" where no user is known.
	User string `json:"u,omitempty"`
	// FHIRUser is the user's resource: "Practitioner/1", or absolute.
	FHIRUser string `json:"f,omitempty"`
	// Client is the id of the application.
	Client string `json:"c,omitempty"`
	// Address is the network address that the request came from.
	Address string `json:"ip,omitempty"`
	// Roles are those of the user.
	Roles []string `json:"r,omitempty"`
	// Purpose is the purpose of use, a code of v3-PurposeOfUse.
	Purpose string `json:"pu,omitempty"`
}

// Failed reports whether what the record tells of was not done.
func (r *Record) Failed() bool { return r.Refused || r.Status >= 400 }

// A Stored is a record with its number in the log, from 1.
type Stored struct {
	Number uint64
	Record
}

// A Recorder takes records. *Log is one.
type Recorder interface {
	// Append returns nil once the records are durable: see Durability.
	Append(records ...Record) error
}

// An Expecter is a Recorder that is told of calls of Append before they come,
// so that those that come together share the cost of making them durable.
// *Log is one.
type Expecter interface {
	Recorder
	// Expect tells that a call of AppendExpected is on its way.
	Expect() Expected
	// AppendExpected is Append of records that Expect told of; without any it
	// tells that none come.
	AppendExpected(told Expected, records ...Record) error
}

// A Numberer is a Recorder that tells which record it made. *Log is one.
type Numberer interface {
	// AppendOne is Append of one record; number is its own.
	AppendOne(record Record) (number uint64, err error)
}

type agentKey struct{}

// WithAgent returns a context in which a caller can be noted as soon as it is
// known, although the request may be refused later on: see NoteAgent. It is the
// same one where that can be given values.
func WithAgent(ctx context.Context, a *Agent) context.Context {
	if c, ok := ctx.(interface{ Attach(key, value any) bool }); ok && c.Attach(agentKey{}, a) {
		return ctx
	}
	return context.WithValue(ctx, agentKey{}, a)
}

// NoteAgent notes who sends a request, where its context is of WithAgent; the
// address stays as it is. It is for the code that reads credentials, and must
// be called by the goroutine that serves the request.
func NoteAgent(ctx context.Context, who Agent) {
	if a, ok := ctx.Value(agentKey{}).(*Agent); ok {
		who.Address = a.Address
		*a = who
	}
}
