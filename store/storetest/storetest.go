// Package storetest is the conformance suite of store.Store: what every
// backend promises, checked on small fabricated resources against a model in
// memory whose searches search.Run answers.
//
// It leaves to others: what entries real resources have (search), and the
// backend's own layout.
package storetest

import (
	"testing"
	"time"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A Disk is where a backend keeps one store. Opening it again after Close
// finds what was there.
type Disk interface {
	Open(t *testing.T, opt Options) store.Store
	// Crash returns the disk as a power failure at this moment would leave it,
	// or nil where the backend cannot tell. The store may be open and busy.
	Crash(t *testing.T) Disk
}

// Options are what a store under test is opened with.
type Options struct {
	// Extract returns the entries of a stored version.
	Extract func(v store.Version) ([]search.Entry, error)
	// Now is the clock.
	Now func() time.Time
	// Retention is how long views of before are kept at least; 0 for the
	// backend's default.
	Retention time.Duration
}

// Test runs the suite. disk returns an empty one.
func Test(t *testing.T, disk func(t *testing.T) Disk) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Disk)
	}{
		{"Versions", testVersions},
		{"Delete", testDelete},
		{"Fresh", testFresh},
		{"Preconditions", testPreconditions},
		{"Atomic", testAtomic},
		{"Conditions", testConditions},
		{"ConditionsTooOld", testConditionsTooOld},
		{"Load", testLoad},
		{"Views", testViews},
		{"Expiry", testExpiry},
		{"History", testHistory},
		{"HistoryOfParts", testHistoryOfParts},
		{"Changes", testChanges},
		{"Scan", testScan},
		{"Nodes", testNodes},
		{"Sort", testSort},
		{"Paging", testPaging},
		{"Model", testModel},
		{"Concurrent", testConcurrent},
		{"Close", testClose},
		{"Crash", testCrash},
		{"Erase", testErase},
		{"EraseNewest", testEraseNewest},
		{"EraseRefuses", testEraseRefuses},
		{"EraseModel", testEraseModel},
		{"EraseConcurrent", testEraseConcurrent},
		{"EraseCrash", testEraseCrash},
		{"Index", testIndex},
		{"IndexFails", testIndexFails},
		{"IndexConcurrent", testIndexConcurrent},
		{"IndexCrash", testIndexCrash},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, disk(t)) })
	}
}
