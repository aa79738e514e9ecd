// Package answer owns the resources that operations answer with: Parameters, and
// those about codes.
//
// It leaves to others: what is asked and who may ask it (rest), and what codes
// mean (terminology).
package answer

import (
	"encoding/json"
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology"
)

// A Parameter is one of a Parameters resource.
// http://hl7.org/fhir/R4/parameters.html
type Parameter struct {
	Name      string
	Boolean   *bool
	Coding    *Coding
	Code      string
	DateTime  string
	Decimal   string
	Instant   string
	Integer   *int
	Reference *Reference
	String    string
	URI       string
	Resource  json.RawMessage
	Part      []Parameter
}

// A Reference is a literal one.
type Reference struct {
	Reference string `json:"reference"`
}

// A Coding is a code with where it is from.
type Coding struct {
	System  string `json:"system,omitempty"`
	Version string `json:"version,omitempty"`
	Code    string `json:"code,omitempty"`
	Display string `json:"display,omitempty"`
}

// AsCoding is a coding for an answer; nil for an empty one.
func AsCoding(c terminology.Coding) *Coding {
	if c == (terminology.Coding{}) {
		return nil
	}
	return &Coding{c.System, c.Version, c.Code, c.Display}
}

// Add adds parts.
func (p *Parameter) Add(parts ...Parameter) { p.Part = append(p.Part, parts...) }

// AppendParameters appends a Parameters resource.
func AppendParameters(b []byte, all []Parameter) []byte {
	b = append(b, `{"resourceType":"Parameters"`...)
	b = appendList(b, "parameter", all)
	return append(b, '}')
}

func appendList(b []byte, name string, all []Parameter) []byte {
	if len(all) == 0 {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":[`...)
	for i := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = all[i].append(b)
	}
	return append(b, ']')
}

// MarshalJSON implements json.Marshaler.
func (p Parameter) MarshalJSON() ([]byte, error) { return p.append(nil), nil }

// append appends the parameter: its name, and its value, resource or parts.
func (p *Parameter) append(b []byte) []byte {
	b = fhir.AppendString(append(b, `{"name":`...), p.Name)
	for _, m := range [...]struct{ name, value string }{
		{"valueCode", p.Code}, {"valueDateTime", p.DateTime}, {"valueInstant", p.Instant},
		{"valueString", p.String}, {"valueUri", p.URI},
	} {
		if m.value != "" {
			b = appendMember(b, m.name, m.value)
		}
	}
	if p.Boolean != nil {
		b = strconv.AppendBool(append(b, `,"valueBoolean":`...), *p.Boolean)
	}
	if p.Integer != nil {
		b = strconv.AppendInt(append(b, `,"valueInteger":`...), int64(*p.Integer), 10)
	}
	if p.Decimal != "" {
		b = append(append(b, `,"valueDecimal":`...), p.Decimal...)
	}
	if p.Coding != nil {
		b = p.Coding.append(append(b, `,"valueCoding":`...))
	}
	if p.Reference != nil {
		b = append(fhir.AppendString(append(b, `,"valueReference":{"reference":`...), p.Reference.Reference), '}')
	}
	if len(p.Resource) > 0 {
		b = append(append(b, `,"resource":`...), p.Resource...)
	}
	return append(appendList(b, "part", p.Part), '}')
}

func appendMember(b []byte, name, value string) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	return fhir.AppendString(b, value)
}

func (c *Coding) append(b []byte) []byte {
	b = append(b, '{')
	for _, m := range [...]struct{ name, value string }{{"system", c.System}, {"version", c.Version}, {"code", c.Code}, {"display", c.Display}} {
		if m.value == "" {
			continue
		}
		if b[len(b)-1] == '{' {
			b = append(append(append(b, '"'), m.name...), `":`...)
			b = fhir.AppendString(b, m.value)
			continue
		}
		b = appendMember(b, m.name, m.value)
	}
	return append(b, '}')
}
