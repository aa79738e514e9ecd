package saml

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	_ "crypto/sha1" // of OAEP's mask, where what SHA-1 lacks is not asked of it
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"errors"

	"github.com/beevik/etree"
)

// How a key is encrypted: RSA-OAEP. RSA 1.5 is not taken: its padding tells who
// asks often enough what the key is (XML Encryption 1.1 section 5.5.1).
// https://www.w3.org/TR/xmlenc-core1/
const (
	oaep   = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
	oaep11 = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
)

var oaepHashes = map[string]crypto.Hash{
	"":                                       crypto.SHA1, // the default of both
	"http://www.w3.org/2000/09/xmldsig#sha1": crypto.SHA1,
	"http://www.w3.org/2001/04/xmlenc#sha256": crypto.SHA256, "http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384, "http://www.w3.org/2001/04/xmlenc#sha512": crypto.SHA512,
	cipher11NS + "mgf1sha1": crypto.SHA1, cipher11NS + "mgf1sha256": crypto.SHA256, cipher11NS + "mgf1sha384": crypto.SHA384, cipher11NS + "mgf1sha512": crypto.SHA512,
}

// A block is a way to encrypt data with AES.
type block struct {
	key int // bytes
	gcm bool
}

var blocks = map[string]block{
	cipher11NS + "aes128-gcm": {16, true}, cipher11NS + "aes192-gcm": {24, true}, cipher11NS + "aes256-gcm": {32, true},
	cipherNS + "aes128-cbc": {16, false}, cipherNS + "aes192-cbc": {24, false}, cipherNS + "aes256-cbc": {32, false},
}

// maxWrapped is how many encrypted keys are tried: one for each key here.
const maxWrapped = 4

var errCipher = errors.New("the encrypted assertion cannot be decrypted with a key of this server and an algorithm that is allowed")

// decrypt opens an EncryptedAssertion. One in CBC mode has to be part of a signed
// response: nothing else says that it was not altered, and whoever may alter it
// learns by the answers what it says.
func decrypt(encrypted *etree.Element, keys []*rsa.PrivateKey, signed bool) (*etree.Element, error) {
	data := one(encrypted, cipherNS, "EncryptedData")
	if data == nil {
		return nil, wrong("the encrypted assertion has no data")
	}
	how, ok := blocks[attr(one(data, cipherNS, "EncryptionMethod"), "Algorithm")]
	if !ok {
		return nil, wrong("the assertion is encrypted with an algorithm that is not allowed; it must be AES-GCM, or AES-CBC in a signed response")
	}
	if !how.gcm && !signed {
		return nil, wrong("the assertion is encrypted with AES-CBC, and the response is not signed; let the identity provider sign responses, or use AES-GCM")
	}
	sealed, err := cipherValue(data)
	if err != nil {
		return nil, err
	}
	for _, key := range unwrapped(encrypted, keys, how.key) {
		if plain, err := how.open(key, sealed); err == nil {
			return parse(plain, maxResponse, false)
		}
	}
	return nil, &Error{Reason: Wrong, Text: "no assertion", Cause: errCipher}
}

func cipherValue(e *etree.Element) ([]byte, error) {
	value, err := base64.StdEncoding.DecodeString(spaceless(text(down(e, cipherNS, "CipherData", "CipherValue"))))
	if err != nil || len(value) == 0 {
		return nil, wrong("what is encrypted cannot be read")
	}
	return value, nil
}

// unwrapped are the keys that data may be encrypted with.
func unwrapped(encrypted *etree.Element, keys []*rsa.PrivateKey, size int) (list [][]byte) {
	wrapped := all(encrypted, cipherNS, "EncryptedKey")
	if len(wrapped) > maxWrapped {
		wrapped = wrapped[:maxWrapped]
	}
	for _, w := range wrapped {
		options, ok := oaepOptions(one(w, cipherNS, "EncryptionMethod"))
		value, err := cipherValue(w)
		if !ok || err != nil {
			continue
		}
		for _, key := range keys {
			if plain, err := key.Decrypt(nil, value, options); err == nil && len(plain) == size {
				list = append(list, plain)
			}
		}
	}
	return list
}

func oaepOptions(m *etree.Element) (*rsa.OAEPOptions, bool) {
	algorithm := attr(m, "Algorithm")
	if algorithm != oaep && algorithm != oaep11 || len(children(m, cipherNS, "OAEPparams")) > 0 {
		return nil, false
	}
	hash, ok := oaepHashes[attr(one(m, signatureNS, "DigestMethod"), "Algorithm")]
	mask := crypto.SHA1
	if algorithm == oaep11 {
		var known bool
		mask, known = oaepHashes[attr(one(m, cipher11NS, "MGF"), "Algorithm")]
		ok = ok && known
	}
	return &rsa.OAEPOptions{Hash: hash, MGFHash: mask}, ok
}

// open decrypts data, which begins with the nonce or the vector.
func (b block) open(key, sealed []byte) ([]byte, error) {
	c, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if b.gcm {
		gcm, err := cipher.NewGCM(c)
		if err != nil || len(sealed) < gcm.NonceSize() {
			return nil, errCipher
		}
		return gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], nil)
	}
	if len(sealed) < 2*aes.BlockSize || len(sealed)%aes.BlockSize != 0 {
		return nil, errCipher
	}
	plain := make([]byte, len(sealed)-aes.BlockSize)
	cipher.NewCBCDecrypter(c, sealed[:aes.BlockSize]).CryptBlocks(plain, sealed[aes.BlockSize:])
	pad := int(plain[len(plain)-1]) // XML Encryption section 5.2: the last byte counts, the others are anything
	if pad < 1 || pad > aes.BlockSize {
		return nil, errCipher
	}
	return plain[:len(plain)-pad], nil
}
