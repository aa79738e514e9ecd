package subscription

import (
	"context"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A topic says which changes there may be Subscriptions to. It is a Basic resource
// with the elements of R5's SubscriptionTopic as extensions.
// https://hl7.org/fhir/uv/subscriptions-backport/components.html#subscription-topics-in-fhir-r4
type topic struct {
	url, version string
	triggers     []topicTrigger
	// filters are the parameters that Subscriptions may filter by, "Type.name".
	filters []string
}

// A topicTrigger is one resourceTrigger of a topic.
type topicTrigger struct {
	resourceType string
	interactions []string
	// previous and current are queries without a type, "" for none.
	previous, current string
	both              bool
	// onCreate and onDelete are what is made of previous where there was nothing
	// before, and of current where there is nothing any more.
	onCreate, onDelete bool
}

// topicElement begins the names of the extensions: those of R5's or R4B's
// elements.
const topicElement = "/StructureDefinition/extension-SubscriptionTopic."

// part is the value of an inner extension, by its name.
func part(n fhir.Node, name string) string {
	for e := range n.Each("extension") {
		if e.TextOf("url") == name {
			return e.Child("value").Text()
		}
	}
	return ""
}

// element is the name of the element of a topic that an extension stands for.
func element(e fhir.Node) string {
	url := e.TextOf("url")
	if at := strings.Index(url, topicElement); at >= 0 && strings.HasPrefix(url, "http://hl7.org/fhir/") {
		return url[at+len(topicElement):]
	}
	return ""
}

// typeName is the resource type of a canonical URL of R4, or of its name.
func typeName(text string) string {
	return strings.TrimPrefix(text, "http://hl7.org/fhir/StructureDefinition/")
}

// readTopic reads a topic; why says what of it is not offered.
func readTopic(root fhir.Node) (t topic, why string) {
	for e := range root.Each("extension") {
		switch element(e) {
		case "url":
			t.url = e.Child("value").Text()
		case "version":
			t.version = e.Child("value").Text()
		case "resourceTrigger":
			trigger, refused := readTrigger(e)
			if refused != "" {
				why = refused
			}
			t.triggers = append(t.triggers, trigger)
		case "eventTrigger":
			why = "it is about events (eventTrigger), which are not offered"
		case "canFilterBy":
			t.filters = append(t.filters, typeName(part(e, "resource"))+"."+part(e, "filterParameter"))
		}
	}
	if len(t.triggers) == 0 && why == "" {
		why = "it has no resourceTrigger"
	}
	return t, why
}

func readTrigger(e fhir.Node) (t topicTrigger, why string) {
	t = topicTrigger{resourceType: typeName(part(e, "resource")), onCreate: true}
	for inner := range e.Each("extension") {
		switch inner.TextOf("url") {
		case "supportedInteraction":
			t.interactions = append(t.interactions, inner.Child("value").Text())
		case "fhirPathCriteria":
			why = "it has criteria in FHIRPath, which are not offered"
		case "queryCriteria":
			t.previous, t.current, t.both = part(inner, "previous"), part(inner, "current"), part(inner, "requireBoth") == "true"
			t.onCreate, t.onDelete = part(inner, "resultForCreate") != "test-fails", part(inner, "resultForDelete") == "test-passes"
		}
	}
	if len(t.interactions) == 0 {
		t.interactions = []string{"create", "update", "delete"}
	}
	return t, why
}

// topicType is the type of the resources that topics are.
const topicType = "Basic"

// topicQuery finds topics.
var topicQuery = []search.Pair{{Name: "code", Value: "http://hl7.org/fhir/fhir-types|SubscriptionTopic"}}

// maxTopics bounds how many topics of a data store are looked through.
const maxTopics = 500

// findTopic is the topic of a canonical URL in a data store: an error of
// KindNotFound where there is none, KindNotSupported where it is not offered.
func findTopic(ctx context.Context, ds *datastore.Store, canonical string) (found topic, err error) {
	url, version, _ := strings.Cut(canonical, "|")
	missing := true
	err = eachTopic(ctx, ds, func(v store.Version, t topic, why string) (bool, error) {
		if t.url != url || version != "" && t.version != version {
			return true, nil
		}
		if why != "" {
			return false, fhir.Errorf(fhir.KindNotSupported, "the topic %s (Basic/%s) cannot be subscribed to: %s", canonical, v.ID, why)
		}
		found, missing = t, false
		return false, nil
	})
	if err == nil && missing {
		err = fhir.Errorf(fhir.KindNotFound, "the data store has no topic %s; topics are Basic resources with the code SubscriptionTopic", canonical)
	}
	return found, err
}

// eachTopic calls do with the topics of a data store that are not retired, until
// it returns false or an error; why is what readTopic says.
func eachTopic(ctx context.Context, ds *datastore.Store, do func(v store.Version, t topic, why string) (more bool, err error)) error {
	view, err := ds.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return err
	}
	defer view.Close()
	q, err := view.Query(ctx, []string{topicType}, topicQuery, search.Options{})
	if err != nil {
		return err
	}
	r, err := view.Search(ctx, q, store.Page{Limit: maxTopics})
	if err != nil {
		return err
	}
	for v, err := range r.Matches {
		if err != nil {
			return err
		}
		tree, err := ds.Read(v)
		if err != nil {
			return err
		}
		if retired(tree.Root()) {
			continue
		}
		t, why := readTopic(tree.Root())
		if more, err := do(v, t, why); !more || err != nil {
			return err
		}
	}
	return nil
}

func retired(root fhir.Node) bool {
	for e := range root.Each("modifierExtension") {
		if element(e) == "status" {
			return e.Child("value").Text() == "retired"
		}
	}
	return false
}

// allows reports whether Subscriptions may filter a topic by a parameter.
func (t *topic) allows(resourceType, parameter string) bool {
	name, _, _ := strings.Cut(parameter, ":")
	return slices.Contains(t.filters, resourceType+"."+name) || slices.Contains(t.filters, "."+name)
}
