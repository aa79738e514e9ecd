package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// writeStats writes the Parameters: an Observation of statistics for each code,
// and the sources.
func (r *request) writeStats(w http.ResponseWriter, c *collecting) error {
	if len(c.order) == 0 {
		return fhir.Errorf(fhir.KindNotFound, "no observation of %s with one of the codes %s was found", c.stats.subject, strings.Join(c.stats.codings, ", "))
	}
	buf := getBuffer()
	defer putBuffer(buf)
	b := append(*buf, `{"resourceType":"Parameters","parameter":[`...)
	for i, g := range c.order {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":"statistics","resource":`...)
		b = append(c.stats.appendObservation(b, g), '}')
	}
	for i := range c.shown {
		var err error
		b = append(b, `,{"name":"source","resource":`...)
		if b, err = (*shape)(nil).append(b, r.store.Definitions().Schema, &c.shown[i]); err != nil {
			return err
		}
		b = append(b, '}')
	}
	*buf = append(b, "]}"...)
	return r.writeJSON(w, http.StatusOK, *buf)
}

// appendObservation appends the Observation of a code's statistics.
func (q *statsQuery) appendObservation(b []byte, g *statsGroup) []byte {
	b = append(b, `{"resourceType":"Observation","status":"final","code":`...)
	b = append(b, g.code.Raw()...)
	b = append(b, `,"subject":{"reference":`...)
	b = append(fhir.AppendString(b, q.subject), '}')
	if q.start != "" || q.end != "" {
		b = append(b, `,"effectivePeriod":{`...)
		b = appendMembers(b, "start", q.start, "end", q.end)
		b = append(b, '}')
	}
	g.sort()
	b = append(b, `,"component":[`...)
	for i, code := range q.statistics {
		if i > 0 {
			b = append(b, ',')
		}
		b = g.appendStatistic(b, code)
	}
	return append(b, "]}"...)
}

// appendMembers appends the members of an object whose values are not "",
// given as name, value, name, value.
func appendMembers(b []byte, pairs ...string) []byte {
	first := true
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(fhir.AppendString(b, pairs[i]), ':')
		b = fhir.AppendString(b, pairs[i+1])
	}
	return b
}

// appendStatistic appends the component of one statistic, or of regression the
// two.
func (g *statsGroup) appendStatistic(b []byte, code string) []byte {
	if code == regression {
		gradient, intercept, ok := g.line()
		b = g.appendComponent(b, code, "gradient per hour", number(gradient), "/h", ok)
		return g.appendComponent(append(b, ','), code, "intercept at the first measurement", number(intercept), "", ok)
	}
	if len(g.values) == 0 && code != "count" && code != "total-count" {
		return g.appendComponent(b, code, "", "", "", false)
	}
	value, ok := statistics[code](&g.sample)
	return g.appendComponent(b, code, "", value, "", ok)
}

// appendComponent appends one component. per is what the unit is divided by.
func (g *statsGroup) appendComponent(b []byte, code, text, value, per string, ok bool) []byte {
	b = append(b, `{"code":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-statistics","code":"`...)
	b = append(append(b, code...), `"}]`...)
	if text != "" {
		b = fhir.AppendString(append(b, `,"text":`...), text)
	}
	b = append(b, '}')
	if !ok || strings.ContainsAny(value, "IN") { // Inf, NaN
		b = append(b, `,"dataAbsentReason":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/data-absent-reason","code":"not-applicable"}]}`...)
		return append(b, '}')
	}
	b = append(append(b, `,"valueQuantity":{"value":`...), value...)
	switch {
	case slices.Contains(unitless, code):
	case code == "variance":
		b = g.appendUnit(b, "2")
	default:
		b = g.appendUnit(b, per)
	}
	return append(b, "}}"...)
}

// appendUnit appends the unit of a group's values, squared or divided.
func (g *statsGroup) appendUnit(b []byte, suffix string) []byte {
	unit, code := g.unit, g.unitCode
	switch {
	case suffix == "2":
		unit, code = "("+unit+")²", "("+code+")2"
	case suffix != "":
		unit, code = unit+suffix, code+suffix
	}
	if g.unit == "" {
		unit = ""
	}
	if g.unitCode == "" || g.unitSystem == "" {
		code = ""
	}
	system := g.unitSystem
	if code == "" {
		system = ""
	}
	members := appendMembers(nil, "unit", unit, "system", system, "code", code)
	if len(members) == 0 {
		return b
	}
	return append(append(b, ','), members...)
}
