package subscription

import (
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"slices"
	"strconv"
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
	// Filters and Content are those of a topic: see topical. Custom is a channel
	// type that R4 does not have. Heartbeat and Timeout are 0 where nothing is
	// said.
	Filters            []string
	Content, Custom    string
	Heartbeat, Timeout time.Duration
}

// backport begins the URLs of the extensions of the Subscriptions R5 Backport.
const backport = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"

// topical reports whether the criteria are the canonical URL of a topic.
func (s *spec) topical() bool {
	return strings.HasPrefix(s.Criteria, "http://") || strings.HasPrefix(s.Criteria, "https://") || strings.HasPrefix(s.Criteria, "urn:")
}

// readTopical takes the extensions of a Subscription to a topic apart.
func (s *spec) readTopical(root fhir.Node) {
	channel := root.Child("channel")
	for e := range root.Child("criteria").Each("extension") {
		if e.TextOf("url") == backport+"filter-criteria" {
			s.Filters = append(s.Filters, e.Child("value").Text())
		}
	}
	s.Content = part(channel.Child("payload"), backport+"payload-content")
	for e := range channel.Child("type").Each("extension") {
		if e.TextOf("url") == backport+"channel-type" {
			s.Custom = e.Child("value").TextOf("code")
		}
	}
	seconds := func(name string) time.Duration {
		n, _ := strconv.ParseUint(part(channel, backport+name), 10, 31)
		return time.Duration(n) * time.Second
	}
	s.Heartbeat, s.Timeout = seconds("heartbeat-period"), seconds("timeout")
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
	if s.topical() {
		s.readTopical(root)
	}
	for h := range channel.Each("header") {
		s.Headers = append(s.Headers, h.Text())
	}
	return s
}

// same reports whether another Subscription sends the same to the same place.
// Headers are compared as they stand in the resources.
func (s *spec) same(other *spec) bool { return s.mark() == other.mark() }

// mark tells what is asked for from anything else.
func (s *spec) mark() string {
	h := sha256.New()
	for _, part := range slices.Concat([]string{s.Criteria, s.Channel, s.Endpoint, s.MIME, s.Content, s.Heartbeat.String(), s.Timeout.String()}, s.Filters, s.Headers) {
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
