package saml

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// TestResponses takes what identity providers send, in the ways that they do.
func TestResponses(t *testing.T) {
	for name, change := range map[string]func(*form){
		"the assertion is signed":        func(*form) {},
		"the response is signed":         func(f *form) { f.signResponse, f.signAssertion = true, false },
		"both are signed":                func(f *form) { f.signResponse = true },
		"without a key in the signature": func(f *form) { f.keyInfo = false },
		"SHA-512":                        func(f *form) { f.hash = dsig.RSASHA512SignatureMethod },
		"NameID of an e-mail address":    func(f *form) { f.format = emailFormat },
		"NameID unspecified":             func(f *form) { f.format = unspecifiedFormat },
		"NameID with qualifiers": func(f *form) {
			f.qualifiers = ` NameQualifier="` + entity + `" SPNameQualifier="` + f.w.peer.entityID() + `"`
		},
		"several audiences":                func(f *form) { f.audience = "<Audience>https://other.test</Audience>" + f.audience },
		"clocks that differ":               func(f *form) { f.issued, f.notBefore = noon.Add(30*time.Second), noon.Add(30*time.Second) },
		"encrypted with GCM":               func(f *form) { f.cipher = "http://www.w3.org/2009/xmlenc11#aes256-gcm" },
		"encrypted with GCM, OAEP SHA-256": func(f *form) { f.cipher, f.transport = "http://www.w3.org/2009/xmlenc11#aes128-gcm", oaep11 },
		"encrypted with CBC, the response signed": func(f *form) {
			f.cipher, f.signResponse, f.signAssertion = "http://www.w3.org/2001/04/xmlenc#aes256-cbc", true, false
		},
		"encrypted with CBC, both signed": func(f *form) { f.cipher, f.signResponse = "http://www.w3.org/2001/04/xmlenc#aes128-cbc", true },
		"a condition to use it once": func(f *form) {
			f.conditions = `<Conditions><AudienceRestriction>` + f.audience + `</AudienceRestriction><OneTimeUse/></Conditions>`
		},
		"no destination, the response not signed": func(f *form) {
			f.after = func(_ *form, e *etree.Element) { e.RemoveAttr("Destination") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			f := w.form(w.begin())
			change(f)
			got, err := w.post(f.text(), f.state)
			if err != nil {
				t.Fatal(err)
			}
			if got.Subject != "sub-1" || !got.At.Equal(noon) || !strings.HasSuffix(got.Context, "PasswordProtectedTransport") {
				t.Errorf("%+v", got)
			}
			if mail := got.Attributes["mail"]; !slices.Equal(mail, []string{"grace@example.org"}) || !slices.Equal(got.Attributes["groups"], []string{"Doctors", "Staff"}) || len(got.Attributes) != 3 {
				t.Errorf("%v", got.Attributes)
			}
		})
	}
}

const evil = "mallory"

// wrap puts an evil assertion beside the signed one: each of these is known to
// have got past some service provider.
// https://www.usenix.org/system/files/conference/usenixsecurity12/sec12-final91.pdf
func wrap(place func(root, signed, evil *etree.Element)) func(*form) {
	return func(f *form) {
		f.after = func(f *form, root *etree.Element) {
			signed := one(root, assertionNS, "Assertion")
			bad := signed.Copy()
			for _, s := range children(bad, signatureNS, "Signature") {
				bad.RemoveChild(s)
			}
			bad.FindElement("Subject/NameID").SetText(evil)
			place(root, signed, bad)
		}
	}
}

func signature(e *etree.Element) *etree.Element { return children(e, signatureNS, "Signature")[0] }

// object is a child of a signature that may hold anything.
func object(e *etree.Element) *etree.Element {
	o := signature(e).CreateElement("ds:Object")
	o.CreateAttr("xmlns:ds", signatureNS)
	return o
}

