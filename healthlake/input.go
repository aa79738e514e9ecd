package healthlake

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// An input is one structure of a request. Its methods read members by their
// constraints and note what is wrong; finish tells all of it at once, as AWS
// does.
type input struct {
	members map[string]any
	// path is where the structure is, "" or "sseConfiguration.".
	path  string
	known map[string]bool
	notes *notes
	// parts are the structures within it that were read.
	parts []*input
}

// notes are what is wrong with a request.
type notes struct {
	// wrongType is a member of another JSON type than it must be.
	wrongType string
	broken    []string
}

func newInput(members map[string]any) *input {
	return &input{members: members, known: map[string]bool{}, notes: &notes{}}
}

// A constraint is one of the API model's.
type constraint struct {
	required bool
	min, max int // of characters; 0 for none
	pattern  *regexp.Regexp
	enum     []string
}

func (in *input) at(name string) string {
	return in.path + strings.ToLower(name[:1]) + name[1:]
}

// member is a member that is there and not null.
func (in *input) member(name string) (any, bool) {
	in.known[name] = true
	value := in.members[name]
	return value, value != nil
}

func (in *input) has(name string) bool {
	_, ok := in.member(name)
	return ok
}

// breaks notes a value that breaks a constraint.
func (in *input) breaks(name string, value any, format string, args ...any) {
	shown := "null"
	if value != nil {
		shown = fmt.Sprintf("'%.100s'", fmt.Sprint(value))
	}
	in.notes.broken = append(in.notes.broken, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", shown, in.at(name), fmt.Sprintf(format, args...)))
}

func (in *input) wrongType(name, want string) {
	if in.notes.wrongType == "" {
		in.notes.wrongType = fmt.Sprintf("The member %s must be %s.", in.at(name), want)
	}
}

func (in *input) text(name string, c constraint) string {
	value, ok := in.member(name)
	if !ok {
		if c.required {
			in.breaks(name, nil, "Member must not be null")
		}
		return ""
	}
	text, ok := value.(string)
	if !ok {
		in.wrongType(name, "a string")
		return ""
	}
	in.checkText(name, text, c)
	return text
}

func (in *input) checkText(name, text string, c constraint) {
	if why := c.broken(text); why != "" {
		in.breaks(name, text, "%s", why)
	}
}

// broken says what a text has to satisfy and does not; "" for nothing.
func (c constraint) broken(text string) string {
	length := utf8.RuneCountInString(text)
	switch {
	case c.enum != nil && !slices.Contains(c.enum, text):
		return "Member must satisfy enum value set: [" + strings.Join(c.enum, ", ") + "]"
	case length < c.min:
		return fmt.Sprintf("Member must have length greater than or equal to %d", c.min)
	case c.max > 0 && length > c.max:
		return fmt.Sprintf("Member must have length less than or equal to %d", c.max)
	case c.pattern != nil && !c.pattern.MatchString(text):
		return "Member must satisfy regular expression pattern: " + c.pattern.String()
	}
	return ""
}

func (in *input) flag(name string) bool {
	value, ok := in.member(name)
	set, isFlag := value.(bool)
	if ok && !isFlag {
		in.wrongType(name, "true or false")
	}
	return set
}

// number is a whole number from 1 to max; absent, it is max.
func (in *input) number(name string, most int) int {
	value, ok := in.member(name)
	if !ok {
		return most
	}
	text, isNumber := value.(json.Number)
	n, err := strconv.Atoi(string(text))
	switch {
	case !isNumber || err != nil:
		in.wrongType(name, "a whole number")
	case n < 1:
		in.breaks(name, n, "Member must have value greater than or equal to 1")
	case n > most:
		in.breaks(name, n, "Member must have value less than or equal to %d", most)
	}
	return n
}

// time is a number of seconds since 1970, fractions allowed; absent, it is the
// zero time.
func (in *input) time(name string) time.Time {
	value, ok := in.member(name)
	if !ok {
		return time.Time{}
	}
	text, isNumber := value.(json.Number)
	seconds, err := strconv.ParseFloat(string(text), 64)
	if !isNumber || err != nil || math.Abs(seconds) > 1e11 {
		in.wrongType(name, "a time as a number of seconds since 1970")
		return time.Time{}
	}
	whole, fraction := math.Modf(seconds)
	// A float64 does not tell nanoseconds of our days.
	return time.Unix(int64(whole), int64(fraction*1e9)).Round(time.Microsecond).UTC()
}

// structure is a structure within; nil where it is not there.
func (in *input) structure(name string, required bool) *input {
	value, ok := in.member(name)
	if !ok {
		if required {
			in.breaks(name, nil, "Member must not be null")
		}
		return nil
	}
	members, ok := value.(map[string]any)
	if !ok {
		in.wrongType(name, "a structure")
		return nil
	}
	return in.part(members, in.at(name)+".")
}

func (in *input) part(members map[string]any, path string) *input {
	part := &input{members: members, path: path, known: map[string]bool{}, notes: in.notes}
	in.parts = append(in.parts, part)
	return part
}

// list is a list of at most so many.
func (in *input) list(name string, required bool, most int) []any {
	value, ok := in.member(name)
	if !ok {
		if required {
			in.breaks(name, nil, "Member must not be null")
		}
		return nil
	}
	list, ok := value.([]any)
	switch {
	case !ok:
		in.wrongType(name, "a list")
	case len(list) > most:
		in.breaks(name, fmt.Sprintf("%d members", len(list)), "Member must have length less than or equal to %d", most)
		return nil
	}
	return list
}

// unavailable refuses members that the API knows and this server does not
// offer.
func (in *input) unavailable(why string, names ...string) {
	for _, name := range names {
		if value, ok := in.member(name); ok {
			in.breaks(name, kindOf(value), "Member is not available: %s", why)
		}
	}
}

func kindOf(value any) string {
	switch value.(type) {
	case map[string]any:
		return "{…}"
	case []any:
		return "[…]"
	}
	return fmt.Sprint(value)
}

// finish is the error of everything that is wrong; nil where nothing is. All
// members were read before: others are not known.
func (in *input) finish() error {
	in.noteUnknown()
	switch n := len(in.notes.broken); {
	case in.notes.wrongType != "":
		return failed(codeSerialization, "%s", in.notes.wrongType)
	case n == 1:
		return failed(codeValidation, "1 validation error detected: %s", in.notes.broken[0])
	case n > 1:
		return failed(codeValidation, "%d validation errors detected: %s", n, strings.Join(in.notes.broken, "; "))
	}
	return nil
}

func (in *input) noteUnknown() {
	var names []string
	for name := range in.members {
		if !in.known[name] && name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		in.breaks(name, kindOf(in.members[name]), "Member is not known here")
	}
	if _, nameless := in.members[""]; nameless {
		in.notes.wrongType = "A member has no name."
	}
	for _, part := range in.parts {
		part.noteUnknown()
	}
}
