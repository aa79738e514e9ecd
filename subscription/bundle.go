package subscription

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/fhir"
)

// How much of resources the notifications of a topic hold.
// https://hl7.org/fhir/uv/subscriptions-backport/payloads.html
const (
	contentEmpty = "empty"
	contentID    = "id-only"
	contentFull  = "full-resource"
)

// The types of notifications.
const (
	typeHandshake = "handshake"
	typeHeartbeat = "heartbeat"
	typeEvent     = "event-notification"
	typeQuery     = "query-status"
)

// The profiles of what is sent.
const (
	profileBundle = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-notification-r4"
	profileStatus = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-status-r4"
)

type parameter struct {
	Name      string      `json:"name"`
	Reference *reference  `json:"valueReference,omitempty"`
	Canonical string      `json:"valueCanonical,omitempty"`
	Code      string      `json:"valueCode,omitempty"`
	String    string      `json:"valueString,omitempty"`
	Instant   string      `json:"valueInstant,omitempty"`
	Part      []parameter `json:"part,omitempty"`
}

type reference struct {
	Reference string `json:"reference"`
}

type meta struct {
	Profile []string `json:"profile"`
}

type parameters struct {
	ResourceType string      `json:"resourceType"`
	ID           string      `json:"id"`
	Meta         meta        `json:"meta"`
	Parameter    []parameter `json:"parameter"`
}

type bundleEntry struct {
	FullURL  string          `json:"fullUrl"`
	Resource json.RawMessage `json:"resource,omitempty"`
	Search   *mode           `json:"search,omitempty"`
	Request  *request        `json:"request,omitempty"`
	Response *response       `json:"response,omitempty"`
}

type mode struct {
	Mode string `json:"mode"`
}

type request struct {
	Method string `json:"method"`
	URL    string `json:"url"`
}

type response struct {
	Status string `json:"status"`
}

type bundle struct {
	ResourceType string        `json:"resourceType"`
	Meta         *meta         `json:"meta,omitempty"`
	Type         string        `json:"type"`
	Timestamp    string        `json:"timestamp"`
	Total        *int          `json:"total,omitempty"`
	Entry        []bundleEntry `json:"entry,omitempty"`
}

// A told is one event of a notification.
type told struct {
	number uint64
	event
	// shown is set where the subscriber may know what it is about, resource what
	// that is; nil where it is not sent.
	shown    bool
	resource []byte
}

// A status is what is said of a Subscription.
type status struct {
	base, id, topic string
	status, kind    string
	since           uint64
	content         string
	event           *told
}

func instant(t time.Time) string { return t.UTC().Format(fhir.TimeLayout) }

// newID makes a random (version 4) UUID. RFC 9562 section 5.4
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// entry is the status as the first entry of a notification.
func (s *status) entry() bundleEntry {
	p := parameters{ResourceType: "Parameters", ID: newID(), Meta: meta{[]string{profileStatus}}}
	p.Parameter = append(p.Parameter, parameter{Name: "subscription", Reference: &reference{s.base + "/Subscription/" + s.id}})
	if s.content != contentEmpty {
		p.Parameter = append(p.Parameter, parameter{Name: "topic", Canonical: s.topic})
	}
	p.Parameter = append(p.Parameter,
		parameter{Name: "status", Code: s.status}, parameter{Name: "type", Code: s.kind},
		parameter{Name: "events-since-subscription-start", String: strconv.FormatUint(s.since, 10)})
	if e := s.event; e != nil {
		parts := []parameter{{Name: "event-number", String: strconv.FormatUint(e.number, 10)}, {Name: "timestamp", Instant: instant(e.Time)}}
		if e.shown && s.content != contentEmpty {
			parts = append(parts, parameter{Name: "focus", Reference: &reference{s.base + "/" + e.Type + "/" + e.ID}})
		}
		p.Parameter = append(p.Parameter, parameter{Name: "notification-event", Part: parts})
	}
	text, _ := json.Marshal(p) // of strings alone
	return bundleEntry{
		FullURL: "urn:uuid:" + p.ID, Resource: text,
		Request: &request{"GET", s.base + "/Subscription/" + s.id + "/$status"}, Response: &response{"200"},
	}
}

// focus is the entry of what an event is about.
func (s *status) focus() bundleEntry {
	e := s.event
	entry := bundleEntry{FullURL: s.base + "/" + e.Type + "/" + e.ID}
	switch e.Op {
	case "create":
		entry.Request, entry.Response = &request{"POST", e.Type}, &response{"201"}
	case "delete":
		entry.Request, entry.Response = &request{"DELETE", e.Type + "/" + e.ID}, &response{"204"}
	default:
		entry.Request, entry.Response = &request{"PUT", e.Type + "/" + e.ID}, &response{"200"}
	}
	if s.content == contentFull && e.Op != "delete" {
		entry.Resource = e.resource
	}
	return entry
}

// bundle is a notification.
func (s *status) bundle(now time.Time) ([]byte, error) {
	b := bundle{ResourceType: "Bundle", Meta: &meta{[]string{profileBundle}}, Type: "history", Timestamp: instant(now), Entry: []bundleEntry{s.entry()}}
	if e := s.event; e != nil && e.shown && s.content != contentEmpty {
		b.Entry = append(b.Entry, s.focus())
	}
	return json.Marshal(b)
}
