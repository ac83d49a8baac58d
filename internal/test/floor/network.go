//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/load"
)

// peer starts the other end in a process of its own, as a broker has one, and
// connects to it. stop ends both.
func peer(kind string) (conn net.Conn, stop func(), err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(exe, kind)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	end := func() { cmd.Process.Kill(); cmd.Wait() }
	var addr string
	if _, err := fmt.Fscanln(out, &addr); err != nil {
		end()
		return nil, nil, fmt.Errorf("the other end does not say where it is: %w", err)
	}
	if conn, err = net.Dial("tcp", strings.TrimSpace(addr)); err != nil {
		end()
		return nil, nil, err
	}
	return conn, func() { conn.Close(); end() }, nil
}

// accept says where it listens and takes one connection.
func accept() (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	fmt.Println(l.Addr())
	return l.Accept()
}

// answer sends back what comes until the other side is done.
func answer(*command) (*load.Report, error) {
	conn, err := accept()
	if err != nil {
		return nil, err
	}
	// Without io.Copy, which would leave the work to the kernel.
	buf := make([]byte, 64<<10)
	for n, err := conn.Read(buf); err == nil; n, err = conn.Read(buf) {
		if _, err := conn.Write(buf[:n]); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// drain reads what comes and does nothing with it.
func drain(*command) (*load.Report, error) {
	conn, err := accept()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 256<<10)
	for err == nil {
		_, err = conn.Read(buf)
	}
	return nil, nil
}

func echo(c *command) (*load.Report, error) {
	conn, stop, err := peer("answer")
	if err != nil {
		return nil, err
	}
	defer stop()
	message := make([]byte, max(c.size, 1))
	t := newTimes("echo")
	for warm := time.Now().Add(min(c.span/10, time.Second)); ; {
		from := time.Now()
		if _, err := conn.Write(message); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(conn, message); err != nil {
			return nil, err
		}
		switch {
		case from.Before(warm):
			t.began = time.Now()
		case time.Since(t.began) >= c.span:
			return t.report(), nil
		default:
			t.took(time.Since(from), int64(len(message)))
		}
	}
}

func stream(c *command) (*load.Report, error) {
	conn, stop, err := peer("drain")
	if err != nil {
		return nil, err
	}
	defer stop()
	piece := make([]byte, 256<<10)
	t := newTimes("stream")
	for time.Since(t.began) < c.span {
		from := time.Now()
		n, err := conn.Write(piece)
		if err != nil {
			return nil, err
		}
		t.took(time.Since(from), int64(n))
	}
	return t.report(), nil
}
