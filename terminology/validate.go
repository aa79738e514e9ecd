package terminology

import (
	"fmt"
	"slices"
)

// A Verdict is the answer of a check: whether the code is right, why not, and
// the display that it should have.
// http://hl7.org/fhir/R4/valueset-operation-validate-code.html
type Verdict struct {
	Result  bool
	Message string
	Display string
	// Coding is the one of several that is right.
	Coding Coding
}

// A Check says how codes are checked.
type Check struct {
	// Abstract allows codes that only group others.
	Abstract bool
	// Language is that of the display, "" for any.
	Language string
	Versions Versions
}

// Validate checks whether any of the codings is in the value set. A display
// that is given must be one that the code has.
func (v *ValueSet) Validate(codings []Coding, how Check) (Verdict, error) {
	var verdict Verdict
	var failed error
	for _, c := range codings {
		entry, ok, err := v.has(scope{versions: how.Versions}, c)
		switch {
		case err != nil:
			failed = err
			continue
		case !ok:
			verdict.add("the code %q of the system %q is not in the value set %s", c.Code, c.System, v.URL)
			continue
		}
		if verdict.accept(entry, c, how) {
			return verdict, nil
		}
	}
	switch {
	case failed != nil && verdict.Message == "":
		return Verdict{}, failed
	case failed != nil:
		verdict.add("%v", failed)
	}
	return verdict, nil
}

// Validate checks whether any of the codings is a code of the system. The error
// is about another server that had to be asked.
// http://hl7.org/fhir/R4/codesystem-operation-validate-code.html
func (s *CodeSystem) Validate(codings []Coding, how Check) (Verdict, error) {
	var verdict Verdict
	var failed error
	how.Abstract = true
	for _, c := range codings {
		if c.System != "" && c.System != s.URL {
			verdict.add("the code %q is of the system %q, not of %s", c.Code, c.System, s.URL)
			continue
		}
		m, err := s.member(c.Code)
		if isNotFound(err) || s.grammar != nil && err != nil {
			verdict.add("%v", err)
			continue
		}
		if err != nil {
			failed = err
			continue
		}
		if verdict.accept(m.entry(), c, how) {
			return verdict, nil
		}
	}
	if failed != nil {
		return Verdict{}, failed
	}
	return verdict, nil
}

// accept decides about a code that is there.
func (v *Verdict) accept(e Entry, c Coding, how Check) bool {
	v.Display = e.In(how.Language)
	if e.Abstract && !how.Abstract {
		v.add("the code %q of the system %q only groups others and cannot be chosen", e.Code, e.System)
		return false
	}
	if c.Display != "" && !e.named(c.Display, how.Language) {
		v.add("%q is not the display of the code %q of the system %q; that is %q", c.Display, e.Code, e.System, v.Display)
		return false
	}
	v.Result, v.Message, v.Coding = true, "", e.Coding
	return true
}

func (v *Verdict) add(format string, args ...any) {
	if v.Message != "" {
		v.Message += "; "
	}
	v.Message += fmt.Sprintf(format, args...)
}

// named reports whether a text is the display or a designation, without regard
// to case and spacing. An entry without display has any.
func (e *Entry) named(text, language string) bool {
	same := func(other string) bool { return text == other || alike(text, other) }
	if e.Display == "" || same(e.Display) {
		return true
	}
	return slices.ContainsFunc(e.Designations, func(d Designation) bool {
		return (language == "" || matchesLanguage(d.Language, language)) && same(d.Value)
	})
}
