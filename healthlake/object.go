package healthlake

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// maxDepth bounds how deep a request's JSON may be nested; the API needs 4.
const maxDepth = 16

// readObject reads a JSON object; unlike encoding/json it refuses names that
// come twice, of which one would be ignored. Numbers are json.Number.
func readObject(body []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	value, err := readValue(decoder, 0)
	if err == nil {
		if _, end := decoder.Token(); end != io.EOF {
			err = errors.New("there is more after its end")
		}
	}
	var duplicate duplicateError
	if errors.As(err, &duplicate) {
		return nil, failed(codeSerialization, "The member %.64q comes twice in one object.", string(duplicate))
	}
	object, ok := value.(map[string]any)
	if err != nil || !ok {
		return nil, failed(codeSerialization, "The body must be one JSON object, nested at most %d deep.", maxDepth)
	}
	return object, nil
}

// A duplicateError is the name of a member that comes twice.
type duplicateError string

func (e duplicateError) Error() string { return string(e) }

func readValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	delim, isDelim := token.(json.Delim)
	switch {
	case err != nil || !isDelim:
		return token, err
	case depth == maxDepth:
		return nil, errors.New("nested too deep")
	case delim == '{':
		return readMembers(decoder, depth)
	}
	list := []any{}
	for decoder.More() {
		value, err := readValue(decoder, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	_, err = decoder.Token()
	return list, err
}

func readMembers(decoder *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		key, _ := name.(string) // the decoder takes nothing else
		if _, twice := object[key]; twice {
			return nil, duplicateError(key)
		}
		if object[key], err = readValue(decoder, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := decoder.Token()
	return object, err
}
