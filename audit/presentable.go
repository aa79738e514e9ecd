package audit

import (
	"cmp"
	"strings"
)

// presentable is a record as a resource can hold it. What callers send is
// recorded as it came, and comes with bytes that no FHIR string may have: an
// AuditEvent that nobody takes would keep back all that come after it.
// http://hl7.org/fhir/R4/datatypes.html#string
func presentable(r Record) Record {
	r.Action, r.Agent.Purpose = cmp.Or(codeOf(r.Action), "unknown"), codeOf(r.Agent.Purpose)
	for _, text := range []*string{&r.Request, &r.Detail, &r.Agent.User, &r.Agent.FHIRUser, &r.Agent.Client, &r.Agent.Address} {
		*text = textOf(*text)
	}
	r.Entities, r.Agent.Roles = textsOf(r.Entities), textsOf(r.Agent.Roles)
	return r
}

// textsOf leaves out what is empty.
func textsOf(all []string) []string {
	clean := make([]string, 0, len(all))
	for _, text := range all {
		if text = textOf(text); text != "" {
			clean = append(clean, text)
		}
	}
	return clean
}

// maxText bounds what becomes one string.
const maxText = 64 << 10

// textOf is a text with replacement characters for what no string may hold.
func textOf(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if text != "" && strings.TrimSpace(text) == "" {
		return "\uFFFD"
	}
	return text
}

// codeOf is a text as a code: without white space but for single spaces within.
func codeOf(text string) string { return strings.Join(strings.Fields(textOf(text)), " ") }
