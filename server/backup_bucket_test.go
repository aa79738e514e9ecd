package server

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/blob/blobtest"
	"github.com/tarnhealth/tarn/server/backups"
	"github.com/tarnhealth/tarn/server/vault"
)

// TestBackupOfBucket backs up large contents that are in a bucket, loses the
// bucket, and has them again: without a bucket, and in another one.
func TestBackupOfBucket(t *testing.T) {
	s3 := blobtest.StartServer(t)
	s3.MakeBucket(t, "contents")
	t.Setenv("AWS_ACCESS_KEY_ID", s3.KeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3.Secret)
	c := testConfig(t.TempDir())
	c.Encryption.AtRest = vault.AtRestOn
	c.Contents.Bucket, c.Bulk.Endpoint = "contents/tarn", s3.Endpoint
	r := start(t, c)
	put := func(id string) {
		t.Helper()
		noise := make([]byte, 1_500_000)
		rand.Read(noise)
		status, body := r.do(http.MethodPut, "/datastore/default/r4/Binary/"+id, `{"resourceType":"Binary","id":"`+id+`","contentType":"text/plain","data":"`+base64.StdEncoding.EncodeToString(noise)+`"}`)
		if status/100 != 2 {
			t.Fatalf("%d: %s", status, body)
		}
	}
	put("a")
	_, content := r.get("/datastore/default/r4/Binary/a")
	p := openPlace(t, t.TempDir())
	first := takeBackup(t, p, c.Data, "")
	if first.Size() < 1_500_000 || len(first.Without) != 0 {
		t.Errorf("%d bytes, without %v", first.Size(), first.Without)
	}
	put("b")
	if second := takeBackup(t, p, c.Data, ""); second.New < 1_500_000 || second.New > 2_500_000 {
		t.Errorf("the second copies %d bytes", second.New)
	}
	checkLeftOut(t, r, c, p)

	lost := filepath.Join(s3.Folder, "contents")
	if err := os.RemoveAll(lost); err != nil {
		t.Fatal(err)
	}
	s3.MakeBucket(t, "contents")
	restored := c
	restored.Data = restoreWhole(t, p, first.ID, filepath.Join(c.Data, "master.key"))
	restored.MasterKey = filepath.Join(c.Data, "master.key")
	restored.Contents.Bucket = ""
	r = start(t, restored)
	check := func() {
		t.Helper()
		if status, body := r.get("/datastore/default/r4/Binary/a"); body != content {
			t.Errorf("%d, %d bytes: %.200s", status, len(body), body)
		}
	}
	check()
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	restored.Contents.Bucket = "contents/again"
	r = start(t, restored)
	for check(); !strings.Contains(r.log.String(), "were moved to the bucket"); {
		check() // wherever it lies
	}
	if _, err := os.Stat(filepath.Join(restored.Data, "stores", "default", "content")); !os.IsNotExist(err) {
		t.Errorf("they stay in the data folder as well: %v", err)
	}
	if moved, _ := filepath.Glob(filepath.Join(lost, "again", "default", "*")); len(moved) == 0 {
		t.Error("they are not in the bucket")
	}
}

// checkLeftOut takes backups without the contents: on demand, which the backup
// says, and not by mistake, by a command that knows no bucket.
func checkLeftOut(t *testing.T, r *running, c Config, p *backup.Place) {
	t.Helper()
	ctx := context.Background()
	result, _, err := openTestAdmin(t, c.Data).Backup(ctx, p, c.Data, backups.Part{WithoutContents: true}, nil)
	if err != nil || len(result.Without) != 1 || !strings.Contains(result.Without[0], "default") {
		t.Errorf("%v, without %v", err, result.Manifest)
	}
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	offline := openTestAdmin(t, c.Data)
	if _, _, err := offline.Backup(ctx, p, c.Data, backups.Part{}, nil); err == nil || !strings.Contains(err.Error(), "--without-contents") {
		t.Errorf("without the server: %v", err)
	}
}
