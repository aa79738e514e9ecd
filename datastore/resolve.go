package datastore

import (
	"bytes"
	"context"
	"strings"
	"sync"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// resolve rewrites the references of a transaction's resources: those by the
// fullUrl of another entry, and conditional ones ("Patient?identifier=x").
// http://hl7.org/fhir/R4/http.html#trules
func (x *expansion) resolve(ctx context.Context) error {
	if !x.commit.transaction() {
		return nil
	}
	defer x.close()
	targets, err := x.fullURLs()
	if err != nil {
		return err
	}
	r := &resolver{x: x, targets: targets, found: map[string]string{}, links: linksOf(x.commit.store.Definitions().Schema)}
	for i := range x.steps {
		if !x.steps[i].write || x.steps[i].tree == nil {
			continue
		}
		if err := r.rewrite(ctx, i); err != nil {
			return x.commit.locate(i, err)
		}
	}
	return nil
}

// fullURLs maps the entries' fullUrls to the references that stand for them.
// One of two resources leaves open which of them is meant.
// http://hl7.org/fhir/R4/bundle.html#invs (bdl-7)
func (x *expansion) fullURLs() (map[string]string, error) {
	targets := make(map[string]string, len(x.steps))
	for i := range x.steps {
		url := x.commit.ops[i].FullURL
		if url == "" || x.commit.ops[i].Resource == nil {
			continue
		}
		v := x.promised(i)
		target := v.Type + "/" + v.ID
		if other, ok := targets[url]; ok && other != target {
			return nil, x.commit.locate(i, fhir.Errorf(fhir.KindInvalid, "the fullUrl %q is that of another entry too; each resource of a transaction needs its own", url))
		}
		targets[url] = target
	}
	return targets, nil
}

type resolver struct {
	x       *expansion
	targets map[string]string // by fullUrl
	found   map[string]string // by conditional reference
	links   []link
	edits   []fhir.Edit // of the resource that is looked at
}

// link says what a property's values can refer to other entries by.
type link uint8

const (
	linkReference link = iota + 1 // Reference.reference
	linkURI
	linkNarrative
)

var linkTables sync.Map // of a *fhir.Schema: its []link

// linksOf is the link of each property of a schema.
func linksOf(schema *fhir.Schema) []link {
	if known, ok := linkTables.Load(schema); ok {
		return known.([]link)
	}
	links := make([]link, len(schema.Properties))
	for i, p := range schema.Properties[1:] {
		switch p.Type.Name {
		case "string":
			if p.Owner.Name == "Reference" && p.JSON == "reference" {
				links[i+1] = linkReference
			}
		case "uri", "url", "oid", "uuid", "canonical":
			links[i+1] = linkURI
		case "xhtml":
			links[i+1] = linkNarrative
		}
	}
	linkTables.Store(schema, links)
	return links
}

func (r *resolver) rewrite(ctx context.Context, i int) error {
	st := &r.x.steps[i]
	r.edits = r.edits[:0]
	if err := r.collect(ctx, r.x.commit.ops[i].FullURL, st.tree.Root()); err != nil {
		return err
	}
	if len(r.edits) == 0 {
		return nil
	}
	// With its id in place too, the text is the body that is stored.
	if id := st.tree.Root().Child("id"); id.HasValue() && fhir.ValidID(id.View()) {
		start, end := id.Span()
		r.edits = append(r.edits, fhir.Edit{Start: start, End: end, Text: st.op.ID})
	}
	st.tree, st.rewritten = fhir.Rewrite(st.tree.Root(), r.edits), true
	return nil
}

// collect gathers the edits of one node and what is below it.
func (r *resolver) collect(ctx context.Context, owner string, n fhir.Node) error {
	for c := n.First(); c.Exists(); c = c.Next() {
		if of := r.links[c.PropertyIndex()]; of != 0 && c.HasValue() {
			text, err := r.replacement(ctx, owner, of, c)
			if err != nil {
				return err
			}
			if text != "" {
				start, end := c.Span()
				r.edits = append(r.edits, fhir.Edit{Start: start, End: end, Text: text})
			}
		}
		if err := r.collect(ctx, owner, c); err != nil {
			return err
		}
	}
	return nil
}

// replacement is the JSON text, without quotes, to put in a primitive's place;
// "" to leave it.
func (r *resolver) replacement(ctx context.Context, owner string, of link, c fhir.Node) (string, error) {
	switch of {
	case linkReference:
		return r.reference(ctx, owner, c)
	case linkURI:
		return escaped(r.targets[c.View()]), nil
	}
	return r.narrative(c), nil
}

func escaped(text string) string {
	if !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == '"' || c == '\\' }) {
		return text
	}
	quoted := fhir.AppendString(nil, text)
	return string(quoted[1 : len(quoted)-1])
}

