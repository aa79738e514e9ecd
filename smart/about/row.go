package about

import (
	"slices"
	"strings"
)

// A Patient is one as the page shows one.
type Patient struct {
	ID   string `json:"id"`
	Name []struct {
		Use, Text, Family string
		Given, Prefix     []string
	} `json:"name"`
	BirthDate  string `json:"birthDate"`
	Gender     string `json:"gender"`
	Identifier []struct{ Value string }
}

// Display is the official or first name.
func (p Patient) Display() string {
	if len(p.Name) == 0 {
		return ""
	}
	n := p.Name[0]
	for _, other := range p.Name {
		if other.Use == "official" {
			n = other
			break
		}
	}
	if n.Text != "" {
		return n.Text
	}
	return strings.Join(slices.Concat(n.Prefix, n.Given, []string{n.Family}), " ")
}

// Identifiers are the first identifiers, to tell namesakes apart.
func (p Patient) Identifiers() string {
	var values []string
	for _, i := range p.Identifier {
		if i.Value != "" && len(values) < 2 {
			values = append(values, i.Value)
		}
	}
	return strings.Join(values, ", ")
}

// An Encounter is one as the page shows one.
type Encounter struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Class  struct{ Code, Display string }
	Type   []struct {
		Text   string
		Coding []struct{ Display string }
	}
	Period struct{ Start, End string }
}

// Display says what kind of encounter it is.
func (e Encounter) Display() string {
	for _, t := range e.Type {
		if t.Text != "" {
			return t.Text
		}
		for _, c := range t.Coding {
			if c.Display != "" {
				return c.Display
			}
		}
	}
	if e.Class.Display != "" {
		return e.Class.Display
	}
	return e.Class.Code
}
