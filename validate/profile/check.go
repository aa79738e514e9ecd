package profile

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tarnhealth/tarn/fhir"
)

// clock is the time of invariants that ask for it.
var clock = time.Now

// maxDepth bounds how deep profiles of types lead into each other.
const maxDepth = 64

func (c *checker) fail(n fhir.Node, code, format string, args ...any) {
	c.issue(fhir.SeverityError, n, n.Path(), code, format, args...)
}

func (c *checker) failAt(n fhir.Node, expression, code, format string, args ...any) {
	c.issue(fhir.SeverityError, n, expression, code, format, args...)
}

func (c *checker) warn(n fhir.Node, code, format string, args ...any) {
	c.issue(fhir.SeverityWarning, n, n.Path(), code, format, args...)
}

func (c *checker) issue(severity fhir.Severity, n fhir.Node, expression, code, format string, args ...any) {
	c.failed = c.failed || severity == fhir.SeverityError
	if c.quiet {
		return
	}
	text := fmt.Sprintf(format, args...)
	if c.before(expression, text) {
		return
	}
	line, column := n.Position()
	c.report(fhir.Issue{Severity: severity, Code: code, Diagnostics: text, Expression: expression, Line: line, Column: column})
}

// before reports whether an issue was reported already.
func (c *checker) before(expression, text string) bool {
	key := expression + "\x00" + text
	if c.seen[key] {
		return true
	}
	if c.seen == nil {
		c.seen = map[string]bool{}
	}
	c.seen[key] = true
	return false
}

// element checks a value against what a profile says of its element, and all
// that is inside.
func (c *checker) element(n fhir.Node, e *element) {
	if !e.active {
		return
	}
	if c.depth >= maxDepth || c.quiet && c.failed {
		return
	}
	if c.steps++; c.steps > c.limit {
		c.stop(n)
		return
	}
	c.depth++
	c.value(n, e)
	if len(e.rules) > 0 {
		c.invariants(n, e)
	}
	for _, child := range e.watched {
		c.children(n, child)
	}
	if (len(e.children) == 0 || e.lent) && !c.isRoot(e) {
		c.ofType(n, e)
	}
	c.depth--
}

func (c *checker) invariants(n fhir.Node, e *element) {
	report := func(issue fhir.Issue) {
		issue.Diagnostics += c.by(e)
		if issue.Severity == fhir.SeverityError {
			c.failed = true
		}
		if !c.quiet && !c.before(issue.Expression, issue.Diagnostics) {
			c.report(issue)
		}
	}
	for i := range e.rules {
		e.rules[i].Check(n, *c.environment(), report)
	}
}

// Profiles may lead into each other in ways that take longer than anybody
// waits: so many values are checked for each byte of a resource, and some more.
const (
	stepsAtLeast = 100_000
	stepsPerByte = 100
)

// stop tells, once, that not all is checked.
func (c *checker) stop(n fhir.Node) {
	c.failed = true
	if c.steps == c.limit+1 {
		quiet := c.quiet
		c.quiet = false
		c.fail(n, "too-costly", "the profiles take more than %d steps to check; not all of the resource was", c.limit)
		c.quiet = quiet
	}
}

func (c *checker) isRoot(e *element) bool { return e == e.profile.root }

// by says whose rule it is.
func (c *checker) by(e *element) string { return " (" + e.profile.Name + ")" }

func (c *checker) value(n fhir.Node, e *element) {
	if e.fixed != nil && !e.fixed.equal(n) {
		c.fail(n, "value", "the value must be %s%s", e.fixed.shown(), c.by(e))
	}
	if e.pattern != nil && !e.pattern.matches(n) {
		c.fail(n, "value", "the value must have %s%s", e.pattern.shown(), c.by(e))
	}
	if e.maxLength > 0 && n.HasValue() && utf8.RuneCountInString(n.View()) > e.maxLength {
		c.fail(n, "too-long", "the value may have %d characters at most%s", e.maxLength, c.by(e))
	}
	if e.narrow && !e.allows(n.Type()) {
		c.fail(n, "structure", "the value may not be of type %s; allowed: %s%s", n.Type().Name, e.typeNames(), c.by(e))
	}
	if e.binding != nil {
		c.binding(n, e)
	}
}

