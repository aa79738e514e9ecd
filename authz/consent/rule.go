package consent

import (
	"slices"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/search"
)

// Who is a caller, as Consents know it.
type Who struct {
	// References are what names the caller: its own resource, and those that
	// stand for it or that it belongs to, "Practitioner/1", "Organization/2".
	References map[string]bool
	// Identifiers name the caller or its application where an actor is given by
	// an identifier.
	Identifiers []string
	// Known is set where it is known who the caller is: a person, or a service
	// that is none.
	Known bool
	// Own are the ids of the patients who the caller is, or acts for: their
	// Consents do not bind it. Sorted.
	Own []string
	// Purpose is the purpose of use, "" where it is not known.
	Purpose string
}

// A question is what is asked of a rule: by whom, when, what for.
type question struct {
	who      *Who
	now      time.Time
	action   action
	registry *search.Registry
	// resourceType is whose condition is wanted.
	resourceType string
}

// An action is what an interaction is in the words of Consents.
type action uint8

const (
	reading action = iota
	creating
	changing
	actions // how many there are
)

// words are the codes of each action.
// http://hl7.org/fhir/R4/valueset-consent-action.html
var words = [actions][]string{
	reading:  {"access", "use", "disclose"},
	creating: {"collect"},
	changing: {"correct"},
}

// actionOf is what an interaction is; ok is false for Erase, which Consents say
// nothing of.
func actionOf(i authz.Interaction) (a action, ok bool) {
	switch i {
	case authz.Create:
		return creating, true
	case authz.Update, authz.Patch, authz.Delete:
		return changing, true
	}
	return reading, i != authz.Erase
}

// answer are the conditions under which a Consent denies, and surely permits.
type answer struct{ deny, permit formula }

// answer is what a Consent says.
func (c *Consent) answer(q *question) answer {
	if !q.during(c.root) {
		return answer{}
	}
	got := c.root.answer(q)
	switch c.base {
	case authz.Deny:
		got.deny = got.deny.or(got.permit.not())
	case authz.Permit:
		if !c.root.unknown {
			got.permit = got.permit.or(got.deny.not())
		}
	}
	return got
}

// during reports whether it is the time of a rule.
func (q *question) during(p *provision) bool {
	return !q.now.Before(p.start) && (p.end.IsZero() || q.now.Before(p.end))
}

// answer is what a rule says with the rules in it, which are exceptions to it.
func (p *provision) answer(q *question) answer {
	fits := p.fits(q)
	if !fits.may.ok {
		return answer{}
	}
	var inner answer
	for _, sub := range p.nested {
		got := sub.answer(q)
		inner.deny, inner.permit = inner.deny.or(got.deny), inner.permit.or(got.permit)
	}
	permitted := inner.permit.and(inner.deny.not())
	switch p.decision {
	case authz.Deny:
		return answer{deny: fits.may.and(permitted.not()), permit: fits.sure.and(permitted)}
	case authz.Permit:
		return answer{deny: fits.may.and(inner.deny), permit: fits.sure.and(inner.deny.not())}
	}
	return answer{deny: fits.may.and(inner.deny), permit: fits.sure.and(permitted)}
}

// fits is when a rule's conditions hold.
func (p *provision) fits(q *question) bounds {
	if !q.during(p) || !p.fitsAction(q) {
		return known(never)
	}
	all := known(always)
	if p.unknown {
		all = unknown
	}
	if len(p.actors) > 0 {
		all = all.and(p.fitsActor(q))
	}
	if len(p.purposes) > 0 {
		all = all.and(p.fitsPurpose(q))
	}
	if !all.may.ok || !p.selects() {
		return all
	}
	return all.and(p.fitsData(q))
}

// fitsAction reports whether a rule is about what is done; an action that is
// not known here may be.
func (p *provision) fitsAction(q *question) bool {
	if len(p.actions) == 0 {
		return true
	}
	var others []string
	for _, of := range words {
		others = append(others, of...)
	}
	return slices.ContainsFunc(p.actions, func(a string) bool {
		return slices.Contains(words[q.action], a) || p.decision == authz.Deny && !slices.Contains(others, a)
	})
}

func (p *provision) fitsActor(q *question) bounds {
	fit, asked := known(never), false
	for _, a := range p.actors {
		switch {
		case a.unknown:
			continue
		case a.author:
			fit = fit.or(known(q.authored(a.ref)))
		case q.who.References[a.ref], a.identifier != "" && slices.Contains(q.who.Identifiers, a.identifier):
			fit = known(always)
		case !q.who.Known:
			fit = fit.or(unknown)
		}
		asked = true
	}
	if !asked {
		return unknown
	}
	return fit
}

func (p *provision) fitsPurpose(q *question) bounds {
	if q.who.Purpose == "" {
		return unknown
	}
	for at := q.who.Purpose; at != ""; at = wider[at] {
		if slices.Contains(p.purposes, at) {
			return known(always)
		}
	}
	return known(never)
}

// wider is the purpose that a purpose is a kind of.
// https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html
var wider = kinds(map[string][]string{
	"HOPERAT": {"CAREMGT", "DONAT", "FRAUD", "GOV", "HACCRED", "HCOMPL", "HDECD", "HDIRECT", "HDM", "HLEGAL", "HOUTCOMS", "HPRGRP", "HQUALIMP",
		"HSYSADMIN", "HTEST", "LABELING", "MEMADMIN", "METAMGT", "MILCDM", "PATADMIN", "PATSFTY", "PERFMSR", "RECORDMGT", "SYSDEV", "TRAIN"},
	"HPAYMT":   {"CLMATTCH", "COVAUTH", "COVERAGE", "ELIGDTRM", "ELIGVER", "ENROLLM", "MILDCRG", "REMITADV"},
	"HRESCH":   {"BIORCH", "CLINTRCH", "DSRCH", "POARCH", "TRANSRCH"},
	"CLINTRCH": {"CLINTRCHNPC", "CLINTRCHPC", "PRECLINTRCH"},
	"PATRQT":   {"FAMRQT", "PWATRNY", "SUPNWK"},
	"PUBHLTH":  {"DISASTER", "THREAT"},
	"TREAT":    {"CLINTRL", "COC", "ETREAT", "POPHLTH"},
	"ETREAT":   {"BTG", "ERTREAT"},
})

func kinds(of map[string][]string) map[string]string {
	by := map[string]string{}
	for one, all := range of {
		for _, kind := range all {
			by[kind] = one
		}
	}
	return by
}
