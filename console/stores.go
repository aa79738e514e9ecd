package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/page"
	"github.com/tarnhealth/tarn/server/admin"
)

// A storeLine describes a data store.
type storeLine struct {
	datastore.Record
	// Base is its FHIR base URL.
	Base string
	// Open is set where its storage is.
	Open      bool
	Resources string
	Size      string
	Types     []typeCount
	Encrypted bool
	// KMSKey is the customer's key that encrypts it, "" for the server's own.
	KMSKey   string
	ReadOnly bool
	// Why says why it is not served, "" where it is.
	Why string
	// Filling is set while it is being filled.
	Filling bool
	// Indexing are its search parameters that are not complete.
	Indexing []indexLine
}

// A typeCount is how many resources of a type there are.
type typeCount struct {
	Type  string
	Count string
	n     int
}

// An indexLine is how far the index of a search parameter is.
type indexLine struct {
	Name, Error string
	Done, Total int
}

// describe is what there is to say of a data store.
func (s *Console) describe(r datastore.Record) storeLine {
	line := storeLine{Record: r, Base: s.cfg.BaseURL + "/datastore/" + r.ID + "/r4", Encrypted: s.cfg.Folder.Vault.Has(r.ID)}
	if r.Control != nil {
		line.KMSKey = r.Control.KeyID
	}
	if why := s.cfg.Folder.Catalog.Suspended(r.ID); why != nil {
		line.Why = why.Error()
	}
	line.Filling = s.cfg.Jobs.Filling(r.ID)
	held, ok := s.cfg.Storage(r.ID)
	if !ok || r.Status != datastore.StatusActive {
		return line
	}
	line.Open, line.Size, line.ReadOnly = true, bytesText(int64(held.Bytes)), held.ReadOnly
	total := 0
	for name, n := range held.Resources {
		if n > 0 {
			total += n
			line.Types = append(line.Types, typeCount{name, countText(n), n})
		}
	}
	slices.SortFunc(line.Types, func(a, b typeCount) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.Type, b.Type)) })
	line.Resources = countText(total)
	return line
}

// indexing are the search parameters of a data store that are not complete.
func (s *Console) indexing(id string) (lines []indexLine, err error) {
	store, err := s.cfg.Folder.Catalog.Store(id)
	if err != nil {
		return nil, nil // one that is not open indexes nothing
	}
	states, err := store.ParamStates(authz.Unrestricted())
	for _, st := range states {
		if st.State != datastore.IndexReady && (st.Error != "" || st.Total > 0 || !st.Usable) {
			line := indexLine{Name: st.Code, Error: st.Error, Done: st.Done, Total: st.Total}
			if len(st.Types) > 0 {
				line.Name = st.Types[0] + "." + st.Code
			}
			lines = append(lines, line)
		}
	}
	return lines, err
}

// A storesPage is the first page.
type storesPage struct {
	Stores []storeLine
	// Name and ID are those of the form that was sent.
	Name, ID string
	// Failed is set where that was refused.
	Failed bool
	// Running is how many jobs have not ended.
	Running int
}

// showStores is GET /console.
func (s *Console) showStores(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.storesPage(w, r, c, http.StatusOK, storesPage{})
}

func (s *Console) storesPage(w http.ResponseWriter, r *http.Request, c *caller, status int, body storesPage, options ...page.Option) error {
	list, err := s.reads.List(r.Context())
	if err != nil {
		return err
	}
	for _, record := range list {
		if record.Status != datastore.StatusDeleted {
			body.Stores = append(body.Stores, s.describe(record))
		}
	}
	jobs, err := s.jobs(r.Context(), list)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.Running {
			body.Running++
		}
	}
	s.show(w, r, c, status, "stores", "stores", body, options...)
	return nil
}

// createStore is POST /console/stores.
func (s *Console) createStore(w http.ResponseWriter, r *http.Request, c *caller) error {
	name, id := r.PostForm.Get("name"), r.PostForm.Get("id")
	made, err := s.acting(c).CreateStore(r.Context(), admin.NewStore{ID: id, Name: name})
	if err != nil {
		status, option := s.problems(r, "", err)
		return s.storesPage(w, r, c, status, storesPage{Name: name, ID: id, Failed: true}, option)
	}
	s.pages.Redirect(w, storePath(made.ID)+"?done=store-created")
	return nil
}

func storePath(id string) string { return Prefix + "/stores/" + url.PathEscape(id) }

// A storePage is the page of one data store.
type storePage struct {
	Store  storeLine
	Guides int
	// Browse is set where it can be searched from the console.
	Browse bool
}

// showStore is GET /console/stores/{id}.
func (s *Console) showStore(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.storePage(w, r, c, http.StatusOK)
}

func (s *Console) storePage(w http.ResponseWriter, r *http.Request, c *caller, status int, options ...page.Option) error {
	record, err := s.store(r)
	if err != nil {
		return err
	}
	body := storePage{Store: s.describe(record), Browse: s.cfg.FHIR != nil}
	if record.Status == datastore.StatusActive {
		guides, err := s.reads.Guides(r.Context(), record.ID)
		if err != nil {
			return err
		}
		body.Guides = len(guides)
		if body.Store.Indexing, err = s.indexing(record.ID); err != nil {
			return err
		}
	}
	s.show(w, r, c, status, "store", "stores", body, options...)
	return nil
}

// store is the data store that a request names; one that was deleted is not
// there.
func (s *Console) store(r *http.Request) (datastore.Record, error) {
	record, err := s.cfg.Folder.Catalog.Describe(r.Context(), r.PathValue("id"))
	if err == nil && record.Status == datastore.StatusDeleted {
		err = fhir.Errorf(fhir.KindGone, "the data store %q was deleted", record.ID)
	}
	return record, err
}

// deleteStore is POST /console/stores/{id}/delete. The form has the data store's
// name, typed by whoever means this one.
func (s *Console) deleteStore(w http.ResponseWriter, r *http.Request, c *caller) error {
	record, err := s.store(r)
	if err != nil {
		return err
	}
	if want := cmp.Or(record.Name, record.ID); r.PostForm.Get("confirm") != want {
		return s.storePage(w, r, c, http.StatusUnprocessableEntity,
			page.Problems(page.Problem{Field: "confirm", Message: page.Message{Key: "store.delete-other", Args: []any{want}}}))
	}
	if _, err := s.acting(c).Delete(r.Context(), record.ID); err != nil {
		status, option := s.problems(r, "", err)
		return s.storePage(w, r, c, status, option)
	}
	s.pages.Redirect(w, Prefix+"?done=store-deleted")
	return nil
}
