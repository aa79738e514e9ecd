package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
)

// processMessageOperation is $process-message. It checks the message; Tarn
// itself handles no event, so that every one is refused by its name.
// http://hl7.org/fhir/R4/messageheader-operation-process-message.html
func processMessageOperation() operation {
	return operation{
		code: "process-message", levels: []level{levelSystem}, affectsState: true,
		serve: func(_ http.ResponseWriter, _ *request, in *arguments) error {
			if err := in.only("content", "async", "response-url"); err != nil {
				return err
			}
			return refuseMessage(in.resource("content"))
		},
	}
}

// refuseMessage says what keeps a message from being processed.
// http://hl7.org/fhir/R4/messaging.html#bundle
func refuseMessage(message *fhir.Tree) error {
	if message == nil || !message.Root().Exists() || message.Root().Type().Name != "Bundle" {
		return fhir.Errorf(fhir.KindInvalid, "$process-message takes a Bundle of type message as its body")
	}
	bundle := message.Root()
	if t := bundle.TextOf("type"); t != "message" {
		return fhir.Errorf(fhir.KindInvalid, "the Bundle is of type %q; a message is of type message", t).At("Bundle.type")
	}
	var header fhir.Node
	for entry := range bundle.Each("entry") {
		header = entry.Child("resource")
		break
	}
	if header.Type() == nil || header.Type().Name != "MessageHeader" {
		return fhir.Errorf(fhir.KindInvalid, "the first entry of a message is a MessageHeader").At("Bundle.entry[0].resource")
	}
	event := header.Child("event")
	name := event.Text()
	if event.Type() != nil && event.Type().Name == "Coding" {
		name = event.TextOf("system") + "|" + event.TextOf("code")
	}
	return fhir.Errorf(fhir.KindNotSupported, "no handler is configured for the event %s; nothing was processed or stored. To store the message as it is, POST it to [base]/Bundle", name).At("Bundle.entry[0].resource.event")
}
