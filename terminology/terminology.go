// Package terminology answers what codes mean: it expands value sets, checks
// codes, looks concepts up, tells which concept subsumes which, and translates
// between code systems.
//
// It knows the CodeSystem, ValueSet and ConceptMap resources of a Library, those
// of FHIR R4 itself (terminology/release), loaded terminologies
// (terminology/codebook) and, by a Remote, those of another server. What it
// cannot know (a system whose concepts nobody has given) is an error that says
// so; nothing is left out silently.
//
// It leaves to others: where resources are kept and who may read them
// (datastore), parameters and answers on the wire (rest), and the codes that
// searches need (search/terminology).
//
// http://hl7.org/fhir/R4/terminology-service.html
package terminology

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/recall"
	"github.com/tarnhealth/tarn/terminology/codebook"
	"github.com/tarnhealth/tarn/terminology/release"
)

// A Library finds a CodeSystem, ValueSet or ConceptMap by its canonical URL,
// with or without a |version; nil where it has none.
type Library func(resourceType, canonical string) (*fhir.Tree, error)

// Options say what a service knows beside FHIR R4's own. Each may be nil.
type Options struct {
	// Find finds a resource by type and canonical URL.
	Find func(resourceType, canonical string) (Stored, error)
	// Books finds a loaded terminology; nil where there is none.
	Books func(canonical string) *codebook.Book
	// Remote is another server that is asked about some code systems.
	Remote Remote
	// Memory keeps what was read of stored resources.
	Memory *Memory
}

// Stored is a resource that was found: a zero one is none.
type Stored struct {
	// Key names what the resource says, so that what was read of it once can be
	// used again; "" for what is to be read each time.
	Key  string
	Tree func() (*fhir.Tree, error)
}

// A Memory is what was read of resources. Many services may share one.
type Memory struct {
	systems *recall.Cache[string, *CodeSystem]
	sets    *recall.Cache[string, *ValueSet]
}

// NewMemory makes a memory of some hundred resources.
func NewMemory() *Memory {
	const limit = 200
	return &Memory{recall.New[string, *CodeSystem](limit), recall.New[string, *ValueSet](limit)}
}

// A Service answers from its sources as they are at one moment. It is safe for
// concurrent use where they are.
type Service struct {
	opt Options
	// systems and sets are what it has read itself; nil where a service is made
	// for one request, and a Memory remembers.
	systems, sets *sync.Map
	// added are the sources of Use.
	added atomic.Pointer[Options]
	// after finds what opt.Find does not.
	after func(resourceType, canonical string) (Stored, error)
}

// Beside is a service of the same resources, read once for both, that knows what
// opt knows beside them; opt.Find is asked for resources that the first has not.
func (s *Service) Beside(opt Options) *Service {
	other := &Service{opt: s.opt, systems: s.systems, sets: s.sets, after: opt.Find}
	other.opt.Memory = opt.Memory
	other.added.Store(&opt)
	return other
}

// Use makes the loaded terminologies and the other server of opt known to a
// service that has neither.
func (s *Service) Use(opt Options) { s.added.Store(&opt) }

// sources are those beside resources.
func (s *Service) sources() (books func(canonical string) *codebook.Book, remote Remote) {
	if added := s.added.Load(); added != nil {
		return added.Books, added.Remote
	}
	return s.opt.Books, s.opt.Remote
}

// New makes a service of one library, which remembers what it has read. A nil
// library has nothing.
func New(library Library) *Service {
	s := &Service{systems: &sync.Map{}, sets: &sync.Map{}}
	if library != nil {
		s.opt.Find = func(resourceType, canonical string) (Stored, error) {
			tree, err := library(resourceType, canonical)
			if err != nil || tree == nil {
				return Stored{}, err
			}
			return Stored{Tree: func() (*fhir.Tree, error) { return tree, nil }}, nil
		}
	}
	return s
}

// With makes a service of what there is now. It is cheap to make.
func With(opt Options) *Service { return &Service{opt: opt} }

// own are FHIR R4's own resources, as they were read.
var own struct{ systems, sets sync.Map }

// find finds a resource that is not R4's.
func (s *Service) find(resourceType, canonical string) (Stored, error) {
	if s.opt.Find != nil {
		if found, err := s.opt.Find(resourceType, canonical); err != nil || found.Tree != nil {
			return found, err
		}
	}
	if s.after != nil {
		return s.after(resourceType, canonical)
	}
	return Stored{}, nil
}

// remembers reports whether what was found is of the service's own resources, which
// do not change.
func (s *Service) remembers(found Stored) bool {
	return s.systems != nil && (s.after == nil || found.Key == "")
}

