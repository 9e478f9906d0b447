package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// TestCollectLate holds that a small heap is left alone, and that one which holds much is collected at the usual pace.
func TestCollectLate(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	runtime.GC()
	CollectLate()
	var before, after debug.GCStats
	debug.ReadGCStats(&before)
	for range 160 { // 16 MiB in all
		garbage = make([]byte, 100<<10)
	}
	debug.ReadGCStats(&after)
	if n := after.NumGC - before.NumGC; n > 1 {
		t.Errorf("%d collections of a small heap", n)
	}
	percent := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	if n := percent(); n <= 100 {
		t.Errorf("a small heap grows by %d %%", n)
	}
	held := make([]byte, 64<<20)
	for end := time.Now().Add(20 * time.Second); percent() != 100; { // what follows a collection runs a moment after it
		if runtime.GC(); time.Now().After(end) {
			t.Fatalf("a heap that holds much grows by %d %%", percent())
		}
	}
	runtime.KeepAlive(held)
}

var garbage []byte
