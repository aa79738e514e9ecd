package repeat

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		begun := time.Now()
		var at []time.Duration
		Every(ctx, time.Minute, func() {
			if at = append(at, time.Since(begun)); len(at) == 3 {
				end()
			}
		})
		if len(at) != 3 || at[0] != time.Minute || at[2] != 3*time.Minute {
			t.Errorf("called after %v", at)
		}
	})
}
