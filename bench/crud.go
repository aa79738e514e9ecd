package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/tarnhealth/tarn/synth"
)

// crudTypes are the resources of one iteration: all are created in this order,
// then all read, updated and deleted. Later ones refer to earlier ones.
var crudTypes = []string{"Patient", "Location", "Organization", "Practitioner", "Encounter", "Observation", "MedicationRequest", "Claim", "ExplanationOfBenefit"}

// The interactions of an iteration.
const (
	crudCreate = iota
	crudRead
	crudUpdate
	crudDelete
)

var crudParts = []string{"create", "read", "update", "delete"}

// runCrud measures writes and reads of single resources on the filled server.
// The limit is the probe taking the same requests from the same clients.
func runCrud(ctx context.Context, b *bench) error {
	in, err := b.filled(ctx)
	if err != nil {
		return err
	}
	for _, clients := range b.opt.clientsOr(16, 64) {
		r, err := b.crud(ctx, fmt.Sprintf("crud/%d", clients), in, clients)
		if err != nil {
			return err
		}
		if err := b.report.print(r); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) crud(ctx context.Context, name string, in *instance, clients int) (result, error) {
	templates, err := newTemplates()
	if err != nil {
		return result{}, err
	}
	w := work{clients: clients, length: b.seconds(1), parts: crudParts, step: func(u *user) (answer, error) {
		return stateOf(u, templates).step(u, base)
	}}
	r, t, err := b.measure(ctx, name, "requests/s", in, w)
	if err != nil {
		return r, err
	}
	writes := len(t.latencies[crudCreate]) + len(t.latencies[crudUpdate]) + len(t.latencies[crudDelete])
	r.Written *= per(float64(t.units), writes)
	r.Note = "write B is for each write"
	w.step = func(u *user) (answer, error) { return stateOf(u, templates).rawStep(u) }
	w.length = b.seconds(limitShare)
	limit, err := b.raw(ctx, w)
	r.limit(limit.rate(), "HTTP echo of the same payloads, writes after a group-committed, fsync'd append")
	return r, err
}

// A crudUser is what one client is doing.
type crudUser struct {
	templates [][]template // variants of each type
	ids       [][]byte     // of this iteration's resources
	body      []byte
	path      []byte
	request   []byte
	// header goes with each request; it ends with its line.
	header string
}

func stateOf(u *user, templates [][]template) *crudUser {
	if u.state == nil {
		u.state = &crudUser{templates: templates, ids: make([][]byte, len(crudTypes))}
	}
	return u.state.(*crudUser)
}

// place tells the iteration, the interaction and the type of a step.
func place(i int) (iteration, interaction, typ int) {
	n := len(crudTypes)
	return i / (4 * n), i / n % 4, i % n
}

// step does one request against the server. A resource whose creation failed
// is left out of the rest of the iteration.
func (s *crudUser) step(u *user, base string) (answer, error) {
	iteration, interaction, typ := place(u.i)
	s.path = append(append(append(s.path[:0], base...), '/'), crudTypes[typ]...)
	if interaction != crudCreate {
		s.path = append(append(s.path, '/'), s.ids[typ]...)
	}
	method, want := "POST", 201
	s.body = s.body[:0]
	switch interaction {
	case crudCreate:
		s.body = s.template(u, iteration, typ).create(s.body, s.ids)
	case crudRead:
		method, want = "GET", 200
	case crudUpdate:
		method, want = "PUT", 200
		s.body = s.template(u, iteration, typ).update(s.body, s.ids, s.ids[typ])
	case crudDelete:
		method, want = "DELETE", 204
	}
	status, body, err := u.send(s.prepare(method))
	if err != nil {
		return answer{}, err
	}
	if interaction == crudCreate {
		s.ids[typ] = append(s.ids[typ][:0], u.createdID()...)
	}
	return expect(interaction, 1, want, status, body), nil
}

// rawStep does the same request against the probe.
func (s *crudUser) rawStep(u *user) (answer, error) {
	iteration, interaction, typ := place(u.i)
	t := s.template(u, iteration, typ)
	s.path, s.body = append(s.path[:0], "/"+kindBytes+"/"...), s.body[:0]
	method, want := "POST", 200
	switch interaction {
	case crudCreate:
		s.body = t.create(s.body, s.ids)
	case crudRead:
		method = "GET"
		s.path = strconv.AppendInt(s.path, int64(t.size), 10)
	case crudUpdate:
		method = "PUT"
		s.body = t.update(s.body, s.ids, nil)
	case crudDelete:
		method, want = "DELETE", 204
	}
	status, body, err := u.send(s.prepare(method))
	return expect(interaction, 1, want, status, body), err
}

func (s *crudUser) prepare(method string) []byte {
	var body []byte
	if len(s.body) > 0 {
		body = s.body
	}
	s.request = appendRequest(s.request[:0], method, string(s.path), body)
	if s.header != "" {
		s.request = withHeader(s.request, s.header)
	}
	return s.request
}

// template is the variant for this client and iteration.
func (s *crudUser) template(u *user, iteration, typ int) *template {
	variants := s.templates[typ]
	return &variants[(u.index+iteration)%len(variants)]
}

// A template is a resource with holes for the ids of earlier ones: text, then
// the id of crudTypes[slot], for each piece.
type template struct {
	typ    string
	pieces []piece
	size   int
}

type piece struct {
	text string
	slot int // -1 at the end
}

// create appends the resource as a POST has it.
func (t *template) create(b []byte, ids [][]byte) []byte {
	b = append(append(append(b, `{"resourceType":"`...), t.typ...), `",`...)
	return t.rest(b, ids)
}

// update appends the resource as a PUT has it, changed by a language.
func (t *template) update(b []byte, ids [][]byte, id []byte) []byte {
	b = append(append(append(b, `{"resourceType":"`...), t.typ...), `","id":"`...)
	b = append(append(b, id...), `","language":"en",`...)
	return t.rest(b, ids)
}

func (t *template) rest(b []byte, ids [][]byte) []byte {
	for _, p := range t.pieces {
		b = append(b, p.text...)
		if p.slot >= 0 {
			b = append(b, ids[p.slot]...)
		}
	}
	return b
}

// variants is how many resources of each type the load has.
const variants = 12

// newTemplates makes templates of resources of the synthetic population.
func newTemplates() ([][]template, error) {
	templates := make([][]template, len(crudTypes))
	missing := errEnough
	err := synth.New(synth.Options{Patients: 4 * variants, Seed: 3}).Each(func(bundle synth.Bundle) error {
		perBundle := make([]int, len(crudTypes))
		for _, r := range bundle.Resources {
			i := slices.Index(crudTypes, r.Type)
			// A few of each patient, so that there are many patients.
			if i < 0 || len(templates[i]) == variants || bundle.Patient >= 0 && perBundle[i] == 2 {
				continue
			}
			perBundle[i]++
			t, err := newTemplate(r, i)
			if err != nil {
				return err
			}
			templates[i] = append(templates[i], t)
		}
		if slices.ContainsFunc(templates, func(list []template) bool { return len(list) < variants }) {
			return nil
		}
		return missing
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	for i, list := range templates {
		if len(list) == 0 {
			return nil, fmt.Errorf("the synthetic population has no %s", crudTypes[i])
		}
	}
	return templates, nil
}

// reference matches a relative reference up to its id.
var reference = regexp.MustCompile(`"reference":"([A-Za-z]+)/([A-Za-z0-9.-]+)"`)

func newTemplate(r synth.Resource, index int) (template, error) {
	t := template{typ: r.Type, size: len(r.JSON)}
	head := fmt.Sprintf(`{"resourceType":"%s","id":"%s",`, r.Type, r.ID)
	text, found := bytes.CutPrefix(r.JSON, []byte(head))
	if !found {
		return t, fmt.Errorf("a synthetic %s does not begin with %s", r.Type, head)
	}
	from := 0
	for _, m := range reference.FindAllSubmatchIndex(text, -1) {
		if slot := slices.Index(crudTypes[:index], string(text[m[2]:m[3]])); slot >= 0 {
			t.pieces = append(t.pieces, piece{string(text[from:m[4]]), slot})
			from = m[5]
		}
	}
	t.pieces = append(t.pieces, piece{string(text[from:]), -1})
	return t, nil
}
