// Package event owns what a server tells other programs of itself: events in
// the form of EventBridge, an outbox that keeps each until it was delivered, and
// the sinks that take them.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
//
// An event is put into the outbox in the transaction of the change that it tells
// of: there is no change without its event and no event without its change,
// whenever the process stops. Each sink gets each event at least once, most
// often exactly once; an event that comes again has the same id. A sink that is
// away is tried again with growing pauses, and gets what happened meanwhile in
// its order.
//
// It leaves to others: what the events are about, and how sinks are set up
// (server/notify).
package event