// Canonical joins a URL and a version.
func Canonical(url, version string) string {
	if version == "" {
		return url
	}
	return url + "|" + version
}

// System finds a code system by its canonical URL, with supplements merged into
// it. It is an error of KindNotFound where there is none.
func (s *Service) System(canonical string, supplements ...string) (*CodeSystem, error) {
	return s.system(canonical, supplements)
}

func (s *Service) system(canonical string, supplements []string) (*CodeSystem, error) {
	system, err := s.plainSystem(canonical)
	if err != nil || len(supplements) == 0 {
		return system, err
	}
	return s.supplemented(system, supplements)
}

// plainSystem looks for R4's own code systems, then the loaded ones, then those
// of another server, then the stored ones; and last for those of which R4 has
// the name only, or some concepts.
func (s *Service) plainSystem(canonical string) (*CodeSystem, error) {
	known, err := ownSystem(canonical)
	if err != nil || known != nil && known.Complete() {
		return known, err
	}
	books, remote := s.sources()
	if books != nil {
		if book := books(canonical); book != nil {
			return ofBook(book), nil
		}
	}
	url, version, _ := strings.Cut(canonical, "|")
	if remote != nil && remote.Serves(url) {
		return external(remote, url, version), nil
	}
	if stored, err := s.storedSystem(canonical); err != nil || stored != nil {
		return stored, err
	}
	switch {
	case url == ucumURL:
		return unitsOfMeasure, nil
	case known != nil:
		return known, nil
	}
	return nil, fhir.Errorf(fhir.KindNotFound, "the code system %s is not known; a CodeSystem resource with that url would make it known", canonical)
}

// ownSystem is a code system of R4; nil where R4 has none.
func ownSystem(canonical string) (*CodeSystem, error) {
	if known, ok := own.systems.Load(canonical); ok {
		return known.(*CodeSystem), nil
	}
	tree, err := release.R4().Find("CodeSystem", canonical)
	if err != nil || tree == nil {
		return nil, err
	}
	system := ReadSystem(tree.Root())
	own.systems.Store(canonical, system)
	return system, nil
}

func (s *Service) storedSystem(canonical string) (*CodeSystem, error) {
	if s.systems != nil {
		if known, ok := s.systems.Load(canonical); ok {
			return known.(*CodeSystem), nil
		}
	}
	stored, err := s.find("CodeSystem", canonical)
	if err != nil || stored.Tree == nil {
		return nil, err
	}
	system, err := remembered(stored, s.opt.Memory.ofSystems(), func(tree *fhir.Tree) (*CodeSystem, error) { return ReadSystem(tree.Root()), nil })
	if err != nil {
		return nil, err
	}
	if system.Content == contentSupplement {
		return nil, fhir.Errorf(fhir.KindUnprocessable, "%s is a supplement, which has no codes of its own; ask for the code system that it supplements", canonical)
	}
	if s.remembers(stored) {
		s.systems.Store(canonical, system)
	}
	return system, nil
}

func (m *Memory) ofSystems() *recall.Cache[string, *CodeSystem] {
	if m == nil {
		return nil
	}
	return m.systems
}

func (m *Memory) ofSets() *recall.Cache[string, *ValueSet] {
	if m == nil {
		return nil
	}
	return m.sets
}

// remembered is what was read of a resource before, or is read now.
func remembered[T any](stored Stored, memory *recall.Cache[string, T], read func(*fhir.Tree) (T, error)) (value T, err error) {
	if memory != nil && stored.Key != "" {
		if known, ok := memory.Get(stored.Key); ok {
			return known, nil
		}
	}
	tree, err := stored.Tree()
	if err != nil {
		return value, err
	}
	value, err = read(tree)
	if err == nil && memory != nil && stored.Key != "" {
		memory.Put(stored.Key, value)
	}
	return value, err
}

// ValueSet finds a value set by its canonical URL. It is an error of
// KindNotFound where there is none.
func (s *Service) ValueSet(canonical string) (*ValueSet, error) {
	if strings.Contains(canonical, "?fhir_vs") {
		return s.implicit(canonical)
	}
	known, err := ownSet(canonical)
	if err == nil && known == nil {
		known, err = s.storedSet(canonical)
	}
	if err != nil {
		return nil, err
	}
	if known == nil {
		return s.implicit(canonical)
	}
	mine := *known
	mine.service = s
	return &mine, nil
}

func ownSet(canonical string) (*ValueSet, error) {
	if known, ok := own.sets.Load(canonical); ok {
		return known.(*ValueSet), nil
	}
	tree, err := release.R4().Find("ValueSet", canonical)
	if err != nil || tree == nil {
		return nil, err
	}
	set, err := readSet(tree)
	if err == nil {
		own.sets.Store(canonical, set)
	}
	return set, err
}

