package subscription

import (
	"context"
	"slices"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A listing is the topics of a data store as of so many writes of resources that
// may be some.
type listing struct {
	ds       *datastore.Store
	registry *search.Registry
	writes   uint64
	urls     []string
}

// maxListings bounds how many listings are kept.
const maxListings = 64

// Topics are the canonical URLs, with version where there is one, of the topics
// of a data store that there may be Subscriptions to, sorted. There are none
// where the operator allows no endpoint.
func (s *Service) Topics(ctx context.Context, ds *datastore.Store) ([]string, error) {
	if len(s.Endpoints.Allowed) == 0 {
		return nil, nil
	}
	id := ds.Record().ID
	s.listed.Lock()
	now := listing{ds: ds, registry: ds.Registry(), writes: s.writes[id]}
	known := s.listings[id]
	s.listed.Unlock()
	if known.ds == now.ds && known.registry == now.registry && known.writes == now.writes {
		return known.urls, nil
	}
	var err error
	if now.urls, err = topicsOf(ctx, ds); err != nil {
		return nil, err
	}
	s.listed.Lock()
	defer s.listed.Unlock()
	if len(s.listings) >= maxListings {
		clear(s.listings)
	}
	s.listings[id] = now
	return now.urls, nil
}

// noticeTopic notes that a resource was written that may be a topic.
func (s *Service) noticeTopic(store string) {
	s.listed.Lock()
	defer s.listed.Unlock()
	s.writes[store]++
}

// topicsOf lists the topics that can be subscribed to.
func topicsOf(ctx context.Context, ds *datastore.Store) ([]string, error) {
	var urls []string
	seen := map[string]bool{}
	err := eachTopic(ctx, ds, func(_ store.Version, t topic, why string) (bool, error) {
		name := t.url
		if t.version != "" {
			name += "|" + t.version
		}
		if t.url == "" || seen[name] {
			return true, nil // of several of one name the first counts
		}
		seen[name] = true
		if why != "" {
			return true, nil
		}
		for _, trigger := range t.triggers {
			if _, err := readTopicTrigger(ctx, ds, authz.Unrestricted(), trigger); fhir.KindOf(err) == fhir.KindInternal && err != nil {
				return false, err
			} else if err != nil {
				return true, nil
			}
		}
		urls = append(urls, name)
		return true, nil
	})
	slices.Sort(urls)
	return urls, err
}
