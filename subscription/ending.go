package subscription

import (
	"context"
	"errors"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
)

// An ending is why a Subscription ends, in words for whose it is.
type ending struct{ status, text string }

func (e *ending) Error() string { return e.text }

// endingOf makes an ending of an error about criteria or access; other errors,
// which may pass, stay what they are.
func endingOf(err error) error {
	var known *fhir.Error
	if !errors.As(err, &known) {
		return err
	}
	switch known.Kind {
	case fhir.KindForbidden, fhir.KindUnauthenticated:
		return &ending{statusOff, "who asked for it has no access any more: " + known.Error()}
	case fhir.KindInvalid, fhir.KindUnprocessable, fhir.KindNotSupported, fhir.KindTooCostly, fhir.KindNotFound:
		return &ending{statusError, "the criteria cannot be followed any more: " + known.Error()}
	}
	return err
}

// access is that of a line's author, as it is now.
func (f *feed) access(ctx context.Context, ds *datastore.Store, l *line) (authz.Access, error) {
	access, err := f.parts.Access(ctx, ds, l.author.Grant)
	if err == nil {
		err = mayHear(access, l.wants.Load())
	}
	if err != nil {
		return authz.Access{}, endingOf(err)
	}
	return access, nil
}

// mayHear checks that a caller may search and read what it wants to hear of.
func mayHear(access authz.Access, w *wants) error {
	for _, t := range w.types() {
		for _, i := range []authz.Interaction{authz.SearchType, authz.VRead} {
			if err := access.Check(i, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// unseen reports whether an error of reading a version says that it is not there
// for who asks.
func unseen(err error) bool {
	var known *fhir.Error
	if !errors.As(err, &known) {
		return false
	}
	return known.Kind == fhir.KindNotFound || known.Kind == fhir.KindGone || known.Kind == fhir.KindForbidden
}
