package contents

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tarnhealth/tarn/blob"
)

// mark is the file in a data folder that is there while contents of a data store
// are being moved from it to a bucket, so that some are in both. No backup has it:
// what is restored has all of them in its folder.
func mark(data, store string) string { return filepath.Join(data, ".moving-"+store) }

// Moving reports whether contents of a data store are being moved to a bucket, so
// that the data folder does not have all of them.
func Moving(data, store string) (bool, error) {
	_, err := os.Stat(mark(data, store))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// bring begins to move the contents of a data store that are in the data folder,
// as after a restore, to the bucket, and returns what has them all meanwhile.
func (k *Keeper) bring(id string, to blob.Bucket, prefix string) (blob.Bucket, func() error, error) {
	nothing := func() error { return nil }
	dir := k.dir(id)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return to, nothing, k.brought(id)
	}
	from, err := blob.OpenDir(dir)
	if err != nil {
		return nil, nil, err
	}
	if err := os.WriteFile(mark(k.Data, id), nil, 0o600); err != nil {
		return nil, nil, errors.Join(err, from.Close())
	}
	m := &moving{
		Bucket: to, prefix: prefix, dir: dir, store: id, from: from, log: k.Logger, wait: k.Wait,
		moved: func() error { return k.brought(id) },
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
func (k *Keeper) brought(id string) error {
	err := os.Remove(mark(k.Data, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
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