// refused are responses that must sign nobody in, by what an error has to say.
var refused = map[string]struct {
	change func(*form)
	want   string
}{
	"not signed":                     {func(f *form) { f.signAssertion = false }, "is signed"},
	"by another key":                 {func(f *form) { f.signer = others() }, "no key"},
	"by another key, not named":      {func(f *form) { f.signer, f.keyInfo = others(), false }, "no key"},
	"SHA-1":                          {func(f *form) { f.hash = dsig.RSASHA1SignatureMethod }, "algorithm"},
	"the response SHA-1":             {func(f *form) { f.hash, f.signResponse, f.signAssertion = dsig.RSASHA1SignatureMethod, true, false }, "algorithm"},
	"another request":                {func(f *form) { f.request = "_other" }, "request of this browser"},
	"response to another request":    {func(f *form) { f.responseTo = "_other" }, "request of this browser"},
	"nobody asked":                   {func(f *form) { f.responseTo, f.request = "", "" }, "request of this browser"},
	"only the assertion says it":     {func(f *form) { f.responseTo = "" }, "request of this browser"},
	"another destination":            {func(f *form) { f.destination = home + "/login/saml/other/acs" }, "another address"},
	"signed without destination":     {func(f *form) { f.destination, f.signResponse = "", true }, "another address"},
	"another recipient":              {func(f *form) { f.recipient = home + "/login/saml/other/acs" }, "another address"},
	"another audience":               {func(f *form) { f.audience = "<Audience>" + home + "/login/saml/other/metadata</Audience>" }, "another audience"},
	"no audience":                    {func(f *form) { f.conditions = `<Conditions/>` }, "no audience"},
	"two restrictions, one not ours": {func(f *form) { f.audience += "</AudienceRestriction><AudienceRestriction><Audience>x</Audience>" }, "another audience"},
	"no conditions":                  {func(f *form) { f.conditions = " " }, "no conditions"},
	"a condition that is not known": {func(f *form) {
		f.conditions = `<Conditions><AudienceRestriction>` + f.audience + `</AudienceRestriction><Condition/></Conditions>`
	}, "not known"},
	"another issuer":                 {func(f *form) { f.issuer = "https://other.test" }, "another issuer"},
	"another issuer of the response": {func(f *form) { f.responseIssuer = "https://other.test" }, "another issuer"},
	"over":                           {func(f *form) { f.until = noon.Add(-skew) }, "over"},
	"conditions over": {func(f *form) {
		f.conditions = `<Conditions NotOnOrAfter="` + when(noon.Add(-skew)) + `"><AudienceRestriction>` + f.audience + `</AudienceRestriction></Conditions>`
	}, "NotOnOrAfter"},
	"not yet":                 {func(f *form) { f.notBefore = noon.Add(skew + time.Second) }, "NotBefore"},
	"made before the request": {func(f *form) { f.issued = noon.Add(-skew - time.Second) }, "between the request"},
	"made later":              {func(f *form) { f.issued = noon.Add(skew + time.Second) }, "between the request"},
	"signed in later":         {func(f *form) { f.at = noon.Add(skew + time.Second) }, "when somebody signed in"},
	"no bearer":               {func(f *form) { f.method = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches" }, "bearer"},
	"no end": {func(f *form) {
		f.data = `<SubjectConfirmationData InResponseTo="` + f.request + `" Recipient="` + f.recipient + `"/>`
	}, "until when"},
	"no confirmation data": {func(f *form) { f.data = " " }, "until when"},
	"nobody signed in":     {func(f *form) { f.statement = " " }, "signed in"},
	"session over": {func(f *form) {
		f.statement = `<AuthnStatement AuthnInstant="` + when(noon) + `" SessionNotOnOrAfter="` + when(noon.Add(-skew)) + `"/>`
	}, "session"},
	"transient":                      {func(f *form) { f.format = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient" }, "transient"},
	"another qualifier":              {func(f *form) { f.qualifiers = ` NameQualifier="https://other.test"` }, "another issuer's"},
	"another service provider":       {func(f *form) { f.qualifiers = ` SPNameQualifier="https://other.test"` }, "another service provider"},
	"NameID with an element":         {func(f *form) { f.nameID = "admin<x/>" }, "no NameID"},
	"status":                         {func(f *form) { f.status = `<samlp:StatusCode Value="` + statusPrefix + `Responder"/>` }, "signs nobody in"},
	"no status":                      {func(f *form) { f.status = "" }, "no status"},
	"encrypted with CBC, not signed": {func(f *form) { f.cipher = "http://www.w3.org/2001/04/xmlenc#aes256-cbc" }, "AES-CBC"},
	"encrypted, signed by nobody":    {func(f *form) { f.cipher, f.signAssertion = "http://www.w3.org/2009/xmlenc11#aes256-gcm", false }, "is signed"},
	"RSA 1.5": {func(f *form) {
		f.cipher, f.transport, f.signResponse = "http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2001/04/xmlenc#rsa-1_5", true
	}, "cannot be decrypted"},
	"Triple DES": {func(f *form) {
		f.cipher, f.signResponse = "http://www.w3.org/2001/04/xmlenc#aes256-cbc", true
		f.assertionAfter = func(f *form, _ *etree.Element) { f.cipher = "http://www.w3.org/2001/04/xmlenc#tripledes-cbc" }
	}, "algorithm"},
	"encrypted, half a block": {func(f *form) {
		f.cipher, f.signResponse = "http://www.w3.org/2001/04/xmlenc#aes256-cbc", true
		f.sealed = func(b []byte) []byte { return b[:len(b)-8] }
	}, "cannot be decrypted"},
	"encrypted, nothing": {func(f *form) {
		f.cipher, f.signResponse = "http://www.w3.org/2009/xmlenc11#aes256-gcm", true
		f.sealed = func(b []byte) []byte { return b[:5] }
	}, "cannot be decrypted"},
	"encrypted, altered": {func(f *form) {
		f.cipher = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
		f.sealed = func(b []byte) []byte { b[40] ^= 1; return b }
	}, "cannot be decrypted"},
	"encrypted, a DTD": {func(f *form) {
		f.cipher, f.signResponse = "http://www.w3.org/2009/xmlenc11#aes256-gcm", true
		f.plain = func(b []byte) []byte { return append([]byte(`<!DOCTYPE a [<!ENTITY b "c">]>`), b...) }
	}, "DTD"},
	"encrypted, two assertions": {func(f *form) {
		f.cipher, f.signResponse = "http://www.w3.org/2009/xmlenc11#aes256-gcm", true
		f.plain = func(b []byte) []byte { return append([]byte(`<x>`), append(b, "</x>"...)...) }
	}, "no assertion"},

	// Signature wrapping.
	"evil before": {wrap(func(root, signed, bad *etree.Element) { root.InsertChildAt(signed.Index(), bad) }), "twice"},
	"evil before, another ID": {wrap(func(root, signed, bad *etree.Element) {
		bad.CreateAttr("ID", "_evil")
		root.InsertChildAt(signed.Index(), bad)
	}), "several assertions"},
	"evil after": {wrap(func(root, _, bad *etree.Element) {
		bad.CreateAttr("ID", "_evil")
		root.AddChild(bad)
	}), "several assertions"},
	"evil around the signed": {wrap(func(root, signed, bad *etree.Element) {
		bad.CreateAttr("ID", "_evil")
		root.RemoveChild(signed)
		bad.AddChild(signed)
		root.AddChild(bad)
	}), "several assertions"},
	"evil with the signature, the signed within": {wrap(func(root, signed, bad *etree.Element) {
		bad.CreateAttr("ID", "_evil")
		sig := signature(signed)
		signed.RemoveChild(sig)
		root.RemoveChild(signed)
		bad.AddChild(sig)
		object(bad).AddChild(signed)
		root.AddChild(bad)
	}), "several assertions"},
	"the signed in extensions": {wrap(func(root, signed, bad *etree.Element) {
		bad.CreateAttr("ID", "_evil")
		root.RemoveChild(signed)
		root.CreateElement("samlp:Extensions").AddChild(signed)
		root.AddChild(bad)
	}), "several assertions"},
	"the only one elsewhere": {wrap(func(root, signed, _ *etree.Element) {
		root.RemoveChild(signed)
		root.CreateElement("samlp:Extensions").AddChild(signed)
	}), "where it belongs"},
	"the signature of another, as if it were its own": {wrap(func(root, signed, bad *etree.Element) {
		bad.CreateAttr("ID", "_evil")
		sig := signature(signed)
		signed.RemoveChild(sig)
		root.RemoveChild(signed)
		bad.AddChild(sig)
		root.AddChild(bad)
	}), "of the element"},
	"the signed response within an evil one": {func(f *form) {
		f.signResponse, f.signAssertion = true, false
		f.after = func(f *form, root *etree.Element) {
			inner := root.Copy()
			root.CreateAttr("ID", "_evil")
			root.FindElement("Assertion/Subject/NameID").SetText(evil)
			object(root).AddChild(inner)
		}
	}, "an ID is there twice"},
	"an attribute ID in a namespace": {func(f *form) {
		f.after = func(_ *form, root *etree.Element) {
			root.CreateAttr("xmlns:e", "urn:evil")
			root.CreateAttr("e:ID", "_a1")
		}
	}, "an ID"},
	"a reference to all": {func(f *form) {
		f.assertionAfter = func(_ *form, e *etree.Element) {
			signature(e).FindElement("SignedInfo/Reference").CreateAttr("URI", "")
		}
	}, "of the element"},
	"two references": {func(f *form) {
		f.assertionAfter = func(_ *form, e *etree.Element) {
			info := signature(e).FindElement("SignedInfo")
			info.AddChild(info.FindElement("Reference").Copy())
		}
	}, "shape"},
	"two SignedInfos": {func(f *form) {
		f.assertionAfter = func(_ *form, e *etree.Element) {
			signature(e).AddChild(signature(e).FindElement("SignedInfo").Copy())
		}
	}, "shape"},
	"two signatures": {func(f *form) {
		f.assertionAfter = func(_ *form, e *etree.Element) { e.AddChild(signature(e).Copy()) }
	}, "several signatures"},
	"a transform more": {func(f *form) {
		f.assertionAfter = func(_ *form, e *etree.Element) {
			list := signature(e).FindElement("SignedInfo/Reference/Transforms")
			list.CreateElement("ds:Transform").CreateAttr("Algorithm", "http://www.w3.org/TR/1999/REC-xpath-19991116")
		}
	}, "transforms"},
	"a digest of SHA-1": {func(f *form) {
		f.assertionAfter = func(_ *form, e *etree.Element) {
			signature(e).FindElement("SignedInfo/Reference/DigestMethod").CreateAttr("Algorithm", "http://www.w3.org/2000/09/xmldsig#sha1")
		}
	}, "digest"},
	"altered name": {func(f *form) {
		f.assertionAfter = func(_ *form, e *etree.Element) { e.FindElement("Subject/NameID").SetText(evil) }
	}, "no key"},
	"a comment in the name": {func(f *form) {
		f.assertionAfter = func(_ *form, e *etree.Element) {
			id := e.FindElement("Subject/NameID")
			id.SetText("admin")
			id.CreateComment("x")
			id.CreateText("@evil.test")
		}
	}, "comment"},
	"a good signature of the response, a bad one of the assertion": {func(f *form) {
		f.signResponse = true
		f.assertionAfter = func(_ *form, e *etree.Element) { e.FindElement("Subject/NameID").SetText(evil) }
	}, "no key"},
	"a bad signature of the response, a good one of the assertion": {func(f *form) {
		f.signResponse = true
		f.after = func(_ *form, e *etree.Element) { e.CreateAttr("IssueInstant", when(noon.Add(time.Second))) }
	}, "no key"},
	"the response altered": {func(f *form) {
		f.signResponse, f.signAssertion = true, false
		f.after = func(_ *form, e *etree.Element) { e.FindElement("Assertion/Subject/NameID").SetText(evil) }
	}, "no key"},
}

func TestRefused(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		c := refused[name]
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			f := w.form(w.begin())
			c.change(f)
			w.refuses(f.text(), f.state, c.want)
		})
	}
}

// refuses wants an *Error that says something and repeats nothing of the person.
func (w *world) refuses(document, state, want string) {
	w.t.Helper()
	got, err := w.post(document, state)
	var no *Error
	if err == nil || !errors.As(err, &no) || !strings.Contains(err.Error(), want) {
		w.t.Fatalf("%+v, %v; want an error with %q", got, err, want)
	}
	for _, private := range []string{"sub-1", evil, "grace", "Doctors", "admin"} {
		if strings.Contains(err.Error(), private) {
			w.t.Errorf("the error repeats %q: %v", private, err)
		}
	}
}

// TestRefusedDocuments refuses documents by their text alone.
func TestRefusedDocuments(t *testing.T) {
	w := newWorld(t, nil)
	state := w.begin()
	good := w.form(state).text()
	bomb := `<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>` + good
	for name, c := range map[string]struct{ document, want string }{
		"nothing":               {"", "well-formed"},
		"no XML":                {"SAMLResponse", "beside"},
		"a DTD":                 {bomb, "DTD"},
		"an entity":             {strings.Replace(good, "sub-1", "&b;", 1), "well-formed"},
		"an instruction":        {strings.Replace(good, "<Subject>", "<?evil?><Subject>", 1), "instruction"},
		"a comment":             {strings.Replace(good, "sub-1", "sub<!-- -->-1", 1), "comment"},
		"two roots":             {good + good, "root"},
		"text beside":           {good + "x", "beside"},
		"not closed":            {strings.TrimSuffix(good, ">"), "well-formed"},
		"another encoding":      {`<?xml version="1.0" encoding="utf-16"?>` + good, "well-formed"},
		"UTF-16":                {"\xff\xfe" + good, "well-formed"},
		"an attribute twice":    {strings.Replace(good, `ID="_a1"`, `ID="_a1" ID="_a2"`, 1), "twice"},
		"a prefix of nothing":   {strings.Replace(good, "<Subject>", "<evil:x/><Subject>", 1), "declared"},
		"colons":                {strings.Replace(good, "<Subject>", "<saml:evil:x/><Subject>", 1), "well-formed"},
		"too deep":              {strings.Repeat("<a>", 70) + strings.Repeat("</a>", 70), "deep"},
		"too many":              {"<a>" + strings.Repeat("<b/>", maxElements) + "</a>", "large"},
		"too large":             {"<a>" + strings.Repeat("b", maxResponse) + "</a>", "larger"},
		"a request":             {`<AuthnRequest xmlns="` + protocolNS + `"/>`, "no response"},
		"no namespace":          {strings.Replace(good, protocolNS, "urn:other", 1), "no response"},
		"version":               {strings.Replace(good, `ID="_r1" Version="2.0"`, `ID="_r1" Version="1.1"`, 1), "SAML 2.0"},
		"without the assertion": {good[:strings.Index(good, "<Assertion")] + "</samlp:Response>", "no assertion"},
	} {
		t.Run(name, func(t *testing.T) { (&world{t, w.clock, w.db, w.party, w.peer}).refuses(c.document, state, c.want) })
	}
	if _, err := w.post(good, state); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// TestOnce refuses what was taken before, and states that are not good.
func TestOnce(t *testing.T) {
	w := newWorld(t, nil)
	state := w.begin()
	good := w.form(state).text()
	if _, err := w.post(good, state); err != nil {
		t.Fatal(err)
	}
	w.refuses(good, state, "taken before")
	other := w.form(state)
	other.id = "_a2"
	w.refuses(other.text(), state, "taken before")
	if _, err := w.peer.Take(t.Context(), state); err == nil {
		t.Error("an identity twice")
	}

	again := w.begin()
	w.refuses(good, again, "request of this browser") // of another state
	same := w.form(again)
	w.refuses(same.text(), again, "taken before") // the ID of an assertion before

	third := w.party.Peer(Provider{ID: "other", EntityID: entity, Metadata: w.peer.Metadata})
	if err := third.Receive(t.Context(), "", again); err == nil || !strings.Contains(err.Error(), "another provider") {
		t.Errorf("a state for another provider: %v", err)
	}
	letter := "A" // not the first, which may be any
	if again[0] == 'A' {
		letter = "B"
	}
	for _, bad := range []string{"", "x", again[1:], again[:len(again)-1] + "!", again + "\n", strings.ToUpper(again), letter + again[1:]} {
		w.refuses(good, bad, "RelayState")
	}
	late := w.form(again)
	late.id = "_a3"
	w.clock.Pass(Life)
	w.refuses(late.text(), again, "RelayState is over")
}

// TestBack wants the browser back in time.
func TestBack(t *testing.T) {
	w := newWorld(t, nil)
	f := w.form(w.begin())
	if _, err := w.peer.Take(t.Context(), f.state); err == nil {
		t.Error("an identity before the response")
	}
	w.clock.Pass(10 * time.Second)
	document := f.text()
	if got, err := w.post(document, f.state); err != nil || got.Subject != "sub-1" {
		t.Fatalf("%+v %v", got, err)
	}
}

// TestAltered alters each byte of responses that are good: what is signed may not
// change without the response being refused, and nothing else may change whom it
// signs in.
func TestAltered(t *testing.T) {
	for name, change := range map[string]func(*form){
		"assertion": func(*form) {},
		"response":  func(f *form) { f.signResponse, f.signAssertion = true, false },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			f := w.form(w.begin())
			change(f)
			document := f.text()
			from, to := strings.Index(document, "<Assertion"), strings.Index(document, "<ds:Signature")
			if f.signResponse {
				from, to = 0, strings.Index(document, "<ds:Signature")
			}
			x := exchange{peer: w.peer, now: noon, started: noon, request: w.peer.requestID(f.state)}
			x.trusted, _ = w.peer.trust(t.Context(), noon, false)
			for i := range document {
				altered := []byte(document)
				altered[i] ^= []byte{1, 32, 4}[i%3]
				root, err := parse(altered, maxResponse, false)
				if err != nil {
					continue
				}
				a, err := x.read(t.Context(), root)
				if err == nil && (i >= from && i < to || a.identity.Subject != "sub-1" || len(a.identity.Attributes) != 3 || a.id != "_a1") {
					t.Fatalf("byte %d altered is believed: %s", i, altered[max(0, i-40):min(len(altered), i+40)])
				}
			}
		})
	}
}
