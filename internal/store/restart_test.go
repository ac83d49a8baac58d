package store

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// What a start reads after the process was killed depends on what came after
// the last checkpoint, and not on how long the log is.
func TestRestartAfterAKillReadsNoMoreOfALongLogThanOfAShort(t *testing.T) {
	reads := map[int]int64{}
	for _, segments := range []int{2, 40} {
		fs := vfs.NewCrashableMem()
		o := testOptions(fs)
		s := mustOpen(t, o)
		n := 0
		for s.committed.Load() < int64(segments)*o.SegmentSize {
			mustSend(t, s, message("T", int32(n%8), strings.Repeat("x", 5000)))
			n++
		}
		if err := s.syncLog(); err != nil {
			t.Fatal(err)
		}
		if err := s.writeCheckpoint(); err != nil {
			t.Fatal(err)
		}
		mustSend(t, s, message("T", 0, "after the checkpoint"))
		killed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
		mustClose(t, s)
		var count atomic.Int64
		o.FS = errorfs.Wrap(killed, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileReadAt && strings.Contains(op.Path, logDir) {
				count.Add(1)
			}
			return nil
		}))
		s = mustOpen(t, o)
		reads[segments] = count.Load()
		total := 0
		for id := range int32(8) {
			total += len(mustRead(t, s, mq.Queue{Topic: "T", ID: id}, 0))
		}
		if total != n+1 {
			t.Errorf("of %d messages %d are left", n+1, total)
		}
		mustClose(t, s)
	}
	if reads[40] > reads[2]+2 {
		t.Errorf("a start reads the log %d times if it has 40 segments, and %d times if it has 2", reads[40], reads[2])
	}
}

// BenchmarkOpenAfterKill fills a log in another process, which kills itself
// under load, and says how long Open takes and how much memory it leaves in use.
func BenchmarkOpenAfterKill(b *testing.B) {
	const key = "GODDARD_FILL"
	if dir, ok := os.LookupEnv(key); ok {
		size, _ := strconv.ParseInt(os.Getenv(key+"_BYTES"), 10, 64)
		fillAndDie(b, dir, size)
	}
	for _, size := range []int64{256 << 20, 4 << 30} {
		b.Run(fmt.Sprintf("MiB=%d", size>>20), func(b *testing.B) {
			for range b.N {
				dir := b.TempDir()
				c := exec.Command(os.Args[0], "-test.run", "XXX", "-test.bench", "OpenAfterKill", "-test.benchtime", "1x")
				c.Env = append(os.Environ(), key+"="+dir, fmt.Sprintf("%s_BYTES=%d", key, size))
				if out, err := c.CombinedOutput(); err == nil {
					b.Fatalf("the process lived on: %s", out)
				}
				began := time.Now()
				s := mustOpen(b, Options{Dir: dir})
				b.ReportMetric(float64(time.Since(began).Milliseconds()), "open-ms")
				if got := s.committed.Load(); got < size {
					b.Fatalf("%d bytes of %d are left", got, size)
				}
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.HeapAlloc>>10), "heap-KiB")
				mustClose(b, s)
			}
		})
	}
}

// fillAndDie stores size bytes, half of them as messages of 1 KiB, and kills
// this process while it goes on.
func fillAndDie(b *testing.B, dir string, size int64) {
	s := mustOpen(b, Options{Dir: dir})
	runStore(b, s)
	sends := make([]mq.Send, 64)
	for i := int64(0); ; i++ {
		for j := range sends {
			body := 1 << 10
			if s.committed.Load() < size/2 {
				body = 64 << 10
			}
			sends[j].Message = mq.Message{Topic: "T", QueueID: int32(j % 8), Body: make([]byte, body)}
		}
		s.Append(&mq.SendBatch{Sends: sends})
		if sends[0].Err != nil { // space is being set aside, or the disk is behind
			runtime.Gosched()
		}
		if s.committed.Load() >= size {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
}
