package saml

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

// When metadata is fetched.
const (
	// freshTime is how long it is believed without asking again.
	freshTime = 6 * time.Hour
	// keptTime is how long it is believed while it cannot be fetched.
	keptTime = 7 * 24 * time.Hour
	// pause lies between two times of asking.
	pause = time.Minute
	// fetchTime is how long asking may take.
	fetchTime = 5 * time.Second
)

// A Peer is an identity provider, with what it says of itself. It is safe for
// concurrent use.
type Peer struct {
	Provider
	party *Party

	mu    sync.Mutex
	known *trusted
	at    time.Time // when known was fetched
	asked time.Time // when it was tried last
}

// kept is the last good metadata, so that a start while the identity provider is
// away signs people in.
type kept struct {
	EntityID string    `json:"entityID"`
	URL      string    `json:"url"`
	Document []byte    `json:"document"`
	At       time.Time `json:"at"`
}

var keptTable = kv.NewTable[kept]("saml_metadata")

// trust is what the identity provider says of itself now. With again it is asked
// even if what is known is fresh, as when a key is unknown, though not often.
func (p *Peer) trust(ctx context.Context, now time.Time, again bool) (*trusted, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.MetadataURL == "" {
		return p.written(now)
	}
	if p.known == nil {
		if err := p.recall(ctx); err != nil {
			return nil, err
		}
	}
	if again || p.known == nil || now.Sub(p.at) >= freshTime || p.known.over(now) {
		if err := p.fetch(ctx, now); err != nil {
			if p.known == nil || now.Sub(p.at) >= keptTime || p.known.over(now) {
				return nil, &Error{Reason: Away, Text: "the metadata cannot be fetched, and none is kept that is still valid", Cause: err}
			}
		}
	}
	return p.known, nil
}

// written is the metadata that the administrator gave.
func (p *Peer) written(now time.Time) (t *trusted, err error) {
	if p.known == nil {
		if p.known, err = readMetadata([]byte(p.Metadata), p.EntityID); err != nil {
			return nil, &Error{Reason: Away, Text: "the metadata cannot be used", Cause: err}
		}
	}
	if p.known.over(now) {
		return nil, &Error{Reason: Away, Text: "the metadata says that it is no longer valid"}
	}
	return p.known, nil
}

func (t *trusted) over(now time.Time) bool { return !t.until.IsZero() && !now.Before(t.until) }

func (p *Peer) recall(ctx context.Context) error {
	var k kept
	err := p.party.cfg.DB.View(ctx, func(tx kv.Tx) (err error) {
		k, err = keptTable.Get(tx, p.ID)
		return err
	})
	if errors.Is(err, kv.ErrNotFound) || err == nil && (k.EntityID != p.EntityID || k.URL != p.MetadataURL) {
		return nil
	}
	if err != nil {
		return err
	}
	if t, err := readMetadata(k.Document, p.EntityID); err == nil {
		p.known, p.at = t, k.At
	}
	return nil
}

var errPause = errors.New("it was asked a moment ago")

func (p *Peer) fetch(ctx context.Context, now time.Time) error {
	if !p.asked.IsZero() && now.Sub(p.asked) < pause {
		return errPause
	}
	p.asked = now
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime) // what others wait for too
	defer cancel()
	document, err := p.get(ctx)
	if err != nil {
		return err
	}
	t, err := readMetadata(document, p.EntityID)
	if err != nil {
		return err
	}
	if t.over(now) {
		return errors.New("the metadata says that it is no longer valid")
	}
	p.known, p.at = t, now
	k := kept{EntityID: p.EntityID, URL: p.MetadataURL, Document: document, At: now.UTC()}
	return p.party.cfg.DB.Update(ctx, func(tx kv.Tx) error { return keptTable.Put(tx, p.ID, k, time.Time{}) })
}

func (p *Peer) get(ctx context.Context) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.MetadataURL, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/samlmetadata+xml, application/xml, text/xml")
	answer, err := p.party.cfg.HTTP.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers with status %d", r.URL.Redacted(), answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxMetadata+1))
	if err == nil && len(body) > maxMetadata {
		err = fmt.Errorf("%s answers with more than %d bytes", r.URL.Redacted(), maxMetadata)
	}
	return body, err
}

func sumOf(b []byte) [sha256.Size]byte { return sha256.Sum256(b) }
