package saml

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"hash"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/internal/still"
	"github.com/tarnhealth/tarn/kv"
	records "github.com/tarnhealth/tarn/pebble/record"
)

const (
	home   = "https://tarn.test"
	entity = "https://idp.test/saml"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A pair is a key with its certificate.
type pair struct {
	key         *rsa.PrivateKey
	certificate *x509.Certificate
}

func newPair(bits int, from, to time.Time) *pair {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "idp"}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &pair{key, certificate}
}

// Keys of the tests, made once.
var (
	ours   = sync.OnceValue(func() *pair { return newPair(2048, noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0)) })
	others = sync.OnceValue(func() *pair { return newPair(2048, noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0)) })
	stale  = sync.OnceValue(func() *pair { return newPair(2048, noon.AddDate(-2, 0, 0), noon.AddDate(-1, 0, 0)) })
	weak   = sync.OnceValue(func() *pair { return newPair(1024, noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0)) })
	server = sync.OnceValue(func() *pair { return newPair(2048, noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0)) })
)

// metadataOf is what the identity provider of the tests says of itself.
func metadataOf(pairs ...*pair) string {
	var keys strings.Builder
	for _, p := range pairs {
		fmt.Fprintf(&keys, `<KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="%s"><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>`,
			signatureNS, base64.StdEncoding.EncodeToString(p.certificate.Raw))
	}
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?><!-- of a test -->
<EntityDescriptor xmlns="%s" entityID="%s"><IDPSSODescriptor protocolSupportEnumeration="%s">%s<SingleSignOnService Binding="%s" Location="https://idp.test/sso?tenant=1"/></IDPSSODescriptor></EntityDescriptor>`,
		metadataNS, entity, protocolNS, keys.String(), redirectBinding)
}

// A world is a service provider with one identity provider and a clock that
// stands.
type world struct {
	t     testing.TB
	clock *still.Clock
	db    kv.DB
	party *Party
	peer  *Peer
}

func newWorld(t testing.TB, change func(*Provider)) *world {
	t.Helper()
	w := &world{t: t, clock: still.At(noon)}
	box, err := crypt.NewBox(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if w.db, err = records.Open("records", records.Options{FS: crashing.New(), Now: w.clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.db.Close() })
	w.party = New(Config{DB: w.db, Box: box, BaseURL: home, Now: w.clock.Now})
	plain, err := x509.MarshalPKCS8PrivateKey(server().key)
	if err != nil {
		t.Fatal(err)
	}
	first := key{Certificate: server().certificate.Raw, Sealed: box.Seal(keyPurpose, plain), Created: noon, Signs: true}
	if err := w.party.keys.change(t.Context(), func([]key) ([]key, error) { return []key{first}, nil }); err != nil {
		t.Fatal(err)
	}
	p := Provider{ID: "clinic", EntityID: entity, Metadata: metadataOf(ours())}
	if change != nil {
		change(&p)
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	w.peer = w.party.Peer(p)
	return w
}

// begin asks the identity provider and returns the state.
func (w *world) begin() string {
	w.t.Helper()
	state, to, err := w.peer.Begin(context.Background(), false)
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil || u.Query().Get("RelayState") != state || u.Host != "idp.test" || u.Query().Get("tenant") != "1" {
		w.t.Fatalf("%v: %s", err, to)
	}
	return state
}

// A form is a response that the identity provider of the tests makes.
type form struct {
	w     *world
	state string

	request, responseTo, destination, issuer, responseIssuer, audience, recipient, method, status string
	nameID, format, qualifiers, data, conditions, statement, attributes, id                       string
	issued, notBefore, until, at                                                                  time.Time

	signer                      *pair
	hash                        string // signature method
	signResponse, signAssertion bool
	transport, cipher           string
	keyInfo                     bool
	before, after               func(*form, *etree.Element) // the signatures
	assertionAfter              func(*form, *etree.Element)
	plain                       func([]byte) []byte
	sealed                      func([]byte) []byte
}

func (w *world) form(state string) *form {
	return &form{
		w: w, state: state, request: w.peer.requestID(state), responseTo: w.peer.requestID(state), destination: w.peer.acs(), issuer: entity, responseIssuer: entity,
		audience: "<Audience>" + w.peer.entityID() + "</Audience>", recipient: w.peer.acs(), method: bearerMethod, status: `<samlp:StatusCode Value="` + success + `"/>`,
		nameID: "sub-1", format: persistentFormat, id: "_a1",
		issued: noon, notBefore: noon, until: noon.Add(5 * time.Minute), at: noon, signer: ours(), hash: dsig.RSASHA256SignatureMethod,
		signAssertion: true, keyInfo: true,
		attributes: `<AttributeStatement><Attribute Name="urn:oid:0.9.2342.19200300.100.1.3" FriendlyName="mail"><AttributeValue>grace@example.org</AttributeValue></Attribute>` +
			`<Attribute Name="groups"><AttributeValue>Doctors</AttributeValue><AttributeValue>Staff</AttributeValue></Attribute></AttributeStatement>`,
	}
}

func when(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }

// assertion is the assertion before it is signed.
func (f *form) assertion() *etree.Element {
	statement := f.statement
	if statement == "" {
		statement = fmt.Sprintf(`<AuthnStatement AuthnInstant="%s" SessionIndex="s"><AuthnContext><AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</AuthnContextClassRef></AuthnContext></AuthnStatement>`, when(f.at))
	}
	conditions := f.conditions
	if conditions == "" {
		conditions = fmt.Sprintf(`<Conditions NotBefore="%s" NotOnOrAfter="%s"><AudienceRestriction>%s</AudienceRestriction></Conditions>`, when(f.notBefore), when(f.until), f.audience)
	}
	data := f.data
	if data == "" {
		data = fmt.Sprintf(`<SubjectConfirmationData InResponseTo="%s" Recipient="%s" NotOnOrAfter="%s"/>`, f.request, f.recipient, when(f.until))
	}
	return f.read(fmt.Sprintf(`<Assertion xmlns="%s" ID="%s" Version="2.0" IssueInstant="%s"><Issuer>%s</Issuer><Subject><NameID Format="%s"%s>%s</NameID><SubjectConfirmation Method="%s">%s</SubjectConfirmation></Subject>%s%s%s</Assertion>`,
		assertionNS, f.id, when(f.issued), f.issuer, f.format, f.qualifiers, f.nameID, f.method, data, conditions, statement, f.attributes))
}

func (f *form) read(text string) *etree.Element {
	f.w.t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		f.w.t.Fatalf("%v\n%s", err, text)
	}
	return doc.Root()
}

func (f *form) sign(e *etree.Element) *etree.Element {
	f.w.t.Helper()
	check, err := dsig.NewSigningContext(f.signer.key, [][]byte{f.signer.certificate.Raw})
	if err != nil {
		f.w.t.Fatal(err)
	}
	check.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if err := check.SetSignatureMethod(f.hash); err != nil {
		f.w.t.Fatal(err)
	}
	signed, err := check.SignEnveloped(e)
	if err != nil {
		f.w.t.Fatal(err)
	}
	if !f.keyInfo {
		for _, info := range all(signed, signatureNS, "KeyInfo") {
			info.Parent().RemoveChild(info)
		}
	}
	return f.read(write(f.w.t, signed)) // in which all know what they are in
}

// element is the response as it is sent.
func (f *form) element() *etree.Element {
	root := f.read(fmt.Sprintf(`<samlp:Response xmlns:samlp="%s" xmlns:saml="%s" ID="_r1" Version="2.0" IssueInstant="%s" Destination="%s" InResponseTo="%s"><saml:Issuer>%s</saml:Issuer><samlp:Status>%s</samlp:Status></samlp:Response>`,
		protocolNS, assertionNS, when(f.issued), f.destination, f.responseTo, f.responseIssuer, f.status))
	a := f.assertion()
	if f.before != nil {
		f.before(f, a)
	}
	if f.signAssertion {
		a = f.sign(a)
	}
	if f.assertionAfter != nil {
		f.assertionAfter(f, a)
	}
	if f.cipher != "" {
		a = f.encrypt(a)
	}
	root.AddChild(a)
	if f.signResponse {
		root = f.sign(root)
	}
	if f.after != nil {
		f.after(f, root)
	}
	return root
}

func (f *form) text() string { return write(f.w.t, f.element()) }

func write(t testing.TB, e *etree.Element) string {
	t.Helper()
	doc := etree.NewDocument()
	doc.SetRoot(e)
	text, err := doc.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// encrypt makes an EncryptedAssertion for the server's key.
func (f *form) encrypt(a *etree.Element) *etree.Element {
	plain := []byte(write(f.w.t, a))
	if f.plain != nil {
		plain = f.plain(plain)
	}
	size := 32
	if strings.Contains(f.cipher, "128") {
		size = 16
	}
	secret := make([]byte, size)
	_, _ = rand.Read(secret)
	var wrapped []byte
	var err error
	method := f.transport
	switch f.transport {
	case "http://www.w3.org/2001/04/xmlenc#rsa-1_5":
		//lint:ignore SA1019 what is not taken has to be sent
		wrapped, err = rsa.EncryptPKCS1v15(rand.Reader, &server().key.PublicKey, secret)
	case oaep11:
		method += `"><DigestMethod xmlns="` + signatureNS + `" Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><MGF xmlns="` + cipher11NS + `" Algorithm="` + cipher11NS + `mgf1sha256"/></EncryptionMethod><X x="`
		wrapped, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &server().key.PublicKey, secret, nil)
	default:
		method = oaep
		wrapped, err = rsa.EncryptOAEP(hash.Hash(sha1.New()), rand.Reader, &server().key.PublicKey, secret, nil)
	}
	if err != nil {
		f.w.t.Fatal(err)
	}
	sealed := sealWith(f.w.t, f.cipher, secret, plain)
	if f.sealed != nil {
		sealed = f.sealed(sealed)
	}
	end := "/>"
	if f.transport == oaep11 {
		method, _, _ = strings.Cut(method, "<X")
		end = ""
	} else {
		method += `"`
	}
	return f.read(fmt.Sprintf(`<EncryptedAssertion xmlns="%s"><EncryptedData xmlns="%s" Type="%sElement"><EncryptionMethod Algorithm="%s"/><KeyInfo xmlns="%s"><EncryptedKey xmlns="%s"><EncryptionMethod Algorithm="%s%s<CipherData><CipherValue>%s</CipherValue></CipherData></EncryptedKey></KeyInfo><CipherData><CipherValue>%s</CipherValue></CipherData></EncryptedData></EncryptedAssertion>`,
		assertionNS, cipherNS, cipherNS, f.cipher, signatureNS, cipherNS, method, end, base64.StdEncoding.EncodeToString(wrapped), base64.StdEncoding.EncodeToString(sealed)))
}

func sealWith(t testing.TB, algorithm string, secret, plain []byte) []byte {
	t.Helper()
	c, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(algorithm, "-gcm") {
		gcm, err := cipher.NewGCM(c)
		if err != nil {
			t.Fatal(err)
		}
		nonce := make([]byte, gcm.NonceSize())
		_, _ = rand.Read(nonce)
		return gcm.Seal(nonce, nonce, plain, nil)
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	plain = append(bytes.Clone(plain), make([]byte, pad)...)
	plain[len(plain)-1] = byte(pad)
	sealed := make([]byte, aes.BlockSize+len(plain))
	_, _ = rand.Read(sealed[:aes.BlockSize])
	cipher.NewCBCEncrypter(c, sealed[:aes.BlockSize]).CryptBlocks(sealed[aes.BlockSize:], plain)
	return sealed
}

// post sends a document as the browser does, and returns whom it signs in.
func (w *world) post(document, state string) (*Identity, error) {
	if err := w.peer.Receive(context.Background(), base64.StdEncoding.EncodeToString([]byte(document)), state); err != nil {
		return nil, err
	}
	return w.peer.Take(context.Background(), state)
}
