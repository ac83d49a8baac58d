//go:build linux

package main

import (
	"time"

	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

const idleTime = 5 * time.Second

// startGroup is how a server starts and what it takes when nobody uses it.
func startGroup() group {
	return group{key: "start", servers: both(), anew: true, rows: []row{{
		key: "start", cost: func(*options) time.Duration { return idleTime },
		lines: []sheet.Line{
			{Value: "first", Title: "start to first accepted message, ms", Reach: "1/20"},
			{Value: "resident", Title: "idle resident memory, MiB", Reach: "1/50"},
			{Value: "anon", Title: "… of it not pages of files, MiB"},
		},
		measure: func(b *bench) (map[string]float64, error) {
			if err := b.pause(idleTime); err != nil {
				return nil, err
			}
			values := memory(b.s)
			values["first"] = float64(b.first.Milliseconds())
			return values, nil
		},
	}}}
}

// pause waits while nothing is asked of the server.
func (b *bench) pause(d time.Duration) error {
	select {
	case <-b.ctx.Done():
		return b.ctx.Err()
	case <-time.After(d):
	}
	if !b.s.alive() {
		return errEnded
	}
	return nil
}
