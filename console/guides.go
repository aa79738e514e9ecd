package console

import (
	"context"
	"errors"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/guide/shelf"
	"github.com/tarnhealth/tarn/page"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/guides"
)

// maxUpload is the greatest form with a package.
const maxUpload = guides.MaxPackage + 64<<10

// A guidesPage is the page of the guides of a data store.
type guidesPage struct {
	Store storeLine
	Tasks []task
	// Running is set while a task is, or something is being indexed.
	Running bool
	Guides  []guideLine
	// Registry is the one that packages are fetched of by name; "" for none.
	Registry string
	// MaxMB is the greatest package, and MaxBytes the same for the script.
	MaxMB, MaxBytes int
	Settings        settingsForm
	// Package is what was asked for and refused.
	Package string
}

// A guideLine is a guide with its counts by name.
type guideLine struct {
	shelf.Guide
	Profiles, SearchParams, ValueSets, CodeSystems int
	// Others are the counts of other types.
	Others []typeCount
}

// ID names the guide as it is removed.
func (g guideLine) ID() string { return g.Name + "@" + g.Version }

// A settingsForm is the settings of guides as people write them: one in a line.
type settingsForm struct {
	Defaults, Demanded string
	RefuseUnknown      bool
}

// showGuides is GET /console/stores/{id}/guides.
func (s *Console) showGuides(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.guidesPage(w, r, c, http.StatusOK, guidesPage{}, nil)
}

func guidesPath(id string) string { return storePath(id) + "/guides" }

// guidesPage shows the guides of a data store. asked is what a form had that was
// refused; nil where the settings are those that are there.
func (s *Console) guidesPage(w http.ResponseWriter, r *http.Request, c *caller, status int, body guidesPage, asked *settingsForm, options ...page.Option) error {
	record, err := s.store(r)
	if err != nil {
		return err
	}
	body.Tasks = s.tasks.of(record.ID, time.Now()) // before the guides: what has ended is among them
	list, err := s.reads.Guides(r.Context(), record.ID)
	if err != nil {
		return err
	}
	now, err := s.reads.GuideSettings(r.Context(), record.ID)
	if err != nil {
		return err
	}
	body.Store = s.describe(record)
	if body.Store.Indexing, err = s.indexing(record.ID); err != nil {
		return err
	}
	for _, g := range list {
		body.Guides = append(body.Guides, counted(g))
	}
	body.Running = slices.ContainsFunc(body.Tasks, task.Running) || slices.ContainsFunc(body.Store.Indexing, func(l indexLine) bool { return l.Error == "" })
	body.Registry, body.MaxMB, body.MaxBytes = s.cfg.Folder.Guides.Registry, guides.MaxPackage>>20, guides.MaxPackage
	body.Settings = settingsForm{lines(now.Defaults), lines(now.Demanded), now.RefuseUnknown}
	if asked != nil {
		body.Settings = *asked
	}
	s.show(w, r, c, status, "guides", "stores", body, append(options, page.Script(Prefix+"/console.js"), page.Connect())...)
	return nil
}

func counted(g shelf.Guide) guideLine {
	line := guideLine{Guide: g}
	for _, name := range slices.Sorted(maps.Keys(g.Holds)) {
		switch n := g.Holds[name]; name {
		case "StructureDefinition":
			line.Profiles = n
		case "SearchParameter":
			line.SearchParams = n
		case "ValueSet":
			line.ValueSets = n
		case "CodeSystem":
			line.CodeSystems = n
		default:
			line.Others = append(line.Others, typeCount{name, countText(n), n})
		}
	}
	return line
}

// lines writes a list with one text in a line, packages as name@version.
func lines(list []string) string {
	texts := make([]string, len(list))
	for i, text := range list {
		if !strings.Contains(text, "://") {
			text = strings.Replace(text, "#", "@", 1)
		}
		texts[i] = text
	}
	return strings.Join(texts, "\n")
}

// listed reads such a list.
func listed(text string) (list []string) {
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if !strings.Contains(line, "://") {
			line = strings.Replace(line, "@", "#", 1)
		}
		list = append(list, line)
	}
	return list
}

// guidesRefused shows the guides, and at the top why something was not done.
func (s *Console) guidesRefused(w http.ResponseWriter, r *http.Request, c *caller, field string, err error, body guidesPage) error {
	status, option := s.problems(r, field, err)
	return s.guidesPage(w, r, c, status, body, nil, option)
}

// fetch is POST /console/stores/{id}/guides/fetch: a package of the registry that
// the configuration names, and no other.
func (s *Console) fetch(w http.ResponseWriter, r *http.Request, c *caller) error {
	name := strings.TrimSpace(r.PostForm.Get("package"))
	asked := guides.Addition{Package: name, Incomplete: r.PostForm.Get("incomplete") == "true"}
	id := r.PathValue("id")
	service := s.cfg.Folder.Guides
	var err error
	switch {
	case name == "":
		err = fhir.Errorf(fhir.KindInvalid, "name a package, such as hl7.fhir.us.core@6.1.0")
	case service.Registry == "":
		err = fhir.Errorf(fhir.KindInvalid, "no registry is configured: set guides.registry, or upload the package as a file")
	}
	if err == nil {
		err = s.begin(r, c, id, name, func(ctx context.Context) (any, error) { return service.Fetch(ctx, id, asked) })
	}
	if err != nil {
		return s.guidesRefused(w, r, c, "package", err, guidesPage{Package: name})
	}
	s.pages.Redirect(w, guidesPath(id))
	return nil
}

