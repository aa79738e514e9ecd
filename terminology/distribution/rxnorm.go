package distribution

import (
	"regexp"
	"slices"

	"github.com/tarnhealth/tarn/terminology/concept"
)

// The files of a release in RRF.
// https://www.nlm.nih.gov/research/umls/rxnorm/docs/techdoc.html
var (
	rrfNames     = regexp.MustCompile(`(?i)^RXNCONSO\.RRF$`)
	rrfRelations = regexp.MustCompile(`(?i)^RXNREL\.RRF$`)
	rrfTypes     = regexp.MustCompile(`(?i)^RXNSTY\.RRF$`)
	rrfOthers    = regexp.MustCompile(`(?i)^RXNSAT\.RRF$`)
	rrfVersion   = regexp.MustCompile(`(?i)RxNorm_(?:full|weekly)_(?:prescribe_)?(\d{8})`)
)

// rxNames are the kinds of names (TTY) that are not the name of a concept, but
// other words for it.
var rxNames = []string{"SY", "TMSY", "PSN", "ET"}

// readRxNorm reads what RxNorm itself names (SAB=RXNORM), with relationships,
// semantic types and NDCs. RxNorm defines no subsumption: relationships are
// properties. http://hl7.org/fhir/R4/rxnorm.html
func readRxNorm(in *files, b *book) error {
	names, err := in.one(rrfNames, "RXNCONSO.RRF")
	if err != nil {
		return err
	}
	for _, name := range append([]string{in.name}, in.all...) {
		if m := rrfVersion.FindStringSubmatch(name); m != nil {
			b.version(m[1])
		}
	}
	r := rxReader{files: in, book: b, concepts: map[string]*rxConcept{}}
	if err := in.fields(names, "|", 18, r.name); err != nil {
		return err
	}
	for _, step := range []struct {
		form   *regexp.Regexp
		fields int
		read   func(f []string) error
	}{
		{rrfRelations, 15, r.relation}, {rrfTypes, 4, r.semanticType}, {rrfOthers, 12, r.attribute},
	} {
		for _, name := range in.named(step.form) {
			if err := in.fields(name, "|", step.fields, step.read); err != nil {
				return err
			}
		}
	}
	for _, c := range r.concepts {
		c.Inactive = !c.current
		if c.Display == "" && len(c.Designations) > 0 {
			c.Display = c.Designations[0].Value
		}
		b.Add(c.Concept)
	}
	return nil
}

type rxConcept struct {
	concept.Concept
	// current is set where one of its names is not suppressed.
	current bool
}

type rxReader struct {
	*files
	*book
	concepts map[string]*rxConcept
}

// name reads RXCUI|LAT|TS|LUI|STT|SUI|ISPREF|RXAUI|SAUI|SCUI|SDUI|SAB|TTY|CODE|STR|SRL|SUPPRESS|CVF.
func (r *rxReader) name(f []string) error {
	if f[11] != "RXNORM" {
		return nil
	}
	c := r.concepts[f[0]]
	if c == nil {
		c = &rxConcept{Concept: concept.Concept{Code: f[0]}}
		r.concepts[f[0]] = c
	}
	c.current = c.current || f[16] == "N" || f[16] == ""
	if slices.Contains(rxNames, f[12]) || c.Display != "" {
		c.Designations = append(c.Designations, concept.Designation{Language: "en", Value: f[14], Use: concept.Coding{System: r.meta.URL, Code: f[12]}})
	} else {
		c.Display = f[14]
	}
	c.put("TTY", "string", f[12])
	return nil
}

// put adds a value of a property, once.
func (c *rxConcept) put(code, kind, text string) {
	p := concept.Property{Code: code, Kind: kind, Text: text}
	if text != "" && !slices.Contains(c.Properties, p) {
		c.Properties = append(c.Properties, p)
	}
}

// relation reads RXCUI1|RXAUI1|STYPE1|REL|RXCUI2|RXAUI2|STYPE2|RELA|RUI|SRUI|SAB|…|SUPPRESS|CVF:
// the second concept is, to the first, what RELA says.
func (r *rxReader) relation(f []string) error {
	c := r.concepts[f[4]]
	if c == nil || r.concepts[f[0]] == nil || f[10] != "RXNORM" || f[2] != "CUI" || f[6] != "CUI" {
		return nil
	}
	name := f[7]
	if name == "" {
		name = f[3]
	}
	c.put(name, "code", f[0])
	return nil
}

// semanticType reads RXCUI|TUI|STN|STY|ATUI|CVF.
func (r *rxReader) semanticType(f []string) error {
	if c := r.concepts[f[0]]; c != nil {
		c.put("STY", "string", f[3])
	}
	return nil
}

// attribute reads RXCUI|LUI|SUI|RXAUI|STYPE|CODE|ATUI|SATUI|ATN|SAB|ATV|SUPPRESS|CVF,
// of which RxNorm's own NDCs are kept.
func (r *rxReader) attribute(f []string) error {
	if c := r.concepts[f[0]]; c != nil && f[8] == "NDC" && f[9] == "RXNORM" {
		c.put("NDC", "string", f[10])
	}
	return nil
}
