package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/pebble/internal/engine"
	"github.com/tarnhealth/tarn/pebble/internal/pin"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

// Reasons not to open a folder.
var (
	// ErrLocked: a running process has the folder open.
	ErrLocked = engine.ErrLocked
	// ErrNewer: a newer version of the program wrote the folder.
	ErrNewer = engine.ErrNewer
	// ErrDamaged: files are missing or do not hold what they should.
	ErrDamaged = engine.ErrDamaged
)

// Open opens a folder, making it where it is not there. A folder that another
// process has open is ErrLocked, one that a newer version of the program wrote
// ErrNewer, one with missing or wrong files ErrDamaged.
func Open(dir string, opt Options) (*Store, error) {
	if opt.Extract == nil {
		return nil, errors.New("pebble: Options.Extract is required")
	}
	opt.setDefaults()
	if opt.memory == nil {
		opt.memory = newMemory(opt.CacheBytes)
		defer opt.memory.release() // the engine has a reference of its own
	}
	s := &Store{opt: opt, dir: dir,
		queue: make(chan *request, 256), finish: make(chan *group, 4), finished: make(chan struct{})}
	s.failure.Pause = opt.diskPause
	var err error
	o := engine.Options(opt.FS, opt.memory.blocks)
	s.beside = engine.NewBeside(o)
	if s.db, s.disk, err = s.failure.Open(dir, o); err != nil {
		return nil, err
	}
	s.beside.Begin(s.db)
	s.pins = pin.Pins{Clock: opt.Now, Retention: opt.Retention, Before: s.docsBefore,
		Now: func() doc { return doc(s.now.Load()) }, Reach: s.reachLives}
	opt.memory.join(s)
	if err := s.start(); err != nil {
		s.leave()
		s.disk.Release()
		return nil, errors.Join(fmt.Errorf("pebble: %s: %w", dir, engine.Damaged(err)), s.db.Close())
	}
	return s, nil
}

func (o *Options) setDefaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.SealDocs == 0 {
		o.SealDocs = 1 << segmentBits
	}
	if o.byEntries == 0 {
		o.byEntries = defaultByEntries
	}
	if o.windowCost == 0 {
		o.windowCost = defaultWindowCost
	}
	if o.windowDocs == 0 {
		o.windowDocs = defaultWindowDocs
	}
	if o.walkSteps == 0 {
		o.walkSteps = defaultWalkSteps
	}
	if o.factSteps == 0 {
		o.factSteps = defaultFactSteps
	}
	if o.bulkOps == 0 {
		o.bulkOps = defaultBulkOps
	}
}

// start reads what the folder holds and starts the goroutines.
func (s *Store) start() (err error) {
	if err := engine.CheckFormat(s.db, formatKey(), storeFormat); err != nil {
		return err
	}
	if err := s.checkEntries(); err != nil {
		return err
	}
	if s.params, err = loadParams(s.db); err != nil {
		return err
	}
	if err := s.loadBackfilled(); err != nil {
		return err
	}
	if err := s.loadLives(); err != nil {
		return err
	}
	sealed, counts, err := s.readSeal()
	if err != nil {
		return err
	}
	unknown, err := s.pairs.Open(s.db, pairsKey(), sealed > 0)
	if err != nil {
		return err
	}
	if s.last, err = s.lastDoc(); err != nil {
		return err
	}
	if s.last < sealed {
		return fmt.Errorf("%w: versions end at %d, their index at %d", ErrDamaged, s.last, sealed)
	}
	if err := s.mendTail(); err != nil {
		return err
	}
	s.live.counts, s.seals.counts = counts.clone(), counts
	s.index.Store(&index{heads: []*posting.Head{posting.NewHead(sealed + 1)}})
	s.seals.start(s)
	if err := s.replay(sealed); err != nil {
		s.seals.wait()
		return err
	}
	s.recent.Reset(s.last)
	s.known.Reset(s.last)
	s.applied.Store(uint32(s.last))
	s.synced.Store(uint32(s.last))
	if err := s.scrubbing(); err != nil {
		s.seals.wait()
		return err
	}
	if err := s.failure.Get(); err != nil {
		s.seals.wait()
		s.scrubs.Close()
		return err
	}
	go s.write()
	go s.finisher()
	if unknown {
		s.lookForCut(sealed)
	}
	return nil
}

// loadLives reads which docs are superseded, of those that are sealed.
func (s *Store) loadLives() error {
	it, err := s.db.NewIter(&lsm.IterOptions{LowerBound: []byte{tagDead}, UpperBound: []byte{tagDead + 1}})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		err = s.lives.Load(uint16(binary.BigEndian.Uint32(it.Key()[1:])), it.Value())
	}
	return errors.Join(err, it.Error(), it.Close())
}

// lastDoc is the newest version in the folder.
func (s *Store) lastDoc() (doc, error) {
	it, err := s.db.NewIter(&lsm.IterOptions{LowerBound: []byte{tagVersion}, UpperBound: []byte{tagVersion + 1}})
	if err != nil {
		return 0, err
	}
	var last doc
	if it.Last() {
		last = docOf(it.Key())
	}
	return last, errors.Join(it.Error(), it.Close())
}
