package audit

import (
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/fhir"
)

// append appends the record's JSON: what encoding/json would write, for a
// fraction of the time. Every request waits for it.
func (r *Record) append(b []byte) []byte {
	b = append(b, `{"t":"`...)
	b = append(r.Time.AppendFormat(b, time.RFC3339Nano), `","a":`...)
	b = fhir.AppendString(b, r.Action)
	b = member(b, "c", string(r.Class))
	b = member(b, "s", r.Store)
	b = member(b, "q", r.Request)
	b = numberMember(b, "e", r.Entry)
	b = numberMember(b, "st", r.Status)
	if r.Refused {
		b = append(b, `,"no":true`...)
	}
	b = r.Agent.append(b)
	b = listMember(b, "on", r.Entities)
	b = listMember(b, "p", r.Patients)
	b = member(b, "qy", r.Query)
	b = member(b, "d", r.Detail)
	return append(b, '}')
}

func (a *Agent) append(b []byte) []byte {
	if a.User == "" && a.FHIRUser == "" && a.Client == "" && a.Address == "" && len(a.Roles) == 0 && a.Purpose == "" {
		return b
	}
	b = append(b, `,"by":{`...)
	begin := len(b)
	b = member(b, "u", a.User)
	b = member(b, "f", a.FHIRUser)
	b = member(b, "c", a.Client)
	b = member(b, "ip", a.Address)
	b = listMember(b, "r", a.Roles)
	b = member(b, "pu", a.Purpose)
	b = append(b[:begin], b[begin+1:]...) // the first comma
	return append(b, '}')
}

func member(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return fhir.AppendString(memberName(b, name), value)
}

func numberMember(b []byte, name string, value int) []byte {
	if value == 0 {
		return b
	}
	return strconv.AppendInt(memberName(b, name), int64(value), 10)
}

func listMember(b []byte, name string, values []string) []byte {
	if len(values) == 0 {
		return b
	}
	b = append(memberName(b, name), '[')
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = fhir.AppendString(b, v)
	}
	return append(b, ']')
}

func memberName(b []byte, name string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	return append(b, '"', ':')
}
