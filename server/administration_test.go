package server

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/server/admin"
)

// TestAdmin does the same through the socket of a server and on the folder
// itself.
func TestAdmin(t *testing.T) {
	t.Run("server", func(t *testing.T) {
		dir := t.TempDir()
		r := start(t, testConfig(dir))
		testAdmin(t, dir, true)
		info, err := os.Stat(filepath.Join(dir, admin.SocketName))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the socket: %v, %v; want mode 0600", info.Mode(), err)
		}
		r.stop()
		if err := r.wait(); err != nil {
			t.Fatal(err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*admin*")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
	t.Run("folder", func(t *testing.T) {
		dir := t.TempDir()
		r := start(t, testConfig(dir))
		r.stop()
		if err := r.wait(); err != nil {
			t.Fatal(err)
		}
		testAdmin(t, dir, false)
	})
	t.Run("long path", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), strings.Repeat("long", 40))
		start(t, testConfig(dir))
		testAdmin(t, dir, true)
	})
}

func testAdmin(t *testing.T, dir string, overSocket bool) {
	t.Helper()
	ctx := context.Background()
	a, err := OpenAdmin(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if a.Remote() != overSocket {
		t.Errorf("the admin works over the socket: %v, want %v", a.Remote(), overSocket)
	}
	created, err := a.Create(ctx, "trial", "Trial", nil)
	if err != nil || created.ID != "trial" || created.Name != "Trial" || created.Status != datastore.StatusActive {
		t.Errorf("Create = %+v, %v", created, err)
	}
	if _, err := a.Create(ctx, "trial", "", nil); fhir.KindOf(err) != fhir.KindConflict || !strings.Contains(err.Error(), `"trial" exists`) {
		t.Errorf("Create of what is there: %v, want a conflict", err)
	}
	if _, err := a.Create(ctx, "../../x", "", nil); fhir.KindOf(err) != fhir.KindInvalid {
		t.Errorf("Create with a bad id: %v, want invalid", err)
	}
	generated, err := a.Create(ctx, "", "", nil)
	if err != nil || len(generated.ID) != 32 {
		t.Errorf("Create without an id = %+v, %v", generated, err)
	}
	if got, err := a.Describe(ctx, "trial"); err != nil || got.Name != "Trial" {
		t.Errorf("Describe = %+v, %v", got, err)
	}
	if _, err := a.Describe(ctx, "none"); fhir.KindOf(err) != fhir.KindNotFound {
		t.Errorf("Describe of nothing: %v, want not found", err)
	}
	if got, err := a.Delete(ctx, "trial"); err != nil || got.Status != datastore.StatusDeleted {
		t.Errorf("Delete = %+v, %v", got, err)
	}
	list, err := a.List(ctx)
	if err != nil || len(list) != 3 || list[0].ID != DefaultStore {
		t.Errorf("List = %+v, %v; want three with default first", list, err)
	}
}

// TestStaleSocket starts after a crash that left the socket behind.
func TestStaleSocket(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, admin.SocketName), []byte("left by a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, testConfig(dir))
	a, err := OpenAdmin(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if list, err := a.List(context.Background()); err != nil || len(list) != 1 {
		t.Errorf("List = %+v, %v", list, err)
	}
}

func TestOpenAdminRefusals(t *testing.T) {
	ctx := context.Background()
	_, err := OpenAdmin(ctx, filepath.Join(t.TempDir(), "none"))
	wantRefusal(t, err, nil, "there is no data folder", "--data")

	dir := t.TempDir()
	start(t, testConfig(dir))
	if err := os.Remove(filepath.Join(dir, admin.SocketName)); err != nil {
		t.Fatal(err)
	}
	_, err = OpenAdmin(ctx, dir)
	if err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("a folder in use without a socket: %v", err)
	}
}
