package conformance

import (
	"errors"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/snapshot"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/validate/profile"
)

// This file has what the resources of a data store define beside its guides.

// Stored finds the profiles among the resources of a data store, by canonical URL
// with or without a |version. It must be safe for concurrent use, and say the same
// each time.
type Stored interface {
	// Find is the StructureDefinition; nil where there is none.
	Find(canonical string) (*fhir.Tree, error)
	// Has reports whether Find finds one, and is asked often.
	Has(canonical string) bool
}

// Beside are the guides with the profiles that a data store's resources define,
// where neither a guide nor R4 has one of the name: nobody weakens a guide's by
// writing another. opt.Find finds their value sets and code systems, beside what
// else With takes.
//
// Without guides the stored ones alone are looked at where resources declare
// them, and what those are made of.
func (g *Guides) Beside(stored Stored, opt terminology.Options) *Guides {
	other := *g
	other.stored = stored
	how := profile.Options{Asked: g.settings.Demanded, Codes: opt, More: g.profiles.Of(profile.Source{Find: other.Find, Pin: other.pin})}
	if g.Empty() {
		how.Within = stored.Has
	}
	other.rules = g.profiles.Rules(how)
	return &other
}

// Define reports why a StructureDefinition cannot be used as a profile. One of
// another kind (a logical model, a type) is none, and nothing is said of one that
// is retired, or that a guide, or R4 itself, has in the same version, which counts.
// That they have it in another version, and that what it is based on is not known,
// are warnings.
func (g *Guides) Define(tree *fhir.Tree, report func(fhir.Issue)) {
	root := tree.Root()
	if !IsProfile(root) {
		return
	}
	url := root.TextOf("url")
	if g.name(url) != "" {
		if g.name(terminology.Canonical(url, root.TextOf("version"))) == "" {
			report(about(root, fhir.SeverityWarning, "business-rule", "a guide, or FHIR itself, has "+url+" in another version: that counts where none is named"))
		} else {
			return // which is the one that counts
		}
	}
	g = g.with(tree)
	whole, err := g.whole(tree)
	if err != nil {
		severity := fhir.SeverityError
		if errors.Is(err, snapshot.ErrNotKnown) {
			severity = fhir.SeverityWarning
		}
		report(about(root, severity, "invalid", "it cannot be used as a profile: "+messageOf(err)))
		return
	}
	g.profiles.Of(profile.Source{Find: g.Find, Pin: g.pin}).Define(whole.Root(), func(i fhir.Issue) {
		if whole != tree { // places in what was made of it mean nothing
			i.Line, i.Column = 0, 0
		}
		report(i)
	})
}

// with are the guides as they are when a StructureDefinition is stored, so that
// what is based on itself is found out.
func (g *Guides) with(tree *fhir.Tree) *Guides {
	other := *g
	other.stored = written{tree, g.stored}
	return &other
}

// written is a StructureDefinition beside those that are stored.
type written struct {
	tree   *fhir.Tree
	before Stored // nil for none
}

func (w written) is(canonical string) bool {
	url, version, versioned := strings.Cut(canonical, "|")
	root := w.tree.Root()
	return url == root.TextOf("url") && (!versioned || version == root.TextOf("version"))
}

// Find implements Stored.
func (w written) Find(canonical string) (*fhir.Tree, error) {
	if w.is(canonical) {
		return w.tree, nil
	}
	if w.before == nil {
		return nil, nil
	}
	return w.before.Find(canonical)
}

// Has implements Stored.
func (w written) Has(canonical string) bool {
	return w.is(canonical) || w.before != nil && w.before.Has(canonical)
}

// IsProfile reports whether a StructureDefinition is one that resources are
// checked against: a constraint on a type, or an extension, that is not retired.
func IsProfile(root fhir.Node) bool {
	kind := root.TextOf("kind")
	return root.Type().Name == structure && root.TextOf("derivation") == "constraint" && (kind == "resource" || kind == "complex-type") &&
		root.TextOf("status") != "retired"
}

// whole is a StructureDefinition with a snapshot.
func (g *Guides) whole(tree *fhir.Tree) (*fhir.Tree, error) {
	if tree.Root().Child("snapshot").Exists() {
		return tree, nil
	}
	src, err := snapshot.Generate(tree.Root().Raw(), g.source)
	if err != nil {
		return nil, err
	}
	return fhir.Parse(definition.R4().Schema, src, fhir.DefaultLimits)
}

func about(n fhir.Node, severity fhir.Severity, code, text string) fhir.Issue {
	i := fhir.Issue{Severity: severity, Code: code, Expression: n.Path(), Diagnostics: text}
	i.Line, i.Column = n.Position()
	return i
}

// messageOf is the text of an error.
func messageOf(err error) string {
	var e *fhir.Error
	if errors.As(err, &e) && len(e.Issues) > 0 {
		return e.Issues[0].Diagnostics
	}
	return err.Error()
}
