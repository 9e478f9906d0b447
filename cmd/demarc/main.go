// Command demarc finds the demarcation line of the shared responsibility model, for every resource an organization runs.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/demarc/demarc/internal/cli"
)

func main() {
	collectLate()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := cli.Main(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Getenv)
	stop()
	os.Exit(code)
}

// collectLate puts the first garbage collection off until the heap has 32 MiB, where it would begin at 4. Most commands
// never get there; one over a small input spent half of its time collecting what the catalog leaves behind.
func collectLate() {
	if os.Getenv("GOGC") != "" {
		return
	}
	const first = 800 // percent of 4 MiB
	usual := debug.SetGCPercent(first)
	runtime.AddCleanup(new([16]byte), func(usual int) { debug.SetGCPercent(usual) }, usual)
}
