package console

import (
	"net/http"
	"strings"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/sigv4"
	"github.com/tarnhealth/tarn/smart"
	"github.com/tarnhealth/tarn/token"
)

// signedIn refuses what means nothing where everybody may do everything.
func signedIn(c *caller) error {
	if c.user == nil {
		return fhir.Errorf(fhir.KindNotFound, "this server lets everybody do everything (auth: none): users, apps and keys mean nothing here")
	}
	return nil
}

// A userLine is a user in the list.
type userLine struct {
	admin.UserInfo
	// You is set for who looks at the list.
	You bool
}

// showUsers is GET /console/users.
func (s *Console) showUsers(w http.ResponseWriter, r *http.Request, c *caller) error {
	if err := signedIn(c); err != nil {
		return err
	}
	users, err := s.reads.Users(r.Context())
	if err != nil {
		return err
	}
	lines := make([]userLine, len(users))
	for i, u := range users {
		lines[i] = userLine{u, u.ID == c.user.ID}
	}
	s.show(w, r, c, http.StatusOK, "users", "users", lines)
	return nil
}

// An appLine is a registered client in the list.
type appLine struct{ smart.Client }

// ScopeList are its scopes, one by one.
func (a appLine) ScopeList() []string { return strings.Fields(a.Scopes) }

// showApps is GET /console/apps.
func (s *Console) showApps(w http.ResponseWriter, r *http.Request, c *caller) error {
	if err := signedIn(c); err != nil {
		return err
	}
	clients, err := s.reads.Clients(r.Context())
	if err != nil {
		return err
	}
	lines := make([]appLine, len(clients))
	for i := range clients {
		lines[i] = appLine{clients[i]}
	}
	s.show(w, r, c, http.StatusOK, "apps", "apps", lines)
	return nil
}

// A keysPage is the page of all keys. None has a secret.
type keysPage struct {
	Signing []token.KeyInfo
	Access  []sigv4.Key
	API     []apiKeyLine
}

// An apiKeyLine is an API key in the list.
type apiKeyLine struct {
	apikey.Key
	Used string
}

// showKeys is GET /console/keys.
func (s *Console) showKeys(w http.ResponseWriter, r *http.Request, c *caller) (err error) {
	if err := signedIn(c); err != nil {
		return err
	}
	var body keysPage
	if body.Signing, err = s.reads.Keys(r.Context()); err != nil {
		return err
	}
	if body.Access, err = s.reads.AccessKeys(r.Context()); err != nil {
		return err
	}
	keys, err := s.reads.APIKeys(r.Context())
	if err != nil {
		return err
	}
	for _, k := range keys {
		body.API = append(body.API, apiKeyLine{k.Key, countText(int(k.Used))})
	}
	s.show(w, r, c, http.StatusOK, "keys", "keys", body)
	return nil
}