// upload is POST /console/stores/{id}/guides/upload: a form with the token, then
// a package as a file.
func (s *Console) upload(w http.ResponseWriter, r *http.Request, c *caller) error {
	id := r.PathValue("id")
	if _, err := s.store(r); err != nil {
		return err
	}
	if r.ContentLength > maxUpload {
		return s.guidesRefused(w, r, c, "file", tooLarge(), guidesPage{})
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	form, err := r.MultipartReader()
	if err != nil {
		s.pages.Error(w, r, http.StatusUnsupportedMediaType, page.Message{Key: "error.form"})
		return nil
	}
	sent, err := s.received(r, form)
	if errors.Is(err, errForged) {
		s.pages.Error(w, r, http.StatusForbidden, page.Message{Key: "error.csrf"})
		return nil
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		err = tooLarge()
	}
	if err == nil {
		err = s.begin(r, c, id, sent.name, func(ctx context.Context) (any, error) {
			return s.cfg.Folder.Guides.Add(ctx, id, shelf.Addition{Packages: [][]byte{sent.data}, Incomplete: sent.incomplete})
		})
	}
	if err != nil {
		return s.guidesRefused(w, r, c, "file", err, guidesPage{})
	}
	s.pages.Redirect(w, guidesPath(id))
	return nil
}

func tooLarge() error {
	return fhir.Errorf(fhir.KindTooLarge, "the package has more than %d MB", guides.MaxPackage>>20)
}

// An uploaded file is a package in a form.
type uploaded struct {
	name       string
	data       []byte
	incomplete bool
}

// errForged is a form that no page of this server sent.
var errForged = errors.New("console: the form has no token")

// maxFormField is the greatest field of a form with a file, in bytes.
const maxFormField = 4096

// received reads a form with a file. The token is its first field: a file is not
// read before that is known to be right.
func (s *Console) received(r *http.Request, form *multipart.Reader) (sent uploaded, err error) {
	for first := true; ; first = false {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return sent, broken(err)
		}
		switch name := part.FormName(); {
		case first:
			token, err := io.ReadAll(io.LimitReader(part, maxFormField))
			if err != nil || name != page.TokenField || !s.pages.FromHere(r, string(token)) {
				return sent, errForged
			}
		case name == "incomplete":
			value, err := io.ReadAll(io.LimitReader(part, maxFormField))
			if err != nil {
				return sent, broken(err)
			}
			sent.incomplete = string(value) == "true"
		case name == "file":
			sent.name = fileName(part.FileName())
			if sent.data, err = s.cfg.Folder.Guides.Receive(part); err != nil {
				return sent, err
			}
		default:
			return sent, fhir.Errorf(fhir.KindInvalid, "the form has a field %.64q, which means nothing here", name)
		}
	}
	if len(sent.data) == 0 {
		return sent, fhir.Errorf(fhir.KindInvalid, "choose a file: a package such as hl7.fhir.us.core-6.1.0.tgz")
	}
	return sent, nil
}

// broken is an error of a form that cannot be read to its end.
func broken(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return err
	}
	return fhir.Errorf(fhir.KindInvalid, "the form cannot be read: %v", err)
}

// fileName is what a file is called, without a path.
func fileName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	if r := []rune(name); len(r) > 100 {
		name = string(r[:100]) + "…"
	}
	return name
}

// begin adds a guide in the background. It fails where another is being added.
func (s *Console) begin(r *http.Request, c *caller, store, what string, run func(context.Context) (any, error)) error {
	if _, err := s.store(r); err != nil {
		return err
	}
	one := &task{Store: store, What: what, Started: time.Now()}
	if !s.tasks.begin(one) {
		return fhir.Errorf(fhir.KindConflict, "another guide is being added to this data store; try again when that is done")
	}
	change := admin.Change{Pattern: "POST /datastores/{id}/guides", Path: "/datastores/" + url.PathEscape(store) + "/guides"}
	go func() {
		_, err := s.cfg.Record(c.agent, change, func() (any, error) { return run(s.life) })
		var reasons []string
		if err != nil {
			_, reasons = s.reasons(r.WithContext(s.life), err)
		}
		s.tasks.finish(one, time.Now(), reasons, err != nil && len(reasons) == 0)
	}()
	return nil
}

// remove is POST /console/stores/{id}/guides/remove.
func (s *Console) remove(w http.ResponseWriter, r *http.Request, c *caller) error {
	id := r.PathValue("id")
	if _, err := s.acting(c).RemoveGuide(r.Context(), id, r.PostForm.Get("package")); err != nil {
		return s.guidesRefused(w, r, c, "", err, guidesPage{})
	}
	s.pages.Redirect(w, guidesPath(id)+"?done=guide-removed")
	return nil
}

// changeSettings is POST /console/stores/{id}/guides/settings.
func (s *Console) changeSettings(w http.ResponseWriter, r *http.Request, c *caller) error {
	id, form := r.PathValue("id"), r.PostForm
	asked := settingsForm{form.Get("default"), form.Get("demand"), form.Get("refuse-unknown") == "true"}
	_, err := s.acting(c).SetGuideSettings(r.Context(), id, conformance.Settings{
		Defaults: listed(asked.Defaults), Demanded: listed(asked.Demanded), RefuseUnknown: asked.RefuseUnknown,
	})
	if err != nil {
		status, option := s.problems(r, "", err)
		return s.guidesPage(w, r, c, status, guidesPage{}, &asked, option)
	}
	s.pages.Redirect(w, guidesPath(id)+"?done=settings-changed")
	return nil
}
