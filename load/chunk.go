package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A chunk is what one request sends: a Bundle as it is, or resources to be
// packed into a batch.
type chunk struct {
	file *file
	// bundle is the body of a transaction or batch; nil for resources.
	bundle []byte
	// resources are those of the batch.
	resources []resource
	// refused are lines that cannot be sent.
	refused []Rejection
	// lines is how many lines of the file are done once the chunk is done, in
	// case all before it are; 0 for a file that is one chunk.
	lines int
	// last is set for the end of the file.
	last bool
	// bytes is the chunk's share of the file on disk.
	bytes int64
}

// A resource is one to be stored: PUT where it has an id, POST otherwise.
type resource struct {
	typ, id string
	line    int // 0 where the file is the resource
	json    []byte
}

func (r *resource) method() string {
	if r.id == "" {
		return "POST"
	}
	return "PUT"
}

func (r *resource) url() string {
	if r.id == "" {
		return r.typ
	}
	return r.typ + "/" + r.id
}

// maxLine bounds one resource, bytes.
const maxLine = 64 << 20

// chunks reads the file and yields its chunks, without the first skip lines.
func (f *file) chunks(lines, skip int, yield func(*chunk) error) error {
	if skip == allLines {
		return yield(&chunk{file: f, last: true, bytes: f.size})
	}
	content, count, err := f.open()
	if err != nil {
		return err
	}
	defer content.Close()
	if f.ndjson {
		return f.lineChunks(bufio.NewReaderSize(content, 1<<16), count, lines, skip, yield)
	}
	body, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	c := &chunk{file: f, last: true, bytes: f.size}
	if err := c.addFile(body); err != nil {
		return err
	}
	return yield(c)
}

// head is what a client needs to know of a resource.
type head struct {
	ResourceType string `json:"resourceType"`
	ID           string `json:"id"`
	Type         string `json:"type"` // of a Bundle; other types have objects there
}

// headOf reads the top of a resource; it fails where the text is not JSON.
func headOf(text []byte) (head, error) {
	if h, ok := quickHead(text); ok {
		return h, nil
	}
	return slowHead(text)
}

// slowHead is headOf by the whole text.
func slowHead(text []byte) (head, error) {
	var loose struct {
		ResourceType json.RawMessage `json:"resourceType"`
		ID           json.RawMessage `json:"id"`
		Type         json.RawMessage `json:"type"`
	}
	var h head
	if err := json.Unmarshal(text, &loose); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return h, fmt.Errorf("not JSON at byte %d: %w", syntax.Offset, err)
		}
		return h, errors.New("not a JSON object")
	}
	for to, from := range map[*string]json.RawMessage{&h.ResourceType: loose.ResourceType, &h.ID: loose.ID, &h.Type: loose.Type} {
		_ = json.Unmarshal(from, to) // another type of value is the server's to refuse
	}
	if h.ResourceType == "" {
		return h, errors.New("not a FHIR resource: it has no resourceType")
	}
	return h, nil
}

// addFile takes a whole *.json file: a Bundle to be carried out, or a resource.
func (c *chunk) addFile(body []byte) error {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	h, err := headOf(body)
	if err != nil {
		return err
	}
	if h.ResourceType == "Bundle" && (h.Type == "transaction" || h.Type == "batch") {
		c.bundle = body
		return nil
	}
	c.resources = []resource{{typ: h.ResourceType, id: h.ID, json: body}}
	return nil
}

func (f *file) lineChunks(content *bufio.Reader, count *counter, lines, skip int, yield func(*chunk) error) error {
	c := &chunk{file: f}
	size, read := 0, int64(0)
	for number := 1; ; number++ {
		line, err := readLine(content)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if number > skip {
			size += c.addLine(number, bytes.TrimSpace(line))
		}
		if !end && len(c.resources)+len(c.refused) < lines && size < maxRequest {
			continue
		}
		c.lines, c.last = number, end
		c.bytes, read = count.n-read, count.n
		if err := yield(c); err != nil || end {
			return err
		}
		c, size = &chunk{file: f}, 0
	}
}

// addLine takes one line of NDJSON and returns its size. Empty lines are
// nothing.
func (c *chunk) addLine(number int, line []byte) int {
	if len(line) == 0 {
		return 0
	}
	h, err := headOf(line)
	if err != nil {
		c.refused = append(c.refused, Rejection{File: c.file.path, Line: number, Reason: err.Error()})
		return 0
	}
	c.resources = append(c.resources, resource{h.ResourceType, h.ID, number, bytes.Clone(line)})
	return len(line)
}

// readLine reads up to a line's end or the end of the file, which is io.EOF
// beside the last line.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("longer than %d bytes", maxLine)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// pack makes a Bundle of resources: a batch or a transaction.
// http://hl7.org/fhir/R4/http.html#transaction
func pack(kind string, resources []resource) []byte {
	size := 64
	for i := range resources {
		size += len(resources[i].json) + 160
	}
	b := append(make([]byte, 0, size), `{"resourceType":"Bundle","type":"`+kind+`","entry":[`...)
	for i := range resources {
		r := &resources[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"resource":`...)
		b = append(b, r.json...)
		b = append(b, `,"request":{"method":"`+r.method()+`","url":`...)
		url, _ := json.Marshal(r.url()) // a string always marshals
		b = append(b, url...)
		b = append(b, "}}"...)
	}
	return append(b, "]}"...)
}