func (s *Service) storedSet(canonical string) (*ValueSet, error) {
	if s.sets != nil {
		if known, ok := s.sets.Load(canonical); ok {
			return known.(*ValueSet), nil
		}
	}
	stored, err := s.find("ValueSet", canonical)
	if err != nil || stored.Tree == nil {
		return nil, err
	}
	set, err := remembered(stored, s.opt.Memory.ofSets(), readSet)
	if err == nil && s.remembers(stored) {
		s.sets.Store(canonical, set)
	}
	return set, err
}

// readSet reads a value set that belongs to no service yet.
func readSet(tree *fhir.Tree) (*ValueSet, error) { return (*Service)(nil).ReadValueSet(tree.Root()) }

// ConceptMap finds a concept map by its canonical URL. It is an error of
// KindNotFound where there is none.
func (s *Service) ConceptMap(canonical string) (*ConceptMap, error) {
	tree, err := release.R4().Find("ConceptMap", canonical)
	if err != nil {
		return nil, err
	}
	if tree == nil {
		stored, err := s.find("ConceptMap", canonical)
		if err == nil && stored.Tree != nil {
			tree, err = stored.Tree()
		}
		if err != nil {
			return nil, err
		}
	}
	if tree == nil {
		return nil, fhir.Errorf(fhir.KindNotFound, "the concept map %s is not known; a ConceptMap resource with that url would make it known", canonical)
	}
	return s.ReadMap(tree.Root()), nil
}

// implicit is a value set that a code system defines without a resource: that
// of all its codes, which R4's own name with /vs and others with ?fhir_vs, and
// those of SNOMED CT and LOINC.
// http://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.valueSet
func (s *Service) implicit(canonical string) (*ValueSet, error) {
	url, version := canonical, ""
	if !strings.Contains(canonical, "?fhir_vs=ecl/") { // where terms stand between bars
		url, version, _ = strings.Cut(canonical, "|")
	}
	c, ok := s.implied(url)
	if !ok {
		return nil, unknownSet(canonical)
	}
	if c.version == "" {
		c.version = version
	}
	if _, err := s.System(Canonical(c.system, c.version)); err != nil {
		if isNotFound(err) {
			return nil, unknownSet(canonical)
		}
		return nil, err
	}
	c.url = url
	return &ValueSet{URL: url, include: []clause{c}, service: s}, nil
}

func unknownSet(canonical string) error {
	return fhir.Errorf(fhir.KindNotFound, "the value set %s is not known; a ValueSet resource with that url would make it known", canonical)
}

// implied is the clause of an implicit value set.
func (s *Service) implied(url string) (c clause, ok bool) {
	if list, ok := strings.CutPrefix(url, "http://loinc.org/vs/"); ok {
		return clause{system: "http://loinc.org", filters: loincFilters(list)}, list != ""
	}
	if of, ok := strings.CutSuffix(url, "/vs"); ok {
		return clause{system: of}, true
	}
	of, what, ok := strings.Cut(url, "?fhir_vs")
	if !ok {
		return clause{}, false
	}
	c = clause{system: of}
	if edition, ok := strings.CutPrefix(of, snomedURL+"/"); ok {
		c.system, c.version = snomedURL, snomedURL+"/"+edition
	}
	if what == "" {
		return c, true
	}
	if c.system != snomedURL || what[0] != '=' {
		return clause{}, false
	}
	c.filters, ok = snomedFilters(what[1:])
	return c, ok
}

// loincFilters are those of an implicit value set of LOINC: of an answer list,
// or of a part's descendants.
// http://hl7.org/fhir/R4/loinc.html#4.3.14.0.5
func loincFilters(list string) []Filter {
	if strings.HasPrefix(list, "LP") {
		return []Filter{{"ancestor", "=", list}}
	}
	return []Filter{{"concept", "in", list}}
}

// snomedFilters are those of an implicit value set of SNOMED CT.
// http://hl7.org/fhir/R4/snomedct.html#implicit
func snomedFilters(what string) ([]Filter, bool) {
	kind, rest, _ := strings.Cut(what, "/")
	if slices.Contains([]string{"isa", "refset", "ecl"}, kind) && rest == "" {
		return nil, false
	}
	switch kind {
	case "isa":
		return []Filter{{"concept", "is-a", rest}}, true
	case "refset":
		return []Filter{{"concept", "in", rest}}, true
	case "ecl":
		return []Filter{{"constraint", "=", rest}}, true
	}
	return nil, false
}
