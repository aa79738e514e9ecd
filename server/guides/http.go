package guides

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/guide/shelf"
	"github.com/tarnhealth/tarn/rest"
)

// This file has the administration of guides over HTTP: operations of the FHIR
// API of a data store, for callers with the role admin.

// An operation is one of them. It answers with a Parameters resource.
type operation struct {
	// code is its name without the $.
	code string
	// changes is set where it changes something.
	changes bool
	serve   func(s *Service, c *rest.OperationCall) (any, error)
	// needs is what it takes on resources of type ImplementationGuide, beside the
	// role.
	needs authz.Interaction
}

// Operations are $guides, $guide-add, $guide-remove, $guide-settings and
// $guide-set.
func (s *Service) Operations() []rest.Operation {
	var all []rest.Operation
	for _, o := range []operation{
		{"guides", false, listed, authz.Read},
		{"guide-add", true, added, authz.Create},
		{"guide-remove", true, removed, authz.Delete},
		{"guide-settings", false, readSettings, authz.Read},
		{"guide-set", true, changeSettings, authz.Update},
	} {
		all = append(all, rest.Operation{Code: o.code, AffectsState: o.changes, Serve: func(c *rest.OperationCall) ([]byte, error) {
			if err := o.allows(c.Access); err != nil {
				return nil, err
			}
			answer, err := o.serve(s, c)
			if err != nil {
				return nil, err
			}
			return json.Marshal(answer)
		}})
	}
	return all
}

// allows refuses callers without the role admin, and tokens of an administrator
// whose scopes do not reach so far.
func (o *operation) allows(access authz.Access) error {
	if access == authz.Unrestricted() {
		return nil
	}
	if !slices.Contains(access.Caller().Roles, authz.RoleAdmin) {
		return fhir.Errorf(fhir.KindForbidden, "the guides of a data store are administered by callers with the role %s", authz.RoleAdmin)
	}
	return access.Check(o.needs, "ImplementationGuide")
}

func storeOf(c *rest.OperationCall) string { return c.Store.Record().ID }

// only reads the query, in which no other parameters may be.
func only(c *rest.OperationCall, names ...string) (map[string][]string, error) {
	values := map[string][]string{}
	for _, p := range c.Query {
		if strings.HasPrefix(p.Name, "_") { // _format and the like
			continue
		}
		if !slices.Contains(names, p.Name) {
			return nil, fhir.Errorf(fhir.KindInvalid, "there is no parameter %q here; there are: %s", p.Name, strings.Join(names, ", ")).At("http." + p.Name)
		}
		values[p.Name] = append(values[p.Name], p.Value)
	}
	return values, nil
}

func one(values map[string][]string, name string) string {
	if len(values[name]) == 0 {
		return ""
	}
	return values[name][0]
}

// listed is $guides.
func listed(s *Service, c *rest.OperationCall) (any, error) {
	if _, err := only(c); err != nil {
		return nil, err
	}
	list, err := s.List(c.Request.Context(), storeOf(c))
	return shown(list), err
}

// packageTypes are the media types of a package.
var packageTypes = []string{"application/gzip", "application/x-gzip", "application/tar+gzip", "application/octet-stream"}

// added is $guide-add: of the package that is the body, or of one that the
// server's registry has. A registry cannot be named: what a server may reach is
// for its operator to say.
func added(s *Service, c *rest.OperationCall) (any, error) {
	values, err := only(c, "incomplete", "package")
	if err != nil {
		return nil, err
	}
	incomplete := one(values, "incomplete")
	if incomplete != "" && incomplete != "true" && incomplete != "false" {
		return nil, fhir.Errorf(fhir.KindInvalid, "incomplete is %q; it must be true or false", incomplete).At("http.incomplete")
	}
	ctx, id := c.Request.Context(), storeOf(c)
	if name := one(values, "package"); name != "" {
		list, err := s.Fetch(ctx, id, Addition{Package: name, Incomplete: incomplete == "true"})
		return shown(list), err
	}
	mime, _, _ := strings.Cut(c.Request.Header.Get("Content-Type"), ";")
	if !slices.Contains(packageTypes, strings.TrimSpace(mime)) {
		return nil, fhir.Errorf(fhir.KindUnsupportedMedia, "the body has to be a package (.tgz) as application/gzip; the parameter package names one of the server's registry instead")
	}
	data, err := s.Receive(c.Request.Body)
	if err != nil {
		return nil, err
	}
	list, err := s.Add(ctx, id, shelf.Addition{Packages: [][]byte{data}, Incomplete: incomplete == "true"})
	return shown(list), err
}

// Receive reads a package that comes over HTTP, one at a time: each may be large.
// One of more than MaxPackage is refused with KindTooLarge.
func (s *Service) Receive(body io.Reader) ([]byte, error) {
	s.uploading.Lock()
	defer s.uploading.Unlock()
	data, err := io.ReadAll(http.MaxBytesReader(nil, io.NopCloser(body), MaxPackage))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, fhir.Errorf(fhir.KindTooLarge, "the package has more than %d MB", MaxPackage>>20)
	}
	if err != nil {
		return nil, fhir.Errorf(fhir.KindInvalid, "the package cannot be read: %v", err)
	}
	return data, nil
}

