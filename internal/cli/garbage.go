package cli

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// CollectLate lets the heap grow to 32 MiB before garbage is collected, where the runtime would begin at 4 and go on at
// twice of what is live. Most commands never get there; one over a small input spent half of its time collecting what
// decoding the catalog leaves behind. Past 32 MiB the usual pace holds. It is for a whole process to call, at its start. GOGC
// in the environment is left in charge.
func CollectLate() {
	if os.Getenv("GOGC") == "" {
		pace()
	}
}

// pace sets the percentage by which the heap may grow from what is live now, and does so again after each collection.
func pace() {
	const (
		floor = 32 << 20
		least = 4 << 20 // the runtime takes the percentage of at least that
		usual = 100
	)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := usual
	if live[0].Value.Kind() == metrics.KindUint64 {
		n := max(live[0].Value.Uint64(), least)
		if n < floor/2 {
			percent = int(floor*100/n) - 100
		}
	}
	debug.SetGCPercent(percent)
	runtime.AddCleanup(new([64]byte), func(struct{}) { pace() }, struct{}{})
}
