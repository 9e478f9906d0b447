package cli

import (
	"os"
	"runtime"
	"runtime/debug"
)

// CollectLate puts the first garbage collection off until the heap has 32 MiB, where it would begin at 4. Most commands
// never get there; one over a small input spent half of its time collecting what decoding the catalog leaves behind. It is
// for a whole process to call, at its start. GOGC in the environment is left in charge.
func CollectLate() {
	if os.Getenv("GOGC") != "" {
		return
	}
	const first = 800 // percent of 4 MiB
	usual := debug.SetGCPercent(first)
	runtime.AddCleanup(new([64]byte), func(usual int) { debug.SetGCPercent(usual) }, usual)
}
