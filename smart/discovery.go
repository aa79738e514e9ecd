package smart

import (
	"encoding/json"
	"net/http"

	"github.com/tarnhealth/tarn/smart/metadata"
)

// metadata is what the documents here depend on.
func (s *Service) metadata() *metadata.Server {
	b := s.cfg.Brands
	return &metadata.Server{
		Issuer: s.issuer, Registers: s.cfg.Registration.Mode != RegistrationOff,
		TLSClients: s.cfg.Certificates.Authorities() != nil, SelfSigned: s.cfg.Certificates.On,
		Brand: b.Bundle, BrandSystem: b.IdentifierSystem, BrandValue: b.IdentifierValue,
	}
}

// Discovery is the smart-configuration of a data store. The second result is
// false where there is no such data store.
func (s *Service) Discovery(storeID string) ([]byte, bool) {
	store, err := s.cfg.Stores.Store(storeID)
	if err != nil {
		return nil, false
	}
	return encode(s.metadata().SMART(store.Identity().Version1())), true
}

// ServeDiscovery answers a request for the smart-configuration of a data store,
// to anybody, whatever it accepts.
func (s *Service) ServeDiscovery(w http.ResponseWriter, r *http.Request, storeID string) {
	public(func(w http.ResponseWriter, r *http.Request) {
		doc, ok := s.Discovery(storeID)
		if !ok {
			http.Error(w, "there is no such data store", http.StatusNotFound)
			return
		}
		answerDocument(w, "public, max-age=300", doc)
	})(w, r)
}

// OAuthURIs are the endpoints for the oauth-uris extension of a
// CapabilityStatement: authorize, token, introspect, revoke, manage and, where
// it is offered, register.
func (s *Service) OAuthURIs() map[string]string { return s.metadata().URIs() }

// serverMetadata is the metadata of RFC 8414.
func (s *Service) serverMetadata(w http.ResponseWriter, _ *http.Request) {
	answerDocument(w, "public, max-age=300", encode(s.metadata().OAuth()))
}

// openIDMetadata is OpenID Connect Discovery 1.0 section 3.
func (s *Service) openIDMetadata(w http.ResponseWriter, _ *http.Request) {
	answerDocument(w, "public, max-age=300", encode(s.metadata().OpenID()))
}

// jwks is the public key set.
func (s *Service) jwks(w http.ResponseWriter, r *http.Request) {
	set, err := s.keys.JWKS(r.Context())
	if err != nil {
		s.answerError(w, r, err)
		return
	}
	answerDocument(w, "public, max-age=300", set)
}

func encode(m map[string]any) []byte {
	b, err := json.Marshal(m)
	if err != nil {
		panic("smart: " + err.Error()) // strings and lists of them only
	}
	return b
}

// answerDocument writes a JSON document that caches may keep.
func answerDocument(w http.ResponseWriter, cache string, doc []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", cache)
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(doc)
}
