package audit

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzRecordJSON(f *testing.F) {
	f.Add("read", "Patient/1", "a\"\\\n\x00\u2028é", 200, true, int64(1769860800123456789))
	f.Add("", "", "", 0, false, int64(0))
	f.Fuzz(func(t *testing.T, a, b, c string, n int, yes bool, nanos int64) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) || !utf8.ValidString(c) {
			return
		}
		r := Record{Time: time.Unix(0, nanos).UTC(), Action: a, Class: Class(b), Store: c, Request: a, Entry: n, Status: -n, Refused: yes, Query: b, Detail: c}
		if yes {
			r.Agent = Agent{FHIRUser: a, Client: b, Address: c, Roles: []string{a, b}, Purpose: c}
			r.Entities, r.Patients = []string{a, b, c}, []string{c}
		}
		text := r.append(nil)
		var back Record
		if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, r) {
			t.Errorf("%+v becomes %s, and %+v: %v", r, text, back, err)
		}
	})
}
