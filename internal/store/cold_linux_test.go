package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/segment"
)

// BenchmarkReadCold reads messages of 1 KiB, 32 at a time, that are no longer in
// the page cache, of one queue that has the log for itself and of one that
// shares it with seven others: read ahead; each pull on its own, as if the reader
// jumped about; and plainly piece by piece for what the disk can do. They take
// turns, because a disk changes from one second to the next. One operation is
// 64 MiB of the log.
func BenchmarkReadCold(b *testing.B) {
	const size, turn = 1 << 30, 64 << 20
	for _, queues := range []int{1, 8} {
		b.Run(fmt.Sprintf("queues=%d", queues), func(b *testing.B) {
			s := mustOpen(b, Options{Dir: b.TempDir()})
			defer mustClose(b, s)
			sends := make([]mq.Send, 256)
			for i := range sends {
				sends[i].Message = mq.Message{Topic: "BenchmarkTest", QueueID: int32(i % queues), Body: make([]byte, 1024)}
			}
			for s.committed.Load() < size-1<<20 {
				s.Append(&mq.SendBatch{Sends: sends})
			}
			if err := errors.Join(s.syncLog(), s.writeCheckpoint()); err != nil {
				b.Fatal(err)
			}
			name := mq.Queue{Topic: "BenchmarkTest"}
			buf := make([]byte, 1<<20)
			took := map[string]time.Duration{}
			b.ResetTimer()
			for n := range b.N {
				for _, way := range []string{"plain", "ahead", "by-pull"} {
					start := int64(n%12) * turn
					from := mq.QueueOffset(0)
					if start > 0 {
						from = mq.QueueOffset(start / (s.committed.Load() / int64(s.stats.mu.Messages)) / int64(queues))
					}
					dropCache(b, s)
					began := time.Now()
					if way == "plain" {
						for at := start; at < start+turn; at += int64(len(buf)) {
							if err := s.readFull(buf, mq.LogPos(at)); err != nil {
								b.Fatal(err)
							}
						}
					}
					for left := turn / 1100 / queues; way != "plain" && left > 0; left -= 32 {
						if way == "by-pull" {
							q, _ := s.table.get(name, false)
							q.readTo.Store(1 << 60)
						}
						batch, err := s.Read(name, from, ReadOptions{})
						if err != nil || batch.Count != 32 {
							b.Fatal(batch.Count, err)
						}
						from = batch.Next
						batch.Release()
					}
					took[way] += time.Since(began)
				}
			}
			for way, d := range took {
				b.ReportMetric(float64(b.N)*turn/1e6/d.Seconds(), way+"-MB/s-of-log")
			}
		})
	}
}

// dropCache takes the log out of the page cache, and what was read ahead out of
// memory.
func dropCache(b *testing.B, s *Store) {
	b.Helper()
	s.old.fetching.Wait()
	for range aheadIdle {
		s.old.cool()
	}
	for _, info := range s.seg.Files() {
		f, err := os.Open(filepath.Join(s.o.Dir, logDir, segment.Name(info.Start)))
		if err != nil {
			b.Fatal(err)
		}
		if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}
