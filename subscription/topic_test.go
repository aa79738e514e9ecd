package subscription_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

const topicURL = "http://example.org/topics/encounter-complete"

// ext is an extension of a topic.
func ext(name, value string) string {
	return `{"url":"http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic.` + name + `",` + value + `}`
}

// encounterComplete is a topic: encounters that come to status finished, and those
// that are deleted.
func encounterComplete() string {
	return `{"resourceType":"Basic","id":"topic","code":{"coding":[{"system":"http://hl7.org/fhir/fhir-types","code":"SubscriptionTopic"}]},"extension":[` +
		ext("url", `"valueUri":"`+topicURL+`"`) + `,` +
		ext("resourceTrigger", `"extension":[{"url":"resource","valueUri":"http://hl7.org/fhir/StructureDefinition/Encounter"},{"url":"supportedInteraction","valueCode":"create"},{"url":"supportedInteraction","valueCode":"update"},`+
			`{"url":"queryCriteria","extension":[{"url":"previous","valueString":"status:not=finished"},{"url":"resultForCreate","valueCode":"test-passes"},{"url":"current","valueString":"status=finished"},{"url":"requireBoth","valueBoolean":true}]}]`) + `,` +
		ext("resourceTrigger", `"extension":[{"url":"resource","valueUri":"Encounter"},{"url":"supportedInteraction","valueCode":"delete"}]`) + `,` +
		ext("canFilterBy", `"extension":[{"url":"resource","valueUri":"Encounter"},{"url":"filterParameter","valueString":"patient"}]`) + `]}`
}

func encounter(id, status, patient string) string {
	return `{"resourceType":"Encounter","id":"` + id + `","status":"` + status + `","class":{"code":"AMB"},"subject":{"reference":"Patient/` + patient + `"}}`
}

// topical is a Subscription to the topic.
func (w *world) topical(id, content, filter string, channel ...string) string {
	named := ""
	if id != "" {
		named = `"id":"` + id + `",`
	}
	criteria := `"criteria":"` + topicURL + `"`
	if filter != "" {
		criteria += `,"_criteria":{"extension":[{"url":"http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-filter-criteria","valueString":"` + filter + `"}]}`
	}
	return `{"resourceType":"Subscription",` + named + `"status":"requested","reason":"test",` + criteria + `,"channel":{` + strings.Join(append(channel, ""), ",") +
		`"type":"rest-hook","endpoint":"` + w.endpoint.URL + `/fhir","payload":"application/fhir+json","_payload":{"extension":[{"url":"http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content","valueCode":"` + content + `"}]}}}`
}

var varying = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)

// notified is the next notification, in short: its type, the number of events, the
// event's number and focus, and the requests and resources of its other entries.
func (w *world) notified() string {
	w.Helper()
	r := w.got("POST /fhir")
	tree, err := w.ds.Parse([]byte(r.Body))
	if err != nil {
		w.Fatalf("%s: %v", r.Body, err)
	}
	var b struct {
		Type  string
		Entry []struct {
			FullURL  string `json:"fullUrl"`
			Resource json.RawMessage
			Request  struct{ Method, URL string }
			Response struct{ Status string }
		}
	}
	if err := json.Unmarshal([]byte(r.Body), &b); err != nil || b.Type != "history" || tree.Root().Type().Name != "Bundle" {
		w.Fatalf("%s: %v", r.Body, err)
	}
	text := ""
	var status struct {
		Parameter []struct {
			Name, ValueCode, ValueString, ValueCanonical string
			Part                                         []struct {
				Name, ValueString string
				ValueReference    struct{ Reference string }
			}
		}
	}
	if err := json.Unmarshal(b.Entry[0].Resource, &status); err != nil {
		w.Fatal(err)
	}
	for _, p := range status.Parameter {
		text += " " + p.ValueCode + p.ValueString + p.ValueCanonical
		for _, q := range p.Part {
			text += " " + q.ValueString + q.ValueReference.Reference
		}
	}
	for _, e := range b.Entry[1:] {
		text += " | " + e.FullURL + " " + e.Request.Method + " " + e.Request.URL + " " + e.Response.Status + " " + fmt.Sprint(len(e.Resource) > 0)
	}
	return strings.Join(strings.Fields(varying.ReplaceAllString(strings.ReplaceAll(text, w.ds.Base()+"/", ""), "UUID")), " ")
}

func (w *world) notifies(want string) {
	w.Helper()
	if got := w.notified(); got != want {
		w.Errorf("the endpoint got\n%s\nwant\n%s", got, want)
	}
}

