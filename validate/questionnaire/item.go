package questionnaire

import (
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
)

// check is the check of one response.
type check struct {
	*Rules
	report func(fhir.Issue)
	asked  fhir.Node        // the Questionnaire
	all    map[string]*item // by linkId
	// given are the items of the response by linkId.
	given map[string][]*given
	// complete is set where the response claims to be: one that is in progress
	// may lack answers.
	complete    bool
	work, count int
}

// maxWork bounds how many answers are compared with conditions.
const maxWork = 1_000_000

// An item is one of a Questionnaire.
// http://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item
type item struct {
	n                 fhir.Node
	linkID, kind      string
	place             int // among the items of its parent
	parent            *item
	required, repeats bool
	maxLength         int
	items             []*item
}

// items reads the items of a Questionnaire or of an item.
func (c *check) items(n fhir.Node, parent *item, depth int) []*item {
	var all []*item
	if depth > fhir.DefaultLimits.Depth {
		return nil
	}
	for child := range n.Each("item") {
		i := &item{
			n: child, linkID: child.TextOf("linkId"), kind: child.TextOf("type"), place: len(all), parent: parent,
			required: child.TextOf("required") == "true", repeats: child.TextOf("repeats") == "true",
		}
		i.maxLength, _ = strconv.Atoi(child.TextOf("maxLength")) // 0 where there is none
		i.items = c.items(child, i, depth+1)
		c.all[i.linkID] = i
		all = append(all, i)
	}
	return all
}

// name is how messages call an item.
func (i *item) name() string {
	if text := i.n.TextOf("text"); text != "" && len(text) < 80 {
		return strconv.Quote(i.linkID) + " (" + text + ")"
	}
	return strconv.Quote(i.linkID)
}

// A given is an item of a response.
type given struct {
	n       fhir.Node
	linkID  string
	parent  *given
	items   []*given
	answers []answer
	// number counts the items of the response in their order; end is the number
	// of the first after those inside.
	number, end int
}

// An answer is one of an item's, with the items inside.
type answer struct {
	n, value fhir.Node
	items    []*given
}

// read reads the items of a response, of an item or of an answer.
func (c *check) read(n fhir.Node, parent *given) []*given {
	var all []*given
	for child := range n.Each("item") {
		g := &given{n: child, linkID: child.TextOf("linkId"), parent: parent, number: c.count}
		c.count++
		c.given[g.linkID] = append(c.given[g.linkID], g)
		g.items = c.read(child, g)
		for a := range child.Each("answer") {
			g.answers = append(g.answers, answer{n: a, value: a.Child("value"), items: c.read(a, g)})
		}
		g.end = c.count
		all = append(all, g)
	}
	return all
}

// isAnswered reports whether an item, or one inside, has an answer.
func (g *given) isAnswered() bool {
	if len(g.answers) > 0 {
		return true
	}
	for _, inside := range g.items {
		if inside.isAnswered() {
			return true
		}
	}
	return false
}

// level checks the items given in one place, holder, against those asked there.
func (c *check) level(all []*given, asked []*item, holder fhir.Node, parent *given) {
	counts := make([]int, len(asked))
	last := -1
	for _, g := range all {
		i := c.all[g.linkID]
		if i == nil || i.place >= len(asked) || asked[i.place] != i {
			c.misplaced(g, i)
			continue
		}
		if i.place < last {
			c.fail(g.n, "structure", "the item %s comes too late; the questionnaire has it before %s", i.name(), asked[last].name())
		}
		last = max(last, i.place)
		counts[i.place]++
		c.item(g, i)
	}
	for _, i := range asked {
		switch n := counts[i.place]; {
		case n > 1 && i.kind != "group":
			c.issue(fhir.SeverityError, holder, holder.Path()+".item", "structure", "the item %s is there %d times; give its answers in one item", i.name(), n)
		case n > 1 && !i.repeats:
			c.issue(fhir.SeverityError, holder, holder.Path()+".item", "structure", "the item %s is there %d times and does not repeat", i.name(), n)
		case n == 0 && i.required && c.complete && i.kind != "display" && c.enabled(i, parent, c.endOf(parent)) == yes:
			c.issue(fhir.SeverityError, holder, holder.Path()+".item", "required", "the item %s must be answered", i.name())
		}
	}
}

// endOf is the number that an item after the last one inside parent would have.
func (c *check) endOf(parent *given) int {
	if parent == nil {
		return c.count
	}
	return parent.end
}

// misplaced tells where an item belongs that is not asked where it is.
func (c *check) misplaced(g *given, i *item) {
	switch {
	case i == nil:
		c.fail(g.n, "value", "the questionnaire has no item with the linkId %q", g.linkID)
	case i.parent == nil:
		c.fail(g.n, "structure", "the item %s belongs into the response itself, not into another item", i.name())
	case i.parent.kind == "group":
		c.fail(g.n, "structure", "the item %s belongs into the item %s", i.name(), i.parent.name())
	default:
		c.fail(g.n, "structure", "the item %s belongs into an answer of the item %s", i.name(), i.parent.name())
	}
}

// item checks one item and what is inside.
func (c *check) item(g *given, i *item) {
	if c.enabled(i, g.parent, g.number) == no {
		if g.isAnswered() {
			c.fail(g.n, "invariant", "the item %s may not be answered: its condition (enableWhen) does not hold", i.name())
		}
		return
	}
	switch i.kind {
	case "display":
		if len(g.answers) > 0 || len(g.items) > 0 {
			c.fail(g.n, "structure", "the item %s only shows a text; it takes neither answers nor items", i.name())
		}
		return
	case "group":
		if len(g.answers) > 0 {
			c.fail(g.answers[0].n, "structure", "the item %s is a group; it takes items, not answers", i.name())
		}
		c.level(g.items, i.items, g.n, g)
		return
	}
	if len(g.items) > 0 {
		c.fail(g.items[0].n, "structure", "the item %s is a question; items inside belong into its answer", i.name())
	}
	if len(g.answers) > 1 && !i.repeats {
		c.fail(g.n, "structure", "the item %s has %d answers and takes one", i.name(), len(g.answers))
	}
	if len(g.answers) == 0 && i.required && c.complete {
		c.issue(fhir.SeverityError, g.n, g.n.Path()+".answer", "required", "the item %s must be answered", i.name())
	}
	for _, a := range g.answers {
		if a.value.Exists() {
			c.value(a.value, i)
		}
		c.level(a.items, i.items, a.n, g)
	}
}
