package rest

import (
	"maps"
	"slices"
)

// Security says how the callers of a data store prove who they are.
type Security struct {
	// SMART is set where there are access tokens of SMART on FHIR.
	SMART bool
	// OAuthURIs are the endpoints of the authorization server by their names in
	// the oauth-uris extension: authorize, token, introspect, revoke, manage,
	// register. http://hl7.org/fhir/smart-app-launch/1.0.0/conformance/index.html
	OAuthURIs map[string]string
	// Description is for people.
	Description string
}

const oauthURIs = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"

type (
	capabilityExtension struct {
		URL       string                `json:"url"`
		ValueURI  string                `json:"valueUri,omitempty"`
		Extension []capabilityExtension `json:"extension,omitempty"`
	}
	capabilityConcept struct {
		Coding []capabilityCoding `json:"coding"`
		Text   string             `json:"text"`
	}
	capabilityCoding struct {
		System  string `json:"system"`
		Code    string `json:"code"`
		Display string `json:"display"`
	}
)

// describeSecurity makes CapabilityStatement.rest.security.
func describeSecurity(security *Security) capabilitySecurity {
	described := capabilitySecurity{CORS: true}
	if security == nil {
		return described
	}
	described.Description = security.Description
	if security.SMART {
		described.Service = []capabilityConcept{{
			Coding: []capabilityCoding{{"http://terminology.hl7.org/CodeSystem/restful-security-service", "SMART-on-FHIR", "SMART-on-FHIR"}},
			Text:   "OAuth2 using SMART-on-FHIR profile (see http://docs.smarthealthit.org)",
		}}
	}
	var uris []capabilityExtension
	for _, name := range slices.Sorted(maps.Keys(security.OAuthURIs)) {
		uris = append(uris, capabilityExtension{URL: name, ValueURI: security.OAuthURIs[name]})
	}
	if len(uris) > 0 {
		described.Extension = []capabilityExtension{{URL: oauthURIs, Extension: uris}}
	}
	return described
}
