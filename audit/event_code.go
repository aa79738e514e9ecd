package audit

import "strings"

// The code systems of AuditEvents.
const (
	systemDICOM         = "http://dicom.nema.org/resources/ontology/DCM"
	systemREST          = "http://hl7.org/fhir/restful-interaction"
	systemType          = "http://terminology.hl7.org/CodeSystem/audit-event-type"
	systemSource        = "http://terminology.hl7.org/CodeSystem/security-source-type"
	systemEntity        = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
	systemRole          = "http://terminology.hl7.org/CodeSystem/object-role"
	systemParticipation = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
	systemParticipant   = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
	systemPurpose       = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
	systemLifecycle     = "http://terminology.hl7.org/CodeSystem/dicom-audit-lifecycle"
	systemISO21089      = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
	systemBALPEntity    = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
	// systemAction is for Record.Action, where no published code says it.
	systemAction = "urn:tarn:audit-action"
)

// restActions are the actions that FHIR has a code for, with the letters of
// AuditEvent.action and the pattern of IHE that they follow.
// http://hl7.org/fhir/R4/valueset-audit-event-action.html
var restActions = map[string]struct{ action, pattern string }{
	"create": {"C", "Create"}, "read": {"R", "Read"}, "vread": {"R", "Read"},
	"update": {"U", "Update"}, "patch": {"U", "Update"}, "delete": {"D", "Delete"},
	"search-type": {"E", "Query"}, "search-system": {"E", "Query"},
	"history-instance": {"E", ""}, "history-type": {"E", ""}, "history-system": {"E", ""},
	"batch": {"E", ""}, "transaction": {"E", ""}, "capabilities": {"E", ""},
}

// erasures are the operations that delete.
var erasures = map[string]bool{"$erase": true, "$purge": true, "$expunge": true}

func actionCode(r *Record) string {
	if known, ok := restActions[r.Action]; ok && r.Class == ClassREST {
		return known.action
	}
	if erasures[r.Action] {
		return "D"
	}
	return "E"
}

// kindOf is the type and the subtypes of the event.
func kindOf(r *Record) (coding, []coding) {
	own := coding{System: systemAction, Code: r.Action}
	switch r.Class {
	case ClassSignIn, ClassGrant:
		kind := coding{systemDICOM, "110114", "User Authentication"}
		switch r.Action {
		case "sign-in", "sign-in-failed":
			return kind, []coding{{systemDICOM, "110122", "Login"}, own}
		case "sign-out":
			return kind, []coding{{systemDICOM, "110123", "Logout"}, own}
		case "token", "refreshed", "minted", "token-refused":
			return kind, []coding{{"urn:ihe:event-type-code", "ITI-71", "Get Access Token"}, own}
		}
		return kind, []coding{own}
	case ClassAdmin:
		return coding{systemDICOM, "110113", "Security Alert"}, []coding{own}
	case ClassErasure:
		return coding{systemISO21089, "destroy", "Destroy/Delete Record Lifecycle Event"}, []coding{{System: systemREST, Code: "operation"}, own}
	case ClassLog:
		return coding{systemDICOM, "110101", "Audit Log Used"}, []coding{own}
	}
	kind := coding{systemType, "rest", "RESTful Operation"}
	if _, ok := restActions[r.Action]; ok {
		return kind, []coding{{System: systemREST, Code: r.Action}}
	}
	if strings.HasPrefix(r.Action, "$") {
		return kind, []coding{{System: systemREST, Code: "operation"}, own}
	}
	return kind, []coding{own}
}

// profileOf is the pattern of IHE that the event follows, "" for none.
func profileOf(r *Record, patient string) string {
	pattern := restActions[r.Action].pattern
	if r.Class != ClassREST || pattern == "" {
		return ""
	}
	if pattern != "Query" && (len(r.Entities) != 1 || referenceTo(r.Entities[0]) == "") {
		return ""
	}
	if patient != "" {
		pattern = "Patient" + pattern
	}
	return "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit." + pattern
}
