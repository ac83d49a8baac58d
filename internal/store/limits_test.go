package store

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// diskWith says how many bytes of a disk of 1 TiB are free.
func diskWith(fs *vfs.MemFS, free uint64) {
	const total = 1 << 40
	fs.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: total, AvailBytes: free, UsedBytes: total - free})
}

func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
}

func TestVerifySaysThatABrokerRuns(t *testing.T) {
	o := testOptions(nil)
	s := mustOpen(t, o)
	_, err := Verify(o.FS, o.Dir, nil)
	wantText(t, err, "a broker is using this directory; stop it first")
	mustClose(t, s)
	if _, err := Verify(o.FS, o.Dir, nil); err != nil {
		t.Fatal(err)
	}
}

// What keeps a store from being looked at is not taken for damage.
func TestBarredDirectoriesAreNotCalledDamaged(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EROFS: "read-only", syscall.EACCES: "not permitted", syscall.EPERM: "not permitted",
		syscall.EAGAIN: "stop", syscall.ENOSPC: "no space is left",
	} {
		o := testOptions(nil)
		mustClose(t, mustOpen(t, o))
		for _, lock := range []string{"store/lock", "store/state/LOCK"} {
			fs := errorfs.Wrap(o.FS, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Path == lock && op.Kind != errorfs.OpStat {
					return errno
				}
				return nil
			}))
			_, err := Verify(fs, o.Dir, nil)
			wantText(t, err, want)
			if _, oerr := Open(Options{Dir: o.Dir, FS: fs}); oerr == nil || strings.Contains(oerr.Error()+err.Error(), "lost") {
				t.Errorf("%v of %s: open says %v, verify %v", errno, lock, oerr, err)
			}
		}
	}
}

// A log whose volume is not mounted is not an empty one.
func TestOpenRefusesALogThatIsGone(t *testing.T) {
	o := testOptions(nil)
	mustClose(t, mustOpen(t, o))
	if err := o.FS.RemoveAll("store/commitlog"); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, o) // was empty
	mustSend(t, s, message("T", 0, "a"))
	mustClose(t, s)
	if err := o.FS.Rename("store/commitlog", "elsewhere"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := Open(o)
		wantText(t, err, "commitlog", "mount")
	}
	if err := o.FS.RemoveAll("store/commitlog"); err != nil {
		t.Fatal(err)
	}
	if err := o.FS.Rename("elsewhere", "store/commitlog"); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, o)
	defer mustClose(t, s)
	if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); len(got) != 1 {
		t.Fatalf("queue holds %q", got)
	}
}

// What is set aside between two looks at the disk does not use up the reserve.
func TestReserveHoldsBetweenLooks(t *testing.T) {
	fs := vfs.NewMem()
	o := testOptions(fs)
	o.Reserve, o.DiskForceClean = 1<<30, 100
	diskWith(fs, 1<<31)
	s := mustOpen(t, o)
	defer mustClose(t, s)
	mustSend(t, s, message("T", 0, "a"))
	diskWith(fs, 1<<30+uint64(s.ahead)-1)
	for range 100 {
		if err := send(s, message("T", 0, strings.Repeat("x", 1000)))[0].Err; err != nil {
			if !errors.Is(err, mq.ErrDiskFull) || s.seg.Prepared() != s.ahead {
				t.Fatalf("prepared up to %d, then %v", s.seg.Prepared(), err)
			}
			wantText(t, err, "disk-reserve")
			diskWith(fs, 1<<30+uint64(s.ahead))
			mustSend(t, s, message("T", 0, strings.Repeat("x", 1000)))
			return
		}
	}
	t.Fatalf("prepared up to %d", s.seg.Prepared())
}

func TestSettingMoreAsideEndsWithTheStore(t *testing.T) {
	s := mustOpen(t, testOptions(vfs.NewMem()))
	defer mustClose(t, s)
	ended, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 2 {
		before := s.seg.Prepared()
		if err := s.setAsideMore(ended, before+3*s.ahead); err != nil {
			t.Fatal(err)
		}
		if got := s.seg.Prepared() - before; (got == 0) != (ended.Err() != nil) {
			t.Errorf("%d bytes are set aside, ended: %v", got, ended.Err())
		}
		cancel()
	}
}

// Who sets space aside in a file keeps its writers waiting.
func TestSegmentsAreSetAsideWholeBeforeAnybodyWritesToThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		diskWith(fs, 1<<39)
		o := testOptions(fs)
		o.SegmentSize = 64 << 20
		s := mustOpen(t, o)
		stop := runStore(t, s)
		synctest.Wait() // until the first piece is set aside
		grow := func(n int) {
			t.Helper()
			for range n {
				mustSend(t, s, message("T", 0, strings.Repeat("x", 1<<20)))
			}
			synctest.Wait()
		}
		for _, step := range []struct {
			used     int   // percent of the disk
			messages int   // of a little more than 1 MiB
			prepared int64 // then, in MiB
		}{
			{50, 3, 32}, // of a new log a little
			{50, 7, 64}, // and then the rest of its segment
			{50, 25, 128},
			{50, 25, 128}, // 60 MiB are written, and then the next segment is begun
			{50, 5, 192},
			{80, 65, 192}, // there is not much room any more
			{50, 65, 320},
		} {
			diskWith(fs, uint64(100-step.used)<<40/100)
			grow(step.messages)
			if got := s.seg.Prepared() >> 20; got != step.prepared {
				t.Errorf("%d MiB are set aside with a log of %d, not %d", got, s.mu.end>>20, step.prepared)
			}
		}
		stop()
		mustClose(t, s)
	})
}

func TestLimitsChangeWhileTheStoreRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		diskWith(fs, 1<<39)
		o := testOptions(fs)
		s := mustOpen(t, o)
		stop := runStore(t, s)
		now := s.Options()
		if now.Retention != 72*time.Hour || now.SegmentSize != 64<<10 || now.DiskMaxUsed != 75 || now.Reserve != 256<<20 {
			t.Fatalf("options are %+v", now)
		}
		now.DiskStopWrites = 50
		if err := s.Change(now); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		wantText(t, s.Writable(), "disk-stop-writes", "a shorter retention frees nothing")
		now.DiskStopWrites = 90
		if err := s.Change(now); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		fill(t, s, 100, 4000)
		for _, bad := range []func(*Options){
			func(o *Options) { o.Retention = 0 }, func(o *Options) { o.DiskMaxUsed = 101 }, func(o *Options) { o.DeleteHour = "noon" },
		} {
			o := now
			if bad(&o); s.Change(o) == nil {
				t.Errorf("took %+v", o)
			}
		}
		now.DiskStopWrites = 40
		if err := s.Change(now); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		wantText(t, s.Writable(), "shorten retention (fileReservedTime), which is 72h0m0s")
		files := len(s.seg.Files())
		now.Retention = time.Nanosecond
		if err := s.Change(now); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if left := len(s.seg.Files()); left >= files {
			t.Errorf("%d of %d segments are left", left, files)
		}
		stop()
		mustClose(t, s)
	})
}
