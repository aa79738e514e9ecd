package saml

import (
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// What a signature may be made with. SHA-1 is not among it, and neither is a
// transform that leaves something out (SAML core section 5.4.4).
var (
	signatureMethods = []string{dsig.RSASHA256SignatureMethod, dsig.RSASHA384SignatureMethod, dsig.RSASHA512SignatureMethod}
	digestMethods    = []string{
		"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512",
	}
	canonicalizations = []string{string(dsig.CanonicalXML10ExclusiveAlgorithmId), string(dsig.CanonicalXML10ExclusiveWithCommentsAlgorithmId)}
	enveloped         = string(dsig.EnvelopedSignatureAltorithmId)
)

// minBits is the least length of an RSA key.
const minBits = 2048

// signatureOf is the signature of an element, nil where it has none. There is one
// at most, and it is of the element that it is in.
func signatureOf(e *etree.Element) (*etree.Element, error) {
	list := children(e, signatureNS, "Signature")
	if len(list) == 0 {
		return nil, nil
	}
	if len(list) > 1 {
		return nil, wrong("the element has several signatures")
	}
	return list[0], checkSignature(list[0], attr(e, "ID"))
}

// checkSignature takes the one shape that a signature of SAML has: of the element
// that it is in, all of it, by one reference (SAML core section 5.4).
func checkSignature(sig *etree.Element, id string) error {
	for _, c := range sig.ChildElements() {
		if c.NamespaceURI() != signatureNS || !slices.Contains([]string{"SignedInfo", "SignatureValue", "KeyInfo"}, c.Tag) {
			return wrong("the signature has something beside what it is of, its value and its key")
		}
	}
	info := one(sig, signatureNS, "SignedInfo")
	if info == nil || one(sig, signatureNS, "SignatureValue") == nil || len(children(sig, signatureNS, "KeyInfo")) > 1 || len(info.ChildElements()) != 3 {
		return wrong("the signature is not of the shape that it should be")
	}
	reference := one(info, signatureNS, "Reference")
	switch {
	case id == "" || attr(reference, "URI") != "#"+id:
		return wrong("the signature is not of the element that it is in, or of more than that")
	case !slices.Contains(canonicalizations, attr(one(info, signatureNS, "CanonicalizationMethod"), "Algorithm")):
		return wrong("the signature is made with a canonicalization that is not allowed")
	case !slices.Contains(signatureMethods, attr(one(info, signatureNS, "SignatureMethod"), "Algorithm")):
		return wrong("the signature is made with an algorithm that is not allowed; it must be RSA with SHA-256 or more")
	case !slices.Contains(digestMethods, attr(one(reference, signatureNS, "DigestMethod"), "Algorithm")):
		return wrong("the signature has a digest that is not allowed; it must be SHA-256 or more")
	}
	return checkTransforms(one(reference, signatureNS, "Transforms"))
}

func checkTransforms(transforms *etree.Element) error {
	if transforms == nil {
		return wrong("the signature has no transforms")
	}
	list := transforms.ChildElements()
	if len(list) != 2 || !is(list[0], signatureNS, "Transform") || !is(list[1], signatureNS, "Transform") ||
		attr(list[0], "Algorithm") != enveloped || !slices.Contains(canonicalizations, attr(list[1], "Algorithm")) {
		return wrong("the signature has transforms that are not allowed")
	}
	return nil
}

// verify returns an element as it was signed: what is read again from the bytes
// that the signature is of. Of the key that the signature names nothing is
// believed; one of the certificates has to be right.
func verify(e *etree.Element, certificates []*x509.Certificate, now time.Time) (*etree.Element, error) {
	sig, err := signatureOf(e)
	if err != nil {
		return nil, err
	}
	if sig == nil {
		return nil, wrong("the element is not signed")
	}
	alone, err := detached(e)
	if err != nil {
		return nil, wrong("the signed element cannot be read")
	}
	for _, sig := range children(alone, signatureNS, "Signature") {
		for _, key := range children(sig, signatureNS, "KeyInfo") {
			sig.RemoveChild(key)
		}
	}
	for _, certificate := range certificates {
		if now.Before(certificate.NotBefore) || now.After(certificate.NotAfter) {
			continue
		}
		check := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{certificate}})
		check.IdAttribute, check.Clock = "ID", dsig.NewFakeClockAt(now)
		signed, err := check.Validate(alone)
		if err != nil || signed == nil {
			continue
		}
		if !is(signed, e.NamespaceURI(), e.Tag) || attr(signed, "ID") != attr(e, "ID") {
			return nil, wrong("what is signed is another element")
		}
		return signed, nil
	}
	return nil, wrong("no key of the metadata that is valid now has made the signature")
}

// detached is an element with the namespaces of what it is in.
func detached(e *etree.Element) (*etree.Element, error) {
	in, err := etreeutils.NSBuildParentContext(e)
	if err != nil {
		return nil, err
	}
	if in, err = in.SubContext(e); err != nil {
		return nil, err
	}
	return etreeutils.NSDetatch(in, e)
}

// strong reports whether a certificate has a key that signatures may be made with.
func strong(c *x509.Certificate) bool {
	key, ok := c.PublicKey.(*rsa.PublicKey)
	return ok && key.N.BitLen() >= minBits
}

// spaceless is text without white space, as base64 in XML has it.
func spaceless(text string) string { return strings.Join(strings.Fields(text), "") }
