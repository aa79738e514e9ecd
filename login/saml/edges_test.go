package saml

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// gcm is how assertions are encrypted in these tests.
const gcm = cipher11NS + "aes256-gcm"

// TestRefusedEdges refuses what is wrong in one place only.
func TestRefusedEdges(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*form)
		want   string
	}{
		"an assertion of SAML 1.1": {func(f *form) {
			f.before = func(_ *form, e *etree.Element) { e.CreateAttr("Version", "1.1") }
		}, "not of SAML 2.0"},
		"a confirmation that begins": {func(f *form) {
			f.data = `<SubjectConfirmationData InResponseTo="` + f.request + `" Recipient="` + f.recipient + `" NotBefore="` + when(noon) + `" NotOnOrAfter="` + when(f.until) + `"/>`
		}, "until when"},
		"conditions until no time": {func(f *form) {
			f.conditions = `<Conditions NotOnOrAfter="soon"><AudienceRestriction>` + f.audience + `</AudienceRestriction></Conditions>`
		}, "not valid now"},
		"encrypted, a comment": {func(f *form) {
			f.cipher = gcm
			f.plain = func(b []byte) []byte { return bytes.Replace(b, []byte("sub-1"), []byte("sub<!-- -->-1"), 1) }
		}, "comment"},
		"a key encrypted in a way without a name here": {func(f *form) {
			f.cipher = gcm
			f.after = func(_ *form, e *etree.Element) {
				all(e, cipherNS, "EncryptedKey")[0].FindElement("EncryptionMethod").CreateAttr("Algorithm", "urn:other")
			}
		}, "cannot be decrypted"},
		"a response within": {func(f *form) {
			f.after = func(_ *form, e *etree.Element) { e.CreateElement("samlp:Extensions").CreateElement("samlp:Response") }
		}, "several"},
		"a signature elsewhere": {func(f *form) {
			f.after = func(_ *form, e *etree.Element) {
				e.CreateElement("samlp:Extensions").CreateElement("Signature").CreateAttr("xmlns", signatureNS)
			}
		}, "where it belongs"},
		"encrypted, something around it": {func(f *form) {
			f.cipher, f.signResponse, f.signAssertion = gcm, true, false
			f.plain = func(b []byte) []byte { return append([]byte(`<x>`), append(b, "</x>"...)...) }
		}, "is no assertion"},
		"encrypted, an assertion within": {func(f *form) {
			f.cipher, f.signResponse, f.signAssertion = gcm, true, false
			f.before = func(_ *form, e *etree.Element) { e.CreateElement("Advice").CreateElement("Assertion") }
		}, "is no assertion"},
		"encrypted, a signature within": {func(f *form) {
			f.cipher, f.signResponse, f.signAssertion = gcm, true, false
			f.before = func(_ *form, e *etree.Element) {
				e.CreateElement("Advice").CreateElement("Signature").CreateAttr("xmlns", signatureNS)
			}
		}, "where it belongs"},
		"a signature with an object": {func(f *form) { f.assertionAfter = func(_ *form, e *etree.Element) { object(e) } }, "beside"},
		"a signature with a key of another namespace": {func(f *form) {
			f.assertionAfter = func(_ *form, e *etree.Element) {
				signature(e).CreateElement("KeyInfo").CreateAttr("xmlns", "urn:other")
			}
		}, "beside"},
		"a signature of an element without an ID": {func(f *form) {
			f.before = func(_ *form, e *etree.Element) { e.RemoveAttr("ID") }
			f.assertionAfter = func(_ *form, e *etree.Element) {
				signature(e).FindElement("SignedInfo/Reference").CreateAttr("URI", "#")
			}
		}, "of the element"},
		"another canonicalization of what is signed": {func(f *form) {
			f.assertionAfter = func(_ *form, e *etree.Element) {
				signature(e).FindElements("SignedInfo/Reference/Transforms/Transform")[1].CreateAttr("Algorithm", string(dsig.CanonicalXML10RecAlgorithmId))
			}
		}, "transforms"},
		"the signature not left out of what is signed": {func(f *form) {
			f.assertionAfter = func(_ *form, e *etree.Element) {
				signature(e).FindElement("SignedInfo/Reference/Transforms/Transform").CreateAttr("Algorithm", string(dsig.CanonicalXML10ExclusiveAlgorithmId))
			}
		}, "transforms"},
		"another canonicalization of the signature": {func(f *form) {
			f.assertionAfter = func(_ *form, e *etree.Element) {
				signature(e).FindElement("SignedInfo/CanonicalizationMethod").CreateAttr("Algorithm", string(dsig.CanonicalXML10RecAlgorithmId))
			}
		}, "canonicalization"},
		"a name of white space": {func(f *form) { f.nameID = " \t\r\n " }, "no NameID"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			f := w.form(w.begin())
			c.change(f)
			w.refuses(f.text(), f.state, c.want)
		})
	}
}

