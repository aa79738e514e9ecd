// Package codes owns what a server knows of codes beside the resources of its
// data stores: the terminologies that are loaded into its data folder, and
// another terminology server.
//
// It leaves to others: what codes mean (terminology), how another server is asked
// (terminology/external), and the resources (datastore).
package codes

import (
	"context"
	"encoding/base64"
	"log/slog"

	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/codebook"
	"github.com/tarnhealth/tarn/terminology/external"
	"github.com/tarnhealth/tarn/terminology/shelf"
)

// Sources implement datastore.Terminologies.
type Sources struct {
	shelf *shelf.Shelf
	other *external.Client // nil for none
}

// Open finds what is loaded into a data folder.
func (c *Config) Open(data string, log *slog.Logger) *Sources {
	return &Sources{shelf.Open(data, log, nil), c.client()}
}

// Book is a loaded terminology for a data store; see shelf.Shelf.
func (s *Sources) Book(store, canonical string) *codebook.Book { return s.shelf.Book(store, canonical) }

// Remote is another terminology server, as a request may ask it.
func (s *Sources) Remote(ctx context.Context) terminology.Remote {
	if s.other == nil {
		return nil
	}
	return s.other.For(ctx)
}

// Books are the loaded terminologies for a data store.
func (s *Sources) Books(store string) (books []*codebook.Book) {
	for _, v := range s.shelf.List(store) {
		if v.Book != nil {
			books = append(books, v.Book)
		}
	}
	return books
}

// External are the code systems that another server is asked about.
func (s *Sources) External() []string {
	if s.other == nil {
		return nil
	}
	return s.other.Systems()
}

// Forget deletes what is loaded for a data store that is gone.
func (s *Sources) Forget(store string) error { return s.shelf.RemoveStore(store) }

// basic is the header of basic authentication (RFC 7617).
func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}
