// Package subscription owns FHIR Subscriptions: it checks them when they are
// written, finds what they ask for among the changes of a data store, and
// delivers notifications. http://hl7.org/fhir/R4/subscription.html
//
// A data store with Subscriptions has a feed, which reads its change log and
// matches every new version against the criteria of those that are active. What
// matches becomes an event, stored in one transaction with how far the feed has
// come. Each Subscription has a line of its own, which sends its events one after
// the other and takes each away once the endpoint has it: whenever the process
// stops, nothing is lost, events come at least once and in their order, and a
// slow endpoint holds up nobody else.
//
// Nobody is told of what it may not see: the access of who asked for a
// Subscription is kept with it, decided again each time, and applied by the data
// store when a version is matched and when it is sent. The values of a channel's
// headers are secrets. They are sealed and never in the resource that is stored.
//
// It leaves to others: who may write Subscriptions and what access means
// (datastore, authz), which callers are still welcome (Options.Access), HTTP to
// endpoints within what the operator allows (outbound).
package subscription