func (r *resolver) reference(ctx context.Context, owner string, c fhir.Node) (string, error) {
	if to := r.targets[c.View()]; to != "" {
		return escaped(to), nil
	}
	text := c.Text()
	if to := r.targets[absolute(owner, text)]; to != "" {
		return escaped(to), nil
	}
	if at := strings.IndexByte(text, '?'); at > 0 && r.x.commit.store.Definitions().Schema.Resource(text[:at]) != nil {
		to, err := r.conditional(ctx, text, at)
		if err != nil {
			return "", located(err, c)
		}
		return escaped(to), nil
	}
	if strings.HasPrefix(text, "urn:uuid:") || strings.HasPrefix(text, "urn:oid:") {
		return "", located(fhir.Errorf(fhir.KindInvalid, "the reference %q is the fullUrl of no entry that creates, updates or finds a resource in this transaction", text), c)
	}
	return "", nil
}

// located locates an error at a node.
func located(err error, n fhir.Node) error {
	if e, ok := err.(*fhir.Error); ok {
		return e.At(n.Path())
	}
	return err
}

// absolute makes a relative reference absolute on the root of the entry that
// holds it, as http://hl7.org/fhir/R4/bundle.html#references says.
func absolute(owner, reference string) string {
	if !strings.HasPrefix(owner, "http") || strings.Count(reference, "/") != 1 {
		return ""
	}
	root := owner
	for range 2 {
		at := strings.LastIndexByte(root, '/')
		if at < 0 {
			return ""
		}
		root = root[:at]
	}
	return root + "/" + reference
}

// conditional finds the one resource that a conditional reference means:
// among those stored, or among the ones that this transaction writes.
func (r *resolver) conditional(ctx context.Context, text string, at int) (string, error) {
	if to := r.found[text]; to != "" {
		return to, nil
	}
	pairs, err := search.Pairs(text[at+1:])
	if err != nil {
		return "", err
	}
	part, _, err := r.x.criteria(ctx, text[:at], pairs)
	if err != nil {
		return "", err
	}
	matches, err := r.x.find(ctx, part)
	if err != nil {
		return "", err
	}
	if len(matches) != 1 {
		return "", fhir.Errorf(fhir.KindPrecondition, "the conditional reference %q matches %s; it must match exactly one", text, howMany(len(matches)))
	}
	to := matches[0].Type + "/" + matches[0].ID
	r.found[text] = to
	return to, nil
}

func howMany(n int) string {
	if n == 0 {
		return "no resource"
	}
	return "several resources"
}

// narrative rewrites links (href, src) inside XHTML that name a fullUrl.
func (r *resolver) narrative(c fhir.Node) string {
	if !bytes.Contains(c.Raw(), []byte("urn:")) {
		return ""
	}
	raw := string(c.Raw())
	out := raw
	for url, to := range r.targets {
		if strings.HasPrefix(url, "urn:") {
			out = strings.ReplaceAll(out, `\"`+url+`\"`, `\"`+to+`\"`)
			out = strings.ReplaceAll(out, `'`+url+`'`, `'`+to+`'`)
		}
	}
	if out == raw {
		return ""
	}
	return out
}
