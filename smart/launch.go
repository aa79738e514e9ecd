package smart

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/smart/opaque"
)

// A Launch is what an EHR hands to an app with an opaque launch token.
// http://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch
type Launch struct {
	// ClientID is the app that may use the token.
	ClientID string `json:"client_id"`
	// DataStore is the id of the data store.
	DataStore string `json:"data_store"`
	// User is who may use it: a user's id, user name, e-mail address or
	// fhirUser; "" for whoever signs in.
	User string `json:"user,omitempty"`
	Context
}

// A launchRecord is a Launch in waiting, under the hash of its token.
type launchRecord struct {
	Launch  Launch    `json:"launch"`
	Expires time.Time `json:"expires"`
}

var launchTable = kv.NewTable[launchRecord]("smart-launch")

// launch is where EHRs get launch tokens: a JSON Launch in, the token out.
func (s *Service) launch(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return nil, &oauthError{code: codeInvalidRequest, description: "use POST", status: http.StatusMethodNotAllowed}
	}
	ehr, err := s.launcher(r)
	if err != nil {
		return nil, err
	}
	if err := s.takeRequest("launch", ehr.ID); err != nil {
		return nil, err
	}
	var ask Launch
	if err := readJSON(w, r, &ask); err != nil {
		return nil, err
	}
	if ask.DataStore == "" && len(ehr.DataStores) == 1 && ehr.DataStores[0] != AllStores {
		ask.DataStore = ehr.DataStores[0]
	}
	if !ehr.MayUse(ask.DataStore) {
		return nil, refuse(codeInvalidRequest, "data_store is not one that this client may use")
	}
	launch, err := s.IssueLaunch(r.Context(), ask)
	if err != nil {
		return nil, err
	}
	s.event(r, Event{Kind: "launch", ClientID: ehr.ID, DataStore: ask.DataStore, Patient: ask.Patient})
	answer := map[string]any{"launch": launch, "expires_in": int(s.cfg.Lifetimes.Launch.Seconds())}
	if uri := s.launchURI(r.Context(), &ask, launch); uri != "" {
		answer["launch_uri"] = uri
	}
	return answer, nil
}

// launcher is the EHR that asks: by HTTP Basic, or by an access token that it
// got by client_credentials.
func (s *Service) launcher(r *http.Request) (*Client, error) {
	var c *Client
	var err error
	if scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Basic") {
		c, err = s.authenticate(r, params{})
	} else {
		c, err = s.bearerClient(r)
	}
	if err != nil {
		return nil, err
	}
	if !c.MayLaunch {
		return nil, &oauthError{code: codeUnauthorizedClient, description: "this client may not issue launch tokens", status: http.StatusForbidden}
	}
	return c, nil
}

// readJSON reads a JSON body into a value that knows all of its members.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" {
		return refuse(codeInvalidRequest, "the Content-Type must be application/json")
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return refuse(codeInvalidRequest, "the body is not what is expected: %s", printable(err.Error()))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse(codeInvalidRequest, "the body holds more than one value")
	}
	return nil
}

// IssueLaunch makes a launch token: opaque, good once and for a few minutes.
// For the console, and for EHR clients by POST /auth/launch.
func (s *Service) IssueLaunch(ctx context.Context, launch Launch) (string, error) {
	if err := launch.Check(); err != nil {
		return "", refuse(codeInvalidRequest, "%s", err)
	}
	c, err := s.clientRecord(ctx, launch.ClientID)
	if fhir.KindOf(err) == fhir.KindNotFound {
		return "", refuse(codeInvalidRequest, "client_id is not a registered app")
	}
	if err != nil {
		return "", err
	}
	if _, err := s.store(launch.DataStore); err != nil || !c.MayUse(launch.DataStore) {
		return "", refuse(codeInvalidRequest, "data_store is not one that the app may use")
	}
	if hasControl(launch.User) || len(launch.User) > 300 {
		return "", refuse(codeInvalidRequest, "user must be a text")
	}
	token := opaque.New()
	expires := s.now().Add(s.cfg.Lifetimes.Launch)
	return token, s.db.Update(ctx, func(tx kv.Tx) error {
		return launchTable.Put(tx, opaque.Key(token), launchRecord{launch, expires}, expires)
	})
}

// launchURI is the app's launch URL with iss and launch, "" where the app has
// none.
func (s *Service) launchURI(ctx context.Context, l *Launch, token string) string {
	c, err := s.clientRecord(ctx, l.ClientID)
	store, missing := s.store(l.DataStore)
	if err != nil || missing != nil || c.LaunchURL == "" {
		return ""
	}
	return withQuery(c.LaunchURL, url.Values{"iss": {store.Base()}, "launch": {token}})
}

// takeLaunch uses a launch token up. A token of another app stays as it is.
func (s *Service) takeLaunch(ctx context.Context, token, clientID, dataStore string) (*Launch, error) {
	var record launchRecord
	err := s.db.Update(ctx, func(tx kv.Tx) (err error) {
		if record, err = launchTable.Get(tx, opaque.Key(token)); err != nil {
			return err
		}
		if record.Launch.ClientID != clientID || record.Launch.DataStore != dataStore {
			return kv.ErrNotFound
		}
		return launchTable.Delete(tx, opaque.Key(token))
	})
	if errors.Is(err, kv.ErrNotFound) || err == nil && !s.now().Before(record.Expires) {
		return nil, refuse(codeInvalidRequest, "launch is unknown, expired or used")
	}
	return &record.Launch, err
}

// isFor reports whether a user may use the launch.
func (l *Launch) isFor(u *login.User) bool {
	if l.User == "" || l.User == u.ID {
		return true
	}
	profile, ok := u.Profile(l.DataStore)
	return strings.EqualFold(l.User, u.Username) || u.Email != "" && strings.EqualFold(l.User, u.Email) ||
		ok && l.User == profile.FHIRUser
}
