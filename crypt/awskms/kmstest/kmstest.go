// Package kmstest owns a small key management service for tests. It answers
// Encrypt and Decrypt as AWS KMS does, with AES-256-GCM, and its keys can be
// disabled.
package kmstest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// A Service is running until the test ends.
type Service struct {
	// URL is its endpoint.
	URL string

	mu      sync.Mutex
	keys    map[string]cipher.AEAD
	aliases map[string]string
	refuse  map[string]string
	// hangs is closed when calls are to be answered again; nil where they are.
	hangs chan struct{}
}

// New starts a service, and gives the process credentials for it.
func New(t testing.TB) *Service {
	s := &Service{keys: map[string]cipher.AEAD{}, aliases: map[string]string{}, refuse: map[string]string{}}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	s.URL = web.URL
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-central-1", "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true"} {
		setenv(t, name, value)
	}
	return s
}

func setenv(t testing.TB, name, value string) {
	if one, ok := t.(interface{ Setenv(string, string) }); ok {
		one.Setenv(name, value)
	}
}

// Make makes a key.
func (s *Service) Make(id string, aliases ...string) {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key has the right size
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[id] = aead
	for _, a := range aliases {
		s.aliases[a] = id
	}
}

// Refuse lets calls for a key fail with an error code, such as
// DisabledException; "" lets them succeed again.
func (s *Service) Refuse(id, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse[id] = code
}

// Hang lets calls go without an answer until the result is called.
func (s *Service) Hang() (end func()) {
	hangs := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs = hangs
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hangs = nil
		close(hangs)
	}
}

// wait is over where calls are answered, or the caller has gone.
func (s *Service) wait(r *http.Request) {
	s.mu.Lock()
	hangs := s.hangs
	s.mu.Unlock()
	if hangs == nil {
		return
	}
	select {
	case <-hangs:
	case <-r.Context().Done():
	}
}

type request struct {
	KeyID             string `json:"KeyId"`
	Plaintext         []byte
	CiphertextBlob    []byte
	EncryptionContext map[string]string
}

func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked request
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		answer(w, 400, map[string]string{"__type": "SerializationException", "message": err.Error()})
		return
	}
	s.wait(r)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	context, _ := json.Marshal(asked.EncryptionContext)
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	id := asked.KeyID
	if operation == "Decrypt" && id == "" {
		name, rest, _ := strings.Cut(string(asked.CiphertextBlob), "\x00")
		id, asked.CiphertextBlob = name, []byte(rest)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if real, ok := s.aliases[id]; ok {
		id = real
	}
	key := s.keys[id]
	switch {
	case s.refuse[id] != "":
		answer(w, 400, map[string]string{"__type": s.refuse[id], "message": id + " is refused."})
	case key == nil:
		answer(w, 400, map[string]string{"__type": "NotFoundException", "message": "Key '" + id + "' does not exist"})
	case operation == "Encrypt":
		nonce := make([]byte, key.NonceSize())
		rand.Read(nonce) // never fails
		sealed := key.Seal(nonce, nonce, asked.Plaintext, context)
		answer(w, 200, map[string]any{"CiphertextBlob": append([]byte(id+"\x00"), sealed...), "KeyId": id})
	case operation == "Decrypt" && len(asked.CiphertextBlob) > key.NonceSize():
		plain, err := key.Open(nil, asked.CiphertextBlob[:key.NonceSize()], asked.CiphertextBlob[key.NonceSize():], context)
		if err != nil {
			answer(w, 400, map[string]string{"__type": "InvalidCiphertextException"})
			return
		}
		answer(w, 200, map[string]any{"Plaintext": plain, "KeyId": id})
	default:
		answer(w, 400, map[string]string{"__type": "UnknownOperationException"})
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
