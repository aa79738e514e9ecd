package main

import (
	"bytes"
	"encoding/json"
	"strings"
)

// The parts of each conformance resource that become facts.

type canonical struct{ URL string }

func (c canonical) url() string { return c.URL }

type structureDefinition struct {
	canonical
	Name, Kind, Type, BaseDefinition, Derivation string
	Abstract                                     bool
	Snapshot                                     struct{ Element []elementDefinition }
}

type elementDefinition struct {
	Path, Max, ContentReference string
	Min, MaxLength              int
	Base                        struct{ Path string }
	IsSummary, IsModifier       bool
	Type                        []elementType
	Binding                     *struct{ Strength, ValueSet string }
	Constraint                  []struct{ Key, Severity, Human, Expression string }

	fixed, pattern string // JSON text
}

type elementType struct {
	Code          string
	TargetProfile []string
	Extension     []struct{ URL, ValueURL string }
}

// UnmarshalJSON also keeps fixed[x] and pattern[x], whose names vary.
func (e *elementDefinition) UnmarshalJSON(data []byte) error {
	type plain elementDefinition
	if err := json.Unmarshal(data, (*plain)(e)); err != nil {
		return err
	}
	if !bytes.Contains(data, []byte(`"fixed`)) && !bytes.Contains(data, []byte(`"pattern`)) {
		return nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	for key, value := range all {
		switch {
		case strings.HasPrefix(key, "fixed"):
			e.fixed = string(value)
		case strings.HasPrefix(key, "pattern"):
			e.pattern = string(value)
		}
	}
	return nil
}

type searchParameter struct {
	canonical
	Code, Type, Expression, Description string
	Base, Target                        []string
	Component                           []struct{ Definition, Expression string }
}

type compartmentDefinition struct {
	canonical
	Code     string
	Resource []struct {
		Code  string
		Param []string
	}
}

type operationDefinition struct {
	canonical
	Code                                 string
	System, Type, Instance, AffectsState bool
	Resource                             []string
}

type valueSet struct {
	canonical
	Compose struct {
		Include []struct{ System string }
	}
	Expansion struct {
		Extension []struct {
			URL          string
			ValueBoolean bool
		}
		Contains []concept
	}
}

type concept struct {
	System, Code string
	Abstract     bool
	Contains     []concept
}

type codeSystem struct {
	canonical
	CaseSensitive             *bool
	Content, HierarchyMeaning string
	Concept                   []systemConcept
}

type systemConcept struct {
	Code     string
	Property []struct{ Code, ValueCode string }
	Concept  []systemConcept
}
