package search_test

import (
	"os"
	"sync"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/searchtest"
)

var registry = sync.OnceValues(func() (*search.Registry, error) { return search.New(definition.R4()) })

func r4(t testing.TB) *search.Registry {
	t.Helper()
	r, err := registry()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestScripts(t *testing.T) {
	searchtest.Scripts(t, r4(t), os.DirFS("testdata"), func(*testing.T) searchtest.Backend { return searchtest.Memory() })
}
