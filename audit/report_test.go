package audit

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	l := openLog(t, t.TempDir(), small)
	for _, s := range samples() {
		if err := l.Append(s.Record); err != nil {
			t.Fatal(err)
		}
	}
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		sel  Selection
		want string
	}{
		{Selection{}, "1 2 3 4 5 6 7 8 9 10 11 12"},
		{Selection{Patient: "1"}, "1 2 5 6"},
		{Selection{Patient: "3"}, "2"},
		{Selection{Patient: "u1"}, ""},
		{Selection{User: "u1"}, "1 2 3 8 10"},
		{Selection{User: "Practitioner/1", FailedAlone: true}, "3"},
		{Selection{Client: "service"}, "5"},
		{Selection{Address: "192.0.2.1", Store: "default"}, "1"},
		{Selection{Since: noon.Add(1)}, ""},
		{Selection{Until: noon}, ""},
		{Selection{Since: noon, Until: noon.Add(1), Patient: "2"}, "2"},
		{Selection{Patient: `"`}, ""},
	} {
		var got []string
		err := Report(l.Dir(), "", c.sel, func(s Stored) error { got = append(got, fmt.Sprint(s.Number)); return nil })
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v, %v; want %s", c.sel, got, err, c.want)
		}
	}
}
