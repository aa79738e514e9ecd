package smart

import (
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/smart/client"
	"github.com/tarnhealth/tarn/smart/opaque"
)

// manageRegistration lets an app that registered itself read, replace and
// remove its registration. https://www.rfc-editor.org/rfc/rfc7592
func (s *Service) manageRegistration(w http.ResponseWriter, r *http.Request) {
	answer, err := s.answerManage(w, r)
	switch {
	case err != nil:
		s.answerError(w, r, err)
	case answer == nil:
		noStore(w)
		w.WriteHeader(http.StatusNoContent)
	default:
		answerJSON(w, http.StatusOK, answer)
	}
}

func (s *Service) answerManage(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	record, err := s.managed(r)
	if err != nil {
		return nil, err
	}
	switch r.Method {
	case http.MethodGet:
		return s.describeManaged(r, record), nil
	case http.MethodPut:
		return s.replaceRegistration(w, r, record)
	case http.MethodDelete:
		s.event(r, Event{Kind: "unregistered", ClientID: record.ID})
		return nil, s.Clients().Remove(r.Context(), record.ID)
	}
	w.Header().Set("Allow", "GET, PUT, DELETE")
	return nil, &oauthError{code: codeInvalidRequest, description: "use GET, PUT or DELETE", status: http.StatusMethodNotAllowed}
}

// managed is the client whose registration access token came along.
func (s *Service) managed(r *http.Request) (*client.Record, error) {
	id := r.PathValue("id")
	if err := s.mayFail(r, id); err != nil {
		return nil, err
	}
	record, err := s.clientRecord(r.Context(), id)
	if err != nil && fhir.KindOf(err) != fhir.KindNotFound {
		return nil, err
	}
	if err != nil || record.Registration == "" || !opaque.Same(bearerText(r), record.Registration) {
		s.failed(r, id)
		return nil, &oauthError{code: codeInvalidToken, description: "the registration access token is wrong", status: http.StatusUnauthorized}
	}
	return &record, nil
}

// describeManaged has the client's token too, as RFC 7592 section 3 asks.
func (s *Service) describeManaged(r *http.Request, record *client.Record) map[string]any {
	answer := client.Describe(&record.Client, "")
	answer["registration_access_token"] = bearerText(r)
	answer["registration_client_uri"] = s.issuer + "/register/" + record.ID
	return answer
}

// replaceRegistration keeps the client's id, type and secret.
// RFC 7592 section 2.2
func (s *Service) replaceRegistration(w http.ResponseWriter, r *http.Request, record *client.Record) (map[string]any, error) {
	m, err := s.readMetadata(w, r)
	if err != nil {
		return nil, err
	}
	if m.ID != "" && m.ID != record.ID {
		return nil, refuse(codeInvalidMetadata, "client_id must be the client's own")
	}
	changed := record.Client
	if err := s.apply(m, &changed); err != nil {
		return nil, err
	}
	if changed.Type != record.Type {
		return nil, refuse(codeInvalidMetadata, "token_endpoint_auth_method cannot be changed; register anew")
	}
	updated, err := s.Clients().Update(r.Context(), changed)
	if err != nil {
		return nil, metadataError(err)
	}
	record.Client = updated
	return s.describeManaged(r, record), nil
}
