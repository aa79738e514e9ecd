package synth

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/fhir"
)

// builder appends JSON to one buffer. Commas follow from the last byte
// written, so callers only open, name and close.
type builder struct {
	b []byte
	// urn makes references to a patient's own resources urn:uuid: ones, as a
	// transaction needs them, and leaves out ids, which the server assigns.
	urn bool
}

func (w *builder) separate() {
	if len(w.b) == 0 {
		return
	}
	switch w.b[len(w.b)-1] {
	case '{', '[', ':':
	default:
		w.b = append(w.b, ',')
	}
}

func (w *builder) key(name string) {
	w.separate()
	w.b = append(w.b, '"')
	w.b = append(w.b, name...)
	w.b = append(w.b, '"', ':')
}

// open begins an object: the root, an array's item or the value of a key.
func (w *builder) open() {
	w.separate()
	w.b = append(w.b, '{')
}

func (w *builder) obj(name string) { w.key(name); w.b = append(w.b, '{') }
func (w *builder) arr(name string) { w.key(name); w.b = append(w.b, '[') }
func (w *builder) end()            { w.b = append(w.b, '}') }
func (w *builder) endArr()         { w.b = append(w.b, ']') }

// str writes a string member, nothing where the value is empty: FHIR has no
// empty strings.
func (w *builder) str(name, value string) {
	if value == "" {
		return
	}
	w.key(name)
	w.b = fhir.AppendString(w.b, value)
}

// item writes a string into an array.
func (w *builder) item(value string) {
	w.separate()
	w.b = fhir.AppendString(w.b, value)
}

func (w *builder) boolean(name string, value bool) {
	w.key(name)
	w.b = strconv.AppendBool(w.b, value)
}

func (w *builder) integer(name string, value int) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, int64(value), 10)
}

// decimal writes a number with a fixed count of digits after the point.
func (w *builder) decimal(name string, value float64, digits int) {
	w.key(name)
	w.b = strconv.AppendFloat(w.b, round(value, digits), 'f', digits, 64)
}

// dateTime writes a time with its zone, also fit for an instant.
func (w *builder) dateTime(name string, t time.Time) {
	w.key(name)
	w.b = append(w.b, '"')
	w.b = t.AppendFormat(w.b, time.RFC3339)
	w.b = append(w.b, '"')
}

func (w *builder) date(name string, t time.Time) {
	w.key(name)
	w.b = append(w.b, '"')
	w.b = t.AppendFormat(w.b, time.DateOnly)
	w.b = append(w.b, '"')
}

func (w *builder) base64(name string, data []byte) {
	w.key(name)
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, data)
	w.b = append(w.b, '"')
}

func round(value float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(value*scale) / scale
}
