//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goddardmq/goddard/internal/test/ratios/profile"
)

// tracedTime is how long the load is at most whose system calls are counted.
const tracedTime = 5 * time.Second

// trace repeats the load, for a shorter time, and counts system calls.
func (l *look) trace(cmd *exec.Cmd) {
	if has(cmd.Args, "count") {
		l.note("system calls were not counted: the load cannot be repeated")
		return
	}
	commands, notes := l.b.commands, l.b.notes
	defer func() { l.b.commands, l.b.notes = commands, notes }()
	shorten(cmd.Args)
	table := filepath.Join(l.b.profiles.dir, l.row.Key+".strace.txt")
	end, err := attach(l.b.s, table)
	if err != nil {
		l.note("system calls were not counted: %v", err)
		return
	}
	r, _, err := l.b.run(cmd)
	if err := errors.Join(err, end()); err != nil {
		l.note("system calls were not counted: %v", err)
		return
	}
	text, err := os.ReadFile(table)
	if err != nil {
		l.note("system calls were not counted: %v", err)
		return
	}
	l.row.Calls, l.row.CallMessages = profile.Calls(string(text)), float64(r.Messages+r.WarmupMessages)
	l.note("under strace it took %.0f messages a second", r.Rate)
}

// shorten has a load take no longer than it takes to count system calls.
func shorten(args []string) {
	for i, a := range args[:max(len(args)-1, 0)] {
		if strings.HasPrefix(a, "-") && strings.TrimLeft(a, "-") == "time" {
			args[i+1] = min(flagOf(args, "time"), tracedTime).String()
		}
	}
}

// attach has strace count the broker's system calls, until end is called.
func attach(s *server, table string) (end func() error, err error) {
	broker := s.running[len(s.running)-1].cmd.Process.Pid
	cmd := exec.Command("strace", "-c", "-f", "-q", "-p", strconv.Itoa(broker), "-o", table)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
	var problems bytes.Buffer
	cmd.Stderr = &problems
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for limit := time.Now().Add(10 * time.Second); !traced(broker); time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-ended:
			return nil, fmt.Errorf("strace: %w: %s", err, tail(problems.String()))
		default:
		}
		if time.Now().After(limit) {
			cmd.Process.Kill()
			return nil, fmt.Errorf("strace does not attach: %w", errors.Join(<-ended, errors.New(tail(problems.String()))))
		}
	}
	return func() error {
		cmd.Process.Signal(syscall.SIGINT) // its way to be ended: the exit code says so
		select {
		case <-ended:
			return nil
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-ended
			return errors.New("strace does not end")
		}
	}, nil
}

// traced reports whether a tracer is there for every thread of a process.
func traced(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, path := range threads {
		b, _ := os.ReadFile(path)
		if len(b) > 0 && strings.Contains(string(b), "TracerPid:\t0\n") {
			return false
		}
	}
	return err == nil && len(threads) > 0
}
