package fhirpath

import (
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
)

// A Kind says what an Item is.
type Kind uint8

// The kinds of items: a node of the tree, or one of the System types.
// http://hl7.org/fhirpath/N1/#literals
const (
	KindNode Kind = iota + 1
	KindBoolean
	KindString
	KindInteger
	KindDecimal
	KindDate
	KindDateTime
	KindTime
	KindQuantity
	// KindReference is what resolve() gives where the resource itself is not
	// at hand: its type is known, its content is not.
	KindReference
	// KindType is what type() gives.
	KindType
)

var kindNames = [...]string{
	KindNode: "node", KindBoolean: "Boolean", KindString: "String", KindInteger: "Integer",
	KindDecimal: "Decimal", KindDate: "Date", KindDateTime: "DateTime", KindTime: "Time",
	KindQuantity: "Quantity", KindReference: "reference", KindType: "TypeInfo",
}

func (k Kind) String() string { return kindNames[k] }

// An Item is one entry of a collection: a node of a tree or a value that the
// evaluation made. It is immutable.
type Item struct {
	kind  Kind
	node  fhir.Node
	value any // bool, string, int64, decimal, temporal, quantity, *fhir.Type, typeInfo
}

// Kind is what the item is.
func (i Item) Kind() Kind { return i.kind }

// Node is the tree node, absent where the item is a value.
func (i Item) Node() fhir.Node { return i.node }

// NodeItem is a node as an item.
func NodeItem(n fhir.Node) Item { return Item{kind: KindNode, node: n} }

// Boolean is a value of type System.Boolean.
func Boolean(b bool) Item { return Item{kind: KindBoolean, value: b} }

// String is a value of type System.String.
func String(s string) Item { return Item{kind: KindString, value: s} }

// Integer is a value of type System.Integer.
func Integer(n int64) Item { return Item{kind: KindInteger, value: n} }

func decimalItem(d decimal) Item   { return Item{kind: KindDecimal, value: d} }
func quantityItem(q quantity) Item { return Item{kind: KindQuantity, value: q} }
func temporalItem(t temporal) Item { return Item{kind: t.kind, value: t} }

// Bool is the value of a boolean, and whether the item is one.
func (i Item) Bool() (value, ok bool) {
	value, ok = i.system().value.(bool)
	return value, ok
}

// Int is the value of an integer, and whether the item is one.
func (i Item) Int() (value int64, ok bool) {
	value, ok = i.system().value.(int64)
	return value, ok
}

// Text is the item as text: a string itself, numbers and times as FHIR writes
// them, a quantity as toString() does. It is "" for a complex node.
func (i Item) Text() string {
	if i.kind == KindNode && i.node.HasValue() {
		return i.node.Text()
	}
	switch v := i.system().value.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case decimal:
		return v.String()
	case temporal:
		return v.String()
	case quantity:
		return v.String()
	case typeInfo:
		return v.namespace + "." + v.name
	}
	return ""
}

// TypeName is the item's type with its namespace: "FHIR.Patient",
// "System.String".
func (i Item) TypeName() string {
	t := i.typeInfo()
	return t.namespace + "." + t.name
}

// typeInfo is what type() tells of an item.
type typeInfo struct{ namespace, name string }

func (i Item) typeInfo() typeInfo {
	switch i.kind {
	case KindNode:
		return typeInfo{"FHIR", i.node.Type().Name}
	case KindReference:
		return typeInfo{"FHIR", i.value.(*fhir.Type).Name}
	}
	return typeInfo{"System", i.kind.String()}
}

// system is the System value of a primitive or quantity node, as the implicit
// conversions of FHIR have it; other items stay as they are. A primitive whose
// text is not of its type is a string.
// http://hl7.org/fhir/R4/fhirpath.html#types
func (i Item) system() Item {
	if i.kind != KindNode {
		return i
	}
	if !i.node.HasValue() {
		if q, ok := quantityOf(i.node); ok {
			return quantityItem(q)
		}
		return i
	}
	text := i.node.Text()
	switch i.node.Type().Name {
	case "boolean":
		return Boolean(text == "true")
	case "integer", "positiveInt", "unsignedInt", "integer64":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return Integer(n)
		}
	case "decimal":
		if d, ok := parseDecimal(text); ok {
			return decimalItem(d)
		}
	case "date":
		return temporalOr(KindDate, text)
	case "dateTime", "instant":
		return temporalOr(KindDateTime, text)
	case "time":
		return temporalOr(KindTime, text)
	}
	return String(text)
}

func temporalOr(kind Kind, text string) Item {
	if t, ok := parseTemporal(kind, text); ok {
		return temporalItem(t)
	}
	return String(text)
}
