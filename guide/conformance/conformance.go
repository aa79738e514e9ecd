// Package conformance owns what the implementation guides of a data store come
// to: the profiles that resources are checked against, the definitions that
// they bring, and what a CapabilityStatement says of them.
//
// It leaves to others: the packages (guide) and where they are kept
// (guide/shelf), what profiles demand (validate/profile), snapshots
// (guide/snapshot), R4's own definitions (guide/release), and search parameters and codes (search, terminology).
package conformance

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/release"
	"github.com/tarnhealth/tarn/guide/snapshot"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/validate/profile"
)

// Settings say how guides are used in a data store.
type Settings struct {
	// Defaults are the versions that count where a profile is declared without
	// one: of whole packages (name#version) or of profiles (url|version).
	Defaults []string `json:"defaults,omitempty"`
	// Demanded are profiles that every resource of their type must conform to,
	// whether it declares them or not.
	Demanded []string `json:"demanded,omitempty"`
	// RefuseUnknown makes a declared profile that is not known an error. It is a
	// warning else.
	RefuseUnknown bool `json:"refuseUnknown,omitempty"`
}

// Guides are implementation guides that are used together. They are immutable
// and safe for concurrent use; profiles are compiled when they are first needed.
type Guides struct {
	set      *guide.Set
	settings Settings
	// profiles are compiled once for all data stores, rules bind them to what one
	// knows.
	profiles *profile.Profiles
	rules    *profile.Rules
	// stored finds what the resources of a data store define; nil for nothing.
	stored Stored
	// versions has the names of packages that are there in several versions.
	versions map[string]bool
}

// New makes guides of a set, which has no packages where a data store has none.
// Settings that name what the set does not have are an error of KindInvalid.
func New(set *guide.Set, settings Settings) (*Guides, error) {
	set, err := set.Prefer(settings.Defaults)
	if err != nil {
		return nil, err
	}
	g := &Guides{set: set, settings: settings, versions: map[string]bool{}}
	for i, p := range set.Packages()[:max(len(set.Packages())-1, 0)] {
		if set.Packages()[i+1].Name == p.Name {
			g.versions[p.Name] = true
		}
	}
	g.profiles = profile.NewProfiles(definition.R4(), profile.Source{Find: g.Find, Name: g.name, Pin: g.pin})
	g.rules = g.profiles.Rules(profile.Options{Asked: settings.Demanded})
	for _, canonical := range settings.Demanded {
		if _, err := g.rules.Profile(canonical); err != nil {
			return nil, fhir.Errorf(fhir.KindInvalid, "the profile %s cannot be demanded: %v", canonical, err)
		}
	}
	return g, nil
}

// With are the guides for one data store, whose loaded terminologies, and another
// server, the bindings of profiles know; those of other data stores stay as they
// are. Profiles are compiled once for all.
func (g *Guides) With(opt terminology.Options) *Guides {
	if opt.Books == nil && opt.Remote == nil && opt.Find == nil {
		return g
	}
	other := *g
	other.rules = g.profiles.Rules(profile.Options{Asked: g.settings.Demanded, Codes: opt})
	return &other
}

// Rules are those of the guides' profiles.
func (g *Guides) Rules() *profile.Rules { return g.rules }

// Empty reports whether there are no guides at all.
func (g *Guides) Empty() bool { return len(g.set.Packages()) == 0 }

// Packages are the guides, by name, the newest version first.
func (g *Guides) Packages() []*guide.Package { return g.set.Packages() }

// Missing are the dependencies of the guides that are not there.
func (g *Guides) Missing() []guide.Dependency { return g.set.Missing }

// Settings are what the guides were made with.
func (g *Guides) Settings() Settings { return g.settings }

// Find finds a definition by its canonical URL, with or without a |version; nil
// where no guide has it. StructureDefinitions have a snapshot, and those of R4
// itself are found too.
func (g *Guides) Find(resourceType, canonical string) (*fhir.Tree, error) {
	if resourceType != structure {
		return g.set.Find(resourceType, canonical)
	}
	if g.stored != nil && g.name(canonical) == "" {
		tree, err := g.stored.Find(canonical)
		if err != nil || tree == nil {
			return nil, err
		}
		return g.whole(tree)
	}
	src, p, err := g.text(canonical)
	if err != nil || src == nil {
		return nil, err
	}
	tree, err := fhir.Parse(definition.R4().Schema, src, fhir.DefaultLimits)
	if err != nil || tree.Root().Child("snapshot").Exists() {
		return tree, err
	}
	if p != nil { // what comes of its base is of the base's package
		if src, err = g.pinned(src, p); err != nil {
			return nil, err
		}
	}
	if src, err = snapshot.Generate(src, g.source); err != nil {
		return nil, err
	}
	return fhir.Parse(definition.R4().Schema, src, fhir.DefaultLimits)
}

const structure = "StructureDefinition"

