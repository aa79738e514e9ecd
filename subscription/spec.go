package subscription

import (
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
)

// resourceType is the type of the resources that this package is about.
const resourceType = "Subscription"

// The states of a Subscription.
// http://hl7.org/fhir/R4/valueset-subscription-status.html
const (
	statusRequested = "requested"
	statusActive    = "active"
	statusError     = "error"
	statusOff       = "off"
)

// A spec is what a Subscription asks for.
type spec struct {
	Status, Criteria        string
	End                     time.Time
	Channel, Endpoint, MIME string
	// Headers are "Name: value", as they stand in the resource.
	Headers []string
}

// read takes a Subscription apart, whether or not it is right.
func read(root fhir.Node) spec {
	channel := root.Child("channel")
	s := spec{
		Status: root.TextOf("status"), Criteria: root.TextOf("criteria"),
		Channel: channel.TextOf("type"), Endpoint: channel.TextOf("endpoint"), MIME: channel.TextOf("payload"),
	}
	if at, err := time.Parse(time.RFC3339, root.TextOf("end")); err == nil {
		s.End = at
	}
	for h := range channel.Each("header") {
		s.Headers = append(s.Headers, h.Text())
	}
	return s
}

// same reports whether another Subscription sends the same to the same place.
// Headers are compared as they stand in the resources.
func (s *spec) same(other *spec) bool {
	return s.Criteria == other.Criteria && s.Channel == other.Channel && s.Endpoint == other.Endpoint && s.MIME == other.MIME && slices.Equal(s.Headers, other.Headers)
}

// mark tells what is asked for from anything else.
func (s *spec) mark() string {
	h := sha256.New()
	for _, part := range append([]string{s.Criteria, s.Channel, s.Endpoint, s.MIME}, s.Headers...) {
		sum := sha256.Sum256([]byte(part))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// The MIME types of payloads.
const (
	mimeJSON = "application/fhir+json"
	mimeXML  = "application/fhir+xml"
)

// payloadType is the plain MIME type of a payload; "" for one that is not
// offered. What is sent is FHIR 4.0 in UTF-8, and parameters may say so.
func payloadType(text string) string {
	plain, parameters, err := mime.ParseMediaType(text)
	if err != nil || plain != mimeJSON && plain != mimeXML {
		return ""
	}
	for name, value := range parameters {
		if name == "charset" && strings.EqualFold(value, "utf-8") || name == "fhirversion" && value == "4.0" {
			continue
		}
		return ""
	}
	return plain
}