// TestTopic is the way of a Subscription to a topic: a handshake, then what the
// topic is about and nothing else, numbered without gaps.
func TestTopic(t *testing.T) {
	w := newWorld(t)
	w.put(encounterComplete(), w.topical("s", "id-only", ""))
	w.notifies(topicURL + " requested handshake 0")
	w.became("s", "active")
	w.put(encounter("e1", "planned", "p1"), encounter("e1", "finished", "p1"), encounter("e1", "finished", "p2"))
	w.notifies(topicURL + " active event-notification 1 1 Encounter/e1 | Encounter/e1 PUT Encounter/e1 200 false")
	w.put(encounter("e2", "finished", "p1"))
	w.notifies(topicURL + " active event-notification 2 2 Encounter/e2 | Encounter/e2 POST Encounter 201 false")
	w.delete("Encounter", "e1")
	w.notifies(topicURL + " active event-notification 3 3 Encounter/e1 | Encounter/e1 DELETE Encounter/e1 204 false")
	body, err := w.service.Status(t.Context(), w.ds, authz.Unrestricted(), "s", nil)
	if err != nil || !strings.Contains(string(body), `"valueCode":"query-status"`) || !strings.Contains(string(body), `"events-since-subscription-start","valueString":"3"`) {
		t.Errorf("%s %v", body, err)
	}
	body, err = w.service.Status(t.Context(), w.ds, authz.Unrestricted(), "", []search.Pair{{Name: "id", Value: "s"}, {Name: "id", Value: "x"}, {Name: "status", Value: "active"}})
	if err != nil || !strings.Contains(string(body), `"total":1`) {
		t.Errorf("%s %v", body, err)
	}
	if _, err := w.service.Status(t.Context(), w.ds, authz.Unrestricted(), "", []search.Pair{{Name: "x", Value: "s"}}); fhir.KindOf(err) != fhir.KindInvalid || err == nil {
		t.Error(err)
	}
}

// TestTopicChanges is a topic that becomes one about other resources.
func TestTopicChanges(t *testing.T) {
	w := newWorld(t)
	w.put(encounterComplete(), w.topical("s", "id-only", ""))
	w.notifies(topicURL + " requested handshake 0")
	w.became("s", "active")
	w.put(strings.NewReplacer("Encounter", "Task", "finished", "completed").Replace(encounterComplete()))
	w.put(encounter("e1", "finished", "p1"))
	w.put(`{"resourceType":"Task","id":"t1","status":"completed","intent":"order"}`)
	w.notifies(topicURL + " active event-notification 1 1 Task/t1 | Task/t1 POST Task 201 false")
}

// TestTopicsAreReadOnce where many resources that may be topics come at once.
func TestTopicsAreReadOnce(t *testing.T) {
	const many = 100
	w := newWorld(t)
	w.put(encounterComplete(), w.topical("s", "id-only", ""))
	w.notifies(topicURL + " requested handshake 0")
	w.became("s", "active")
	w.mu.Lock()
	before := w.asked
	w.mu.Unlock()
	changed := strings.NewReplacer("Encounter", "Task", "finished", "completed").Replace(encounterComplete())
	ops := []datastore.Op{{Interaction: authz.Update, Type: "Basic", ID: "topic", Resource: w.parse(changed)}}
	for range many {
		ops = append(ops, datastore.Op{Interaction: authz.Create, Type: "Basic", Resource: w.parse(`{"resourceType":"Basic","code":{"text":"no topic"}}`)})
	}
	ops = append(ops, datastore.Op{Interaction: authz.Update, Type: "Task", ID: "t1", Resource: w.parse(`{"resourceType":"Task","id":"t1","status":"completed","intent":"order"}`)})
	if _, err := w.ds.Commit(t.Context(), authz.Unrestricted(), ops, nil); err != nil {
		t.Fatal(err)
	}
	w.notifies(topicURL + " active event-notification 1 1 Task/t1 | Task/t1 POST Task 201 false")
	w.mu.Lock()
	defer w.mu.Unlock()
	if made := w.asked - before; made >= many {
		t.Errorf("%d changes made the topics be read with %d accesses", many, made)
	}
}

// TestContentOfTopics is how much notifications hold.
func TestContentOfTopics(t *testing.T) {
	for content, want := range map[string]string{
		"empty":         "active event-notification 1 1",
		"full-resource": topicURL + " active event-notification 1 1 Encounter/e1 | Encounter/e1 POST Encounter 201 true",
	} {
		w := newWorld(t)
		w.put(encounterComplete(), w.topical("s", content, "Encounter?patient=Patient/p1"))
		w.notified()
		w.became("s", "active")
		w.put(encounter("e0", "finished", "p2"), encounter("e1", "finished", "p1"))
		w.notifies(want)
	}
}

