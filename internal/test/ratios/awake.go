//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goddardmq/goddard/internal/test/against"
)

// keepAwake keeps the processors from halting until stop is called. A virtual
// processor that has halted takes its host tens of microseconds to wake, which at
// low rates is most of what a message takes from one end to the other.
func keepAwake(kit *against.Kit) (stop func(), err error) {
	cmd := exec.Command(kit.Floor, "spin")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	// Killed, so what it ends with is known.
	stop = func() { cmd.Process.Kill(); _ = cmd.Wait() }
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		stop()
		if errors.Is(err, io.EOF) {
			err = errors.New("see above")
		}
		return nil, fmt.Errorf("keeping the processors from halting: %w", err)
	}
	return stop, nil
}

// inMemory reports whether a directory lies in memory instead of on a disk.
func inMemory(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.TMPFS_MAGIC
}
