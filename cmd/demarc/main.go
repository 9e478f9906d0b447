// Command demarc finds the demarcation line of the shared responsibility model, for every resource an organization runs.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/demarc/demarc/internal/cli"
)

func main() {
	cli.CollectLate()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := cli.Main(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Getenv)
	stop()
	os.Exit(code)
}
