package access

import (
	"fmt"
	"slices"
	"strings"
)

// A tale is a story of which what is about p2 is hidden from some callers: each
// of its two tellings says the same of everybody else.
func tale(other bool) []string {
	lines := story()
	if other {
		lines = retold()
	}
	for _, p := range []string{"p1", "p2"} {
		for n, line := range more(p) {
			switch {
			case p == "p1" || !other:
			case n%3 == 0:
				continue
			case n%3 == 1:
				line = strings.NewReplacer("alpha", "delta", "completed", "stopped", "2021-02", "2022-03", "34133-9", "11488-4").Replace(line)
			}
			lines = append(lines, line)
		}
	}
	// References of p1's to what is p2's, and perhaps is not there.
	lines = append(lines,
		`{"resourceType":"Observation","id":"of-mid","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"},"partOf":[{"reference":"Procedure/mid-p2"}],"derivedFrom":[{"reference":"Observation/holds-p2"}]}`,
		`{"resourceType":"Provenance","id":"of-both","recorded":"2021-01-01T00:00:00Z","target":[{"reference":"Observation/lab-p1"},{"reference":"Patient/p1"}],"agent":[{"who":{"reference":"Practitioner/d1"}}],"entity":[{"role":"source","what":{"reference":"DocumentReference/dr-p2"}}]}`,
		`{"resourceType":"Questionnaire","id":"ask","url":"http://e.org/ask","status":"active","item":[{"linkId":"1","type":"reference"}]}`,
		`{"resourceType":"SearchParameter","id":"remark","url":"http://e.org/remark","name":"remark","status":"active","code":"remark","base":["Observation"],"type":"string","description":"x","expression":"Observation.note.text"}`,
		`{"resourceType":"SearchParameter","id":"whose","url":"http://e.org/whose","name":"whose","status":"active","code":"whose","base":["Observation"],"type":"reference","target":["Patient"],"description":"x","expression":"Observation.subject"}`,
	)
	if other {
		// Enough that numbers of versions take more digits.
		for n := range 150 {
			lines = append(lines, fmt.Sprintf(`{"resourceType":"Basic","id":"basic%d","code":{"text":"alpha beta"},"subject":{"reference":"Patient/p2","display":%q}}`, n, secret("p2")))
		}
	}
	return lines
}

// last is what one telling has happen long after the rest.
var last = fmt.Sprintf(`{"resourceType":"Observation","id":"last","status":"final","code":{"text":"alpha"},"subject":{"reference":"Patient/p2","display":%q}}`, secret("p2"))

// more is what is about a patient beside the story, of many types.
func more(p string) []string {
	subject := fmt.Sprintf(`"subject":{"reference":"Patient/%s","display":%q}`, p, secret(p))
	patient := strings.Replace(subject, `"subject"`, `"patient"`, 1)
	text := `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">alpha beta ` + secret(p) + `</div>"}`
	of := func(resourceType, id, rest string) string {
		return fmt.Sprintf(`{"resourceType":%q,"id":"%s-%s",%s,%s}`, resourceType, id, p, text, rest)
	}
	return []string{
		of("DocumentReference", "dr", `"status":"current","type":{"coding":[{"system":"http://loinc.org","code":"34133-9"}]},"date":"2021-02-03T00:00:00Z","content":[{"attachment":{"contentType":"text/plain","data":"YWxwaGE="}}],`+subject),
		of("DocumentReference", "old", `"status":"current","type":{"coding":[{"system":"http://loinc.org","code":"34133-9"}]},"date":"2020-02-03T00:00:00Z","content":[{"attachment":{"contentType":"text/plain","url":"Binary/b-`+p+`"}}],`+subject),
		of("Observation", "holds", `"contained":[{"resourceType":"Patient","id":"in","name":[{"family":"`+secret(p)+`","given":["Inner"]}]}],"status":"final","category":[{"coding":[{"system":"http://c","code":"laboratory"}]}],"code":{"text":"alpha"},"note":[{"text":"remark `+secret(p)+`"}],"performer":[{"reference":"#in"}],`+subject),
		of("Procedure", "mid", `"status":"completed","partOf":[{"reference":"Procedure/top-p1"}],`+subject),
		of("Procedure", "top", `"status":"completed",`+subject),
		of("Person", "person", `"active":true,"link":[{"target":{"reference":"Patient/`+p+`"},"assurance":"level4"}]`),
		of("Person", "doubt", `"active":true,"link":[{"target":{"reference":"Patient/`+p+`"},"assurance":"level4"},{"target":{"reference":"RelatedPerson/rp-`+p+`"},"assurance":"level4"}]`),
		of("Task", "task", `"status":"requested","intent":"order","for":{"reference":"Patient/`+p+`"},"description":"alpha"`),
		of("Device", "dev", `"deviceName":[{"name":"alpha","type":"model-name"}],`+patient),
		of("Coverage", "cov", `"status":"active","beneficiary":{"reference":"Patient/`+p+`"},"payor":[{"reference":"Organization/o1"}]`),
		of("Appointment", "appt", `"status":"booked","participant":[{"actor":{"reference":"Patient/`+p+`"},"status":"accepted"}],"start":"2021-02-03T00:00:00Z","end":"2021-02-03T01:00:00Z"`),
		of("QuestionnaireResponse", "qr", `"status":"completed","questionnaire":"http://e.org/ask",`+subject),
		of("Provenance", "prov", `"recorded":"2021-02-03T00:00:00Z","target":[{"reference":"Patient/`+p+`"},{"reference":"Observation/lab-`+p+`"}],"agent":[{"who":{"reference":"Practitioner/d1"}}]`),
		of("DiagnosticReport", "report", `"status":"final","code":{"text":"alpha"},"result":[{"reference":"Observation/lab-`+p+`"}],"effectiveDateTime":"2021-02-03",`+subject),
		of("AuditEvent", "seen", `"type":{"code":"rest"},"recorded":"2021-02-03T00:00:00Z","agent":[{"requestor":true}],"source":{"observer":{"display":"x"}},"entity":[{"what":{"reference":"Patient/`+p+`"}}]`),
		of("Group", "only", `"type":"person","actual":true,"member":[{"entity":{"reference":"Patient/`+p+`"}}]`),
		of("MeasureReport", "measured", `"status":"complete","type":"individual","measure":"http://e.org/m","period":{"start":"2021-02-03"},`+subject),
		of("ImmunizationRecommendation", "vaccine", `"date":"2021-02-03","recommendation":[{"forecastStatus":{"text":"alpha"}}],`+patient),
		// Versions that were another's.
		of("Condition", "swap", `"code":{"text":"alpha"},"subject":{"reference":"Patient/p2"}`),
		of("Condition", "swap", `"code":{"text":"alpha"},`+subject),
		of("Condition", "swap", `"code":{"text":"beta"},`+subject),
	}
}

// hiddenLine reports whether a line is about p2, and not about p1: what is hidden. The
// q patients are those that one telling has and the other does not.
func hiddenLine(line string) bool {
	if strings.HasPrefix(line, "-") {
		return strings.HasSuffix(line, "p2")
	}
	for _, name := range []string{`"id":"swap-p1"`, `"id":"g1"`, `"id":"of-mid"`, `"id":"of-both"`, `"id":"to-p`, `"id":"l-p1"`, `"id":"doc-p1"`} {
		if strings.Contains(line, name) {
			return false
		}
	}
	return slices.ContainsFunc([]string{`"Patient/p2"`, `"resourceType":"Patient","id":"p2"`, `"Patient/q`, `"resourceType":"Patient","id":"q`, `-p2"`}, func(mark string) bool { return strings.Contains(line, mark) })
}