func (e *element) typeNames() string {
	var names []string
	for _, t := range e.types {
		names = append(names, t.code)
	}
	return strings.Join(names, ", ")
}

// ofType checks a value against the profiles of its type: any of them will do.
func (c *checker) ofType(n fhir.Node, e *element) {
	var all []string
	for i := range e.types {
		t := &e.types[i]
		if !isA(n.Type(), t.code) {
			continue
		}
		if all == nil {
			all = t.profiles
		} else {
			all = slices.Concat(all, t.profiles)
		}
		if t.code == "Reference" && (len(t.targets) > 0 || len(t.aggregation) > 0) {
			c.target(n, t, e)
		}
	}
	if len(all) > 0 {
		c.conformingToAny(n, all, e)
	}
}

func (c *checker) conformingToAny(n fhir.Node, all []string, e *element) {
	var unknown error
	for _, canonical := range all {
		p, err := c.rules.Profile(canonical)
		if err != nil {
			unknown = err
			continue
		}
		if len(all) == 1 {
			c.element(n, p.root)
			if p.usage != nil && !c.quiet {
				c.extensions = append(c.extensions, visit{n, p})
			}
			return
		}
		if c.conforms(n, p.root) {
			return
		}
	}
	if unknown != nil {
		if url := n.TextOf("url"); n.Type().Name != "Extension" || url != "" && slices.ContainsFunc(all, func(s string) bool { return withoutVersion(s) == url }) {
			c.warn(n, "not-found", "%v%s", unknown, c.by(e))
		}
		return
	}
	c.fail(n, "structure", "the value conforms to none of %s%s", strings.Join(all, ", "), c.by(e))
}

// target checks the type that a reference names against what the target
// profiles are for, and where it leads.
func (c *checker) target(n fhir.Node, t *typeRef, e *element) {
	literal := n.Child("reference").View()
	found, here := c.referred(n, literal)
	c.aggregated(n, literal, here, t, e)
	kind := ""
	if here {
		kind = found.Type().Name
	} else {
		kind = fhir.ParseReference(literal, "").Type
	}
	if len(t.targets) == 0 || kind == "" {
		return
	}
	var profiles []*Profile
	for _, to := range t.targets {
		name := to.name
		if name == "" {
			p, err := c.rules.Profile(to.canonical)
			if err != nil {
				return // whatever it is for may be meant
			}
			name = p.Type
			if name == kind && here {
				profiles = append(profiles, p)
				continue
			}
		}
		if name == "Resource" || name == kind {
			return
		}
	}
	if len(profiles) == 0 {
		c.fail(n, "structure", "%q is of type %s, which may not be referred to here; allowed: %s%s", literal, kind, strings.Join(c.targetNames(t), ", "), c.by(e))
		return
	}
	c.conforming(n, found, profiles, e)
}

// targetNames are the types that may be referred to.
func (c *checker) targetNames(t *typeRef) []string {
	var names []string
	for _, to := range t.targets {
		name := to.name
		if name == "" {
			if p, err := c.rules.Profile(to.canonical); err == nil {
				name = p.Type
			}
		}
		names = append(names, name)
	}
	return slices.Compact(names)
}

// aggregated checks that what a reference is to is where it has to be: in the
// resource (contained), in its Bundle (bundled), or anywhere else (referenced).
// That a resource by itself does not have its Bundle at hand breaks nothing.
// http://hl7.org/fhir/R4/valueset-resource-aggregation-mode.html
func (c *checker) aggregated(n fhir.Node, literal string, here bool, t *typeRef, e *element) {
	if len(t.aggregation) == 0 || literal == "" {
		return
	}
	allowed := func(mode string) bool { return slices.Contains(t.aggregation, mode) }
	inside := strings.HasPrefix(literal, "#")
	switch {
	case inside && allowed("contained"), !inside && allowed("referenced"):
	case !inside && allowed("bundled") && (here || c.entries == nil):
	default:
		c.fail(n, "structure", "%q leads to another place than it has to; allowed: %s%s", literal, strings.Join(t.aggregation, ", "), c.by(e))
	}
}

