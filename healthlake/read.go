package healthlake

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/datastore"
)

// described is how DescribeFHIRDatastore and UpdateFHIRDatastore answer.
type described struct {
	DatastoreProperties properties
}

// describe returns one data store, those deleted in the last days included.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_DescribeFHIRDatastore.html
func (c *call) describe() (any, error) {
	id, err := c.storeID()
	if err != nil {
		return nil, err
	}
	r, err := c.h.cfg.Stores.Describe(c.ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := c.told(r)
	return described{p}, err
}

// storeID reads a request that has DatastoreId only, and asks whether the
// caller may make it.
func (c *call) storeID() (string, error) {
	id := c.in.text("DatastoreId", idConstraint)
	if err := c.in.finish(); err != nil {
		return "", err
	}
	return id, c.allow(id)
}

// maxResults is the greatest page of a list, and the usual one.
const maxResults = 500

// listed is how ListFHIRDatastores answers.
type listed struct {
	DatastorePropertiesList []properties
	NextToken               string `json:",omitempty"`
}

// A filter is DatastoreFilter.
type filter struct {
	name, status  string
	before, after time.Time
}

// list returns data stores, oldest first.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_ListFHIRDatastores.html
func (c *call) list() (any, error) {
	var f filter
	if in := c.in.structure("Filter", false); in != nil {
		f.name = in.text("DatastoreName", nameConstraint)
		f.status = in.text("DatastoreStatus", statusConstraint)
		f.before = in.time("CreatedBefore")
		f.after = in.time("CreatedAfter")
	}
	most := c.in.number("MaxResults", maxResults)
	from := c.in.position(f.key())
	if err := c.in.finish(); err != nil {
		return nil, err
	}
	if err := c.allow(""); err != nil {
		return nil, err
	}
	all, err := c.h.cfg.Stores.List(c.ctx)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, compare)
	causes, err := c.settle(all)
	if err != nil {
		return nil, err
	}
	result := listed{DatastorePropertiesList: []properties{}}
	var last datastore.Record
	for _, r := range all {
		if !c.sees(r) || !f.matches(r) || !from.before(r.Created, r.ID) {
			continue
		}
		if len(result.DatastorePropertiesList) == most {
			result.NextToken = positionOf(last, f).token()
			break
		}
		p := c.h.properties(r)
		if err := c.describeProfiles(&p, r); err != nil {
			return nil, err
		}
		p.ErrorCause = causes[r.ID]
		result.DatastorePropertiesList = append(result.DatastorePropertiesList, p)
		last = r
	}
	return result, nil
}

func (f filter) matches(r datastore.Record) bool {
	return (f.name == "" || r.Name == f.name) && (f.status == "" || string(r.Status) == f.status) &&
		(f.before.IsZero() || r.Created.Before(f.before)) && (f.after.IsZero() || r.Created.After(f.after))
}

func compare(a, b datastore.Record) int {
	return slices.Compare([]string{sortable(a.Created), a.ID}, []string{sortable(b.Created), b.ID})
}

func sortable(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

// A position is where a page of a list ends: at a data store that may be gone
// when the next page is asked for. Whoever alters it gets another page of what
// they may see.
type position struct {
	Created string `json:"t"`
	ID      string `json:"id"`
	// Filter is that of the list.
	Filter string `json:"f"`
}

func positionOf(r datastore.Record, f filter) position {
	return position{Created: sortable(r.Created), ID: r.ID, Filter: f.key()}
}

func (f filter) key() string {
	return hashOf(map[string]any{"name": f.name, "status": f.status, "before": f.before.Unix(), "after": f.after.Unix()})[:16]
}

func (p position) token() string {
	text, _ := json.Marshal(p) // cannot fail
	return base64.RawURLEncoding.EncodeToString(text)
}

// before reports whether what was made at a time, under an id, is on a later
// page.
func (p position) before(created time.Time, id string) bool {
	return slices.Compare([]string{p.Created, p.ID}, []string{sortable(created), id}) < 0
}

// position reads NextToken, of a list that key tells from others.
func (in *input) position(key string) position {
	var p position
	text := in.text("NextToken", constraint{max: 8192})
	if text == "" {
		return p
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(raw, &p) != nil || p.Created == "" || p.ID == "" || p.Filter != key {
		in.breaks("NextToken", text, "Member must be the NextToken of the page before, with the same filter")
	}
	return p
}
