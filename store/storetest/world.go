package storetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/still"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

var ctx = context.Background()

// The fabricated parameters. Keys of the first three are words ended by a zero
// byte, of number 8 bytes, of subject references.
var (
	patientType       = param("Patient", search.MarkType)
	patientName       = param("Patient", "name")
	patientNumber     = param("Patient", "number")
	observationType   = param("Observation", search.MarkType)
	observationCode   = param("Observation", "code")
	observationNumber = param("Observation", "number")
	observationRefers = param("Observation", "subject")
	params            []*search.Param
)

func param(resourceType, code string) *search.Param {
	p := &search.Param{Type: resourceType, Code: code, Ordinal: len(params)}
	params = append(params, p)
	return p
}

func paramOf(resourceType, code string) *search.Param {
	for _, p := range params {
		if p.Type == resourceType && p.Code == code {
			return p
		}
	}
	return nil
}

// A resource is what a test stores. It is its own body, in JSON.
type resource struct {
	ResourceType string   `json:"resourceType"`
	ID           string   `json:"id"`
	Words        []string `json:"words,omitempty"`
	Numbers      []uint64 `json:"numbers,omitempty"`
	Subject      []string `json:"subject,omitempty"`
}

func (r *resource) body() fhir.Body {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return fhir.Body{JSON: b, At: bytes.IndexByte(b, ','), Form: fhir.MetaWhole}
}

// entries are what Extract returns for the resource: sorted, without
// duplicates.
func (r *resource) entries() (list []search.Entry) {
	words, numbers, mark := patientName, patientNumber, patientType
	if r.ResourceType == "Observation" {
		words, numbers, mark = observationCode, observationNumber, observationType
	}
	list = append(list, search.Entry{Param: mark, Key: []byte{}})
	for _, w := range r.Words {
		list = append(list, search.Entry{Param: words, Key: word(w)})
	}
	for _, n := range r.Numbers {
		list = append(list, search.Entry{Param: numbers, Key: number(n)})
	}
	for _, id := range r.Subject {
		list = append(list, search.Entry{Param: observationRefers, Key: search.ReferenceKey("Patient", id)})
	}
	slices.SortFunc(list, func(a, b search.Entry) int {
		if a.Param != b.Param {
			return a.Param.Ordinal - b.Param.Ordinal
		}
		return bytes.Compare(a.Key, b.Key)
	})
	return slices.CompactFunc(list, func(a, b search.Entry) bool {
		return a.Param == b.Param && bytes.Equal(a.Key, b.Key)
	})
}

func word(s string) []byte   { return append([]byte(s), 0) }
func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// extract is Options.Extract of the fabricated resources.
func extract(v store.Version) ([]search.Entry, error) {
	if v.Deleted() {
		return nil, nil
	}
	var r resource
	if err := json.Unmarshal(v.Body.JSON, &r); err != nil {
		return nil, err
	}
	if r.ResourceType != v.Type || r.ID != v.ID {
		return nil, fmt.Errorf("the body of %s/%s is %s/%s", v.Type, v.ID, r.ResourceType, r.ID)
	}
	return r.entries(), nil
}

func create(r *resource) store.Op { return op(store.OpCreate, r) }
func update(r *resource) store.Op { return op(store.OpUpdate, r) }

func op(kind store.OpKind, r *resource) store.Op {
	return store.Op{Kind: kind, Type: r.ResourceType, ID: r.ID, Body: r.body(), Entries: r.entries()}
}

func remove(resourceType, id string) store.Op {
	return store.Op{Kind: store.OpDelete, Type: resourceType, ID: id}
}

func patient(id string, words ...string) *resource {
	return &resource{ResourceType: "Patient", ID: id, Words: words}
}

func observation(id, subject string, numbers ...uint64) *resource {
	return &resource{ResourceType: "Observation", ID: id, Subject: []string{subject}, Numbers: numbers}
}

type clock = still.Clock

func newClock() *clock { return still.At(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) }

func open(t *testing.T, disk Disk, c *clock) store.Store {
	t.Helper()
	return disk.Open(t, Options{Extract: extract, Now: c.Now})
}

func closeStore(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// commit commits ops that must succeed.
func commit(t *testing.T, s store.Store, ops ...store.Op) []store.Version {
	t.Helper()
	versions, err := s.Commit(ctx, ops)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	if len(versions) != len(ops) {
		t.Fatalf("Commit of %d ops returned %d versions", len(ops), len(versions))
	}
	return versions
}

func viewAt(t *testing.T, s store.Store, at store.T) store.View {
	t.Helper()
	v, err := s.View(ctx, at)
	if err != nil {
		t.Fatalf("View(%d): %v", at, err)
	}
	t.Cleanup(v.Close)
	return v
}
