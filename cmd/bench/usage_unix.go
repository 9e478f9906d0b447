//go:build unix

package main

import (
	"syscall"
	"time"
)

// processorTime returns how long this process has had a processor, its own time and the system's for it.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
