package distribution

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/tarnhealth/tarn/terminology/concept"
)

var (
	icdOrder   = regexp.MustCompile(`(?i)^icd10cm[_-]order[_-].*\.txt$`)
	icdTabular = regexp.MustCompile(`(?i)^icd10cm[_-]tabular.*\.xml$`)
	icdYear    = regexp.MustCompile(`(20\d\d)`)
)

// readICD10CM reads the order file or, where there is none, the tabular list in
// XML. https://www.cms.gov/medicare/coding-billing/icd-10-codes
func readICD10CM(in *files, b *book) error {
	r := &icdReader{book: b, known: map[string]bool{}}
	name, err := in.one(icdOrder, "order file (icd10cm_order_YYYY.txt) or tabular list (icd10cm_tabular_YYYY.xml)")
	read := func() error { return in.lines(name, r.line) }
	if err != nil {
		other, otherErr := in.one(icdTabular, "tabular list")
		if otherErr != nil {
			return err
		}
		name = other
		read = func() error { return in.read(name, r.tabular) }
	}
	if err := read(); err != nil {
		return err
	}
	if m := icdYear.FindStringSubmatch(name); m != nil {
		b.version(m[1])
	}
	return nil
}

type icdReader struct {
	*book
	known map[string]bool
}

// line reads a line of the order file: number (5), code without its point (7),
// whether it is valid for billing (1), short text (60) and long text, each
// after a blank.
func (r *icdReader) line(line string) error {
	if len(line) < 17 || line[5] != ' ' || line[13] != ' ' || line[14] != '0' && line[14] != '1' {
		return errors.New("it is not number, code, 0 or 1, and two texts in their columns")
	}
	code := strings.TrimSpace(line[6:13])
	if len(code) < 3 {
		return fmt.Errorf("%q is too short for a code", code)
	}
	short, long := strings.TrimSpace(line[16:min(76, len(line))]), ""
	if len(line) > 77 {
		long = strings.TrimSpace(line[77:])
	}
	if long == "" {
		short, long = "", short
	}
	c := concept.Concept{Code: icdCode(code), Display: long}
	if short != "" && short != long {
		c.Designations = []concept.Designation{{Language: "en", Value: short, Use: concept.Coding{Code: "short"}}}
	}
	c.Properties = []concept.Property{billable(line[14] == '1')}
	r.known[code] = true
	for n := len(code) - 1; n >= 3; n-- {
		if r.known[code[:n]] {
			r.Add(c, icdCode(code[:n]))
			return nil
		}
	}
	r.Add(c)
	return nil
}

func billable(yes bool) concept.Property {
	return concept.Property{Code: "billable", Kind: "boolean", Text: fmt.Sprint(yes)}
}

// icdCode puts the point into a code.
func icdCode(code string) string {
	if len(code) <= 3 {
		return code
	}
	return code[:3] + "." + code[3:]
}

// A diagnosis is an element diag of the tabular list.
type diagnosis struct {
	Name       string      `xml:"name"`
	Text       string      `xml:"desc"`
	Terms      []string    `xml:"inclusionTerm>note"`
	Extensions []extension `xml:"sevenChrDef>extension"`
	Below      []diagnosis `xml:"diag"`
}

type extension struct {
	Char string `xml:"char,attr"`
	Text string `xml:",chardata"`
}

func (r *icdReader) tabular(from io.Reader) error {
	var list struct {
		Version  string `xml:"version"`
		Chapters []struct {
			Name     string `xml:"name"`
			Sections []struct {
				ID   string      `xml:"id,attr"`
				Diag []diagnosis `xml:"diag"`
			} `xml:"section"`
		} `xml:"chapter"`
	}
	if err := readXML(from, &list); err != nil {
		return err
	}
	r.version(list.Version)
	for _, chapter := range list.Chapters {
		for _, section := range chapter.Sections {
			in := []concept.Property{{Code: "chapter", Kind: "string", Text: chapter.Name}, {Code: "section", Kind: "string", Text: section.ID}}
			for i := range section.Diag {
				r.diagnosis(&section.Diag[i], "", nil, in)
			}
		}
	}
	return nil
}

// diagnosis adds one and those below it. The seventh characters that are given
// above hold for all codes below that have no others.
func (r *icdReader) diagnosis(d *diagnosis, parent string, seventh []extension, in []concept.Property) {
	if len(d.Extensions) > 0 {
		seventh = d.Extensions
	}
	leaf := len(d.Below) == 0
	c := concept.Concept{Code: d.Name, Display: strings.TrimSpace(d.Text)}
	c.Properties = append(c.Properties, in...)
	c.Properties = append(c.Properties, billable(leaf && len(seventh) == 0))
	for _, term := range d.Terms {
		c.Designations = append(c.Designations, concept.Designation{Language: "en", Value: strings.TrimSpace(term), Use: concept.Coding{Code: "inclusion"}})
	}
	r.addBelow(c, parent)
	for i := range d.Below {
		r.diagnosis(&d.Below[i], d.Name, seventh, in)
	}
	if !leaf {
		return
	}
	for _, x := range seventh {
		bare := strings.ReplaceAll(d.Name, ".", "")
		code := icdCode(bare + strings.Repeat("X", max(0, 6-len(bare))) + x.Char)
		r.addBelow(concept.Concept{
			Code: code, Display: c.Display + ", " + strings.TrimSpace(x.Text),
			Properties: append(append([]concept.Property{}, in...), billable(true)),
		}, d.Name)
	}
}

func (r *icdReader) addBelow(c concept.Concept, parent string) {
	if parent == "" {
		r.Add(c)
		return
	}
	r.Add(c, parent)
}
