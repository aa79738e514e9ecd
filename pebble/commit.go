package pebble

import (
	"context"
	"errors"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble/internal/codec"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/store"
)

// A request is one Commit or Load on its way through writer and finisher.
type request struct {
	ops    []store.Op
	packed []packedBody
	load   bool
	// seen is the time that the bodies' known versions are of.
	seen doc
	// alone is run where there are no ops: between commits, when those before
	// are visible.
	alone func() error
	// answer has room for the one result.
	answer chan result
}

// A packedBody is a body as it will be stored, prepared by the caller's
// goroutine.
type packedBody struct {
	codec codec.Codec
	bytes []byte
	// known is the resource's newest version when the request was prepared.
	known current
	// same is the version that holds the same body, for Load; 0 for none.
	same doc
	// terms and facts are those of a bulk request.
	terms []posting.Term
	facts []byte
}

type result struct {
	versions []store.Version
	err      error
}

// Commit implements store.Store. Once an op is queued it runs to its end,
// whatever becomes of ctx.
//
// Deleting what is not there writes nothing: the op's version is the deletion
// that is current, or the zero Version where the resource never existed.
func (s *Store) Commit(ctx context.Context, ops []store.Op) ([]store.Version, error) {
	return s.submit(ctx, &request{ops: ops})
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, ops []store.Op) ([]store.Version, error) {
	for i := range ops {
		if op := &ops[i]; op.IfVersion != 0 || op.IfAbsent || len(op.Unchanged) > 0 {
			return nil, errors.New("pebble: a load has no preconditions")
		}
	}
	return s.submit(ctx, &request{ops: ops, load: true})
}

func (s *Store) submit(ctx context.Context, r *request) ([]store.Version, error) {
	if err := s.users.Enter(); err != nil {
		return nil, err
	}
	defer s.users.Leave()
	if len(r.ops) == 0 {
		return nil, ctx.Err()
	}
	if err := s.prepare(r); err != nil {
		return nil, err
	}
	if s.isBulk(r) {
		if err := s.prepareBulk(ctx, r); err != nil {
			return nil, err
		}
	}
	select {
	case s.queue <- r:
	default:
		// A context that is waited for costs more than the room that there
		// nearly always is: a timer, and a look-out for the client's end.
		select {
		case s.queue <- r:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	answer := <-r.answer
	return answer.versions, answer.err
}

// alone runs fn between two commits. Once it is queued it runs, whatever
// becomes of ctx. The caller has entered.
func (s *Store) alone(ctx context.Context, fn func() error) error {
	r := &request{alone: fn, answer: make(chan result, 1)}
	select {
	case s.queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	}
	return (<-r.answer).err
}

// prepare does what needs no order: it packs bodies and, for a load, looks for
// ops that change nothing.
func (s *Store) prepare(r *request) error {
	if err := s.failure.Get(); err != nil {
		return err
	}
	r.answer = make(chan result, 1)
	r.packed = make([]packedBody, len(r.ops))
	for i := range r.ops {
		if err := checkOp(&r.ops[i]); err != nil {
			return err
		}
	}
	if err := s.know(r); err != nil {
		return err
	}
	var packer codec.Packer
	for i := range r.ops {
		op, p := &r.ops[i], &r.packed[i]
		if op.Kind == store.OpDelete {
			continue
		}
		if r.load {
			same, err := s.same(op, p.known)
			if err != nil {
				return err
			}
			if p.same = same; same != 0 {
				continue
			}
		}
		if len(r.ops) == 1 {
			p.codec, p.bytes = codec.Pack(op.Body.JSON)
		} else {
			p.codec, p.bytes = packer.Pack(op.Body.JSON)
		}
	}
	return nil
}

// checkOp refuses what would damage the layout.
func checkOp(op *store.Op) error {
	for i := range len(op.Type) {
		if op.Type[i] == 0 {
			return fhir.Errorf(fhir.KindInvalid, "the resource type %q has a zero byte", op.Type)
		}
	}
	if op.Type == "" || op.ID == "" {
		return fhir.Errorf(fhir.KindInvalid, "a resource needs a type and an id, this one is %q/%q", op.Type, op.ID)
	}
	if op.Kind != store.OpDelete && (op.Body.At < 0 || op.Body.At > len(op.Body.JSON)) {
		return fhir.Errorf(fhir.KindInternal, "the body of %s/%s is %d bytes, its meta cannot be at %d",
			op.Type, op.ID, len(op.Body.JSON), op.Body.At)
	}
	return nil
}

// same returns the doc of a current version where it holds the op's body.
func (s *Store) same(op *store.Op, c current) (doc, error) {
	if c.doc == 0 || c.deleted() || c.at != op.Body.At || c.form != op.Body.Form {
		return 0, nil
	}
	json, err := s.body(c.doc, c.codec)
	if errors.Is(err, errErased) {
		return 0, nil
	}
	if err != nil || string(json) != string(op.Body.JSON) {
		return 0, err
	}
	return c.doc, nil
}
