//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
)

// A server is what is measured: the commands that start it and where clients
// find it.
type server struct {
	key  string
	name string
	addr string // what loads are given
	dir  string
	// commands are started together; the last one is the broker. None is right
	// for a load that needs no server.
	commands func() ([]*exec.Cmd, error)
	// load is the program that puts load on it, up to the kind of load.
	load func(kind string) *exec.Cmd
	// env is added to the environment of the commands.
	env []string
	// network is where it listens, and where its loads run.
	network *against.Network
	running []*child // nil while it is not started
}

// A child is a process that was started, and may have ended.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has
}

// prepare makes an empty directory.
func (s *server) prepare() error {
	if err := os.RemoveAll(s.dir); err != nil {
		return err
	}
	return os.MkdirAll(s.dir, 0o755)
}

// start runs the commands.
func (s *server) start() error {
	commands, err := s.commands()
	if err != nil {
		return err
	}
	s.running = []*child{}
	for i, cmd := range commands {
		if err := s.launch(i, cmd); err != nil {
			return err
		}
		// A Java broker that finds no name server waits for its next
		// registration, 30 s later; so it waits for this one to listen.
		if i == 0 && len(commands) > 1 {
			if err := s.network.Do(func() error { return waitPort(s.addr) }); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *server) launch(i int, cmd *exec.Cmd) error {
	log, err := os.OpenFile(filepath.Join(s.dir, fmt.Sprintf("out-%d.log", i)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if len(s.env) > 0 {
		cmd.Env = append(cmd.Environ(), s.env...)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := s.network.Do(cmd.Start); err != nil {
		return err
	}
	c := &child{cmd, make(chan struct{})}
	go func() { cmd.Wait(); close(c.ended) }()
	s.running = append(s.running, c)
	return nil
}

// waitPort waits until something listens.
func waitPort(addr string) error {
	for limit := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(limit) {
			return err
		}
	}
}

// alive reports whether all commands run.
func (s *server) alive() bool {
	for _, c := range s.running {
		select {
		case <-c.ended:
			return false
		default:
		}
	}
	return s.running != nil
}

// signal is sent to all commands.
func (s *server) signal(sig syscall.Signal) {
	for _, c := range s.running {
		c.cmd.Process.Signal(sig)
	}
}

// stop ends the commands, the broker first.
func (s *server) stop() {
	for len(s.running) > 0 {
		s.stopLast(syscall.SIGTERM)
	}
	s.running = nil
}

// stopLast ends the command that was started last, which is the broker.
func (s *server) stopLast(sig syscall.Signal) {
	last := s.running[len(s.running)-1]
	s.running = s.running[:len(s.running)-1]
	last.cmd.Process.Signal(sig)
	last.cmd.Process.Signal(syscall.SIGCONT) // it may be halted
	select {
	case <-last.ended:
	case <-time.After(time.Minute):
		last.cmd.Process.Kill()
		<-last.ended
	}
}

// startLast starts the broker again on what it has.
func (s *server) startLast() error {
	commands, err := s.commands()
	if err != nil {
		return err
	}
	last := len(commands) - 1
	return s.launch(last, commands[last])
}

// remove ends it, and deletes what it has stored.
func (s *server) remove() {
	s.stop()
	os.RemoveAll(s.dir)
	s.network.Close()
}

// log is the end of what the broker wrote.
func (s *server) log() string {
	for i := 2; i >= 0; i-- {
		if b, err := os.ReadFile(filepath.Join(s.dir, fmt.Sprintf("out-%d.log", i))); err == nil && len(b) > 0 {
			return string(b[max(0, len(b)-500):])
		}
	}
	return ""
}

// Kinds of memory, as /proc calls them.
const (
	residentAll  = "VmRSS"
	residentAnon = "RssAnon" // without pages of files
)

// resident is the resident memory of all its processes, in MiB.
func (s *server) resident(kind string) float64 {
	var sum float64
	for _, c := range s.running {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, kind+":"); ok {
				kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				sum += kb / 1024
			}
		}
	}
	return sum
}

// cpu is the processor time of all its processes so far.
func (s *server) cpu() time.Duration {
	var sum time.Duration
	for _, c := range s.running {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
		sum += cpuOf(string(b))
	}
	return sum
}

// cpuOf reads user and system time out of /proc/PID/stat, in ticks of 10 ms.
func cpuOf(stat string) (sum time.Duration) {
	// A program's name, in brackets, may hold brackets and blanks.
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(f) < 13 {
		return 0
	}
	for _, ticks := range f[11:13] {
		n, _ := strconv.ParseInt(ticks, 10, 64)
		sum += time.Duration(n) * time.Second / 100
	}
	return sum
}

// errNoProgram is wrapped when a group has no server here.
var errNoProgram = errors.New("not available here")