// referred is the resource that a reference is to, where that is in the same
// resource or Bundle.
func (c *checker) referred(n fhir.Node, literal string) (fhir.Node, bool) {
	id, inside := strings.CutPrefix(literal, "#")
	if !inside {
		return c.resolve(literal)
	}
	holder := resourceOf(n)
	if holder.Name() == "contained" {
		holder = resourceOf(holder.Parent())
	}
	if id == "" {
		return holder, true
	}
	for contained := range holder.Each("contained") {
		if contained.TextOf("id") == id {
			return contained, true
		}
	}
	return fhir.Node{}, false
}

// conforming checks that what a reference is to conforms to one of the target
// profiles. What is being checked on the way there is taken to conform.
func (c *checker) conforming(n, found fhir.Node, profiles []*Profile, e *element) {
	var names []string
	for _, p := range profiles {
		key := visit{found, p}
		if c.visiting[key] {
			return
		}
		if c.visiting == nil {
			c.visiting = map[visit]bool{}
		}
		c.visiting[key] = true
		conforms := c.conforms(found, p.root)
		delete(c.visiting, key)
		if conforms {
			return
		}
		names = append(names, p.Name)
	}
	c.fail(n, "structure", "%s conforms to none of the profiles that may be referred to here: %s%s", found.Path(), strings.Join(names, ", "), c.by(e))
}

// visit is the check of a resource against a profile.
type visit struct {
	n fhir.Node
	p *Profile
}

// children checks the values of one element of n.
func (c *checker) children(n fhir.Node, e *element) {
	mark := len(c.values)
	for child := n.First(); child.Exists(); child = child.Next() {
		if child.Name() == e.name {
			c.values = append(c.values, child)
		}
	}
	values := c.values[mark:len(c.values):len(c.values)]
	c.count(n, e, len(values))
	if len(e.slices) > 0 {
		c.sliced(n, e, values)
	} else {
		for _, v := range values {
			c.element(v, e)
		}
	}
	c.values = c.values[:mark]
}

// count checks how often an element, or a slice of it, is there. What R4 itself
// demands is not said again.
func (c *checker) count(n fhir.Node, e *element, found int) {
	name := e.name
	if e.slice != "" {
		name += " of the slice " + e.slice
	}
	of := n.Type().Element(e.name)
	if found < e.min && (e.slice != "" || of == nil || found >= of.Min) {
		c.failAt(n, n.Path()+"."+e.name, "required", "%s must be there%s%s", name, times(e.min), c.by(e))
	}
	if found > e.max && (e.slice != "" || of == nil || of.Max < 0 || found <= of.Max || of.Max > e.max) {
		if e.max == 0 {
			c.failAt(n, n.Path()+"."+e.name, "structure", "%s may not be there%s", name, c.by(e))
			return
		}
		c.failAt(n, n.Path()+"."+e.name, "structure", "%s may be there %d times at most, not %d times%s", name, e.max, found, c.by(e))
	}
}

func times(n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(" %d times", n)
}

// extension checks an extension against its definition, where that is known: in
// the version that the guide of the resource's profile means.
func (c *checker) extension(n fhir.Node) {
	url := n.Child("url").View()
	if strings.IndexByte(url, ':') < 0 || !c.rules.within(url) { // part of another extension
		return
	}
	p, err := c.rules.extension(c.home, url)
	switch {
	case err == nil && p.usage != nil:
		c.placed(n, p)
		if !slices.Contains(c.extensions, visit{n, p}) {
			c.element(n, p.root)
		}
	case err == nil:
		c.fail(n, "extension", "%s is the definition of a profile for %s, not of an extension", url, p.Type)
	case n.Name() == "modifierExtension":
		c.warn(n, "extension", "the modifier extension %s is not known; it may change what the resource means", url)
	}
}
