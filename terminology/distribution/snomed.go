package distribution

import (
	"cmp"
	"fmt"
	"regexp"

	"github.com/tarnhealth/tarn/terminology/concept"
)

// The files of a release in RF2, snapshot.
// https://confluence.ihtsdotools.org/display/DOCRELFMT
var (
	rf2Concepts     = regexp.MustCompile(`^x?sct2_Concept_Snapshot_.*\.txt$`)
	rf2Descriptions = regexp.MustCompile(`^x?sct2_(Description|TextDefinition)_Snapshot[-_].*\.txt$`)
	rf2Relations    = regexp.MustCompile(`^x?sct2_Relationship_Snapshot_.*\.txt$`)
	rf2Languages    = regexp.MustCompile(`^x?der2_cRefset_Language.*Snapshot[-_].*\.txt$`)
	rf2Sets         = regexp.MustCompile(`^x?der2_Refset_.*Snapshot[-_].*\.txt$`)
	rf2Modules      = regexp.MustCompile(`^x?der2_ssRefset_ModuleDependency.*Snapshot[-_].*\.txt$`)
	rf2Release      = regexp.MustCompile(`_([A-Z]+\d*)_(\d{8})\.txt$`)
)

// Concepts of the metadata of SNOMED CT.
const (
	snomedURL       = "http://snomed.info/sct"
	snomedIsA       = "116680003"
	snomedCore      = "900000000000207008"
	snomedUSEnglish = "900000000000509007"
	snomedPreferred = "900000000000548007"
	snomedFullName  = "900000000000003001"
	snomedSynonym   = "900000000000013009"
	snomedText      = "900000000000550004"
	snomedDefined   = "900000000000073002"
	snomedInferred  = "900000000000011006"
)

// readSNOMED reads concepts, descriptions, relationships, and the language and
// simple reference sets.
func readSNOMED(in *files, b *book) error {
	r := snomedReader{files: in, book: b, concepts: map[string]*snomedConcept{}, preferred: map[string]bool{}, ids: map[string]string{}}
	steps := []struct {
		form     *regexp.Regexp
		what     string
		optional bool
		fields   int
		read     func(f []string) error
	}{
		{rf2Concepts, "sct2_Concept_Snapshot file", false, 5, r.concept},
		{rf2Languages, "der2_cRefset_Language Snapshot file", false, 7, r.language},
		{rf2Descriptions, "sct2_Description_Snapshot file", false, 9, r.description},
		{rf2Relations, "sct2_Relationship_Snapshot file", false, 10, r.relation},
		{rf2Sets, "", true, 6, r.member},
	}
	for _, s := range steps {
		found := in.named(s.form)
		if len(found) == 0 && !s.optional {
			return fmt.Errorf("%s has no %s; unpack the whole release, or give its .zip", in.name, s.what)
		}
		for _, name := range found {
			if err := in.rf2(name, s.fields, s.read); err != nil {
				return err
			}
		}
	}
	if err := r.edition(); err != nil {
		return err
	}
	r.finish()
	return nil
}

// rf2 reads the active rows of a file: the third field says which those are.
// Concepts are read whether they are active or not.
func (in *files) rf2(name string, n int, do func(f []string) error) error {
	all := rf2Concepts.MatchString(name[max(0, lastSlash(name)+1):])
	head := true
	return in.fields(name, "\t", n, func(f []string) error {
		if head {
			head = false
			if f[0] != "id" || f[2] != "active" {
				return fmt.Errorf("it does not begin with the names of RF2's columns")
			}
			return nil
		}
		if !all && f[2] != "1" {
			return nil
		}
		return do(f)
	})
}

func lastSlash(name string) int {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			return i
		}
	}
	return -1
}

type snomedConcept struct {
	concept.Concept
	parents []string
	// full is the fully specified name, best how good the display is.
	full string
	best int
}

type snomedReader struct {
	*files
	*book
	concepts  map[string]*snomedConcept
	preferred map[string]bool
	// ids keeps each id once in memory.
	ids map[string]string
}

