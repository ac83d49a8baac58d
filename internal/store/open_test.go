package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/segment"
)

// rebuildIndex deletes everything but the log of a closed store.
func rebuildIndex(t *testing.T, o Options) {
	t.Helper()
	names, err := o.FS.List(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if name != logDir {
			if err := o.FS.RemoveAll(o.FS.PathJoin(o.Dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// rewrite changes a file.
func rewrite(t *testing.T, fs vfs.FS, path string, change func([]byte) []byte) {
	t.Helper()
	text, err := fs.(*vfs.MemFS).UnsafeGetFileDataBuffer(path)
	if err != nil {
		t.Fatal(err)
	}
	text = change(bytes.Clone(text))
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func logPath(o Options, pos int64) string {
	return o.FS.PathJoin(o.Dir, logDir, segment.Name(pos-pos%o.SegmentSize))
}

// fill stores n messages of about size bytes in each of three queues.
func fill(t *testing.T, s *Store, n, size int) {
	t.Helper()
	for i := range n {
		mustSend(t, s, tagged("A", 0, "x", fmt.Sprintf("%d", i)), message("A", 1, strings.Repeat("f", size)), message("B", 0, fmt.Sprintf("b%d", i)))
	}
}

func TestOpenRebuildsWhatIsMissing(t *testing.T) {
	for _, missing := range []string{"everything but the log", "blocks", "the checkpoint"} {
		o := testOptions(nil)
		s := mustOpen(t, o)
		fill(t, s, 200, 2000)
		want := mustRead(t, s, mq.Queue{Topic: "A"}, 0)
		switch missing {
		case "blocks", "the checkpoint":
			mustClose(t, s)
			rows, err := openRows(o.FS, o.FS.PathJoin(o.Dir, StateDir), o.WithDefaults().Log, false)
			if err != nil {
				t.Fatal(err)
			}
			b := rows.db.NewBatch()
			if missing == "blocks" {
				_ = b.DeleteRange([]byte{rowIndex}, []byte{rowIndex + 1}, nil)
			}
			_ = b.Delete([]byte{rowCheckpoint}, nil)
			if err := errors.Join(rows.apply(b, true), rows.db.Close()); err != nil {
				t.Fatal(err)
			}
		default:
			mustClose(t, s)
			rebuildIndex(t, o)
		}
		s = mustOpen(t, o)
		if got := mustRead(t, s, mq.Queue{Topic: "A"}, 0); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Fatalf("without %s: got %d messages, want %d", missing, len(got), len(want))
		}
		if m := mustSend(t, s, message("B", 0, "next"))[0]; m.Result.Offset != 200 {
			t.Fatalf("without %s: queue goes on at %d", missing, m.Result.Offset)
		}
		mustClose(t, s)
		checkVerified(t, o.FS, missing)
	}
}

// An index that is ahead of the log, because somebody cut the log, is rebuilt.
func TestOpenRebuildsAnIndexThatIsAheadOfTheLog(t *testing.T) {
	o := testOptions(nil)
	s := mustOpen(t, o)
	fill(t, s, 100, 1000)
	cut := mustSend(t, s, message("A", 0, "gone"))[0].Result.Pos
	mustClose(t, s)
	rewrite(t, o.FS, logPath(o, int64(cut)), func(b []byte) []byte { return b[:int64(cut)%o.SegmentSize] })
	s = mustOpen(t, o)
	defer mustClose(t, s)
	if got := mustRead(t, s, mq.Queue{Topic: "A"}, 0); len(got) != 100 {
		t.Fatalf("queue holds %d messages", len(got))
	}
}

// Whatever a torn write leaves at the end of the log is cut, and what comes
// later is written over zeros.
func TestOpenCutsTornTail(t *testing.T) {
	for name, tear := range map[string]func(tail []byte) []byte{
		"cut off":           func(b []byte) []byte { return b[:len(b)-7] },
		"only a size":       func(b []byte) []byte { return b[:6] },
		"a hole at its end": func(b []byte) []byte { clear(b[len(b)/2:]); return b },
		"a hole before it":  func(b []byte) []byte { return append(make([]byte, 500), b...) },
		"another body":      func(b []byte) []byte { b[100] ^= 1; return b },
		"another position":  func(b []byte) []byte { b[mq.RecordPosAt+7]++; return b },
		"a huge size":       func(b []byte) []byte { b[0] = 0x7f; return b },
		"a negative size":   func(b []byte) []byte { b[0] = 0xff; return b },
		"two records":       func(b []byte) []byte { return append(append([]byte{1}, b...), b...) },
		"nothing":           func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			o := testOptions(nil)
			s := mustOpen(t, o)
			mustSend(t, s, message("T", 0, "kept"))
			// What is written behind the last checkpoint may be torn.
			if err := errors.Join(s.syncLog(), s.writeCheckpoint()); err != nil {
				t.Fatal(err)
			}
			kept := mustSend(t, s, message("T", 0, "kept too"))[0].Result
			torn := mustSend(t, s, message("T", 0, strings.Repeat("torn ", 20)))[0].Result
			left := crashOf(t, o.FS)
			mustClose(t, s)
			o.FS = left
			rewrite(t, left, logPath(o, 0), func(b []byte) []byte {
				return append(b[:torn.Pos:torn.Pos], tear(b[torn.Pos:])...)
			})
			s = mustOpen(t, o)
			if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); len(got) != 2 || got[1] != "kept too" {
				t.Fatalf("queue holds %q", got)
			}
			again := mustSend(t, s, message("T", 0, "again"))[0].Result
			if again.Pos != torn.Pos || again.Offset != kept.Offset+1 {
				t.Fatalf("log goes on at %d, offset %d", again.Pos, again.Offset)
			}
			mustClose(t, s)
			checkVerified(t, left, name)
			data, err := left.UnsafeGetFileDataBuffer(logPath(o, 0))
			if err != nil {
				t.Fatal(err)
			}
			end := int(again.Pos) + len(recordOf(t, data[again.Pos:]))
			if tail := data[end:]; !bytes.Equal(tail, make([]byte, len(tail))) {
				t.Fatalf("behind the log's end lies %q", tail)
			}
		})
	}
}

func recordOf(t *testing.T, b []byte) []byte {
	t.Helper()
	_, rest, err := mq.DecodeRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:len(b)-len(rest)]
}

// crashOf copies what is in a file system now, as kill -9 would leave it.
func crashOf(t *testing.T, fs vfs.FS) *vfs.MemFS {
	t.Helper()
	to := vfs.NewMem()
	if _, err := vfs.Clone(fs, to, "store", "store"); err != nil {
		t.Fatal(err)
	}
	return to
}

// Without an index nobody knows what was acknowledged: damage in the middle of
// the log is an error that names it, not an end.
func TestRebuildDoesNotCutTheMiddle(t *testing.T) {
	o := testOptions(nil)
	s := mustOpen(t, o)
	fill(t, s, 100, 4000)
	mustClose(t, s)
	rebuildIndex(t, o)
	rewrite(t, o.FS, logPath(o, o.SegmentSize), func(b []byte) []byte { b[5000] ^= 1; return b })
	_, err := Open(o)
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || !strings.HasSuffix(corrupt.File, segment.Name(o.SegmentSize)) {
		t.Fatalf("got %v", err)
	}
	rep, err := Dump(o.FS, o.Dir, 0, func(*mq.Record) error { return nil })
	if err != nil || rep.Problems != 1 || rep.Records != 299 {
		t.Fatalf("dump finds %d records, %q, %v", rep.Records, rep.Findings, err)
	}
}

// A log that RocketMQ wrote has files of full length, one more of them than is
// used, and other directories beside it.
func TestOpenTakesOverRocketMQsLog(t *testing.T) {
	o := testOptions(nil)
	s := mustOpen(t, o)
	fill(t, s, 100, 1000)
	_, end := s.LogBounds()
	mustClose(t, s)
	rebuildIndex(t, o)
	full := func(b []byte) []byte { return append(b, make([]byte, o.SegmentSize-int64(len(b)))...) }
	rewrite(t, o.FS, logPath(o, int64(end)), full)
	next := logPath(o, int64(end)+o.SegmentSize)
	f, err := o.FS.Create(next, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	rewrite(t, o.FS, next, full)
	for _, dir := range []string{"consumequeue", "index", "config"} {
		if err := o.FS.MkdirAll(o.FS.PathJoin(o.Dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	size := o.SegmentSize
	o.SegmentSize = 0 // known from the files
	s = mustOpen(t, o)
	defer mustClose(t, s)
	if s.seg.Size() != size {
		t.Fatalf("segment size is %d", s.seg.Size())
	}
	if _, hi := s.LogBounds(); hi != end {
		t.Fatalf("log ends at %d, want %d", hi, end)
	}
	if got := mustRead(t, s, mq.Queue{Topic: "B"}, 0); len(got) != 100 || got[99] != "b99" {
		t.Fatalf("queue holds %d messages", len(got))
	}
	fill(t, s, 100, 1000)
	if got := mustRead(t, s, mq.Queue{Topic: "B"}, 0); len(got) != 200 {
		t.Fatalf("queue holds %d messages", len(got))
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	file := func(fs vfs.FS, path string) {
		_ = fs.MkdirAll(fs.PathDir(path), 0o755)
		f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	for _, c := range []struct {
		name  string
		spoil func(o *Options)
		want  []string
	}{
		{"in use", func(o *Options) {
			s := mustOpen(t, *o)
			t.Cleanup(func() { mustClose(t, s) })
		}, []string{"store", "in use", "stop that process"}},
		{"other files", func(o *Options) { file(o.FS, "store/photos.zip") }, []string{"photos.zip", "empty directory"}},
		{"another commit log", func(o *Options) { file(o.FS, "store/commitlog/CommitLog-7.log") }, []string{"commitlog", "empty directory"}},
		{"another segment size", func(o *Options) {
			mustClose(t, mustOpen(t, *o))
			o.SegmentSize *= 2
		}, []string{"65536", "131072", "segment-size"}},
		{"a later format", func(o *Options) {
			mustClose(t, mustOpen(t, *o))
			rewrite(t, o.FS, "store/goddard.store", func([]byte) []byte { return []byte("goddard store 2\n") })
		}, []string{"goddard store 2", "version"}},
		{"a missing segment", func(o *Options) {
			s := mustOpen(t, *o)
			fill(t, s, 100, 4000)
			mustClose(t, s)
			if err := o.FS.Remove(logPath(*o, o.SegmentSize)); err != nil {
				t.Fatal(err)
			}
		}, []string{"missing", segment.Name(2 * 64 << 10)}},
		{"bad options", func(o *Options) { o.Dir, o.DeleteHour, o.DiskMaxUsed = "", "noon", 101 }, []string{"dir", "delete-hour", "disk-max-used"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := testOptions(nil)
			c.spoil(&o)
			s, err := Open(o)
			if err == nil {
				mustClose(t, s)
				t.Fatal("store opened")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

// A store that could not be opened holds no lock.
func TestFailedOpenLeavesNothingLocked(t *testing.T) {
	o := testOptions(nil)
	mustClose(t, mustOpen(t, o))
	bad := o
	bad.SegmentSize *= 2
	if _, err := Open(bad); err == nil {
		t.Fatal("store opened")
	}
	mustClose(t, mustOpen(t, o))
}

// A queue in whose middle messages are missing is read on behind the gap.
func TestGapInAQueueIsPassedOver(t *testing.T) {
	o := testOptions(nil)
	q := mq.Queue{Topic: "T"}
	var log []byte
	offsets := []mq.QueueOffset{5, 6, 50, 51}
	for i, offset := range offsets {
		m := message("T", 0, fmt.Sprint(offset))
		at := len(log)
		log = mq.AppendRecord(log, &m, o.StoreHost)
		mq.PatchRecord(log[at:], offset, mq.LogPos(at), int64(1000*i))
	}
	if err := o.FS.MkdirAll("store/commitlog", 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := o.FS.Create("store/commitlog/"+segment.Name(0), vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write(log)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := mustOpen(t, o)
		if lo, hi, err := s.Bounds(q); lo != 5 || hi != 52 || err != nil {
			t.Fatalf("bounds are %d, %d, %v", lo, hi, err)
		}
		for from, want := range map[mq.QueueOffset]mq.QueueOffset{5: 5, 7: 50, 49: 50, 51: 51} {
			b, err := s.Read(q, from, ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if rs := records(t, b); rs[0].QueueOffset != want || b.Next != 52 {
				t.Fatalf("from %d: got %d, next %d", from, rs[0].QueueOffset, b.Next)
			}
			b.Release()
		}
		if at, err := s.Locate(q, time.UnixMilli(2000), false); err != nil || at < 7 || at > 50 {
			t.Fatalf("located %d, %v", at, err)
		}
		mustClose(t, s)
	}
}
