package fhir

import "time"

// A Body is a resource as it is stored: the client's bytes with the id set and
// without meta.versionId and meta.lastUpdated, which belong to the version and
// are written into place whenever the resource is sent.
type Body struct {
	JSON []byte
	// At is the offset in JSON where the version's part of meta goes.
	At int
	// Form says how it goes there.
	Form MetaForm
}

// MetaForm says what the version's part of meta needs around it.
type MetaForm uint8

// The forms.
const (
	MetaAlone  MetaForm = iota // inside an otherwise empty meta object
	MetaBefore                 // inside meta, before other members
	MetaWhole                  // no meta object yet: a member of the resource, after another
)

// TimeLayout is how Tarn writes instants: UTC with milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// Append appends the resource with its version's meta to b.
func (d Body) Append(b []byte, versionID string, lastUpdated time.Time) []byte {
	b = append(b, d.JSON[:d.At]...)
	if d.Form == MetaWhole {
		b = append(b, `,"meta":{`...)
	}
	b = append(b, `"versionId":"`...)
	b = append(b, versionID...)
	b = append(b, `","lastUpdated":"`...)
	b = lastUpdated.UTC().AppendFormat(b, TimeLayout)
	b = append(b, '"')
	switch d.Form {
	case MetaWhole:
		b = append(b, '}')
	case MetaBefore:
		b = append(b, ',')
	}
	return append(b, d.JSON[d.At:]...)
}
