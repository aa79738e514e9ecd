package contents

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/kv"
)

// movingTable has the data stores whose contents are being moved from the data
// folder to a bucket: each has some in both.
//
//	contents-moving 0x00 STORE    when that began
var movingTable = kv.NewTable[time.Time]("contents-moving")

// Moving reports whether contents of a data store are being moved to a bucket, so
// that its folder does not have all of them.
func Moving(ctx context.Context, db kv.DB, store string) (moving bool, err error) {
	err = db.View(ctx, func(tx kv.Tx) error {
		_, err := movingTable.Get(tx, store)
		if moving = err == nil; errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		return err
	})
	return moving, err
}

// bring begins to move the contents of a data store that are in the data folder,
// as after a restore, to the bucket, and returns what has them all meanwhile.
func (k *Keeper) bring(ctx context.Context, id string, to blob.Bucket, prefix string) (blob.Bucket, func() error, error) {
	nothing := func() error { return nil }
	dir := k.dir(id)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return to, nothing, k.brought(ctx, id)
	}
	from, err := blob.OpenDir(dir)
	if err != nil {
		return nil, nil, err
	}
	err = k.Records.Update(ctx, func(tx kv.Tx) error { return movingTable.Put(tx, id, time.Now().UTC(), time.Time{}) })
	if err != nil {
		return nil, nil, errors.Join(err, from.Close())
	}
	m := &moving{
		Bucket: to, prefix: prefix, dir: dir, store: id, from: from, log: k.Logger, wait: k.Wait,
		moved: func(ctx context.Context) error { return k.brought(ctx, id) },
	}
	if m.log == nil {
		m.log = slog.Default()
	}
	if m.wait == nil {
		m.wait = time.After
	}
	m.start()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.movings == nil {
		k.movings = map[string]*moving{}
	}
	k.movings[id] = m
	return m, func() error {
		k.mu.Lock()
		delete(k.movings, id)
		k.mu.Unlock()
		return m.close()
	}, nil
}

// brought notes that all contents of a data store are in the bucket.
func (k *Keeper) brought(ctx context.Context, id string) error {
	was, err := Moving(ctx, k.Records, id)
	if err != nil || !was {
		return err
	}
	return k.Records.Update(ctx, func(tx kv.Tx) error { return movingTable.Delete(tx, id) })
}

var (
	blobsDesc = prometheus.NewDesc("tarn_contents_moving", "Large contents in the data folder that are still to be moved to the bucket.", []string{"store"}, nil)
	bytesDesc = prometheus.NewDesc("tarn_contents_moving_bytes", "Bytes of large contents in the data folder that are still to be moved to the bucket.", []string{"store"}, nil)
)

// Describe implements prometheus.Collector.
func (k *Keeper) Describe(descs chan<- *prometheus.Desc) {
	descs <- blobsDesc
	descs <- bytesDesc
}

// Collect implements prometheus.Collector.
func (k *Keeper) Collect(out chan<- prometheus.Metric) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, m := range k.movings {
		out <- prometheus.MustNewConstMetric(blobsDesc, prometheus.GaugeValue, float64(m.blobs.Load()), id)
		out <- prometheus.MustNewConstMetric(bytesDesc, prometheus.GaugeValue, float64(m.bytes.Load()), id)
	}
}
