package snapshot

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// An element is an ElementDefinition, with its members as they stand in JSON.
type element map[string]json.RawMessage

func (e element) text(name string) string {
	var s string
	if json.Unmarshal(e[name], &s) != nil {
		return ""
	}
	return s
}

func (e element) number(name string) int {
	var n int
	if json.Unmarshal(e[name], &n) != nil {
		return 0
	}
	return n
}

func (e element) set(name string, value any) {
	e[name], _ = json.Marshal(value) // of texts, numbers and structures of them
}

// A typeRef is one type of an element.
type typeRef struct {
	Code    string   `json:"code"`
	Profile []string `json:"profile"`
}

func (e element) types() []typeRef {
	var all []typeRef
	if json.Unmarshal(e["type"], &all) != nil {
		return nil
	}
	return all
}

// narrow leaves of the types those of one code.
func (e element) narrow(code string) {
	var all []json.RawMessage
	if json.Unmarshal(e["type"], &all) != nil {
		return
	}
	all = slices.DeleteFunc(all, func(raw json.RawMessage) bool {
		var t typeRef
		return json.Unmarshal(raw, &t) != nil || t.Code != code
	})
	e.set("type", all)
}

// take puts what a differential says of an element over it. Constraints are
// added to those that it has.
// http://hl7.org/fhir/R4/elementdefinition.html#interpretation
func (e element) take(diff element) {
	for name, value := range diff {
		switch name {
		case "id", "path", "sliceName":
		case "constraint":
			e["constraint"] = joined(e["constraint"], value)
		case "binding", "slicing":
			e[name] = over(e[name], value)
		default:
			if base, _, choice := cutChoice(name); choice {
				e.dropChoice(base)
			}
			e[name] = value
		}
	}
}

// over is a structure with the members that another has over its own.
func over(has, more json.RawMessage) json.RawMessage {
	var all map[string]json.RawMessage
	if json.Unmarshal(has, &all) != nil || json.Unmarshal(more, &all) != nil {
		return more
	}
	out, _ := json.Marshal(all) // of what was read as JSON
	return out
}

// cutChoice takes apart fixed[x] and pattern[x].
func cutChoice(name string) (base, of string, ok bool) {
	for _, base := range []string{"fixed", "pattern"} {
		if of, ok := strings.CutPrefix(name, base); ok {
			return base, of, true
		}
	}
	return "", "", false
}

func (e element) dropChoice(base string) {
	maps.DeleteFunc(e, func(name string, _ json.RawMessage) bool { return strings.HasPrefix(name, base) })
}

// joined is constraints with further ones; those of a key that is there replace
// it.
func joined(has, more json.RawMessage) json.RawMessage {
	var list, added []json.RawMessage
	if json.Unmarshal(has, &list) != nil || json.Unmarshal(more, &added) != nil {
		return more
	}
	key := func(raw json.RawMessage) string {
		var k struct{ Key string }
		_ = json.Unmarshal(raw, &k) // "" where it has none
		return k.Key
	}
	for _, a := range added {
		at := slices.IndexFunc(list, func(b json.RawMessage) bool { return key(b) == key(a) })
		if at >= 0 {
			list[at] = a
			continue
		}
		list = append(list, a)
	}
	out, _ := json.Marshal(list) // of what was read as JSON
	return out
}
