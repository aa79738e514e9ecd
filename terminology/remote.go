package terminology

// A Remote is another terminology server, as one request may ask it. Its errors
// are for the caller: KindNotFound where the server does not know the code,
// KindUnavailable where the server does not answer.
type Remote interface {
	// Serves reports whether it is asked about a code system.
	Serves(system string) bool
	// Lookup finds a concept.
	Lookup(c Coding) (*Concept, error)
	// Subsumes is how one concept relates to another, as Subsumption says it.
	Subsumes(a, b Coding) (string, error)
	// Has reports whether a code is in a part of its system.
	Has(p Part, code string) (Entry, bool, error)
	// List lists a part of a system, as far as the words of filter find it; at
	// most limit codes, and it is an error where there are more.
	List(p Part, filter string, limit int) ([]Entry, error)
}

// A Part is part of a code system: what the filters let through, or the value
// set of a URL that the system itself defines.
type Part struct {
	System, Version string
	Filters         []Filter
	// URL is that of an implicit value set, such as
	// http://snomed.info/sct?fhir_vs=ecl/<<404684003.
	URL string
}

// A Filter is one filter of an include.
// http://hl7.org/fhir/R4/valueset-filter-operator.html
type Filter struct{ Property, Operator, Value string }

// contentExternal is the content of a code system that another server has.
const contentExternal = "external"

func external(r Remote, url, version string) *CodeSystem {
	return &CodeSystem{URL: url, Version: version, Content: contentExternal, CaseSensitive: true, remote: r}
}
