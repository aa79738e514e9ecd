package audit

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// A Selection says which records a report has. Fields that are not set leave
// nothing out.
type Selection struct {
	Store       string
	Patient     string // an id
	User        string // the subject, or the FHIRUser
	Client      string
	Address     string
	Since       time.Time
	Until       time.Time // before
	FailedAlone bool
}

// Report calls fn for the selected records of a folder of segments and its
// archive, in order. A server may have the log open.
func Report(dir, archive string, sel Selection, fn func(Stored) error) error {
	return Folder{Dir: dir, Archive: archive}.Report(sel, fn)
}

// Report is Report of the package, with keys.
func (f Folder) Report(sel Selection, fn func(Stored) error) error {
	// What is not in the bytes is not in the record: most are never decoded.
	var words [][]byte
	for _, w := range []string{sel.Store, sel.Patient, sel.User, sel.Client, sel.Address} {
		if w != "" && !strings.ContainsAny(w, "\"\\<>&\u2028\u2029") {
			words = append(words, []byte(w))
		}
	}
	lacks := func(text []byte) bool {
		return slices.ContainsFunc(words, func(w []byte) bool { return !bytes.Contains(text, w) })
	}
	return f.eachText(func(number uint64, text []byte) error {
		if lacks(text) {
			return nil
		}
		s, err := decode(number, text)
		if err != nil || !sel.has(&s) {
			return err
		}
		return fn(s)
	})
}

func (sel *Selection) has(s *Stored) bool {
	equal := func(want string, got ...string) bool { return want == "" || slices.Contains(got, want) }
	return equal(sel.Store, s.Store) && equal(sel.Client, s.Agent.Client) && equal(sel.Address, s.Agent.Address) &&
		equal(sel.User, s.Agent.User, s.Agent.FHIRUser) && equal(sel.Patient, s.Patients...) &&
		(sel.Since.IsZero() || !s.Time.Before(sel.Since)) && (sel.Until.IsZero() || s.Time.Before(sel.Until)) &&
		(!sel.FailedAlone || s.Failed())
}