// TestTopicOfAPatient tells a patient of its own alone, deletions too, without
// gaps in the numbers.
func TestTopicOfAPatient(t *testing.T) {
	w := newWorld(t)
	w.put(encounterComplete(), `{"resourceType":"Patient","id":"p1"}`)
	id := w.post(w.as("u1", patientScopes, "p1"), w.topical("", "full-resource", ""))
	w.notified()
	w.became(id, "active")
	w.put(encounter("e1", "finished", "p2"), encounter("e2", "finished", "p1"))
	w.notifies(topicURL + " active event-notification 1 1 Encounter/e2 | Encounter/e2 POST Encounter 201 true")
	w.delete("Encounter", "e1")
	w.delete("Encounter", "e2")
	w.notifies(topicURL + " active event-notification 2 2 Encounter/e2 | Encounter/e2 DELETE Encounter/e2 204 false")
}

// TestHandshakeFails: an endpoint that does not take the handshake has no
// notifications.
func TestHandshakeFails(t *testing.T) {
	w := newWorld(t)
	w.answer = func(received) int { return http.StatusNotFound }
	w.put(encounterComplete(), w.topical("s", "empty", ""))
	if text := w.became("s", "error"); !strings.Contains(text, "did not take the handshake: it answers 404") {
		t.Error(text)
	}
}

// TestHeartbeat comes where nothing else was sent for the time that was asked for.
func TestHeartbeat(t *testing.T) {
	w := newWorld(t)
	w.put(encounterComplete(), w.topical("s", "empty", "", `"extension":[{"url":"http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-heartbeat-period","valueUnsignedInt":60}]`))
	w.notifies("requested handshake 0")
	w.became("s", "active")
	w.paused(time.Minute)
	w.wait(30 * time.Second)
	w.put(encounter("e1", "finished", "p1"))
	w.notifies("active event-notification 1 1")
	w.paused(time.Minute)
	w.wait(time.Minute)
	w.notifies("active heartbeat 1")
}

// TestTopicsRefused is what Subscriptions to topics cannot ask for.
func TestTopicsRefused(t *testing.T) {
	w := newWorld(t)
	good := w.topical("s", "id-only", "Encounter?patient=p1")
	if _, err := w.try(authz.Unrestricted(), good); fhir.KindOf(err) != fhir.KindUnprocessable || !strings.Contains(err.Error(), "has no topic") {
		t.Errorf("without the topic: %v", err)
	}
	w.put(encounterComplete())
	for name, c := range map[string][2]string{
		"another parameter": {strings.Replace(good, "patient=p1", "status=planned", 1), "Subscription.criteria"},
		"another type":      {strings.Replace(good, "Encounter?patient", "Observation?patient", 1), "Subscription.criteria"},
		"content":           {strings.Replace(good, `"id-only"`, `"some"`, 1), "Subscription.channel.payload"},
		"payload":           {strings.Replace(good, "application/fhir+json", "application/json", 1), "Subscription.channel.payload"},
		"channel type": {strings.Replace(good, `"type":"rest-hook",`, `"type":"rest-hook","_type":{"extension":[{"url":"http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-channel-type","valueCoding":{"system":"http://e.org","code":"zulip"}}]},`, 1),
			"Subscription.channel.type"},
	} {
		_, err := w.try(authz.Unrestricted(), c[0])
		var known *fhir.Error
		if !asError(err, &known) || known.Kind != fhir.KindUnprocessable || known.Issues[0].Expression != c[1] {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.try(authz.Unrestricted(), good); err != nil {
		t.Error(err)
	}
}

// TestTopicsAreListed: the list is true at every moment.
func TestTopicsAreListed(t *testing.T) {
	w := newWorld(t)
	want := func(what string, urls ...string) {
		t.Helper()
		got, err := w.service.Topics(w.Context(), w.ds)
		if err != nil || !slices.Equal(got, urls) {
			t.Errorf("%s: %q, %v; want %q", what, got, err, urls)
		}
	}
	want("none")
	w.put(encounterComplete())
	want("one", topicURL)
	want("again", topicURL)
	versioned := strings.Replace(encounterComplete(), `"extension":[`, `"extension":[`+ext("version", `"valueString":"2"`)+`,`, 1)
	w.put(strings.Replace(versioned, `"id":"topic"`, `"id":"topic2"`, 1))
	want("another version", topicURL, topicURL+"|2")
	w.put(`{"resourceType":"Basic","id":"topic2","code":{"text":"something else"}}`)
	want("one that is no topic any more", topicURL)
	unknown := strings.Replace(encounterComplete(), "status=finished", "nonsense=x", 1)
	w.put(unknown)
	want("one that asks for what is not known")
	w.put(strings.Replace(encounterComplete(), `"queryCriteria"`, `"fhirPathCriteria"`, 1))
	want("one that is not offered")
	w.put(encounterComplete())
	want("as it was", topicURL)
	w.put(strings.Replace(encounterComplete(), `"extension":[`, `"modifierExtension":[`+ext("status", `"valueCode":"retired"`)+`],"extension":[`, 1))
	want("retired")
	w.put(encounterComplete())
	w.delete("Basic", "topic")
	want("deleted")
}
