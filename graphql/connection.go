package graphql

import (
	"slices"
	"strconv"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A connection is one page of a search.
// http://hl7.org/fhir/R4/graphql.html#searching
type connection struct {
	use    *use
	view   *datastore.View
	place  cursor
	size   int
	result store.Result
	edges  []item
	loaded bool
}

func (c *connection) object() object { return object{kind: objectConnection, typ: c.use.resource} }

// An edge is one match of a connection.
type edge struct {
	of    *connection
	match item
}

func (e edge) object() object { return object{kind: objectEdge, typ: e.of.use.resource} }

// connect answers PatientConnection.
func (x *execution) connect(t thing, u *use) ([]item, error) {
	c := &connection{use: u, view: x.view}
	var err error
	if token, ok := u.cursor(); ok {
		err = x.resume(c, token)
	} else {
		c.view, c.place.Pairs, err = x.pairs(t, u)
		c.place.Type, c.place.T, c.place.Path = u.resource.Name, moment(c.view.T()), u.args[argumentPath].text()
	}
	if err != nil {
		return nil, err
	}
	q, err := x.parseSearch(u.resource.Name, c.place.Pairs)
	if err != nil {
		return nil, err
	}
	c.size = q.Count
	if err := x.request(); err != nil {
		return nil, err
	}
	if err := x.searchPage(c, q); err != nil {
		return nil, err
	}
	return []item{{thing: c}}, nil
}

// cursor is the argument cursor, by either of its names.
func (s *selected) cursor() (given, bool) {
	for _, name := range argumentCursor {
		if a, ok := s.args[name]; ok {
			return a, true
		}
	}
	return given{}, false
}

// resume continues a search at a cursor: with the cursor's own parameters, and
// the data as they were at the first page.
func (x *execution) resume(c *connection, token given) (err error) {
	if len(c.use.args) > 1 {
		return errorAt(token.at, "with a cursor there can be no other arguments: it has those of its search")
	}
	if c.place, err = parseCursor(x.view.Cursors(), token.text()); err != nil {
		return wrap(err, token.at, nil)
	}
	if c.place.Type != c.use.resource.Name {
		return errorAt(token.at, "this cursor is of %sConnection", c.place.Type)
	}
	if c.place.Path != "" {
		expr, err := x.compile(c.use.selected, c.place.Path, token.at)
		if err != nil {
			return err
		}
		again := *c.use.selected
		again.where = expr
		c.use = &use{selected: &again, sets: c.use.sets}
	}
	c.view, err = x.viewAt(store.T(c.place.T))
	return err
}

// viewAt is the view at another time.
func (x *execution) viewAt(t store.T) (*datastore.View, error) {
	if t == x.view.T() {
		return x.view, nil
	}
	for _, v := range x.opened {
		if v.T() == t {
			return v, nil
		}
	}
	v, err := x.view.At(x.ctx, t)
	if err == nil {
		x.opened = append(x.opened, v)
	}
	return v, err
}

// searchPage searches where one of the fields needs it.
func (x *execution) searchPage(c *connection, q *search.Query) (err error) {
	total, err := x.selects(c, "count")
	if err != nil {
		return err
	}
	if q.Count == 0 {
		c.result.Total, c.loaded = -1, true
		if total {
			c.result.Total, err = c.view.Count(x.ctx, q)
		}
		return err
	}
	c.result, err = c.view.Search(x.ctx, q, store.Page{After: c.place.After, Limit: q.Count, Total: total})
	return err
}

// selects reports whether the query selects a field of a connection.
func (x *execution) selects(c *connection, name string) (bool, error) {
	groups, err := x.groups(c.use, c.object())
	return slices.ContainsFunc(groups, func(g *group) bool { return g.uses[0].name == name }), err
}

// part is a field of the connection. There is no last: finding it would mean
// to read all pages before it.
func (c *connection) part(x *execution, u *use) ([]item, error) {
	switch u.name {
	case "edges":
		return c.load(x)
	case "count":
		return number(c.result.Total), nil
	case "offset":
		return number(c.place.Offset), nil
	case "pagesize":
		return number(c.size), nil
	}
	place, ok := c.place, true
	switch u.name {
	case "first":
		place.first()
	case "previous":
		ok = place.previous(c.size)
	case "next":
		ok = c.result.Next != nil
		place.next(c.result)
	default:
		ok = false
	}
	if !ok {
		return nil, nil
	}
	return []item{{leaf: textValue(place.token(x.view.Cursors())), typ: "id"}}, nil
}

// load reads the matches, once.
func (c *connection) load(x *execution) ([]item, error) {
	if c.loaded {
		return c.edges, nil
	}
	if err := x.read(c.result.Len); err != nil {
		return nil, err
	}
	matches, err := x.matches(c.view, c.result, c.use)
	if err != nil {
		return nil, err
	}
	for _, m := range matches {
		c.edges = append(c.edges, item{thing: edge{c, m}})
	}
	c.loaded = true
	return c.edges, nil
}

func number(n int) []item {
	return []item{{leaf: value{raw: strconv.AppendInt(nil, int64(n), 10)}, typ: "integer"}}
}

// part is a field of the edge. There is no score: matches are not ranked.
func (e edge) part(u *use) ([]item, error) {
	switch u.name {
	case "mode":
		return []item{{leaf: textValue("match"), typ: "code"}}, nil
	case "resource":
		return []item{e.match}, nil
	}
	return nil, nil
}

var errCursor = fhir.Errorf(fhir.KindInvalid, "this cursor was not made by this server, or was changed; take first, previous or next of a Connection as it is")

var errCursorCaller = fhir.Errorf(fhir.KindForbidden, "this cursor was made for another caller; begin the search again")
