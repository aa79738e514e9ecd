package authz

import "github.com/tarnhealth/tarn/search"

// subscriptionType are resources of callers, and about no patient: a caller that
// is confined to the data of some patients has its own ones.
const subscriptionType = "Subscription"

// SubscriberSystem is the system of the tag by which Subscriptions are those of a
// caller: its code is the Caller's Identity. It is set by who admits Subscriptions
// (package subscription), whatever the client sends.
const SubscriberSystem = "urn:tarn:subscriber"

// subscriptions are the Subscriptions of a caller with an identity.
func subscriptions(registry *search.Registry, identity string) condition {
	if identity == "" {
		return none
	}
	q, err := registry.Parse([]string{subscriptionType}, []search.Pair{{Name: "_tag", Value: SubscriberSystem + "|" + identity}}, search.Options{})
	if err != nil {
		return none
	}
	return when(q.Plan.Parts[0].Where)
}
