package subscribing

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/validate"
)

// An Asked is a Subscription that an administrator asks for. It is a resource like
// any other, under an id of its own.
type Asked struct {
	ID string `json:"id"`
	// Client is the registered client in whose name it is asked for: no more is
	// sent than it may see. "" is for the administrator, who sees everything.
	Client   string `json:"client,omitempty"`
	Criteria string `json:"criteria"`
	Endpoint string `json:"endpoint"`
	// Payload is the MIME type of what is sent; "" for a notification without the
	// resource.
	Payload string `json:"payload,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// End is when it ends, RFC 3339; "" for not at all.
	End string `json:"end,omitempty"`
	// Headers are those of the requests, "Name: value". Of one that is described
	// they have no values.
	Headers []string `json:"headers,omitempty"`
	// Salt and Sum tell of one that is described whether headers are other ones;
	// see Same.
	Salt []byte `json:"salt,omitempty"`
	Sum  []byte `json:"sum,omitempty"`
}

// Same reports whether headers with their values are those that it was asked for
// with.
func (a *Asked) Same(headers []string) bool {
	return subtle.ConstantTimeCompare(a.Sum, sumOf(a.Salt, headers)) == 1
}

func sumOf(salt []byte, headers []string) []byte {
	h := sha256.New()
	h.Write(salt)
	for _, text := range headers {
		sum := sha256.Sum256([]byte(text))
		h.Write(sum[:])
	}
	return h.Sum(nil)
}

// Applied are the Subscriptions that administrators have asked for. Its records
// are
//
//	applied-subscription 0x00 STORE / ID    an Asked without the values of headers
type Applied struct{ DB kv.DB }

var applied = kv.NewTable[Asked]("applied-subscription")

// List are those of a data store that are still there, as they are now.
func (l *Applied) List(ctx context.Context, ds *datastore.Store) (list []Asked, err error) {
	list = []Asked{}
	view, err := ds.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	err = l.DB.View(ctx, func(tx kv.Tx) error {
		list = list[:0]
		for k, err := range applied.Below(tx, ds.Record().ID+"/") {
			if err != nil {
				return err
			}
			list = append(list, k.Value)
		}
		return nil
	})
	there := list[:0]
	for _, a := range list {
		v, readErr := view.Read(ctx, subscriptionType, a.ID)
		if errors.Is(readErr, store.ErrNotFound) || readErr == nil && v.Deleted() {
			continue // somebody deleted it over the FHIR API
		}
		tree, parseErr := ds.Read(v)
		if err = errors.Join(err, readErr, parseErr); err != nil {
			return nil, err
		}
		a.describe(tree.Root())
		there = append(there, a)
	}
	return there, err
}

const subscriptionType = "Subscription"

// UsualReason is the reason of those that are asked for without one.
const UsualReason = "the set-up of the server"

// describe takes over what the resource says.
func (a *Asked) describe(root fhir.Node) {
	channel := root.Child("channel")
	a.Criteria, a.Reason, a.End = root.TextOf("criteria"), root.TextOf("reason"), root.TextOf("end")
	a.Endpoint, a.Payload = channel.TextOf("endpoint"), channel.TextOf("payload")
	names := []string{}
	for h := range channel.Each("header") {
		name, _, _ := strings.Cut(h.Text(), ":")
		names = append(names, strings.TrimSpace(name))
	}
	a.Headers = names
	if root.TextOf("status") == "off" {
		a.Sum = nil // it is asked for again
	}
}

// Put asks for one, in the place of what is there under the id. access is that of
// who asks.
func (l *Applied) Put(ctx context.Context, ds *datastore.Store, access authz.Access, a Asked) error {
	resource, err := a.resource()
	if err != nil {
		return err
	}
	tree, err := ds.Parse(resource)
	if err != nil {
		return err
	}
	op := datastore.Op{Interaction: authz.Update, Type: subscriptionType, ID: a.ID, Resource: tree, Level: validate.Strict}
	if _, err := ds.Commit(ctx, access, []datastore.Op{op}, nil); err != nil {
		return err
	}
	a.Salt = []byte(rand.Text())
	a.Sum, a.Headers = sumOf(a.Salt, a.Headers), nil
	return l.DB.Update(ctx, func(tx kv.Tx) error {
		return applied.Put(tx, ds.Record().ID+"/"+a.ID, a, time.Time{})
	})
}

// Delete deletes one.
func (l *Applied) Delete(ctx context.Context, ds *datastore.Store, id string) error {
	key := ds.Record().ID + "/" + id
	err := l.DB.View(ctx, func(tx kv.Tx) error {
		_, err := applied.Get(tx, key)
		return err
	})
	if errors.Is(err, kv.ErrNotFound) {
		return fhir.Errorf(fhir.KindNotFound, "there is no Subscription %q of a set-up; others are deleted over the FHIR API", id)
	}
	if err != nil {
		return err
	}
	op := datastore.Op{Interaction: authz.Delete, Type: subscriptionType, ID: id}
	if _, err := ds.Commit(ctx, authz.Unrestricted(), []datastore.Op{op}, nil); err != nil {
		return err
	}
	return l.DB.Update(ctx, func(tx kv.Tx) error { return applied.Delete(tx, key) })
}

// resource is the Subscription that is asked for.
func (a *Asked) resource() ([]byte, error) {
	if !fhir.ValidID(a.ID) {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q is no id of a resource", a.ID)
	}
	channel := map[string]any{"type": "rest-hook", "endpoint": a.Endpoint}
	if a.Payload != "" {
		channel["payload"] = a.Payload
	}
	if len(a.Headers) > 0 {
		channel["header"] = slices.Clone(a.Headers)
	}
	all := map[string]any{"resourceType": subscriptionType, "id": a.ID, "status": "requested", "reason": a.Reason, "criteria": a.Criteria, "channel": channel}
	if a.Reason == "" {
		all["reason"] = UsualReason
	}
	if a.End != "" {
		all["end"] = a.End
	}
	return json.Marshal(all)
}
