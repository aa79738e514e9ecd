package fhirpath

import (
	"regexp"
	"strconv"
	"strings"
)

// convertFunctions are those of http://hl7.org/fhirpath/N1/#conversion
func convertFunctions() map[string]signature {
	group := map[string]signature{}
	for name, convert := range map[string]func(Item) (Item, bool){
		"Boolean":  toBoolean,
		"Integer":  toInteger,
		"Decimal":  toDecimal,
		"String":   toString,
		"Date":     func(i Item) (Item, bool) { return toTemporal(KindDate, i) },
		"DateTime": func(i Item) (Item, bool) { return toTemporal(KindDateTime, i) },
		"Time":     func(i Item) (Item, bool) { return toTemporal(KindTime, i) },
	} {
		group["to"+name] = values(0, 0, converter(convert))
		group["convertsTo"+name] = values(0, 0, convertibility(convert))
	}
	group["toQuantity"] = values(0, 1, converter(quantityFrom))
	group["convertsToQuantity"] = values(0, 1, convertibility(quantityFrom))
	return group
}

func converter(convert func(Item) (Item, bool)) runner {
	return func(m *machine, in []Item, args arguments) error {
		item, ok, err := singleValue(in)
		if err != nil || !ok {
			return err
		}
		if to, ok := convert(item); ok {
			if to, ok = inUnit(to, args[0]); ok {
				m.push(to)
			}
		}
		return nil
	}
}

func convertibility(convert func(Item) (Item, bool)) runner {
	return func(m *machine, in []Item, args arguments) error {
		item, ok, err := singleValue(in)
		if err != nil || !ok {
			return err
		}
		to, ok := convert(item)
		if ok {
			_, ok = inUnit(to, args[0])
		}
		m.push(Boolean(ok))
		return nil
	}
}

// inUnit converts a quantity to the unit asked for, if one is.
func inUnit(i Item, unit []Item) (Item, bool) {
	if len(unit) == 0 {
		return i, true
	}
	q, ok := i.value.(quantity)
	if !ok {
		return i, false
	}
	wanted := unit[0].Text()
	if word, isWord := calendarUnit(wanted); isWord {
		wanted = word
	}
	value, ok := q.inUnitOf(wanted)
	return quantityItem(quantity{value, wanted}), ok
}

var booleanTexts = map[string]bool{
	"true": true, "t": true, "yes": true, "y": true, "1": true, "1.0": true,
	"false": false, "f": false, "no": false, "n": false, "0": false, "0.0": false,
}

func toBoolean(i Item) (Item, bool) {
	switch v := i.value.(type) {
	case bool:
		return i, true
	case string:
		b, ok := booleanTexts[strings.ToLower(v)]
		return Boolean(b), ok
	}
	d, ok := number(i)
	if !ok || !d.isInt() || d.sign() < 0 || d.cmp(integerDecimal(1)) > 0 {
		return Item{}, false
	}
	return Boolean(d.sign() > 0), true
}

func toInteger(i Item) (Item, bool) {
	switch v := i.value.(type) {
	case int64:
		return i, true
	case bool:
		if v {
			return Integer(1), true
		}
		return Integer(0), true
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return Integer(n), err == nil
	}
	return Item{}, false
}

func toDecimal(i Item) (Item, bool) {
	switch v := i.value.(type) {
	case decimal:
		return i, true
	case string:
		d, ok := parseDecimal(v)
		return decimalItem(d), ok && !strings.ContainsAny(v, "eE")
	}
	n, ok := toInteger(i)
	if !ok {
		return Item{}, false
	}
	return decimalItem(integerDecimal(n.value.(int64))), true
}

func toString(i Item) (Item, bool) {
	if i.kind == KindNode || i.kind == KindReference || i.kind == KindType {
		return Item{}, false
	}
	return String(i.Text()), true
}

func toTemporal(kind Kind, i Item) (Item, bool) {
	switch v := i.value.(type) {
	case string:
		t, ok := parseTemporal(kind, strings.TrimPrefix(v, "T"))
		return temporalItem(t), ok
	case temporal:
		return convertTemporal(kind, v)
	}
	return Item{}, false
}

// convertTemporal changes between date and dateTime.
func convertTemporal(kind Kind, t temporal) (Item, bool) {
	if (kind == KindTime) != (t.kind == KindTime) {
		return Item{}, false
	}
	if kind == KindDate && t.prec > toDay {
		t = temporal{fields: [6]int{t.fields[toYear], t.fields[toMonth], t.fields[toDay]}, prec: toDay}
	}
	t.kind = kind
	return temporalItem(t), true
}

// quantityForm is a number with a unit: "4 days", "1.5 'mg'".
var quantityForm = regexp.MustCompile(`^([+-]?\d+(?:\.\d+)?)\s*(?:'([^']+)'|([a-zA-Z]+))?$`)

func quantityFrom(i Item) (Item, bool) {
	text, isText := i.value.(string)
	if !isText {
		if b, ok := i.value.(bool); ok {
			i, _ = toInteger(Boolean(b))
		}
		q, ok := toQuantity(i)
		return quantityItem(q), ok
	}
	parts := quantityForm.FindStringSubmatch(text)
	if parts == nil {
		return Item{}, false
	}
	value, ok := parseDecimal(parts[1])
	unit := parts[2]
	if word := parts[3]; word != "" {
		var known bool
		unit, known = calendarUnit(word)
		ok = ok && known
	}
	if unit == "" {
		unit = "1"
	}
	return quantityItem(quantity{value, unit}), ok
}
