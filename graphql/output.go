package graphql

import (
	"github.com/tarnhealth/tarn/fhir"
)

// An output is an object of the answer in the making. Its members are in the
// order in which they first got a value.
type output struct {
	slots []*slot
	byKey map[string]*slot
}

// A slot is one member.
type slot struct {
	key    string
	values []value
	list   bool
	single bool   // by @singleton
	typ    string // of the values
}

// A value is a value of the answer: an object where obj is set, otherwise the
// JSON text in raw, to be quoted where it is what stands between quotes.
type value struct {
	raw    []byte
	quoted bool
	obj    *output
}

var null = value{raw: []byte("null")}

func textValue(s string) value { return value{raw: fhir.AppendString(nil, s)} }

func (o *output) slot(key string) *slot {
	if s := o.byKey[key]; s != nil {
		return s
	}
	if o.byKey == nil {
		o.byKey = map[string]*slot{}
	}
	s := &slot{key: key}
	o.byKey[key] = s
	o.slots = append(o.slots, s)
	return s
}

func (o *output) appendJSON(b []byte) []byte {
	b = append(b, '{')
	for i, s := range o.slots {
		if i > 0 {
			b = append(b, ',')
		}
		b = fhir.AppendString(b, s.key)
		b = append(b, ':')
		b = s.appendJSON(b)
	}
	return append(b, '}')
}

func (s *slot) appendJSON(b []byte) []byte {
	if !s.list && len(s.values) == 1 {
		return s.values[0].appendJSON(b)
	}
	b = append(b, '[')
	for i, v := range s.values {
		if i > 0 {
			b = append(b, ',')
		}
		b = v.appendJSON(b)
	}
	return append(b, ']')
}

func (v value) appendJSON(b []byte) []byte {
	switch {
	case v.obj != nil:
		return v.obj.appendJSON(b)
	case v.quoted:
		b = append(b, '"')
		b = append(b, v.raw...)
		return append(b, '"')
	}
	return append(b, v.raw...)
}
