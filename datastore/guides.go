package datastore

import (
	"context"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/validate"
)

// A GuideShelf knows the implementation guides of data stores. Package
// guide/shelf has one.
type GuideShelf interface {
	// Guides are those of a data store.
	Guides(ctx context.Context, storeID string) (*conformance.Guides, error)
	// Forget is told of a data store that is gone.
	Forget(ctx context.Context, storeID string) error
}

// guided is a data store's guides, and the validator that knows them.
type guided struct {
	guides *conformance.Guides
	// strict checks profiles too, and responses against their questionnaires.
	strict *validate.Validator
}

// useGuides makes guides count for what is validated from now on.
func (s *Store) useGuides(g *conformance.Guides) {
	next := &guided{guides: g, strict: s.validator.With(s.answers())}
	if g != nil && !g.Empty() {
		next.guides = g.With(s.knownCodes(context.Background()))
		next.strict = next.strict.With(next.guides)
	}
	s.guided.Store(next)
}

// SetGuides changes the guides of the data store, which keeps none itself:
// Options.Guides knows them when it is opened again. They hold from the next
// request on, their search parameters when they are indexed.
func (s *Store) SetGuides(ctx context.Context, g *conformance.Guides) error {
	s.useGuides(g)
	s.guideParams(ctx, g)
	return nil
}

// Guides are the implementation guides of the data store; nil where the server
// has none for any.
func (s *Store) Guides() *conformance.Guides { return s.guided.Load().guides }

// ofGuide is a resource of a guide, for the terminology of a query; zero where
// there is none.
func (f *finder) ofGuide(resourceType, canonical string) terminology.Stored {
	g := f.store.Guides()
	if g == nil {
		return terminology.Stored{}
	}
	key := g.Key(resourceType, canonical)
	if key == "" {
		return terminology.Stored{}
	}
	return terminology.Stored{Key: key, Tree: func() (*fhir.Tree, error) { return g.Find(resourceType, canonical) }}
}

// validate checks a resource that is to be written. Profiles count at the level
// strict alone.
func (s *Store) validate(tree *fhir.Tree, level validate.Level) []fhir.Issue {
	if level != validate.Strict {
		return s.validator.Validate(tree)
	}
	return s.guided.Load().strict.Validate(tree)
}

// Validate returns the issues of a resource, by R4 and by the profiles that it
// declares as far as the data store's guides have them; see validate.Validator.
func (s *Store) Validate(tree *fhir.Tree) []fhir.Issue { return s.validate(tree, validate.Strict) }

// ValidateAgainst returns the issues of a resource by R4 and by one profile,
// declared or not. It is an error of KindNotSupported where no guide of the data
// store has the profile.
func (s *Store) ValidateAgainst(tree *fhir.Tree, profile string) ([]fhir.Issue, error) {
	issues := s.validator.Validate(tree)
	g := s.Guides()
	if g == nil {
		g = conformance.None()
	}
	err := g.Against(tree, profile, func(i fhir.Issue) { issues = append(issues, i) })
	if fhir.KindOf(err) == fhir.KindNotFound && err != nil {
		return nil, fhir.Errorf(fhir.KindNotSupported, "the profile %s is not known to this data store: none of its guides has it; without the parameter profile, the resource is validated against R4 and the profiles that it declares", profile).At("http.profile")
	}
	return issues, err
}

// openGuides takes a data store's guides from the shelf.
func (c *Catalog) openGuides(ctx context.Context, s *Store) error {
	if c.opt.Guides == nil {
		s.useGuides(nil)
		return nil
	}
	g, err := c.opt.Guides.Guides(ctx, s.record.ID)
	if err != nil {
		return err
	}
	s.useGuides(g)
	return nil
}

// forgetGuides removes what is kept of a data store's guides.
func (c *Catalog) forgetGuides(ctx context.Context, id string) error {
	if c.opt.Guides == nil {
		return nil
	}
	return c.opt.Guides.Forget(ctx, id)
}
