package audit

import "bytes"

// A PatientFinder collects the patients that JSON speaks of, as it passes by in
// pieces: every reference and URL that ends in Patient/{id}, with a version or
// without. It may find one that is only named in a text; it misses none.
type PatientFinder struct {
	found []string
	known map[string]bool
	// first is room for the first, who are often the only ones.
	first [2]string
	// joint has, in its first tail bytes, the end of the piece before, where a
	// name may have begun.
	joint [2 * maxPatientName]byte
	tail  int
}

// maxPatientName is the length of the longest name of a patient with what
// stands beside it: "Patient\/" + 64 + "\/_history".
const maxPatientName = 96

// Write takes the next piece. It never fails.
func (f *PatientFinder) Write(b []byte) (int, error) {
	if f.tail > 0 {
		n := copy(f.joint[f.tail:], b[:min(len(b), maxPatientName)])
		f.scan(f.joint[:f.tail+n])
	}
	f.scan(b)
	if len(b) >= maxPatientName {
		f.tail = copy(f.joint[:], b[len(b)-maxPatientName:])
		return len(b), nil
	}
	over := max(0, f.tail+len(b)-maxPatientName)
	f.tail = copy(f.joint[:], f.joint[min(over, f.tail):f.tail])
	f.tail += copy(f.joint[f.tail:], b)
	return len(b), nil
}

var patientName = []byte("Patient")

// scan looks through one piece. An id at its end may go on: it is left.
func (f *PatientFinder) scan(b []byte) {
	for {
		at := bytes.Index(b, patientName)
		if at < 0 {
			return
		}
		begins := at > 0 && (b[at-1] == '"' || b[at-1] == '/')
		b = b[at+len(patientName):]
		if !begins {
			continue
		}
		if n := f.again(b); n > 0 {
			b = b[n:]
			continue
		}
		rest := bytes.TrimPrefix(b, []byte(`\`))
		if len(rest) == 0 || rest[0] != '/' {
			continue
		}
		if id := leadingID(rest[1:]); id != nil {
			f.add(id)
		}
	}
}

// again is the length of the reference to the patient that was found last, where
// a text goes on with it, and 0 otherwise: what is about one patient mostly stands
// together.
func (f *PatientFinder) again(b []byte) int {
	if len(f.found) == 0 {
		return 0
	}
	last := f.found[len(f.found)-1]
	if n := 1 + len(last); len(b) > n && b[0] == '/' && b[n] == '"' && string(b[1:n]) == last {
		return n
	}
	return 0
}

// leadingID is the id that a text begins with, where the reference ends after
// it or goes on with a version; nil otherwise.
func leadingID(b []byte) []byte {
	n := 0
	for n < len(b) && n <= 64 && inID[b[n]] {
		n++
	}
	if n == 0 || n > 64 || n == len(b) {
		return nil
	}
	switch rest := bytes.TrimPrefix(b[n:], []byte(`\`)); {
	case len(rest) == 0:
		return nil
	case rest[0] == '"', rest[0] == '#', rest[0] == '?', bytes.HasPrefix(rest, []byte("/_history")):
		return b[:n]
	}
	return nil
}

// inID are the bytes of ids. https://hl7.org/fhir/R4/datatypes.html#id
var inID = func() (in [256]bool) {
	for _, c := range []byte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-.") {
		in[c] = true
	}
	return in
}()

// fewPatients are looked through one by one.
const fewPatients = 8

// Add adds a patient by its id.
func (f *PatientFinder) Add(id string) { f.add([]byte(id)) }

func (f *PatientFinder) add(id []byte) {
	if last := len(f.found) - 1; last >= 0 && f.found[last] == string(id) || f.known[string(id)] {
		return
	}
	if f.known == nil {
		for i := len(f.found) - 1; i >= 0; i-- {
			if f.found[i] == string(id) {
				return
			}
		}
	}
	if f.found == nil {
		f.found = f.first[:0]
	}
	f.found = append(f.found, string(id))
	switch {
	case f.known != nil:
		f.known[f.found[len(f.found)-1]] = true
	case len(f.found) > fewPatients:
		f.known = map[string]bool{}
		for _, known := range f.found {
			f.known[known] = true
		}
	}
}

// Patients are the ids that were found, in their order.
func (f *PatientFinder) Patients() []string { return f.found }