// removed is $guide-remove.
func removed(s *Service, c *rest.OperationCall) (any, error) {
	values, err := only(c, "package")
	if err != nil {
		return nil, err
	}
	name := one(values, "package")
	if name == "" {
		return nil, fhir.Errorf(fhir.KindInvalid, "the parameter package is missing: NAME@VERSION, or NAME where there is one version").At("http.package")
	}
	list, err := s.Remove(c.Request.Context(), storeOf(c), name)
	return shown(list), err
}

// readSettings is $guide-settings.
func readSettings(s *Service, c *rest.OperationCall) (any, error) {
	if _, err := only(c); err != nil {
		return nil, err
	}
	now, err := s.Settings(c.Request.Context(), storeOf(c))
	return shownSettings(now), err
}

// changeSettings is $guide-set: what is given is changed, and a list that is given empty is
// emptied.
func changeSettings(s *Service, c *rest.OperationCall) (any, error) {
	values, err := only(c, "default", "demand", "refuse-unknown")
	if err != nil {
		return nil, err
	}
	ctx, id := c.Request.Context(), storeOf(c)
	now, err := s.Settings(ctx, id)
	if err != nil {
		return nil, err
	}
	if list, ok := values["default"]; ok {
		now.Defaults = notEmpty(list)
	}
	if list, ok := values["demand"]; ok {
		now.Demanded = notEmpty(list)
	}
	switch refuse := one(values, "refuse-unknown"); refuse {
	case "":
	case "true", "false":
		now.RefuseUnknown = refuse == "true"
	default:
		return nil, fhir.Errorf(fhir.KindInvalid, "refuse-unknown is %q; it must be true or false", refuse).At("http.refuse-unknown")
	}
	now, err = s.Set(ctx, id, now)
	return shownSettings(now), err
}

// notEmpty leaves out empty texts, and writes packages as settings have them.
func notEmpty(list []string) (all []string) {
	for _, text := range list {
		if !strings.Contains(text, "://") {
			text = strings.Replace(text, "@", "#", 1)
		}
		if text != "" {
			all = append(all, text)
		}
	}
	return all
}

// parameter is one of a Parameters resource. http://hl7.org/fhir/R4/parameters.html
type parameter struct {
	Name    string      `json:"name"`
	String  string      `json:"valueString,omitempty"`
	URI     string      `json:"valueUri,omitempty"`
	Boolean *bool       `json:"valueBoolean,omitempty"`
	Integer *int        `json:"valueInteger,omitempty"`
	Instant string      `json:"valueInstant,omitempty"`
	Part    []parameter `json:"part,omitempty"`
}

type parameters struct {
	ResourceType string      `json:"resourceType"`
	Parameter    []parameter `json:"parameter,omitempty"`
}

func texts(name string, list []string) (all []parameter) {
	for _, text := range list {
		all = append(all, parameter{Name: name, String: text})
	}
	return all
}

// shown is a list of guides.
func shown(list []shelf.Guide) parameters {
	out := parameters{ResourceType: "Parameters"}
	for _, g := range list {
		p := parameter{Name: "guide", Part: []parameter{{Name: "name", String: g.Name}, {Name: "version", String: g.Version}}}
		if g.Title != "" {
			p.Part = append(p.Part, parameter{Name: "title", String: g.Title})
		}
		if g.Canonical != "" {
			p.Part = append(p.Part, parameter{Name: "canonical", URI: g.Canonical})
		}
		p.Part = append(p.Part, parameter{Name: "digest", String: g.Digest}, parameter{Name: "common", Boolean: &g.Common})
		if !g.Added.IsZero() {
			p.Part = append(p.Part, parameter{Name: "added", Instant: g.Added.UTC().Format("2006-01-02T15:04:05.000Z")})
		}
		holds := parameter{Name: "holds"}
		for _, name := range slices.Sorted(maps.Keys(g.Holds)) {
			n := g.Holds[name]
			holds.Part = append(holds.Part, parameter{Name: name, Integer: &n})
		}
		if len(holds.Part) > 0 {
			p.Part = append(p.Part, holds)
		}
		p.Part = slices.Concat(p.Part, texts("needs", g.Needs), texts("missing", g.Missing), texts("skipped", g.Skipped), texts("unused", g.Unused))
		out.Parameter = append(out.Parameter, p)
	}
	return out
}

func shownSettings(s conformance.Settings) parameters {
	return parameters{"Parameters", slices.Concat(texts("default", s.Defaults), texts("demand", s.Demanded),
		[]parameter{{Name: "refuse-unknown", Boolean: &s.RefuseUnknown}})}
}
