package store

import (
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
)

// Stats counts what was appended since Open.
type Stats struct {
	Messages  int64
	Bytes     int64         // of records
	Batches   int64         // calls of Append
	TotalTime time.Duration // from Append to Done, over all batches
	MaxTime   time.Duration
	Queues    int // in memory
	// LightQueues is how many light queues there are.
	LightQueues int
	LogStart    int64 // position of the oldest byte kept
	LogEnd      int64 // position behind the last readable byte
	LogSynced   int64
	LogFiles    int
	Checkpoint  int64 // position up to which the index is on disk
}

// counters collects Stats.
type counters struct {
	mu struct {
		sync.Mutex // guards the numbers
		Stats
	}
}

func (c *counters) add(f *flight, now time.Time) {
	took := now.Sub(f.began)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.Messages += int64(len(f.recs))
	c.mu.Bytes += int64(len(f.buf))
	c.mu.Batches++
	c.mu.TotalTime += took
	c.mu.MaxTime = max(c.mu.MaxTime, took)
}

// Syncs is how long syncing the log took each time, in microseconds.
func (s *Store) Syncs() *meter.Histogram { return s.syncs }

// Puts is how long batches took from Append to Done, in milliseconds.
func (s *Store) Puts() *meter.Histogram { return s.puts }

// Stats returns the counters and where the ends of the log are.
func (s *Store) Stats() Stats {
	s.stats.mu.Lock()
	st := s.stats.mu.Stats
	s.stats.mu.Unlock()
	st.Queues, st.LightQueues = s.table.size(), int(s.table.lights.number.Load())
	st.LogStart = s.seg.Start()
	st.LogEnd = s.committed.Load()
	st.LogSynced = s.synced.Load()
	st.LogFiles = len(s.seg.Files())
	st.Checkpoint = s.checkpointed.Load()
	return st
}
