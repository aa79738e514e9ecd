package synth

import (
	"testing"
	"time"
)

func TestLocalTime(t *testing.T) {
	for _, tc := range []struct {
		zone        *zone
		year        int
		month       time.Month
		day, hour   int
		want, local string
	}{
		{eastern, 2024, time.January, 15, 9, "2024-01-15T09:00:00-05:00", "2024-01-15T14:00:00Z"},
		{eastern, 2024, time.July, 15, 9, "2024-07-15T09:00:00-04:00", "2024-07-15T13:00:00Z"},
		{pacific, 2025, time.March, 9, 1, "2025-03-09T01:00:00-08:00", "2025-03-09T09:00:00Z"},
		{pacific, 2025, time.March, 9, 3, "2025-03-09T03:00:00-07:00", "2025-03-09T10:00:00Z"},
		{central, 2025, time.November, 2, 3, "2025-11-02T03:00:00-06:00", "2025-11-02T09:00:00Z"},
	} {
		got := tc.zone.at(tc.year, tc.month, tc.day, tc.hour, 0)
		if got.Format(time.RFC3339) != tc.want {
			t.Errorf("at is %s, want %s", got.Format(time.RFC3339), tc.want)
		}
		instant, err := time.Parse(time.RFC3339, tc.local)
		if err != nil {
			t.Fatal(err)
		}
		if got := tc.zone.local(instant).Format(time.RFC3339); got != tc.want {
			t.Errorf("local time of %s is %s, want %s", tc.local, got, tc.want)
		}
	}
}

// TestCheckDigit uses the National Provider Identifier standard's own example
// for the sum, 1234567893, beside what npi makes.
func TestCheckDigit(t *testing.T) {
	luhn := func(npi string) int {
		sum := 24
		for i := range len(npi) {
			d := int(npi[i] - '0')
			if i%2 == 0 {
				if d *= 2; d > 9 {
					d -= 9
				}
			}
			sum += d
		}
		return sum % 10
	}
	if luhn("1234567893") != 0 {
		t.Fatal("the test's own sum is wrong")
	}
	for number := range 300 {
		if got := npi(number); len(got) != 10 || luhn(got) != 0 {
			t.Errorf("npi(%d) is %s: not ten digits or a wrong check digit", number, got)
		}
	}
}

func TestUUID(t *testing.T) {
	_, ids := streams(1, 1)
	seen := map[string]bool{}
	for range 1000 {
		id := uuid(ids)
		if len(id) != 36 || id[14] != '4' || id[19] < '8' || id[19] > 'b' || seen[id] {
			t.Fatalf("%s is not a new version 4 UUID", id)
		}
		seen[id] = true
	}
}

func TestPayersShares(t *testing.T) {
	for _, p := range shared().payers {
		a := p.adjudicate(12_345)
		if a.copay+a.benefit != a.eligible || a.eligible > a.submitted || a.benefit <= 0 {
			t.Errorf("%s: %+v does not add up", p.display, a)
		}
	}
}
