//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"github.com/goddardmq/goddard/internal/load"
)

// way sends messages at a fixed rate, as `goddard bench e2e` does, to a process
// that sends each back at once, and measures from when a message was due to when
// it is there: what waking three times costs, for the timer and at both ends.
func way(c *command) (*load.Report, error) {
	if c.size < 8 || c.rate <= 0 {
		return nil, errors.New("-size must be at least 8 and -rate above 0")
	}
	conn, stop, err := peer("answer")
	if err != nil {
		return nil, err
	}
	defer stop()
	clock, err := load.NewAlarm()
	if err != nil {
		return nil, err
	}
	defer clock.Close()
	origin := time.Now()
	until := origin.Add(c.span)
	sent := make(chan error, 1)
	go func() { sent <- sendPaced(conn, clock, c, origin, until) }()
	t := newTimes("way")
	message := make([]byte, c.size)
	for every, due := c.every(), time.Duration(0); due+every < c.span; {
		if _, err := io.ReadFull(conn, message); err != nil {
			return nil, err
		}
		due = time.Duration(binary.BigEndian.Uint64(message))
		t.took(time.Since(origin)-due, int64(len(message)))
	}
	return t.report(), <-sent
}

func (c *command) every() time.Duration { return time.Duration(float64(time.Second) / c.rate) }

// sendPaced sends a message at each due time, which it carries as nanoseconds
// since origin, before until.
func sendPaced(conn net.Conn, clock *load.Alarm, c *command, origin, until time.Time) error {
	message := make([]byte, c.size)
	for due := origin.Add(c.every()); due.Before(until); due = due.Add(c.every()) {
		if wait := time.Until(due); wait > 0 {
			clock.Wait(wait)
		}
		binary.BigEndian.PutUint64(message, uint64(due.Sub(origin)))
		if _, err := conn.Write(message); err != nil {
			return err
		}
	}
	return nil
}