// text is that of a StructureDefinition of a guide, with its package, or of R4.
func (g *Guides) text(canonical string) ([]byte, *guide.Package, error) {
	if p := g.set.Package(structure, canonical); p != nil {
		src, err := p.Source(structure, canonical)
		return src, p, err
	}
	src, err := release.R4().Find(canonical)
	if src == nil && err == nil && g.stored != nil {
		tree, err := g.stored.Find(canonical)
		if err != nil || tree == nil {
			return nil, nil, err
		}
		return tree.Root().Raw(), nil, nil
	}
	return src, nil, err
}

// source is what snapshots are made of: text, with the versions that its package
// means.
func (g *Guides) source(canonical string) ([]byte, error) {
	src, p, err := g.text(canonical)
	if err != nil || src == nil || p == nil {
		return src, err
	}
	return g.pinned(src, p)
}

// name is what a StructureDefinition is called, with and without its version; ""
// where there is none.
func (g *Guides) name(canonical string) string {
	url, _, _ := strings.Cut(canonical, "|")
	if p := g.set.Package(structure, canonical); p != nil {
		return p.String() + " " + url
	}
	if release.R4().Has(canonical) {
		return url
	}
	return ""
}

// pin is a canonical as a profile means it: in the version that the package of
// the profile has, or else one that it depends on.
func (g *Guides) pin(of, resourceType, canonical string) string {
	if len(g.versions) == 0 || strings.Contains(canonical, "|") {
		return canonical
	}
	p := g.set.Package(structure, of)
	if p == nil {
		return canonical
	}
	if e := p.Entry(resourceType, canonical); e != nil {
		return e.URL + "|" + versionOf(e, p)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Dependencies)) {
		if q := g.set.Newest(name, p.Dependencies[name]); q != nil && g.versions[name] {
			if e := q.Entry(resourceType, canonical); e != nil {
				return e.URL + "|" + versionOf(e, q)
			}
		}
	}
	return canonical
}

// Check reports where a resource breaks the profiles that it declares, and those
// that are demanded. It implements validate.Rule.
func (g *Guides) Check(tree *fhir.Tree, report func(fhir.Issue)) {
	g.rules.Check(tree, g.strict(report))
}

// Against reports where a resource breaks one profile, declared or not. A
// profile that is not known is an error of KindNotFound, one that cannot be used
// of KindUnprocessable.
func (g *Guides) Against(tree *fhir.Tree, canonical string, report func(fhir.Issue)) error {
	return g.rules.Against(tree, canonical, g.strict(report))
}

// strict makes unknown profiles errors where they are to be.
func (g *Guides) strict(report func(fhir.Issue)) func(fhir.Issue) {
	if !g.settings.RefuseUnknown {
		return report
	}
	return func(i fhir.Issue) {
		if i.Code == "not-found" && i.Severity == fhir.SeverityWarning {
			i.Severity = fhir.SeverityError
		}
		report(i)
	}
}

// SupportedProfiles are the profiles of a resource type, as url|version, in
// their order.
func (g *Guides) SupportedProfiles(resourceType string) []string {
	var all []string
	for _, p := range g.set.Packages() {
		for i := range p.Entries {
			e := &p.Entries[i]
			if e.Type == structure && e.Kind == "resource" && e.Derivation == "constraint" && e.Of == resourceType {
				all = append(all, e.URL+"|"+versionOf(e, p))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func versionOf(e *guide.Entry, p *guide.Package) string {
	if e.Version != "" {
		return e.Version
	}
	return p.Version
}

// ImplementationGuides are the canonical URLs of the guides, as url|version.
func (g *Guides) ImplementationGuides() []string {
	var all []string
	for _, p := range g.set.Packages() {
		of := -1
		for i := range p.Entries {
			if p.Entries[i].Type == "ImplementationGuide" {
				of = i
			}
		}
		switch {
		case of >= 0:
			all = append(all, p.Entries[of].URL+"|"+versionOf(&p.Entries[of], p))
		case p.Canonical != "":
			all = append(all, strings.TrimSuffix(p.Canonical, "/")+"/ImplementationGuide/"+p.Name+"|"+p.Version)
		}
	}
	slices.Sort(all)
	return all
}

// SearchParameters are the canonical URLs of the search parameters that the
// guides define, each with the package that it is taken of. Retired ones are
// left out.
func (g *Guides) SearchParameters() map[string]string {
	all := map[string]string{}
	for _, p := range g.set.Packages() {
		for _, url := range p.URLs("SearchParameter") {
			of := g.set.Package("SearchParameter", url)
			if of.Entry("SearchParameter", url).Status != "retired" {
				all[url] = strings.TrimSpace(of.String() + " " + of.Digest)
			}
		}
	}
	return all
}

// Key names a resource that Find finds, as long as it is the same; "" where no
// guide has it.
func (g *Guides) Key(resourceType, canonical string) string {
	p := g.set.Package(resourceType, canonical)
	if p == nil {
		return ""
	}
	return "guide " + p.String() + " " + p.Digest + " " + resourceType + " " + canonical
}

// None are the guides of a data store without any.
var None = sync.OnceValue(func() *Guides {
	set, err := guide.NewSet()
	if err != nil {
		panic(err) // nothing can be wrong with no packages
	}
	g, err := New(set, Settings{})
	if err != nil {
		panic(err)
	}
	return g
})