// TestKeyInfo believes nothing of what a signature says of its key.
func TestKeyInfo(t *testing.T) {
	for _, c := range []struct {
		by, named *pair
		good      bool
	}{{ours(), others(), true}, {others(), ours(), false}, {others(), others(), false}} {
		w := newWorld(t, nil)
		f := w.form(w.begin())
		f.signer = c.by
		f.assertionAfter = func(_ *form, e *etree.Element) {
			all(e, signatureNS, "X509Certificate")[0].SetText(base64.StdEncoding.EncodeToString(c.named.certificate.Raw))
		}
		if _, err := w.post(f.text(), f.state); (err == nil) != c.good {
			t.Errorf("%v, want it believed: %v", err, c.good)
		}
	}
}

// TestNamesAreExact keeps names apart that differ by more than XML's white space.
func TestNamesAreExact(t *testing.T) {
	for given, want := range map[string]string{
		"sub-1": "sub-1", "\n\t sub-1\r\n": "sub-1", "\u00a0sub-1": "\u00a0sub-1", "sub-1\u2003": "sub-1\u2003", "sub-1\u0085": "sub-1\u0085",
		"su<![CDATA[b-]]>1": "sub-1", "&#x73;ub-1": "sub-1", "a&amp;b": "a&b", "a&lt;!-- --&gt;b": "a<!-- -->b",
	} {
		w := newWorld(t, nil)
		f := w.form(w.begin())
		f.nameID = given
		if got, err := w.post(f.text(), f.state); err != nil || got.Subject != want {
			t.Errorf("%q: %+v %v", given, got, err)
		}
	}
}

// TestBackLate forgets whom a response signs in where the browser does not come.
func TestBackLate(t *testing.T) {
	w := newWorld(t, nil)
	f := w.form(w.begin())
	if err := w.peer.Receive(t.Context(), base64.StdEncoding.EncodeToString([]byte(f.text())), f.state); err != nil {
		t.Fatal(err)
	}
	w.clock.Pass(identityTime)
	if got, err := w.peer.Take(t.Context(), f.state); err == nil {
		t.Errorf("%+v", got)
	}
}

// TestRedirected fetches metadata from where the administrator said only.
func TestRedirected(t *testing.T) {
	s := newSource(t, metadataOf(ours()))
	away := httptest.NewServer(http.RedirectHandler(s.URL, http.StatusFound))
	t.Cleanup(away.Close)
	w := newWorld(t, func(p *Provider) { p.Metadata, p.MetadataURL = "", away.URL+"/metadata" })
	var no *Error
	if _, _, err := w.peer.Begin(t.Context(), false); !errors.As(err, &no) || no.Reason != Away || s.times() != 0 {
		t.Errorf("%v, asked %d times", err, s.times())
	}
}

// TestMetadataStatus takes no metadata that comes with an error.
func TestMetadataStatus(t *testing.T) {
	w, s := fetching(t, "")
	s.says(metadataOf(ours()), http.StatusNotFound)
	var no *Error
	if _, _, err := w.peer.Begin(t.Context(), false); !errors.As(err, &no) || no.Reason != Away {
		t.Error(err)
	}
}

// TestSignRequests signs requests where the metadata does not ask for it.
func TestSignRequests(t *testing.T) {
	for _, sign := range []bool{false, true} {
		w := newWorld(t, func(p *Provider) { p.SignRequests = sign })
		if _, to, err := w.peer.Begin(t.Context(), false); err != nil || strings.Contains(to, "&Signature=") != sign {
			t.Errorf("%v: %s %v", sign, to, err)
		}
	}
}

// TestPadding takes AES-CBC with no other length of padding than there can be.
func TestPadding(t *testing.T) {
	secret := bytes.Repeat([]byte{1}, 16)
	c, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	for pad, ok := range map[byte]bool{0: false, 1: true, 16: true, 17: false, 32: false, 255: false} {
		plain := bytes.Repeat([]byte{'a'}, 32)
		plain[31] = pad
		sealed := make([]byte, aes.BlockSize+len(plain))
		cipher.NewCBCEncrypter(c, sealed[:aes.BlockSize]).CryptBlocks(sealed[aes.BlockSize:], plain)
		got, err := (block{16, false}).open(secret, sealed)
		if (err == nil) != ok || ok && len(got) != 32-int(pad) {
			t.Errorf("%d: %d bytes, %v", pad, len(got), err)
		}
	}
}

// TestFriendlyNames takes no attribute for another by its friendly name.
func TestFriendlyNames(t *testing.T) {
	attribute := func(name, friendly, value string) string {
		return `<Attribute Name="` + name + `" FriendlyName="` + friendly + `"><AttributeValue>` + value + `</AttributeValue></Attribute>`
	}
	for list, want := range map[string][]string{
		attribute("a", "mail", "x") + attribute("b", "mail", "y") + attribute("a", "mail", "z"): nil,
		attribute("mail", "", "real") + attribute("b", "mail", evil):                            {"real"},
		attribute("b", "mail", evil) + attribute("mail", "", "real"):                            {"real"},
		attribute("b", "mail", "x") + attribute("b", "mail", "y"):                               {"x", "y"},
	} {
		w := newWorld(t, nil)
		f := w.form(w.begin())
		f.attributes = "<AttributeStatement>" + list + "</AttributeStatement>"
		if got, err := w.post(f.text(), f.state); err != nil || !slices.Equal(got.Attributes["mail"], want) {
			t.Errorf("%s: %+v %v", list, got, err)
		}
	}
}

