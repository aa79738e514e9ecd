package subscription

import (
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/patch"
)

// owner is the identity of whose Subscription a stored one is, "" for nobody's in
// particular: see authz.SubscriberSystem.
func owner(root fhir.Node) string {
	for tag := range root.Child("meta").Each("tag") {
		if tag.TextOf("system") == authz.SubscriberSystem {
			return tag.TextOf("code")
		}
	}
	return ""
}

// owned is a Subscription, as JSON, with the tag of an owner in place of those
// that it has.
func owned(root fhir.Node, body []byte, identity string) ([]byte, error) {
	var tags []string
	for tag := range root.Child("meta").Each("tag") {
		if tag.TextOf("system") != authz.SubscriberSystem {
			tags = append(tags, string(tag.Raw()))
		}
	}
	if identity != "" {
		tags = append(tags, `{"system":"`+authz.SubscriberSystem+`","code":"`+identity+`"}`)
	}
	if len(tags) == 0 && !root.Child("meta").Child("tag").Exists() {
		return body, nil
	}
	value := "null"
	if len(tags) > 0 {
		value = "[" + strings.Join(tags, ",") + "]"
	}
	return patch.Merge(body, []byte(`{"meta":{"tag":`+value+`}}`))
}
