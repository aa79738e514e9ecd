package fhir

import (
	"fmt"
	"strconv"
	"strings"
)

// CheckPrimitive checks the text of a primitive, as Node.Text has it, against
// the form and range of its type: http://hl7.org/fhir/R4/datatypes.html. The
// error, of KindInvalid and code "value", says what would be right. A type
// name that is not a primitive's is an error too.
func CheckPrimitive(typeName, text string) error {
	check := primitives[typeName]
	if check == nil {
		return Errorf(KindInvalid, "%s is not a primitive type", quoteText(typeName))
	}
	problem := check(text)
	if problem == "" {
		return nil
	}
	return &Error{Kind: KindInvalid, Issues: []Issue{{
		Severity:    SeverityError,
		Code:        "value",
		Diagnostics: fmt.Sprintf("%s is not a valid %s: %s", quoteText(text), typeName, problem),
	}}}
}

// FormOf is what CheckPrimitive looks a type up for: the check of its texts,
// which says what would be right, or "" where nothing is wrong. It is nil for a
// name that is not a primitive type's.
func FormOf(typeName string) func(text string) (problem string) { return primitives[typeName] }

// primitives has a check for each type, which returns what is wrong, "" for
// nothing.
var primitives = map[string]func(string) string{
	"base64Binary": checkBase64,
	"boolean":      checkBoolean,
	"canonical":    checkURI,
	"code":         checkCode,
	"date":         checkDate,
	"dateTime":     checkDateTime,
	"decimal":      checkDecimal,
	"id":           checkID,
	"instant":      checkInstant,
	"integer":      checkInteger,
	"markdown":     checkString,
	"oid":          checkOID,
	"positiveInt":  checkPositiveInt,
	"string":       checkString,
	"time":         checkTime,
	"unsignedInt":  checkUnsignedInt,
	"uri":          checkURI,
	"url":          checkURI,
	"uuid":         checkUUID,
	"xhtml":        checkXHTML,
}

// quoteText quotes a value for a message, cut to a length that can be read.
func quoteText(text string) string { return quoteKey([]byte(text)) }

func checkBoolean(s string) string {
	if s != "true" && s != "false" {
		return "write true or false"
	}
	return ""
}

func checkInteger(s string) string     { return checkIntegerFrom(s, -1<<31) }
func checkUnsignedInt(s string) string { return checkIntegerFrom(s, 0) }
func checkPositiveInt(s string) string { return checkIntegerFrom(s, 1) }

func checkIntegerFrom(s string, least int64) string {
	unsigned := strings.TrimPrefix(s, "-")
	if !allDigits(unsigned) || unsigned[0] == '0' && s != "0" {
		return "write a whole number in digits, without fraction, exponent or leading zero"
	}
	const most = 1<<31 - 1
	if n, err := strconv.ParseInt(s, 10, 64); err != nil || n < least || n > most {
		return fmt.Sprintf("it must be between %d and %d", least, most)
	}
	return ""
}

func checkDecimal(s string) string {
	_, problem := readDecimal(s)
	return problem
}

// maxStringBytes is FHIR's greatest size of a string.
const maxStringBytes = 1 << 20

func checkString(s string) string {
	switch {
	case s == "":
		return "it may not be empty"
	case len(s) > maxStringBytes:
		return "it may not be longer than 1 MB"
	}
	for i := range len(s) {
		if c := s[i]; c < 0x20 && c != '\t' && c != '\n' && c != '\r' {
			return fmt.Sprintf("it holds control character U+%04X; only tab, line feed and carriage return are allowed", c)
		}
	}
	return ""
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func checkCode(s string) string {
	if s == "" {
		return "it may not be empty"
	}
	for i := range len(s) {
		if !isSpace(s[i]) {
			continue
		}
		if i == 0 || i == len(s)-1 || isSpace(s[i-1]) {
			return "a code has no white space at its ends and no more than one space inside"
		}
	}
	return ""
}

// ValidID reports whether s can be a resource's logical id: 1 to 64 letters,
// digits, "-" and ".". http://hl7.org/fhir/R4/datatypes.html#id
func ValidID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !isLetter(c) && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func checkID(s string) string {
	if !ValidID(s) {
		return `an id has 1 to 64 letters, digits, "-" and "."`
	}
	return ""
}

func checkURI(s string) string {
	if s == "" {
		return "it may not be empty"
	}
	for i := range len(s) {
		if isSpace(s[i]) {
			return "it may not hold white space; write %20 for a space"
		}
	}
	return ""
}

func checkOID(s string) string {
	const form = "write urn:oid: and numbers with dots between them, such as urn:oid:1.2.840"
	rest, ok := strings.CutPrefix(s, "urn:oid:")
	if !ok {
		return form
	}
	arcs := strings.Split(rest, ".")
	for i, arc := range arcs {
		if !allDigits(arc) || len(arc) > 1 && arc[0] == '0' || i == 0 && (len(arc) > 1 || arc[0] > '2') {
			return form
		}
	}
	if len(arcs) < 2 {
		return form
	}
	return ""
}

func checkUUID(s string) string {
	const form = "write urn:uuid: and a UUID in lower case, such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
	rest, ok := strings.CutPrefix(s, "urn:uuid:")
	if !ok || len(rest) != 36 {
		return form
	}
	for i := range len(rest) {
		c := rest[i]
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (c == '-') {
			return form
		}
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return form
		}
	}
	return ""
}

func checkBase64(s string) string {
	count, padding := 0, 0
	for i := range len(s) {
		c := s[i]
		switch {
		case isSpace(c):
			continue
		case c == '=':
			padding++
		case !isLetter(c) && (c < '0' || c > '9') && c != '+' && c != '/':
			return fmt.Sprintf("character %d is not one of base64's", i+1)
		case padding > 0:
			return `"=" may stand only at the end`
		}
		count++
	}
	if count == 0 || count%4 != 0 || padding > 2 {
		return `base64 has groups of four characters, the last filled up with "="`
	}
	return ""
}

func checkDate(s string) string {
	m, problem := readMoment(s)
	if problem == "" && m.precision > PrecisionDay {
		problem = "a date has no time; write 2020-01-31"
	}
	return problem
}

func checkDateTime(s string) string {
	m, problem := readMoment(s)
	switch {
	case problem != "" || m.precision <= PrecisionDay:
		return problem
	case m.precision == PrecisionMinute:
		return "a time must have seconds, as in 2020-01-31T09:30:00Z"
	case !m.zoned:
		return "a time must have a zone, as in 2020-01-31T09:30:00Z"
	}
	return ""
}

func checkInstant(s string) string {
	m, problem := readMoment(s)
	if problem == "" && (m.precision < PrecisionSecond || !m.zoned) {
		problem = "an instant has a date, seconds and a zone, as in 2020-01-31T09:30:00Z"
	}
	return problem
}

func checkTime(s string) string {
	var m moment
	r := dateReader{rest: s}
	r.time(&m)
	if r.problem == "" && (m.precision < PrecisionSecond || r.rest != "") {
		r.fail("a time is hh:mm:ss, with no zone")
	}
	return r.problem
}