// TestValidUntilEarliest believes metadata until the earliest end that it or what
// it is in names.
func TestValidUntilEarliest(t *testing.T) {
	until := func(in, element string, hours int) string {
		return strings.Replace(in, "<"+element, "<"+element+` validUntil="`+when(noon.Add(time.Duration(hours)*time.Hour))+`"`, 1)
	}
	good := metadataOf(ours())
	good = `<EntitiesDescriptor xmlns="` + metadataNS + `">` + good[strings.Index(good, "<Entity"):] + `</EntitiesDescriptor>`
	for name, document := range map[string]string{
		"all":    until(good, "EntitiesDescriptor", 1),
		"role":   until(good, "IDPSSODescriptor", 1),
		"entity": until(until(until(good, "EntityDescriptor", 1), "IDPSSODescriptor", 2), "EntitiesDescriptor", 3),
	} {
		got, err := readMetadata([]byte(document), entity)
		if err != nil || !got.until.Equal(noon.Add(time.Hour)) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// TestStateOfAnother refuses what was begun before the provider became another.
func TestStateOfAnother(t *testing.T) {
	w := newWorld(t, nil)
	state := w.begin()
	other := w.peer.Provider
	other.EntityID = "https://other.test"
	if err := w.party.Peer(other).Receive(t.Context(), "", state); err == nil || !strings.Contains(err.Error(), "another provider") {
		t.Error(err)
	}
}

// TestOnceAtOnce takes one of many responses that come at the same time.
func TestOnceAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	f := w.form(w.begin())
	document := f.text()
	const n = 8
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = w.post(document, f.state) })
	}
	all.Wait()
	taken := 0
	for _, err := range errs {
		var no *Error
		switch {
		case err == nil:
			taken++
		case !errors.As(err, &no) || no.Reason != Wrong:
			t.Error(err)
		}
	}
	if taken != 1 {
		t.Errorf("%d of %d were taken", taken, n)
	}
}

// TestDocuments reads documents by what all readers of XML make of them.
func TestDocuments(t *testing.T) {
	declaring := func(n int) string { // the name of an element with prefixes
		return "a" + strings.ReplaceAll(attributesOf(n), " a", " xmlns:a")
	}
	for name, c := range map[string]struct{ document, want string }{
		"good":                         {`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n<a xml:lang='en'/>\n", ""},
		"the prefix xml as it is":      {`<a xmlns:xml="` + xmlNamespace + `" xml:lang="en"/>`, ""},
		"the prefix xml as another":    {`<a xmlns:xml="` + assertionNS + `"><xml:Assertion/></a>`, "prefix"},
		"another as the prefix xml":    {`<a xmlns:b="` + xmlNamespace + `" b:lang="en"/>`, "prefix"},
		"the prefix xmlns":             {`<a xmlns:xmlns="urn:a"/>`, "prefix"},
		"an element of xmlns":          {`<xmlns:a/>`, "prefix"},
		"a prefix of nothing":          {`<a xmlns:b=""><b:c/></a>`, "prefix"},
		"an attribute of no prefix":    {`<a b:c="d"/>`, "prefix"},
		"too many prefixes":            {"<" + declaring(maxPrefixes/2) + "><" + declaring(maxPrefixes/2+1) + "/></a>", "prefixes"},
		"too many attributes":          {"<a " + attributesOf(maxAttrs+1) + "/>", "large"},
		"as many as may be":            {"<a " + attributesOf(maxAttrs) + "/>", ""},
		"as deep as may be":            {strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth), ""},
		"prefixes, not at one place":   {"<a>" + strings.Repeat(`<b xmlns:c="urn:c"/>`, maxPrefixes+1) + "</a>", ""},
		"an entity":                    {"<a>&nbsp;</a>", "well-formed"},
		"a character that cannot be":   {"<a>&#0;</a>", "well-formed"},
		"not UTF-8":                    {"<a>\xff</a>", "well-formed"},
		"Latin 1":                      {`<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, "well-formed"},
		"a declaration later":          {`<a><?xml version="1.0"?></a>`, "instruction"},
		"a space of Unicode beside":    {"<a/>\u00a0", "beside"},
		"an ID by another spelling":    {`<a ID="b"><c Id="b"/></a>`, "ID is there twice"},
		"xml:id":                       {`<a xml:id="b"/>`, "ID"},
		"elements that end each other": {"<a><b></a></b>", "well-formed"},
	} {
		_, err := parse([]byte(c.document), maxResponse, false)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func attributesOf(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" a" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + `="b"`)
	}
	return b.String()
}
