package pop

import (
	"context"
	"io/fs"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// BenchmarkMillionInHand puts a million messages into groups' hands, 32 at a
// time, and states what each of them takes of the heap and of the disk, and how
// long it takes to open them again.
func BenchmarkMillionInHand(b *testing.B) {
	const all = 1_000_000
	for b.Loop() {
		dir := b.TempDir()
		before := heap()
		s, h, stop := benchHolds(b, dir)
		open := heap()
		for i := 0; i < all; i += 32 {
			at := make([]Taken, 32)
			for j := range at {
				at[j] = Taken{mq.QueueOffset(i + j), 0}
			}
			u := Use{Group: "group-of-consumers", Topic: "topic-of-messages", Queue: int32(i / 32 % 8)}
			if err := h.Take(h.Batch(), u, 0, time.Now().UnixMilli()+3_600_000, at); err != nil {
				b.Fatal(err)
			}
		}
		full := heap()
		b.ReportMetric(float64(full-open)/all, "heap-B/message")
		b.ReportMetric(float64(open-before)/(1<<20), "empty-MiB")
		runtime.KeepAlive(s)
		stop()
		b.ReportMetric(float64(size(b, dir))/all, "disk-B/message")
		began := time.Now()
		_, _, stop = benchHolds(b, dir)
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "open-ms")
		stop()
	}
}

func benchHolds(b *testing.B, dir string) (*store.Store, *Holds, func()) {
	b.Helper()
	s, err := store.Open(store.Options{Dir: dir, FS: vfs.Default})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	s.Append(&mq.SendBatch{Sends: []mq.Send{{Message: mq.Message{Topic: "T"}}}, Done: func(*mq.SendBatch) { close(done) }})
	<-done
	h, err := New(Options{Store: s})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	return s, h, func() {
		cancel()
		wg.Wait()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// size is what the key store takes.
func size(b *testing.B, dir string) (n int64) {
	b.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "state"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}
