package graphql

import (
	"slices"
	"strings"
)

// metaDefinition is the types of introspection, each as a list of fields with
// their types. https://spec.graphql.org/October2021/#sec-Schema-Introspection.Schema-Introspection-Schema
var metaDefinition = []struct{ name, fields string }{
	{"__Schema", "description:String types:[__Type!]! queryType:__Type! mutationType:__Type subscriptionType:__Type directives:[__Directive!]!"},
	{"__Type", "kind:__TypeKind! name:String description:String fields:[__Field!] interfaces:[__Type!] possibleTypes:[__Type!] enumValues:[__EnumValue!] inputFields:[__InputValue!] ofType:__Type specifiedByURL:String isOneOf:Boolean"},
	{"__Field", "name:String! description:String args:[__InputValue!]! type:__Type! isDeprecated:Boolean! deprecationReason:String"},
	{"__InputValue", "name:String! description:String type:__Type! defaultValue:String isDeprecated:Boolean! deprecationReason:String"},
	{"__EnumValue", "name:String! description:String isDeprecated:Boolean! deprecationReason:String"},
	{"__Directive", "name:String! description:String isRepeatable:Boolean! locations:[__DirectiveLocation!]! args:[__InputValue!]!"},
}

var metaEnums = []*metaType{
	{kind: "ENUM", name: "__TypeKind", enum: strings.Fields("SCALAR OBJECT INTERFACE UNION ENUM INPUT_OBJECT LIST NON_NULL")},
	{kind: "ENUM", name: "__DirectiveLocation", enum: strings.Fields("QUERY MUTATION SUBSCRIPTION FIELD FRAGMENT_DEFINITION FRAGMENT_SPREAD INLINE_FRAGMENT VARIABLE_DEFINITION SCHEMA SCALAR OBJECT FIELD_DEFINITION ARGUMENT_DEFINITION INTERFACE UNION ENUM ENUM_VALUE INPUT_OBJECT INPUT_FIELD_DEFINITION")},
}

// metaFields, metaFieldNames and metaFieldTypes are metaDefinition, read: the
// fields by type and name, their order, and their types by "type.name".
var metaFields, metaFieldNames, metaFieldTypes = readMeta()

func readMeta() (fields map[string]map[string]field, names map[string][]string, types map[string]*metaType) {
	fields, names, types = map[string]map[string]field{}, map[string][]string{}, map[string]*metaType{}
	for _, d := range metaDefinition {
		fields[d.name] = map[string]field{}
		for _, text := range strings.Fields(d.fields) {
			name, typ, _ := strings.Cut(text, ":")
			f := field{name: name, kind: fieldMeta, list: strings.HasPrefix(typ, "[")}
			base := strings.Trim(typ, "[]!")
			if slices.ContainsFunc(metaDefinition, func(d struct{ name, fields string }) bool { return d.name == base }) {
				f.of = []object{{kind: objectMeta, meta: base}}
			} else {
				f.scalar = base
			}
			fields[d.name][name] = f
			names[d.name] = append(names[d.name], name)
			types[d.name+"."+name] = metaTypeOf(typ)
		}
	}
	return fields, names, types
}

// metaTypeOf reads a type as the definition has it: [__Type!]!.
func metaTypeOf(text string) *metaType {
	if inner, ok := strings.CutSuffix(text, "!"); ok {
		return metaNonNull(metaTypeOf(inner))
	}
	if strings.HasPrefix(text, "[") {
		return metaList(metaTypeOf(strings.Trim(text, "[]")))
	}
	for _, e := range metaEnums {
		if e.name == text {
			return e
		}
	}
	if strings.HasPrefix(text, "__") {
		return metaObject(object{kind: objectMeta, meta: text})
	}
	return metaScalar(text)
}

// metaOwnTypes is the types of introspection itself.
func metaOwnTypes() []described {
	var types []described
	for _, d := range metaDefinition {
		types = append(types, metaObject(object{kind: objectMeta, meta: d.name}))
	}
	for _, e := range metaEnums {
		types = append(types, e)
	}
	return types
}

// introspectionFields are the fields that the query itself has for
// introspection.
var introspectionFields = map[string]field{
	"__schema": {name: "__schema", kind: fieldMeta, of: []object{{kind: objectMeta, meta: "__Schema"}}},
	"__type":   {name: "__type", kind: fieldMeta, of: []object{{kind: objectMeta, meta: "__Type"}}},
}

var includeDeprecated = []argument{{name: "includeDeprecated", kind: argBool, typ: "Boolean"}}

// metaArguments are the arguments of introspection's fields, by name. Nothing
// is deprecated, so that includeDeprecated changes nothing.
var metaArguments = map[string][]argument{
	"__type": {{name: "name", kind: argText, typ: "String", required: true}},
	"fields": includeDeprecated, "enumValues": includeDeprecated, "inputFields": includeDeprecated, "args": includeDeprecated,
}

var condition = []described{metaInput{name: "if", kind: argBool, typ: "Boolean", required: true}}

// metaDirectives are the directives that readDirectives and included know.
var metaDirectives = []described{
	&metaDirective{"skip", "Leaves the selection out if the argument is true.", []string{"FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"}, condition},
	&metaDirective{"include", "Leaves the selection out unless the argument is true.", []string{"FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"}, condition},
	&metaDirective{"flatten", "Puts the fields inside into the place of the field.", []string{"FIELD"}, []described{}},
	&metaDirective{"first", "Takes the first value only.", []string{"FIELD"}, []described{}},
	&metaDirective{"singleton", "Makes the field one value rather than a list.", []string{"FIELD"}, []described{}},
	&metaDirective{"slice", "Makes a field of each value, with the path's value or $index after its name.", []string{"FIELD"},
		[]described{metaInput{name: "path", kind: argText, typ: "String", required: true}}},
}
