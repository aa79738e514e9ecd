package saml

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/kv"
)

const (
	keyBits    = 3072
	keyPurpose = "key of SAML"
	// keyName is where the list of keys is.
	keyName = "keys"
)

// A key is one of the service provider's, as stored.
type key struct {
	Certificate []byte    `json:"certificate"` // DER
	Sealed      []byte    `json:"sealed"`      // PKCS #8
	Created     time.Time `json:"created"`
	// Signs says that requests are signed with it. One key does; another one may
	// have been prepared to.
	Signs bool `json:"signs"`
}

// A KeyInfo is what may be told of a key.
type KeyInfo struct {
	// Fingerprint is the SHA-256 of the certificate, in hexadecimal.
	Fingerprint string    `json:"fingerprint"`
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires"` // of the certificate
	Signs       bool      `json:"signs"`
}

var keyTable = kv.NewTable[[]key]("saml_key")

// Errors of changing keys.
var (
	ErrPrepared    = errors.New("saml: another key is prepared already")
	ErrNotPrepared = errors.New("saml: no other key is prepared")
)

// Keys are the keys of this server as a service provider: what it signs requests
// with, and what assertions are encrypted for.
type Keys struct {
	cfg    Config
	making sync.Mutex
}

// List tells of the keys.
func (k *Keys) List(ctx context.Context) ([]KeyInfo, error) {
	list, err := k.stored(ctx)
	infos := []KeyInfo{}
	for _, one := range list {
		c, err := x509.ParseCertificate(one.Certificate)
		if err != nil {
			return nil, err
		}
		infos = append(infos, KeyInfo{Fingerprint: fingerprint(c), Created: one.Created, Expires: c.NotAfter, Signs: one.Signs})
	}
	return infos, err
}

// Prepare makes another key, which is in the metadata from then on and decrypts,
// and does not sign before Switch. It fails with ErrPrepared where there is one.
func (k *Keys) Prepare(ctx context.Context) error {
	if _, err := k.all(ctx); err != nil {
		return err
	}
	next, err := k.make()
	if err != nil {
		return err
	}
	return k.change(ctx, func(list []key) ([]key, error) {
		if len(list) != 1 {
			return nil, ErrPrepared
		}
		return append(list, next), nil
	})
}

// Switch signs with the key that was prepared, and forgets the one before. It
// fails with ErrNotPrepared where there is none.
func (k *Keys) Switch(ctx context.Context) error {
	return k.change(ctx, func(list []key) ([]key, error) {
		if len(list) != 2 {
			return nil, ErrNotPrepared
		}
		list[1].Signs = true
		return list[1:], nil
	})
}

func (k *Keys) change(ctx context.Context, change func([]key) ([]key, error)) error {
	return k.cfg.DB.Update(ctx, func(tx kv.Tx) error {
		list, err := keyTable.Get(tx, keyName)
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		if list, err = change(list); err != nil {
			return err
		}
		return keyTable.Put(tx, keyName, list, time.Time{})
	})
}

func (k *Keys) stored(ctx context.Context) (list []key, err error) {
	err = k.cfg.DB.View(ctx, func(tx kv.Tx) (err error) {
		if list, err = keyTable.Get(tx, keyName); errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		return err
	})
	return list, err
}

// all are the keys; the first is made where there is none.
func (k *Keys) all(ctx context.Context) ([]key, error) {
	k.making.Lock()
	defer k.making.Unlock()
	list, err := k.stored(ctx)
	if err != nil || len(list) > 0 {
		return list, err
	}
	first, err := k.make()
	if err != nil {
		return nil, err
	}
	first.Signs = true
	err = k.change(ctx, func(there []key) ([]key, error) {
		if list = there; len(there) == 0 { // another process may have been first
			list = []key{first}
		}
		return list, nil
	})
	return list, err
}

func (k *Keys) make() (key, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return key{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return key{}, err
	}
	now := k.cfg.Now().UTC()
	form := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: k.cfg.host()}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, form, form, private.Public(), private)
	if err != nil {
		return key{}, err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return key{}, err
	}
	return key{Certificate: certificate, Sealed: k.cfg.Box.Seal(keyPurpose, plain), Created: now}, nil
}

func (k *Keys) open(one *key) (*rsa.PrivateKey, error) {
	plain, err := k.cfg.Box.Open(keyPurpose, one.Sealed)
	if err != nil {
		return nil, fmt.Errorf("the key of SAML: %w", err)
	}
	private, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, fmt.Errorf("the key of SAML: %w", err)
	}
	opened, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key of SAML: %w", crypt.ErrOpen)
	}
	return opened, nil
}

// signer is the key that requests are signed with.
func (k *Keys) signer(ctx context.Context) (*rsa.PrivateKey, error) {
	list, err := k.all(ctx)
	for i := range list {
		if list[i].Signs {
			return k.open(&list[i])
		}
	}
	return nil, errors.Join(err, errors.New("saml: no key signs"))
}

// decrypters are the keys that assertions may be encrypted for.
func (k *Keys) decrypters(ctx context.Context) (list []*rsa.PrivateKey, err error) {
	stored, err := k.all(ctx)
	for i := range stored {
		private, err := k.open(&stored[i])
		if err != nil {
			return nil, err
		}
		list = append(list, private)
	}
	return list, err
}

func fingerprint(c *x509.Certificate) string {
	sum := sumOf(c.Raw)
	return hex.EncodeToString(sum[:])
}
