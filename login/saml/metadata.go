package saml

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"slices"
	"time"

	"github.com/beevik/etree"
)

const (
	redirectBinding = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	postBinding     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
)

// readMetadata reads what an identity provider says of itself: an
// EntityDescriptor, or a few of them.
// https://docs.oasis-open.org/security/saml/v2.0/saml-metadata-2.0-os.pdf
func readMetadata(document []byte, entityID string) (*trusted, error) {
	root, err := parse(bytes.TrimPrefix(document, []byte("\xef\xbb\xbf")), maxMetadata, true)
	if err != nil {
		return nil, err
	}
	var found *etree.Element
	for _, e := range all(root, metadataNS, "EntityDescriptor") {
		if attr(e, "entityID") == entityID && found == nil {
			found = e
		}
	}
	if found == nil {
		return nil, wrong("the metadata has no entity %.200q", entityID)
	}
	t := &trusted{entityID: entityID}
	for e := found; e != nil; e = e.Parent() {
		if err := t.ends(attr(e, "validUntil")); err != nil {
			return nil, err
		}
	}
	for _, role := range children(found, metadataNS, "IDPSSODescriptor") {
		if slices.Contains(splitWords(attr(role, "protocolSupportEnumeration")), protocolNS) {
			return t, t.read(role)
		}
	}
	return nil, wrong("the entity is no identity provider of SAML 2.0")
}

// ends takes a validUntil; the earliest counts.
func (t *trusted) ends(until string) error {
	if until == "" {
		return nil
	}
	at, err := instant(until)
	if err != nil {
		return wrong("the metadata is valid until no time that is known")
	}
	if t.until.IsZero() || at.Before(t.until) {
		t.until = at
	}
	return nil
}

func (t *trusted) read(role *etree.Element) error {
	if err := t.ends(attr(role, "validUntil")); err != nil {
		return err
	}
	t.signed = isTrue(attr(role, "WantAuthnRequestsSigned"))
	for _, s := range children(role, metadataNS, "SingleSignOnService") {
		if attr(s, "Binding") == redirectBinding && t.destination == "" {
			t.destination = attr(s, "Location")
		}
	}
	if t.destination == "" {
		return wrong("the identity provider takes no requests by HTTP-Redirect")
	}
	if err := checkAddress("the address for requests in the metadata", t.destination); err != nil {
		return wrong("%v", err)
	}
	for _, key := range children(role, metadataNS, "KeyDescriptor") {
		if use := attr(key, "use"); use != "" && use != "signing" {
			continue
		}
		for _, data := range all(key, signatureNS, "X509Certificate") {
			der, err := base64.StdEncoding.DecodeString(spaceless(text(data)))
			if err != nil {
				continue
			}
			if c, err := x509.ParseCertificate(der); err == nil && strong(c) && len(t.certificates) < maxKeys {
				t.certificates = append(t.certificates, c)
			}
		}
	}
	if len(t.certificates) == 0 {
		return wrong("the metadata has no certificate of an RSA key of %d bits or more to check signatures with", minBits)
	}
	return nil
}

// maxKeys is how many certificates of an identity provider are tried.
const maxKeys = 8

func splitWords(text string) []string {
	var list []string
	for _, word := range bytes.Fields([]byte(text)) {
		list = append(list, string(word))
	}
	return list
}

func isTrue(text string) bool { return text == "true" || text == "1" }

// instant reads a time of SAML, which is in UTC (SAML core section 1.3.3).
func instant(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at, err = time.Parse("2006-01-02T15:04:05.999999999", text) // without a zone it is UTC too
	}
	return at, err
}

// The service provider's metadata, as administrators of identity providers import
// it.
type (
	entityDescriptor struct {
		XMLName  xml.Name     `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
		EntityID string       `xml:"entityID,attr"`
		Role     spDescriptor `xml:"SPSSODescriptor"`
	}
	spDescriptor struct {
		Protocols            string          `xml:"protocolSupportEnumeration,attr"`
		AuthnRequestsSigned  bool            `xml:"AuthnRequestsSigned,attr"`
		WantAssertionsSigned bool            `xml:"WantAssertionsSigned,attr"`
		Keys                 []keyDescriptor `xml:"KeyDescriptor"`
		NameIDFormats        []string        `xml:"NameIDFormat"`
		Service              consumerService `xml:"AssertionConsumerService"`
	}
	keyDescriptor struct {
		Use     string   `xml:"use,attr"`
		Info    keyInfo  `xml:"http://www.w3.org/2000/09/xmldsig# KeyInfo"`
		Methods []method `xml:"EncryptionMethod"`
	}
	keyInfo struct {
		Certificate string `xml:"X509Data>X509Certificate"`
	}
	method struct {
		Algorithm string `xml:"Algorithm,attr"`
	}
	consumerService struct {
		Binding   string `xml:"Binding,attr"`
		Location  string `xml:"Location,attr"`
		Index     int    `xml:"index,attr"`
		IsDefault bool   `xml:"isDefault,attr"`
	}
)

// describe writes the service provider's metadata for one identity provider.
func (p *Peer) describe(keys []key, signed bool) ([]byte, error) {
	d := entityDescriptor{EntityID: p.entityID(), Role: spDescriptor{
		Protocols: protocolNS, AuthnRequestsSigned: signed, WantAssertionsSigned: true,
		NameIDFormats: []string{persistentFormat, emailFormat, unspecifiedFormat},
		Service:       consumerService{Binding: postBinding, Location: p.acs(), IsDefault: true},
	}}
	for _, k := range keys {
		info := keyInfo{Certificate: base64.StdEncoding.EncodeToString(k.Certificate)}
		d.Role.Keys = append(d.Role.Keys, keyDescriptor{Use: "signing", Info: info})
		encryption := keyDescriptor{Use: "encryption", Info: info}
		for _, algorithm := range []string{oaep, oaep11, "http://www.w3.org/2009/xmlenc11#aes256-gcm", "http://www.w3.org/2009/xmlenc11#aes128-gcm", "http://www.w3.org/2001/04/xmlenc#aes256-cbc"} {
			encryption.Methods = append(encryption.Methods, method{algorithm})
		}
		d.Role.Keys = append(d.Role.Keys, encryption)
	}
	body, err := xml.MarshalIndent(d, "", "  ")
	return append([]byte(xml.Header), append(body, '\n')...), err
}
