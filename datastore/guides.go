package datastore

import (
	"context"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore/defined"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/store"
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
	s.guided.Store(&guided{guides: g, strict: s.validator.With(s.answers(), declared{s})})
}

// declared is the rule of the profiles that resources declare, and of the
// resources that define them.
type declared struct{ *Store }

// Check implements validate.Rule.
func (s declared) Check(tree *fhir.Tree, report func(fhir.Issue)) {
	g, err := s.conforming()
	if err != nil {
		report(fhir.Issue{Severity: fhir.SeverityError, Code: "exception", Diagnostics: "the profiles of the data store cannot be read; try again"})
		return
	}
	if g == nil {
		g = conformance.None()
	} else {
		g.Check(tree, report)
	}
	if tree.Root().Type().Name == structureDefinition {
		g.Define(tree, report)
	}
}

const structureDefinition = "StructureDefinition"

// conforming are the guides with what the data store's own resources define now;
// nil where there is neither.
func (s *Store) conforming() (*conformance.Guides, error) { return s.defined.Guides(s.Guides()) }

// StoredProfiles are the profiles that resources of the data store define and that
// can be used, whoever may read them. The result is the same until one is written.
func (s *Store) StoredProfiles() (*defined.Profiles, error) { return s.defined.Profiles(s.Guides()) }

// codesOfProfiles is what bindings know beside guides and resources.
func (s *Store) codesOfProfiles() terminology.Options {
	opt := s.knownCodes(context.Background())
	opt.Memory = s.codes
	return opt
}

// canonical finds a resource as the data store itself: what it says holds for
// callers who may not read it too.
func (s *Store) canonical(resourceType, canonical string) (store.Version, bool, error) {
	f := s.findAll()
	defer f.close()
	return f.version(resourceType, canonical)
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
// store has the profile, and no resource that the caller may read defines it.
func (s *Store) ValidateAgainst(ctx context.Context, access authz.Access, tree *fhir.Tree, profile string) ([]fhir.Issue, error) {
	issues := s.validator.Validate(tree)
	g, err := s.askedFor(ctx, access, profile)
	if err != nil {
		return nil, err
	}
	err = g.Against(tree, profile, func(i fhir.Issue) { issues = append(issues, i) })
	if fhir.KindOf(err) == fhir.KindNotFound && err != nil {
		return nil, fhir.Errorf(fhir.KindNotSupported, "the profile %s is not known to this data store: none of its guides has it, and no StructureDefinition there; without the parameter profile, the resource is validated against R4 and the profiles that it declares", profile).At("http.profile")
	}
	return issues, err
}

// askedFor are the guides to look for a profile in that a caller names: with what
// resources define where the caller may read the one of that name.
func (s *Store) askedFor(ctx context.Context, access authz.Access, profile string) (*conformance.Guides, error) {
	f := &finder{ctx: ctx, store: s, access: access}
	defer f.close()
	own := s.Guides()
	if own == nil {
		own = conformance.None()
	}
	if access.Check(authz.Read, structureDefinition) != nil {
		return own, nil
	}
	if _, ok, err := f.version(structureDefinition, profile); err != nil || !ok {
		return own, err
	}
	g, err := s.conforming()
	if g == nil {
		g = own
	}
	return g, err
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
