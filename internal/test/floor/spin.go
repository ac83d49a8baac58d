//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"github.com/goddardmq/goddard/internal/load"
)

// spin keeps every processor from halting, until it is killed, with work that
// gives way to all other (SCHED_IDLE). It prints a line when it has begun.
func spin(*command) (*load.Report, error) {
	debug.SetGCPercent(-1) // nothing could stop the world that spins
	n := runtime.NumCPU()
	ready := make(chan error, n)
	for range n {
		go func() {
			runtime.LockOSThread()
			attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
			if err := unix.SchedSetAttr(0, &attr, 0); err != nil {
				ready <- err
				return
			}
			ready <- nil
			for { //nolint:staticcheck // spinning is what it is for
			}
		}()
	}
	runtime.GOMAXPROCS(n + 1) // for this goroutine
	for range n {
		if err := <-ready; err != nil {
			return nil, fmt.Errorf("the scheduling class for what gives way to all else is refused: %w", err)
		}
	}
	fmt.Println("spinning")
	os.Stdout.Close()
	select {}
}
