package subscription

import (
	"context"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// A filter is criteria, understood: which versions a Subscription asks for.
type filter struct {
	resourceType string
	where        search.Node
	// looked is set where value sets or code systems of the data store have to
	// do with it, so that it does not hold for long.
	looked bool
}

// match reports whether a resource meets the criteria.
func (f *filter) match(c *search.Candidate) bool {
	return c.Type == f.resourceType && search.Match(f.where, c, nil)
}

// maxCriteria bounds the length of criteria, in bytes.
const maxCriteria = 8 << 10

// cutCriteria splits criteria, "Observation?code=1-8", into a type and the query
// of a search.
func cutCriteria(text string) (resourceType string, pairs []search.Pair, err error) {
	if len(text) > maxCriteria {
		return "", nil, fhir.Errorf(fhir.KindInvalid, "the criteria have %d bytes; at most %d are read", len(text), maxCriteria)
	}
	resourceType, query, _ := strings.Cut(text, "?")
	if strings.ContainsAny(resourceType, "/:") {
		return "", nil, fhir.Errorf(fhir.KindInvalid, "criteria are a search on one resource type without the base URL, such as Observation?code=http://loinc.org|1975-2")
	}
	pairs, err = search.Pairs(query)
	return resourceType, pairs, err
}

// unwatched are the types whose changes cannot be asked for: each notification is
// audited, and would be the reason of the next.
var unwatched = []string{"AuditEvent"}

// readCriteria reads criteria as somebody may search by them.
func readCriteria(ctx context.Context, ds *datastore.Store, access authz.Access, text string) (*filter, error) {
	name, pairs, err := cutCriteria(text)
	if err != nil {
		return nil, err
	}
	if ds.Definitions().Schema.Type(name) == nil {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q is not a resource type; criteria are a search such as Observation?code=http://loinc.org|1975-2", name)
	}
	if slices.Contains(unwatched, name) {
		return nil, fhir.Errorf(fhir.KindNotSupported, "changes of %s cannot be subscribed to", name)
	}
	q, err := ds.Query(ctx, access, []string{name}, pairs, search.Options{Criteria: true})
	if err != nil {
		return nil, err
	}
	f := &filter{resourceType: name, where: q.Plan.Parts[0].Where}
	for _, p := range pairs {
		_, modifier, _ := strings.Cut(p.Name, ":")
		f.looked = f.looked || slices.Contains([]string{"in", "not-in", "above", "below"}, modifier)
	}
	return f, alone(f.where)
}

// alone refuses conditions on other resources than the one that changed: they
// could begin or cease to hold without any change of it.
func alone(n search.Node) error {
	var nodes []search.Node
	switch n := n.(type) {
	case nil, search.Terms, search.IDs, search.Updated:
	case search.And:
		nodes = n
	case search.Or:
		nodes = n
	case search.Not:
		nodes = []search.Node{n.Node}
	case search.Chain, search.Has:
		return fhir.Errorf(fhir.KindNotSupported, "criteria are about the resource that changes alone: chains (subject.name) and _has look at others")
	default:
		return fhir.Errorf(fhir.KindNotSupported, "criteria are about the resource that changes alone: this condition looks at others, such as those above or below it")
	}
	for _, inner := range nodes {
		if err := alone(inner); err != nil {
			return err
		}
	}
	return nil
}