// id is an id that shares its memory with others of the same text.
func (r *snomedReader) id(text string) string {
	if known, ok := r.ids[text]; ok {
		return known
	}
	own := string([]byte(text)) // and not the whole line
	r.ids[own] = own
	return own
}

func (r *snomedReader) concept(f []string) error {
	code := r.id(f[0])
	if r.concepts[code] != nil {
		return fmt.Errorf("the concept %s is there twice: it is no snapshot", code)
	}
	c := &snomedConcept{Concept: concept.Concept{Code: code, Inactive: f[2] != "1"}}
	defined := "false"
	if f[4] == snomedDefined {
		defined = "true"
	}
	c.Properties = []concept.Property{
		{Code: "moduleId", Kind: "code", Text: r.id(f[3])},
		{Code: "sufficientlyDefined", Kind: "boolean", Text: defined},
		{Code: "effectiveTime", Kind: "string", Text: r.id(f[1])},
	}
	r.concepts[code] = c
	return nil
}

// language takes note of the descriptions that are preferred in the language.
func (r *snomedReader) language(f []string) error {
	if f[4] == cmp.Or(r.opt.Language, snomedUSEnglish) && f[6] == snomedPreferred {
		r.preferred[r.id(f[5])] = true
	}
	return nil
}

func (r *snomedReader) description(f []string) error {
	c := r.concepts[f[4]]
	if c == nil {
		return fmt.Errorf("the description %s is of the concept %s, which is not there", f[0], f[4])
	}
	kind, text, preferred := f[6], string([]byte(f[7])), r.preferred[f[0]]
	use := concept.Coding{System: snomedURL, Code: kind}
	switch kind {
	case snomedText:
		if preferred || c.Definition == "" {
			c.Definition = text
		}
		return nil
	case snomedFullName:
		use.Code, use.Display = snomedFullName, "Fully specified name"
		if preferred || c.full == "" {
			c.full = text
		}
	case snomedSynonym:
		use.Code, use.Display = snomedSynonym, "Synonym"
		if good := 1 + 2*boolean(preferred); good > c.best {
			c.Display, c.best = text, good
		}
	}
	c.Designations = append(c.Designations, concept.Designation{Language: r.id(f[5]), Value: text, Use: use})
	return nil
}

func boolean(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func (r *snomedReader) relation(f []string) error {
	c := r.concepts[f[4]]
	switch {
	case c == nil:
		return fmt.Errorf("the relationship %s is of the concept %s, which is not there", f[0], f[4])
	case f[8] != snomedInferred:
		return nil
	case f[7] == snomedIsA:
		c.parents = append(c.parents, r.id(f[5]))
	default:
		c.Properties = append(c.Properties, concept.Property{Code: r.id(f[7]), Kind: "code", Text: r.id(f[5])})
	}
	return nil
}

func (r *snomedReader) member(f []string) error {
	r.AddTo(r.id(f[4]), r.id(f[5]))
	return nil
}

// edition finds out which edition of which day this is: that of the module on
// which no other depends. http://snomed.org/uri
func (r *snomedReader) edition() error {
	if r.meta.Version != "" {
		return nil
	}
	names := r.named(rf2Concepts)
	release := rf2Release.FindStringSubmatch(names[0])
	if release == nil {
		return nil // Read asks for it
	}
	modules, needed := map[string]bool{}, map[string]bool{}
	for _, name := range r.named(rf2Modules) {
		err := r.rf2(name, 8, func(f []string) error {
			if f[6] == release[2] {
				modules[f[3]], needed[f[5]] = true, true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	var top []string
	for m := range modules {
		if !needed[m] {
			top = append(top, m)
		}
	}
	switch {
	case len(top) == 1:
		r.version(snomedURL + "/" + top[0] + "/version/" + release[2])
	case len(top) == 0 && release[1] == "INT":
		r.version(snomedURL + "/" + snomedCore + "/version/" + release[2])
	}
	return nil
}

func (r *snomedReader) finish() {
	for _, c := range r.concepts {
		c.Display = cmp.Or(c.Display, c.full)
		r.Add(c.Concept, c.parents...)
	}
}
