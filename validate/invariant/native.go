package invariant

import (
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// This file has what need not be evaluated: conditions of R4 that are kept where
// some element is absent, or present, as it mostly is. They are known by their
// expressions, so that another release with another condition under the same key
// loses nothing.

// A settled condition is surely kept by a value; where it says false, the
// expression decides.
type settled func(n fhir.Node) bool

// absent settles what is kept where one of the elements is absent.
func absent(names ...string) settled {
	return func(n fhir.Node) bool {
		for _, name := range names {
			if !n.Child(name).Exists() {
				return true
			}
		}
		return false
	}
}

// present settles what is kept where one of the elements is there.
func present(names ...string) settled {
	return func(n fhir.Node) bool {
		for c := n.First(); c.Exists(); c = c.Next() {
			have := c.Name()
			for _, name := range names {
				if have == name {
					return true
				}
			}
		}
		return false
	}
}

// implies settles that where one element is there, another is.
func implies(one, other string) settled {
	return func(n fhir.Node) bool { return !n.Child(one).Exists() || n.Child(other).Exists() }
}

// both settles what is kept where two elements are there.
func both(one, other string) settled {
	return func(n fhir.Node) bool { return n.Child(one).Exists() && n.Child(other).Exists() }
}

// refersOut is ref-1 of references that are not to contained resources.
func refersOut(n fhir.Node) bool {
	literal := n.Child("reference")
	return !literal.HasValue() || !strings.HasPrefix(literal.View(), "#")
}

// ordered is per-1 of times with the same precision and offset.
func ordered(n fhir.Node) bool {
	start, end := n.Child("start"), n.Child("end")
	if !start.HasValue() || !end.HasValue() {
		return true
	}
	a, b := start.View(), end.View()
	const plain, offset = len("2006-01-02"), len("+00:00")
	if len(a) != len(b) || a > b {
		return false
	}
	return len(a) <= plain || a[len(a)-offset:] == b[len(b)-offset:] && strings.ContainsAny(a[len(a)-offset:len(a)-offset+1], "+-")
}

// natively are the settled conditions by expression.
var natively = map[string]settled{
	"contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | %resource.descendants().as(uri) | %resource.descendants().as(url))) or descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()": absent("contained"),
	"contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()":                                             absent("contained"),
	"contained.meta.security.empty()":                                                                                     absent("contained"),
	"reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id.trace('ids'))": refersOut,
	"start.hasValue().not() or end.hasValue().not() or (start <= end)":                                                    ordered,
	"code.empty() or system.exists()":                                                                                     implies("code", "system"),
	"value.empty() or system.exists()":                                                                                    implies("value", "system"),
	"data.empty() or contentType.exists()":                                                                                implies("data", "contentType"),
	"dataAbsentReason.empty() or value.empty()":                                                                           absent("dataAbsentReason", "value"),
	"value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()":                     absent("component", "value"),
	"low.exists() or high.exists() or text.exists()":                                                                      present("low", "high", "text"),
	"name.exists() or telecom.exists() or address.exists() or organization.exists()":                                      present("name", "telecom", "address", "organization"),
	"low.empty() or high.empty() or (low <= high)":                                                                        absent("low", "high"),
	"(numerator.empty() xor denominator.exists()) and (numerator.exists() or extension.exists())":                         both("numerator", "denominator"),
	"summary.exists() or assessment.exists()":                                                                             present("summary", "assessment"),
	"code.exists() or detail.exists()":                                                                                    present("code", "detail"),
	"documentType.exists() or reference.exists()":                                                                         present("documentType", "reference"),
	"duration.empty() or durationUnit.exists()":                                                                           implies("duration", "durationUnit"),
	"period.empty() or periodUnit.exists()":                                                                               implies("period", "periodUnit"),
	"duration.exists() implies duration >= 0":                                                                             absent("duration"),
	"period.exists() implies period >= 0":                                                                                 absent("period"),
	"periodMax.empty() or period.exists()":                                                                                implies("periodMax", "period"),
	"durationMax.empty() or duration.exists()":                                                                            implies("durationMax", "duration"),
	"countMax.empty() or count.exists()":                                                                                  implies("countMax", "count"),
	"offset.empty() or (when.exists() and ((when in ('C' | 'CM' | 'CD' | 'CV')).not()))":                                  absent("offset"),
	"timeOfDay.empty() or when.empty()":                                                                                   absent("timeOfDay", "when"),
	"abatement.empty() or clinicalStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-clinical' and (code='resolved' or code='remission' or code='inactive')).exists()":                                    absent("abatement"),
	"verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and code='entered-in-error').empty() or clinicalStatus.empty()":                                                           absent("verificationStatus", "clinicalStatus"),
	"clinicalStatus.exists() or verificationStatus.coding.where(system='http://terminology.hl7.org/CodeSystem/condition-ver-status' and code = 'entered-in-error').exists() or category.select($this='problem-list-item').empty()": present("clinicalStatus"),
}
