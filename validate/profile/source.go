package profile

import (
	"maps"
	"strings"
	"sync"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/validate/invariant"
)

// A Library finds definitions by type and canonical URL, with or without a
// |version; nil where it has none. It must be safe for concurrent use.
type Library func(resourceType, canonical string) (*fhir.Tree, error)

// A Source is where profiles are from. It must be safe for concurrent use, and
// say the same for as long as the profiles of it are used.
type Source struct {
	// Find finds definitions. StructureDefinitions need a snapshot.
	Find Library
	// Name is what a StructureDefinition is called, however it is asked for; ""
	// where there is none. Where it is nil each canonical is a name.
	Name func(canonical string) string
	// Pin is a canonical as the profile of means it: with the version that its
	// guide has, where several are beside each other. Where it is nil, all mean
	// the same.
	Pin func(of, resourceType, canonical string) string
}

// Profiles are those of a source, compiled when they are first needed. They are
// safe for concurrent use, by any number of Rules.
type Profiles struct {
	schema *fhir.Schema
	source Source
	// ofBase are the keys of R4's own invariants.
	ofBase map[string]bool
	codes  *terminology.Service

	known sync.Map // *Profile by canonical
	sure  sync.Map // map[[2]string]struct{} by the canonical of a value set

	mu sync.Mutex // guards what follows, which is what compiling shares
	// named are the profiles by name.
	named map[string]*Profile
	texts map[string]string
	rules map[string]invariant.Invariant
}

// NewProfiles makes profiles of a source.
func NewProfiles(set *definition.Set, source Source) *Profiles {
	p := newProfiles(set.Schema, source)
	p.ofBase = map[string]bool{}
	for _, t := range set.Schema.Types {
		for _, k := range t.Constraints {
			p.ofBase[k.Key] = true
		}
		for _, e := range t.Elements {
			for _, k := range e.Constraints {
				p.ofBase[k.Key] = true
			}
		}
	}
	return p
}

func newProfiles(schema *fhir.Schema, source Source) *Profiles {
	return &Profiles{
		schema: schema, source: source, codes: terminology.New(terminology.Library(source.Find)),
		named: map[string]*Profile{}, texts: map[string]string{}, rules: map[string]invariant.Invariant{},
	}
}

// Of makes profiles of another source for the same release.
func (p *Profiles) Of(source Source) *Profiles {
	other := newProfiles(p.schema, source)
	other.ofBase = p.ofBase
	return other
}

// maxKept is how many profiles stay compiled.
const maxKept = 5000

// Profile finds and compiles a profile. It is an error of KindNotFound where
// there is none, of KindUnprocessable where it cannot be used.
func (p *Profiles) Profile(canonical string) (*Profile, error) {
	found, err := p.find(canonical)
	if found == nil && err == nil {
		err = notKnown(canonical)
	}
	return found, err
}

func notKnown(canonical string) error {
	return fhir.Errorf(fhir.KindNotFound, "the profile %s is not known", canonical)
}

// find is Profile, but that one that is not there is nil.
func (p *Profiles) find(canonical string) (*Profile, error) {
	if known, ok := p.known.Load(canonical); ok {
		return known.(*Profile), nil
	}
	name := canonical
	if p.source.Name != nil {
		if name = p.source.Name(canonical); name == "" {
			return nil, nil
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	found := p.named[name]
	if found == nil {
		tree, err := p.source.Find(structure, canonical)
		if err != nil || tree == nil {
			return nil, err
		}
		if found, err = p.compile(tree.Root(), canonical); err != nil {
			return nil, err
		}
		if len(p.named) >= maxKept {
			clear(p.named)
			clear(p.texts)
			clear(p.rules)
			p.known.Clear()
		}
		p.named[name] = found
	}
	p.known.Store(strings.Clone(canonical), found)
	return found, nil
}

const structure = "StructureDefinition"

// pin is a canonical as a profile means it.
func (p *Profiles) pin(of, resourceType, canonical string) string {
	if p.source.Pin == nil || canonical == "" || strings.Contains(canonical, "|") {
		return canonical
	}
	return p.source.Pin(of, resourceType, canonical)
}

// text is a text of which one copy is kept. The caller holds mu.
func (p *Profiles) text(s string) string {
	if one, ok := p.texts[s]; ok {
		return one
	}
	p.texts[s] = s
	return s
}

// isBase reports whether a canonical URL is that of one of R4's own types,
// which the validator knows.
func (p *Profiles) isBase(canonical string) bool {
	name, ok := strings.CutPrefix(canonical, base)
	if !ok {
		return false
	}
	name, _, _ = strings.Cut(name, "|")
	return p.schema.Type(name) != nil
}

const base = "http://hl7.org/fhir/StructureDefinition/"

// sureLimit is how many codes of a value set are kept in a list.
const sureLimit = 5000

// surely are codes of a value set that are in it whatever a data store knows.
func (p *Profiles) surely(valueSet string) map[[2]string]struct{} {
	if known, ok := p.sure.Load(valueSet); ok {
		return known.(map[[2]string]struct{})
	}
	var codes map[[2]string]struct{}
	if set, err := p.codes.ValueSet(valueSet); err == nil {
		codes = set.Surely(sureLimit)
		for pair := range maps.Clone(codes) { // a code without a system is of any that the set has
			codes[[2]string{"", pair[1]}] = struct{}{}
		}
	}
	p.sure.Store(valueSet, codes)
	return codes
}
