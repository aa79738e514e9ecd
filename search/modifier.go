package search

import (
	"maps"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// modifiers are those of R4, with the parameter types that they go with; nil
// for all. http://hl7.org/fhir/R4/search.html#modifiers
var modifiers = map[string][]definition.ParamType{
	"missing":    nil,
	"exact":      {definition.ParamString},
	"contains":   {definition.ParamString},
	"text":       {definition.ParamToken},
	"not":        {definition.ParamToken},
	"in":         {definition.ParamToken},
	"not-in":     {definition.ParamToken},
	"of-type":    {definition.ParamToken},
	"above":      {definition.ParamToken, definition.ParamURI, definition.ParamReference},
	"below":      {definition.ParamToken, definition.ParamURI, definition.ParamReference},
	"identifier": {definition.ParamReference},
}

// modified reads a parameter with a modifier. None is offered yet: the error
// tells those that the standard has from others.
func (p *parser) modified(param *Param, modifier string) *fhir.Error {
	types, known := modifiers[modifier]
	ofType := len(types) == 0 || slices.Contains(types, param.Def.Type)
	if p.registry.byType[modifier] != nil {
		known, ofType = true, param.Def.Type == definition.ParamReference
	}
	switch {
	case known && ofType:
		return fhir.Errorf(fhir.KindNotSupported, "the modifier :%s of %s is not offered yet", modifier, param.Code)
	case known:
		return unknownParam("the modifier :%s does not go with %s, which is of type %s", modifier, param.Code, typeNames[param.Def.Type])
	}
	return unknownParam("%q is not a modifier of %s; R4 has :%s", modifier, param.Code,
		strings.Join(slices.Sorted(maps.Keys(modifiers)), ", :"))
}
