package datastore

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// keyedID is the id of the resource that a create with an idempotency key
// makes. The caller and the key decide it, so that the resource itself
// remembers the key: for good, and through crashes. It has the form of a UUID
// of version 8 (RFC 9562 section 5.8) and cannot be told without the data
// store's secret.
func (s *Store) keyedID(caller, resourceType, key string) string {
	m := hmac.New(sha256.New, s.pageKey)
	m.Write([]byte("idempotency\x00" + resourceType + "\x00" + key))
	if caller != "" {
		m.Write([]byte("\x00" + caller))
	}
	b := m.Sum(nil)[:16]
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// replay answers a create whose idempotency key was used before with the
// version that was made then, whatever has become of the resource since.
func (x *expansion) replay(ctx context.Context, i int) (replayed bool, err error) {
	op, st := &x.commit.ops[i], &x.steps[i]
	g, err := x.guard(ctx)
	if err != nil {
		return false, err
	}
	first, err := g.view.ReadVersion(ctx, op.Type, st.op.ID, 1)
	switch {
	case errors.Is(err, store.ErrNotFound):
		st.op.IfAbsent = true
		return false, nil
	case err != nil:
		return false, storeError(err)
	}
	again, _, err := x.commit.store.contents.Part(ctx, op.Resource, st.op.ID, op.Contents)
	if err == nil {
		again, err = x.admitAgain(ctx, again, first)
	}
	if err != nil {
		return false, err
	}
	if !bytes.Equal(fhir.NewBody(again.Root(), st.op.ID).JSON, first.Body.JSON) {
		return false, fhir.Errorf(fhir.KindUnprocessable, "the idempotency key was used before with another resource; use a new key for a new request")
	}
	allowed, err := g.shows(ctx, op.Interaction, &first)
	if err != nil {
		return false, storeError(err)
	}
	if !allowed {
		return false, notToStore(op, false)
	}
	st.write = false
	st.outcome = Outcome{Status: http.StatusCreated, Version: first}
	return true, nil
}
