package patch

import (
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A list is the values that one property has in an object: the items of an
// array, or a single value. A primitive's companions ("_given") go along.
type list struct {
	object   int // offset of the object
	property *fhir.Property
	count    int
}

func (l *list) repeats() bool { return l.property.Element.Max != 1 }

// place finds the list that a value is in, and its index there.
func (s *session) place(n fhir.Node) (l list, index int, err error) {
	l.property = n.Property()
	if l.property == nil {
		return l, 0, unprocessable("the path selects the resource itself; select an element of it")
	}
	if l.object, err = s.object(n.Parent()); err != nil {
		return l, 0, err
	}
	for c := range n.Parent().Children() {
		if c == n {
			index = l.count
		}
		if c.Property() == l.property {
			l.count++
		}
	}
	return l, index, nil
}

// object is the offset of the JSON object that holds the children of a value,
// -1 where the value is a primitive that has none.
func (s *session) object(n fhir.Node) (int, error) {
	if !n.IsPrimitive() {
		start, _ := n.Span()
		return start, nil
	}
	l, index, err := s.place(n)
	if err != nil {
		return 0, err
	}
	at, ok := s.item(l, "_"+l.property.JSON, index)
	if !ok || s.src[at.start] != '{' {
		return -1, nil
	}
	return at.start, nil
}

// item is where the index-th value under a key stands.
func (s *session) item(l list, key string, index int) (span, bool) {
	all := members(s.src, l.object)
	i := named(all, key)
	if i < 0 {
		return span{}, false
	}
	if !l.repeats() {
		return span{all[i].value, all[i].end}, true
	}
	each := items(s.src, all[i].value)
	if index >= len(each) {
		return span{}, false
	}
	return each[index], true
}

func (s *session) insertAt(l list, index int, v value) error {
	return s.sides(l, func(key string, companion bool) error {
		text := v.side(companion)
		if !l.repeats() {
			return s.set(l, key, 0, text)
		}
		return s.insertSide(l, key, index, text)
	})
}

func (s *session) replaceAt(l list, index int, v value) error {
	return s.sides(l, func(key string, companion bool) error {
		return s.set(l, key, index, v.side(companion))
	})
}

func (s *session) removeAt(l list, index int) error {
	return s.sides(l, func(key string, _ bool) error {
		all := members(s.src, l.object)
		i := named(all, key)
		switch {
		case i < 0:
			return nil
		case !l.repeats() || l.count == 1:
			return s.removeMember(l.object, i)
		}
		if err := s.removeItem(all[i].value, index); err != nil {
			return err
		}
		return s.dropNulls(l, key)
	})
}

func (s *session) moveAt(l list, from, to int) error {
	return s.sides(l, func(key string, _ bool) error {
		all := members(s.src, l.object)
		i := named(all, key)
		if i < 0 || from == to {
			return nil
		}
		array := all[i].value
		at := items(s.src, array)[from]
		text := string(s.src[at.start:at.end])
		if err := s.removeItem(array, from); err != nil {
			return err
		}
		return s.insertItem(array, to, text)
	})
}

// sides calls f for the key of the values and, for primitives, that of their
// companions.
func (s *session) sides(l list, f func(key string, companion bool) error) error {
	if err := f(l.property.JSON, false); err != nil {
		return err
	}
	if l.property.Type.Kind != fhir.KindPrimitive {
		return nil
	}
	return f("_"+l.property.JSON, true)
}

// set puts a text in the place of the index-th value under a key, whether or
// not there is one; "" is no value.
func (s *session) set(l list, key string, index int, text string) error {
	all := members(s.src, l.object)
	i := named(all, key)
	switch {
	case i < 0 && text == "":
		return nil
	case i < 0 && l.repeats():
		return s.addMember(l.object, key, sparse(l.count, index, text))
	case i < 0:
		return s.addMember(l.object, key, text)
	case !l.repeats() && text == "":
		return s.removeMember(l.object, i)
	case !l.repeats():
		return s.replace(span{all[i].value, all[i].end}, text)
	}
	if err := s.replace(items(s.src, all[i].value)[index], orNull(text)); err != nil {
		return err
	}
	return s.dropNulls(l, key)
}

// insertSide inserts into the array under a key, which is made where it is
// missing and there is something to put in.
func (s *session) insertSide(l list, key string, index int, text string) error {
	all := members(s.src, l.object)
	i := named(all, key)
	switch {
	case i < 0 && text == "":
		return nil
	case i < 0:
		return s.addMember(l.object, key, sparse(l.count+1, index, text))
	}
	return s.insertItem(all[i].value, index, orNull(text))
}

// dropNulls removes an array in which no value is left.
func (s *session) dropNulls(l list, key string) error {
	all := members(s.src, l.object)
	i := named(all, key)
	for _, at := range items(s.src, all[i].value) {
		if s.src[at.start] != 'n' {
			return nil
		}
	}
	return s.removeMember(l.object, i)
}

func orNull(text string) string {
	if text == "" {
		return "null"
	}
	return text
}

// sparse is an array with one value among nulls.
func sparse(count, index int, text string) string {
	texts := make([]string, count)
	for i := range texts {
		texts[i] = "null"
	}
	texts[index] = text
	return "[" + strings.Join(texts, ",") + "]"
}
