package distribution

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/tarnhealth/tarn/terminology/concept"
)

var (
	loincTable     = regexp.MustCompile(`(?i)^loinc\.csv$`)
	loincHierarchy = regexp.MustCompile(`(?i)^(ComponentHierarchyBySystem|MultiAxialHierarchy)\.csv$`)
	loincParts     = regexp.MustCompile(`(?i)^part\.csv$`)
	loincAnswers   = regexp.MustCompile(`(?i)^answerlist\.csv$`)
	loincVersion   = regexp.MustCompile(`(?i)loinc[_-]?(\d+\.\d+)`)
)

// loincProperties are the columns that are properties of a concept.
// http://hl7.org/fhir/R4/loinc.html
var loincProperties = []string{
	"STATUS", "COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP", "CLASS", "CLASSTYPE",
	"VersionLastChanged", "VersionFirstReleased", "ORDER_OBS", "UNITSREQUIRED", "EXAMPLE_UNITS", "EXAMPLE_UCUM_UNITS", "PanelType",
}

// loincNames are the columns with other names of a concept.
var loincNames = []string{"SHORTNAME", "CONSUMER_NAME", "DisplayName"}

// readLOINC reads Loinc.csv and, where they are there, the hierarchy, the parts
// and the answer lists. https://loinc.org/kb/users-guide/
func readLOINC(in *files, b *book) error {
	b.meta.CaseSensitive = false
	table, err := in.one(loincTable, "Loinc.csv")
	if err != nil {
		return err
	}
	for _, name := range append([]string{in.name}, in.all...) {
		if m := loincVersion.FindStringSubmatch(name); m != nil {
			b.version(m[1])
		}
	}
	r := loincReader{files: in, book: b, parents: map[string][]string{}, names: map[string]string{}, added: map[string]bool{}}
	if err := r.hierarchy(); err != nil {
		return err
	}
	err = in.rows(table, []string{"LOINC_NUM", "LONG_COMMON_NAME", "STATUS"}, r.term)
	if err != nil {
		return err
	}
	for _, name := range in.named(loincParts) {
		if err := in.rows(name, []string{"PartNumber", "PartName"}, r.part); err != nil {
			return err
		}
	}
	for _, name := range in.named(loincAnswers) {
		if err := in.rows(name, []string{"AnswerListId", "AnswerStringId", "DisplayText"}, r.answer); err != nil {
			return err
		}
	}
	for code := range r.names { // what only the hierarchy has
		r.add(concept.Concept{Code: code, Display: r.names[code], Abstract: true})
	}
	return nil
}

type loincReader struct {
	*files
	*book
	parents map[string][]string
	names   map[string]string
	added   map[string]bool
}

func (r *loincReader) add(c concept.Concept) {
	if !r.added[c.Code] {
		r.added[c.Code] = true
		r.Add(c, r.parents[c.Code]...)
	}
}

func (r *loincReader) hierarchy() error {
	for _, name := range r.named(loincHierarchy) {
		err := r.rows(name, []string{"IMMEDIATE_PARENT", "CODE", "CODE_TEXT"}, func(row row) error {
			code := row.of("CODE")
			r.names[code] = row.of("CODE_TEXT")
			if parent := row.of("IMMEDIATE_PARENT"); parent != "" {
				r.parents[code] = append(r.parents[code], parent)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *loincReader) term(row row) error {
	c := concept.Concept{Code: row.of("LOINC_NUM"), Display: row.of("LONG_COMMON_NAME"), Definition: row.of("DefinitionDescription")}
	if c.Code == "" {
		return errors.New("a row has no LOINC_NUM")
	}
	c.Inactive = row.of("STATUS") == "DEPRECATED"
	for _, name := range loincNames {
		if text := row.of(name); text != "" && text != c.Display {
			c.Designations = append(c.Designations, concept.Designation{Language: "en", Value: text, Use: concept.Coding{System: "http://loinc.org", Code: name}})
		}
	}
	for _, name := range loincProperties {
		if text := row.of(name); text != "" {
			c.Properties = append(c.Properties, concept.Property{Code: name, Kind: "string", Text: text})
		}
	}
	copyright := "LOINC"
	if row.of("EXTERNAL_COPYRIGHT_NOTICE") != "" {
		copyright = "3rdParty"
	}
	c.Properties = append(c.Properties, concept.Property{Code: "copyright", Kind: "string", Text: copyright})
	r.add(c)
	return nil
}

func (r *loincReader) part(row row) error {
	c := concept.Concept{Code: row.of("PartNumber"), Display: row.of("PartDisplayName"), Inactive: row.of("Status") == "DEPRECATED"}
	if c.Display == "" {
		c.Display = row.of("PartName")
	}
	if kind := row.of("PartTypeName"); kind != "" {
		c.Properties = append(c.Properties, concept.Property{Code: "PartTypeName", Kind: "string", Text: kind})
	}
	r.add(c)
	return nil
}

func (r *loincReader) answer(row row) error {
	if code := row.of("AnswerStringId"); code != "" {
		r.add(concept.Concept{Code: code, Display: row.of("DisplayText")})
		r.AddTo(row.of("AnswerListId"), code)
	}
	return nil
}

// A row is one of a table whose columns have names.
type row struct {
	columns map[string]int
	fields  []string
}

// of is the field of a column, "" where there is none.
func (r row) of(column string) string {
	at, ok := r.columns[strings.ToLower(column)]
	if !ok || at >= len(r.fields) {
		return ""
	}
	return r.fields[at]
}

// rows reads a table of comma-separated values with a first row of names, of
// which those given must be there.
func (in *files) rows(name string, needed []string, do func(row) error) error {
	return in.read(name, func(from io.Reader) error {
		r := csv.NewReader(from)
		r.ReuseRecord, r.FieldsPerRecord = true, -1
		head, err := r.Read()
		if err != nil {
			return err
		}
		columns := map[string]int{}
		for i, column := range head {
			columns[strings.ToLower(column)] = i
		}
		for _, column := range needed {
			if _, ok := columns[strings.ToLower(column)]; !ok {
				return fmt.Errorf("there is no column %s", column)
			}
		}
		for {
			fields, err := r.Read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil {
				err = do(row{columns, fields})
			}
			if err != nil {
				return err
			}
		}
	})
}
