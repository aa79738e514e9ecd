package backup

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/blob"
)

// Backups may be taken at the same time; pruning removes what none holds, and
// must be alone. Buckets have no locks: everybody writes what he is about to do
// first, and then looks at who else did.
const (
	lockShared = "backup"
	lockAlone  = "prune"
	// lockLife is how long a lock counts that is not renewed: its owner is gone.
	// It is renewed four times as often.
	lockLife = 20 * time.Minute
)

// lockFile is the content of a lock.
type lockFile struct {
	Kind    string    `json:"kind"`
	Host    string    `json:"host"`
	Process int       `json:"process"`
	Renewed time.Time `json:"renewed"`
}

// lock takes a lock of a kind until release; ErrBusy where another one is in its
// way.
func (p *Place) lock(ctx context.Context, kind string) (release func(), err error) {
	mine := p.prefix + lockPrefix + kind + "-" + rand.Text()
	if err := p.renew(ctx, mine, kind); err != nil {
		return nil, err
	}
	drop := func() { _ = p.bucket.Delete(context.WithoutCancel(ctx), mine) }
	if err := p.others(ctx, mine, kind); err != nil {
		drop()
		return nil, err
	}
	renewing, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(lockLife / 4)
		defer tick.Stop()
		for {
			select {
			case <-renewing.Done():
				return
			case <-tick.C:
				_ = p.renew(renewing, mine, kind) // the next one may get through
			}
		}
	}()
	return func() { stop(); <-ended; drop() }, nil
}

func (p *Place) renew(ctx context.Context, name, kind string) error {
	host, _ := os.Hostname()
	text, err := json.Marshal(lockFile{kind, host, os.Getpid(), p.now().UTC()})
	if err != nil {
		return err
	}
	return blob.Write(ctx, p.bucket, name, text)
}

// others looks for locks that exclude one of a kind, and removes those whose
// owners are gone.
func (p *Place) others(ctx context.Context, mine, kind string) error {
	for info, err := range p.bucket.List(ctx, p.prefix+lockPrefix, "") {
		if err != nil {
			return err
		}
		theirs := strings.TrimPrefix(info.Key, p.prefix+lockPrefix)
		if info.Key == mine || kind == lockShared && strings.HasPrefix(theirs, lockShared) {
			continue
		}
		text, err := blob.Read(ctx, p.bucket, info.Key, 1<<16)
		var l lockFile
		if err != nil || json.Unmarshal(text, &l) != nil {
			continue // released meanwhile
		}
		if p.now().Sub(l.Renewed) > lockLife {
			if err := p.bucket.Delete(ctx, info.Key); err != nil {
				return err
			}
			continue
		}
		return fmt.Errorf("%w: process %d on %s does a %s there since %s; try again when it is done, or remove %s where that process is gone",
			ErrBusy, l.Process, l.Host, l.Kind, l.Renewed.Format(time.RFC3339), strings.TrimPrefix(info.Key, p.prefix))
	}
	return nil
}
