package smart

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/smart/opaque"
)

// pushedPrefix begins every request_uri. https://www.rfc-editor.org/rfc/rfc9126#section-2.2
const pushedPrefix = "urn:ietf:params:oauth:request_uri:"

// pushedTable has requests that were pushed and not yet used, by the hash of
// their request_uri.
var pushedTable = kv.NewTable[pushedRequest]("smart-pushed")

type pushedRequest struct {
	Request AuthRequest `json:"request"`
	Expires time.Time   `json:"expires"`
}

// push is the pushed authorization request endpoint.
// https://www.rfc-editor.org/rfc/rfc9126
func (s *Service) push(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	uri, err := s.pushRequest(w, r)
	return map[string]any{"request_uri": uri, "expires_in": int(s.cfg.Lifetimes.Pushed.Seconds())}, err
}

func (s *Service) pushRequest(w http.ResponseWriter, r *http.Request) (string, error) {
	p, err := readForm(w, r)
	if err != nil {
		return "", err
	}
	if err := s.takeRequest("par", s.network(r)); err != nil {
		return "", err
	}
	c, err := s.authenticate(r, p)
	if err != nil {
		return "", err
	}
	if p["request_uri"] != "" {
		return "", refuse(codeInvalidRequest, "request_uri cannot be pushed")
	}
	if !c.MayRedirect(p["redirect_uri"]) {
		return "", refuse(codeInvalidRequest, "redirect_uri is not registered for this client")
	}
	thumbprint, err := s.cfg.Proofs.CheckProof(r, "")
	if err != nil {
		return "", s.proofError(w, err)
	}
	if thumbprint != "" && p["dpop_jkt"] == "" {
		p["dpop_jkt"] = thumbprint
	}
	if thumbprint != "" && p["dpop_jkt"] != thumbprint {
		return "", refuse(codeInvalidDPoPProof, "dpop_jkt is not the key of the proof")
	}
	a, err := s.newAuthRequest(r.Context(), c, p)
	if err != nil {
		return "", err
	}
	uri := pushedPrefix + opaque.New()
	expires := s.now().Add(s.cfg.Lifetimes.Pushed)
	return uri, s.db.Update(r.Context(), func(tx kv.Tx) error {
		return pushedTable.Put(tx, opaque.Key(uri), pushedRequest{*a, expires}, expires)
	})
}

// resume takes up a pushed request in a browser.
func (s *Service) resume(w http.ResponseWriter, r *http.Request, c *Client, uri string) {
	a, err := s.takePushed(r.Context(), uri, c.ID)
	if err != nil {
		s.refusePage(w, r, http.StatusBadRequest, "error.pushed", err)
		return
	}
	s.begin(w, r, a)
}

// takePushed uses a request_uri up.
func (s *Service) takePushed(ctx context.Context, uri, clientID string) (*AuthRequest, error) {
	unknown := refuse(codeInvalidRequest, "request_uri is unknown, expired or used")
	if !strings.HasPrefix(uri, pushedPrefix) {
		return nil, unknown
	}
	var pushed pushedRequest
	err := s.db.Update(ctx, func(tx kv.Tx) (err error) {
		if pushed, err = pushedTable.Get(tx, opaque.Key(uri)); err != nil {
			return err
		}
		if pushed.Request.ClientID != clientID {
			return kv.ErrNotFound
		}
		return pushedTable.Delete(tx, opaque.Key(uri))
	})
	if errors.Is(err, kv.ErrNotFound) || err == nil && !s.now().Before(pushed.Expires) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	a := pushed.Request
	a.ID, a.Created = opaque.New(), s.now().UTC()
	return &a, nil
}
